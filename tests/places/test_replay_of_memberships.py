"""The law of membership: on any day people belong where a naive replay of the events says, and to one household."""

from __future__ import annotations

import asyncio
import uuid
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.places import membership, tree
from pointsbank.places.model import (
    OPEN_END,
    Closing,
    Joining,
    Leaving,
    Merging,
    Opening,
    Transfer,
)
from pointsbank.places.service import PlacesService
from pointsbank.store.database import Database

FIRST = date(2024, 1, 1)
GROUPS = ("H1", "H2", "T1", "T2")
KIND = {"H": "household", "T": "team"}
PEOPLE = [new_id() for _ in range(2)]
PLANTED = (
    Opening("C1", "centre", "名", "", FIRST),
    Opening("S1", "station", "名", "C1", FIRST),
    *(Opening(code, KIND[code[0]], "名", "S1", FIRST) for code in GROUPS),
)
# without members from the start, leaving and taking over would hardly ever be accepted
JOINED = (
    Joining("H1", PEOPLE[0], FIRST),
    Joining("T1", PEOPLE[0], FIRST),
    Joining("H2", PEOPLE[1], FIRST),
    Joining("T1", PEOPLE[1], FIRST),
)

days = st.integers(0, 8).map(lambda n: FIRST + timedelta(days=n))
groups = st.sampled_from(GROUPS)
people = st.sampled_from(PEOPLE)
wishes = st.one_of(
    st.builds(Joining, groups, people, days),
    st.builds(Joining, groups, people, days, st.just("head"), days),
    st.builds(Leaving, groups, people, days),
    st.builds(Transfer, groups, groups, people, days),
    st.builds(Closing, groups, days),
    st.builds(Merging, groups, groups, days),
)

Stay = tuple[str, str, date, date]
"""Person, group, first day, and the day after the last."""


def replayed(accepted: list[Any]) -> list[Stay]:
    stays: list[Stay] = []
    for act in accepted:
        match act:
            case Joining(group, person, day, _, until):
                stays.append((person, group, day, until))
            case Leaving(group, person, day):
                stays = [_cut(s, day) if s[:2] == (person, group) and s[3] == OPEN_END else s for s in stays]
            case Transfer(group, into, person, day):
                stays = [_cut(s, day) if s[:2] == (person, group) and s[3] == OPEN_END else s for s in stays]
                stays.append((person, into, day, OPEN_END))
            case Closing(code, day):
                stays = [_cut(s, day) if s[1] == code else s for s in stays]
            case Merging(code, into, day):
                over = [(s[0], into, day, s[3]) for s in stays if s[1] == code and s[3] > day]
                there = [s for s in stays if s[1] == into]
                stays = [_cut(s, day) if s[1] == code else s for s in stays]
                stays += [
                    o for o in over if not any(t[0] == o[0] and t[2] < o[3] and o[2] < t[3] for t in there)
                ]
    return stays


def _cut(stay: Stay, day: date) -> Stay:
    person, group, first, last = stay
    return person, group, first, min(last, day)


def test_people_belong_where_a_naive_replay_says_and_to_one_household(database_url: str) -> None:
    @given(st.lists(wishes, min_size=4, max_size=16))
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def holds(wanted: list[Any]) -> None:
        asyncio.run(_holds(database_url, wanted))

    holds()


async def _holds(url: str, wanted: list[Any]) -> None:
    database = Database(url)
    async with open_ledger(database, uuid.uuid4().hex, clock=FixedClock(0)) as ledger:
        service = PlacesService(ledger)
        accepted: list[Any] = []
        for number, act in enumerate((*PLANTED, *JOINED, *wanted)):
            command = Command("test", str(number))
            if isinstance(act, Opening | Closing | Merging):
                result = await service.change(act, command)
            else:
                result = await service.change_membership(act, command)
            if isinstance(result, Receipt):
                accepted.append(act)
            else:
                assert not result.retry, "who is alone is never told to try again"
        stays = replayed(accepted)
        known = await database.read(tree.places_on, ledger.id, GROUPS, FIRST)
        codes = {place.id: place.code for place in known.values()}
        for day in {FIRST, *(stay[2] for stay in stays), *(stay[3] for stay in stays)}:
            found = await database.read(membership.groups_of, ledger.id, PEOPLE, day)
            for person in PEOPLE:
                mine = sorted(codes[group] for _, group in found[person])
                assert mine == sorted(g for p, g, first, last in stays if p == person and first <= day < last)
                assert sum(code.startswith("H") for code in mine) <= 1
    await database.close()
