"""Answers: JSON with an ETag, and refusals of readers as problems."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec
from litestar import Response

from pointsbank.ledger.refusals import Refusal, UnknownAccount
from pointsbank.readers.refusals import QuestionRefused
from pointsbank.web.api.shapes import micros
from pointsbank.web.problems import FieldError, ProblemError, refused

T = TypeVar("T")

REVALIDATE = {"Cache-Control": "private, no-cache"}
NO_STORE = {"Cache-Control": "no-store"}
REPLAYED = "Idempotency-Replayed"


def found(answer: T | Refusal | QuestionRefused) -> T:
    """The answer of a reader. Raises ProblemError if the question had none."""
    if isinstance(answer, UnknownAccount):
        raise ProblemError("no-such-account", account=answer.account)
    if isinstance(answer, Refusal):
        raise refused(answer)
    if isinstance(answer, QuestionRefused):
        raise ProblemError(answer.code, **msgspec.structs.asdict(answer))
    return answer


def answered(content: T, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[T]:
    """An answer that nobody keeps."""
    return Response(
        content, status_code=status, headers={**NO_STORE, **(headers or {})}, media_type="application/json"
    )


def tagged(content: T, tag: str, if_none_match: str | None) -> Response[T]:
    """An answer with an ETag; 304 without a body if the caller has it already."""
    etag = f'"{tag}"'
    headers = {**REVALIDATE, "ETag": etag}
    if if_none_match is not None and etag in (
        part.strip().removeprefix("W/") for part in if_none_match.split(",")
    ):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return Response(content, headers=headers, media_type="application/json")


def replayed(is_replayed: bool) -> dict[str, str]:
    """The header that tells a repetition from the first time."""
    return {REPLAYED: "true"} if is_replayed else {}


def time_asked(text: str | None, name: str) -> int | None:
    """A query's time as microseconds UTC. Raises ProblemError if it is none."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))
        if time.tzinfo is None:
            raise ValueError("the zone is missing")
        return micros(time)
    except (ValueError, OverflowError) as error:
        fault = FieldError("query", name, f"Expected a time as RFC 3339 with its zone: {error}")
        raise ProblemError("invalid-request", errors=[fault], count=1) from error
