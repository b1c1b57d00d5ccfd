"""What the writer loads from SQLite: one statement for each kind of thing, names and rows each in one JSON text.

The driver gives Python's lock back and takes it again for every row and every statement, and whoever computes
meanwhile keeps it for a while. One statement that fetches one row is waited for once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from pointsbank.ledger.model import JournalEntry, Posting
from pointsbank.store.columns import key_columns
from pointsbank.store.port import Loaded, Wanted, entry_of


def load_at_once(connection: Any, ledger: int, wanted: Wanted) -> Loaded:
    """Load in one transaction; without one, each statement takes the file's lock and gives it back."""
    connection.execute("BEGIN")
    try:
        return load(connection, ledger, wanted)
    finally:
        connection.execute("COMMIT")


def load(connection: Any, ledger: int, wanted: Wanted) -> Loaded:
    """Load what is wanted, as far as it is there."""

    def found(columns: str, source: str, sought: Collection[Any]) -> list[Any]:
        if not sought:
            return []
        (rows,) = connection.execute(
            _look_up(columns, source), (ledger, msgspec.json.encode(sought).decode())
        ).fetchone()
        return msgspec.json.decode(rows)  # type: ignore[no-any-return]

    loaded = Loaded()
    loaded.accounts = found("account, path, kind, type, floor", "accounts WHERE path = {}", wanted.accounts)
    numbers = [account[0] for account in loaded.accounts]
    loaded.balances = found("account, lot, balance, version", "balances WHERE account = {}", numbers)
    held = {balance[1] for balance in loaded.balances}
    loaded.lots = found("lot, commodity, code", "lots WHERE lot = {}", held)
    loaded.lots += found("lot, commodity, code", "lots WHERE commodity = {0} AND code = {1}", wanted.lots)
    loaded.commodities = found(
        "commodity, scale, has_lots", "commodities WHERE commodity = {}", wanted.commodities
    )
    digests = [digest.hex() for digest in wanted.keys]
    for source, sequence in (("entries", "sequence"), ("document_keys", "0")):
        columns = f"hex(key_digest), hex(request), {sequence}, recorded_at"
        for digest, request, *use in found(columns, f"{source} WHERE key_digest = unhex({{}})", digests):
            loaded.keys.append((bytes.fromhex(digest), bytes.fromhex(request), *use))
    loaded.subjects = found("subject, version", "subjects WHERE subject = {}", wanted.subjects)
    loaded.counters = found("counter, value", "counters WHERE counter = {}", wanted.counters)
    for table, keys in wanted.changes.items():
        sought = list(keys)
        rows = found("sought_at, state", _with_key(table), sought)
        loaded.changes += [(table, sought[at], state) for at, state in rows]
    for table, keys in wanted.documents.items():
        sought = list(keys)
        loaded.documents += [(table, sought[at]) for (at,) in found("sought_at", _with_key(table), sought)]
    if wanted.entries:
        loaded.entries = load_entries(connection, ledger, wanted.entries)
    return loaded


@lru_cache(maxsize=256)
def _look_up(columns: str, source: str) -> str:
    """A statement that looks each value of a JSON array up; `{}` in the condition stands for it, `{0}` for a part."""
    table, condition = source.split(" WHERE ", 1)
    parts = [f"(sought_value ->> {n})" for n in range(16)]
    condition = condition.replace("{}", "sought_value") if "{}" in condition else condition.format(*parts)
    # CROSS JOIN: the values come first, each finds its rows by the index
    return (
        f"SELECT json_group_array(json_array({columns}))"
        " FROM (SELECT key AS sought_at, value AS sought_value FROM jsonb_each(?2))"
        f" CROSS JOIN {table} ON ledger_id = ?1 AND {condition}"
    )


@lru_cache(maxsize=256)
def _with_key(table: str) -> str:
    columns = key_columns(table)
    return f"{table} WHERE " + " AND ".join(f"{table}.{name} = {{{at}}}" for at, name in enumerate(columns))


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
