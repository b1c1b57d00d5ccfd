"""The guard of every route: deny unless the route says who may enter, and the caller is that.

A route declares `opt={"scope": "ledger:read"}` (an API key with that scope, or a person whose role allows it),
`opt={"person": "roles:confirm"}` (a natural person, logged in), `opt={"page": "ledger:read"}` (a page: a signed-in
browser, or this machine's own in the demo) or `opt={"public": True}`. A route that says nothing is shut.

A route that is `bounded` asks here only whether the caller may do this anywhere; its desk authorizes again with the
place and the person that the act is about. Any other route is about the whole city.
"""

from __future__ import annotations

import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from pointsbank.access.authorize import (
    Denial,
    Resource,
    StepUpRequired,
    Unauthenticated,
    authorize,
    may_somewhere,
)
from pointsbank.access.model import Actor, Scope, SelfAction, StaffAction
from pointsbank.access.sessions import form_token
from pointsbank.access.visit_rows import Visit
from pointsbank.settings import is_loopback
from pointsbank.web.bank import Bank
from pointsbank.web.problems import ProblemError

SESSION_COOKIE = "pointsbank_session"
STAFF_COOKIE = "pointsbank_staff"
VISIT_COOKIE = "pointsbank_volunteer"
TERMINAL_HEADER = "X-Terminal-Key"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC = {"public": True}

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="pointsbank"'}


class SignInRequiredError(Exception):
    """A page that is not for everybody: the browser is sent to the sign-in form."""


def needs(scope: Scope, *, bounded: bool = False) -> dict[str, Any]:
    """The rule of an API route: a key with this scope; `bounded` if its handler asks again with the place."""
    return {"scope": scope, "bounded": bounded}


def person(action: StaffAction, *, bounded: bool = False) -> dict[str, Any]:
    """The rule of an API route for natural persons alone; `bounded` if its desk authorizes again with the place."""
    return {"person": action, "bounded": bounded}


def own(action: SelfAction) -> dict[str, Any]:
    """The rule of an API route for a volunteer's own session, about oneself or the ward that was picked."""
    return {"own": action}


def page(scope: Scope) -> dict[str, str]:
    """The rule of a page: a signed-in browser whose key has this scope."""
    return {"page": scope}


async def enforce(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the caller in, or raise."""
    rule = handler.opt
    if rule.get("public") or connection.scope.get("method") == "OPTIONS":
        return
    bank: Bank = connection.app.state.bank
    if "page" in rule:
        await _enforce_page(connection, bank, rule["page"])
    elif "scope" in rule:
        admit(await actor_of(bank, connection), rule["scope"], connection, bounded=bool(rule.get("bounded")))
    elif "person" in rule:
        actor = await actor_of(bank, connection)
        if actor is not None and not actor.person:
            connection.scope["state"]["actor"] = actor
            raise ProblemError("forbidden", scope=rule["person"])
        admit(actor, rule["person"], connection, bounded=bool(rule.get("bounded")))
    elif "own" in rule:
        await _enforce_own(connection, bank, rule["own"])
    else:
        raise ProblemError("forbidden", scope="—")


async def actor_of(bank: Bank, connection: ASGIConnection[Any, Any, Any, Any]) -> Actor | None:
    """Who holds the key in the Authorization header; without one, who is logged in.

    A logged-in browser shows with every command that our own page sent it. Raises ProblemError if it does not.
    """
    authorization = connection.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = await bank.ring.recognise(token.strip())
        return key.actor if key is not None else None
    token = staff_token(bank, connection)
    actor = await bank.log_ins.actor(token) if token and bank.log_ins is not None else None
    if actor is not None and connection.scope.get("method") not in SAFE_METHODS:
        require_own_page(connection)
        given = connection.headers.get(CSRF_HEADER, "")
        if not given.isascii() or not hmac.compare_digest(form_token(token), given):
            raise ProblemError("form-expired")
    return actor


def staff_cookie(bank: Bank) -> str:
    """The name of the cookie; over https one that no other host and no plain connection can set."""
    return f"__Host-{STAFF_COOKIE}" if bank.settings.secure_cookies else STAFF_COOKIE


def staff_token(bank: Bank, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The token of the staff session in the browser's cookie, empty without one."""
    return connection.cookies.get(staff_cookie(bank), "")


def require_own_page(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raise ProblemError if the browser says that another site sent this."""
    if connection.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ProblemError("form-expired")


def admit(
    actor: Actor | None,
    action: str,
    connection: ASGIConnection[Any, Any, Any, Any],
    *,
    bounded: bool = False,
) -> None:
    """Note who acts, and raise ProblemError unless they may."""
    if actor is not None:
        connection.scope["state"]["actor"] = actor
    deny(may_somewhere(actor, action) if bounded else authorize(actor, action), action)


def deny(denial: Denial | None, action: str) -> None:
    """Raise ProblemError if this is a denial."""
    if isinstance(denial, Unauthenticated):
        raise ProblemError("unauthenticated", headers=CHALLENGE)
    if isinstance(denial, StepUpRequired):
        raise ProblemError("step-up-required", action=action)
    if denial is not None:
        raise ProblemError("forbidden", scope=action)


async def _enforce_page(connection: ASGIConnection[Any, Any, Any, Any], bank: Bank, scope: str) -> None:
    token = connection.cookies.get(SESSION_COOKIE)
    actor = await bank.sessions.actor(token) if token else None
    if actor is None and bank.log_ins is not None and (token := staff_token(bank, connection)):
        actor = await bank.log_ins.actor(token)
    if actor is not None:
        admit(actor, scope, connection)
    elif not is_open_demo(connection, bank):
        raise SignInRequiredError


async def _enforce_own(
    connection: ASGIConnection[Any, Any, Any, Any], bank: Bank, action: SelfAction
) -> None:
    """Let a volunteer in, for oneself or a ward. A session by card is good at its own terminal and nowhere else."""
    token = visit_token(bank, connection)
    visit = await bank.visits.visit(token) if token and bank.visits is not None else None
    if bank.visits is None or visit is None:
        raise ProblemError("unauthenticated", headers=CHALLENGE)
    actor = bank.visits.actor_of(visit)
    if connection.scope.get("method") not in SAFE_METHODS:
        require_own_page(connection)
        given = connection.headers.get(CSRF_HEADER, "")
        if not given.isascii() or not hmac.compare_digest(form_token(token), given):
            raise ProblemError("form-expired")
    if visit.terminal:
        terminal = await bank.terminals.recognise(connection.headers.get(TERMINAL_HEADER, ""))
        if terminal is None or terminal.id != visit.terminal:
            raise ProblemError("unknown-terminal")
        keeper = await bank.log_ins.actor(staff_token(bank, connection)) if bank.log_ins else None
        if keeper is None or keeper.person != visit.staff:
            raise ProblemError("unauthenticated", headers=CHALLENGE)
    connection.scope["state"]["actor"] = actor
    connection.scope["state"]["visit"] = visit
    deny(authorize(actor, action, Resource(person=actor.ward or actor.person)), action)


def visit_in(connection: ASGIConnection[Any, Any, Any, Any]) -> Visit:
    """The volunteer's session, in a handler behind a rule of one's own."""
    visit: Visit = connection.scope["state"]["visit"]
    return visit


def visit_cookie(bank: Bank) -> str:
    """The name of the cookie of a volunteer's session."""
    return f"__Host-{VISIT_COOKIE}" if bank.settings.secure_cookies else VISIT_COOKIE


def visit_token(bank: Bank, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The token of the volunteer's session in the browser's cookie, empty without one."""
    return connection.cookies.get(visit_cookie(bank), "")


def is_open_demo(connection: ASGIConnection[Any, Any, Any, Any], bank: Bank) -> bool:
    """Whether single accounts may be looked at without log-in: invented people, and a browser on this
    machine."""
    client = connection.client
    return (
        bank.settings.demo and bank.settings.is_loopback and client is not None and is_loopback(client.host)
    )


def actor_in(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    """Who acts, in a handler behind a rule that names a scope."""
    actor: Actor = connection.scope["state"]["actor"]
    return actor
