"""The verbs of what waits: at the places of whoever asks, masked, with what four eyes forbid."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection
from tests.access.test_cli import Shell, half_in, id_in
from tests.activities.centre import BORN, NAMES, Centre, Homes, done
from tests.activities.test_awaiting import elsewhere, submitted
from tests.people_of import enrol, open_peopled

from pointsbank.cli.main import main
from pointsbank.engine.clock import FixedClock, SystemClock
from pointsbank.engine.commands import Command
from pointsbank.hours.service import HoursService
from pointsbank.places.model import Opening
from pointsbank.places.service import PlacesService
from pointsbank.places.tree import places_on
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database

ZONE = "Asia/Shanghai"


@pytest.fixture
def shell(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_PEPPER", str(tmp_path / "secret" / "pepper"))
        yield Shell(database_url, monkeypatch)


async def build(url: str) -> tuple[dict[str, str], str]:
    """Of the last days: an objected record and one that waits at S1, one that waits at S2; and the place of S1."""
    database, opened = Database(url), date(2020, 1, 1)
    days = [city_day(SystemClock().now(), ZONE) - timedelta(days=back) for back in (4, 3, 2)]
    clock = FixedClock(start_of_day(days[0], ZONE))
    async with open_peopled(database, clock=clock) as ledger:
        await HoursService(ledger, policies_at()).open_accounts()
        atlas = PlacesService(ledger)
        for act in (
            Opening("CITY", "city", "城市", "", opened),
            *(Opening(f"C{n}", "centre", f"中心{n}", "CITY", opened) for n in (1, 2)),
            *(Opening(f"S{n}", "station", f"站{n}", f"C{n}", opened) for n in (1, 2)),
        ):
            done(await atlas.change(act, Command("t", act.code)))
        centre = Centre(ledger, policies_at(), clock, Homes({}), await enrol(ledger, BORN, NAMES))
        made = {"objected": (await submitted(centre, "V1", day=days[0].isoformat()))["V1"]}
        await centre.verify(made["objected"])
        done(await centre.objecting.object(made["objected"], "not-present", centre.by("V3"), centre.key()))
        centre.at(f"{days[1]} 06:00:00")
        made["here"] = (await submitted(centre, "V1", day=days[1].isoformat()))["V1"]
        centre.at(f"{days[2]} 06:00:00")
        made["there"] = await elsewhere(centre, "V2", days[2].isoformat())
        place = (await database.read(_places, ledger.id))["S1"]
    await database.close()
    return made, place


def _places(connection: Connection, ledger_id: int) -> dict[str, str]:
    return {code: one.id for code, one in places_on(connection, ledger_id, ["S1"], date(2026, 1, 1)).items()}


def test_the_verbs_list_what_waits_at_the_places_of_who_asks(shell: Shell) -> None:
    made, place = asyncio.run(build(shell.url))
    shell.found()
    added = shell.acting("ann", "staff", "add", "cy")
    first = half_in(added)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", added.output)[0]
    shell.enrol("cy", f"{first}-{half_in(shell.acting('bo', 'staff', 'confirm-enrolment', enrolment))}")
    denied = shell.acting("cy", "awaiting", "verification")
    assert denied.exit_code == 1
    assert "没有权限" in denied.output
    grant = shell.acting("ann", "staff", "grant", person, "verifier", "--place", place)
    shell.acting("bo", "staff", "confirm", id_in(grant))
    waiting = shell.acting("cy", "awaiting", "verification")
    assert waiting.exit_code == 0, waiting.output
    assert made["here"] in waiting.output
    assert "张*明" in waiting.output
    assert "verification" in waiting.output
    assert made["there"] not in waiting.output, "another centre's"
    assert NAMES["V1"] not in waiting.output
    cases = shell.acting("cy", "awaiting", "decision")
    assert cases.exit_code == 0, cases.output
    [line] = [line for line in cases.output.splitlines() if made["objected"] in line]
    assert "\topen\tobjection\tnot-present\t" in line
    for verb in ("verification", "decision"):
        bare = shell.run("awaiting", verb)
        assert bare.exit_code == 1, "a bare shell of a ledger with staff is nobody"


@pytest.mark.parametrize("verb", ["verification", "decision"])
def test_the_help_says_what_each_column_is(verb: str) -> None:
    told = CliRunner().invoke(main, ["awaiting", verb, "--help"])
    assert told.exit_code == 0
    for word in ("last day by law", "masked", "--limit", "--login", "不可 / not you"):
        assert word in " ".join(told.output.split())
