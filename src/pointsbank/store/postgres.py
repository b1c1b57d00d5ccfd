"""The PostgreSQL store: connections, turns at the head, what is unknown after a loss, and loading what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from typing import Any

import asyncpg

from pointsbank.ledger.books import Head
from pointsbank.ledger.chart import Chart
from pointsbank.ledger.model import JournalEntry, Posting
from pointsbank.store.columns import key_columns
from pointsbank.store.port import (
    MOST_NEWS,
    Batch,
    BatchConflict,
    DocumentKey,
    Loaded,
    News,
    OutcomeUnknown,
    StoreError,
    Wanted,
    check_ledger,
    entry_of,
)
from pointsbank.store.postgres_write import (
    WRITE,
    documents_of,
    insertion,
    listed,
    pg_type,
    write_arguments,
)

_HEAD = "SELECT sequence, posting, account, lot, recorded_at, batch, epoch FROM heads WHERE ledger_id = $1"


class PostgresStore:
    """One ledger on PostgreSQL: a connection that writes and one that reads while a write is in flight."""

    def __init__(self, dsn: str, ledger_id: int, *, timeout: float = 5.0) -> None:
        self.ledger_id = ledger_id
        self._dsn = dsn
        self._timeout = timeout
        self._writing: asyncpg.Connection | None = None
        self._reading: asyncpg.Connection | None = None
        self._one_reader = asyncio.Lock()  # a batch of refusals asks for the head while the next one loads
        self._write: Any = None

    async def open(self) -> None:
        self._writing = await self._connect()
        self._reading = await self._connect()
        self._write = await self._writing.prepare(WRITE)

    async def _connect(self) -> asyncpg.Connection:
        # A plan made while the tables are empty scans them and is kept: from 3 to 165 microseconds a key.
        return await asyncpg.connect(
            self._dsn,
            timeout=self._timeout,
            command_timeout=self._timeout,
            server_settings={
                "application_name": "pointsbank writer",
                "enable_seqscan": "off",
                "plan_cache_mode": "force_generic_plan",
                "jit": "off",
                "synchronous_commit": "on",
            },
        )

    async def close(self) -> None:
        for connection in (self._writing, self._reading):
            if connection is not None and not connection.is_closed():
                with suppress(TimeoutError, OSError, asyncpg.PostgresError):
                    await connection.close(timeout=2)
        self._writing = self._reading = None

    async def create(self, name: str, chart: Chart) -> None:
        connection = self._writing
        assert connection is not None
        async with connection.transaction():
            made = await connection.execute(
                """INSERT INTO heads (ledger_id, name, chart, sequence, posting, account, lot, recorded_at, batch, epoch)
                VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING""",
                self.ledger_id,
                name,
                chart.name,
            )
            if made == "INSERT 0 1":
                rows = [(c.code, c.scale, int(c.has_lots)) for c in chart.commodities]
                statement, arguments = insertion("commodities", rows)
                await connection.execute(statement, self.ledger_id, *arguments)
            row = await connection.fetchrow(
                "SELECT name, chart FROM heads WHERE ledger_id = $1", self.ledger_id
            )
        check_ledger(name, chart, tuple(row))

    async def head(self) -> Head:
        async with self._one_reader:
            return Head(*(await _fetch(self._reading, _HEAD, self.ledger_id))[0])

    async def load(self, wanted: Wanted) -> Loaded:
        async with self._one_reader:
            assert self._reading is not None
            return await _load(self._reading, self.ledger_id, wanted)

    def prepare(self, batch: Batch) -> None:
        batch.prepared = (write_arguments(batch), documents_of(batch))

    async def append(self, batch: Batch) -> bool:
        connection = self._writing
        assert connection is not None
        arguments, documents = batch.prepared
        try:
            if batch.written.is_plain:
                return bool(await self._write.fetchval(*arguments))
            async with connection.transaction():
                won = bool(await self._write.fetchval(*arguments))
                if won:
                    await documents.write(connection)
            return won
        except (asyncpg.UniqueViolationError, BatchConflict) as error:
            raise BatchConflict(str(error)) from error
        except LOST as error:
            raise _loss(connection, error) from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[PostgresTurn]:
        """Lock the head, in a statement of its own: its snapshot must not be older than the lock."""
        connection = self._writing
        assert connection is not None
        try:
            transaction = connection.transaction()
            await transaction.start()
            rows = await connection.fetch(_HEAD + " FOR UPDATE", self.ledger_id)
            turn = PostgresTurn(connection, self._write, self.ledger_id, Head(*rows[0]))
        except LOST as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error
        try:
            yield turn
            await transaction.commit()
        except asyncpg.UniqueViolationError as error:
            await transaction.rollback()
            raise BatchConflict(str(error)) from error
        except LOST as error:
            if not connection.is_closed():
                with suppress(*LOST, asyncpg.PostgresError):
                    await transaction.rollback()
            raise _loss(connection, error) from error
        except asyncpg.PostgresError as error:
            await transaction.rollback()
            raise StoreError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            with suppress(*LOST):
                await transaction.rollback()
            raise

    async def settle(self, batch: Batch) -> bool:
        """Reconnect, lock the head (this waits for the old backend), look for the batch; fence it off if absent."""
        await self.reconnect()
        connection = self._writing
        assert connection is not None
        try:
            async with connection.transaction():
                await connection.fetch(_HEAD + " FOR UPDATE", self.ledger_id)
                found = await connection.fetchval(
                    "SELECT count(*) FROM batches WHERE ledger_id = $1 AND batch = $2 AND token = $3",
                    self.ledger_id,
                    batch.head.batch,
                    batch.token,
                )
                if not found:
                    await connection.execute(
                        "UPDATE heads SET epoch = epoch + 1 WHERE ledger_id = $1", self.ledger_id
                    )
            return bool(found)
        except (*LOST, asyncpg.PostgresError) as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error

    async def reconnect(self) -> None:
        for connection in (self._writing, self._reading):
            if connection is not None:
                connection.terminate()
        try:
            await self.open()
        except (*LOST, asyncpg.PostgresError) as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error

    async def receipts(self, sequences: Iterable[int]) -> dict[int, JournalEntry]:
        async with self._one_reader:
            assert self._reading is not None
            return {
                e.sequence: e for e, _ in await _load_entries(self._reading, self.ledger_id, list(sequences))
            }


class PostgresTurn:
    """The head, locked in an open transaction."""

    def __init__(self, connection: asyncpg.Connection, write: Any, ledger_id: int, head: Head) -> None:
        self.head = head
        self._connection = connection
        self._write = write
        self._ledger_id = ledger_id

    async def load(self, wanted: Wanted) -> Loaded:
        return await _load(self._connection, self._ledger_id, wanted)

    async def news(self, since: Head) -> News | None:
        lots: list[Any] = []
        if self.head.lot != since.lot:
            lots = await _fetch(self._connection, _LOTS_SINCE, self._ledger_id, since.lot)
        postings = await _fetch(
            self._connection, _POSTINGS_SINCE, self._ledger_id, since.posting, MOST_NEWS + 1
        )
        return News(lots, postings) if len(postings) <= MOST_NEWS else None

    async def append(self, batch: Batch) -> None:
        arguments, documents = batch.prepared
        if not await self._write.fetchval(*arguments):
            raise BatchConflict("the head moved although it is locked")
        await documents.write(self._connection)


# What tells that a statement may or may not have been carried out.
LOST = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # told of a loss in the middle of a state change
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
)


def _loss(connection: Any, error: BaseException) -> StoreError:
    """What an error of `LOST` means: of an open connection, a wrong call (too few values) is no loss."""
    text = str(error) or type(error).__name__
    if isinstance(error, asyncpg.InterfaceError) and not connection.is_closed():
        return StoreError(f"{type(error).__name__}: {text}")
    return OutcomeUnknown(text)


async def _fetch(connection: Any, statement: str, *arguments: Any) -> list[Any]:
    try:
        return list(await connection.fetch(statement, *arguments))
    except LOST as error:
        raise _loss(connection, error) from error


def _each(columns: str, table: str, keys: Mapping[str, Collection[Any]]) -> tuple[str, list[Any]]:
    """A look-up of many keys, one after the other by the index that they make up, and its arguments.

    `column = ANY (keys)` leaves the planner a choice: on a table that is new it takes 32 keys to be more work than
    all rows of the ledger, and the plan is kept while the ledger grows. What is LATERAL and has an OFFSET it must do
    key by key.
    """
    kinds = {name: pg_type(table, name) for name in keys}
    lists = [listed(kinds[name], list(keys[name]), i) for i, name in enumerate(keys, 2)]
    where = " AND ".join(
        f't.{name} = w.{name} COLLATE "C"' if kind == "text" else f"t.{name} = w.{name}"
        for name, kind in kinds.items()
    )
    statement = (
        f"SELECT x.* FROM unnest({', '.join(read for read, _ in lists)}) AS w({', '.join(keys)}),"
        f" LATERAL (SELECT {columns} FROM {table} t WHERE t.ledger_id = $1 AND {where} OFFSET 0) AS x"
    )
    return statement, [sent for _, sent in lists]


_LOTS_SINCE = "SELECT lot, commodity, code FROM lots WHERE ledger_id = $1 AND lot > $2"
_POSTINGS_SINCE = """SELECT debit_account, credit_account, lot, debit_version, credit_version,
    debit_balance, credit_balance, debit_total, credit_total
    FROM postings WHERE ledger_id = $1 AND posting > $2 ORDER BY posting LIMIT $3"""


async def _load(connection: Any, ledger_id: int, wanted: Wanted) -> Loaded:
    async def found(columns: str, table: str, **keys: Collection[Any]) -> list[Any]:
        if not all(keys.values()):
            return []
        statement, arguments = _each(columns, table, keys)
        return await _fetch(connection, statement, ledger_id, *arguments)

    loaded = Loaded()
    if wanted.accounts:
        loaded.accounts = await found("account, path, kind, type, floor", "accounts", path=wanted.accounts)
        numbers = [row[0] for row in loaded.accounts]
        loaded.balances = await found("account, lot, balance, version", "balances", account=numbers)
        in_use = {row[1] for row in loaded.balances}
        loaded.lots = await found("lot, commodity, code", "lots", lot=in_use)
    if wanted.lots:
        names = {"commodity": [c for c, _ in wanted.lots], "code": [code for _, code in wanted.lots]}
        loaded.lots += await found("lot, commodity, code", "lots", **names)
    loaded.commodities = await found(
        "commodity, scale, has_lots", "commodities", commodity=wanted.commodities
    )
    if wanted.keys:
        keys = {"key_digest": wanted.keys}
        entries, arguments = _each("key_digest, request, sequence, recorded_at", "entries", keys)
        documents, _ = _each("key_digest, request, 0::bigint, recorded_at", "document_keys", keys)
        loaded.keys = await _fetch(connection, f"{entries} UNION ALL {documents}", ledger_id, *arguments)
    loaded.subjects = await found("subject, version", "subjects", subject=wanted.subjects)
    loaded.counters = await found("counter, value", "counters", counter=wanted.counters)
    for table, sought in wanted.changes.items():
        columns, parts = _whole_keys(table, sought)
        rows = await found(f"{columns}, state", table, **parts)
        loaded.changes += [(table, tuple(row)[:-1], row[-1]) for row in rows]
    for table, sought in wanted.documents.items():
        columns, parts = _whole_keys(table, sought)
        loaded.documents += [(table, tuple(row)) for row in await found(columns, table, **parts)]
    if wanted.entries:
        loaded.entries = await _load_entries(connection, ledger_id, list(wanted.entries))
    return loaded


def _whole_keys(table: str, keys: Iterable[DocumentKey]) -> tuple[str, dict[str, Sequence[int | str]]]:
    """The columns of a table's key, and what is looked for, a list a column."""
    names = key_columns(table)
    return ", ".join(names), dict(zip(names, zip(*keys, strict=True), strict=True))


_ENTRIES = """SELECT e.sequence, e.kind, e.client, e.key, e.request, e.effective_at, e.recorded_at, e.actor, e.place,
    e.reason, e.reverses, e.metadata, e.documents, e.first_posting, e.leaf, e.postings, coalesce(r.sequence, 0)
    FROM entries e LEFT JOIN entries r ON r.ledger_id = e.ledger_id AND r.reverses = e.sequence AND r.reverses > 0
    WHERE e.ledger_id = $1 AND e.sequence = ANY($2)"""
_POSTINGS = """SELECT p.posting, p.sequence, d.path, c.path, l.commodity, l.code, p.amount, p.debit_version,
    p.credit_version, p.debit_balance, p.credit_balance, p.debit_total, p.credit_total
    FROM unnest($2::bigint[], $3::bigint[]) AS w(first, last)
    JOIN postings p ON p.ledger_id = $1 AND p.posting BETWEEN w.first AND w.last
    JOIN accounts d ON d.ledger_id = $1 AND d.account = p.debit_account
    JOIN accounts c ON c.ledger_id = $1 AND c.account = p.credit_account
    JOIN lots l ON l.ledger_id = $1 AND l.lot = p.lot ORDER BY p.posting"""


async def _load_entries(
    connection: Any, ledger_id: int, sequences: list[int]
) -> list[tuple[JournalEntry, int]]:
    rows = await _fetch(connection, _ENTRIES, ledger_id, sequences)
    lines = await _fetch(
        connection, _POSTINGS, ledger_id, [row[13] for row in rows], [row[13] + row[15] - 1 for row in rows]
    )
    by_sequence = {
        sequence: tuple(Posting(*line) for line in group)
        for sequence, group in groupby(lines, key=lambda p: p[1])
    }
    return [(entry_of(tuple(row)[:14], by_sequence[row[0]], row[14]), row[16]) for row in rows]
