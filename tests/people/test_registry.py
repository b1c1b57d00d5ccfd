"""Registering, finding, showing: one person once, masked unless there is a reason, every look written down."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.ids import new_id
from pointsbank.people.consents import Consents
from pointsbank.people.model import Found, Hint, NewPerson, Profile, Registered
from pointsbank.people.refusals import (
    ConsentMissing,
    MinorProtected,
    PersonDataInvalid,
    PersonExists,
    PersonNotActive,
    ReasonNeeded,
    SearchLimitReached,
    UnknownPerson,
    UnmaskingNotPermitted,
)
from pointsbank.people.registry import Registry, Revealed
from pointsbank.people.store import PeopleStore

from .conftest import DAY, HOUR, NOON, id_number, plain, put, somebody


async def test_a_registered_person_is_found_by_each_whole_number(registry: Registry) -> None:
    person_id = await put(registry, somebody())
    for kind, number in (
        ("phone", "138-1234-5678"),
        ("volunteer-number", "v2301000001"),
        ("id-number", id_number("1990-05-17")),
    ):
        found = await registry.find(kind, number, "clerk")  # type: ignore[arg-type]
        assert found == [Found(person_id, "active", "张*明", "18–39")]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("phone", "1381234"),
        ("volunteer-number", ""),
        ("id-number", "2301"),
        ("phone", "138*"),
        ("phone", "5678"),
    ],
)
async def test_a_part_of_a_number_finds_nobody(registry: Registry, kind: str, number: str) -> None:
    await put(registry, somebody())
    outcome = await registry.find(kind, number, "clerk")  # type: ignore[arg-type]
    assert isinstance(outcome, PersonDataInvalid)


async def test_a_profile_is_masked_and_shows_no_digit_of_the_id_number(registry: Registry) -> None:
    person_id = await put(registry, somebody())
    profile = await registry.profile(person_id, "clerk")
    assert profile == Profile(
        person_id, "active", ("volunteer",), "张*明", "138****5678", "****01", True, "18–39", False, ()
    )
    assert await registry.masked_names([person_id, new_id()]) == {person_id: "张*明"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"phone": "123"}, "phone"),
        ({"volunteer_number": "编号"}, "volunteer-number"),
        ({"id_number": "230102199005171230"}, "id-number"),
        ({"born": date(1990, 5, 18)}, "birth"),
        ({"id_number": "", "born": date(2027, 1, 1)}, "birth"),
    ],
)
async def test_malformed_data_are_refused_and_leave_nothing(
    registry: Registry, fields: dict[str, object], field: str
) -> None:
    outcome = await registry.register(somebody(**fields), "clerk")
    assert isinstance(outcome, PersonDataInvalid)
    assert outcome.field == field
    assert await registry.find("phone", "13812345678", "clerk") == []


@pytest.mark.parametrize("field", ["id-number", "volunteer-number"])
async def test_the_same_number_is_the_same_person(registry: Registry, field: str) -> None:
    person_id = await put(registry, somebody())
    again = {
        "id-number": {"volunteer_number": "V2"},
        "volunteer-number": {"id_number": id_number("1980-01-01")},
    }
    outcome = await registry.register(somebody(**again[field]), "clerk-2")
    assert outcome == PersonExists(field, person_id)
    assert [seen.action for seen in await registry.who_saw(person_id)] == ["duplicate"]


async def test_a_shared_phone_is_a_hint_never_a_refusal(registry: Registry) -> None:
    mother = await put(registry, somebody())
    child = plain("张小小", date(2015, 3, 1), phone="13812345678")
    outcome = await registry.register(child, "clerk")
    assert isinstance(outcome, Registered)
    assert outcome.hints == (Hint(mother, "shared-phone"),)
    found = await registry.find("phone", "13812345678", "clerk")
    assert isinstance(found, list)
    assert {one.person_id for one in found} == {mother, outcome.person_id}


async def test_somebody_may_be_brought_in_under_a_number_without_a_name_yet(registry: Registry) -> None:
    person_id = await put(registry, NewPerson(volunteer_number="V1", phone="13812345678"))
    other = await registry.register(NewPerson(volunteer_number="V2", phone="13812345678"), "import")
    assert isinstance(other, Registered)
    assert other.hints == (Hint(person_id, "shared-phone"),)
    profile = await registry.profile(person_id, "clerk")
    assert isinstance(profile, Profile)
    assert (profile.name, profile.age_band) == ("", "")
    assert await registry.masked_names([person_id]) == {}
    assert isinstance(await registry.register(NewPerson(phone="13812345678"), "import"), PersonDataInvalid)


async def test_the_same_phone_name_and_birth_year_is_a_likely_double(registry: Registry) -> None:
    first = await put(registry, plain("王芳", date(1970, 2, 3), phone="13900001111"))
    outcome = await registry.register(plain("王芳", date(1970, 8, 9), phone="139 0000 1111"), "clerk")
    assert isinstance(outcome, Registered)
    assert outcome.hints == (Hint(first, "same-phone-name-and-birth-year"),)


async def test_many_are_registered_in_one_go_each_with_its_outcome(registry: Registry) -> None:
    known = new_id()
    outcomes = await registry.register_all(
        [
            NewPerson(name="甲", volunteer_number="A1", person_id=known),
            NewPerson(name=" ", volunteer_number="A2"),
            NewPerson(name="乙", volunteer_number="a1"),
            NewPerson(name="丙", volunteer_number="A3", phone="13911112222"),
            NewPerson(name="丙", volunteer_number="A4", phone="13911112222"),
            NewPerson(name="丁", person_id=known),
        ],
        "import",
    )
    kinds = [type(one).__name__ for one in outcomes]
    assert kinds == [
        "Registered",
        "PersonDataInvalid",
        "PersonExists",
        "Registered",
        "Registered",
        "PersonExists",
    ]
    third, fourth = outcomes[3], outcomes[4]
    assert isinstance(third, Registered)
    assert isinstance(fourth, Registered)
    assert fourth.hints == (Hint(third.person_id, "same-phone-name-and-birth-year"),)
    ids = await registry.person_ids("volunteer-number", ["A1", "a3", "A9", "坏"])
    assert ids == {"A1": [known], "a3": [third.person_id]}
    numbers = await registry.volunteer_numbers([known, third.person_id], "machine:replay", "replay-output")
    assert numbers == {known: "A1", third.person_id: "A3"}


async def test_two_registrations_at_once_make_one_person(registry: Registry) -> None:
    outcomes = await asyncio.gather(*(registry.register(somebody(phone=""), f"clerk-{n}") for n in range(4)))
    registered = [one for one in outcomes if isinstance(one, Registered)]
    assert len(registered) == 1
    assert [one for one in outcomes if one not in registered] == [
        PersonExists("id-number", registered[0].person_id)
    ] * 3


async def test_two_batches_at_once_neither_wait_for_each_other_nor_make_doubles(registry: Registry) -> None:
    people = [NewPerson(name="众", volunteer_number=f"N{n}") for n in range(60)]
    batches = await asyncio.gather(
        *(registry.register_all(people[:: 1 if n % 2 else -1], f"import-{n}") for n in range(4))
    )
    registered = [one for batch in batches for one in batch if isinstance(one, Registered)]
    assert len(registered) == 60
    found = await registry.person_ids("volunteer-number", [person.volunteer_number for person in people])
    assert {ids[0] for ids in found.values()} == {one.person_id for one in registered}


# searching


async def test_at_most_thirty_searches_an_hour_found_or_not(registry: Registry, clock: FixedClock) -> None:
    person_id = await put(registry, somebody())
    for n in range(30):
        clock.time += 60_000_000
        number = "13812345678" if n % 2 else f"139{n:08}"
        assert isinstance(await registry.find("phone", number, "nosy"), list)
    refused = await registry.find("phone", "13812345678", "nosy")
    assert refused == SearchLimitReached(30, "hour", NOON + 60_000_000 + HOUR)
    assert isinstance(await registry.find("phone", "13812345678", "another"), list)
    clock.time = refused.retry_at  # type: ignore[union-attr]
    assert isinstance(await registry.find("phone", "13812345678", "nosy"), list)
    assert isinstance(await registry.find("phone", "13812345678", "nosy"), SearchLimitReached)
    assert {flag.kind for flag in await registry.risk_flags()} == {"search-limit"}
    assert len(await registry.who_saw(person_id)) == 17


async def test_at_most_a_hundred_searches_a_day(registry: Registry, clock: FixedClock) -> None:
    for n in range(100):
        clock.time += 5 * 60_000_000
        assert await registry.find("phone", f"139{n:08}", "nosy") == []
    clock.time += 5 * 60_000_000
    refused = await registry.find("phone", "13900000000", "nosy")
    assert isinstance(refused, SearchLimitReached)
    assert (refused.limit, refused.window, refused.retry_at) == (100, "day", NOON + 5 * 60_000_000 + DAY)


async def test_a_burst_of_searches_is_a_risk_flag(registry: Registry, clock: FixedClock) -> None:
    for n in range(9):
        await registry.find("phone", f"139{n:08}", "nosy")
    assert await registry.risk_flags() == []
    await registry.find("phone", "13999999999", "nosy")
    clock.time += 1
    await registry.find("phone", "13999999998", "nosy")
    flags = await registry.risk_flags()
    assert [(f.kind, f.actor, f.period, f.count) for f in flags] == [
        ("search-burst", "nosy", "2026-11-22 12", 2)
    ]


async def test_two_searches_at_once_are_not_both_the_last_one(registry: Registry, clock: FixedClock) -> None:
    for n in range(29):
        await registry.find("phone", f"139{n:08}", "nosy")
    clock.time += HOUR // 2  # no burst, whose flag would make them take turns too
    outcomes = await asyncio.gather(*(registry.find("phone", f"138{n:08}", "nosy") for n in range(6)))
    assert sum(isinstance(one, list) for one in outcomes) == 1


async def test_a_miss_is_written_down_too(registry: Registry) -> None:
    await registry.find("id-number", id_number("1990-05-17"), "nosy")
    seen = await registry.seen_by("nosy")
    assert [(one.action, one.field, one.person_id) for one in seen] == [("find", "id-number", "")]


async def test_registering_somebody_who_is_on_file_counts_as_a_search(
    registry: Registry, clock: FixedClock
) -> None:
    person_id = await put(registry, somebody())
    for _ in range(30):
        clock.time += 60_000_000
        assert await registry.register(somebody(), "nosy") == PersonExists("id-number", person_id)
    assert isinstance(await registry.find("phone", "13812345678", "nosy"), SearchLimitReached)


async def test_the_log_is_kept_for_six_months_at_least(registry: Registry, clock: FixedClock) -> None:
    await registry.find("phone", "13812345678", "clerk")
    clock.time += 183 * DAY
    await registry.find("phone", "13812345678", "clerk")
    assert await registry.discard_log(clock.time) == 0
    clock.time += 1
    assert await registry.discard_log(clock.time - DAY) == 1
    assert len(await registry.seen_by("clerk")) == 1


# seeing in full


async def test_unmasking_needs_a_permission_and_a_reason_and_is_logged(registry: Registry) -> None:
    person_id = await put(registry, somebody())
    assert await registry.unmask(person_id, "phone", "clerk", reason="回访") == UnmaskingNotPermitted("phone")
    assert await registry.unmask(person_id, "phone", "clerk", permitted=True, reason=" ") == ReasonNeeded()
    assert await registry.who_saw(person_id) == []
    shown = await registry.unmask(person_id, "phone", "clerk", permitted=True, reason="电话回访")
    assert isinstance(shown, Revealed)
    assert shown.value == "+8613812345678"
    assert "12345678" not in repr(shown)
    seen = await registry.who_saw(person_id)
    assert [(one.at, one.actor, one.action, one.field, one.reason) for one in seen] == [
        (NOON, "clerk", "unmask", "phone", "电话回访")
    ]
    assert await registry.unmask(new_id(), "phone", "clerk", permitted=True, reason="x") != shown


async def test_an_id_number_is_kept_only_while_insurance_is_consented_to(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    number = id_number("1990-05-17")
    person_id = await put(registry, somebody())
    missing = ConsentMissing("insurance")
    assert await registry.keep_id_number(person_id, number, "clerk") == missing
    asked = await registry.unmask(person_id, "id-number", "clerk", permitted=True, reason="投保")
    assert asked == missing
    desk = Consents(store)
    consent = await desk.give(person_id, "insurance", wording="v1", given_by=person_id, taken_by="clerk")
    assert await registry.keep_id_number(person_id, number, "clerk") is None
    shown = await registry.unmask(person_id, "id-number", "clerk", permitted=True, reason="投保")
    assert isinstance(shown, Revealed)
    assert shown.value == number
    assert await desk.withdraw(person_id, consent.id, person_id) is None  # type: ignore[union-attr]
    assert await registry.unmask(person_id, "id-number", "clerk", permitted=True, reason="投保") == missing
    values = await store.read(lambda c: store.vault.values_of(c, [person_id], ("id-number",)))
    assert values == {person_id: {}}
    found = await registry.find("id-number", number, "clerk")
    assert [one.person_id for one in found] == [person_id]  # type: ignore[union-attr]


async def test_a_minors_profile_needs_a_right_of_its_own_and_a_reason(
    registry: Registry, clock: FixedClock
) -> None:
    person_id = await put(registry, plain("李小小", date(2012, 11, 23), phone="13812340000"))
    assert await registry.profile(person_id, "clerk") == MinorProtected(person_id)
    assert await registry.profile(person_id, "clerk", may_open_minors=True) == ReasonNeeded()
    asked = await registry.unmask(person_id, "phone", "clerk", permitted=True, reason="x")
    assert asked == MinorProtected(person_id)
    profile = await registry.profile(person_id, "clerk", may_open_minors=True, reason="监护人来访")
    assert isinstance(profile, Profile)
    assert (profile.is_minor, profile.age_band) == (True, "0–13")
    assert [(one.action, one.reason) for one in await registry.who_saw(person_id)] == [
        ("profile", "监护人来访")
    ]
    clock.time += DAY
    older = await registry.profile(person_id, "clerk", may_open_minors=True, reason="x")
    assert isinstance(older, Profile)
    assert older.age_band == "14–17"
    clock.time += 4 * 366 * DAY
    assert isinstance(await registry.profile(person_id, "clerk"), Profile)


async def test_v2_freezing_needs_one_and_works_at_once(registry: Registry) -> None:
    person_id = await put(registry, somebody())
    assert await registry.freeze(person_id, "clerk") is None
    assert await registry.state(person_id) == "frozen"
    assert await registry.freeze(person_id, "clerk") is None
    missing = new_id()
    assert await registry.freeze(missing, "clerk") == UnknownPerson(missing)


async def test_one_person_may_be_several_things_to_the_bank(registry: Registry) -> None:
    person_id = await put(registry, somebody())
    for _ in range(2):
        assert await registry.add_role(person_id, "staff") is None
    profile = await registry.profile(person_id, "clerk")
    assert isinstance(profile, Profile)
    assert profile.roles == ("staff", "volunteer")
    assert await registry.is_active_staff(person_id)
    await registry.freeze(person_id, "clerk")
    assert not await registry.is_active_staff(person_id)
    assert await registry.add_role(person_id, "helper") == PersonNotActive(person_id, "frozen")


async def test_ledgers_do_not_see_each_others_people(
    store: PeopleStore, registry: Registry, people_url: str, clock: FixedClock
) -> None:
    person_id = await put(registry, somebody())
    other = PeopleStore(people_url, 8, store.keys, store.erasures, clock=clock)
    await other.open()
    try:
        there = Registry(other)
        assert await there.find("phone", "13812345678", "clerk") == []
        assert await there.profile(person_id, "clerk") == UnknownPerson(person_id)
        assert isinstance(await there.register(somebody(), "clerk"), Registered)
    finally:
        await other.close()
