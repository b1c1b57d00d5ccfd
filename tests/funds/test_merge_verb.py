"""`pointsbank merge`: two members of staff on the command line, neither of the household, and the books move."""

from __future__ import annotations

import asyncio
import re
from datetime import date

from tests.access.test_cli import Shell, half_in, id_in, shell
from tests.people_of import enrol, open_peopled

from pointsbank.store.database import Database

__all__ = ["shell"]


async def registered(url: str) -> tuple[str, str]:
    """Two volunteers in the books and in the register; their ids."""
    database = Database(url)
    async with open_peopled(database) as ledger:
        born = {"V1": date(1990, 1, 1), "V2": date(1990, 1, 1)}
        people = await enrol(ledger, born, dict.fromkeys(born, "张小明"))
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


def test_h14_a_merge_and_its_undoing_are_two_members_of_staff_each(shell: Shell) -> None:
    old, into = asyncio.run(registered(shell.url))
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
