"""V8 and V4: what relatives may ask for when somebody has died, and what is told of what a helper does."""

from __future__ import annotations

from datetime import date

from tests.access.bureau import DAY, Bureau
from tests.access.test_gifts import available, household
from tests.access.test_people_api import Town, _with_points, town

from pointsbank.people.cards import Cards
from pointsbank.people.notices import waiting
from pointsbank.verify import verify

__all__ = ["town"]


async def test_v8_relatives_get_a_copy_and_corrections_and_the_points_go_to_the_household_by_two(
    town: Town,
) -> None:
    person, _ = await _with_points(town)
    spouse = (await town.service.bank.people.registry.person_ids("volunteer-number", ["V0002"]))["V0002"][0]
    await household(town, person, spouse)
    had = await available(town, person)
    copy = await town.send("boss", "POST", f"/people/{person}/export", {"reason": "配偶申请（死亡证明）"})
    assert copy.json()["books"]["service_records"], copy.text
    correction = {"kind": "birth", "value": "1979-12-31"}
    change = await town.made("boss", f"/people/{person}/changes", correction)
    await town.made("vice", f"/people/{person}/changes/{change['id']}/confirmation")
    closing = f"/people/{person}/closing"
    asked = await town.made("boss", closing, {"settlement": "household"})
    confirming = f"{closing}/{asked['act']}/confirmation"
    waits = await town.send("vice", "POST", confirming)
    assert waits.json()["type"] == "/problems/closing-waits"
    assert await available(town, spouse) == 0
    town.clock.time += DAY
    await town.fresh()
    done = await town.made("vice", confirming)
    assert done["step"] == "done"
    assert await available(town, spouse) == had
    assert await town.service.bank.people.registry.state(person) == "closed"
    ledger = town.service.bank.ledger
    assert (await verify(ledger.database, ledger.name)).findings == ()


async def test_v4_what_a_helper_stops_is_told_to_both(bureau: Bureau) -> None:
    ward = await bureau.person("奶奶", phone="13700002222", born=date(1940, 1, 1))
    helper = await bureau.person("李强", team="T2", phone="13700003333", born=date(1980, 1, 1))
    await bureau.card(ward)
    await bureau.linked("helper", helper, ward)
    before = {(one.phone, one.template) for one in await waiting(bureau.store)}
    assert await Cards(bureau.store).freeze(ward, helper) is None
    assert {(one.phone, one.template) for one in await waiting(bureau.store)} - before == {
        ("+8613700002222", "card-frozen"),
        ("+8613700003333", "ward-card-frozen"),
    }
