"""The HTTP floor: a route that takes a small JSON object, checks it, and gives it back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Litestar, post
from msgspec import Meta


class Echo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """About what a transfer is: two names, an amount, a word."""

    debit: Annotated[str, Meta(min_length=1, max_length=200)]
    credit: Annotated[str, Meta(min_length=1, max_length=200)]
    amount: Annotated[int, Meta(ge=1, le=10**15)]
    kind: Annotated[str, Meta(max_length=32)] = ""


@post("/echo")
async def echo(data: Echo) -> Echo:
    return data


app = Litestar([echo], openapi_config=None, logging_config=None)
