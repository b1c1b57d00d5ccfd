"""The PostgreSQL store: one statement a batch, compare-and-swap first; arrays travel as text.

asyncpg looks at each array element in Python; joining a column into one text and casting it on the server costs a
tenth of that, so integers go as array literals, texts as one text with separators, digests as one bytea.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from typing import Any

import asyncpg
import msgspec

from pointsbank.ledger.books import Head
from pointsbank.ledger.chart import Chart
from pointsbank.ledger.model import Change, JournalEntry, Posting
from pointsbank.store.columns import changes_in_rounds, key_columns
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
from pointsbank.store.tables import metadata

SEPARATOR = "\x1f"

_HEAD = "SELECT sequence, posting, account, lot, recorded_at, batch, epoch FROM heads WHERE ledger_id = $1"

# ROWS FROM keeps the arrays in step; WITH ORDINALITY numbers the rows, so sequence numbers need no array. Postings
# have many columns of fixed width: there a subscript is cheaper than eleven rows sources in step (OFFSET 0 keeps the
# arrays from being parsed again for each row), and rows in the order of an account index find its pages sooner.
_WRITE = """
WITH h AS (
  UPDATE heads SET sequence = $4::bigint, posting = $5::bigint, account = $6::int, lot = $7::int,
    recorded_at = $8::bigint, batch = $9::bigint
  WHERE ledger_id = $1::int AND batch = $2::bigint AND epoch = $3::bigint AND NOT EXISTS (
    SELECT 1 FROM document_keys k WHERE k.ledger_id = $1::int AND k.key_digest = ANY (ARRAY(
      SELECT substring($24::bytea from i * 16 + 1 for 16) FROM generate_series(0, length($24::bytea) / 16 - 1) AS i
    ))
  ) RETURNING ledger_id
), b AS (
  INSERT INTO batches (ledger_id, batch, epoch, token, last_sequence, recorded_at)
  SELECT ledger_id, $9::bigint, $3::bigint, $10::bytea, $4::bigint, $8::bigint FROM h
), e AS (
  INSERT INTO entries (ledger_id, sequence, effective_at, recorded_at, reverses, first_posting, postings,
    kind, client, key, actor, place, reason, metadata, documents, key_digest, request, leaf)
  SELECT h.ledger_id, $11::bigint + i, effective_at, $8::bigint, reverses, first_posting, postings,
    kind, client, key, actor, place, reason, metadata, documents,
    substring($24::bytea from (i::int - 1) * 16 + 1 for 16), substring($25::bytea from (i::int - 1) * 16 + 1 for 16),
    substring($26::bytea from (i::int - 1) * 32 + 1 for 32)
  FROM h, ROWS FROM (
    unnest($12::text::bigint[]), unnest($13::text::bigint[]), unnest($14::text::bigint[]),
    unnest($15::text::smallint[]),
    unnest((string_to_array($16::text, E'\\x1f'))[2:]), unnest((string_to_array($17::text, E'\\x1f'))[2:]),
    unnest((string_to_array($18::text, E'\\x1f'))[2:]), unnest((string_to_array($19::text, E'\\x1f'))[2:]),
    unnest((string_to_array($20::text, E'\\x1f'))[2:]), unnest((string_to_array($21::text, E'\\x1f'))[2:]),
    unnest((string_to_array($22::text, E'\\x1f'))[2:]), unnest((string_to_array($23::text, E'\\x1f'))[2:])
  ) WITH ORDINALITY AS x(effective_at, reverses, first_posting, postings,
    kind, client, key, actor, place, reason, metadata, documents, i)
), p AS (
  INSERT INTO postings (ledger_id, posting, sequence, debit_account, credit_account, lot, amount,
    debit_version, credit_version, debit_balance, credit_balance, debit_total, credit_total)
  SELECT h.ledger_id, $27::bigint + i, sequence, debit_account, credit_account, lot, amount,
    debit_version, credit_version, debit_balance, credit_balance, debit_total, credit_total
  FROM h, (
    SELECT i, sequences[i] AS sequence, debits[i] AS debit_account, credits[i] AS credit_account, lots[i] AS lot,
      amounts[i] AS amount, debit_versions[i] AS debit_version, credit_versions[i] AS credit_version,
      debit_balances[i] AS debit_balance, credit_balances[i] AS credit_balance,
      debit_totals[i] AS debit_total, credit_totals[i] AS credit_total
    FROM (
      SELECT $28::text::bigint[] AS sequences, $29::text::int[] AS debits, $30::text::int[] AS credits,
        $31::text::int[] AS lots, $32::text::bigint[] AS amounts,
        $33::text::bigint[] AS debit_versions, $34::text::bigint[] AS credit_versions,
        $35::text::bigint[] AS debit_balances, $36::text::bigint[] AS credit_balances,
        $37::text::bigint[] AS debit_totals, $38::text::bigint[] AS credit_totals OFFSET 0
    ) AS arrays, generate_series(1, cardinality(sequences)) AS i
  ) AS x ORDER BY debit_account
), u AS (
  UPDATE balances t SET balance = x.balance, version = x.version, posting = x.posting
  FROM h, ROWS FROM (
    unnest($39::text::int[]), unnest($40::text::int[]), unnest($41::text::bigint[]),
    unnest($42::text::bigint[]), unnest($43::text::bigint[])
  ) AS x(account, lot, balance, version, posting)
  WHERE t.ledger_id = $1::int AND t.account = x.account AND t.lot = x.lot
), n AS (
  INSERT INTO balances (ledger_id, account, lot, balance, version, posting)
  SELECT h.ledger_id, x.* FROM h, ROWS FROM (
    unnest($44::text::int[]), unnest($45::text::int[]), unnest($46::text::bigint[]),
    unnest($47::text::bigint[]), unnest($48::text::bigint[])
  ) AS x
)
SELECT count(*) FROM h
"""


def integers(values: Sequence[int]) -> str:
    """An array literal of integers, by way of JSON, whose encoder is the fastest printer of integers at hand."""
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"


def texts(values: Sequence[str]) -> str:
    """Texts in one text; the leading separator keeps a single empty text apart from no text at all."""
    return SEPARATOR + SEPARATOR.join(values) if values else ""


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Any]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def write_arguments(batch: Batch) -> tuple[Any, ...]:
    """The arguments of the writing statement."""
    head, accepted, written = batch.head, batch.accepted, batch.written
    entries = [a for a in accepted if a.effects]
    drafts = [a.draft for a in entries]
    effects = [e for a in entries for e in a.effects]
    changed, new = _columns(written.changed_balances, 5), _columns(written.new_balances, 5)
    return (
        batch.ledger_id, batch.expected_batch, batch.expected_epoch,
        head.sequence, head.posting, head.account, head.lot, head.recorded_at, head.batch, batch.token,
        head.sequence - len(entries),
        integers([d.effective_at for d in drafts]),
        integers([a.reverses for a in entries]),
        integers([a.first_posting for a in entries]),
        integers([len(a.effects) for a in entries]),
        texts([d.kind for d in drafts]),
        texts([d.client for d in drafts]),
        texts([d.key for d in drafts]),
        texts([d.actor for d in drafts]),
        texts([d.place for d in drafts]),
        texts([d.reason for d in drafts]),
        texts([a.metadata for a in entries]),
        texts([a.documents for a in entries]),
        b"".join([a.key_digest for a in entries]),
        b"".join([d.request for d in drafts]),
        b"".join([a.leaf for a in entries]),
        head.posting - len(effects),
        integers([a.sequence for a in entries for _ in a.effects]),
        integers([e.debit.number for e in effects]),
        integers([e.credit.number for e in effects]),
        integers([e.lot.number for e in effects]),
        integers([e.amount for e in effects]),
        integers([e.debit_version for e in effects]),
        integers([e.credit_version for e in effects]),
        integers([e.debit_balance for e in effects]),
        integers([e.credit_balance for e in effects]),
        integers([e.debit_total for e in effects]),
        integers([e.credit_total for e in effects]),
        *(integers(column) for column in changed),
        *(integers(column) for column in new),
    )


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
        self._write = await self._writing.prepare(_WRITE)

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
                self.ledger_id, name, chart.name,
            )
            if made == "INSERT 0 1":
                rows = [(c.code, c.scale, int(c.has_lots)) for c in chart.commodities]
                await connection.execute(_insert("commodities"), self.ledger_id, *zip(*rows, strict=True))
            row = await connection.fetchrow("SELECT name, chart FROM heads WHERE ledger_id = $1", self.ledger_id)
        check_ledger(name, chart, tuple(row))

    async def head(self) -> Head:
        async with self._one_reader:
            return Head(*(await _fetch(self._reading, _HEAD, self.ledger_id))[0])

    async def load(self, wanted: Wanted) -> Loaded:
        async with self._one_reader:
            assert self._reading is not None
            return await _load(self._reading, self.ledger_id, wanted)

    async def append(self, batch: Batch) -> bool:
        connection = self._writing
        assert connection is not None
        try:
            if batch.written.is_plain:
                return bool(await self._write.fetchval(*write_arguments(batch)))
            async with connection.transaction():
                won = bool(await self._write.fetchval(*write_arguments(batch)))
                if won:
                    await _write_documents(connection, batch)
            return won
        except (asyncpg.UniqueViolationError, BatchConflict) as error:
            raise BatchConflict(str(error)) from error
        except _LOST as error:
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
        except _LOST as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error
        try:
            yield turn
            await transaction.commit()
        except asyncpg.UniqueViolationError as error:
            await transaction.rollback()
            raise BatchConflict(str(error)) from error
        except _LOST as error:
            if not connection.is_closed():
                with suppress(*_LOST, asyncpg.PostgresError):
                    await transaction.rollback()
            raise _loss(connection, error) from error
        except asyncpg.PostgresError as error:
            await transaction.rollback()
            raise StoreError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            with suppress(*_LOST):
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
                    self.ledger_id, batch.head.batch, batch.token,
                )
                if not found:
                    await connection.execute("UPDATE heads SET epoch = epoch + 1 WHERE ledger_id = $1", self.ledger_id)
            return bool(found)
        except (*_LOST, asyncpg.PostgresError) as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error

    async def reconnect(self) -> None:
        for connection in (self._writing, self._reading):
            if connection is not None:
                connection.terminate()
        try:
            await self.open()
        except (*_LOST, asyncpg.PostgresError) as error:
            raise OutcomeUnknown(str(error) or type(error).__name__) from error

    async def receipts(self, sequences: Iterable[int]) -> dict[int, JournalEntry]:
        async with self._one_reader:
            assert self._reading is not None
            return {e.sequence: e for e, _ in await _load_entries(self._reading, self.ledger_id, list(sequences))}


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
        postings = await _fetch(self._connection, _POSTINGS_SINCE, self._ledger_id, since.posting, MOST_NEWS + 1)
        return News(lots, postings) if len(postings) <= MOST_NEWS else None

    async def append(self, batch: Batch) -> None:
        if not await self._write.fetchval(*write_arguments(batch)):
            raise BatchConflict("the head moved although it is locked")
        await _write_documents(self._connection, batch)


# What tells that a statement may or may not have been carried out.
_LOST = (
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
    """What an error of `_LOST` means: of an open connection, a wrong call (too few values) is no loss."""
    text = str(error) or type(error).__name__
    if isinstance(error, asyncpg.InterfaceError) and not connection.is_closed():
        return StoreError(f"{type(error).__name__}: {text}")
    return OutcomeUnknown(text)


async def _fetch(connection: Any, statement: str, *arguments: Any) -> list[Any]:
    try:
        return list(await connection.fetch(statement, *arguments))
    except _LOST as error:
        raise _loss(connection, error) from error


_KNOWN = {
    "commodities": "SELECT commodity, scale, has_lots FROM commodities WHERE ledger_id = $1 AND commodity = ANY($2)",
    "keys": """SELECT key_digest, request, sequence, recorded_at FROM entries
        WHERE ledger_id = $1 AND key_digest = ANY($2)
        UNION ALL SELECT key_digest, request, 0, recorded_at FROM document_keys
        WHERE ledger_id = $1 AND key_digest = ANY($2)""",
    "subjects": "SELECT subject, version FROM subjects WHERE ledger_id = $1 AND subject = ANY($2)",
    "counters": "SELECT counter, value FROM counters WHERE ledger_id = $1 AND counter = ANY($2)",
}
_ACCOUNTS = "SELECT account, path, kind, type, floor FROM accounts WHERE ledger_id = $1 AND path = ANY($2)"
_BALANCES = "SELECT account, lot, balance, version FROM balances WHERE ledger_id = $1 AND account = ANY($2)"
_LOTS_NAMED = """SELECT l.lot, l.commodity, l.code FROM unnest($2::text[], $3::text[]) AS w(commodity, code)
    JOIN lots l ON l.ledger_id = $1 AND l.commodity = w.commodity COLLATE "C" AND l.code = w.code COLLATE "C"
    """
_LOTS_SINCE = "SELECT lot, commodity, code FROM lots WHERE ledger_id = $1 AND lot > $2"
_POSTINGS_SINCE = """SELECT debit_account, credit_account, lot, debit_version, credit_version,
    debit_balance, credit_balance, debit_total, credit_total
    FROM postings WHERE ledger_id = $1 AND posting > $2 ORDER BY posting LIMIT $3"""
_LOTS_NUMBERED = "SELECT lot, commodity, code FROM lots WHERE ledger_id = $1 AND lot = ANY($2)"


async def _load(connection: Any, ledger_id: int, wanted: Wanted) -> Loaded:
    loaded = Loaded()
    if wanted.accounts:
        loaded.accounts = await _fetch(connection, _ACCOUNTS, ledger_id, list(wanted.accounts))
        if loaded.accounts:
            numbers = [row[0] for row in loaded.accounts]
            loaded.balances = await _fetch(connection, _BALANCES, ledger_id, numbers)
            in_use = list({row[1] for row in loaded.balances})
            loaded.lots = await _fetch(connection, _LOTS_NUMBERED, ledger_id, in_use)
    if wanted.lots:
        loaded.lots += await _fetch(
            connection, _LOTS_NAMED, ledger_id, [c for c, _ in wanted.lots], [code for _, code in wanted.lots]
        )
    for name, statement in _KNOWN.items():
        names = getattr(wanted, name)
        if names:
            setattr(loaded, name, await _fetch(connection, statement, ledger_id, list(names)))
    for table, keys in wanted.changes.items():
        rows = await _by_key(connection, ledger_id, table, keys, "state")
        loaded.changes += [(table, tuple(row)[:-1], row[-1]) for row in rows]
    for table, keys in wanted.documents.items():
        loaded.documents += [(table, tuple(row)) for row in await _by_key(connection, ledger_id, table, keys)]
    if wanted.entries:
        loaded.entries = await _load_entries(connection, ledger_id, list(wanted.entries))
    return loaded


async def _by_key(
    connection: Any, ledger_id: int, table: str, keys: Iterable[DocumentKey], *more: str
) -> list[Any]:
    """The rows with these keys: key columns first, then `more`."""
    names = key_columns(table)
    # Conditions on the key itself, no join: planned on an empty table, a join reads all of it for ever after. Of a
    # key in parts this finds every combination, of which nearly all are wanted.
    where = " AND ".join(f"{name} = ANY(${i}::{pg_type(table, name)}[])" for i, name in enumerate(names, 2))
    statement = f"SELECT {', '.join((*names, *more))} FROM {table} WHERE ledger_id = $1 AND {where}"
    wanted = set(keys)
    parts = [list(set(column)) for column in zip(*wanted, strict=True)]
    rows = await _fetch(connection, statement, ledger_id, *parts)
    return rows if len(names) == 1 else [row for row in rows if tuple(row)[: len(names)] in wanted]


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


async def _load_entries(connection: Any, ledger_id: int, sequences: list[int]) -> list[tuple[JournalEntry, int]]:
    rows = await _fetch(connection, _ENTRIES, ledger_id, sequences)
    lines = await _fetch(
        connection, _POSTINGS, ledger_id, [row[13] for row in rows], [row[13] + row[15] - 1 for row in rows]
    )
    by_sequence = {
        sequence: tuple(Posting(*line) for line in group) for sequence, group in groupby(lines, key=lambda p: p[1])
    }
    return [(entry_of(tuple(row)[:14], by_sequence[row[0]], row[14]), row[16]) for row in rows]


_TYPES = {"TEXT": "text", "BIGINT": "bigint", "INTEGER": "int", "SMALLINT": "smallint", "BLOB": "bytea",
          "BYTEA": "bytea"}


def pg_type(table: str, name: str) -> str:
    """PostgreSQL's name of a column's type."""
    return _TYPES[str(metadata.tables[table].c[name].type).upper()]


def _insert(table: str, conflict: str = "") -> str:
    names = [c.name for c in metadata.tables[table].columns][1:]
    arrays = ", ".join(f"${i}::{pg_type(table, name)}[]" for i, name in enumerate(names, 2))
    return (
        f"INSERT INTO {table} (ledger_id, {', '.join(names)}) SELECT $1, x.* FROM unnest({arrays}) AS x {conflict}"
    )


_KEYS_OF_ENTRIES = "SELECT count(*) FROM entries WHERE ledger_id = $1 AND key_digest = ANY($2::bytea[])"
_RAISE_SUBJECT = "ON CONFLICT (ledger_id, subject) DO UPDATE SET version = EXCLUDED.version"
_RAISE_COUNTER = "ON CONFLICT (ledger_id, counter) DO UPDATE SET value = EXCLUDED.value"


async def _write_documents(connection: Any, batch: Batch) -> None:
    """Set-based statements for everything beside entries, postings and balances."""
    w, ledger_id = batch.written, batch.ledger_id
    for table, rows in (
        ("accounts", w.accounts), ("lots", w.lots), ("commodities", w.commodities), ("document_keys", w.keys),
    ):
        if rows:
            await connection.execute(_insert(table), ledger_id, *zip(*rows, strict=True))
    if w.keys and await connection.fetchval(_KEYS_OF_ENTRIES, ledger_id, [row[0] for row in w.keys]):
        raise BatchConflict("a key of a document-only draft is that of an entry")
    if w.subjects:
        await connection.execute(_insert("subjects", _RAISE_SUBJECT), ledger_id, list(w.subjects), list(w.subjects.values()))
    if w.counters:
        await connection.execute(_insert("counters", _RAISE_COUNTER), ledger_id, list(w.counters), list(w.counters.values()))
    for table, rows in w.rows.items():
        await connection.execute(_insert(table), ledger_id, *zip(*rows, strict=True))
    for table, names, changes in changes_in_rounds(w.changes):
        await _write_changes(connection, ledger_id, table, names, changes)


def _like_column(table: str, name: str) -> str:
    """A key column of `x` in the column's own collation, without which its index is not used."""
    return f'x.{name} COLLATE "C"' if pg_type(table, name) == "text" else f"x.{name}"


async def _write_changes(
    connection: Any, ledger_id: int, table: str, names: tuple[str, ...], changes: list[tuple[Change, tuple[Any, ...]]]
) -> None:
    keys = key_columns(table)
    columns = (*keys, "old_state", "state", *names)
    arrays = ", ".join(
        f"${i}::{'text' if name == 'old_state' else pg_type(table, name)}[]" for i, name in enumerate(columns, 2)
    )
    statement = (
        f"UPDATE {table} t SET {', '.join(f'{n} = x.{n}' for n in ('state', *names))}"
        f" FROM unnest({arrays}) AS x({', '.join(columns)}) WHERE t.ledger_id = $1 AND t.state = x.old_state AND "
        + " AND ".join(f"t.{n} = {_like_column(table, n)}" for n in keys)
    )
    rows = [(*change.key, change.old, change.new, *values) for change, values in changes]
    done = await connection.execute(statement, ledger_id, *zip(*rows, strict=True))
    if done != f"UPDATE {len(rows)}":
        raise BatchConflict(f"{table}: {done} of {len(rows)} guarded changes")
