"""False hours: found guilty of them, a person is on no candidate list for some years, nor is who organised them."""

from __future__ import annotations

from datetime import date

import pytest
from tests.activities.centre import Centre, open_centre
from tests.activities.test_clawback import decided, false_activity, with_shop
from tests.recognition.test_lists import prizes

from pointsbank.ledger.model import Receipt
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.recognition.barred import barred
from pointsbank.recognition.service import CandidateList, Recognition
from pointsbank.store.database import Database

ZONE = "Asia/Shanghai"


async def listed(centre: Centre, years: int, kind: str = "person") -> list[str]:
    """Who is on the list of 2025, drawn up now."""
    desk = Recognition(centre.ledger, ZONE, years)
    made = await desk.freeze(prizes(), 2025, 10, centre.key("list"), kind=kind)
    assert isinstance(made, CandidateList), made
    return [candidate.subject for candidate in made.candidates]


async def honest(centre: Centre, day: str) -> None:
    """Two hours of everybody that nobody doubts."""
    session = await centre.attended(["V1", "V2", "V3"], day)
    await centre.verify(*[line.record_id for line in (await centre.submit(session)).values()])


async def test_who_is_guilty_of_false_hours_is_on_no_list_for_the_years_of_the_policy(
    database: Database,
) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        activity, _ = await false_activity(centre, "V1", "V2", day="2025-03-03")
        await honest(centre, "2025-03-04")
        await centre.release("2025-03-20")
        await decided(centre, activity, "V1")  # on 4 March 2025
        one, two, three = (centre.id(name) for name in ("V1", "V2", "V3"))
        centre.at("2026-03-03 23:59:00")
        assert set(await listed(centre, 1)) == {two, three}, "the innocent keep what is left"
        assert set(await listed(centre, 0)) == {one, two, three}, "without the rule"
        free = await database.read(barred, centre.ledger.id, date(2026, 3, 3), 1, ZONE)
        assert free == {one: date(2026, 3, 4)}
        centre.at("2026-03-04 00:00:00")
        assert set(await listed(centre, 1)) == {one, two, three}, "the year is over"
        assert set(await listed(centre, 3)) == {two, three}, "as many years as the policy says"


async def test_the_team_that_organised_false_hours_is_on_no_list_either(database: Database) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        places, start = PlacesService(centre.ledger), date(2025, 1, 1)
        for code, name in (("T1", "V2"), ("T2", "V3")):
            opened = await places.change(Opening(code, "team", code, "C1", start), centre.key())
            joined = await places.change_membership(Joining(code, centre.id(name), start), centre.key())
            assert isinstance(opened, Receipt), opened
            assert isinstance(joined, Receipt), joined
        false = await centre.activity("2025-03-03", first="09:00", last="11:00", organiser="T1")
        session = await centre.attended(["V1"], "2025-03-03", activity=false)
        await centre.verify((await centre.submit(session))["V1"].record_id)
        await honest(centre, "2025-03-04")
        await centre.release("2025-03-20")
        await decided(centre, false, "V1")
        centre.at("2026-01-10 08:00:00")
        groups = {"before": await listed(centre, 0, "team"), "now": await listed(centre, 1, "team")}
        assert len(groups["before"]) == 2
        assert len(groups["now"]) == 1
        assert set(groups["before"]) - set(groups["now"]) == set(
            await database.read(barred, centre.ledger.id, date(2026, 1, 10), 1, ZONE)
        ) - {centre.id("V1")}


@pytest.mark.parametrize("guilty", [(), ("V1",)])
async def test_a_case_bars_whom_it_finds_guilty_and_nobody_else(
    database: Database, guilty: tuple[str, ...]
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        case = await decided(centre, activity, *guilty)
        assert case.state == "decided"
        found = await database.read(barred, centre.ledger.id, date(2026, 3, 6), 3, ZONE)
        assert set(found) == {centre.id(name) for name in guilty}
