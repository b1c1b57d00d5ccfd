"""Deliveries and the bank's own jobs over HTTP, on both engines."""

from __future__ import annotations

from tests.web.conftest import Service
from tests.web.test_rooms import NOW, _cheapest, basket, record, town

__all__ = ["town"]

DAY = 86_400_000_000


def delivery(service: Service, **more: object) -> dict[str, object]:
    goods = [{"sku": _cheapest(service), "quantity": 5}]
    return {"reference": "L-1", "station": "S0001", "donor": "donor-1", "goods": goods, **more}


async def test_a_delivery_is_put_on_the_shelf_once(town: Service) -> None:
    key, address = await town.key(), "/api/v1/market/deliveries"
    taken = await town.post(address, delivery(town), key, "d1")
    assert taken.status_code == 201, taken.text
    assert [posting["amount"] for posting in taken.json()["postings"]] == [5]
    again = await town.post(address, delivery(town), key, "d1")
    assert (again.json()["sequence"], again.headers["idempotency-replayed"]) == (
        taken.json()["sequence"],
        "true",
    )
    other = await town.post(address, delivery(town, reference="L-2"), key, "d1")
    assert other.json()["type"] == "/problems/idempotency-conflict"
    twice = await town.post(address, delivery(town), key, "d2")
    assert twice.json()["type"] == "/problems/document-exists", "the delivery's own number was used"
    for wrong, told in (
        ({"station": "S9999"}, "unknown-station"),
        ({"goods": [{"sku": "NONE", "quantity": 1}]}, "unknown-sku"),
    ):
        answer = await town.post(address, delivery(town, reference="L-3", **wrong), key, f"d {told}")
        assert answer.json()["type"] == f"/problems/{told}"


async def test_what_stood_on_notice_is_released_and_what_expired_is_taken(town: Service) -> None:
    key = await town.key()
    booked = await town.post("/api/v1/hours", {"records": [record(town, 1)]}, key, "h1")
    assert booked.json()["accepted"] == 1, booked.text
    early = await town.post("/api/v1/jobs/release", {}, key, "r1")
    assert early.json() == {"as_of": "2026-11-20", "count": 0}, "the notice has not ended"
    future = await town.post("/api/v1/jobs/release", {"as_of": "2027-01-01"}, key, "r2")
    assert future.json()["type"] == "/problems/invalid-request"
    town.bank.clock.time = NOW + 30 * DAY  # type: ignore[attr-defined]
    released = await town.post("/api/v1/jobs/release", {}, key, "r3")
    assert released.json()["count"] == 1
    assert (await town.post("/api/v1/jobs/release", {}, key, "r4")).json()["count"] == 0
    conflict = await town.post("/api/v1/jobs/release", {"as_of": "2026-11-01"}, key, "r3")
    assert conflict.json()["type"] == "/problems/idempotency-conflict"
    assert (await town.post("/api/v1/market/baskets", basket(town), key, "b1")).status_code == 201
    assert (await town.post("/api/v1/jobs/expiry", {}, key, "e1")).json()["count"] == 0
    town.bank.clock.time = NOW + 3 * 366 * DAY  # type: ignore[attr-defined]
    expired = await town.post("/api/v1/jobs/expiry", {}, key, "e2")
    assert expired.json()["count"] == 1


async def test_a_key_without_the_scope_runs_no_job(town: Service) -> None:
    reader = await town.key("ledger:read")
    for address, body in (
        ("/api/v1/jobs/release", {}),
        ("/api/v1/jobs/expiry", {}),
        ("/api/v1/market/deliveries", delivery(town)),
    ):
        assert (await town.post(address, body, reader, "k")).status_code == 403
