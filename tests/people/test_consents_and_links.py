"""Consents, guardians, helpers, and the changes that need two: each theft by one insider fails."""

from __future__ import annotations

import asyncio
from datetime import date

import msgspec
import pytest

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.ids import new_id
from pointsbank.people.changes import Change, Changes
from pointsbank.people.consents import Consent, Consents
from pointsbank.people.export import export_own_data
from pointsbank.people.links import Link, LinkRules, Links
from pointsbank.people.merging import Merging
from pointsbank.people.notices import settle, waiting
from pointsbank.people.refusals import (
    GuardianMustConsent,
    LinkNotAllowed,
    PersonDataInvalid,
    PersonExists,
    SecondPersonNeeded,
    UnknownChange,
    UnknownConsent,
    UnknownPerson,
)
from pointsbank.people.registry import Registry, Revealed
from pointsbank.people.store import PeopleStore

from .conftest import DAY, NOON, plain, put, somebody

GROWN = date(1980, 1, 1)


async def linked(store: PeopleStore, clock: FixedClock, kind: str, holder: str, ward: str) -> Link:
    """A link made by two clerks, after its delay."""
    desk = Links(store)
    proposed = await desk.propose(kind, holder, ward, "clerk-1", evidence="户口本")  # type: ignore[arg-type]
    assert isinstance(proposed, Link), proposed
    link = await desk.confirm(ward, proposed.id, "clerk-2")
    assert isinstance(link, Link), link
    clock.time += DAY
    return link


async def family(registry: Registry, born: date = date(2014, 1, 2)) -> tuple[str, str]:
    mother = await put(registry, plain("周兰", GROWN, "guardian", "13700001111"))
    return mother, await put(registry, plain("周小小", born, phone="13700001111"))


# consents


async def test_a_consent_stands_until_it_is_withdrawn_and_stays_on_file(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    person = await put(registry, somebody())
    desk = Consents(store)
    assert not await desk.in_force(person, "photos")
    given = await desk.give(person, "photos", wording="2026-1", given_by=person, taken_by="clerk")
    assert isinstance(given, Consent)
    assert await desk.in_force(person, "photos")
    assert not await desk.in_force(person, "photos", date(2026, 11, 21))
    assert not await desk.in_force(person, "insurance")
    clock.time += DAY
    assert await desk.withdraw(person, given.id, person) is None
    assert not await desk.in_force(person, "photos")
    assert await desk.in_force(person, "photos", date(2026, 11, 22)), "what was verified then stays right"
    assert await desk.withdraw(person, given.id, person) == UnknownConsent(given.id)
    assert [(one.withdrawn_at, one.withdrawn_by) for one in await desk.history(person)] == [
        (NOON + DAY, person)
    ]


async def test_v10_under_fourteen_a_recorded_guardian_consents_and_at_fourteen_it_is_asked_anew(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    mother, child = await family(registry, date(2012, 11, 25))
    stranger = await put(registry, plain("外人", GROWN))
    desk = Consents(store)

    async def give(by: str) -> object:
        return await desk.give(child, "service", wording="1", given_by=by, taken_by="clerk")

    for by in (child, stranger, mother):
        assert await give(by) == GuardianMustConsent(child)
    await linked(store, clock, "guardian", mother, child)
    assert isinstance(await give(mother), Consent)
    assert await give(stranger) == GuardianMustConsent(child)
    assert await desk.in_force(child, "service")
    clock.time += DAY  # 24 November, the day before the fourteenth birthday
    assert await desk.in_force(child, "service")
    clock.time += DAY
    assert not await desk.in_force(child, "service")
    assert isinstance(await give(child), Consent)
    assert await desk.in_force(child, "service")


async def test_v10_a_guardians_link_ends_at_eighteen(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    mother, child = await family(registry, date(2008, 11, 25))
    link = await linked(store, clock, "guardian", mother, child)
    assert (link.from_day, link.to_day) == ("2026-11-22", "2026-11-25")
    desk = Links(store)
    assert await desk.guardians_of(child) == [mother]
    assert [one.ward_id for one in await desk.wards_of(mother)] == [child]
    clock.time += 2 * DAY
    assert await desk.guardians_of(child) == []
    assert await desk.wards_of(mother) == []
    again = await desk.propose("guardian", mother, child, "clerk-1", evidence="户口本")
    assert isinstance(again, LinkNotAllowed)


# links


async def test_nobody_links_alone(registry: Registry, store: PeopleStore) -> None:
    mother, child = await family(registry)
    desk = Links(store)
    for thief in (mother, child):
        refused = await desk.propose("guardian", mother, child, thief, evidence="x")
        assert isinstance(refused, SecondPersonNeeded)
    aunt = await desk.propose("guardian", mother, child, "aunt", evidence="x", household={"aunt"})
    assert isinstance(aunt, SecondPersonNeeded)
    proposed = await desk.propose("guardian", mother, child, "clerk-1", evidence="户口本")
    assert isinstance(proposed, Link)
    for thief in ("clerk-1", mother, child, "aunt"):
        refused = await desk.confirm(child, proposed.id, thief, household={"aunt"})  # type: ignore[assignment]
        assert isinstance(refused, SecondPersonNeeded)
    assert await desk.guardians_of(child) == []


async def test_a_new_link_waits_a_day_and_the_ward_is_told(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    ward = await put(registry, plain("老人", date(1940, 1, 1), phone="0451-86361234"))
    helper = await put(registry, plain("帮手", GROWN, "helper"))
    desk = Links(store)
    proposed = await desk.propose("helper", helper, ward, "clerk-1", evidence="委托书")
    assert isinstance(proposed, Link)
    assert isinstance(await desk.confirm(ward, proposed.id, "clerk-2"), Link)
    assert await desk.confirm(ward, proposed.id, "clerk-3") == UnknownChange(proposed.id)
    notices = await waiting(store)
    assert [(one.phone, one.template) for one in notices] == [("+8645186361234", "helper-linked")]
    assert "86361234" not in repr(notices)
    clock.time += DAY - 1
    assert await desk.wards_of(helper) == []
    clock.time += 1
    assert [one.ward_id for one in await desk.wards_of(helper)] == [ward]
    await settle(store, notices[0].id, sent=True)
    assert await desk.end(ward, proposed.id, "clerk-1") is None
    assert await desk.wards_of(helper) == []
    assert await desk.end(ward, proposed.id, "clerk-1") == UnknownChange(proposed.id)
    assert [one.template for one in await waiting(store)] == ["link-ended"]


async def test_who_helps_already_hears_of_another_helper_and_of_a_merge(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    """Ruling 8: whoever could notice a theft is told, at the numbers from before."""
    ward = await put(registry, plain("老人", date(1940, 1, 1), phone="13600001111"))
    double = await put(registry, plain("老人二", date(1940, 1, 1)))
    first = await put(registry, plain("帮手", GROWN, "helper", "13600002222"))
    second = await put(registry, plain("新帮手", GROWN, "helper", "13600003333"))
    await linked(store, clock, "helper", first, ward)
    await linked(store, clock, "helper", second, ward)
    told = {(one.phone, one.template) for one in await waiting(store)}
    assert told == {("+8613600001111", "helper-linked"), ("+8613600002222", "ward-helper-linked")}

    async def post(old_id: str, into_id: str, key: str) -> None:
        return None

    proposed = await Merging(store).propose(double, ward, "clerk-1")
    assert isinstance(proposed, Change)
    assert isinstance(await Merging(store).confirm(double, proposed.id, "clerk-2", post), Change)
    assert {(one.phone, one.template) for one in await waiting(store)} - told == {
        ("+8613600001111", "account-merged"),
        ("+8613600002222", "ward-account-merged"),
        ("+8613600003333", "ward-account-merged"),
    }


async def test_a_helper_has_only_so_many_wards_even_of_two_confirmed_at_once(
    registry: Registry, store: PeopleStore
) -> None:
    helper = await put(registry, plain("帮手", GROWN, "helper"))
    desk = Links(store, rules=LinkRules(most_wards=2))
    proposed = []
    for n in range(4):
        ward = await put(registry, plain(f"老人{n}", date(1940, 1, 1)))
        proposed.append(await desk.propose("helper", helper, ward, "clerk-1", evidence="委托书"))
    links = [one for one in proposed if isinstance(one, Link)]
    assert len(links) == 4
    done = await asyncio.gather(*(desk.confirm(one.ward_id, one.id, "clerk-2") for one in links))
    assert sum(isinstance(one, Link) for one in done) == 2
    assert sum(isinstance(one, LinkNotAllowed) for one in done) == 2


@pytest.mark.parametrize(
    "case", ["oneself", "no evidence", "a child as guardian", "a grown ward", "no birth date"]
)
async def test_a_link_that_makes_no_sense_is_refused(
    registry: Registry, store: PeopleStore, case: str
) -> None:
    mother, child = await family(registry)
    unknown = await put(registry, plain("无生日"))
    grown = await put(registry, plain("成人", GROWN))
    holder, ward, evidence = {
        "oneself": (child, child, "x"),
        "no evidence": (mother, child, " "),
        "a child as guardian": (child, grown, "x"),
        "a grown ward": (mother, grown, "x"),
        "no birth date": (unknown, child, "x"),
    }[case]
    refused = await Links(store).propose("guardian", holder, ward, "clerk-1", evidence=evidence)
    assert isinstance(refused, LinkNotAllowed)
    missing = new_id()
    assert await Links(store).propose("guardian", mother, missing, "clerk-1", evidence="x") == UnknownPerson(
        missing
    )


# a new phone, the end of a freeze


async def test_a_new_phone_needs_two_tells_the_old_one_and_waits_before_it_may_spend(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    ward = await put(registry, somebody())
    helper = await put(registry, plain("帮手", GROWN, "helper", "13600002222"))
    await linked(store, clock, "helper", helper, ward)
    for one in await waiting(store):
        await settle(store, one.id, sent=True)
    desk = Changes(store)
    assert isinstance(await desk.propose_phone(ward, "123", "thief"), PersonDataInvalid)
    assert isinstance(await desk.propose_phone(ward, "13999999999", ward), SecondPersonNeeded)
    proposed = await desk.propose_phone(ward, "13999999999", "thief")
    assert isinstance(proposed, Change)
    for alone in ("thief", ward, "cousin"):
        refused = await desk.confirm(ward, proposed.id, alone, household=["cousin"])
        assert isinstance(refused, SecondPersonNeeded)
    assert await desk.spending_from(ward) == 0
    assert await registry.find("phone", "13999999999", "clerk") == []
    now = clock.time
    assert isinstance(await desk.confirm(ward, proposed.id, "clerk"), Change)
    assert await desk.confirm(ward, proposed.id, "clerk") == UnknownChange(proposed.id)
    assert await desk.spending_from(ward) == now + DAY
    told = {(one.phone, one.template) for one in await waiting(store)}
    assert told == {("+8613812345678", "phone-changed"), ("+8613600002222", "ward-phone-changed")}
    assert await registry.find("phone", "13812345678", "clerk") == []
    shown = await registry.unmask(ward, "phone", "clerk", permitted=True, reason="核对")
    assert isinstance(shown, Revealed)
    assert shown.value == "+8613999999999"


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("name", "张晓明", " "),
        ("volunteer-number", "V2301000009", "编号"),
        ("birth", "1990-05-18", "18.5.1990"),
    ],
)
async def test_what_is_wrong_on_file_is_put_right_by_two(
    registry: Registry, store: PeopleStore, field: str, value: str, wrong: str
) -> None:
    person = await put(registry, somebody())
    desk = Changes(store)
    refused = await desk.propose_correction(person, field, wrong, "clerk-1")  # type: ignore[arg-type]
    assert isinstance(refused, PersonDataInvalid)
    proposed = await desk.propose_correction(person, field, value, "clerk-1")  # type: ignore[arg-type]
    assert isinstance(proposed, Change)
    assert isinstance(await desk.confirm(person, proposed.id, "clerk-1"), SecondPersonNeeded)
    assert isinstance(await desk.confirm(person, proposed.id, "clerk-2"), Change)
    shown = await registry.unmask(person, field, "clerk", permitted=True, reason="核对")  # type: ignore[arg-type]
    assert isinstance(shown, Revealed)
    assert shown.value == value
    assert [one.template for one in await waiting(store)] == [f"{field}-changed"]
    assert await registry.person_ids("volunteer-number", ["V2301000001", "V2301000009"]) == {
        "V2301000009" if field == "volunteer-number" else "V2301000001": [person]
    }


async def test_a_correction_never_takes_another_persons_number(
    registry: Registry, store: PeopleStore
) -> None:
    owner = await put(registry, somebody())
    person = await put(registry, plain("王芳"))
    desk = Changes(store)
    proposed = await desk.propose_correction(person, "volunteer-number", "V2301000001", "clerk-1")
    assert isinstance(proposed, Change)
    assert await desk.confirm(person, proposed.id, "clerk-2") == PersonExists("volunteer-number", owner)


async def test_a_merge_is_not_confirmed_as_if_it_were_a_small_change(
    registry: Registry, store: PeopleStore
) -> None:
    one, other = await put(registry, somebody()), await put(registry, plain("张明"))
    proposed = await Merging(store).propose(one, other, "clerk-1")
    assert isinstance(proposed, Change)
    assert await Changes(store).confirm(one, proposed.id, "clerk-2") == UnknownChange(proposed.id)


async def test_the_end_of_a_freeze_needs_two(registry: Registry, store: PeopleStore) -> None:
    person = await put(registry, somebody())
    await registry.freeze(person, "clerk-1")
    desk = Changes(store)
    proposed = await desk.propose_unfreezing(person, "clerk-1")
    assert isinstance(proposed, Change)
    assert isinstance(await desk.confirm(person, proposed.id, "clerk-1"), SecondPersonNeeded)
    assert await registry.state(person) == "frozen"
    assert isinstance(await desk.confirm(person, proposed.id, "clerk-2"), Change)
    assert await registry.state(person) == "active"


# one's own data


async def test_v9_one_gets_all_of_ones_own_data_readable(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    mother, child = await family(registry)
    await linked(store, clock, "guardian", mother, child)
    await Consents(store).give(child, "service", wording="1", given_by=mother, taken_by="clerk-1")
    await registry.profile(child, "clerk-1", may_open_minors=True, reason="来访")
    exported = await export_own_data(store, child, child)
    assert isinstance(exported, bytes)
    assert "周小小" in exported.decode()
    found = msgspec.json.decode(exported)
    assert (found["name"], found["phone"], found["birth_date"]) == ("周小小", "+8613700001111", "2014-01-02")
    assert found["id_number"] is None
    assert found["registered_at"] == "2026-11-22T12:00:00+08:00"
    assert [one["purpose"] for one in found["consents"]] == ["service"]
    assert [(one["kind"], one["other_person_id"]) for one in found["links"]] == [("guardian", mother)]
    assert [(one["what"], one["reason"]) for one in found["who_saw_you"]] == [
        ("export", ""),
        ("profile", "来访"),
    ]
    missing = new_id()
    assert await export_own_data(store, missing, "clerk") == UnknownPerson(missing)
