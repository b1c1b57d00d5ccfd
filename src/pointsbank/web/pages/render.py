"""Draws pages: the language of the reader, the words, amounts and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from pointsbank.access.model import Actor
from pointsbank.access.sessions import form_token
from pointsbank.web.guard import SESSION_COOKIE
from pointsbank.web.pages.assets import ASSET_URLS
from pointsbank.web.pages.words import ACCOUNT_KINDS, ENTRY_KINDS, WORDS
from pointsbank.web.problems import DECIMALS, Problem, amount_text

Language = Literal["zh", "en"]

LANGUAGE_COOKIE: Final = "pointsbank_lang"
HTML: Final = "text/html"

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Words:
    """What the screens say, in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = 1 if language == "en" else 0

    def __call__(self, name: str, **facts: object) -> str:
        return WORDS[name][self._column].format(**facts)

    def account_kind(self, kind: str) -> str:
        return ACCOUNT_KINDS.get(kind, (kind, kind))[self._column]

    def entry_kind(self, kind: str) -> str:
        return ENTRY_KINDS.get(kind, (kind, kind))[self._column]

    def amount(self, minor: int, commodity: str) -> str:
        """An amount with thousands separated, in whole units of its commodity."""
        text = amount_text(minor, DECIMALS.get(commodity, 0))
        whole, point, rest = text.partition(".")
        return f"{int(whole):,}{point}{rest}" if whole != "-0" else text

    def hours(self, minutes: int) -> str:
        """Minutes as hours, to a tenth."""
        tenths = minutes // 6
        return f"{tenths // 10:,}.{tenths % 10}"

    def unit(self, commodity: str) -> str:
        if commodity.startswith("SKU:"):
            return self("pieces")
        return {"POINT": self("points"), "MINUTE": self("minutes"), "CNY": self("yuan")}.get(commodity, "")


def city_time(micros: int, zone: str, *, seconds: bool = False) -> str:
    """Microseconds UTC as the city's clock shows it."""
    local = (_EPOCH + timedelta(microseconds=micros)).astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"


def language_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Language:
    """Chinese, unless the reader has asked for English here or before."""
    asked = connection.query_params.get("lang") or connection.cookies.get(LANGUAGE_COOKIE)
    return "en" if asked == "en" else "zh"


def draw(
    request: Request[Any, Any, Any],
    template: str,
    status: int = 200,
    *,
    keeps: bool = False,
    cookies: list[Cookie] | None = None,
    again: dict[str, str] | None = None,
    **facts: Any,
) -> Response[bytes]:
    """A page as an answer. With `keeps` a browser may keep it and ask whether it has changed.

    `again` are the fields of the form whose answer the page is: a change of the language sends them again, in a body.
    """
    asked = request.query_params.get("lang")
    cookies = list(cookies or [])
    if asked in ("zh", "en"):
        cookies.append(
            Cookie(
                LANGUAGE_COOKIE, value=asked, max_age=365 * 86_400, httponly=True, samesite="lax", path="/"
            )
        )
    content = _draw(request, template, {"again": again, **facts})
    headers = {"Cache-Control": "private, no-cache" if keeps else "no-store", "Vary": "Cookie"}
    return Response(content, status_code=status, headers=headers, media_type=HTML, cookies=cookies)


def problem_page(request: Request[Any, Any, Any], problem: Problem) -> bytes:
    """A problem as a page."""
    return _draw(request, "problem.html", {"problem": problem})


def _draw(request: Request[Any, Any, Any], template: str, facts: dict[str, Any]) -> bytes:
    words = Words(language_of(request))
    bank = request.app.state.bank
    actor: Actor | None = request.scope["state"].get("actor")
    token = request.cookies.get(SESSION_COOKIE)
    frame = {
        "t": words,
        "lang": "en" if words.language == "en" else "zh-CN",
        "asset": ASSET_URLS,
        "switch": _switch(request, words.language),
        "is_demo": bool(bank is not None and bank.settings.demo),
        "profile": bank.profile if bank is not None else "",
        "actor": actor,
        "form_token": form_token(token) if token else "",
        "again": None,
    }
    return _environment.get_template(template).render({**frame, **facts}).encode()


def _switch(request: Request[Any, Any, Any], language: Language) -> str:
    """The address of this page in the other language."""
    asked = [
        (name, value)
        for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"))
        if name != "lang"
    ]
    asked.append(("lang", "zh" if language == "en" else "en"))
    return "?" + urlencode(asked)
