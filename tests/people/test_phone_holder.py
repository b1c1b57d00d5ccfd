"""A phone is not a person: for whom a proven one opens a session."""

from __future__ import annotations

from datetime import date

import pytest

from pointsbank.people.changes import Change
from pointsbank.people.merging import Merging
from pointsbank.people.phone_holder import holder_of
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore

from .conftest import put, somebody

BORN = {"grown": date(1980, 1, 1), "young": date(2010, 1, 1), "child": date(2015, 1, 1), "unknown": None}


@pytest.mark.parametrize(
    ("family", "number", "opens_for"),
    [
        (["grown"], "", 0),
        (["unknown"], "", 0),
        (["young"], "", 0),
        (["child"], "", None),
        (["child"], "N0", None),
        (["grown", "child"], "", 0),
        (["grown", "child"], "N1", None),
        (["grown", "young"], "", 0),
        (["grown", "young"], "N1", 1),
        (["grown", "grown"], "", None),
        (["grown", "grown", "child"], "n1", 1),
        (["grown", "grown"], "N9", None),
        (["grown", "grown"], "编号", None),
        (["young", "young"], "", None),
        ([], "", None),
    ],
)
async def test_a_phone_opens_for_its_one_adult_or_with_the_number(
    registry: Registry, store: PeopleStore, family: list[str], number: str, opens_for: int | None
) -> None:
    ids = [
        await put(registry, somebody(volunteer_number=f"N{n}", id_number="", born=BORN[kind], name=f"人{n}"))
        for n, kind in enumerate(family)
    ]
    await put(registry, somebody(volunteer_number="N9", id_number="", phone="13999999999"))
    wanted = None if opens_for is None else ids[opens_for]
    assert await holder_of(store, "138 1234 5678", volunteer_number=number) == wanted
    assert await holder_of(store, "5678") is None


async def test_a_frozen_person_is_opened_for_by_nothing(registry: Registry, store: PeopleStore) -> None:
    person = await put(registry, somebody())
    await registry.freeze(person, "clerk")
    assert await holder_of(store, "13812345678") is None


async def test_the_phone_of_a_merged_registration_opens_nothing(
    registry: Registry, store: PeopleStore
) -> None:
    old = await put(registry, somebody())
    into = await put(registry, somebody(volunteer_number="N2", id_number="", phone="13900000000"))
    desk = Merging(store)
    proposed = await desk.propose(old, into, "clerk-1")
    assert isinstance(proposed, Change)

    async def post(old: str, into: str, key: str) -> None:
        return None

    assert isinstance(await desk.confirm(old, proposed.id, "clerk-2", post), Change)
    assert await holder_of(store, "13812345678") is None
    assert await holder_of(store, "13900000000", volunteer_number="V2301000001") == into
