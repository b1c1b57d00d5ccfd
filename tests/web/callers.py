"""Everybody whom the table of rights knows, at one service: each role logged in, each way in, a machine, nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
from tests.access.bureau import DAY, PIN
from tests.access.test_api import Browser
from tests.people_of import enrol, volunteers_named
from tests.web.test_bounds import Land, _administrators, _grant, _made, _staff

from pointsbank.access.rights import rights
from pointsbank.people import code_outbox
from pointsbank.web.guard import CSRF_HEADER, TERMINAL_HEADER

AT_THE_STATION = ("cashier", "station-operator", "verifier", "minors-desk", "merchant-clerk")
"""Roles of the first station; the others hold in the whole city."""

NO_CALLERS = {
    "shell": "it has no route, only verbs",
    "system-job": "it has no route, only verbs and keys",
    "evaluator": "nobody can be granted it and no door leads to it",
    "operator": "a key from before the founding: tests/web/test_openapi.py",
}
"""Subjects of the table that no request comes from, and why."""


@dataclass
class Caller:
    """One subject of the table, and what its requests carry."""

    subject: str
    probe: str
    """what tells whether it is still let in"""
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


async def everybody(land: Land) -> list[Caller]:
    """A caller of every subject that can call, all of them let in."""
    service = land.service
    ann, bo = await _administrators(service, known=True)
    browsers = {"administrator": ann}
    for role in ("staff", "boss", *sorted(rights().roles - {"administrator"})):
        await _fresh(ann, bo)
        browsers[role] = await _staff(ann, bo, f"the-{role}")
    boss, vice = browsers["boss"], browsers["centre-manager"]
    await _fresh(ann, bo)
    for browser in (boss, vice):
        await _grant(ann, bo, browser.person, "centre-manager", "")
    for role in sorted(rights().roles - {"administrator", "centre-manager"}):
        browser, place = browsers[role], land.here.place if role in AT_THE_STATION else ""
        await _fresh(ann, bo)
        if role == "minors-desk":
            await _fresh(boss)
            body = {"person": browser.person, "place": place, "to_day": "2026-12-31"}
            made = _made(await boss.send("POST", "/api/v1/role-grants/minors-desk", body))
            _made(await bo.send("POST", f"/api/v1/role-grants/{made['id']}/confirmation"))
        else:
            await _grant(ann, bo, browser.person, role, place)
    people = await _volunteers(land, boss, vice, ann, bo, browsers["cashier"])
    ann.clock.time += DAY  # cards, PINs and links are good from now on
    await _fresh(bo, *browsers.values())
    callers = [Caller("anonymous", "/health/live")]
    scopes = [action for role, action in rights().effects if role == "machine-source"]
    wanted = {"label": "till", "client": "till", "scopes": scopes}
    made = _made(await ann.send("POST", "/api/v1/api-keys", wanted))
    _made(await bo.send("POST", f"/api/v1/api-keys/{made['key']['id']}/confirmation"))
    key = made["token"]
    callers.append(Caller("machine-source", "/api/v1/accounts", {}, {"Authorization": f"Bearer {key}"}))
    del browsers["boss"]
    for role, browser in browsers.items():
        cookies = dict(browser.client.cookies)
        headers = {CSRF_HEADER: browser.csrf, TERMINAL_HEADER: people["terminal"]}
        callers.append(Caller(role, "/api/v1/sessions", cookies, headers))
    callers += [
        await _by_phone(land, "volunteer", "13800000001", ""),
        await _by_phone(land, "guardian", "13800000002", people["child"]),
        await _by_phone(land, "helper", "13800000003", people["elder"]),
        await _by_card(land, browsers["cashier"], people),
    ]
    for browser in (*browsers.values(), boss, bo):
        await browser.client.aclose()
    return callers


async def _fresh(*browsers: Browser) -> None:
    """They all log in anew within one minute: what takes a fresh code goes for some minutes."""
    clock = browsers[0].clock
    before = clock.time
    for browser in browsers:
        clock.time = before
        assert (await browser.log_in()).status_code == 201


async def _volunteers(
    land: Land, boss: Browser, vice: Browser, ann: Browser, bo: Browser, till: Browser
) -> dict[str, str]:
    """Somebody with a phone, a guardian and a child, a helper and an elder, and somebody with card and PIN."""
    ledger = land.service.bank.ledger
    await _fresh(ann, bo, boss, vice, till)
    await enrol(ledger, {f"C{n}": date(1980, 1, 1) for n in range(1, 7)} | {"C7": date(2016, 1, 1)})
    found = await volunteers_named(ledger, *(f"C{n}" for n in range(1, 8)))
    ids = {number: one.id for number, one in found.items()}
    for number in (1, 2, 3):
        path = f"/api/v1/people/{ids[f'C{number}']}/changes"
        body = {"kind": "phone", "value": f"1380000000{number}"}
        await _by_two(boss, vice, path, body)
    child, elder, holder = ids["C7"], ids["C5"], ids["C6"]
    link = {"kind": "guardian", "holder": ids["C2"], "evidence": "户口本"}
    await _by_two(boss, vice, f"/api/v1/people/{child}/links", link)
    link = {"kind": "helper", "holder": ids["C3"], "evidence": "委托书"}
    await _by_two(boss, vice, f"/api/v1/people/{elder}/links", link)
    acts = f"/api/v1/people/{holder}/acts"
    card = (await _by_two(boss, vice, acts, {"kind": "card"}))["token"]
    device = {"place": land.here.place, "label": "till"}
    code = (await _by_two(ann, bo, "/api/v1/terminals", device))["code"]
    terminal = _made(await land.service.post("/api/v1/terminals/enrolment", {"code": code}))["key"]
    await _by_two(boss, vice, acts, {"kind": "pin-reset"})
    chosen = {"card": card, "pin": PIN}
    _made(await till.send("POST", "/api/v1/visits/pin", chosen, **{TERMINAL_HEADER: terminal}))
    return {"child": child, "elder": elder, "card": card, "terminal": terminal}


async def _by_two(first: Browser, second: Browser, path: str, body: dict[str, str]) -> dict[str, Any]:
    made = _made(await first.send("POST", path, body))
    return _made(await second.send("POST", f"{path}/{made['id']}/confirmation"))


async def _by_phone(land: Land, subject: str, phone: str, ward: str) -> Caller:
    """Whoever has the phone, acting for a ward if there is one."""
    transport = httpx.ASGITransport(land.service.app, client=("192.0.2.8", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.post("/api/v1/me/codes", json={"phone": phone})).status_code == 201
        desk = land.service.bank.people
        assert desk is not None
        [message] = [m for m in await code_outbox.take(desk.store) if m.template == "log-in-code"]
        await code_outbox.sent(desk.store, message.id)
        opened = await client.post("/api/v1/me/sessions", json={"phone": phone, "code": message.code})
        headers = {CSRF_HEADER: str(_made(opened)["csrf"])}
        if ward:
            _made(await client.post("/api/v1/me/ward", json={"ward": ward}, headers=headers))
        return Caller(subject, "/api/v1/me", dict(client.cookies), headers)


async def _by_card(land: Land, till: Browser, people: dict[str, str]) -> Caller:
    """The holder of a card at the till, in front of the cashier."""
    body = {"card": people["card"], "pin": PIN}
    at = {TERMINAL_HEADER: people["terminal"]}
    opened = _made(await till.send("POST", "/api/v1/visits", body, **at))
    headers = {**at, CSRF_HEADER: str(opened["csrf"])}
    return Caller("card-holder", "/api/v1/me", dict(till.client.cookies), headers)
