"""What the writer loads from SQLite: one statement for each kind of thing, names and rows each in one JSON text.
Only the few entries that are to be reversed are read one by one.

The driver gives Python's lock back and takes it again for every row and every statement, and whoever computes
meanwhile keeps it for a while. One statement that fetches one row is waited for once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from pointsbank.ledger.model import JournalEntry, Posting
from pointsbank.store.columns import key_columns
from pointsbank.store.port import Loaded, Wanted, entry_of

T = TypeVar("T")


def load_at_once(connection: Any, ledger: int, wanted: Wanted) -> Loaded:
    """Load in one transaction; without one, each statement takes the file's lock and gives it back."""
    connection.execute("BEGIN")
    try:
        return load(connection, ledger, wanted)
    finally:
        connection.execute("COMMIT")


def load(connection: Any, ledger: int, wanted: Wanted) -> Loaded:
    """Load what is wanted, as far as it is there."""

    def found(statement: str, sought: Collection[Any], row: type[T]) -> list[T]:
        if not sought:
            return []
        names = msgspec.json.encode(sought).decode()
        (rows,) = connection.execute(statement, (ledger, names)).fetchone()
        return msgspec.json.decode(rows, type=list[row])  # type: ignore[valid-type]

    loaded = Loaded()
    loaded.accounts = found(_ACCOUNTS, wanted.accounts, tuple[int, str, str, str, int | None])
    numbers = [account[0] for account in loaded.accounts]
    loaded.balances = found(_BALANCES, numbers, tuple[int, int, int, int])
    held = {balance[1] for balance in loaded.balances}
    loaded.lots = found(_LOTS, held, tuple[int, str, str])
    loaded.lots += found(_LOTS_BY_NAME, wanted.lots, tuple[int, str, str])
    loaded.commodities = found(_COMMODITIES, wanted.commodities, tuple[str, int, int])
    digests = [digest.hex() for digest in wanted.keys]
    for statement in (_KEYS_OF_ENTRIES, _KEYS_OF_DOCUMENTS):
        for digest, request, sequence, at in found(statement, digests, tuple[str, str, int, int]):
            loaded.keys.append((bytes.fromhex(digest), bytes.fromhex(request), sequence, at))
    loaded.subjects = found(_SUBJECTS, wanted.subjects, tuple[str, int])
    loaded.counters = found(_COUNTERS, wanted.counters, tuple[str, int])
    for table, keys in wanted.changes.items():
        sought = list(keys)
        states = found(_by_key(table, "sought_at, state"), sought, tuple[int, str])
        loaded.changes += [(table, sought[place], state) for place, state in states]
    for table, keys in wanted.documents.items():
        sought = list(keys)
        loaded.documents += [
            (table, sought[place]) for (place,) in found(_by_key(table, "sought_at"), sought, tuple[int])
        ]
    if wanted.entries:
        loaded.entries = load_entries(connection, ledger, wanted.entries)
    return loaded


def _look_up(columns: str, table: str, condition: str) -> str:
    """A statement that looks up each `sought` value of a JSON array, which stands at `sought_at` in it."""
    # CROSS JOIN: the values come first, each finds its rows by the index
    return (
        f"SELECT json_group_array(json_array({columns}))"
        " FROM (SELECT key AS sought_at, value AS sought FROM jsonb_each(?2))"
        f" CROSS JOIN {table} ON ledger_id = ?1 AND {condition}"
    )


_ACCOUNTS = _look_up("account, path, kind, type, floor", "accounts", "path = sought")
_BALANCES = _look_up("account, lot, balance, version", "balances", "account = sought")
_LOTS = _look_up("lot, commodity, code", "lots", "lot = sought")
_LOTS_BY_NAME = _look_up(
    "lot, commodity, code", "lots", "commodity = (sought ->> 0) AND code = (sought ->> 1)"
)
_COMMODITIES = _look_up("commodity, scale, has_lots", "commodities", "commodity = sought")
_KEYS_OF_ENTRIES = _look_up(
    "hex(key_digest), hex(request), sequence, recorded_at", "entries", "key_digest = unhex(sought)"
)
_KEYS_OF_DOCUMENTS = _look_up(
    "hex(key_digest), hex(request), 0, recorded_at", "document_keys", "key_digest = unhex(sought)"
)
_SUBJECTS = _look_up("subject, version", "subjects", "subject = sought")
_COUNTERS = _look_up("counter, value", "counters", "counter = sought")


@lru_cache(maxsize=256)
def _by_key(table: str, columns: str) -> str:
    parts = [f"{table}.{name} = (sought ->> {at})" for at, name in enumerate(key_columns(table))]
    return _look_up(columns, table, " AND ".join(parts))


def load_entries(connection: Any, ledger: int, sequences: Iterable[int]) -> list[tuple[JournalEntry, int]]:
    """Entries with their postings, each with the sequence of the entry that reversed it, 0 if none did."""
    found: list[tuple[JournalEntry, int]] = []
    for sequence in sequences:
        row = connection.execute(
            """SELECT sequence, kind, client, key, request, effective_at, recorded_at, actor, place, reason, reverses,
            metadata, documents, first_posting, leaf, postings FROM entries WHERE ledger_id = ? AND sequence = ?""",
            (ledger, sequence),
        ).fetchone()
        if row is None:
            continue
        reversed_by = connection.execute(
            "SELECT sequence FROM entries WHERE ledger_id = ? AND reverses = ? AND reverses > 0",
            (ledger, sequence),
        ).fetchone()
        lines = connection.execute(
            """SELECT p.posting, p.sequence, d.path, c.path, l.commodity, l.code, p.amount, p.debit_version,
            p.credit_version, p.debit_balance, p.credit_balance, p.debit_total, p.credit_total FROM postings p
            JOIN accounts d ON d.ledger_id = p.ledger_id AND d.account = p.debit_account
            JOIN accounts c ON c.ledger_id = p.ledger_id AND c.account = p.credit_account
            JOIN lots l ON l.ledger_id = p.ledger_id AND l.lot = p.lot
            WHERE p.ledger_id = ? AND p.posting BETWEEN ? AND ? ORDER BY p.posting""",
            (ledger, row[13], row[13] + row[15] - 1),
        ).fetchall()
        entry = entry_of(row[:14], tuple(Posting(*line) for line in lines), row[14])
        found.append((entry, reversed_by[0] if reversed_by else 0))
    return found
