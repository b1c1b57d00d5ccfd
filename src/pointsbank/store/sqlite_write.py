"""How a batch is written to SQLite: one statement a table, its rows in one JSON text.

`executemany` takes and gives back Python's lock for every row, so a thread that decides the next batch would
hold up the one that writes this batch for milliseconds a row. One statement runs from end to end without it, and
the two threads use two cores. `jsonb_each` hands out each row parsed, which is cheaper than binding it from Python;
`json_each` would print the row and have it parsed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from pointsbank.store.columns import key_columns
from pointsbank.store.port import Batch, BatchConflict
from pointsbank.store.tables import metadata

_SWAP = """UPDATE heads SET sequence = ?, posting = ?, account = ?, lot = ?, recorded_at = ?, batch = ?
    WHERE ledger_id = ? AND batch = ? AND epoch = ?"""
_BATCH = """INSERT INTO batches (ledger_id, batch, epoch, token, last_sequence, recorded_at)
    VALUES (?, ?, ?, ?, ?, ?)"""
_BALANCE_MOVES = """(ledger_id, account, lot)
    DO UPDATE SET balance = excluded.balance, version = excluded.version, posting = excluded.posting"""
_KEY_OF_ENTRY = "SELECT 1 FROM entries WHERE ledger_id = ? AND key_digest = ?"
_RAISE = """UPDATE subjects SET version = x.after
    FROM (SELECT value ->> 0 AS subject, value ->> 1 AS before, value ->> 2 AS after FROM jsonb_each(?2)) AS x
    WHERE subjects.ledger_id = ?1 AND subjects.subject = x.subject AND subjects.version = x.before"""
_COUNTER_RISES = "(ledger_id, counter) DO UPDATE SET value = excluded.value"


Statement = tuple[str, tuple[Any, ...]]


class Sheet(msgspec.Struct):
    """A batch made ready for the thread that writes: nothing is left to do there that would need Python's lock."""

    batch: Batch
    inserts: list[Statement]
    changes: list[tuple[str, Statement, int]]
    """Guarded changes and raised versions: table, statement, and how many rows it must find."""


def sheet_of(batch: Batch) -> Sheet:
    """Everything that a batch writes, as statements. Raises BatchConflict if a row does not fit its table."""
    ledger, w = batch.ledger_id, batch.written
    entries = [
        (
            a.sequence,
            d.effective_at,
            a.recorded_at,
            a.reverses,
            a.first_posting,
            len(a.effects),
            d.kind,
            d.client,
            d.key,
            a.key_digest.hex(),
            d.request.hex(),
            d.actor,
            d.place,
            d.reason,
            a.metadata,
            a.documents,
            a.leaf.hex(),
        )
        for a in batch.accepted
        if a.effects
        for d in (a.draft,)
    ]
    postings = [
        (
            e.number,
            a.sequence,
            e.debit.number,
            e.credit.number,
            e.lot.number,
            e.amount,
            e.debit_version,
            e.credit_version,
            e.debit_balance,
            e.credit_balance,
            e.debit_total,
            e.credit_total,
        )
        for a in batch.accepted
        for e in a.effects
    ]
    tables: list[tuple[str, str, Sequence[tuple[Any, ...]]]] = [
        ("postings", "", postings),
        ("balances", _BALANCE_MOVES, w.changed_balances),
        ("balances", "", w.new_balances),
    ]
    changes = []
    if not w.is_plain:
        tables += [
            ("accounts", "", w.accounts),
            ("lots", "", w.lots),
            ("commodities", "", w.commodities),
            ("document_keys", "", w.keys),
            *((table, "", rows) for table, rows in w.rows.items()),
            ("subjects", "", w.new_subjects),
            ("counters", _COUNTER_RISES, list(w.counters.items())),
        ]
        if w.raised_subjects:
            raising = _RAISE, (ledger, _encoded(w.raised_subjects))
            changes.append(("subjects", raising, len(w.raised_subjects)))
        for table, names, rows in w.changes:
            columns = (*key_columns(table), "state", "state", *names)
            statement = _guarded_update(table, names), (ledger, _json(table, columns, rows))
            changes.append((table, statement, len(rows)))
    inserts = [_insertion(ledger, table, conflict, rows) for table, conflict, rows in tables if rows]
    if entries:  # their bytes are hexadecimal text already
        inserts.insert(0, (_insert("entries", ""), (ledger, _encoded(entries))))
    return Sheet(batch, inserts, changes)


def write_batch(connection: Any, sheet: Sheet) -> bool:
    """Write a batch inside an open transaction, if the head is where it was decided; else write nothing."""
    batch = sheet.batch
    ledger, head = batch.ledger_id, batch.head
    place = (head.sequence, head.posting, head.account, head.lot, head.recorded_at, head.batch)
    swapped = connection.execute(_SWAP, (*place, ledger, batch.expected_batch, batch.expected_epoch))
    if swapped.rowcount != 1:
        return False
    connection.execute(
        _BATCH, (ledger, head.batch, batch.expected_epoch, batch.token, head.sequence, head.recorded_at)
    )
    for statement in sheet.inserts:
        connection.execute(*statement)
    if any(connection.execute(_KEY_OF_ENTRY, (ledger, row[0])).fetchone() for row in batch.written.keys):
        raise BatchConflict("a key of a document-only draft is that of an entry")
    for table, statement, rows in sheet.changes:
        done = connection.execute(*statement)
        if done.rowcount != rows:
            raise BatchConflict(f"{table}: {done.rowcount} of {rows} guarded changes")
    return True


def insert_rows(connection: Any, ledger: int, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that lack the leading ledger_id."""
    if rows:
        connection.execute(*_insertion(ledger, table, "", rows))


def _insertion(ledger: int, table: str, conflict: str, rows: Sequence[tuple[Any, ...]]) -> Statement:
    return _insert(table, conflict), (ledger, _json(table, _columns(table), rows))


@lru_cache(maxsize=256)
def _columns(table: str) -> tuple[str, ...]:
    return tuple(c.name for c in metadata.tables[table].columns)[1:]


@lru_cache(maxsize=256)
def _insert(table: str, conflict: str) -> str:
    names = _columns(table)
    values = ", ".join(_each(table, names))
    statement = f"INSERT INTO {table} (ledger_id, {', '.join(names)}) SELECT ?1, {values} FROM jsonb_each(?2)"
    return f"{statement} WHERE true ON CONFLICT {conflict}" if conflict else statement


@lru_cache(maxsize=256)
def _guarded_update(table: str, names: tuple[str, ...]) -> str:
    keys = key_columns(table)
    where = " AND ".join(f"{table}.{name} = x.{name}" for name in keys)
    values = _each(table, (*keys, "state", "state", *names))
    fields = ", ".join(
        f"{value} AS {name}"
        for value, name in zip(values, (*keys, "old_state", "new_state", *names), strict=True)
    )
    moves = ", ".join(("state = x.new_state", *(f"{name} = x.{name}" for name in names)))
    return (
        f"UPDATE {table} SET {moves} FROM (SELECT {fields} FROM jsonb_each(?2)) AS x"
        f" WHERE {table}.ledger_id = ?1 AND {where} AND {table}.state = x.old_state"
    )


def _each(table: str, names: tuple[str, ...]) -> list[str]:
    """How each column is read out of a row's JSON: bytes travel as hexadecimal text."""
    return [
        f"unhex(value ->> {i})" if _is_bytes(table, name) else f"value ->> {i}"
        for i, name in enumerate(names)
    ]


def _is_bytes(table: str, name: str) -> bool:
    return str(metadata.tables[table].c[name].type).upper() == "BLOB"


@lru_cache(maxsize=256)
def _bytes_at(table: str, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(i for i, name in enumerate(names) if _is_bytes(table, name))


def _json(table: str, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> str:
    if any(len(row) != len(names) for row in rows):
        raise BatchConflict(f"a row of {table} has more or fewer values than columns")
    places = _bytes_at(table, names)
    if places:
        return _encoded([_in_hexadecimal(row, places) for row in rows])
    return _encoded(rows)


def _in_hexadecimal(row: Sequence[Any], places: tuple[int, ...]) -> Sequence[Any]:
    """A row with its bytes as hexadecimal text."""
    cells = list(row)
    for place in places:
        if cells[place] is not None:
            cells[place] = cells[place].hex()
    return cells


def _encoded(rows: Sequence[Sequence[Any]]) -> str:
    return msgspec.json.encode(rows).decode()
