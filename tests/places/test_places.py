"""Places from day to day: what each verb leaves, and what it refuses, on both engines."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import KeyConflict, Refusal
from pointsbank.places import tree
from pointsbank.places.model import (
    KIND_NAMES,
    KINDS,
    MAX_LEVELS,
    PARENTS,
    SINCE_EVER,
    TOP,
    Act,
    Closing,
    LaterChange,
    Merging,
    Moving,
    NothingChanges,
    Opening,
    PlaceCycle,
    PlaceExists,
    PlaceInUse,
    PlaceMalformed,
    PlaceNotOpen,
    PlaceTooDeep,
    Renaming,
    UnknownPlace,
    UnknownSector,
    WrongParent,
    WrongSuccessor,
)
from pointsbank.places.sectors import SECTORS
from pointsbank.places.service import PlacesService
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.store.database import Database
from pointsbank.store.schema import downgrade, upgrade

from .land import START, TODAY, TREE, Land, open_land

DAY = timedelta(days=1)
MAY = date(2025, 5, 1)


def test_every_kind_stands_somewhere_and_every_tree_ends_at_the_top() -> None:
    assert set(PARENTS) == set(KINDS)
    for kind in KINDS:
        reached, seen = {kind}, set[str]()
        while reached - seen:
            seen |= reached
            reached = {parent for k in reached if k for parent in PARENTS[k]} | seen
        assert TOP in seen, kind


def test_only_units_stand_under_their_own_kind() -> None:
    def above(kind: str, seen: frozenset[str] = frozenset()) -> set[str]:
        parents = {p for p in PARENTS[kind] if p and p not in seen}
        return parents.union(*(above(p, seen | {kind, p}) for p in parents))

    assert [kind for kind in KINDS if kind in above(kind)] == ["unit"]


def test_every_kind_has_a_name_of_its_own() -> None:
    assert list(KIND_NAMES) == list(KINDS)
    assert len(set(KIND_NAMES.values())) == len(KINDS)


def test_there_are_22_sectors_of_which_the_source_names_four() -> None:
    assert len(SECTORS) == 22
    assert list(SECTORS)[:4] == ["education", "health", "justice", "environment"]


async def test_a_place_has_above_it_what_stood_there_on_that_day(database: Database) -> None:
    async with open_land(database) as land:
        assert await land.above("S1", TODAY) == ["S1", "C1A", "C1", "HRB"]
        assert await land.above("S1", START) == ["S1", "C1A", "C1", "HRB"]
        assert await land.above("S1", START - DAY) == []
        assert await land.below("C1A", TODAY) == ["S1", "S2"]
        assert await land.below("", TODAY) == ["HRB"]


async def test_a_moved_station_keeps_its_old_parent_in_history(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Moving("S1", "C2A", MAY))
        assert await land.above("S1", MAY - DAY) == ["S1", "C1A", "C1", "HRB"]
        assert await land.above("S1", MAY) == ["S1", "C2A", "C2", "HRB"]
        assert await land.below("C1A", MAY - DAY) == ["S1", "S2"]
        assert await land.below("C1A", MAY) == ["S2"]
        assert await land.below("C2A", MAY) == ["S1", "S3"]


async def test_what_stands_above_moves_everything_below_from_that_day(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Moving("C1A", "C2", MAY))
        assert await land.above("S2", MAY - DAY) == ["S2", "C1A", "C1", "HRB"]
        assert await land.above("S2", MAY) == ["S2", "C1A", "C2", "HRB"]


async def test_a_renamed_place_had_its_old_name_before(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Renaming("S1", "新名", MAY))
        terms = (await land.history("S1")).terms
        assert [(t.from_day, t.name) for t in terms] == [(START, "S1 名"), (MAY, "新名")]
        assert terms[0].to_day == MAY
        known = await database.read(stations, land.ledger.id, ["S1"])
        assert known["S1"].name == "新名"
        then = await database.read(stations, land.ledger.id, ["S1"], day=MAY - DAY)
        assert then["S1"].name == "S1 名"


async def test_a_closed_station_is_open_up_to_its_day_and_keeps_who_answered_for_it(
    database: Database,
) -> None:
    async with open_land(database) as land:
        await land.do(Closing("S1", MAY))
        assert await land.below("C1A", MAY - DAY) == ["S1", "S2"]
        assert await land.below("C1A", MAY) == ["S2"]
        assert await land.above("S1", TODAY) == ["S1", "C1A", "C1", "HRB"]
        assert set(await database.read(stations, land.ledger.id)) == {"S2", "S3"}
        assert set(await database.read(stations, land.ledger.id, day=MAY - DAY)) == {"S1", "S2", "S3"}


async def test_a_merged_station_closes_and_names_its_successor(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Merging("S1", "S2", MAY))
        last = (await land.history("S1")).last
        assert (last.state, last.successor, last.from_day) == ("closed", "S2", MAY)
        assert set(await database.read(stations, land.ledger.id)) == {"S2", "S3"}


async def test_what_is_planned_shows_on_its_day_and_is_settled_then(database: Database) -> None:
    soon = TODAY + 10 * DAY
    async with open_land(database) as land:
        await land.do(
            Closing("S1", soon),
            Renaming("S2", "二号", soon),
            Opening("S4", "station", "四号", "C2A", soon),
        )
        assert set(await database.read(stations, land.ledger.id)) == {"S1", "S2", "S3"}
        assert set(await database.read(stations, land.ledger.id, day=soon)) == {"S2", "S3", "S4"}
        assert await land.service.settle(Command("test", "settle")) == 0
        land.clock.time += 10 * 24 * 3600 * 1_000_000
        assert await land.service.settle(Command("test", "settle")) == 3
        assert await land.service.settle(Command("test", "settle")) == 0
        known = await database.read(stations, land.ledger.id)
        assert {code: known[code].name for code in known} == {"S2": "二号", "S3": "S3 名", "S4": "四号"}


async def test_settling_never_brings_an_older_name_back(database: Database) -> None:
    async with open_land(database) as land:
        names = {f"S{n}": f"新 {n}" for n in (1, 2, 3)}
        await land.do(*(Renaming(code, "旧", TODAY + DAY) for code in names))
        land.clock.time += 24 * 3600 * 1_000_000
        await asyncio.gather(
            *(
                land.service.change(Renaming(code, name, TODAY + DAY), land.command())
                for code, name in names.items()
            ),
            land.service.settle(Command("test", "settle")),
        )
        known = await database.read(stations, land.ledger.id)
        assert {code: known[code].name for code in known} == names


async def test_a_new_station_gets_the_accounts_of_its_shop(database: Database) -> None:
    async with open_land(database) as land:
        known = await database.read(stations, land.ledger.id, ["S1"])
        accounts = await land.ledger.writer.store.head()
        assert known["S1"].id == await land.id("S1")
        assert accounts.account == 3 * 3


REFUSED: tuple[tuple[str, Act, Refusal], ...] = (
    ("code taken", Opening("S1", "station", "x", "C1A", MAY), PlaceExists("S1")),
    ("no such parent", Opening("S9", "station", "x", "C9", MAY), UnknownPlace("C9")),
    (
        "wrong parent",
        Opening("S9", "station", "x", "HRB", MAY),
        WrongParent("station", "city", KIND_NAMES["station"], KIND_NAMES.get("city", "顶层")),
    ),
    (
        "needs a parent",
        Opening("S9", "station", "x", "", MAY),
        WrongParent("station", "top", KIND_NAMES["station"], KIND_NAMES.get("top", "顶层")),
    ),
    (
        "before its parent",
        Opening("S9", "station", "x", "C1A", START - DAY),
        PlaceNotOpen("C1A", "2019-12-31"),
    ),
    ("under a closed one", Opening("S9", "station", "x", "C3A", MAY), PlaceNotOpen("C3A", "2025-05-01")),
    ("blank name", Opening("S9", "station", " x", "C1A", MAY), PlaceMalformed("name")),
    ("blank code", Opening("", "station", "x", "C1A", MAY), PlaceMalformed("code")),
    ("no such kind", Opening("S9", "shop", "x", "C1A", MAY), PlaceMalformed("kind")),
    ("no such sector", Opening("K1", "corps", "x", "HRB", MAY, "magic"), UnknownSector("magic")),
    ("unknown", Renaming("S9", "x", MAY), UnknownPlace("S9")),
    ("before it opened", Renaming("S1", "x", START - DAY), PlaceNotOpen("S1", "2019-12-31")),
    ("the same name", Renaming("S1", "S1 名", MAY), NothingChanges("S1")),
    ("the same parent", Moving("S1", "C1A", MAY), NothingChanges("S1")),
    ("a later change", Moving("S3", "C1A", date(2024, 1, 1)), LaterChange("S3", "2025-01-01")),
    ("closed before", Renaming("C3A", "x", MAY), PlaceNotOpen("C3A", "2025-05-01")),
    ("to a wrong parent", Moving("S1", "C1B", MAY), UnknownPlace("C1B")),
    (
        "to the wrong kind",
        Moving("C1A", "S3", MAY),
        WrongParent("sub-centre", "station", KIND_NAMES["sub-centre"], KIND_NAMES.get("station", "顶层")),
    ),
    ("open children", Closing("C1A", MAY), PlaceInUse("C1A", 2, "S1")),
    ("children that left later", Closing("C2A", date(2025, 12, 1)), PlaceInUse("C2A", 1, "S3")),
    ("under itself", Moving("U1", "U3", MAY), PlaceCycle("U1")),
    ("right under itself", Moving("U1", "U1", MAY), PlaceCycle("U1")),
    ("into itself", Merging("S1", "S1", MAY), WrongSuccessor("S1", "S1")),
    ("into another kind", Merging("S1", "C2A", MAY), WrongSuccessor("S1", "C2A")),
    ("into the unknown", Merging("S1", "S9", MAY), UnknownPlace("S9")),
)


async def test_what_may_not_be_is_refused_and_changes_nothing(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(
            Renaming("S3", "三号", date(2025, 1, 1)),
            Opening("C3A", "sub-centre", "三所", "C1", START),
            Closing("C3A", date(2025, 1, 1)),
            Opening("U1", "unit", "大学", "HRB", START),
            Opening("U2", "unit", "学院", "U1", START),
            Opening("U3", "unit", "系", "U2", START),
        )
        before = {code: await land.history(code) for _, code, _ in TREE}
        for what, act, refusal in REFUSED:
            assert await land.refused(act) == refusal, what
        assert {code: await land.history(code) for _, code, _ in TREE} == before


async def test_a_place_may_not_close_while_a_child_stays_longer(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Moving("S3", "C1A", date(2025, 6, 1)))
        assert await land.refused(Closing("C2A", MAY)) == PlaceInUse("C2A", 1, "S3")
        await land.do(Closing("C2A", date(2025, 6, 1)))


async def test_a_cycle_that_would_only_come_later_is_refused_too(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(
            Opening("U1", "unit", "甲", "HRB", START),
            Opening("U2", "unit", "乙", "HRB", START),
            Moving("U2", "U1", date(2027, 1, 1)),
        )
        assert await land.refused(Moving("U1", "U2", MAY)) == PlaceCycle("U1")


async def test_a_tree_has_no_more_levels_than_people_can_overlook(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Opening("U1", "unit", "一", "HRB", START))
        await land.do(*(Opening(f"U{n}", "unit", "级", f"U{n - 1}", START) for n in range(2, MAX_LEVELS + 1)))
        deepest = f"U{MAX_LEVELS}"
        assert len(await land.above(deepest, TODAY)) == MAX_LEVELS + 1
        assert await land.refused(Opening("U99", "unit", "级", deepest, MAY)) == PlaceTooDeep(deepest, 12)
        await land.do(Opening("U98", "unit", "级", "HRB", MAY))
        assert await land.refused(Moving("U98", deepest, MAY)) == PlaceTooDeep(deepest, 12)


async def test_what_was_registered_unchecked_in_a_circle_ends_every_question(database: Database) -> None:
    async with open_land(database, empty=True) as land:
        drafts = [opening("unit", a, a, b, Command("t", a)) for a, b in (("A", "B"), ("B", "A"), ("C", "C"))]
        await land.ledger.submit(drafts, PLACES)
        assert len(await land.above("A", TODAY)) > 1
        assert len(await land.above("C", TODAY)) > 1
        whole = await database.read(tree.tree, land.ledger.id, TODAY)
        assert all(whole.ancestors(id_) for id_ in whole.places)


async def test_several_changes_on_one_day_leave_one_term(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Renaming("S1", "甲", MAY), Moving("S1", "C2A", MAY), Renaming("S1", "乙", MAY))
        terms = (await land.history("S1")).terms
        assert [(t.from_day, t.name, t.parent) for t in terms] == [
            (START, "S1 名", "C1A"),
            (MAY, "乙", "C2A"),
        ]


async def test_a_repeated_command_is_answered_and_changes_nothing(database: Database) -> None:
    async with open_land(database) as land:
        command = Command("test", "once")
        first = await land.service.change(Moving("S1", "C2A", MAY), command)
        again = await land.service.change(Moving("S1", "C2A", MAY), command)
        other = await land.service.change(Moving("S1", "C1A", MAY), command)
        assert isinstance(first, Receipt)
        assert isinstance(again, Receipt)
        assert (first.replayed, again.replayed, again.recorded_at) == (False, True, first.recorded_at)
        assert other == KeyConflict("once")


async def test_a_place_does_not_close_while_another_opens_under_it(database: Database) -> None:
    """Two at a time: either the child is refused or the closing is, never both done."""
    async with open_land(database) as land:
        for n in range(10):
            await land.do(Opening(f"E{n}", "sub-centre", "所", "C1", START))
            closed, opened = await asyncio.gather(
                land.service.change(Closing(f"E{n}", MAY), land.command()),
                land.service.change(Opening(f"F{n}", "station", "站", f"E{n}", START), land.command()),
            )
            outcome = isinstance(closed, Receipt), isinstance(opened, Receipt)
            assert outcome in {(True, False), (False, True)}, (closed, opened)


async def test_two_moves_at_once_make_no_cycle(database: Database) -> None:
    async with open_land(database) as land:
        for n in range(10):
            a, b = f"A{n}", f"B{n}"
            await land.do(Opening(a, "unit", a, "HRB", START), Opening(b, "unit", b, "HRB", START))
            results = await asyncio.gather(
                land.service.change(Moving(a, b, MAY), land.command()),
                land.service.change(Moving(b, a, MAY), land.command()),
            )
            assert sorted(isinstance(result, Receipt) for result in results) == [False, True]
            assert (await land.above(a, TODAY))[-1] == "HRB"


async def test_the_whole_tree_of_a_day_says_what_the_queries_say(database: Database) -> None:
    async with open_land(database) as land:
        await land.do(Moving("S1", "C2A", MAY), Closing("S2", MAY))
        for day in (START, MAY - DAY, MAY, TODAY):
            whole = await database.read(tree.tree, land.ledger.id, day)
            line = await database.read(tree.ancestors_of, land.ledger.id, whole.places, day)
            assert {id_: whole.ancestors(id_) for id_ in whole.places} == line
        c2a = await land.id("C2A")
        assert whole.below[c2a] == (await land.id("S1"), await land.id("S3"))


async def test_places_come_in_pages_by_kind(database: Database) -> None:
    async with open_land(database) as land:
        first = await database.read(tree.page, land.ledger.id, TODAY, kind="station", limit=2)
        rest = await database.read(tree.page, land.ledger.id, TODAY, kind="station", after=first[-1].code)
        assert [place.code for place in first + rest] == ["S1", "S2", "S3"]


async def test_what_was_registered_without_a_date_has_always_been_there(database: Database) -> None:
    async with open_land(database, empty=True) as land:
        drafts = [
            opening("centre", "C1", "某区", "", Command("t", "c")),
            opening("sub-centre", "C1A", "某所", "C1", Command("t", "b")),
            opening("station", "S1", "一号站", "C1A", Command("t", "s")),
        ]
        assert all(isinstance(r, Receipt) for r in await land.ledger.submit(drafts, PLACES))
        assert await land.above("S1", TODAY) == ["S1", "C1A", "C1"]
        assert await land.above("S1", SINCE_EVER) == ["S1", "C1A", "C1"]
        await land.do(Closing("S1", MAY), Opening("S2", "station", "二号站", "C1A", START))


async def test_places_from_before_there_were_terms_get_one_by_the_migration(database: Database) -> None:
    clock = FixedClock(0)
    async with open_ledger(database, "land", clock=clock) as ledger:
        await ledger.submit([opening("centre", "C1", "某区", "", Command("t", "c"))], PLACES)
        await ledger.submit([opening("station", "S1", "一号站", "C1", Command("t", "s"))], PLACES)
        ledger_id = ledger.id
    await database.close()
    await downgrade(database, "0001")
    await upgrade(database)
    async with open_ledger(database, "land", clock=clock) as ledger:
        land = Land(ledger, clock)
        assert (ledger.id, await land.above("S1", TODAY)) == (ledger_id, ["S1", "C1"])
        assert isinstance(
            await PlacesService(ledger).change(Renaming("S1", "新", MAY), Command("t", "r")), Receipt
        )


@pytest.mark.parametrize("kind", ["square", "point", "base"])
async def test_only_stations_have_a_shop(kind: str, database: Database) -> None:
    async with open_land(database) as land:
        before = (await land.ledger.writer.store.head()).account
        await land.do(Opening("P1", kind, "冰雪", "S1", MAY))
        assert (await land.ledger.writer.store.head()).account == before
