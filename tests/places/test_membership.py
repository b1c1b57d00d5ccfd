"""Who belongs to which group on which day, on both engines."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.places import membership
from pointsbank.places.model import (
    OPEN_END,
    AlreadyMember,
    Closing,
    InAnotherHousehold,
    Joining,
    LaterChange,
    Leaving,
    MemberAct,
    Membership,
    Merging,
    NotAGroup,
    NotAMember,
    Opening,
    PlaceMalformed,
    PlaceNotOpen,
    Transfer,
    UnknownPlace,
)
from pointsbank.store.database import Database

from .land import START, TODAY, Land, open_land

DAY = timedelta(days=1)
MAY = date(2025, 5, 1)
ANNA, BEN, CHEN = new_id(), new_id(), new_id()


async def _groups(land: Land) -> None:
    await land.do(
        Opening("H1", "household", "一户", "S1", START),
        Opening("H2", "household", "二户", "S1", START),
        Opening("T1", "team", "一队", "C1", START),
        Opening("T2", "team", "二队", "C1", START),
    )


async def _of(land: Land, person: str, day: date) -> set[str]:
    """Codes of a person's groups on a day."""
    found = await land.ledger.database.read(membership.groups_of, land.ledger.id, [person], day)
    codes = {await land.id(code): code for code in ("H1", "H2", "T1", "T2")}
    return {codes[group] for _, group in found[person]}


async def _in(land: Land, code: str, day: date) -> list[tuple[str, str]]:
    found = await land.ledger.database.read(membership.members_of, land.ledger.id, await land.id(code), day)
    return [(m.person_id, m.role) for m in found]


async def test_a_member_belongs_from_the_first_day_up_to_the_last(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("T1", ANNA, MAY), Joining("T2", ANNA, MAY, "head"), Joining("H1", ANNA, MAY))
        await land.join(Leaving("T1", ANNA, MAY + 10 * DAY))
        assert await _of(land, ANNA, MAY - DAY) == set()
        assert await _of(land, ANNA, MAY) == {"T1", "T2", "H1"}
        assert await _of(land, ANNA, MAY + 9 * DAY) == {"T1", "T2", "H1"}
        assert await _of(land, ANNA, MAY + 10 * DAY) == {"T2", "H1"}
        assert await _in(land, "T2", TODAY) == [(ANNA, "head")]
        await land.join(Joining("T1", ANNA, MAY + 20 * DAY))
        assert await _of(land, ANNA, TODAY) == {"T1", "T2", "H1"}


async def test_groups_come_with_their_kind_for_many_people_at_once(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("T1", ANNA, MAY), Joining("H1", BEN, MAY))
        found = await database.read(membership.groups_of, land.ledger.id, [ANNA, BEN, CHEN], TODAY)
        assert found == {
            ANNA: {("team", await land.id("T1"))},
            BEN: {("household", await land.id("H1"))},
            CHEN: set(),
        }


async def test_totals_over_many_days_ask_once(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("T1", ANNA, START), Joining("H1", ANNA, MAY), Joining("H2", BEN, START))
        await land.join(Leaving("T1", ANNA, MAY))
        found = await database.read(membership.group_memberships, land.ledger.id, [ANNA, BEN, CHEN])
        assert sorted((kind, m.from_day, m.to_day) for kind, m in found[ANNA]) == [
            ("household", MAY, OPEN_END),
            ("team", START, MAY),
        ]
        assert [kind for kind, _ in found[BEN]] == ["household"]
        assert found[CHEN] == []


async def test_two_share_a_household_only_while_both_are_in_it(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("H1", ANNA, START), Joining("H1", BEN, MAY), Joining("T1", CHEN, START))
        await land.join(Joining("T1", ANNA, START), Transfer("H1", "H2", ANNA, MAY + 10 * DAY))

        async def share(a: str, b: str, day: date) -> bool:
            return await database.read(membership.share_household, land.ledger.id, a, b, day)

        assert not await share(ANNA, BEN, MAY - DAY)
        assert await share(ANNA, BEN, MAY)
        assert await share(BEN, ANNA, MAY + 9 * DAY)
        assert not await share(ANNA, BEN, MAY + 10 * DAY)
        assert not await share(ANNA, CHEN, TODAY), "a team is no household"
        assert not await share(ANNA, ANNA, TODAY)


async def test_what_a_membership_may_not_be(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.do(Opening("H3", "household", "三户", "S1", START), Closing("H3", MAY))
        await land.join(Joining("H1", ANNA, MAY), Joining("T1", ANNA, MAY))
        cases: tuple[tuple[MemberAct, Refusal], ...] = (
            (Joining("H9", BEN, MAY), UnknownPlace("H9")),
            (Joining("S1", BEN, MAY), NotAGroup("S1", "station", "服务站")),
            (Joining("T1", BEN, START - DAY), PlaceNotOpen("T1", "2019-12-31")),
            (Joining("H3", BEN, START), PlaceNotOpen("H3", "2020-01-01")),
            (Joining("T1", BEN, MAY, "chief"), PlaceMalformed("role")),
            (Joining("T1", BEN, MAY, "member", MAY), PlaceMalformed("until")),
            (Joining("T1", ANNA, TODAY), AlreadyMember("T1")),
            (Joining("T1", ANNA, START), AlreadyMember("T1")),
            (Joining("H2", ANNA, TODAY), InAnotherHousehold("H2")),
            (Joining("H2", ANNA, START), InAnotherHousehold("H2")),
            (Leaving("T2", ANNA, TODAY), NotAMember("T2", "2026-11-22")),
            (Leaving("T1", ANNA, MAY), NotAMember("T1", "2025-05-01")),
            (Transfer("H1", "T1", ANNA, TODAY), AlreadyMember("T1")),
        )
        for act, refusal in cases:
            assert await land.join_refused(act) == refusal, act
        await land.join(Joining("H2", ANNA, START, "member", MAY), Joining("H3", BEN, START, "head", MAY))
        assert await _of(land, ANNA, TODAY) == {"H1", "T1"}


async def test_memberships_end_with_their_group(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("T1", ANNA, START), Joining("T1", BEN, MAY))
        assert await land.refused(Closing("T1", MAY)) == LaterChange("T1", "2025-05-01")
        await land.do(Closing("T1", MAY + DAY))
        assert await _of(land, ANNA, MAY) == {"T1"}
        assert await _of(land, ANNA, MAY + DAY) == set()
        await land.join(Joining("T2", BEN, MAY + DAY))


async def test_a_membership_that_was_to_end_later_ends_with_its_group(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(Joining("T1", ANNA, START), Leaving("T1", ANNA, TODAY), Joining("T1", BEN, START))
        await land.join(Joining("T1", CHEN, START, "member", TODAY))
        await land.do(Merging("T1", "T2", MAY))
        assert await _in(land, "T1", MAY) == []
        assert await _in(land, "T2", MAY) == sorted([(p, "member") for p in (ANNA, BEN, CHEN)])
        assert await _in(land, "T2", TODAY) == [(BEN, "member")]


async def test_a_merged_team_takes_its_members_along_once(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        await land.join(
            Joining("T1", ANNA, START, "head"), Joining("T1", BEN, START), Joining("T2", BEN, START)
        )
        await land.do(Merging("T1", "T2", MAY))
        assert await _in(land, "T1", MAY - DAY) == sorted([(ANNA, "head"), (BEN, "member")])
        assert await _in(land, "T1", MAY) == []
        assert await _in(land, "T2", MAY) == sorted([(ANNA, "head"), (BEN, "member")])
        mine = await database.read(membership.memberships_of, land.ledger.id, ANNA)
        t1, t2 = await land.id("T1"), await land.id("T2")
        assert mine == [
            Membership(t1, ANNA, START, MAY, "head", "ended"),
            Membership(t2, ANNA, MAY, OPEN_END, "head"),
        ]


async def test_nobody_is_in_two_households_whoever_is_faster(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        for _ in range(10):
            person = new_id()
            results = await asyncio.gather(
                land.service.change_membership(Joining("H1", person, MAY), land.command()),
                land.service.change_membership(Joining("H2", person, MAY), land.command()),
            )
            assert sorted(isinstance(result, Receipt) for result in results) == [False, True]
            assert len(await _of(land, person, TODAY)) == 1


async def test_nobody_joins_a_household_that_closes_at_the_same_time(database: Database) -> None:
    async with open_land(database) as land:
        for n in range(8):
            code, person = f"K{n}", new_id()
            await land.do(Opening(code, "household", "户", "S1", START))
            closed, joined = await asyncio.gather(
                land.service.change(Closing(code, TODAY), land.command()),
                land.service.change_membership(Joining(code, person, MAY), land.command()),
            )
            assert isinstance(closed, Receipt)
            found = await database.read(membership.groups_of, land.ledger.id, [person], TODAY)
            assert found[person] == set()
            if isinstance(joined, Receipt):
                found = await database.read(membership.groups_of, land.ledger.id, [person], MAY)
                assert found[person] == {("household", await land.id(code))}


async def test_nobody_belongs_twice_to_a_team_that_takes_another_over(database: Database) -> None:
    async with open_land(database) as land:
        for n in range(8):
            old, new, person = f"V{n}", f"W{n}", new_id()
            await land.do(Opening(old, "team", "队", "C1", START), Opening(new, "team", "队", "C1", START))
            await land.join(Joining(old, person, START))
            await asyncio.gather(
                land.service.change(Merging(old, new, MAY), land.command()),
                land.service.change_membership(Joining(new, person, TODAY), land.command()),
            )
            assert await _in(land, new, TODAY) == [(person, "member")]


async def test_members_come_in_pages(database: Database) -> None:
    async with open_land(database) as land:
        await _groups(land)
        people = sorted(new_id() for _ in range(5))
        await land.join(*(Joining("T1", person, MAY) for person in people))
        group = await land.id("T1")
        first = await database.read(membership.members_of, land.ledger.id, group, TODAY, limit=3)
        rest = await database.read(
            membership.members_of, land.ledger.id, group, TODAY, after=first[-1].person_id
        )
        assert [m.person_id for m in first + rest] == people
