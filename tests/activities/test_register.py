"""The books together with the register of people: the public notice, a merge and a closing from end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

from msgspec.structs import replace
from tests.activities.centre import HEAD, NAMES, Centre, guarded, open_centre
from tests.activities.test_clawback import FUND, holds, spend, with_shop

from pointsbank.activities.ports import By
from pointsbank.hours.merging import MergePostings
from pointsbank.hours.notices import CHILD, NO_NAME, NoticeLine, Notices
from pointsbank.hours.settling import SettlePostings
from pointsbank.people.changes import Change
from pointsbank.people.closing import Closing, close_account
from pointsbank.people.directory import directory_of
from pointsbank.people.merging import Merging
from pointsbank.people.refusals import PointsLeft
from pointsbank.people.registry import Registry
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.store.database import Database

DAY = "2026-03-02"


@asynccontextmanager
async def register(centre: Centre) -> AsyncIterator[Registry]:
    """The people of the centre, who are on file under their names."""
    yield Registry(directory_of(centre.ledger).store)


async def on_notice(centre: Centre, names: Registry | None, station: str = "") -> list[NoticeLine]:
    return (await Notices(centre.ledger, centre.policies, names).today(station)).lines


async def verified(centre: Centre, *names: str) -> None:
    session = await centre.attended(names, DAY)
    lines = await centre.submit(session)
    await centre.verify(*[line.record_id for line in lines.values()])


async def test_the_public_notice_shows_masked_names_and_of_children_none(database: Database) -> None:
    policy = guarded()
    guard = replace(policy.safeguards, companion_below_age=0, consent_below_age=0)
    async with (
        open_centre(database, replace(policy, safeguards=guard)) as centre,
        register(centre) as names,
    ):
        await verified(centre, *NAMES)
        lines = await on_notice(centre, names)
        assert sorted(line.name for line in lines) == sorted(["张*明", "李*", "欧**静", CHILD, CHILD])
        assert [line.line for line in lines] == [1, 2, 3, 4, 5], "numbers of this list only"
        assert {(line.activity, line.minutes, line.until) for line in lines} == {("清雪", 120, "2026-03-05")}
        whole = str(lines)
        for number in NAMES:
            assert centre.id(number) not in whole
            assert NAMES[number] not in whole
        assert {line.name for line in await on_notice(centre, None)} == {NO_NAME}, "no register, no names"
        assert await on_notice(centre, names, "S2") == []


async def test_the_public_notice_names_the_team_of_the_service_date(database: Database) -> None:
    async with open_centre(database) as centre, register(centre) as names:
        places = PlacesService(centre.ledger)
        for code, name, first, last in (
            ("T1", "清雪一队", date(2026, 1, 1), date(2026, 3, 3)),
            ("T2", "清雪二队", date(2026, 3, 3), date(9999, 12, 31)),
        ):
            await places.change(Opening(code, "team", name, "C1", date(2026, 1, 1)), centre.key())
            await places.change_membership(Joining(code, centre.id("V1"), first, until=last), centre.key())
        await verified(centre, "V1")
        centre.at("2026-03-04 08:00:00")
        [line] = await on_notice(centre, names)
        assert (line.name, line.team) == ("张*明", "清雪一队")


async def test_a_line_is_gone_when_its_notice_has_ended_released_or_not(database: Database) -> None:
    async with open_centre(database) as centre, register(centre) as names:
        await verified(centre, "V1", "V2")
        centre.at("2026-03-05 23:59:59")
        assert len(await on_notice(centre, names)) == 2
        centre.at("2026-03-06 00:00:00")
        assert await on_notice(centre, names) == []


async def test_h14_a_merge_is_two_members_of_staff_a_visible_entry_and_an_alias(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre, register(centre) as names:
        await centre.credited("V1", DAY)
        await centre.release("2026-03-06")
        old, into = centre.id("V1"), centre.id("V2")
        desk, books = Merging(names.store), MergePostings(centre.ledger, centre.policies, HEAD)
        proposed = await desk.propose(old, into, "clerk-1")
        assert isinstance(proposed, Change)
        await desk.confirm(old, proposed.id, "clerk-1", books.post)
        assert await centre.points("V2") == 0, "not by one alone"
        assert isinstance(await desk.confirm(old, proposed.id, "clerk-2", books.post), Change)
        assert (await centre.points("V1"), await centre.points("V2")) == (0, 2000)
        assert await names.state(old) == "merged"
        undoing = await desk.propose_undoing(old, "clerk-1")
        assert isinstance(undoing, Change)
        assert isinstance(await desk.confirm(old, undoing.id, "clerk-2", books.post), Change)
        assert (await centre.points("V1"), await centre.points("V2")) == (2000, 0)
        assert await names.state(old) == "active"
        await centre.holds()


async def test_an_account_is_closed_with_a_donation_and_the_books_stay_whole(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre, register(centre) as names:
        await centre.credited("V1", DAY)
        await centre.release("2026-03-06")
        await spend(centre, "V1", 500)
        settling = SettlePostings(centre.ledger, centre.policies, By("clerk-2", "clerk-2"))
        person = centre.id("V1")
        alone = await close_account(names.store, person, settling.settle, by="clerk-1")
        assert alone == PointsLeft("POINT", 1500)
        closed = await close_account(
            names.store,
            person,
            settling.settle,
            by="clerk-1",
            settlement="donate",
            confirmed_by="clerk-2",
            delay=0,
        )
        assert isinstance(closed, Closing)
        assert closed.step == "done"
        assert await centre.points("V1") == 0
        assert await holds(centre, FUND.issued) == -500
        assert await names.masked_names([person]) == {}
        await centre.holds()


async def test_a_closing_that_meets_hours_under_way_is_given_up(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre, register(centre) as names:
        await centre.credited("V1", DAY)
        settling = SettlePostings(centre.ledger, centre.policies, HEAD)
        answer = await close_account(
            names.store,
            centre.id("V1"),
            settling.settle,
            by="clerk-1",
            settlement="donate",
            confirmed_by="clerk-2",
            delay=0,
        )
        assert getattr(answer, "code", "") == "hours-under-way"
        assert await names.state(centre.id("V1")) == "active", "the person is as before"
