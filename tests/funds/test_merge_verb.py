"""`pointsbank merge`: two members of staff on the command line, neither of the household, and the books move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.access.test_cli import Shell, half_in, id_in, shell

from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import MasterKey, MasterKeys, generate, write_file
from pointsbank.people.model import NewPerson
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore
from pointsbank.people.volunteers import PEOPLE, by_number, registration
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

__all__ = ["shell"]


async def registered(url: str, folder: Path, key: MasterKey) -> tuple[str, str]:
    """Two volunteers in the books and in the register; their ids."""
    database = Database(url)
    people_url = f"sqlite:///{database.path.with_name('people.db')}" if database.dialect == "sqlite" else url
    async with open_ledger(database) as ledger:
        await ledger.submit([registration("V2", date(1990, 1, 1), Command("t", "v2"))], PEOPLE)
        people = await database.read(by_number, ledger.id, ["V1", "V2"])
    store = PeopleStore(
        people_url,
        ledger_id_of(CITY_LEDGER),
        MasterKeys([key]),
        ErasureList(folder / "erased"),
    )
    await store.upgrade()
    await store.open()
    await Registry(store).register_all(
        [
            NewPerson(name="张小明", person_id=one.id, volunteer_number=number)
            for number, one in people.items()
        ],
        "clerk",
    )
    await store.close()
    await database.close()
    return people["V1"].id, people["V2"].id


def manager(shell: Shell, login: str) -> None:
    """Somebody who may manage people."""
    made = shell.acting("ann", "staff", "add", login)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", made.output)[0]
    second = half_in(shell.acting("bo", "staff", "confirm-enrolment", enrolment))
    shell.enrol(login, f"{half_in(made)}-{second}")
    grant = id_in(shell.acting("ann", "staff", "grant", person, "centre-manager"))
    assert id_in(shell.acting("bo", "staff", "confirm", grant)) == grant


@pytest.fixture
def key(tmp_path: Path) -> Iterator[MasterKey]:
    """A master key in a file that the settings name."""
    made, file = generate(), tmp_path / "master.key"
    write_file(file, [made])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_MASTER_KEY_FILE", str(file))
        yield made


def test_h14_a_merge_and_its_undoing_are_two_members_of_staff_each(
    shell: Shell, tmp_path: Path, key: MasterKey
) -> None:
    old, into = asyncio.run(registered(shell.url, tmp_path, key))
    shell.found()
    for login in ("cy", "dee"):
        manager(shell, login)
    assert shell.run("merge", "propose", old, into).exit_code != 0, "nobody without a name"
    assert "没有权限" in shell.acting("ann", "merge", "propose", old, into).output
    for verb, kind in ((("propose", old, into), "merge"), (("undo", old), "unmerge")):
        proposed = shell.acting("cy", "merge", *verb)
        assert proposed.exit_code == 0, proposed.output
        [change] = re.findall(rf"^(\S+)\t{kind}\tproposed", proposed.output, re.MULTILINE)
        assert shell.acting("cy", "merge", "confirm", old, change).exit_code != 0, "not by one alone"
        confirmed = shell.acting("dee", "merge", "confirm", old, change)
        assert f"{change}\t{kind}\tconfirmed" in confirmed.output, confirmed.output
    assert shell.run("verify").exit_code == 0
