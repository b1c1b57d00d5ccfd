"""The public page of a record sheet: whether the paper is valid, and whether a name is the printed one.

The token stands in the query, which no log of ours keeps. What is unknown and what has expired look alike.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody

from pointsbank.record_sheets.model import PublicSheet
from pointsbank.record_sheets.refusals import TooManyLooks, UnknownSheet
from pointsbank.web.api.record_sheets import NO_INDEX, address_of
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC
from pointsbank.web.pages.render import draw
from pointsbank.web.validation import BankRequest

Token = Annotated[str, QueryParameter(max_length=64)]


class NameForm(msgspec.Struct, frozen=True):
    """The name as somebody reads it on the paper."""

    name: Annotated[str, msgspec.Meta(max_length=100)] = ""


@get("/record-sheet", opt=PUBLIC, include_in_schema=False)
async def show_sheet(bank: NamedDependency[Bank], request: BankRequest, token: Token = "") -> Response[bytes]:
    """What the paper's QR code leads to."""
    return _page(request, await bank.sheets.look(token, address_of(request)), token)


@post("/record-sheet", opt=PUBLIC, status_code=200, include_in_schema=False)
async def check_printed_name(
    bank: NamedDependency[Bank], request: BankRequest, data: URLEncodedBody[NameForm], token: Token = ""
) -> Response[bytes]:
    """The same page, with the answer whether the name is the printed one."""
    shown = await bank.sheets.look(token, address_of(request))
    if not isinstance(shown, PublicSheet):
        return _page(request, shown, token)
    told = await bank.sheets.check_name(token, data.name, address_of(request))
    if isinstance(told, UnknownSheet):
        return _page(request, told, token)
    if isinstance(told, TooManyLooks):
        return _page(request, shown, token, 429, wait=told.seconds // 60 + 1)
    return _page(request, shown, token, told=told)


def _page(
    request: BankRequest,
    shown: PublicSheet | UnknownSheet | TooManyLooks,
    token: str,
    status: int = 200,
    **facts: Any,
) -> Response[bytes]:
    if isinstance(shown, TooManyLooks):
        status, facts = 429, {"wait": shown.seconds // 60 + 1}
    elif isinstance(shown, UnknownSheet):
        status = 404
    sheet = shown if isinstance(shown, PublicSheet) else None
    answer = draw(
        request, "record_sheet.html", status, **{"wait": 0, "told": "", **facts}, sheet=sheet, token=token
    )
    answer.headers.update(NO_INDEX)
    return answer
