"""Every route says who may enter, and the door keeps to it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import pytest
from litestar import Litestar
from litestar.exceptions import LitestarDeprecationWarning
from litestar.routes import HTTPRoute

from pointsbank.access.authorize import authorize
from pointsbank.access.model import SCOPES, Actor, Scope, SelfAction, StaffAction
from pointsbank.app import create_app
from pointsbank.settings import Settings

from .conftest import Service, running

PUBLIC = {
    ("GET", "/"),
    ("GET", "/api"),
    ("GET", "/api-docs"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/{path}"),
    ("GET", "/api/v1/records/public-notice"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/problems"),
    ("GET", "/problems/{slug}"),
    ("GET", "/record-sheet"),
    ("POST", "/record-sheet"),
    ("GET", "/api/v1/record-sheets/public-keys"),
    ("POST", "/api/v1/record-sheets/public"),
    ("POST", "/api/v1/record-sheets/public/name"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("GET", "/static/{name}"),
    ("POST", "/api/v1/sessions"),
    ("POST", "/api/v1/staff/credentials"),
    ("POST", "/api/v1/me/codes"),
    ("POST", "/api/v1/me/sessions"),
    ("POST", "/api/v1/oidc/requests"),
    ("POST", "/api/v1/oidc/sessions"),
    ("POST", "/api/v1/terminals/enrolment"),
}
"""What anybody may ask: nothing here names a person or an account. A new entry wants a good reason."""


def rules(app: Litestar) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and rule of every route."""
    for route in app.routes:
        assert isinstance(route, HTTPRoute), f"{route.path} is no HTTP route: who guards it?"
        for handler in route.route_handlers:
            for method in handler.http_methods:
                if method != "OPTIONS":
                    yield str(method), route.path_format or "/", handler.opt


@cache
def any_app() -> Litestar:
    """The service of any settings: for its routes, which nobody changes."""
    return create_app(Settings())


def test_every_route_has_one_rule_and_names_a_real_scope() -> None:
    for method, path, opt in rules(any_app()):
        found = [name for name in ("public", "scope", "page", "person", "own") if opt.get(name)]
        assert len(found) == 1, f"{method} {path} must say who may enter, once: {found}"
        known = get_args({"person": StaffAction, "own": SelfAction}.get(found[0], Scope))
        assert found[0] == "public" or opt[found[0]] in known, f"{method} {path}: {opt}"


def test_what_is_public_is_on_the_list() -> None:
    assert {(method, path) for method, path, opt in rules(any_app()) if opt.get("public")} == PUBLIC


def test_every_scope_opens_something() -> None:
    used = {opt.get("scope") for _, _, opt in rules(any_app())}
    assert used >= set(SCOPES)


def _address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: "1" if found[1] == "sequence" else "x", path)


def test_the_service_uses_nothing_that_its_framework_will_drop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LitestarDeprecationWarning)
        warnings.filterwarnings("error", category=DeprecationWarning, module=r"litestar|pointsbank")
        assert create_app(Settings()).openapi_schema.paths


async def test_without_a_key_or_the_scope_nobody_enters(small_service: Service) -> None:
    service = small_service
    checked = 0
    for method, path, opt in rules(service.app):
        if "scope" not in opt:
            continue
        checked += 1
        nobody = await service.client.request(method, _address(path), json={})
        assert (nobody.status_code, nobody.json()["type"]) == (401, "/problems/unauthenticated"), path
        assert nobody.headers["www-authenticate"].startswith("Bearer")
        others = await service.key(*(scope for scope in SCOPES if scope != opt["scope"]))
        stranger = await service.client.request(
            method,
            _address(path),
            json={},
            headers={"Authorization": f"Bearer {others}", "Idempotency-Key": "k"},
        )
        assert (stranger.status_code, stranger.json()["type"]) == (403, "/problems/forbidden"), path
        holder = await service.key(opt["scope"])
        entering = await service.client.request(
            method,
            _address(path),
            json={},
            headers={"Authorization": f"Bearer {holder}", "Idempotency-Key": "k"},
        )
        of_persons = authorize(Actor("a", "b", frozenset(SCOPES)), opt["scope"]) is not None
        assert (entering.status_code in (401, 403)) is of_persons, path  # what people alone do, no key does
    assert checked > 15


@pytest.mark.parametrize(
    "authorization", ["", "Basic eDp5", "Bearer", "Bearer pbk_x_y", "bearer  ", "Bearer \u00e9"]
)
async def test_what_is_no_key_opens_nothing(authorization: str, sqlite_url: str) -> None:
    async with running(sqlite_url) as service:
        answer = await service.client.get(
            "/api/v1/accounts",
            headers={"Authorization": authorization.encode("latin-1")},  # type: ignore[dict-item]
        )
        assert answer.status_code == 401


async def test_pages_on_accounts_ask_for_log_in_unless_it_is_the_demo_on_this_machine(
    sqlite_url: str,
) -> None:
    async with running(sqlite_url) as service:
        for path in ("/accounts", "/accounts/memo:a"):
            answer = await service.client.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?next=/accounts")
    async with running(sqlite_url, demo=True) as service:
        assert (await service.client.get("/accounts")).status_code == 200
    async with running(sqlite_url, demo=True, host="0.0.0.0") as service:
        assert (await service.client.get("/accounts")).status_code == 303


async def test_nobody_hands_out_a_scope_that_they_do_not_have(small_service: Service) -> None:
    manager = await small_service.key("keys:manage")
    body = {"client": "till-1", "label": "", "scopes": ["market:sell"]}
    answer = await small_service.post("/api/v1/api-keys", body, manager, "k1")
    assert answer.status_code == 403


async def test_a_key_made_over_http_is_shown_once_and_ends_when_revoked(small_service: Service) -> None:
    service = small_service
    manager = await service.key()
    body = {
        "client": "till-1",
        "label": "一号终端",
        "scopes": ["ledger:read"],
        "expires_at": "2099-01-01T00:00:00Z",
    }
    made = await service.post("/api/v1/api-keys", body, manager, "k1")
    assert made.status_code == 201
    again = await service.post("/api/v1/api-keys", body, manager, "k1")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**made.json(), "token": None}
    token, key_id = made.json()["token"], made.json()["key"]["id"]
    assert (await service.get("/api/v1/accounts", token)).status_code == 200
    listed = await service.get("/api/v1/api-keys", manager)
    assert key_id in [key["id"] for key in listed.json()["keys"]]
    assert token not in listed.text
    revoked = await service.client.delete(
        f"/api/v1/api-keys/{key_id}", headers={"Authorization": f"Bearer {manager}", "Idempotency-Key": "k2"}
    )
    assert revoked.json()["state"] == "revoked"
    assert (await service.get("/api/v1/accounts", token)).status_code == 401
