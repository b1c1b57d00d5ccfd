"""Where the hot read gets its integers: an autocommit connection of the engine's own driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

import asyncpg
import msgspec

from pointsbank.store.database import Database
from pointsbank.store.sqlite import connect
from pointsbank.store.sqlite_driver import sqlite3

T = TypeVar("T")

AccountRow = tuple[int, str, str, str, int | None]
"""number, path, kind, type, floor"""
LotRow = tuple[int, str, str, str]
"""number, commodity, code, expires_on"""
Held = tuple[int, list[tuple[int, int, int]]]
"""the head's sequence, and (account, lot, balance) of every balance row asked for"""
Named = tuple[int, list[AccountRow], list[tuple[int, int, int]]]
"""the same with the accounts that there are, of a moment at which both were read"""


class Source(Protocol):
    """What the engines do differently. Any failure is raised as ConnectionError."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def named(self, paths: Sequence[str]) -> Named: ...

    async def held(self, numbers: Sequence[int]) -> Held: ...

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]: ...


def source_of(database: Database, ledger_id: int) -> Source:
    """The source of a ledger's balances, not open yet."""
    if database.dialect == "sqlite":
        return SqliteSource(database, ledger_id)
    return PostgresSource(database, ledger_id)


_LOTS: Final = "SELECT lot, commodity, code, expires_on FROM lots WHERE ledger_id = $1 AND lot = ANY($2)"
_HELD: Final = """SELECT h.sequence, b.account, b.lot, b.balance FROM heads h
    LEFT JOIN balances b ON b.ledger_id = $1 AND b.account = ANY($2) WHERE h.ledger_id = $1"""
_NAMED: Final = """SELECT h.sequence, a.account, a.path, a.kind, a.type, a.floor, b.lot, b.balance FROM heads h
    LEFT JOIN accounts a ON a.ledger_id = $1 AND a.path = ANY($2)
    LEFT JOIN balances b ON b.ledger_id = $1 AND b.account = a.account WHERE h.ledger_id = $1"""


class PostgresSource:
    """An autocommit connection: each statement is a snapshot of its own."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._dsn = database.url
        self._ledger_id = ledger_id
        self._connection: Any = None

    async def open(self) -> None:
        try:
            # A plan made while the tables are empty would scan them, and is kept.
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=5,
                command_timeout=5,
                server_settings={
                    "application_name": "pointsbank balances",
                    "default_transaction_read_only": "on",
                    "enable_seqscan": "off",
                    "plan_cache_mode": "force_generic_plan",
                    "jit": "off",
                },
            )
            self._held = await self._connection.prepare(_HELD)
            self._named = await self._connection.prepare(_NAMED)
            self._lots = await self._connection.prepare(_LOTS)
        except _LOST as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*_LOST):
                await self._connection.close(timeout=2)
            self._connection = None

    async def named(self, paths: Sequence[str]) -> Named:
        rows = await self._rows(self._named, paths)
        accounts = {row[1]: row[1:6] for row in rows if row[1] is not None}
        held = [(row[1], row[6], row[7]) for row in rows if row[6] is not None]
        return rows[0][0] if rows else 0, list(accounts.values()), held

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]:
        return await self._rows(self._lots, numbers)

    async def held(self, numbers: Sequence[int]) -> Held:
        rows = await self._rows(self._held, numbers)
        sequence = rows[0][0] if rows else 0
        return sequence, [(account, lot, balance) for _, account, lot, balance in rows if account is not None]

    async def _rows(self, prepared: Any, wanted: Sequence[int | str]) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in await prepared.fetch(self._ledger_id, wanted)]
        except _LOST as error:
            raise ConnectionError(str(error) or type(error).__name__) from error


# InternalClientError: the driver is told of the loss in the middle of a state change.
_LOST = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# One row a statement: each row more would hand the interpreter's lock over and back once more.
_JSON_LOTS: Final = """SELECT json_group_array(json_array(l.lot, l.commodity, l.code, l.expires_on))
    FROM json_each(?2) w CROSS JOIN lots l ON l.ledger_id = ?1 AND l.lot = w.value"""
_JSON_HELD: Final = """SELECT json_array(
    (SELECT sequence FROM heads WHERE ledger_id = ?1),
    (SELECT json_group_array(json_array(b.account, b.lot, b.balance))
     FROM json_each(?2) w CROSS JOIN balances b ON b.ledger_id = ?1 AND b.account = w.value))"""
_JSON_NAMED: Final = """SELECT json_array(
    (SELECT sequence FROM heads WHERE ledger_id = ?1),
    (SELECT json_group_array(json_array(a.account, a.path, a.kind, a.type, a.floor))
     FROM json_each(?2) w CROSS JOIN accounts a ON a.ledger_id = ?1 AND a.path = w.value),
    (SELECT json_group_array(json_array(b.account, b.lot, b.balance))
     FROM json_each(?2) w CROSS JOIN accounts a ON a.ledger_id = ?1 AND a.path = w.value
     CROSS JOIN balances b ON b.ledger_id = ?1 AND b.account = a.account))"""

_decode_lots = msgspec.json.Decoder(list[LotRow]).decode
_decode_held = msgspec.json.Decoder(tuple[int | None, list[tuple[int, int, int]]]).decode
_decode_named = msgspec.json.Decoder(tuple[int | None, list[AccountRow], list[tuple[int, int, int]]]).decode


class SqliteSource:
    """A read-only connection in a thread of its own, so that a cold page never holds up the event loop."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._path = database.path
        self._ledger_id = ledger_id
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Any = None

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="balances")
        try:
            self._connection = await self._run(lambda: connect(self._path, read_only=True))
        except ConnectionError:
            await self.close()
            raise

    async def close(self) -> None:
        if self._connection is not None:
            await self._run(self._connection.close)
            self._connection = None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def named(self, paths: Sequence[str]) -> Named:
        sequence, accounts, rows = _decode_named(await self._json(_JSON_NAMED, paths))
        return sequence or 0, accounts, rows

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]:
        return _decode_lots(await self._json(_JSON_LOTS, numbers))

    async def held(self, numbers: Sequence[int]) -> Held:
        sequence, rows = _decode_held(await self._json(_JSON_HELD, numbers))
        return sequence or 0, rows

    async def _json(self, statement: str, wanted: Sequence[int | str]) -> str:
        arguments = (self._ledger_id, msgspec.json.encode(wanted).decode())
        return str(await self._run(lambda: self._connection.execute(statement, arguments).fetchone()[0]))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise ConnectionError("the connection is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise ConnectionError(str(error)) from error
