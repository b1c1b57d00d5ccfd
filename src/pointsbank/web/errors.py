"""What ends a request early, as an answer: a problem document for programs, a page for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect
from sqlalchemy.exc import InterfaceError, OperationalError

from pointsbank.engine.failures import WriterError
from pointsbank.readers.hot import BalancesUnavailableError
from pointsbank.store.port import OutcomeUnknown
from pointsbank.web.guard import SignInRequiredError
from pointsbank.web.problems import MEDIA_TYPE, PROBLEMS, FieldError, Problem, ProblemError, problem_of

log = structlog.get_logger("pointsbank.errors")

AnyRequest = Request[Any, Any, Any]

RETRY_AFTER = {
    "overloaded": "1",
    "stopped": "5",
    "unavailable": "2",
    "outcome-unknown": "2",
    "too-many-requests": "5",
}

_BY_STATUS = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    500: "internal-error",
    503: "stopped",
}

_DATABASE_LOST = (OutcomeUnknown, BalancesUnavailableError, OperationalError, InterfaceError, OSError)
"""What a database that does not answer looks like from here."""

_PROGRAMS = ("/api/v1", "/api/openapi.json", "/health", "/metrics")


def error_handlers(page_of: Callable[[AnyRequest, Problem], bytes]) -> Mapping[Any, Any]:
    """Handlers for every exception. `page_of` draws a problem as a page."""

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        route = request.scope.get("path_template", "")
        if isinstance(error, HTTPException):
            error = _from_framework(request, error)
        if not wants_page(request):
            status, content, headers = problem_answer(error, request_id(request), route)
            media_type = headers.pop("Content-Type")
            return Response(content, status_code=status, headers=headers, media_type=media_type)
        ended = problem_for(error, request_id(request), route)
        content = page_of(request, problem_of(ended, request_id(request)))
        return Response(
            content, status_code=ended.type.status, headers=_headers(ended), media_type="text/html"
        )

    def sign_in(request: AnyRequest, error: SignInRequiredError) -> Response[Any]:
        return Redirect(f"/sign-in?next={quote(request.scope['path'], safe='/')}", status_code=303)

    return {SignInRequiredError: sign_in, HTTPException: answer, Exception: answer, 500: answer}


def problem_for(error: Exception, request_id: str, route: str) -> ProblemError:
    """What a caller is told of an exception. What is our fault is logged, and nothing of it is told."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, WriterError) and error.code in PROBLEMS:
        return ProblemError(error.code)
    if isinstance(error, _DATABASE_LOST):
        log.error("request.database_lost", error=str(error), request_id=request_id, route=route)
        return ProblemError("unavailable")
    log.error("request.failed", exc_info=error, request_id=request_id, route=route)
    return ProblemError("internal-error")


def problem_answer(error: Exception, request_id: str, route: str) -> tuple[int, bytes, dict[str, str]]:
    """An exception as an answer for programs: status, problem document, headers."""
    ended = problem_for(error, request_id, route)
    content = msgspec.json.encode(problem_of(ended, request_id))
    return ended.type.status, content, {"Content-Type": MEDIA_TYPE, **_headers(ended)}


def _headers(error: ProblemError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", **error.headers}
    if error.type.slug in RETRY_AFTER:
        headers["Retry-After"] = RETRY_AFTER[error.type.slug]
    return headers


def request_id(request: AnyRequest) -> str:
    """The id that the front door gave the request."""
    return str(request.scope["state"].get("request_id", ""))


def wants_page(request: AnyRequest) -> bool:
    """Whether the answer is for a person: a page's address, and a browser that takes HTML."""
    path = request.scope["path"]
    if any(path == prefix or path.startswith(prefix + "/") for prefix in _PROGRAMS):
        return False
    return "text/html" in request.headers.get("accept", "")


def _from_framework(request: AnyRequest, error: HTTPException) -> ProblemError:
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    if isinstance(error, ValidationException):
        return _invalid(error)
    slug = _BY_STATUS.get(error.status_code)
    if slug == "method-not-allowed":
        return ProblemError(slug, headers=headers, method=request.scope["method"])
    if slug is None:
        slug = "bad-request" if error.status_code < 500 else "internal-error"
    if slug == "internal-error":
        log.error("request.failed", exc_info=error, request_id=request_id(request))
    return ProblemError(slug, headers=headers)


def _invalid(error: ValidationException) -> ProblemError:
    """The framework's faults of path, query and header; a missing Idempotency-Key is a problem of its own."""
    faults = [
        FieldError(
            str(getattr(e.get("source"), "value", e.get("source")) or "query"),
            str(e.get("key", "")),
            e["message"],
        )
        for e in (error.extra or [])
        if isinstance(e, dict)
    ]
    if any(fault.field in ("idempotency_key", "Idempotency-Key") for fault in faults) or (
        not faults and "Idempotency-Key" in error.detail
    ):
        return ProblemError("idempotency-key-required")
    faults = faults or [FieldError("query", "", error.detail)]
    return ProblemError("invalid-request", errors=faults, count=len(faults))
