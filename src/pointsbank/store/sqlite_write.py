"""How a batch is written to SQLite: one statement a table, its rows in one JSON text.

`executemany` takes and gives back Python's lock for every row, so a thread that decides the next batch would
hold up the one that writes this batch for milliseconds a row. One statement runs from end to end without it, and
the two threads use two cores. `jsonb_each` hands out each row parsed, which is cheaper than binding it from Python;
`json_each` would print the row and have it parsed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from pointsbank.store.columns import changes_in_rounds, key_columns
from pointsbank.store.port import Batch, BatchConflict
from pointsbank.store.tables import metadata

_SWAP = """UPDATE heads SET sequence = ?, posting = ?, account = ?, lot = ?, recorded_at = ?, batch = ?
    WHERE ledger_id = ? AND batch = ? AND epoch = ?"""
_BATCH = """INSERT INTO batches (ledger_id, batch, epoch, token, last_sequence, recorded_at)
    VALUES (?, ?, ?, ?, ?, ?)"""
_BALANCE_MOVES = """(ledger_id, account, lot)
    DO UPDATE SET balance = excluded.balance, version = excluded.version, posting = excluded.posting"""
_KEY_OF_ENTRY = "SELECT 1 FROM entries WHERE ledger_id = ? AND key_digest = ?"
_VERSION_RISES = "(ledger_id, subject) DO UPDATE SET version = excluded.version"
_COUNTER_RISES = "(ledger_id, counter) DO UPDATE SET value = excluded.value"


def write_batch(connection: Any, batch: Batch) -> bool:
    """Write a batch inside an open transaction, if the head is where it was decided; else write nothing."""
    ledger, head, w = batch.ledger_id, batch.head, batch.written
    swapped = connection.execute(
        _SWAP,
        (
            head.sequence,
            head.posting,
            head.account,
            head.lot,
            head.recorded_at,
            head.batch,
            ledger,
            batch.expected_batch,
            batch.expected_epoch,
        ),
    )
    if swapped.rowcount != 1:
        return False
    connection.execute(
        _BATCH, (ledger, head.batch, batch.expected_epoch, batch.token, head.sequence, head.recorded_at)
    )
    insert_rows(
        connection,
        ledger,
        "entries",
        [
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
        ],
        in_hex=True,
    )
    insert_rows(
        connection,
        ledger,
        "postings",
        [
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
        ],
    )
    insert_rows(connection, ledger, "balances", w.changed_balances, _BALANCE_MOVES)
    insert_rows(connection, ledger, "balances", w.new_balances)
    if not w.is_plain:
        _write_documents(connection, batch)
    return True


def _write_documents(connection: Any, batch: Batch) -> None:
    ledger, w = batch.ledger_id, batch.written
    tables: list[tuple[str, Sequence[tuple[Any, ...]]]] = [
        ("accounts", w.accounts),
        ("lots", w.lots),
        ("commodities", w.commodities),
        ("document_keys", w.keys),
        *w.rows.items(),
    ]
    for table, rows in tables:
        insert_rows(connection, ledger, table, rows)
    insert_rows(connection, ledger, "subjects", list(w.subjects.items()), _VERSION_RISES)
    insert_rows(connection, ledger, "counters", list(w.counters.items()), _COUNTER_RISES)
    if w.keys and any(connection.execute(_KEY_OF_ENTRY, (ledger, row[0])).fetchone() for row in w.keys):
        raise BatchConflict("a key of a document-only draft is that of an entry")
    for table, names, changes in changes_in_rounds(w.changes):
        columns = (*key_columns(table), "state", "state", *names)
        rows = [(*change.key, change.old, change.new, *values) for change, values in changes]
        done = connection.execute(_guarded_update(table, names), (ledger, _json(table, columns, rows)))
        if done.rowcount != len(rows):
            raise BatchConflict(f"{table}: {done.rowcount} of {len(rows)} guarded changes")


def insert_rows(
    connection: Any,
    ledger: int,
    table: str,
    rows: Sequence[tuple[Any, ...]],
    conflict: str = "",
    *,
    in_hex: bool = False,
) -> None:
    """Insert rows that lack the leading ledger_id. `in_hex`: their bytes are hexadecimal text already."""
    if rows:
        text = _encoded(rows) if in_hex else _json(table, _columns(table), rows)
        connection.execute(_insert(table, conflict), (ledger, text))


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
        rows = [
            tuple(cell.hex() if i in places and cell is not None else cell for i, cell in enumerate(row))
            for row in rows
        ]
    return _encoded(rows)


def _encoded(rows: Iterable[tuple[Any, ...]]) -> str:
    return msgspec.json.encode(rows).decode()
