"""Two registrations that are one person; texts of other rooms that go with the person."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import InvalidDraft, Refusal
from pointsbank.people.aliases import survivors
from pointsbank.people.changes import Change, Changes
from pointsbank.people.closing import Closing, close_account
from pointsbank.people.export import export_own_data
from pointsbank.people.merging import Merging
from pointsbank.people.notices import waiting
from pointsbank.people.refusals import (
    LinkNotAllowed,
    PersonNotActive,
    SecondPersonNeeded,
    UnknownChange,
    UnknownPerson,
)
from pointsbank.people.registry import Registry
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store import PeopleStore
from pointsbank.people.texts import mac_of, open_texts, seal_texts

from .conftest import DAY, NOON, id_number, plain, put, somebody


class Books:
    """Writes down what it was asked to move."""

    def __init__(self, refusal: Refusal | None = None) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.refusal = refusal

    async def __call__(self, old: str, into: str, key: str) -> Refusal | None:
        self.asked.append((old, into, key))
        return self.refusal


async def merged(store: PeopleStore, old: str, into: str) -> Change:
    desk = Merging(store)
    proposed = await desk.propose(old, into, "clerk-1")
    assert isinstance(proposed, Change), proposed
    done = await desk.confirm(old, proposed.id, "clerk-2", Books())
    assert isinstance(done, Change), done
    return done


async def test_a_merge_takes_two_and_moves_the_books_first(registry: Registry, store: PeopleStore) -> None:
    old = await put(registry, somebody())
    into = await put(registry, somebody(volunteer_number="V2", id_number="", born=date(1990, 5, 17)))
    desk, books = Merging(store), Books()
    for by in (old, into, "cousin"):
        assert isinstance(await desk.propose(old, into, by, household=["cousin"]), SecondPersonNeeded)
    assert isinstance(await desk.propose(old, old, "clerk-1"), LinkNotAllowed)
    proposed = await desk.propose(old, into, "clerk-1")
    assert isinstance(proposed, Change)
    for by in ("clerk-1", old, into):
        assert isinstance(await desk.confirm(old, proposed.id, by, books), SecondPersonNeeded)
    refusal = InvalidDraft("x")
    assert await desk.confirm(old, proposed.id, "clerk-2", Books(refusal)) == refusal
    assert await registry.state(old) == "active"
    assert books.asked == []
    done = await desk.confirm(old, proposed.id, "clerk-2", books)
    assert isinstance(done, Change)
    assert books.asked == [(old, into, f"merge:{proposed.id}")]
    assert await desk.confirm(old, proposed.id, "clerk-2", books) == done, "the same again changes nothing"
    assert await desk.confirm(old, proposed.id, "clerk-3", books) == UnknownChange(proposed.id)
    assert len(books.asked) == 1
    assert await registry.state(old) == "merged"
    assert await Changes(store).spending_from(into) == NOON + DAY, "what came over waits before it is spent"
    assert {one.template for one in await waiting(store)} == {"account-merged"}


async def test_the_numbers_of_an_alias_find_the_person(registry: Registry, store: PeopleStore) -> None:
    first = await put(registry, somebody())
    second = await put(registry, somebody(volunteer_number="V2", id_number="", born=date(1990, 5, 17)))
    third = await put(registry, plain("张小明", phone="13900000000"))
    await merged(store, first, second)
    await merged(store, second, third)
    assert await survivors(store, [first, second, third]) == {first: third, second: third}
    for kind, number in (
        ("phone", "13812345678"),
        ("volunteer-number", "V2"),
        ("id-number", id_number("1990-05-17")),
    ):
        found = await registry.find(kind, number, "clerk")  # type: ignore[arg-type]
        assert [one.person_id for one in found] == [third]  # type: ignore[union-attr]
    assert await registry.person_ids("volunteer-number", ["V2"]) == {"V2": [third]}
    exported = await export_own_data(store, third, third)
    assert isinstance(exported, bytes)
    own = msgspec.json.decode(exported)["merged_registrations"]
    assert [(one["person_id"], one.get("volunteer-number")) for one in own] == [
        (second, "V2"),
        (first, "V2301000001"),
    ]
    refused = await Merging(store).propose(third, first, "clerk-1")
    assert refused == PersonNotActive(first, "merged"), "no circles"


async def test_a_merge_is_undone_by_two(registry: Registry, store: PeopleStore) -> None:
    old = await put(registry, somebody())
    into = await put(registry, plain("张明"))
    desk, books = Merging(store), Books()
    assert await desk.propose_undoing(old, "clerk-1") == PersonNotActive(old, "active")
    await merged(store, old, into)
    proposed = await desk.propose_undoing(old, "clerk-1")
    assert isinstance(proposed, Change)
    assert isinstance(await desk.confirm(old, proposed.id, "clerk-1", books), SecondPersonNeeded)
    assert isinstance(await desk.confirm(old, proposed.id, "clerk-2", books), Change)
    assert books.asked == [(old, into, f"unmerge:{proposed.id}")]
    assert await survivors(store, [old]) == {}
    found = await registry.find("phone", "13812345678", "clerk")
    assert [one.person_id for one in found] == [old]  # type: ignore[union-attr]


async def test_closing_forgets_the_aliases_too(registry: Registry, store: PeopleStore) -> None:
    old = await put(registry, somebody())
    into = await put(registry, plain("张小明", phone="13900000000"))
    await merged(store, old, into)

    async def settle(person_id: str, settlement: str, key: str) -> Refusal | None:
        return None

    assert await close_account(store, old, settle, by="clerk") == PersonNotActive(old, "merged")
    assert isinstance(await close_account(store, into, settle, by="clerk"), Closing)
    assert sorted(store.erasures) == sorted([old, into])
    assert await registry.find("phone", "13812345678", "clerk") == []
    assert [await registry.state(one) for one in (old, into)] == ["closed", "closed"]
    assert await Merging(store).propose_undoing(old, "clerk-1") == UnknownPerson(old)


async def test_a_text_opens_only_in_its_place_and_never_after_closing(
    registry: Registry, store: PeopleStore
) -> None:
    person, nobody = await put(registry, somebody()), new_id()
    sealed, missing = await seal_texts(store, [(person, "remark R1", "腿脚不便"), (nobody, "remark R2", "x")])
    assert sealed is not None
    assert missing is None
    assert "腿脚不便".encode() not in sealed
    assert await open_texts(store, [(person, "remark R1", sealed), (nobody, "remark R2", b"")]) == [
        "腿脚不便",
        None,
    ]
    with pytest.raises(SealBroken):
        await open_texts(store, [(person, "remark R2", sealed)])
    mac = await mac_of(store, person, "service-sheet", "salt", "张小明")
    assert mac == await mac_of(store, person, "service-sheet", "salt", "张小明")
    others = [
        await mac_of(store, person, "service-sheet", "salt", "张小民"),
        await mac_of(store, person, "service-sheet", "other", "张小明"),
        await mac_of(store, person, "other", "salt", "张小明"),
        await mac_of(store, await put(registry, plain("张小明")), "service-sheet", "salt", "张小明"),
    ]
    assert mac not in others

    async def settle(person_id: str, settlement: str, key: str) -> Refusal | None:
        return None

    assert isinstance(await close_account(store, person, settle, by="clerk"), Closing)
    assert await open_texts(store, [(person, "remark R1", sealed)]) == [None]
    assert await mac_of(store, person, "service-sheet", "salt", "张小明") is None
