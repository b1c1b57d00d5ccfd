"""The law of the tree: what is above a place on any day is what a naive replay of the dated events says."""

from __future__ import annotations

import asyncio
import uuid
from datetime import date, timedelta
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.places import tree
from pointsbank.places.model import Act, Closing, Merging, Moving, Opening, Renaming
from pointsbank.places.service import PlacesService
from pointsbank.store.database import Database

FIRST = date(2024, 1, 1)
CODES = ("HRB", "C1", "C2", "A", "B", "S1", "S2", "U1", "U2", "U3")
KIND = {"H": "city", "C": "centre", "A": "sub-centre", "B": "sub-centre", "S": "station", "U": "unit"}

days = st.integers(0, 60).map(lambda n: FIRST + timedelta(days=n))
codes = st.sampled_from(CODES)
parents = st.sampled_from((*CODES, ""))
acts = st.one_of(
    st.builds(
        lambda code, parent, day: Opening(code, KIND[code[0]], "名", parent, day), codes, parents, days
    ),
    st.builds(Moving, codes, parents, days),
    st.builds(Closing, codes, days),
    st.builds(Merging, codes, codes, days),
    st.builds(Renaming, codes, st.sampled_from("甲乙丙"), days),
)
# most examples begin with a tree, or hardly anything would be accepted
planted = (
    Opening("HRB", "city", "名", "", FIRST),
    Opening("C1", "centre", "名", "HRB", FIRST),
    Opening("C2", "centre", "名", "HRB", FIRST),
    Opening("A", "sub-centre", "名", "C1", FIRST + timedelta(days=3)),
    Opening("B", "sub-centre", "名", "C2", FIRST),
    Opening("S1", "station", "名", "A", FIRST + timedelta(days=5)),
    Opening("U1", "unit", "名", "HRB", FIRST),
    Opening("U2", "unit", "名", "U1", FIRST),
    Opening("U3", "unit", "名", "C1", FIRST),
)


class Stand(NamedTuple):
    parent: str
    is_open: bool


def naive(accepted: list[Act], day: date) -> dict[str, Stand]:
    """Where every place stands on a day: the events up to it, one after the other."""
    standing: dict[str, Stand] = {}
    for act in accepted:
        if act.day > day:
            continue
        match act:
            case Opening():
                standing[act.code] = Stand(act.parent, True)
            case Moving():
                standing[act.code] = Stand(act.parent, True)
            case Closing() | Merging():
                standing[act.code] = Stand(standing[act.code].parent, False)
            case Renaming():
                pass
    return standing


def line(standing: dict[str, Stand], code: str) -> list[str]:
    found = []
    while code in standing:
        assert code not in found, "a cycle"
        found.append(code)
        code = standing[code].parent
    return found


def test_ancestors_on_any_day_are_those_of_a_naive_replay(database_url: str) -> None:
    @given(st.booleans(), st.lists(acts, max_size=14), st.lists(days, min_size=3, max_size=5))
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def holds(is_planted: bool, wanted: list[Act], asked: list[date]) -> None:
        asyncio.run(_holds(database_url, [*(planted if is_planted else ()), *wanted], asked))

    holds()


async def _holds(url: str, wanted: list[Act], asked: list[date]) -> None:
    database = Database(url)
    async with open_ledger(database, uuid.uuid4().hex, clock=FixedClock(0)) as ledger:
        service = PlacesService(ledger)
        accepted: list[Act] = []
        for number, act in enumerate(wanted):
            result = await service.change(act, Command("test", str(number)))
            if isinstance(result, Receipt):
                accepted.append(act)
            else:
                assert not result.retry, "who is alone is never told to try again"
        ids = {}
        for code in {act.code for act in accepted}:
            known = await database.read(tree.history, ledger.id, code)
            assert known is not None
            ids[known.id] = code
        for day in {*asked, *(act.day for act in accepted), FIRST - timedelta(days=1)}:
            standing = naive(accepted, day)
            found = await database.read(tree.ancestors_of, ledger.id, ids, day)
            assert {ids[id_]: [ids[i] for i in found[id_]] for id_ in ids} == {
                code: line(standing, code) for code in ids.values()
            }, day
            for code, stand in standing.items():
                if stand.is_open and stand.parent:
                    assert standing[stand.parent].is_open, f"{code} has lost its parent on {day}"
                below = await database.read(tree.children, ledger.id, code, day)
                assert [place.code for place in below] == sorted(
                    child for child, s in standing.items() if s.is_open and s.parent == code
                )
    await database.close()
