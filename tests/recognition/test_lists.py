"""A year is frozen once: the list never changes, ties are shown, and honours are revoked by a new record."""

from datetime import date

import pytest
from sqlalchemy import Connection, select
from tests.points.town import Town, book, micros, open_town, policy

from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.merging import MergePostings
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import KeyConflict, StateChanged
from pointsbank.places.model import Joining, Kind, Opening, Transfer
from pointsbank.places.service import PlacesService
from pointsbank.places.tables import places
from pointsbank.recognition.figures import best_groups, lifetime_minutes, year_minutes
from pointsbank.recognition.scheme import Scheme, load_schemes, shipped_schemes
from pointsbank.recognition.service import (
    CandidateList,
    Recognition,
    UnknownHonour,
    YearStillOpen,
    honours_of,
    list_of,
)
from pointsbank.recognition.totals import group_minutes
from pointsbank.store.database import Database

KEY = Command("office", "list-2025", "person:1")
ABOVE = {"team": "CORPS", "household": "S", "village": "B", "unit": "CITY"}


def prizes() -> Scheme:
    found = load_schemes(shipped_schemes()).in_force("heilongjiang-year", date(2026, 1, 1))
    assert found is not None
    return found


async def serve(town: Town, volunteer: str, *days: str, minutes: int = 240) -> None:
    for day in days:
        assert await town.earn(volunteer, day, minutes=minutes) == "accepted"


def recognition(town: Town) -> Recognition:
    return Recognition(town.ledger, "Asia/Shanghai")


async def test_minutes_of_a_year_are_those_served_in_it_and_a_lifetime_has_all(database: Database) -> None:
    async with open_town(database) as town:
        await serve(town, "V1", "2025-12-31", "2026-01-01", "2026-01-02")
        ids = {n: (await town.person(n)).id for n in ("V1", "V2")}
        read, ledger = town.ledger.database.read, town.ledger.id
        assert await read(year_minutes, ledger, 2025, ids.values()) == {ids["V1"]: 240, ids["V2"]: 0}
        assert await read(year_minutes, ledger, 2026, ids.values()) == {ids["V1"]: 480, ids["V2"]: 0}
        assert await read(lifetime_minutes, ledger, ids.values()) == {ids["V1"]: 720, ids["V2"]: 0}


async def test_spending_costs_no_minute_and_a_reversal_costs_its_own(database: Database) -> None:
    async with open_town(database) as town:
        await serve(town, "V1", "2026-02-02", "2026-02-03")
        await town.stock("RICE", 1)
        await town.sell("V1", "2026-03-02 09:00:00", ("RICE", 1))
        person = (await town.person("V1")).id
        read, ledger = town.ledger.database.read, town.ledger.id
        assert (await read(lifetime_minutes, ledger, [person]))[person] == 480
        await serve(town, "V1", "2026-02-04")
        sequence = (await town.ledger.writer.store.head()).sequence
        assert isinstance(await town.hours.reverse(sequence, "mistake", town.key("undo")), list)
        assert (await read(lifetime_minutes, ledger, [person]))[person] == 480
        assert (await read(year_minutes, ledger, 2026, [person]))[person] == 480


async def test_all_who_share_the_last_place_are_on_the_list_and_marked(database: Database) -> None:
    async with open_town(database) as town:
        await serve(town, "V1", "2025-02-02", "2025-02-03")
        await serve(town, "V2", "2025-02-02")
        await serve(town, "V3", "2025-02-03")
        ids = {n: (await town.person(n)).id for n in ("V1", "V2", "V3")}
        made = await recognition(town).freeze(prizes(), 2025, 2, KEY)
        assert isinstance(made, CandidateList)
        assert [(c.subject, c.rank, c.minutes, c.tied) for c in made.candidates] == [
            (ids["V1"], 1, 480, False),
            *((subject, 2, 240, True) for subject in sorted((ids["V2"], ids["V3"]))),
        ]
        short = await recognition(town).freeze(prizes(), 2025, 1, Command("office", "one"))
        assert isinstance(short, CandidateList)
        assert [(c.rank, c.tied) for c in short.candidates] == [(1, False)]


async def test_h14_who_was_merged_stands_once_with_the_hours_of_all_ids(database: Database) -> None:
    """Three registrations of one person, merged one into the next, against somebody with more hours than each."""
    async with open_town(database) as town:
        await serve(town, "V1", "2025-02-02", "2025-02-03")
        await serve(town, "V2", "2025-03-02", "2025-03-03")
        await serve(town, "V3", "2025-04-02", "2025-04-03", "2025-04-04")
        ids = {n: (await town.person(n)).id for n in ("V1", "V2", "V3")}
        posting = MergePostings(town.ledger, town.policies, By("desk", "head"))
        assert await posting.post(ids["V1"], ids["V2"], "merge:1") is None
        read, ledger = town.ledger.database.read, town.ledger.id
        assert await read(year_minutes, ledger, 2025, ids.values()) == {
            ids["V1"]: 960, ids["V2"]: 960, ids["V3"]: 720,
        }  # fmt: skip
        made = await recognition(town).freeze(prizes(), 2025, 1, KEY)
        assert isinstance(made, CandidateList)
        assert [(c.subject, c.rank, c.minutes) for c in made.candidates] == [(ids["V2"], 1, 960)]
        assert await posting.post(ids["V2"], ids["V3"], "merge:2") is None
        anew = await recognition(town).freeze(prizes(), 2025, 5, Command("office", "later"))
        assert isinstance(anew, CandidateList)
        assert [(c.subject, c.minutes) for c in anew.candidates] == [(ids["V3"], 1680)]
        assert await posting.post(ids["V2"], "", "unmerge:2") is None
        back = await recognition(town).freeze(prizes(), 2025, 5, Command("office", "undone"))
        assert isinstance(back, CandidateList)
        assert [(c.subject, c.minutes) for c in back.candidates] == [(ids["V2"], 960), (ids["V3"], 720)]


async def test_a_frozen_list_stays_as_it_is_when_a_record_is_reversed(database: Database) -> None:
    async with open_town(database) as town:
        await serve(town, "V1", "2025-02-02")
        sequence = (await town.ledger.writer.store.head()).sequence
        first = await recognition(town).freeze(prizes(), 2025, 100, KEY)
        assert isinstance(first, CandidateList)
        assert isinstance(await town.hours.reverse(sequence, "sold-hours", town.key("undo")), list)
        again = await recognition(town).freeze(prizes(), 2025, 100, KEY)
        assert again == first
        assert await town.ledger.database.read(list_of, town.ledger.id, first.id) == first
        anew = await recognition(town).freeze(prizes(), 2025, 100, Command("office", "later"))
        assert isinstance(anew, CandidateList)
        assert anew.candidates == ()


async def test_a_year_that_runs_or_stands_on_notice_is_not_frozen(database: Database) -> None:
    async with open_town(database, book(policy(public_notice_days=5))) as town:
        assert await recognition(town).freeze(prizes(), 2026, 10, KEY) == YearStillOpen(2026, 0)
        await serve(town, "V1", "2025-12-30")
        assert await recognition(town).freeze(prizes(), 2025, 10, KEY) == YearStillOpen(2025, 1)
        town.clock.time = micros("2026-04-01 08:00:00")
        async for _ in town.hours.release(date(2026, 4, 1)):
            pass
        assert isinstance(await recognition(town).freeze(prizes(), 2025, 10, KEY), CandidateList)


async def test_an_honour_is_revoked_once_by_a_record_that_names_it(database: Database) -> None:
    async with open_town(database) as town:
        desk, day = recognition(town), date(2026, 3, 5)
        granted = await desk.record_honour("p1", "优秀志愿者", day, "市文明办", "哈文明办发〔2026〕1号", KEY)
        assert isinstance(granted, Receipt)
        assert isinstance(
            await desk.record_honour("p1", "优秀志愿者", day, "市文明办", "another paper", KEY), KeyConflict
        )
        read, ledger = town.ledger.database.read, town.ledger.id
        [honour] = await read(honours_of, ledger, "p1")
        undone = await desk.revoke(
            honour.id, date(2026, 4, 1), "市文明办", "哈文明办发〔2026〕9号", town.key("r")
        )
        assert isinstance(undone, Receipt)
        twice = await desk.revoke(honour.id, date(2026, 4, 1), "市文明办", "x", town.key("r"))
        assert isinstance(twice, StateChanged)
        states = [(h.state, h.revokes) for h in await read(honours_of, ledger, "p1")]
        assert states == [("revoked", ""), ("revocation", honour.id)]
        other = (await read(honours_of, ledger, "p1"))[1].id
        assert isinstance(await desk.revoke(other, day, "x", "y", town.key("r")), UnknownHonour)


@pytest.mark.parametrize("kind", ["team", "household", "village", "unit"])
async def test_an_hour_counts_for_the_group_of_its_day(database: Database, kind: Kind) -> None:
    """Anna leaves group one for group two on 3 February 2025; Ben is in group two for one day only."""
    async with open_town(database) as town:
        atlas, first, change = PlacesService(town.ledger), date(2024, 1, 1), date(2025, 2, 3)
        anna, ben = (await town.person("V1")).id, (await town.person("V2")).id
        await groups_for(town, kind, first)
        for member in (
            Joining("ONE", anna, first),
            Transfer("ONE", "TWO", anna, change),
            Joining("TWO", ben, change, "member", date(2025, 2, 4)),
        ):
            joined = await atlas.change_membership(member, town.key("join"))
            assert isinstance(joined, Receipt), joined
        await serve(town, "V1", "2025-02-02", "2025-02-03")
        await serve(town, "V2", "2025-02-03", "2025-02-04")
        made = await recognition(town).freeze(prizes(), 2025, 5, KEY, kind=kind)
        assert isinstance(made, CandidateList)
        codes = await town.ledger.database.read(codes_of, town.ledger.id)
        assert [(codes[c.subject], c.rank, c.minutes) for c in made.candidates] == [
            ("TWO", 1, 480),
            ("ONE", 2, 240),
        ]
        assert await town.ledger.database.read(list_of, town.ledger.id, made.id) == made


@pytest.mark.parametrize("kind", ["team", "household", "village", "unit"])
async def test_h14_hours_of_merged_ids_count_once_for_the_groups_of_the_person(
    database: Database, kind: Kind
) -> None:
    """Anna has three ids. The one that goes on is in ONE, till 3 March; the oldest in TWO from 2 February to 3 April."""
    async with open_town(database) as town:
        old, middle, anna = [(await town.person(n)).id for n in ("V1", "V2", "V3")]
        first = date(2024, 1, 1)
        await groups_for(town, kind, first)
        for member in (
            Joining("ONE", anna, first, "member", date(2025, 3, 3)),
            Joining("TWO", old, date(2025, 2, 2), "member", date(2025, 4, 3)),
        ):
            joined = await PlacesService(town.ledger).change_membership(member, town.key("join"))
            assert isinstance(joined, Receipt), joined
        await serve(town, "V1", "2025-01-02", "2025-02-02", "2025-03-04")
        await serve(town, "V2", "2025-01-03", "2025-02-03", "2025-04-03", minutes=120)
        await serve(town, "V3", "2025-01-04", "2025-04-02", minutes=60)
        assert await totals(town, kind) == {"ONE": (60, 1), "TWO": (480, 1)}
        posting = MergePostings(town.ledger, town.policies, By("desk", "head"))
        assert await posting.post(old, middle, "merge:1") is None
        assert await totals(town, kind) == {"ONE": (60, 1), "TWO": (480 + 120, 1)}
        assert await posting.post(middle, anna, "merge:2") is None
        january, february, after = 240 + 120 + 60, 240 + 120, 240 + 60
        both = {"ONE": (january + february, 1), "TWO": (february + after, 1)}
        one_home = {"ONE": (january + february, 1), "TWO": (after, 1)}
        assert await totals(town, kind) == (one_home if kind == "household" else both)
        assert await posting.post(middle, "", "unmerge:2") is None
        assert await totals(town, kind) == {"ONE": (60, 1), "TWO": (480 + 120, 1)}


async def test_h14_two_ids_in_one_team_bring_an_hour_once_and_count_as_one_person(database: Database) -> None:
    async with open_town(database) as town:
        old, anna, ben = [(await town.person(n)).id for n in ("V1", "V2", "V3")]
        await groups_for(town, "team", date(2024, 1, 1))
        for person in (old, anna, ben):
            joined = await PlacesService(town.ledger).change_membership(
                Joining("ONE", person, date(2024, 1, 1)), town.key("join")
            )
            assert isinstance(joined, Receipt), joined
        for name in ("V1", "V2", "V3"):
            await serve(town, name, f"2025-01-0{name[1]}", "2025-02-02" if name == "V3" else "2025-03-03")
        posting = MergePostings(town.ledger, town.policies, By("desk", "head"))
        # both ids were written down for 3 March: the merge takes the later of the two records back
        assert await posting.post(old, anna, "merge:1") is None
        assert await totals(town, "team") == {"ONE": (240 * 5, 2), "TWO": (0, 0)}


async def groups_for(town: Town, kind: Kind, first: date) -> None:
    """Two groups of a kind, ONE and TWO."""
    for act in (
        Opening("CITY", "city", "城市", "", first),
        Opening("CORPS", "corps", "总队", "CITY", first),
        Opening("C", "centre", "中心", "CITY", first),
        Opening("B", "sub-centre", "所", "C", first),
        Opening("S", "station", "站", "B", first),
        *(Opening(code, kind, code, ABOVE[kind], first) for code in ("ONE", "TWO")),
    ):
        opened = await PlacesService(town.ledger).change(act, town.key("open"))
        assert isinstance(opened, Receipt), opened


async def totals(town: Town, kind: str) -> dict[str, tuple[int, int]]:
    """Minutes and people of the groups in 2025, by code; a list drawn up says the same minutes."""
    read, ledger = town.ledger.database.read, town.ledger.id
    codes = await read(codes_of, ledger)
    listed = {codes[one]: minutes for one, minutes in await read(best_groups, ledger, kind, 2025, 5)}
    found = {
        code: await read(group_minutes, ledger, one, 2025)
        for one, code in codes.items()
        if code in ("ONE", "TWO")
    }
    assert {code: minutes for code, (minutes, _) in found.items() if minutes} == listed
    return found


def codes_of(connection: Connection, ledger_id: int) -> dict[str, str]:
    rows = connection.execute(select(places.c.place_id, places.c.code).where(places.c.ledger_id == ledger_id))
    return {row.place_id: row.code for row in rows}
