"""The guard of every route: deny unless the route says who may enter, and the caller is that.

A route declares `opt={"scope": "ledger:read"}` (an API key with that scope), `opt={"page": "ledger:read"}`
(a page: a signed-in browser, or this machine's own in the demo) or `opt={"public": True}`. A route that says
nothing is shut.
"""

from __future__ import annotations

from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from pointsbank.access.authorize import Unauthenticated, authorize
from pointsbank.access.model import Actor, Scope
from pointsbank.settings import is_loopback
from pointsbank.web.bank import Bank
from pointsbank.web.problems import ProblemError

SESSION_COOKIE = "pointsbank_session"
PUBLIC = {"public": True}

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="pointsbank"'}


class SignInRequiredError(Exception):
    """A page that is not for everybody: the browser is sent to the sign-in form."""


def needs(scope: Scope) -> dict[str, str]:
    """The rule of an API route: a key with this scope."""
    return {"scope": scope}


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
        admit(await actor_of(bank, connection.headers.get("authorization", "")), rule["scope"], connection)
    else:
        raise ProblemError("forbidden", scope="—")


async def actor_of(bank: Bank, authorization: str) -> Actor | None:
    """Who holds the key in an Authorization header."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    key = await bank.ring.recognise(token.strip())
    return key.actor if key is not None else None


def admit(actor: Actor | None, scope: str, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Note who acts, and raise ProblemError unless they may."""
    if actor is not None:
        connection.scope["state"]["actor"] = actor
    denial = authorize(actor, cast(Scope, scope))
    if isinstance(denial, Unauthenticated):
        raise ProblemError("unauthenticated", headers=CHALLENGE)
    if denial is not None:
        raise ProblemError("forbidden", scope=scope)


async def _enforce_page(connection: ASGIConnection[Any, Any, Any, Any], bank: Bank, scope: str) -> None:
    token = connection.cookies.get(SESSION_COOKIE)
    actor = await bank.sessions.actor(token) if token else None
    if actor is not None:
        admit(actor, scope, connection)
    elif not is_open_demo(connection, bank):
        raise SignInRequiredError


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
