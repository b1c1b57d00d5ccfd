"""V5: two screens that differ say why: every answer about balances and hours names the sequence it rests on."""

from __future__ import annotations

from typing import Any

import httpx
from tests.access.bureau import DAY, PIN
from tests.access.test_people_api import PHONE, Town, _card, _with_points, town

from pointsbank.people import code_outbox

__all__ = ["town"]


async def shown(town: Town, person: str) -> dict[str, tuple[int, Any]]:
    """Every screen on which somebody's points or hours stand: the sequence it names, and what it says."""
    account, service, key = f"/api/v1/accounts/volunteer:{person}:available", town.service, town.machine
    screens = {}
    for path, figure in {
        f"/api/v1/volunteers/{person}/wallet": "available",
        f"{account}/balance": "commodities",
        f"{account}/statement": "lines",
        "/api/v1/trial-balance": "commodities",
    }.items():
        answer = await service.get(path, key)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        screens[path] = (told["sequence"], told.get(figure))
    for path, figure in {
        f"/api/v1/records/of/{person}": "hours",
        "/api/v1/records/R1/standing": "state",
        f"/api/v1/recognition/standings/{person}": "standings",
        "/api/v1/recognition/groups?kind=team&year=2026": "groups",
        "/api/v1/funds": "funds",
    }.items():
        answer = await town["boss"].get(path)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        screens[path] = (told["as_of"], told[figure])
    return screens


async def head(town: Town) -> int:
    return (await town.service.bank.ledger.writer.store.head()).sequence


async def test_v5_all_screens_name_the_sequence_and_agree_at_the_same_one(town: Town) -> None:
    person, sku = await _with_points(town)
    before, first = await head(town), await shown(town, person)
    assert {sequence for sequence, _ in first.values()} == {before}
    token, key = await _card(town, person)
    at = {"X-Terminal-Key": key}
    leave = await town.made("boss", f"/people/{person}/acts", {"kind": "pin-reset"})
    await town.made("vice", f"/people/{person}/acts/{leave['id']}/confirmation")
    await town.send("till", "POST", "/visits/pin", {"card": token, "pin": PIN}, **at)
    town.clock.time += DAY
    await town.fresh()
    visit = (await town.send("till", "POST", "/visits", {"card": token, "pin": PIN}, **at)).json()
    assert visit["as_of"] == await head(town)
    assert visit["available"] == first[f"/api/v1/volunteers/{person}/wallet"][1]
    assert (visit["left_today"], visit["needs_guardian"]) == (30_000, False)
    own = {**at, "X-CSRF-Token": visit["csrf"], "Idempotency-Key": "b1"}
    client = town["till"].client
    sold = await client.post("/api/v1/me/baskets", json={"lines": [{"sku": sku, "quantity": 1}]}, headers=own)
    assert sold.status_code == 201, sold.text
    price = town.service.bank.policies.policies[-1].goods[sku].price
    again = (await town.send("till", "POST", "/visits", {"card": token, "pin": PIN}, **at)).json()
    assert (again["as_of"], again["left_today"]) == (await head(town), 30_000 - price)
    after, second = await head(town), await shown(town, person)
    assert after > before
    assert {sequence for sequence, _ in second.values()} == {after}
    wallet = f"/api/v1/volunteers/{person}/wallet"
    assert second[wallet][1] == first[wallet][1] - price
    balance = f"/api/v1/accounts/volunteer:{person}:available/balance"
    then = (await town.service.get(f"{balance}?sequence={before}", town.machine)).json()
    assert (then["sequence"], then["commodities"]) == first[balance], "the older screen was right at its time"


async def test_v5_on_ones_own_telephone_all_screens_agree_too(town: Town) -> None:
    person, _ = await _with_points(town)
    change = await town.made("boss", f"/people/{person}/changes", {"kind": "phone", "value": PHONE})
    await town.made("vice", f"/people/{person}/changes/{change['id']}/confirmation")
    town.clock.time += 60_000_000  # what was opened before a new phone is over
    transport = httpx.ASGITransport(town.service.app, raise_app_exceptions=False, client=("192.0.2.8", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as phone:
        assert (await phone.post("/api/v1/me/codes", json={"phone": PHONE})).status_code == 201
        [message] = await code_outbox.take(town.service.bank.people.store)
        opened = await phone.post("/api/v1/me/sessions", json={"phone": PHONE, "code": message.code})
        assert opened.status_code == 201, opened.text
        wallet = (await phone.get("/api/v1/me/wallet")).json()
        hours = (await phone.get("/api/v1/me/records")).json()
        lines = (await phone.get("/api/v1/me/statement")).json()
        stars = (await phone.get("/api/v1/me/recognition")).json()
        data = (await phone.get("/api/v1/me/data")).json()
    now = await head(town)
    assert {
        wallet["sequence"],
        lines["sequence"],
        hours["as_of"],
        stars["as_of"],
        data["books"]["as_of"],
    } == {now}
    assert lines["lines"][0]["total"] == wallet["available"] > 0
    assert {one["minutes"] for one in stars["standings"]} == {wallet["merit_minutes"]}
    assert [one["record_id"] for one in hours["hours"]] == ["R1"]
    assert [one["record_id"] for one in data["books"]["service_records"]] == ["R1"]
