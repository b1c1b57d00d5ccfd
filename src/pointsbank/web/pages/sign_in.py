"""Sign in with an API key, sign out. The cookie holds an opaque token that no script can read."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect

from pointsbank.access.sessions import LIFETIME_SECONDS, form_token
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, SESSION_COOKIE
from pointsbank.web.pages.render import draw
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

VISIT_COOKIE = "pointsbank_visit"
"""Marks the browser that was given the sign-in form, so that nobody else's page can send it."""


class SignIn(msgspec.Struct, frozen=True):
    """The form."""

    form: Annotated[str, msgspec.Meta(max_length=64)] = ""
    key: Annotated[str, msgspec.Meta(max_length=200)] = ""
    next: Annotated[str, msgspec.Meta(max_length=300)] = "/"


class SignOut(msgspec.Struct, frozen=True):
    """The button."""

    form: Annotated[str, msgspec.Meta(max_length=64)] = ""


@get("/sign-in", opt=PUBLIC, include_in_schema=False)
async def show_form(
    bank: NamedDependency[Bank],
    request: BankRequest,
    next: Annotated[str, QueryParameter(max_length=300)] = "/",  # noqa: A002
) -> Response[bytes]:
    """The form; the address to go on to comes with it."""
    return _form(bank, request, next)


@post("/sign-in", opt=PUBLIC, include_in_schema=False)
async def sign_in(
    bank: NamedDependency[Bank], request: BankRequest, data: URLEncodedBody[SignIn]
) -> Response[bytes] | Redirect:
    """A good key opens a session of its own; an earlier one of this browser ends."""
    _from_our_page(request, request.cookies.get(VISIT_COOKIE, ""), data.form)
    key = await bank.ring.recognise(data.key.strip())
    if key is None:
        return _form(bank, request, data.next, is_wrong=True)
    before = request.cookies.get(SESSION_COOKIE)
    if before:
        await bank.sessions.end(before)
    token = await bank.sessions.open(key)
    cookie = _cookie(bank, SESSION_COOKIE, token, LIFETIME_SECONDS)
    return Redirect(_inside(data.next), status_code=303, cookies=[cookie])


@post("/sign-out", opt=PUBLIC, include_in_schema=False)
async def sign_out(
    bank: NamedDependency[Bank], request: BankRequest, data: URLEncodedBody[SignOut]
) -> Redirect:
    """End the session."""
    token = request.cookies.get(SESSION_COOKIE, "")
    _from_our_page(request, token, data.form)
    await bank.sessions.end(token)
    return Redirect("/", status_code=303, cookies=[_cookie(bank, SESSION_COOKIE, "", 0)])


def _form(bank: Bank, request: BankRequest, onward: str, *, is_wrong: bool = False) -> Response[bytes]:
    visit = request.cookies.get(VISIT_COOKIE) or secrets.token_urlsafe(16)
    cookie = _cookie(bank, VISIT_COOKIE, visit, 3600)
    return draw(
        request,
        "sign_in.html",
        401 if is_wrong else 200,
        cookies=[cookie],
        onward=_inside(onward),
        visit_token=form_token(visit),
        is_wrong=is_wrong,
    )


def _from_our_page(request: BankRequest, secret: str, form: str) -> None:
    """Raise unless the form carries what only our page could give it, and the browser does not say
    otherwise."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_ours = form.isascii() and hmac.compare_digest(form_token(secret), form)
    if not secret or site not in ("same-origin", "none") or not is_ours:
        raise ProblemError("form-expired")


def _inside(onward: str) -> str:
    """An address of this service, whatever was asked: nobody is sent elsewhere after signing in."""
    is_ours = (
        onward.startswith("/")
        and not onward.startswith(("//", "/\\"))
        and onward.isascii()
        and onward.isprintable()
    )
    return onward if is_ours and "\\" not in onward else "/"


def _cookie(bank: Bank, name: str, value: str, seconds: int) -> Cookie:
    return Cookie(
        name,
        value=value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=bank.settings.secure_cookies,
    )
