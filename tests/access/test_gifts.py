"""V6 at the desk: giving points takes two members of staff, a notice and a delay, and one stops it (ruling 8)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.access.bureau import DAY
from tests.access.test_people_api import Town, _with_points, town

from pointsbank.engine.commands import Command
from pointsbank.hours.gift_desk import GiftDesk
from pointsbank.hours.giving import Giving
from pointsbank.ledger.model import Receipt
from pointsbank.people.notices import waiting
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService

__all__ = ["town"]


async def household(town: Town, *people: str) -> None:
    """These people live together since long ago."""
    places = PlacesService(town.service.bank.ledger)
    opened = await places.change(
        Opening("H1", "household", "一户", "S1", date(2026, 1, 1)), Command("t", "H1")
    )
    assert isinstance(opened, Receipt), opened
    for person in people:
        joining = Joining("H1", person, date(2026, 1, 1))
        joined = await places.change_membership(joining, Command("t", f"H1 {person}"), by_two=True)
        assert isinstance(joined, Receipt), joined


async def available(town: Town, person: str) -> int:
    wallet = await town.service.bank.balances.wallet(person)
    return int(wallet.available)  # type: ignore[union-attr]


async def test_v6_a_gift_takes_two_members_of_staff_a_notice_and_a_day(town: Town) -> None:
    giver, _ = await _with_points(town)
    had = await available(town, giver)
    phone = await town.made("boss", f"/people/{giver}/changes", {"kind": "phone", "value": "13845670123"})
    await town.made("vice", f"/people/{giver}/changes/{phone['id']}/confirmation")
    gifts = f"/people/{giver}/gifts"
    refused = await town.send("till", "POST", gifts, {"points": 500})
    assert refused.status_code == 403, "a cashier proposes nothing"
    body = {"points": 500}
    gift = await town.made("boss", gifts, body)
    assert (gift["state"], gift["sequence"], gift["taker"]) == ("proposed", 0, "")
    desk = town.service.bank.people
    assert "gift-asked" in {one.template for one in await waiting(desk.store)}
    confirming = f"{gifts}/{gift['id']}/confirmation"
    early = await town.send("vice", "POST", confirming)
    assert early.json()["type"] == "/problems/gift-waits"
    assert "retry-after" in early.headers
    town.clock.time += DAY
    await town.fresh()
    alone = await town.send("boss", "POST", confirming)
    assert alone.json()["type"] == "/problems/two-persons-needed"
    assert await available(town, giver) == had
    done = await town.made("vice", confirming)
    assert (done["state"], await available(town, giver)) == ("given", had - 500)
    again = await town.made("vice", confirming)
    assert again == done
    entry = (await town["boss"].get(f"/api/v1/journal-entries/{done['sequence']}")).json()
    assert (entry["kind"], entry["reason"]) == ("gift", "donated")
    other = await town.made("boss", gifts, body)
    stopped = await town.send("vice", "DELETE", f"{gifts}/{other['id']}")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "called-off")
    town.clock.time += DAY
    await town.fresh()
    dead = await town.send("vice", "POST", f"{gifts}/{other['id']}/confirmation")
    assert dead.json()["type"] == "/problems/gift-decided"
    listed = (await town["boss"].get(f"/api/v1{gifts}")).json()["gifts"]
    assert [one["state"] for one in listed] == ["called-off", "given"]


async def test_v6_what_a_household_gives_waits_until_the_household_may_and_its_members_decide_nothing(
    town: Town,
) -> None:
    """Ruling 8: whoever joins a household to be given its points waits a day before the gift may even wait."""
    giver, _ = await _with_points(town)
    taker = (await town.service.bank.people.registry.person_ids("volunteer-number", ["V0002"]))["V0002"][0]
    gifts = f"/people/{giver}/gifts"
    stranger = await town.send("boss", "POST", gifts, {"points": 500, "taker": taker})
    assert stranger.json()["type"] == "/problems/not-of-household"
    await household(town, giver)
    join = {"kind": "household", "household": "H1"}
    act = await town.made("boss", f"/people/{taker}/acts", join)
    town.clock.time += 60_000_000
    held = await town.made("vice", f"/people/{taker}/acts/{act['id']}/confirmation")
    gift = await town.made("boss", gifts, {"points": 500, "taker": taker})
    assert gift["ready_at"] >= held["act"]["effective_at"]
    town.clock.time += DAY
    await town.fresh()
    before = await available(town, taker)
    done = await town.made("vice", f"{gifts}/{gift['id']}/confirmation")
    assert (done["state"], await available(town, taker)) == ("given", before + 500)
    frozen = await town.send("boss", "POST", f"/people/{giver}/freeze", {})
    assert frozen.status_code in (200, 201), frozen.text
    refused = await town.send("boss", "POST", gifts, {"points": 100})
    assert refused.json()["type"] == "/problems/person-not-active"


async def test_v6_who_is_frozen_while_a_gift_is_confirmed_is_given_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the desk's look at people and the posting an account may begin to close: the points would be lost."""
    giver, _ = await _with_points(town)
    taker = (await town.service.bank.people.registry.person_ids("volunteer-number", ["V0002"]))["V0002"][0]
    await household(town, giver, taker)
    gifts = f"/people/{giver}/gifts"
    gift = await town.made("boss", gifts, {"points": 500, "taker": taker})
    town.clock.time += DAY
    await town.fresh()
    had, looked = await available(town, giver), Giving._facts

    async def frozen_before(self: Giving, one: str, other: str) -> Any:
        answer = await town.send("boss", "POST", f"/people/{taker}/freeze", {})
        assert answer.status_code in (200, 201), answer.text
        return await looked(self, one, other)

    monkeypatch.setattr(Giving, "_facts", frozen_before)
    refused = await town.send("vice", "POST", f"{gifts}/{gift['id']}/confirmation")
    assert refused.json()["type"] == "/problems/person-not-active"
    assert (await available(town, giver), await available(town, taker)) == (had, 0)


async def test_v6_no_gift_waits_of_which_the_giver_was_not_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ruling 8: whoever ends the service between a gift and its notice has made no silent gift."""
    giver, _ = await _with_points(town)
    gifts = f"/people/{giver}/gifts"

    async def lost(self: GiftDesk, person: str, template: str) -> None:
        raise RuntimeError("the service ended")

    with monkeypatch.context() as patch:
        patch.setattr(GiftDesk, "_tell", lost)
        assert (await town.send("boss", "POST", gifts, {"points": 500})).status_code == 500
    assert (await town["boss"].get(f"/api/v1{gifts}")).json()["gifts"] == []
