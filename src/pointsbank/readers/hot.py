"""The hot read: balances by the thousand a second. What is asked in one turn of the event loop is one query.

A query through SQLAlchemy costs some tenths of a millisecond of this process however small it is, so this one read
speaks to the driver, on a connection of its own. Accounts and lots never change once they are there, so their
numbers are remembered and a query carries integers only. One statement reads the head and the balances: one moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol

import asyncpg
import msgspec
import structlog

from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.balances import (
    AccountBalance,
    CommodityBalance,
    LotBalance,
    Wallet,
    commodity_balance,
    expiry,
    is_plain,
    wallet_of,
    wallet_paths,
)
from pointsbank.store.database import Database
from pointsbank.store.sqlite import connect
from pointsbank.store.sqlite_driver import sqlite3

log = structlog.get_logger()

MAX_REMEMBERED: Final = 500_000
"""Accounts remembered before the memory starts afresh: about 100 MB at most."""

AccountRow = tuple[int, str, str, str, int | None]
"""number, path, kind, type, floor"""
LotRow = tuple[int, str, str, str]
"""number, commodity, code, expires_on"""
Held = tuple[int, list[tuple[int, int, int]]]
"""the head's sequence, and (account, lot, balance) of every balance row asked for"""


class BalancesUnavailableError(Exception):
    """The database did not answer, not even on a new connection: the same question may be asked again."""

    code = "balances-unavailable"


class _Known(msgspec.Struct, frozen=True):
    number: int
    kind: str
    type: str
    floor: int | None


class _Source(Protocol):
    """What the engines do differently. Any failure is raised as ConnectionError."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def accounts(self, paths: Sequence[str]) -> list[AccountRow]: ...

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]: ...

    async def held(self, numbers: Sequence[int]) -> Held: ...


class HotBalances:
    """Balances now, gathered. Open it, `get` from any task of the event loop, close it."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        if database.dialect == "sqlite":
            self._source: _Source = _SqliteSource(database, ledger_id)
        else:
            self._source = _PostgresSource(database, ledger_id)
        self._waiting: dict[str, list[asyncio.Future[AccountBalance | UnknownAccount]]] = {}
        self._accounts: dict[str, _Known] = {}
        self._lots: dict[int, tuple[str, LotBalance]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_open = False

    async def open(self) -> None:
        """Connect. Raises BalancesUnavailableError if the database does not answer."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._source.open()
        except ConnectionError as error:
            raise BalancesUnavailableError(str(error)) from error
        self._is_open = True

    async def close(self) -> None:
        """Answer what was asked, then disconnect."""
        self._is_open = False
        if self._task is not None:
            await self._task
        await self._source.close()

    def get(self, path: str) -> asyncio.Future[AccountBalance | UnknownAccount]:
        """The balance of an account now; the future may raise BalancesUnavailableError."""
        if not self._is_open:
            raise BalancesUnavailableError("the balances are closed")
        future: asyncio.Future[AccountBalance | UnknownAccount] = self._loop.create_future()
        askers = self._waiting.get(path)
        if askers is not None:
            askers.append(future)
            return future
        self._waiting[path] = [future]
        if self._task is None:  # else the task that is under way takes it along in its next query
            self._task = self._loop.create_task(self._serve())
        return future

    async def wallet(self, holder_id: str) -> Wallet | UnknownAccount:
        """A volunteer's wallet now: its accounts in one query, so of one moment. May raise BalancesUnavailableError."""
        answers = await asyncio.gather(*(self.get(path) for path in wallet_paths(holder_id)))
        return wallet_of(holder_id, {a.account: a for a in answers if isinstance(a, AccountBalance)})

    async def _serve(self) -> None:
        """Query for all that waits until nothing does."""
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                answers = await self._answers(list(asked))
            except ConnectionError as error:
                log.warning("balances.unavailable", error=str(error))
                _fail(asked, BalancesUnavailableError(str(error)))
                continue
            except Exception as error:  # a bug must not leave callers waiting
                log.exception("balances.failed")
                _fail(asked, BalancesUnavailableError(type(error).__name__))
                continue
            for (_, askers), answer in zip(asked.items(), answers, strict=True):
                for future in askers:
                    if not future.done():
                        future.set_result(answer)
        self._task = None

    async def _answers(self, paths: list[str]) -> list[AccountBalance | UnknownAccount]:
        """Answers in the order of the paths, with one new connection if the old one is lost."""
        try:
            return await self._ask(paths)
        except ConnectionError as error:
            log.info("balances.reconnecting", error=str(error))
            await self._source.close()
            await self._source.open()
            return await self._ask(paths)

    async def _ask(self, paths: list[str]) -> list[AccountBalance | UnknownAccount]:
        known = self._accounts
        unknown = [path for path in paths if path not in known and is_plain(path)]
        if unknown:
            if len(known) > MAX_REMEMBERED:
                known.clear()
                unknown = [path for path in paths if is_plain(path)]
            for number, path, kind, its_type, floor in await self._source.accounts(unknown):
                known[path] = _Known(number, kind, its_type, floor)
        sequence, rows = await self._source.held([known[path].number for path in paths if path in known])
        lots = self._lots
        strange = {lot for _, lot, _ in rows if lot not in lots}
        if strange:
            for lot, commodity, code, expires_on in await self._source.lots(list(strange)):
                lots[lot] = commodity, LotBalance(code, expiry(expires_on), 0)
        held: dict[int, list[tuple[int, int, int]]] = {}
        for row in rows:
            held.setdefault(row[0], []).append(row)
        return [
            _answer(path, known[path], sequence, held.get(known[path].number, []), lots)
            if path in known
            else UnknownAccount(path)
            for path in paths
        ]


def _answer(
    path: str,
    account: _Known,
    sequence: int,
    rows: list[tuple[int, int, int]],
    lots: dict[int, tuple[str, LotBalance]],
) -> AccountBalance:
    if len(rows) == 1:  # most accounts hold one lot
        _, lot, amount = rows[0]
        commodity, pattern = lots[lot]
        parts = (LotBalance(pattern.lot, pattern.expires_on, amount),) if amount else ()
        held: tuple[CommodityBalance, ...] = (CommodityBalance(commodity, amount, parts),)
    else:
        by_commodity: dict[str, list[LotBalance]] = {}
        for _, lot, amount in rows:
            commodity, pattern = lots[lot]
            by_commodity.setdefault(commodity, []).append(LotBalance(pattern.lot, pattern.expires_on, amount))
        held = tuple(commodity_balance(name, by_commodity[name]) for name in sorted(by_commodity))
    return AccountBalance(path, account.kind, account.type, account.floor, sequence, held)


def _fail(asked: dict[str, list[asyncio.Future[AccountBalance | UnknownAccount]]], error: Exception) -> None:
    for askers in asked.values():
        for future in askers:
            if not future.done():
                future.set_exception(error)


_ACCOUNTS: Final = "SELECT account, path, kind, type, floor FROM accounts WHERE ledger_id = $1 AND path = ANY($2)"
_LOTS: Final = "SELECT lot, commodity, code, expires_on FROM lots WHERE ledger_id = $1 AND lot = ANY($2)"
_HELD: Final = """SELECT h.sequence, b.account, b.lot, b.balance FROM heads h
    LEFT JOIN balances b ON b.ledger_id = $1 AND b.account = ANY($2) WHERE h.ledger_id = $1"""


class _PostgresSource:
    """An autocommit connection: each statement is a snapshot of its own."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._dsn = database.url
        self._ledger_id = ledger_id
        self._connection: Any = None

    async def open(self) -> None:
        try:
            # A plan made while the tables are empty scans them and is kept; without that way it has to use the key.
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
        except _LOST as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*_LOST):
                await self._connection.close(timeout=2)
            self._connection = None

    async def accounts(self, paths: Sequence[str]) -> list[AccountRow]:
        return [tuple(row) for row in await self._fetch(_ACCOUNTS, list(paths))]

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]:
        return [tuple(row) for row in await self._fetch(_LOTS, list(numbers))]

    async def held(self, numbers: Sequence[int]) -> Held:
        try:
            rows = await self._held.fetch(self._ledger_id, numbers)
        except _LOST as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        sequence = rows[0][0] if rows else 0
        return sequence, [(account, lot, balance) for _, account, lot, balance in rows if account is not None]

    async def _fetch(self, statement: str, wanted: list[Any]) -> list[Any]:
        try:
            return list(await self._connection.fetch(statement, self._ledger_id, wanted))
        except _LOST as error:
            raise ConnectionError(str(error) or type(error).__name__) from error


_LOST = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncpg.PostgresError, asyncpg.InterfaceError)

# One row a statement: each row more would hand the interpreter's lock over and back once more.
_JSON_ACCOUNTS: Final = """SELECT json_group_array(json_array(a.account, a.path, a.kind, a.type, a.floor))
    FROM json_each(?2) w CROSS JOIN accounts a ON a.ledger_id = ?1 AND a.path = w.value"""
_JSON_LOTS: Final = """SELECT json_group_array(json_array(l.lot, l.commodity, l.code, l.expires_on))
    FROM json_each(?2) w CROSS JOIN lots l ON l.ledger_id = ?1 AND l.lot = w.value"""
_JSON_HELD: Final = """SELECT json_array(
    (SELECT sequence FROM heads WHERE ledger_id = ?1),
    (SELECT json_group_array(json_array(b.account, b.lot, b.balance))
     FROM json_each(?2) w CROSS JOIN balances b ON b.ledger_id = ?1 AND b.account = w.value))"""

_decode_accounts = msgspec.json.Decoder(list[AccountRow]).decode
_decode_lots = msgspec.json.Decoder(list[LotRow]).decode
_decode_held = msgspec.json.Decoder(tuple[int | None, list[tuple[int, int, int]]]).decode


class _SqliteSource:
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

    async def accounts(self, paths: Sequence[str]) -> list[AccountRow]:
        return _decode_accounts(await self._json(_JSON_ACCOUNTS, paths))

    async def lots(self, numbers: Sequence[int]) -> list[LotRow]:
        return _decode_lots(await self._json(_JSON_LOTS, numbers))

    async def held(self, numbers: Sequence[int]) -> Held:
        sequence, rows = _decode_held(await self._json(_JSON_HELD, numbers))
        return sequence or 0, rows

    async def _json(self, statement: str, wanted: Sequence[int | str]) -> str:
        arguments = (self._ledger_id, msgspec.json.encode(wanted).decode())
        return str(await self._run(lambda: self._connection.execute(statement, arguments).fetchone()[0]))

    async def _run(self, work: Any) -> Any:
        if self._thread is None:
            raise ConnectionError("the connection is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise ConnectionError(str(error)) from error
