"""Single statements straight to PostgreSQL's driver: for what every log-in and every request of staff asks.

SQLAlchemy takes a third of a millisecond of this process for a statement that the driver puts in a tenth, and as long
nobody else is answered. What is said here is said in one statement, and is its own transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import asyncpg
from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.util import await_only, greenlet_spawn

from pointsbank.store.port import StoreError
from pointsbank.store.postgres import LOST

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = 10
"""Connections at most; they are made when they are needed, and stay."""

PATIENCE: Final = 30.0
"""Seconds after which a statement counts as lost: a lock or a network that hangs must not keep all connections."""

_CONNECTING: Final = 5.0
_CLOSING: Final = 2.0

_UNAVAILABLE: Final = (*LOST, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
"""The same, and a server that starts, stops, or has no connection left: nothing was carried out."""

_SAID_NO: Final = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""What the server, or the driver before it asks, has against a statement."""

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]


class Direct:
    """Connections of the driver on which functions run that put one statement of plain values."""

    def __init__(self, url: str, settings: Mapping[str, str], *, patience: float = PATIENCE) -> None:
        self._pool = asyncpg.create_pool(
            url,
            timeout=_CONNECTING,
            command_timeout=patience,
            min_size=0,
            max_size=MOST,
            max_inactive_connection_lifetime=0,  # to make one takes 20 ms
            server_settings=dict(settings),
            reset=_as_it_is,
        )
        self._first = asyncio.Lock()
        self._is_open = False

    async def run(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function that says `connection.execute(statement, values)` once.

        Raises ConnectionError if the database is lost, and then it may have been carried out or not; StoreError for a bug.
        """
        try:
            if not self._is_open:
                async with self._first:
                    await self._pool
                    self._is_open = True
            async with self._pool.acquire() as connection:
                one = cast("Connection", _One(connection))
                try:
                    return await greenlet_spawn(lambda: work(one, *args, **kwargs))
                except _SAID_NO as error:
                    if connection.is_closed() or _is_loss(error):
                        raise
                    # after the colon, and in the details, stand values
                    raise StoreError(f"{type(error).__name__}: {str(error).partition(':')[0]}") from None
        except _UNAVAILABLE as error:
            raise ConnectionError(type(error).__name__) from error

    async def close(self) -> None:
        """Close what is open; what does not answer is cut off."""
        if self._is_open:
            with suppress(*LOST):
                await asyncio.wait_for(self._pool.close(), _CLOSING)


def _is_loss(error: Exception) -> bool:
    """On an open connection: a wrong call, as with too few values, is none."""
    return isinstance(error, _UNAVAILABLE) and not isinstance(error, asyncpg.InterfaceError)


async def _as_it_is(connection: Any) -> None:
    """A connection is given back as it was: no statement here changes a setting."""


class _One:
    """As much of a connection of SQLAlchemy as such a function needs."""

    dialect = _DIALECT

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._has_asked = False

    def execute(self, statement: Executable, values: Mapping[str, object]) -> _Rows:
        if self._has_asked:
            raise RuntimeError("a second statement would be a transaction of its own")
        self._has_asked = True
        text, wanted = _as_sent(statement)
        sent = [made(values[name]) if made else values[name] for name, made in wanted]
        return _Rows(await_only(self._connection.fetch(text, *sent)))


class _Rows:
    """The answer, as a result of SQLAlchemy would give it."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def all(self) -> list[Any]:
        return self._rows

    def one_or_none(self) -> Any:
        assert len(self._rows) < 2, "a key leads to one row"
        return self._rows[0] if self._rows else None

    def scalar_one(self) -> Any:
        [row] = self._rows
        return row[0]


@lru_cache(maxsize=256)
def _as_sent(statement: Executable) -> tuple[str, tuple[tuple[str, _Made], ...]]:
    """A statement as PostgreSQL takes it, the names of its values in their order, and what is made of each."""
    compiled = cast("Any", statement).compile(dialect=_DIALECT)
    return str(compiled), tuple([(name, _made(compiled.binds[name])) for name in compiled.positiontup or ()])


_Made = Callable[[object], object] | None


def _made(bound: Any) -> _Made:
    return cast("_Made", bound.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
