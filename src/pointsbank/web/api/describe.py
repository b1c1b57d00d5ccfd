"""What every operation's description has in common: headers, cursors, and the problems that it may answer
with."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from pointsbank.ledger.refusals import PRECEDENCE
from pointsbank.web.problems import MEDIA_TYPE, PROBLEMS, Problem

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]([ -~]*[!-~])?$",
        description="1 to 255 printable ASCII characters: one for each case, the same when it is repeated",
    ),
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="the ETag of an answer that you have")
]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="most items of one page")]
AccountPath = Annotated[
    str,
    PathParameter(
        min_length=1, max_length=200, description="path of an account, such as volunteer:…:available"
    ),
]
Sequence = Annotated[int, PathParameter(ge=1, le=2**53, description="sequence number of a journal entry")]
AsOfSequence = Annotated[int | None, QueryParameter(ge=0, le=2**53, description="as of this sequence number")]
AsOfTime = Annotated[
    str | None, QueryParameter(max_length=40, description="as of this recorded time, RFC 3339 with its zone")
]

READING: Final = ("invalid-request", "unauthenticated", "forbidden", "internal-error", "unavailable")
WRITING: Final = (
    *READING,
    "bad-request",
    "malformed-json",
    "idempotency-key-required",
    "payload-too-large",
    "unsupported-media-type",
    "overloaded",
    "outcome-unknown",
    "stopped",
)
REFUSALS: Final = tuple(str(refusal.__struct_config__.tag) for refusal in PRECEDENCE)


def problems(*slugs: str) -> dict[int, ResponseSpec]:
    """The problem answers of an operation, by status; each description lists the types."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for slug in dict.fromkeys(slugs):
        by_status[PROBLEMS[slug].status].append(slug)
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description="; ".join(found), media_type=MEDIA_TYPE
        )
        for status, found in sorted(by_status.items())
    }


def not_modified() -> dict[int, ResponseSpec]:
    """The answer to If-None-Match when nothing has changed."""
    return {304: ResponseSpec(None, generate_examples=False, description="nothing has changed since")}


def nothing_follows() -> dict[int, ResponseSpec]:
    """The answer of a command after which there is nothing to tell: no body, and so no media type."""
    return {204: ResponseSpec(None, generate_examples=False, description="done, nothing follows")}


def any_object() -> dict[int, ResponseSpec]:
    """An answer that was made as JSON elsewhere: an object."""
    return {200: ResponseSpec(dict[str, Any], generate_examples=False, description="the data, as an object")}


def operation(summary: str, zh: str) -> dict[str, Any]:
    """Summary in Chinese, description in English."""
    return {"summary": zh, "description": summary}
