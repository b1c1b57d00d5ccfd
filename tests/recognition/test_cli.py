"""Recognition from the command line: stars, the list of a year, honours; on both engines."""

import asyncio
from datetime import date

from click.testing import CliRunner, Result
from tests.people_of import enrol, open_peopled
from tests.points.town import policy, record

from pointsbank.cli.main import main
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.hours.service import HoursService
from pointsbank.places.stations import PLACES, opening
from pointsbank.policy.book import PolicyBook
from pointsbank.store.database import Database


def invoke(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["recognition", *arguments, "--database", url], catch_exceptions=False)


async def _served(url: str) -> str:
    """A volunteer with four hours in 2025; gives the person's id."""
    database = Database(url)
    async with open_peopled(database, CITY_LEDGER) as ledger:
        await ledger.submit([opening("station", "S1", "", "", Command("t", "S1"))], PLACES)
        person = (await enrol(ledger, {"V1": date(1990, 1, 1)}))["V1"].id
        hours = HoursService(ledger, PolicyBook([policy()]))
        await hours.open_accounts()
        lines = [(1, record("R1", "V1", "2025-02-02"))]
        [verdict] = await hours.submit("file", lines, Command("t", "file"))
        assert verdict.verdict == "accepted"
    await database.close()
    return person


def test_the_list_of_a_year_is_frozen_shown_again_and_honours_come_and_go(database_url: str) -> None:
    person = asyncio.run(_served(database_url))
    shown = invoke(database_url, "standing", person)
    assert "星级志愿者  —  240 min" in shown.output
    assert "年度志愿服务奖  —  0 min" in shown.output, "the hours were served last year"
    frozen = invoke(database_url, "freeze", "2025", "--scheme", "heilongjiang-year", "--key", "k")
    assert frozen.exit_code == 0, frozen.output
    assert person in frozen.output
    list_id = frozen.output.split()[2]
    assert person in invoke(database_url, "list", list_id).output
    assert invoke(database_url, "freeze", "2999", "--scheme", "heilongjiang-year").exit_code == 1
    assert "no scheme x" in invoke(database_url, "freeze", "2025", "--scheme", "x").output
    decision = ("--on", "2026-03-05", "--document", "2026-1")
    done = invoke(database_url, "honour", person, "--title", "优秀志愿者", "--granted-by", "city", *decision)
    assert done.exit_code == 0, done.output
    assert "优秀志愿者  city  2026-1  valid" in invoke(database_url, "standing", person).output
    assert invoke(database_url, "revoke", "no-such", "--decided-by", "city", *decision).exit_code == 1
