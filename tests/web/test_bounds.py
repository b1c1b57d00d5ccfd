"""A role of some places acts there and nowhere else: every route of the table, at the own station and at a foreign one.

The routes come from the service itself, so a new one without its line here fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.access.office import NOON
from tests.access.test_api import Browser, kind
from tests.hours.unguarded import unguarded_policy
from tests.people_of import enrol, volunteers_named
from tests.points.town import micros
from tests.web.conftest import Service, running
from tests.web.test_rules import any_app, rules

from pointsbank.access.authorize import authorize
from pointsbank.access.model import Actor, Grant
from pointsbank.access.pepper import make_pepper
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.opening import require_profile
from pointsbank.engine.registry import open_ledger
from pointsbank.hours.risks import risks
from pointsbank.ledger.model import Receipt
from pointsbank.market.model import Basket, BasketLine
from pointsbank.market.postings import Delivery
from pointsbank.people.directory import directory_of
from pointsbank.people.model import NewPerson
from pointsbank.places.model import Joining, Moving, Opening
from pointsbank.places.service import PlacesService
from pointsbank.places.stations import stations
from pointsbank.record_sheets.model import Sheet, SheetOrder
from pointsbank.record_sheets.signing import make_key
from pointsbank.store.database import Database
from pointsbank.web.api.desks import desks_of
from pointsbank.web.api.hours import ServiceRecordIn
from pointsbank.web.guard import TERMINAL_HEADER

ROLES = ("station-operator", "verifier", "centre-manager", "cashier", "auditor", "administrator")
RECORDER, HEAD = By("t", "recorder"), By("t", "head")
TIMES = {"starts_at": "2026-11-19T09:00:00+08:00", "ends_at": "2026-11-19T11:00:00+08:00"}
CITY_WIDE_BODY: dict[str, Any] = {}


@dataclass
class Things:
    """What there is at a station."""

    station: str
    place: str
    grant: str
    person: str
    activity: str
    session: str
    record: str
    receipt: str
    back: str
    sheet: str
    sequence: int
    sku: str
    resident: str
    terminal: str
    key: str


def line(x: Things) -> dict[str, str]:
    """A record of service at the station."""
    fields = dict.fromkeys(ServiceRecordIn.__struct_fields__, "x")
    return fields | {"record_id": f"new {x.station}", "station": x.station}


Asked = tuple[str, Any]
AT: dict[str, Callable[[Things], Asked]] = {
    "GET /api/v1/accounts/{path}": lambda x: (f"/api/v1/accounts/station:{x.place}:stock", None),
    "GET /api/v1/accounts/{path}/balance": lambda x: (
        f"/api/v1/accounts/station:{x.place}:stock/balance",
        None,
    ),
    "GET /api/v1/accounts/{path}/statement": lambda x: (
        f"/api/v1/accounts/station:{x.place}:stock/statement",
        None,
    ),
    "POST /api/v1/journal-entries/{sequence}/reversal": lambda x: (
        f"/api/v1/journal-entries/{x.sequence}/reversal",
        {"reason": "mistake"},
    ),
    "POST /api/v1/hours": lambda x: ("/api/v1/hours", {"records": [line(x)]}),
    "GET /api/v1/hours/{record_id}": lambda x: (f"/api/v1/hours/{x.record}", None),
    "POST /api/v1/records/verifications": lambda x: (
        "/api/v1/records/verifications",
        {"records": [x.record]},
    ),
    "POST /api/v1/records/rejections": lambda x: (
        "/api/v1/records/rejections",
        {"records": [x.record], "reason": "not-present"},
    ),
    "POST /api/v1/records/withdrawals": lambda x: ("/api/v1/records/withdrawals", {"records": [x.record]}),
    "POST /api/v1/records/{record_id}/objection": lambda x: (
        f"/api/v1/records/{x.record}/objection",
        {"reason": "not-present"},
    ),
    "POST /api/v1/records/{record_id}/decision": lambda x: (
        f"/api/v1/records/{x.record}/decision",
        {"uphold": False, "reason": "not-proved"},
    ),
    "POST /api/v1/records/{record_id}/appeal": lambda x: (f"/api/v1/records/{x.record}/appeal", None),
    "POST /api/v1/records/{record_id}/appeal-decision": lambda x: (
        f"/api/v1/records/{x.record}/appeal-decision",
        {"uphold": False, "reason": "not-proved"},
    ),
    "POST /api/v1/records/{record_id}/correction": lambda x: (
        f"/api/v1/records/{x.record}/correction",
        {"in_at": TIMES["starts_at"], "out_at": TIMES["ends_at"]},
    ),
    "GET /api/v1/records/{record_id}/standing": lambda x: (f"/api/v1/records/{x.record}/standing", None),
    "POST /api/v1/activities": lambda x: (
        "/api/v1/activities",
        {"title": "清雪", "category": "ENV", "station": x.station, **TIMES},
    ),
    "GET /api/v1/activities/{activity_id}": lambda x: (f"/api/v1/activities/{x.activity}", None),
    "POST /api/v1/activities/{activity_id}/decision": lambda x: (
        f"/api/v1/activities/{x.activity}/decision",
        {"approve": True},
    ),
    "POST /api/v1/activities/{activity_id}/sessions": lambda x: (
        f"/api/v1/activities/{x.activity}/sessions",
        {**TIMES, "capacity": 5},
    ),
    "POST /api/v1/activity-sessions/{session_id}/sign-ups": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/sign-ups",
        {"person": x.person},
    ),
    "GET /api/v1/activity-sessions/{session_id}/code": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/code",
        None,
    ),
    "GET /api/v1/activity-sessions/{session_id}/people": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/people",
        None,
    ),
    "POST /api/v1/activity-sessions/{session_id}/check-ins": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/check-ins",
        {"person": x.person, "way": "card"},
    ),
    "POST /api/v1/activity-sessions/{session_id}/check-outs": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/check-outs",
        {"person": x.person, "way": "card"},
    ),
    "POST /api/v1/activity-sessions/{session_id}/evidence": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/evidence",
        {"person": x.person, "kind": "sheet", "reference": "2026-17"},
    ),
    "POST /api/v1/activity-sessions/{session_id}/written": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/written",
        {
            "person": x.person,
            "in_at": TIMES["starts_at"],
            "out_at": TIMES["ends_at"],
            "reason": "paper",
        },
    ),
    "POST /api/v1/activity-sessions/{session_id}/submission": lambda x: (
        f"/api/v1/activity-sessions/{x.session}/submission",
        {},
    ),
    "POST /api/v1/activity-sessions/uploads": lambda x: (
        "/api/v1/activity-sessions/uploads",
        {
            "events": [
                {
                    "number": 1,
                    "is_in": True,
                    "session": x.session,
                    "person": x.person,
                    "stated_at": TIMES["starts_at"],
                }
            ]
        },
    ),
    "POST /api/v1/papers": lambda x: (
        "/api/v1/papers",
        {
            "person": x.person,
            "kind": "insurance",
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
            "station": x.station,
        },
    ),
    "POST /api/v1/market/baskets": lambda x: (
        "/api/v1/market/baskets",
        {
            "terminal": "T1",
            "station": x.station,
            "volunteer": "V1",
            "lines": [{"sku": x.sku, "quantity": 1}],
        },
    ),
    "GET /api/v1/market/baskets/{reference}": lambda x: (f"/api/v1/market/baskets/{x.receipt}", None),
    "POST /api/v1/market/returns": lambda x: (
        "/api/v1/market/returns",
        {"receipt": x.receipt, "sku": x.sku, "quantity": 1},
    ),
    "GET /api/v1/market/returns/{reference}": lambda x: (f"/api/v1/market/returns/{x.back}", None),
    "POST /api/v1/market/deliveries": lambda x: (
        "/api/v1/market/deliveries",
        {
            "reference": f"new-{x.station}",
            "station": x.station,
            "donor": "donor",
            "goods": [{"sku": x.sku, "quantity": 1}],
        },
    ),
    "GET /api/v1/places/{code}": lambda x: (f"/api/v1/places/{x.station}", None),
    "GET /api/v1/places/{code}/members": lambda x: (f"/api/v1/places/{x.station}/members", None),
    "POST /api/v1/places": lambda x: (
        "/api/v1/places",
        {"code": f"P-{x.station}", "kind": "point", "name": "点", "parent": x.station},
    ),
    "POST /api/v1/places/bulk": lambda x: (
        "/api/v1/places/bulk",
        {
            "dry_run": True,
            "lines": [{"code": f"Q-{x.station}", "kind": "point", "name": "点", "parent": x.station}],
        },
    ),
    "POST /api/v1/places/{code}/rename": lambda x: (
        f"/api/v1/places/{x.station}/rename",
        {"name": "新名"},
    ),
    "POST /api/v1/places/{code}/move": lambda x: (
        f"/api/v1/places/{x.station}/move",
        {"parent": x.station},
    ),
    "POST /api/v1/places/{code}/close": lambda x: (
        f"/api/v1/places/{x.station}/close",
        {"day": "2020-01-01"},
    ),
    "POST /api/v1/places/{code}/merge": lambda x: (
        f"/api/v1/places/{x.station}/merge",
        {"into": x.station},
    ),
    "POST /api/v1/places/{code}/members": lambda x: (
        f"/api/v1/places/{x.station}/members",
        {"person": x.person},
    ),
    "POST /api/v1/places/{code}/members/leave": lambda x: (
        f"/api/v1/places/{x.station}/members/leave",
        {"person": x.person},
    ),
    "POST /api/v1/record-sheets": lambda x: (
        "/api/v1/record-sheets",
        {"person": x.person, "issuer": x.station, "from_day": "2026-01-01", "to_day": "2026-11-18"},
    ),
    "GET /api/v1/record-sheets/{sheet_id}": lambda x: (f"/api/v1/record-sheets/{x.sheet}", None),
    "POST /api/v1/record-sheets/{sheet_id}/pdf": lambda x: (f"/api/v1/record-sheets/{x.sheet}/pdf", {}),
    "POST /api/v1/record-sheets/{sheet_id}/withdrawal": lambda x: (
        f"/api/v1/record-sheets/{x.sheet}/withdrawal",
        {"reason": "lost"},
    ),
    "GET /api/v1/recognition/honours/of/{subject}": lambda x: (
        f"/api/v1/recognition/honours/of/{x.place}",
        None,
    ),
    "GET /api/v1/recognition/groups/{code}": lambda x: (
        f"/api/v1/recognition/groups/{x.station}?year=2026",
        None,
    ),
    "POST /api/v1/people": lambda x: ("/api/v1/people", {"name": "王芳", "place": x.place}),
    "POST /api/v1/people/{person_id}/profile": lambda x: (f"/api/v1/people/{x.resident}/profile", {}),
    "POST /api/v1/people/{person_id}/unmasking": lambda x: (
        f"/api/v1/people/{x.resident}/unmasking",
        {"field": "name", "reason": "asked"},
    ),
    "POST /api/v1/people/{person_id}/export": lambda x: (
        f"/api/v1/people/{x.resident}/export",
        {"reason": "asked"},
    ),
    "GET /api/v1/people/{person_id}/sightings": lambda x: (f"/api/v1/people/{x.resident}/sightings", None),
    "GET /api/v1/people/{person_id}/consents": lambda x: (f"/api/v1/people/{x.resident}/consents", None),
    "POST /api/v1/people/{person_id}/consents": lambda x: (
        f"/api/v1/people/{x.resident}/consents",
        {"purpose": "photos", "wording": "2026-1"},
    ),
    "DELETE /api/v1/people/{person_id}/consents/{consent_id}": lambda x: (
        f"/api/v1/people/{x.resident}/consents/none",
        None,
    ),
    "GET /api/v1/people/{person_id}/links": lambda x: (f"/api/v1/people/{x.resident}/links", None),
    "POST /api/v1/people/{person_id}/links": lambda x: (
        f"/api/v1/people/{x.resident}/links",
        {"kind": "guardian", "holder": x.person, "evidence": "paper"},
    ),
    "POST /api/v1/people/{person_id}/links/{link_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/links/none/confirmation",
        None,
    ),
    "DELETE /api/v1/people/{person_id}/links/{link_id}": lambda x: (
        f"/api/v1/people/{x.resident}/links/none",
        None,
    ),
    "POST /api/v1/people/{person_id}/changes": lambda x: (
        f"/api/v1/people/{x.resident}/changes",
        {"kind": "name", "value": "王芳"},
    ),
    "POST /api/v1/people/{person_id}/changes/{change_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/changes/none/confirmation",
        None,
    ),
    "GET /api/v1/people/{person_id}/acts": lambda x: (f"/api/v1/people/{x.resident}/acts", None),
    "POST /api/v1/people/{person_id}/acts": lambda x: (f"/api/v1/people/{x.resident}/acts", {"kind": "card"}),
    "POST /api/v1/people/{person_id}/acts/{act_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/acts/none/confirmation",
        None,
    ),
    "GET /api/v1/people/{person_id}/cards": lambda x: (f"/api/v1/people/{x.resident}/cards", None),
    "POST /api/v1/people/{person_id}/merges": lambda x: (
        f"/api/v1/people/{x.resident}/merges",
        {"into": x.resident},
    ),
    "POST /api/v1/people/{person_id}/merges/undoing": lambda x: (
        f"/api/v1/people/{x.resident}/merges/undoing",
        None,
    ),
    "POST /api/v1/people/{person_id}/merges/{change_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/merges/none/confirmation",
        None,
    ),
    "POST /api/v1/people/{person_id}/passbook": lambda x: (f"/api/v1/people/{x.resident}/passbook", {}),
    "POST /api/v1/people/{person_id}/gifts": lambda x: (
        f"/api/v1/people/{x.resident}/gifts",
        {"points": 100},
    ),
    "POST /api/v1/people/{person_id}/gifts/{gift_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/gifts/none/confirmation",
        None,
    ),
    "DELETE /api/v1/people/{person_id}/gifts/{gift_id}": lambda x: (
        f"/api/v1/people/{x.resident}/gifts/none",
        None,
    ),
    "GET /api/v1/people/{person_id}/gifts": lambda x: (f"/api/v1/people/{x.resident}/gifts", None),
    "POST /api/v1/people/{person_id}/closing": lambda x: (
        f"/api/v1/people/{x.resident}/closing",
        {"settlement": "donate"},
    ),
    "POST /api/v1/people/{person_id}/closing/{act_id}/confirmation": lambda x: (
        f"/api/v1/people/{x.resident}/closing/none/confirmation",
        None,
    ),
    "DELETE /api/v1/people/{person_id}/closing": lambda x: (f"/api/v1/people/{x.resident}/closing", None),
    "POST /api/v1/people/{person_id}/freeze": lambda x: (f"/api/v1/people/{x.resident}/freeze", None),
    "POST /api/v1/terminals": lambda x: ("/api/v1/terminals", {"place": x.place, "label": "till"}),
    "POST /api/v1/terminals/{terminal_id}/confirmation": lambda x: (
        f"/api/v1/terminals/{x.terminal}/confirmation",
        None,
    ),
    "POST /api/v1/terminals/{terminal_id}/restart": lambda x: (
        f"/api/v1/terminals/{x.terminal}/restart",
        None,
    ),
    "DELETE /api/v1/terminals/{terminal_id}": lambda x: (f"/api/v1/terminals/{x.terminal}", None),
    "POST /api/v1/visits": lambda x: ("/api/v1/visits", {"card": "none", "pin": "123456"}),
    "POST /api/v1/visits/pin": lambda x: ("/api/v1/visits/pin", {"card": "none", "pin": "123456"}),
    "POST /api/v1/visits/code": lambda x: ("/api/v1/visits/code", {"code": "none"}),
    "POST /api/v1/visits/baskets": lambda x: (
        "/api/v1/visits/baskets",
        {"code": "none", "lines": [{"sku": x.sku, "quantity": 1}]},
    ),
    "POST /api/v1/role-grants": lambda x: (
        "/api/v1/role-grants",
        {"person": "somebody", "role": "cashier", "place": x.place},
    ),
    "POST /api/v1/role-grants/minors-desk": lambda x: (
        "/api/v1/role-grants/minors-desk",
        {"person": "somebody", "place": x.place, "to_day": "2026-12-31"},
    ),
    "POST /api/v1/role-grants/{grant_id}/confirmation": lambda x: (
        f"/api/v1/role-grants/{x.grant}/confirmation",
        None,
    ),
    "DELETE /api/v1/role-grants/{grant_id}": lambda x: (f"/api/v1/role-grants/{x.grant}", None),
}
"""What each bounded route is asked about a station."""

LISTS = {
    "GET /api/v1/places",
    "GET /api/v1/role-grants",
    "GET /api/v1/records/of/{person_id}",
    "GET /api/v1/record-sheets/of/{person_id}",
    "POST /api/v1/people/searches",
    "GET /api/v1/terminals",
    "GET /api/v1/risks/overlaps",
    "GET /api/v1/records/awaiting-verification",
    "GET /api/v1/records/awaiting-decision",
    "GET /api/v1/projects",
}
"""They answer everybody who may read anywhere, and show what is at the reader's places, or, of projects, at none."""

ABOUT_A_PERSON = {"GET /api/v1/recognition/standings/{person_id}"}
"""They are about a person and no place: for oneself, or for a role of the whole city."""

AT_ANY_DESK: dict[str, Callable[[Things], Asked]] = {
    "POST /api/v1/cards/freeze": lambda x: ("/api/v1/cards/freeze", {"number": "0000000000"}),
    "POST /api/v1/people/{person_id}/cards/freeze": lambda x: (
        f"/api/v1/people/{x.resident}/cards/freeze",
        None,
    ),
}
"""V2: a card is stopped at any desk, wherever its holder is at home; not by whoever has no desk."""

OF_THE_CITY = {
    "POST /api/v1/staff",
    "POST /api/v1/staff/{person_id}/recovery",
    "DELETE /api/v1/staff/{person_id}",
    "DELETE /api/v1/staff/{person_id}/sessions",
    "POST /api/v1/enrolments/{enrolment_id}/confirmation",
    "POST /api/v1/api-keys/{key_id}/confirmation",
    "GET /api/v1/api-keys",
    "POST /api/v1/api-keys",
    "DELETE /api/v1/api-keys/{key_id}",
}
"""Bounded, but accounts and keys have no place: their desks ask for a role of the whole city."""


def bounded() -> set[str]:
    return {f"{m} {p}" for m, p, opt in rules(any_app()) if opt.get("bounded")}


def test_every_bounded_route_stands_in_the_table() -> None:
    assert bounded() - OF_THE_CITY == set(AT) | set(AT_ANY_DESK) | LISTS | ABOUT_A_PERSON


def test_a_route_that_is_not_bounded_is_for_roles_of_the_whole_city_or_for_oneself() -> None:
    """Whoever has every role at one station comes through no other door than those of the table."""
    everything = Actor("a", "c", frozenset(), "me", "staff", tuple(Grant(r, "S") for r in ROLES), "s", True)
    open_to_all = {"sessions:own", "keys:own", "password:own", "oidc:own", "public"}
    for method, path, opt in rules(any_app()):
        action = opt.get("scope") or opt.get("person") or opt.get("page")
        if action and not opt.get("bounded") and action not in open_to_all:
            assert authorize(everything, action) is not None, f"{method} {path}"


@dataclass
class Land:
    """Two centres with a station each, and somebody with every role at the first station."""

    service: Service
    here: Things
    there: Things
    operator: Browser
    centre: str


@pytest.fixture
async def land(database_url: str, tmp_path: Path) -> AsyncIterator[Land]:
    url = database_url
    make_pepper(tmp_path / "pepper")
    database = Database(url)
    async with open_ledger(database, clock=FixedClock(NOON)) as ledger:  # before anything else is written
        await require_profile(ledger, "replay")
    await database.close()
    make_key(tmp_path / "sheet-key")
    settings = {
        "pepper": str(tmp_path / "pepper"),
        "policy": str(unguarded_policy(tmp_path)),
        "sheet_key": str(tmp_path / "sheet-key"),
    }
    async with running(url, clock=FixedClock(NOON), **settings) as service:
        atlas = PlacesService(service.bank.ledger)
        for number, act in enumerate(
            (
                Opening("CITY", "city", "城市", "", date(2020, 1, 1)),
                *(Opening(f"C{n}", "centre", f"中心{n}", "CITY", date(2020, 1, 1)) for n in (1, 2)),
                *(Opening(f"S{n}", "station", f"站{n}", f"C{n}", date(2020, 1, 1)) for n in (1, 2)),
            )
        ):
            opened = await atlas.change(act, Command("t", f"place {number}"))
            assert isinstance(opened, Receipt), opened
        ann, bo = await _administrators(service)
        operator = await _staff(ann, bo, "operator")
        here, there = [await _things(service, ann, bo, n) for n in (1, 2)]
        for role in ROLES:
            await _grant(ann, bo, operator.person, role, here.place)
        operator.clock.time += 1
        assert (await operator.log_in()).status_code == 201
        centre = (await service.bank.ask(_places))["C1"]
        yield Land(service, here, there, operator, centre)
        for browser in (ann, bo, operator):
            await browser.client.aclose()


async def test_each_route_refuses_a_foreign_place_and_takes_the_own_one(land: Land) -> None:
    for route, asked in AT.items():
        method = route.partition(" ")[0]
        for things, is_own in ((land.there, False), (land.here, True)):
            path, body = asked(things)
            answer = await land.operator.send(method, path, body, **{TERMINAL_HEADER: things.key})
            code = "" if answer.status_code < 400 else kind(answer)[1]
            assert (code == "forbidden") != is_own, (route, things.station, answer.status_code, answer.text)


async def test_a_card_is_stopped_at_any_desk_and_nowhere_else(land: Land) -> None:
    ann, bo = await _administrators(land.service, known=True)
    verifier = await _staff(ann, bo, "verifier")
    await _grant(ann, bo, verifier.person, "verifier", land.here.place)
    verifier.clock.time += 1
    await verifier.log_in()
    for route, asked in AT_ANY_DESK.items():
        for things in (land.here, land.there):
            path, body = asked(things)
            answer = await land.operator.send("POST", path, body)
            assert kind(answer) == (404, "unknown-card"), (route, things.station, answer.text)
            assert kind(await verifier.send("POST", path, body)) == (403, "forbidden"), (
                route,
                things.station,
            )
    for browser in (ann, bo, verifier):
        await browser.client.aclose()


async def test_h7_who_is_refused_at_the_door_for_hours_of_their_own_stands_on_the_auditors_list(
    land: Land,
) -> None:
    asked = {"person": land.operator.person, "in_at": TIMES["starts_at"], "out_at": TIMES["ends_at"]}
    path = f"/api/v1/activity-sessions/{land.here.session}/written"
    for _ in range(2):
        answer = await land.operator.send("POST", path, {**asked, "reason": "paper-sheet"})
        assert kind(answer) == (403, "forbidden"), answer.text
    found = await land.service.bank.ask(risks, "Asia/Shanghai", "2026-01-01", 0)
    assert [(r.kind, r.rule, r.people, r.times) for r in found if r.rule] == [
        ("refused-four-eyes", "own-hours", (land.operator.person,) * 2, 2)
    ]
    answer = await land.operator.get("/api/v1/risks?since=2026-01-01")
    assert kind(answer) == (403, "forbidden"), "the list is for roles of the whole city"
    answer = await land.operator.get("/api/v1/risks/overlaps?since=2026-01-01")
    assert answer.json() == {"overlaps": []}


async def test_routes_about_the_city_refuse_who_has_a_station_only(land: Land) -> None:
    for route in sorted(OF_THE_CITY):
        method, _, path = route.partition(" ")
        answer = await land.operator.send(
            method,
            path.replace("{", "").replace("}", ""),
            {"login": "new-one", "label": "x", "scopes": ["ledger:read"], "client": "c"},
        )
        assert answer.status_code in (400, 403, 404, 422), (route, answer.text)
        assert answer.status_code != 404 or kind(answer)[1].startswith("unknown"), route
    other = await land.operator.get(f"/api/v1/recognition/standings/{land.here.person}")
    assert kind(other) == (403, "forbidden")


async def test_lists_show_what_is_at_the_readers_places(land: Land) -> None:
    operator, person = land.operator, land.here.person
    answer = await operator.get("/api/v1/places")
    assert answer.status_code == 200, answer.text
    places = answer.json()["places"]
    assert {place["code"] for place in places} >= {"S1"}
    assert {place["code"] for place in places} & {"CITY", "C1", "C2", "S2"} == set()
    grants = (await operator.get("/api/v1/role-grants")).json()["grants"]
    assert {grant["place"] for grant in grants} == {land.here.place}
    hours = (await operator.get(f"/api/v1/records/of/{person}")).json()["hours"]
    assert {hour["record_id"] for hour in hours} <= {land.here.record}
    sheets = (await operator.get(f"/api/v1/record-sheets/of/{person}")).json()["sheets"]
    assert {sheet["issuer"] for sheet in sheets} == {"S1"}
    for number, seen in (("V11", [land.here.resident]), ("V12", [])):
        asked = {"by": "volunteer-number", "number": number}
        found = (await operator.send("POST", "/api/v1/people/searches", asked)).json()["people"]
        assert [one["person"] for one in found] == seen
    terminals = (await operator.get("/api/v1/terminals")).json()["terminals"]
    assert {terminal["place"] for terminal in terminals} == {land.here.place}


async def test_a_centre_reaches_the_stations_that_stand_below_it_today(land: Land) -> None:
    ann, bo = await _administrators(land.service, known=True)
    manager = await _staff(ann, bo, "manager")
    await _grant(ann, bo, manager.person, "centre-manager", land.centre)
    manager.clock.time += 1
    await manager.log_in()
    there, here = (f"/api/v1/hours/{x.record}" for x in (land.there, land.here))
    assert (await manager.get(here)).status_code == 200
    assert kind(await manager.get(there)) == (403, "forbidden")
    moved = await PlacesService(land.service.bank.ledger).change(
        Moving("S2", "C1", date(2026, 11, 18)), Command("t", "move")
    )
    assert isinstance(moved, Receipt), moved
    assert (await manager.get(there)).status_code == 200
    for browser in (ann, bo, manager):
        await browser.client.aclose()


SECRETS: dict[str, bytes] = {}


async def _administrators(service: Service, *, known: bool = False) -> tuple[Browser, Browser]:
    browsers = Browser(service, "ann"), Browser(service, "bo")
    if known:
        for browser in browsers:
            browser.secret = SECRETS[browser.login]
    else:
        halves = await service.bank.staff.found(("ann", "bo"), Command("test", "founding", "test"))
        assert isinstance(halves, tuple)
        for browser, half in zip(browsers, halves, strict=True):
            await browser.enrol(str(half.code))
            SECRETS[browser.login] = browser.secret
    for browser in browsers:
        assert (await browser.log_in()).status_code == 201
    return browsers


async def _staff(ann: Browser, bo: Browser, login: str) -> Browser:
    first = _made(await ann.send("POST", "/api/v1/staff", {"login": login}, **_key()))
    second = _made(await bo.send("POST", f"/api/v1/enrolments/{first['enrolment']}/confirmation", **_key()))
    browser = Browser(ann.service, login)
    await browser.enrol(f"{first['half']}-{second['half']}")
    assert (await browser.log_in()).status_code == 201
    return browser


async def _grant(ann: Browser, bo: Browser, person: str, role: str, place: str) -> str:
    body = {"person": person, "role": role, "place": place}
    made = _made(await ann.send("POST", "/api/v1/role-grants", body, **_key()))
    return str(_made(await bo.send("POST", f"/api/v1/role-grants/{made['id']}/confirmation", **_key()))["id"])


def _key() -> dict[str, str]:
    return {"Idempotency-Key": new_id()}


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _things(service: Service, ann: Browser, bo: Browser, number: int) -> Things:
    """A volunteer's activity, session, record, receipt, return, sheet and role at a station; its resident, its terminals."""
    bank, station = service.bank, f"S{number}"
    if number == 1:
        volunteer = NewPerson(name="张小明", volunteer_number="V1", born=date(1990, 1, 1))
        await directory_of(bank.ledger).enrol(bank.ledger, [volunteer], "test", "test")
    person = (await volunteers_named(bank.ledger, "V1"))["V1"].id
    place = (await bank.ask(stations, [station]))[station]
    desks = desks_of(bank)
    plan = ActivityPlan(
        title="清雪",
        category=next(iter(bank.policies.policies[-1].categories)),
        station=station,
        starts_at=micros("2026-11-19 09:00:00"),
        ends_at=micros("2026-11-19 11:00:00"),
    )
    activity = await desks.activities.propose(plan, RECORDER, Command("t", f"a{number}"))
    assert isinstance(activity, str), activity
    await desks.activities.decide(activity, "", HEAD, Command("t", f"d{number}"), approve=True)
    session = await desks.activities.open_session(
        activity,
        SessionPlan(starts_at=plan.starts_at, ends_at=plan.ends_at, capacity=9, station=""),
        RECORDER,
        Command("t", f"s{number}"),
    )
    assert isinstance(session, str), session
    record = f"R{number}"
    day = f"2026-11-1{number}"
    times = (f"{day} 08:00", f"{day} 16:00", f"{day} 08:00", f"{day} 16:00")
    fields = (record, "V1", "A1", "清雪", plan.category, station, *times, "信用", "OP1", f"{day} 17:00")
    [verdict] = await bank.hours.submit(record, [(1, fields)], Command("t", record))
    assert verdict.verdict == "accepted", verdict
    async for _ in bank.hours.release(date(2027, 1, 1)):
        pass
    goods = bank.policies.policies[-1].goods
    sku = min(
        (s for s in goods if goods[s].price and goods[s].monthly_limit is None), key=lambda s: goods[s].price
    )
    [received] = await bank.market.receive(
        [(Delivery(f"D{number}", place, "donor", ((sku, 9),)), Command("t", f"D{number}"))]
    )
    assert isinstance(received, Receipt)
    basket = Basket(f"B{number}", "2026-11-18 10:00:00", "T1", station, "V1", (BasketLine(sku, "2"),))
    sale = await bank.market.sell(basket, Command("t", f"B{number}"))
    assert sale.receipt is not None, sale
    back = await ann.service.bank.market.take_back(
        _return_of(f"B{number}", sku, number), Command("t", f"back{number}")
    )
    assert back.receipt is not None, back
    assert bank.sheets is not None
    order = SheetOrder(person_id=person, issuer=station, first=date(2026, 1, 1), last=date(2026, 11, 18))
    sheet = await bank.sheets.issue(order, Command("t", f"sheet{number}"))
    assert isinstance(sheet, Sheet), sheet
    body = {"person": bo.person, "role": "auditor", "place": place.id}
    grant = _made(await ann.send("POST", "/api/v1/role-grants", body, **_key()))["id"]
    team = Opening(f"T{number}", "team", "队", station, date(2020, 1, 1))
    resident = (await enrol(bank.ledger, {f"V1{number}": date(1990, 1, 1)}))[f"V1{number}"].id
    atlas = PlacesService(bank.ledger)
    assert isinstance(await atlas.change(team, Command("t", team.code)), Receipt)
    joining = Joining(team.code, resident, date(2026, 1, 1))
    assert isinstance(await atlas.change_membership(joining, Command("t", f"join {number}")), Receipt)
    proposed, enrolled = [
        _made(await ann.send("POST", "/api/v1/terminals", {"place": place.id, "label": label}, **_key()))[
            "id"
        ]
        for label in ("one", "two")
    ]
    code = _made(await bo.send("POST", f"/api/v1/terminals/{enrolled}/confirmation", **_key()))["code"]
    device = _made(await service.post("/api/v1/terminals/enrolment", {"code": code}))
    return Things(
        station, place.id, grant, person, activity, session, record, f"B{number}", f"X{number}", sheet.sheet_id,
        verdict.sequence, sku, resident, proposed, device["key"],
    )  # fmt: skip


def _return_of(receipt: str, sku: str, number: int) -> Any:
    from pointsbank.market.model import ReturnLine

    return ReturnLine(f"X{number}", "2026-11-18 11:00:00", receipt, sku, "1")


def _places(connection: Any, ledger_id: int) -> dict[str, str]:
    from pointsbank.places.tree import places_on

    found = places_on(connection, ledger_id, ["C1", "S1", "S2"], date(2026, 11, 18))
    return {code: place.id for code, place in found.items()}
