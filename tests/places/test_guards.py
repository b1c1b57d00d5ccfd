"""Whoever plans on a reading is refused as stale if what was read has changed since, and plans anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import DocumentExists, StaleRead
from pointsbank.places.atlas import Atlas, Plan
from pointsbank.places.joining import plan_membership
from pointsbank.places.loading import atlas_for, member_atlas_for
from pointsbank.places.model import (
    Act,
    Closing,
    Joining,
    Leaving,
    MemberAct,
    Merging,
    Moving,
    Opening,
    Renaming,
    Transfer,
)
from pointsbank.places.planning import plan
from pointsbank.places.service import draft_of, request_of
from pointsbank.places.stations import PLACES
from pointsbank.store.database import Database

from .land import START, TODAY, Land, open_land

MAY = date(2025, 5, 1)
ANNA, BEN = new_id(), new_id()
TREE_ACTS = (Opening, Renaming, Moving, Closing, Merging)

BEFORE: tuple[Act | MemberAct, ...] = (
    Opening("T1", "team", "一队", "C1", START),
    Opening("T2", "team", "二队", "C1", START),
    Opening("H1", "household", "一户", "S1", START),
    Opening("H2", "household", "二户", "S1", START),
    Opening("U1", "unit", "甲", "HRB", START),
    Opening("U2", "unit", "乙", "HRB", START),
    Opening("U3", "unit", "丙", "U2", START),
    Opening("E1", "sub-centre", "空所", "C1", START),
    Joining("T1", ANNA, START),
    Joining("H1", BEN, START),
)

# what is planned, and what is done between the planning and the writing
PAIRS: dict[str, tuple[Act | MemberAct, Act | MemberAct]] = {
    "opening under what closes": (Opening("S9", "station", "站", "E1", MAY), Closing("E1", MAY)),
    "opening under what merges": (Opening("S9", "station", "站", "E1", MAY), Merging("E1", "C1A", MAY)),
    "closing over what opens": (Closing("E1", MAY), Opening("S9", "station", "站", "E1", START)),
    "closing over what moves in": (Closing("E1", MAY), Moving("S1", "E1", MAY)),
    "moving under what closes": (Moving("S1", "E1", MAY), Closing("E1", TODAY)),
    "moving what is renamed": (Moving("S1", "C2A", MAY), Renaming("S1", "新", TODAY)),
    "moving under what moves": (Moving("U1", "U3", MAY), Moving("U2", "U1", MAY)),
    "merging into what closes": (Merging("T1", "T2", MAY), Closing("T2", MAY)),
    "merging what somebody joins": (Merging("T1", "T2", MAY), Joining("T1", BEN, START)),
    "merging what somebody leaves": (Merging("T1", "T2", MAY), Leaving("T1", ANNA, MAY)),
    "merging into what somebody joins": (Merging("T1", "T2", MAY), Joining("T2", ANNA, START)),
    "closing what takes another over": (Closing("T2", TODAY), Merging("T1", "T2", MAY)),
    "joining what closes": (Joining("T2", BEN, MAY), Closing("T2", TODAY)),
    "joining what one is taken over into": (Joining("T2", ANNA, TODAY), Merging("T1", "T2", MAY)),
    "joining a second household": (Joining("H1", ANNA, MAY), Joining("H2", ANNA, MAY)),
    "leaving what one is transferred from": (Leaving("H1", BEN, TODAY), Transfer("H1", "H2", BEN, MAY)),
}


async def _planned(land: Land, act: Act | MemberAct) -> Plan:
    load: Callable[..., Atlas] = atlas_for if isinstance(act, TREE_ACTS) else member_atlas_for
    atlas = await land.ledger.database.read(load, land.ledger.id, [act])
    found = plan(atlas, act, TODAY) if isinstance(act, TREE_ACTS) else plan_membership(atlas, act)
    assert isinstance(found, Plan), found
    return found


async def _do(land: Land, act: Act | MemberAct) -> None:
    await (land.do(act) if isinstance(act, TREE_ACTS) else land.join(act))


@pytest.mark.parametrize("pair", PAIRS)
async def test_what_was_planned_on_an_old_reading_is_refused(pair: str, database: Database) -> None:
    late, first = PAIRS[pair]
    async with open_land(database) as land:
        for act in BEFORE:
            await _do(land, act)
        planned = await _planned(land, late)
        await _do(land, first)
        [result] = await land.ledger.submit([draft_of(planned, land.command(), request_of(late))], PLACES)
        assert isinstance(result, StaleRead), result


async def test_what_has_nothing_to_do_with_each_other_does_not_wait(database: Database) -> None:
    """A reading stays good when something else changes: siblings open and join beside each other."""
    beside: tuple[tuple[Act | MemberAct, Act | MemberAct], ...] = (
        (Opening("S8", "station", "站", "C1A", MAY), Opening("S9", "station", "站", "C1A", MAY)),
        (Joining("T2", ANNA, MAY), Joining("T2", BEN, MAY)),
        (Moving("S1", "C2A", MAY), Renaming("S2", "新", MAY)),
        (Renaming("C1", "新", MAY), Opening("E2", "sub-centre", "所", "C1", MAY)),
    )
    async with open_land(database) as land:
        for act in BEFORE:
            await _do(land, act)
        for late, first in beside:
            planned = await _planned(land, late)
            await _do(land, first)
            [result] = await land.ledger.submit([draft_of(planned, land.command(), request_of(late))], PLACES)
            assert isinstance(result, Receipt), result


async def test_one_code_is_given_once(database: Database) -> None:
    async with open_land(database) as land:
        late = Opening("S9", "station", "站", "C1A", MAY)
        planned = await _planned(land, late)
        await land.do(Opening("S9", "station", "另一站", "C2A", MAY + timedelta(days=1)))
        [result] = await land.ledger.submit([draft_of(planned, land.command(), request_of(late))], PLACES)
        assert isinstance(result, DocumentExists)
