"""The cookies of volunteers: one for the session, one for the browser that asked for a code. No script reads them."""

from __future__ import annotations

from litestar.datastructures import Cookie

from pointsbank.web.bank import Bank
from pointsbank.web.guard import visit_cookie
from pointsbank.web.validation import BankRequest

ASKING_COOKIE = "pointsbank_code"
OIDC_COOKIE = "pointsbank_oidc"
OIDC_SECONDS = 600


def visit_cookie_of(bank: Bank, value: str, seconds: int) -> Cookie:
    """The cookie of a session; no value and no seconds take it away."""
    return _cookie(bank, visit_cookie(bank), value, seconds)


def asking_cookie_of(bank: Bank, value: str, seconds: int) -> Cookie:
    """The cookie that binds a code to the browser that asked for it."""
    return _cookie(bank, _asking_name(bank), value, seconds)


def asking_token(bank: Bank, request: BankRequest) -> str:
    """What shows that this browser asked for the code, empty if another did."""
    return request.cookies.get(_asking_name(bank), "")


def oidc_cookie_of(bank: Bank, value: str) -> Cookie:
    """The cookie of a browser that goes to the city's log-in and comes back."""
    return _cookie(bank, _oidc_name(bank), value, OIDC_SECONDS)


def oidc_token(bank: Bank, request: BankRequest) -> str:
    """What shows that this browser began, empty if another did."""
    return request.cookies.get(_oidc_name(bank), "")


def _oidc_name(bank: Bank) -> str:
    return f"__Host-{OIDC_COOKIE}" if bank.settings.secure_cookies else OIDC_COOKIE


def _asking_name(bank: Bank) -> str:
    return f"__Host-{ASKING_COOKIE}" if bank.settings.secure_cookies else ASKING_COOKIE


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
