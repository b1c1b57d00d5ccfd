"""The front door: every request passes here first and last.

It gives the request its id, adds the headers that every answer carries, counts the answer and writes one
line of log: method, route, status, milliseconds, request id, key id. Never bodies, cookies, query strings
or tokens.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from os import urandom
from time import perf_counter
from typing import Any, cast

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pointsbank.web.metrics import Metrics

Lane = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[Receive | None]]

log = structlog.get_logger("pointsbank.access")

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{8,64}").fullmatch

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

HSTS = (b"strict-transport-security", b"max-age=31536000")


class FrontDoor:
    """ASGI application around the whole service. `lane` may answer the two hottest routes before the
    framework."""

    def __init__(
        self,
        inner: ASGIApp,
        metrics: Metrics,
        lane: Lane | None = None,
        *,
        logs: bool = True,
        https: bool = False,
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._lane = lane
        self._logs = logs
        self._log: Any = None
        self._headers = (*SECURITY_HEADERS, HSTS) if https else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if cast("str", scope["type"]) != "http":
            await self._inner(scope, receive, send)
            return
        started = perf_counter()
        request_id = request_id_of(scope["headers"])
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        extra = (*self._headers, (b"x-request-id", request_id.encode()))
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            rest = receive if self._lane is None else await self._lane(scope, receive, send_with_headers)  # type: ignore[arg-type]
            if rest is not None:
                await self._inner(scope, rest, send_with_headers)
        finally:
            self._note(scope, state, status, perf_counter() - started)

    def _note(self, scope: Any, state: dict[str, Any], status: int, seconds: float) -> None:
        route = scope.get("path_template") or "-"
        self._metrics.answered(scope["method"], route, status, seconds)
        if self._logs:
            actor = state.get("actor")
            if (
                self._log is None
            ):  # bound once, after logging was configured: the proxy costs as much as the line
                self._log = log.bind()
            self._log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 2),
                request_id=state["request_id"],
                key=actor.id if actor is not None else "",
            )


def request_id_of(headers: Any) -> str:
    """The caller's X-Request-Id if it is well formed, else a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode() if _WELL_FORMED(value) else urandom(8).hex()
    return urandom(8).hex()
