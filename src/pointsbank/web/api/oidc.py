"""The city's own log-in (OpenID Connect): in place of the password, after a link that was made while logged in.

The page to which the issuer sends the browser back posts `state` and `code` here; staff add the code of their app.
"""

from __future__ import annotations

import msgspec
from litestar import Response, Router, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pointsbank.access.oidc import Oidc, Purpose
from pointsbank.web.api.answers import NO_STORE, answered
from pointsbank.web.api.describe import READING, nothing_follows, operation, problems
from pointsbank.web.api.people_answers import done
from pointsbank.web.api.sessions import DOOR, OpenedOut, address_of, door_of, opened_session
from pointsbank.web.api.visit_cookies import oidc_cookie_of, oidc_token
from pointsbank.web.api.visits import Secret
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, actor_in, person, require_own_page, staff_token
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest


class BeginIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser goes to the issuer for."""

    purpose: Purpose


class BegunOut(msgspec.Struct, frozen=True):
    """Where the browser goes."""

    url: str


class BackIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the issuer gave the browser."""

    state: Secret
    code: Secret


class LinkedLogInIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the issuer gave the browser, and the six digits of the authenticator app."""

    state: Secret
    code: Secret
    app_code: Secret


class LinkedOut(msgspec.Struct, frozen=True):
    """Whose account is linked."""

    person: str


@post(
    "/requests",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "oidc-refused"),
    **operation("Begin at the city's log-in: where the browser goes.", "前往城市统一登录"),
)
async def begin(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[BeginIn]
) -> Response[BegunOut]:
    require_own_page(request)
    begun = done(await _oidc(bank).begin(data.purpose))
    return Response(
        BegunOut(begun.url),
        status_code=201,
        headers=NO_STORE,
        cookies=[oidc_cookie_of(bank, begun.browser)],
        media_type="application/json",
    )


@post(
    "/sessions",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "oidc-refused", "log-in-refused"),
    **operation("Log in as staff by the city's log-in and the code of one's app.", "经城市统一登录"),
)
async def log_in(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[LinkedLogInIn]
) -> Response[OpenedOut]:
    require_own_page(request)
    oidc = _oidc(bank)
    name = done(await oidc.finish("log-in", oidc_token(bank, request), data.state, data.code))
    linked = await oidc.person_of(name)
    if linked is None:
        raise ProblemError("oidc-refused")
    before = staff_token(bank, request)
    opened = await door_of(bank).open_linked(linked, data.app_code, address_of(request), before)
    return opened_session(bank, opened)


@post(
    "/link",
    opt=person("oidc:own"),
    responses=problems(*READING, *DOOR, "step-up-required", "oidc-refused", "oidc-linked"),
    **operation("Link one's own account to the city's log-in; it gives no role.", "关联城市统一登录"),
)
async def link(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[BackIn]
) -> Response[LinkedOut]:
    oidc, actor = _oidc(bank), actor_in(request)
    name = done(await oidc.finish("link", oidc_token(bank, request), data.state, data.code))
    refusal = await oidc.link(actor.person, name)
    if refusal is not None:
        raise refused(refusal)
    return answered(LinkedOut(actor.person), 201)


@delete(
    "/link",
    opt=person("oidc:own"),
    status_code=204,
    responses={
        **nothing_follows(),
        **problems(*READING, "form-expired", "step-up-required", "log-in-closed", "oidc-refused"),
    },
    **operation("End the link of one's own account.", "解除关联"),
)
async def unlink(bank: NamedDependency[Bank], request: BankRequest) -> Response[None]:
    await _oidc(bank).unlink(actor_in(request).person)
    return Response(None, status_code=204, headers=NO_STORE)


def _oidc(bank: Bank) -> Oidc:
    """The city's log-in. Raises ProblemError if none is set."""
    if bank.oidc is None:
        raise ProblemError("oidc-refused")
    return bank.oidc


router = Router("/oidc", route_handlers=[begin, log_in, link, unlink], tags=["staff 人员"])
