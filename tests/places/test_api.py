"""Places over HTTP, on both engines: what is asked and changed, and once only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest
from tests.web.conftest import Service, running

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.ids import new_id
from pointsbank.policy.calendar import start_of_day

TODAY = date(2026, 11, 22)
CITY = {"code": "HRB", "kind": "city", "name": "哈尔滨市", "day": "2019-01-01"}


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with running(database_url, clock=FixedClock(start_of_day(TODAY, "Asia/Shanghai"))) as service:
        yield service


async def _planted(service: Service, key: str) -> None:
    rows = [
        CITY,
        {"code": "C1", "kind": "centre", "name": "道里", "parent": "HRB", "day": "2019-01-01"},
        {"code": "C2", "kind": "centre", "name": "南岗", "parent": "HRB", "day": "2019-01-01"},
        {"code": "S1", "kind": "station", "name": "一号站", "parent": "C1", "day": "2020-01-01"},
        {"code": "H1", "kind": "household", "name": "一户", "parent": "S1", "day": "2020-01-01"},
        {"code": "H2", "kind": "household", "name": "二户", "parent": "S1", "day": "2020-01-01"},
    ]
    for row in rows:
        answer = await service.post("/api/v1/places", row, key, f"open {row['code']}")
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/api/v1/places/{row['code']}"


async def test_a_place_is_shown_as_of_any_day(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    await _planted(service, key)
    moved = await service.post("/api/v1/places/S1/move", {"parent": "C2", "day": "2025-05-01"}, key, "m")
    assert moved.status_code == 200, moved.text
    now = (await service.get("/api/v1/places/S1", key)).json()
    then = (await service.get("/api/v1/places/S1?on=2025-04-30", key)).json()
    before = (await service.get("/api/v1/places/S1?on=2018-01-01", key)).json()
    assert (now["on"], [p["code"] for p in now["above"]]) == ("2026-11-22", ["C2", "HRB"])
    assert [p["code"] for p in then["above"]] == ["C1", "HRB"]
    assert (before["term"], before["above"]) == (None, [])
    assert [(t["from_day"], t["to_day"], t["parent"]) for t in now["history"]] == [
        ("2020-01-01", "2025-05-01", "C1"),
        ("2025-05-01", None, "C2"),
    ]


async def test_places_of_a_day_come_in_pages(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    await _planted(service, key)

    async def codes(query: str) -> tuple[list[str], str | None]:
        answer = (await service.get(f"/api/v1/places{query}", key)).json()
        return [place["code"] for place in answer["places"]], answer["next"]

    assert await codes("?limit=4") == (["C1", "C2", "H1", "H2"], "H2")
    assert await codes("?limit=4&after=H2") == (["HRB", "S1"], None)
    assert await codes("?kind=station") == (["S1"], None)
    assert await codes("?parent=HRB") == (["C1", "C2"], None)
    assert await codes("?parent=") == (["HRB"], None)
    assert await codes("?parent=S1&kind=household&on=2019-12-31") == ([], None)


async def test_a_command_is_carried_out_once_even_when_its_day_was_left_out(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    await _planted(service, key)
    first = await service.post("/api/v1/places/S1/rename", {"name": "新名"}, key, "r")
    clock = service.bank.clock
    assert isinstance(clock, FixedClock)
    clock.time += 36 * 3600 * 1_000_000
    again = await service.post("/api/v1/places/S1/rename", {"name": "新名"}, key, "r")
    other = await service.post("/api/v1/places/S1/rename", {"name": "旧名"}, key, "r")
    assert (first.status_code, again.status_code) == (200, 200)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["type"] == "/problems/idempotency-conflict"
    assert len(again.json()["history"]) == 2


async def test_refusals_are_problems_with_their_facts(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    await _planted(service, key)
    cases = (
        ("/api/v1/places", {**CITY, "code": "X", "kind": "station", "name": "站"}, 422, "wrong-parent"),
        ("/api/v1/places", CITY, 409, "place-exists"),
        ("/api/v1/places/C1/close", {}, 409, "place-in-use"),
        ("/api/v1/places/X/close", {}, 422, "unknown-place"),
        ("/api/v1/places/S1/merge", {"into": "C1"}, 422, "wrong-successor"),
        ("/api/v1/places/S1/rename", {"name": "x", "day": "2019-01-01"}, 409, "place-not-open"),
        ("/api/v1/places/S1/members", {"person": new_id()}, 422, "not-a-group"),
        ("/api/v1/places", {**CITY, "kind": "shop"}, 400, "invalid-request"),
        ("/api/v1/places/S1/rename", {"name": "x", "day": "someday"}, 400, "invalid-request"),
    )
    for number, (path, body, status, slug) in enumerate(cases):
        answer = await service.post(path, body, key, f"refused {number}")
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), path
    in_use = (await service.post("/api/v1/places/C1/close", {}, key, "facts")).json()
    assert in_use["facts"] == {"place": "C1", "children": 1, "example": "S1"}
    assert "S1" in in_use["detail"]


async def test_members_come_and_go(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    await _planted(service, key)
    person = new_id()
    body = {"person": person, "role": "head", "day": "2021-01-01"}
    joined = await service.post("/api/v1/places/H1/members", body, key, "j")
    assert joined.status_code == 201, joined.text
    twice = await service.post("/api/v1/places/H2/members", body, key, "t")
    assert twice.json()["type"] == "/problems/in-another-household"
    left = await service.post(
        "/api/v1/places/H1/members/leave", {"person": person, "into": "H2", "day": "2022-01-01"}, key, "l"
    )
    assert [(m["from_day"], m["to_day"]) for m in left.json()] == [
        ("2021-01-01", "2022-01-01"),
        ("2022-01-01", None),
    ]
    then = (await service.get("/api/v1/places/H1/members?on=2021-12-31", key)).json()
    assert [(m["person"], m["role"]) for m in then["members"]] == [(person, "head")]
    assert (await service.get("/api/v1/places/H1/members", key)).json()["members"] == []
    reader = await service.key("places:read")
    assert (await service.get("/api/v1/places/H1/members", reader)).status_code == 403


async def test_a_roster_is_judged_line_by_line_and_once(service: Service) -> None:
    key = await service.key("places:read", "places:manage")
    lines = [
        {"code": "HRB", "kind": "市", "name": "哈尔滨市"},
        {"code": "C1", "kind": "centre", "name": "道里", "parent": "HRB", "from_day": "2019-01-01"},
        {"code": "S1", "kind": "站", "name": "一号站", "parent": "HRB", "from_day": "2019-01-01"},
        {"code": "C1", "name": "新", "from_day": "2020-01-01", "action": "更名"},
        {"code": "C2", "kind": "shop", "name": "店", "parent": "HRB"},
    ]
    wanted = ["accepted", "accepted", "wrong-parent", "accepted", "malformed"]

    async def send(body: dict[str, object], idempotency_key: str) -> httpx.Response:
        return await service.post("/api/v1/places/bulk", body, key, idempotency_key)

    dry = await send({"lines": lines, "dry_run": True}, "dry")
    assert [v["verdict"] for v in dry.json()["verdicts"]] == wanted
    assert (await service.get("/api/v1/places", key)).json()["places"] == []
    for again in (False, True):
        answer = await send({"lines": lines}, "roster")
        assert answer.status_code == 200, answer.text
        assert [v["verdict"] for v in answer.json()["verdicts"]] == wanted
        assert answer.json()["accepted"] == 3
        assert ("idempotency-replayed" in answer.headers) == again
    assert [p["code"] for p in (await service.get("/api/v1/places", key)).json()["places"]] == ["C1", "HRB"]
    other = await send({"lines": lines[:1]}, "roster")
    assert other.json()["type"] == "/problems/idempotency-conflict"
