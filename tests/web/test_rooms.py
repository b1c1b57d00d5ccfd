"""Hours, baskets and returns over HTTP: what the rooms decide, answered once and only once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol, volunteers_named

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.market.postings import Delivery
from pointsbank.places.stations import PLACES, opening, stations

from .conftest import Service, running

NOW = int(datetime(2026, 11, 20, 4, tzinfo=UTC).timestamp()) * 1_000_000
"""Noon of a Friday in the city."""


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A station, a shop with goods, two volunteers, and lines of hours that are booked as they come in."""
    policy = str(unguarded_policy(tmp_path))
    await opened_as_replay(database_url)
    async with running(database_url, clock=FixedClock(NOW), policy=policy) as service:
        ledger = service.bank.ledger
        await enrol(ledger, dict.fromkeys(("V0001", "V0002"), date(1980, 1, 1)))
        await ledger.submit([opening("station", "S0001", "", "", Command("t", "S0001"))], PLACES)
        shop = (await service.bank.ask(stations, ["S0001"]))["S0001"]
        sku = _cheapest(service)
        delivery = Delivery("D1", shop, "donor-1", ((sku, 2),))
        [received] = await service.bank.market.receive([(delivery, Command("t", "D1"))])
        assert isinstance(received, Receipt)
        yield service


def _cheapest(service: Service) -> str:
    goods = service.bank.policies.policies[-1].goods
    without_limit = [sku for sku in goods if goods[sku].price and goods[sku].monthly_limit is None]
    return min(without_limit, key=lambda sku: goods[sku].price)


def _category(service: Service) -> str:
    categories = service.bank.policies.policies[-1].categories
    return next(iter(categories))


def record(service: Service, number: int, **more: str) -> dict[str, str]:
    """Eight hours of service on the day before."""
    return {
        "record_id": f"R{number}",
        "volunteer": "V0001",
        "activity": "A1",
        "activity_name": "社区清洁",
        "category": _category(service),
        "station": "S0001",
        "session_start": "2026-11-19 08:00",
        "session_end": "2026-11-19 16:00",
        "check_in": "2026-11-19 08:00",
        "check_out": "2026-11-19 16:00",
        "hour_class": "信用",
        "recorded_by": "V0002",
        "recorded_at": "2026-11-19 17:00",
        **more,
    }


async def with_points(service: Service, key: str) -> None:
    """Credit the volunteer, and let the public notice end."""
    first = record(service, 0)
    answer = await service.post("/api/v1/hours", {"records": [first]}, key, "earn")
    assert answer.json()["verdicts"][0]["verdict"] == "accepted", answer.text
    async for _ in service.bank.hours.release(date(2027, 1, 1)):
        pass


def basket(service: Service, quantity: int = 1, **more: Any) -> dict[str, Any]:
    lines = [{"sku": _cheapest(service), "quantity": quantity}]
    return {"terminal": "T01", "station": "S0001", "volunteer": "V0001", "lines": lines, **more}


async def test_a_till_asks_what_a_volunteer_has_by_number(town: Service) -> None:
    key = await town.key()
    known = await town.post("/api/v1/volunteers/wallet", {"number": "V0001"}, key)
    assert known.status_code == 200
    assert known.json()["holder"] == "V0001"
    assert {"available", "pending", "held", "merit_minutes", "sequence"} <= set(known.json())
    unknown = await town.post("/api/v1/volunteers/wallet", {"number": "V9999"}, key)
    assert unknown.status_code == 422
    assert unknown.json()["type"].endswith("unknown-volunteer")
    assert "V9999" not in unknown.text, "no full number in an error"
    person = (await volunteers_named(town.bank.ledger, "V0001"))["V0001"].id
    by_id = await town.get(f"/api/v1/volunteers/{person}/wallet", key)
    assert by_id.json() == known.json() | {"holder": person}
    assert by_id.headers["etag"]
    nobody = await town.get(f"/api/v1/volunteers/{person[:-4]}0000/wallet", key)
    assert nobody.json()["type"].endswith("unknown-volunteer")


async def test_each_record_gets_its_verdict_in_code_and_words(town: Service) -> None:
    key = await town.key()
    body = {
        "records": [
            record(town, 1),
            record(town, 1),
            record(town, 2, volunteer="V9999"),
            record(town, 3, check_in="x"),
        ]
    }
    answer = await town.post("/api/v1/hours", body, key, "h1")
    assert answer.status_code == 200
    verdicts = answer.json()["verdicts"]
    assert [v["verdict"] for v in verdicts] == ["accepted", "duplicate", "unknown_volunteer", "malformed"]
    assert verdicts[0]["minutes"] == 480
    assert verdicts[0]["verdict_zh"] == "已入账"
    again = await town.post("/api/v1/hours", body, key, "h1")
    assert again.json() == answer.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await town.post("/api/v1/hours", {"records": [record(town, 9)]}, key, "h1")
    assert other.json()["type"] == "/problems/idempotency-conflict"
    kept = await town.get("/api/v1/hours/R1", key)
    assert (kept.json()["verdict"], kept.json()["minutes"]) == ("accepted", 480)
    assert (await town.get("/api/v1/hours/R77", key)).status_code == 404


async def test_a_basket_takes_points_and_goods_once(town: Service) -> None:
    key = await town.key()
    await with_points(town, key)
    sold = await town.post("/api/v1/market/baskets", basket(town), key, "b1")
    assert sold.status_code == 201, sold.text
    slip = sold.json()
    assert (slip["terminal"], slip["number"], slip["state"]) == ("T01", 1, "sold")
    town.bank.clock.time += 61_000_000  # type: ignore[attr-defined]
    again = await town.post("/api/v1/market/baskets", basket(town), key, "b1")
    assert again.json() == slip
    assert again.headers["idempotency-replayed"] == "true"
    other = await town.post("/api/v1/market/baskets", basket(town, 2), key, "b1")
    assert other.json()["type"] == "/problems/idempotency-conflict"
    assert (await town.get(sold.headers["location"], key)).json() == slip


async def test_a_repeated_basket_is_answered_even_when_the_shelf_is_empty_by_now(town: Service) -> None:
    key = await town.key()
    await with_points(town, key)
    sold = await town.post("/api/v1/market/baskets", basket(town, 2), key, "b1")
    again = await town.post("/api/v1/market/baskets", basket(town, 2), key, "b1")
    assert (sold.status_code, again.status_code) == (201, 201), sold.text + again.text
    assert again.json() == sold.json()
    more = await town.post("/api/v1/market/baskets", basket(town, 1), key, "b2")
    assert more.status_code == 409
    assert more.json()["type"] == "/problems/out-of-stock"


async def test_repetitions_at_one_moment_sell_once(town: Service) -> None:
    key = await town.key()
    await with_points(town, key)
    address = "/api/v1/market/baskets"
    answers = await asyncio.gather(*(town.post(address, basket(town, 1), key, "b1") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [201] * 5, [answer.text for answer in answers]
    assert len({answer.json()["reference"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    back = {"receipt": answers[0].json()["reference"], "sku": _cheapest(town), "quantity": 1}
    taken = await asyncio.gather(*(town.post("/api/v1/market/returns", back, key, "r1") for _ in range(5)))
    assert [answer.status_code for answer in taken] == [201] * 5, [answer.text for answer in taken]
    assert len({answer.json()["reference"] for answer in taken}) == 1


async def test_a_refused_basket_says_why_and_moves_nothing(town: Service) -> None:
    key = await town.key()
    cases = [
        (basket(town), 409, "insufficient-points"),
        (basket(town, volunteer="V9999"), 422, "unknown-volunteer"),
        (basket(town, station="S9999"), 422, "unknown-station"),
        (basket(town, lines=[{"sku": "no-such", "quantity": 1}]), 422, "unknown-sku"),
    ]
    for number, (body, status, slug) in enumerate(cases):
        answer = await town.post("/api/v1/market/baskets", body, key, f"b{number}")
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    await with_points(town, key)
    later = await town.post("/api/v1/market/baskets", basket(town), key, "b0")
    assert later.status_code == 201, "a refused command leaves its key free"


async def test_returned_goods_go_back_once_and_a_sale_is_reversed_by_its_room(town: Service) -> None:
    key = await town.key()
    await with_points(town, key)
    slip = (await town.post("/api/v1/market/baskets", basket(town, 2), key, "b1")).json()
    back = {"receipt": slip["reference"], "sku": _cheapest(town), "quantity": 1}
    first = await town.post("/api/v1/market/returns", back, key, "r1")
    assert first.status_code == 201, first.text
    assert first.json()["pieces"] == 1
    again = await town.post("/api/v1/market/returns", back, key, "r1")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    many = await town.post("/api/v1/market/returns", {**back, "quantity": 2}, key, "r2")
    assert many.json()["type"] == "/problems/too-many"
    none = await town.post("/api/v1/market/returns", {**back, "receipt": "nothing"}, key, "r3")
    assert none.json()["type"] == "/problems/unknown-receipt"
    assert (await town.get(first.headers["location"], key)).json() == first.json()
    with_returns = await town.post(
        f"/api/v1/journal-entries/{slip['sequence']}/reversal", {"reason": "cashier-error"}, key, "x1"
    )
    assert with_returns.json()["type"] == "/problems/not-reversible"
    second = (await town.post("/api/v1/market/baskets", basket(town, 1), key, "b2")).json()
    reversal = f"/api/v1/journal-entries/{second['sequence']}/reversal"
    undone = await town.post(reversal, {"reason": "cashier-error"}, key, "x2")
    assert undone.status_code == 201, undone.text
    repeated = await town.post(reversal, {"reason": "cashier-error"}, key, "x2")
    assert repeated.headers.get("idempotency-replayed") == "true", repeated.text
    assert repeated.json() == undone.json()
    assert (await town.get(f"/api/v1/market/baskets/{second['reference']}", key)).json()[
        "state"
    ] == "reversed"


async def test_a_credited_record_is_reversed_by_its_room(town: Service) -> None:
    key = await town.key()
    await with_points(town, key)
    sequence = (await town.get("/api/v1/hours/R0", key)).json()["sequence"]
    undone = await town.post(
        f"/api/v1/journal-entries/{sequence}/reversal", {"reason": "not-there"}, key, "x1"
    )
    assert undone.status_code == 201, undone.text
    again = await town.post(
        f"/api/v1/journal-entries/{sequence}/reversal", {"reason": "not-there"}, key, "x1"
    )
    assert again.headers.get("idempotency-replayed") == "true", again.text
    assert (await town.get("/api/v1/hours/R0", key)).json()["state"] == "reversed"
