"""A service of the test's own on each engine, a client in the same process, and a key of every scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar
from tests.people_of import settings_for

from pointsbank.access.model import NEVER, SCOPES
from pointsbank.access.service import IssuedKey
from pointsbank.app import make_routes, serving
from pointsbank.engine.clock import Clock
from pointsbank.engine.commands import Command
from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.web.bank import Bank

_ROUTES: list[Litestar] = []
"""of services that have ended"""

MEMO = {"debit": "memo:a", "credit": "memo:b", "commodity": "CNY", "amount": 100}


def entry(amount: int = 100, **more: Any) -> dict[str, Any]:
    """A memorandum entry: the one thing that the generic door may post."""
    return {"kind": "memo", "movements": [{**MEMO, "amount": amount}], "opens": ["memo:a", "memo:b"], **more}


class Service:
    """The service under test."""

    def __init__(self, app: Litestar, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.bank: Bank = app.state.bank
        self._keys = 0

    async def key(self, *scopes: str, holder: str = "tester") -> str:
        """The text of a new key with these scopes, or with all."""
        self._keys += 1
        issued = await self.bank.keys.issue(
            holder, "", scopes or SCOPES, NEVER, Command("test", f"key {self._keys}")
        )
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        return issued.token

    async def get(self, path: str, key: str = "", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=_headers(key, headers))

    async def post(
        self, path: str, body: Any, key: str = "", idempotency_key: str = "", **headers: str
    ) -> httpx.Response:
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return await self.client.post(path, json=body, headers=_headers(key, headers))


def _headers(key: str, more: dict[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"Authorization": f"Bearer {key}", **named} if key else named


@asynccontextmanager
async def running(
    url: str, *, clock: Clock | None = None, chart: Chart = SHIPPED, fast_lane: bool = True, **settings: Any
) -> AsyncIterator[Service]:
    """The service on a database. To make the routes takes longer than most tests: the next service has them too."""
    app = serving(
        _ROUTES.pop() if _ROUTES else make_routes(),
        settings_for(url, access_log=False, **settings),
        clock=clock,
        chart=chart,
        fast_lane=fast_lane,
    )
    async with _lifespan(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield Service(app, client)
    _ROUTES.append(app)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    """The app's lifespan in a task of its own: a fixture may be left in another task than it was entered
    in."""
    started, stopping = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stopping.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    try:
        yield
    finally:
        stopping.set()
        await task


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    """The service, once on each engine."""
    async with running(database_url) as service:
        yield service


@pytest.fixture
async def small_service(sqlite_url: str) -> AsyncIterator[Service]:
    """The service on SQLite, for what no engine changes."""
    async with running(sqlite_url) as service:
        yield service
