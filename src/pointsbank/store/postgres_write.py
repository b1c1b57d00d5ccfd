"""How a batch is written to PostgreSQL: one statement, compare-and-swap first; documents by set-based statements.

asyncpg looks at each array element in Python; joining a column into one text and casting it on the server costs a
tenth of that, so integers go as array literals, texts as one text with separators, digests as one bytea.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from pointsbank.store.columns import key_columns
from pointsbank.store.port import Batch, BatchConflict, Written
from pointsbank.store.tables import metadata

SEPARATOR = "\x1f"

# ROWS FROM keeps the arrays in step; WITH ORDINALITY numbers the rows, so sequence numbers need no array. Postings
# have many columns of fixed width: there a subscript is cheaper than eleven rows sources in step (OFFSET 0 keeps the
# arrays from being parsed again for each row), and rows in the order of an account index find its pages sooner.
WRITE = """
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


def listed(kind: str, values: Sequence[Any], number: int) -> tuple[str, Any]:
    """A list of values as the argument `$number`: how the statement reads it, and what is sent.

    Texts that hold the separator themselves go as an array, and so do bytes.
    """
    if kind == "text":
        joined = texts(values)
        if joined.count(SEPARATOR) == len(values):
            return f"(string_to_array(${number}::text, E'\\x1f'))[2:]", joined
    elif kind != "bytea":
        return f"${number}::text::{kind}[]", integers(values)
    return f"${number}::{kind}[]", values


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
        batch.ledger_id,
        batch.expected_batch,
        batch.expected_epoch,
        head.sequence,
        head.posting,
        head.account,
        head.lot,
        head.recorded_at,
        head.batch,
        batch.token,
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


_TYPES = {
    "TEXT": "text",
    "BIGINT": "bigint",
    "INTEGER": "int",
    "SMALLINT": "smallint",
    "BLOB": "bytea",
    "BYTEA": "bytea",
}


@cache
def pg_type(table: str, name: str) -> str:
    """PostgreSQL's name of a column's type."""
    return _TYPES[str(metadata.tables[table].c[name].type).upper()]


def insertion(
    table: str, rows: Sequence[Sequence[Any]], conflict: str = "", first: int = 2
) -> tuple[str, list[Any]]:
    """A statement that inserts rows of a ledger (`$1`), and its arguments from `first` on, one a column."""
    names = [c.name for c in metadata.tables[table].columns][1:]
    columns = zip(names, zip(*rows, strict=True), strict=True)
    lists = [listed(pg_type(table, name), values, i) for i, (name, values) in enumerate(columns, first)]
    return (
        f"INSERT INTO {table} (ledger_id, {', '.join(names)})"
        f" SELECT $1::int, x.* FROM unnest({', '.join(read for read, _ in lists)}) AS x {conflict}",
        [sent for _, sent in lists],
    )


_KEYS_OF_ENTRIES = (
    "(SELECT count(*) FROM entries WHERE ledger_id = $1::int AND key_digest = ANY(${digests}::bytea[]))"
)
_RAISED = """raised AS (UPDATE subjects t SET version = x.after FROM unnest({}) AS x(subject, before, after)
    WHERE t.ledger_id = $1::int AND t.subject = x.subject COLLATE "C" AND t.version = x.before RETURNING 1)"""
_RAISE_COUNTER = "ON CONFLICT (ledger_id, counter) DO UPDATE SET value = EXCLUDED.value"


class Documents(msgspec.Struct, frozen=True):
    """Everything of a batch beside entries, postings and balances, as set-based statements with their arguments."""

    insertions: tuple[str, list[Any]] | None
    raised: int
    """How many versions they raise."""
    changes: list[tuple[str, list[Any], str, int]]
    """With the table, and how many of its documents change."""

    async def write(self, connection: Any) -> None:
        """Write them in the open transaction. Raises BatchConflict where a guard does not hold.

        Nearly all is one statement: each further one is a way to the server and back in which the head is locked.
        """
        if self.insertions is not None:
            statement, arguments = self.insertions
            used, raised = await connection.fetchrow(statement, *arguments)
            if used:
                raise BatchConflict("a key of a document-only draft is that of an entry")
            if raised != self.raised:
                raise BatchConflict(f"{raised} of {self.raised} versions were what they should be")
        for statement, arguments, table, count in self.changes:
            done = await connection.execute(statement, *arguments)
            if done != f"UPDATE {count}":
                raise BatchConflict(f"{table}: {done} of {count} guarded changes")


def documents_of(batch: Batch) -> Documents:
    """The statements for a batch's documents: made before it is its turn, so that they do not keep the server waiting."""
    w = batch.written
    return Documents(
        _inserts(w, batch.ledger_id),
        len(w.raised_subjects),
        [
            (*_update(batch.ledger_id, table, names, rows), table, len(rows))
            for table, names, rows in w.changes
        ],
    )


def _inserts(w: Written, ledger_id: int) -> tuple[str, list[Any]] | None:
    """One statement with every insert and raised version, which tells how many keys of document-only drafts are those
    of entries, and how many versions it has raised."""
    parts: list[str] = []
    arguments: list[Any] = [ledger_id]
    entries_with_keys = raised = "0"
    tables: list[tuple[str, Sequence[Sequence[Any]], str]] = [
        ("accounts", w.accounts, ""),
        ("lots", w.lots, ""),
        ("commodities", w.commodities, ""),
        ("document_keys", w.keys, ""),
        ("subjects", w.new_subjects, ""),
        ("counters", list(w.counters.items()), _RAISE_COUNTER),
        *((table, rows, "") for table, rows in w.rows.items()),
    ]
    for table, rows, conflict in tables:
        if rows:
            first = len(arguments) + 1
            statement, sent = insertion(table, rows, conflict, first)
            parts.append(f"part_{len(parts)} AS ({statement})")
            arguments += sent
            if table == "document_keys":
                entries_with_keys = _KEYS_OF_ENTRIES.format(digests=first)
    if w.raised_subjects:
        kinds, first = ("text", "bigint", "bigint"), len(arguments) + 1
        columns = zip(kinds, zip(*w.raised_subjects, strict=True), strict=True)
        lists = [listed(kind, values, i) for i, (kind, values) in enumerate(columns, first)]
        parts.append(_RAISED.format(", ".join(read for read, _ in lists)))
        arguments += [sent for _, sent in lists]
        raised = "(SELECT count(*) FROM raised)"
    return (f"WITH {', '.join(parts)} SELECT {entries_with_keys}, {raised}", arguments) if parts else None


def _like_column(table: str, name: str) -> str:
    """A key column of `x` in the column's own collation, without which its index is not used."""
    return f'x.{name} COLLATE "C"' if pg_type(table, name) == "text" else f"x.{name}"


def _update(
    ledger_id: int, table: str, names: tuple[str, ...], rows: Sequence[Sequence[Any]]
) -> tuple[str, list[Any]]:
    """Changes of documents, each row the key, the state before and after, the rest; and the statement's arguments."""
    keys = key_columns(table)
    columns = (*keys, "old_state", "state", *names)
    values = zip(columns, zip(*rows, strict=True), strict=True)
    lists = [
        listed("text" if name == "old_state" else pg_type(table, name), column, i)
        for i, (name, column) in enumerate(values, 2)
    ]
    statement = (
        f"UPDATE {table} t SET {', '.join(f'{n} = x.{n}' for n in ('state', *names))}"
        f" FROM unnest({', '.join(read for read, _ in lists)}) AS x({', '.join(columns)})"
        " WHERE t.ledger_id = $1 AND t.state = x.old_state AND "
        + " AND ".join(f"t.{n} = {_like_column(table, n)}" for n in keys)
    )
    return statement, [ledger_id, *(sent for _, sent in lists)]
