"""Staff over HTTP: the log-in, the cookie and its CSRF token, two persons for a right, and no side door to points."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.web.conftest import Service, entry, running
from tests.web.test_rules import any_app, rules

from pointsbank.access.pepper import make_pepper
from pointsbank.access.totp import code_at, step_of
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.chart import SHIPPED
from pointsbank.web.posting import reserved_kinds

from .office import MINUTE, NOON, PASSWORD, secret_in

ENTRIES = "/api/v1/journal-entries"


class Browser:
    """A browser of a member of staff: its own cookies, and the CSRF token of its page."""

    def __init__(self, service: Service, login: str) -> None:
        transport = httpx.ASGITransport(service.app, raise_app_exceptions=False, client=("192.0.2.1", 5))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
        self.service = service
        self.login = login
        self.person = ""
        self.csrf = ""
        self.secret = b""
        self._keys = 0

    @property
    def clock(self) -> FixedClock:
        clock = self.service.bank.clock
        assert isinstance(clock, FixedClock)
        return clock

    async def enrol(self, code: str) -> None:
        body = {"login": self.login, "code": code, "password": PASSWORD}
        answer = await self.client.post("/api/v1/staff/credentials", json=body)
        assert answer.status_code == 201, answer.text
        self.secret = secret_in(answer.json()["authenticator"])

    async def log_in(self, **more: str) -> httpx.Response:
        self.clock.time += MINUTE
        body = {"login": self.login, "password": PASSWORD, "code": self.code(), **more}
        answer = await self.client.post("/api/v1/sessions", json=body)
        self._seen(answer)
        return answer

    def code(self) -> str:
        return code_at(self.secret, step_of(self.clock.time))

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        self._keys += 1
        named = {"X-CSRF-Token": self.csrf, "Idempotency-Key": f"{self.login} {self._keys}", **headers}
        answer = await self.client.request(method, path, json=body, headers=named)
        self._seen(answer)
        return answer

    def _seen(self, answer: httpx.Response) -> None:
        if answer.status_code == 201 and "csrf" in answer.text and "spends_from" not in answer.text:
            self.csrf, self.person = answer.json()["csrf"], answer.json()["person"]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service that staff can log in to, once on each engine."""
    pepper = tmp_path / "pepper"
    make_pepper(pepper)
    async with running(database_url, clock=FixedClock(NOON), pepper=str(pepper)) as service:
        yield service


@pytest.fixture
async def administrators(service: Service) -> AsyncIterator[tuple[Browser, Browser]]:
    """Two administrators, logged in."""
    halves = await service.bank.staff.found(("ann", "bo"), Command("test", "founding", "test"))
    assert isinstance(halves, tuple)
    browsers = (Browser(service, "ann"), Browser(service, "bo"))
    for browser, half in zip(browsers, halves, strict=True):
        await browser.enrol(str(half.code))
        answer = await browser.log_in()
        assert answer.status_code == 201, answer.text
    yield browsers
    for browser in browsers:
        await browser.client.aclose()


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def new_staff(ann: Browser, bo: Browser, login: str, *roles: str) -> Browser:
    """A new member of staff with roles, enrolled and logged in."""
    first = await ann.send("POST", "/api/v1/staff", {"login": login})
    assert first.status_code == 201, first.text
    made = first.json()
    second = await bo.send("POST", f"/api/v1/enrolments/{made['enrolment']}/confirmation")
    assert second.status_code == 200, second.text
    for role in roles:
        proposed = await ann.send("POST", "/api/v1/role-grants", {"person": made["person"], "role": role})
        assert proposed.status_code == 201, proposed.text
        grant = proposed.json()["id"]
        confirmed = await bo.send("POST", f"/api/v1/role-grants/{grant}/confirmation")
        assert confirmed.json()["state"] == "active", confirmed.text
    browser = Browser(ann.service, login)
    await browser.enrol(f"{made['half']}-{second.json()['half']}")
    assert (await browser.log_in()).status_code == 201
    return browser


async def test_two_administrators_give_a_third_a_role_and_one_takes_it_away(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, bo = administrators
    cy = await new_staff(ann, bo, "cy", "auditor")
    assert (await cy.get("/api/v1/trial-balance")).status_code == 200
    assert kind(await cy.send("POST", ENTRIES, entry())) == (403, "forbidden")
    listed = (await ann.get(f"/api/v1/role-grants?of={cy.person}")).json()["grants"]
    assert [(g["role"], g["state"], g["confirmed_by"]) for g in listed] == [("auditor", "active", bo.person)]
    cy.clock.time += 1
    revoked = await bo.send("DELETE", f"/api/v1/role-grants/{listed[0]['id']}")
    assert revoked.json()["revoked_by"] == bo.person
    assert kind(await cy.get("/api/v1/trial-balance")) == (401, "unauthenticated"), "the session is over"
    await cy.log_in()
    assert kind(await cy.get("/api/v1/trial-balance")) == (403, "forbidden")
    staff = (await ann.get("/api/v1/staff")).json()["staff"]
    assert [line["login"] for line in staff] == ["ann", "bo", "cy"]


async def test_who_proposes_does_not_confirm_and_nobody_serves_themselves(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, bo = administrators
    own = await ann.send("POST", "/api/v1/role-grants", {"person": ann.person, "role": "cashier"})
    assert kind(own) == (403, "own-role")
    proposed = await ann.send("POST", "/api/v1/role-grants", {"person": bo.person, "role": "cashier"})
    address = f"/api/v1/role-grants/{proposed.json()['id']}/confirmation"
    assert kind(await ann.send("POST", address)) == (403, "second-person-needed")
    assert kind(await bo.send("POST", address)) == (403, "own-role")
    other = Browser(ann.service, "ann")  # another session of the same person
    other.secret = ann.secret
    assert (await other.log_in()).status_code == 201
    assert kind(await other.send("POST", address)) == (403, "second-person-needed")
    cases = [
        ("POST", "/api/v1/role-grants", {"person": bo.person, "role": "king"}, 422, "unknown-role"),
        ("POST", "/api/v1/role-grants", {"person": "x", "role": "cashier"}, 404, "unknown-staff"),
        (
            "POST",
            "/api/v1/role-grants",
            {"person": bo.person, "role": "cashier", "place": "x"},
            422,
            "unknown-role-place",
        ),
        (
            "POST",
            "/api/v1/role-grants",
            {"person": bo.person, "role": "cashier", "to_day": "2020-01-01"},
            422,
            "role-days",
        ),
        ("POST", "/api/v1/role-grants/x/confirmation", None, 404, "unknown-grant"),
        ("POST", "/api/v1/enrolments/x/confirmation", None, 403, "unknown-enrolment"),
        ("POST", "/api/v1/staff", {"login": "bo"}, 409, "login-taken"),
        ("POST", f"/api/v1/staff/{ann.person}/recovery", None, 403, "own-role"),
        ("DELETE", f"/api/v1/staff/{bo.person}", None, 409, "last-administrators"),
        ("DELETE", "/api/v1/staff/x", None, 404, "unknown-staff"),
        ("DELETE", "/api/v1/sessions/x", None, 404, "unknown-session"),
    ]
    for method, path, body, status, slug in cases:
        assert kind(await ann.send(method, path, body)) == (status, slug), path


async def test_a_command_from_elsewhere_is_refused_though_the_cookie_comes_along(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, _ = administrators
    body = {"login": "cy"}
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 32}, {"Sec-Fetch-Site": "cross-site"}):
        assert kind(await ann.send("POST", "/api/v1/staff", body, **headers)) == (403, "form-expired")
    elsewhere = await ann.client.post(
        "/api/v1/sessions",
        json={"login": "ann", "password": "x", "code": "1"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert kind(elsewhere) == (403, "form-expired")
    form = await ann.client.post("/api/v1/sessions", data={"login": "ann", "password": "x", "code": "1"})
    assert kind(form) == (415, "unsupported-media-type"), "no form of another site is a log-in"
    assert (await ann.send("POST", "/api/v1/staff", body)).status_code == 201


async def test_the_cookie_is_out_of_reach_of_scripts_and_the_answer_does_not_hold_the_token(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, _ = administrators
    answer = await ann.log_in()
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie.replace("Strict", "strict")
    token = ann.client.cookies["pointsbank_staff"]
    assert len(token) >= 43
    assert token not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_what_matters_needs_a_fresh_code_which_changes_the_cookie(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, _ = administrators
    ann.clock.time += 6 * MINUTE
    assert kind(await ann.send("POST", "/api/v1/staff", {"login": "cy"})) == (403, "step-up-required")
    assert kind(await ann.send("POST", "/api/v1/sessions/step-up", {"code": "x"})) == (403, "code-refused")
    before = ann.client.cookies["pointsbank_staff"]
    renewed = await ann.send("POST", "/api/v1/sessions/step-up", {"code": ann.code()})
    assert renewed.status_code == 201, renewed.text
    assert ann.client.cookies["pointsbank_staff"] != before
    assert (await ann.send("POST", "/api/v1/staff", {"login": "cy"})).status_code == 201


async def test_a_password_is_changed_with_the_old_one_after_a_fresh_code(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, _ = administrators
    body = {"current": PASSWORD, "new": "quite another sentence"}
    ann.clock.time += 6 * MINUTE
    path = "/api/v1/sessions/password"
    assert kind(await ann.send("POST", path, body)) == (403, "step-up-required")
    listed = (await ann.get("/api/v1/sessions")).json()["sessions"]
    assert len(listed) == 1
    assert kind(await ann.send("DELETE", "/api/v1/sessions/another")) == (403, "step-up-required")
    await ann.send("POST", "/api/v1/sessions/step-up", {"code": ann.code()})
    assert kind(await ann.send("POST", path, {**body, "current": "x"})) == (401, "log-in-refused")
    assert kind(await ann.send("POST", path, {**body, "new": "short"})) == (422, "weak-password")
    assert (await ann.send("POST", path, body)).status_code == 201
    assert (await ann.get("/api/v1/sessions")).status_code == 200


async def test_wrong_log_ins_are_answered_alike_and_throttled(
    administrators: tuple[Browser, Browser],
) -> None:
    ann, _ = administrators
    answers = [
        await ann.client.post("/api/v1/sessions", json={"login": login, "password": password, "code": code})
        for login, password, code in (("ann", "x", ann.code()), ("zz", PASSWORD, "1"), ("ann", PASSWORD, "1"))
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies == [bodies[0]] * 3
    assert kind(answers[0]) == (401, "log-in-refused")
    for _ in range(4):
        last = await ann.client.post("/api/v1/sessions", json={"login": "zz", "password": "x", "code": "1"})
    shut = await ann.client.post("/api/v1/sessions", json={"login": "zz", "password": "x", "code": "1"})
    assert kind(last) == (401, "log-in-refused")
    assert kind(shut) == (429, "too-many-attempts")
    assert int(shut.headers["retry-after"]) > 0
    weak = await ann.client.post(
        "/api/v1/staff/credentials", json={"login": "ann", "code": "A-B", "password": "short"}
    )
    assert kind(weak) == (422, "weak-password")


async def test_sessions_are_listed_and_log_out_ends_them(administrators: tuple[Browser, Browser]) -> None:
    ann, bo = administrators
    second = Browser(ann.service, "ann")
    second.secret = ann.secret
    await second.log_in()
    listed = (await ann.get("/api/v1/sessions")).json()["sessions"]
    assert [line["is_current"] for line in listed] == [False, True]
    ended = await ann.send("DELETE", f"/api/v1/sessions/{listed[0]['id']}")
    assert ended.status_code == 204
    assert (await second.get("/api/v1/sessions")).status_code == 401
    theirs = (await bo.get("/api/v1/sessions")).json()["sessions"][0]["id"]
    assert kind(await ann.send("DELETE", f"/api/v1/sessions/{theirs}")) == (404, "unknown-session")
    assert (await ann.send("DELETE", "/api/v1/sessions/current")).status_code == 204
    assert "pointsbank_staff" not in ann.client.cookies
    assert (await ann.get("/api/v1/sessions")).status_code == 401
    bo.clock.time += 1
    assert (await bo.get("/api/v1/sessions")).status_code == 200


async def test_an_administrator_ends_the_sessions_of_others(administrators: tuple[Browser, Browser]) -> None:
    ann, bo = administrators
    cy = await new_staff(ann, bo, "cy")
    assert (await cy.get("/api/v1/sessions")).status_code == 200
    cy.clock.time += 1
    ended = await ann.send("DELETE", f"/api/v1/staff/{cy.person}/sessions")
    assert ended.status_code == 200, ended.text
    assert (await cy.get("/api/v1/sessions")).status_code == 401


async def test_keys_after_the_founding_take_two_persons(administrators: tuple[Browser, Browser]) -> None:
    ann, bo = administrators
    old = await ann.service.bank.keys.issue("x", "", ["keys:manage"], 0, Command("t", "x"))
    assert getattr(old, "code", "") == "forbidden", "a bare command makes no key any more"
    body = {"client": "till-1", "label": "", "scopes": ["market:read"]}
    made = await ann.send("POST", "/api/v1/api-keys", body)
    assert made.status_code == 201, made.text
    token, key = made.json()["token"], made.json()["key"]
    assert (key["state"], key["owner"]) == ("proposed", "machine")
    headers = {"Authorization": f"Bearer {token}"}
    address = "/api/v1/market/baskets/x"
    assert (await ann.client.get(address, headers=headers)).status_code == 401
    confirmation = f"/api/v1/api-keys/{key['id']}/confirmation"
    assert kind(await ann.send("POST", confirmation)) == (403, "second-person-needed")
    assert (await bo.send("POST", confirmation)).json()["state"] == "active"
    assert (await ann.client.get(address, headers=headers)).status_code == 404
    beyond = await ann.send("POST", "/api/v1/api-keys", {**body, "scopes": ["reverse"]})
    assert kind(beyond) == (403, "forbidden")
    own = await ann.send("POST", "/api/v1/sessions/keys", {"client": "laptop", "scopes": ["metrics:read"]})
    assert (own.json()["key"]["owner"], own.json()["key"]["person"]) == ("person", ann.person)
    assert kind(await ann.send("POST", f"/api/v1/api-keys/{own.json()['key']['id']}/confirmation")) == (
        403,
        "own-role",
    )
    await bo.send("POST", f"/api/v1/api-keys/{own.json()['key']['id']}/confirmation")
    headers = {"Authorization": f"Bearer {own.json()['token']}"}
    assert (await ann.client.get("/metrics", headers=headers)).status_code == 200
    revoked = await bo.send("DELETE", f"/api/v1/api-keys/{key['id']}")
    assert revoked.json()["state"] == "revoked"


async def test_no_key_of_whatever_scopes_does_what_only_persons_do(service: Service) -> None:
    key = await service.key()
    checked = 0
    for method, path, opt in rules(service.app):
        if "person" not in opt:
            continue
        checked += 1
        address = path.replace("{", "").replace("}", "")
        nobody = await service.client.request(method, address, json={})
        assert kind(nobody) == (401, "unauthenticated"), path
        holder = await service.client.request(
            method, address, json={}, headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "k"}
        )
        assert kind(holder) == (403, "forbidden"), path
    assert checked > 12


async def test_without_its_secret_the_door_stays_shut(sqlite_url: str) -> None:
    async with running(sqlite_url) as service:
        for path, body in (
            ("/api/v1/sessions", {"login": "ann", "password": "x", "code": "1"}),
            ("/api/v1/staff/credentials", {"login": "ann", "password": "x", "code": "1"}),
        ):
            assert kind(await service.client.post(path, json=body)) == (503, "log-in-closed")


def test_nothing_asks_for_hints_or_questions(service_document: str) -> None:
    for word in ("hint", "question", "提示问题"):
        assert word not in service_document.lower()


@pytest.fixture
def service_document() -> str:
    """What the API says of its staff and session doors."""
    schema = any_app().openapi_schema.to_schema()
    names = ("LogInIn", "CredentialsIn", "PasswordIn", "CodeIn", "StaffIn")
    return str([schema["components"]["schemas"][name] for name in names])


# no side door


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_no_general_door_takes_a_reserved_kind(database_url: str, fast_lane: bool) -> None:
    async with running(database_url, fast_lane=fast_lane) as service:
        key = await service.key()
        await service.get("/api/v1/accounts", key)  # from now on the lane knows the key
        points = {
            "debit": "fund:city:issued",
            "credit": "volunteer:x:available",
            "commodity": "POINT",
            "amount": 500,
            "lot": "2099-12-31/city",
        }
        for reserved in sorted(reserved_kinds(SHIPPED)):
            bodies = [{"kind": reserved, "movements": [points]}, entry(kind=reserved)]
            for number, body in enumerate(bodies):
                name = f"{reserved}{number}"
                single = await service.post(ENTRIES, body, key, f"s{name}")
                assert kind(single) == (403, "reserved-kind"), (reserved, single.text)
                bulk = await service.post(f"{ENTRIES}/bulk", {"entries": [body]}, key, f"b{name}")
                assert bulk.json()["posted"] == 0
                assert bulk.json()["verdicts"][0]["problem"]["type"] == "/problems/reserved-kind"
                whole = await service.post(
                    f"{ENTRIES}/bulk", {"entries": [entry(), body], "atomic": True}, key, f"a{name}"
                )
                assert kind(whole)[1] == "group-refused"
                assert whole.json()["facts"]["cause"] == "reserved-kind"
        [opening] = (await service.get(ENTRIES, key)).json()["entries"]
        assert opening["kind"] == "open-ledger"


def test_every_movement_of_volunteers_points_is_of_a_reserved_kind() -> None:
    wallets = {"wallet", "wallet-pending"}
    moving = {m.entry for m in SHIPPED.movements.values() if {m.debit, m.credit} & wallets}
    assert moving <= set(reserved_kinds(SHIPPED))
    assert {"earn", "release"} <= moving
    assert reserved_kinds(SHIPPED)["earn"] == reserved_kinds(SHIPPED)["release"] == "hours"
