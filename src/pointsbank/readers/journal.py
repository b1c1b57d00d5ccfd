"""The journal itself: one entry with its postings, or entries in order, for exports and the API."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from pointsbank.ledger.books import key_digest
from pointsbank.ledger.model import JournalEntry, Posting
from pointsbank.ledger.refusals import UnknownEntry
from pointsbank.readers.moments import LedgerHead, head
from pointsbank.store.tables import accounts, entries, lots, postings

__all__ = ["MAX_ENTRIES", "LedgerHead", "entries_after", "entry", "entry_by_key", "head", "reversals_of"]

MAX_ENTRIES: Final = 1000
"""Most entries of one call. An entry has at most 1000 postings, nearly always fewer than ten."""


def entry(connection: Connection, ledger_id: int, sequence: int) -> JournalEntry | UnknownEntry:
    """One entry with its postings by its sequence number."""
    if not 0 < sequence < 2**63:
        return UnknownEntry(sequence)
    found = _with_postings(
        connection,
        ledger_id,
        connection.execute(_BY_SEQUENCE, {"ledger": ledger_id, "sequence": sequence}).all(),
    )
    return found[0] if found else UnknownEntry(sequence)


def entries_after(
    connection: Connection, ledger_id: int, after: int = 0, limit: int = 100, *, up_to: int | None = None
) -> list[JournalEntry]:
    """The next `limit` entries after a sequence number, oldest first, with their postings.

    Go on with the last one's sequence until the list is empty. `up_to` is the last sequence number wanted:
    a reader that names the head at its start sees the same books in every call, however many postings
    arrive meanwhile.
    """
    if not 0 <= after < 2**62:
        return []
    until = 2**62 if up_to is None else up_to
    page = {"ledger": ledger_id, "after": after, "until": until, "limit": max(1, min(limit, MAX_ENTRIES))}
    rows = connection.execute(_PAGE, page).all()
    return _with_postings(connection, ledger_id, rows)


def entry_by_key(connection: Connection, ledger_id: int, client: str, key: str) -> JournalEntry | None:
    """The entry that consumed a client's idempotency key; None if no entry did."""
    if not (client + key).isprintable():
        return None
    rows = connection.execute(_BY_KEY, {"ledger": ledger_id, "digest": key_digest(client, key)}).all()
    found = _with_postings(connection, ledger_id, rows)
    return found[0] if found and (found[0].client, found[0].key) == (client, key) else None


def reversals_of(connection: Connection, ledger_id: int, sequences: Sequence[int]) -> dict[int, int]:
    """Which of these entries were reversed, and by which entry."""
    rows = (
        connection.execute(_REVERSALS, {"ledger": ledger_id, "sequences": list(sequences)})
        if sequences
        else ()
    )
    return {original: reversal for original, reversal in rows}  # noqa: C416


def _with_postings(connection: Connection, ledger_id: int, rows: Sequence[Any]) -> list[JournalEntry]:
    if not rows:
        return []
    lines = connection.execute(
        _POSTINGS, {"ledger": ledger_id, "first": rows[0][13], "last": rows[-1][13] + rows[-1][15] - 1}
    )
    by_sequence = {
        sequence: tuple(Posting(*line) for line in group)
        for sequence, group in groupby(lines, key=lambda p: p[1])
    }
    return [_entry(row, by_sequence.get(row[0], ())) for row in rows]


def _entry(row: Any, lines: tuple[Posting, ...]) -> JournalEntry:
    *fields, leaf, _ = row
    values: tuple[Any, ...] = (*fields, lines, leaf)
    return JournalEntry(*values)


# The statements. Names are scalar look-ups, not joins, so that no planner reads a whole table to name ten
# lines.

_ENTRY: Select[Any] = select(
    entries.c.sequence,
    entries.c.kind,
    entries.c.client,
    entries.c.key,
    entries.c.request,
    entries.c.effective_at,
    entries.c.recorded_at,
    entries.c.actor,
    entries.c.place,
    entries.c.reason,
    entries.c.reverses,
    entries.c.metadata,
    entries.c.documents,
    entries.c.first_posting,
    entries.c.leaf,
    entries.c.postings,
).where(entries.c.ledger_id == bindparam("ledger"))

_BY_SEQUENCE = _ENTRY.where(entries.c.sequence == bindparam("sequence"))
_BY_KEY = _ENTRY.where(entries.c.key_digest == bindparam("digest"))
_PAGE = (
    _ENTRY.where(entries.c.sequence > bindparam("after"), entries.c.sequence <= bindparam("until"))
    .order_by(entries.c.sequence)
    .limit(bindparam("limit"))
)
_REVERSALS = select(entries.c.reverses, entries.c.sequence).where(
    entries.c.ledger_id == bindparam("ledger"),
    entries.c.reverses > 0,
    entries.c.reverses.in_(bindparam("sequences", expanding=True)),
)


def path_of(number: ColumnElement[int]) -> ColumnElement[str]:
    """The path of an account by its number."""
    return (
        select(accounts.c.path)
        .where(accounts.c.ledger_id == bindparam("ledger"), accounts.c.account == number)
        .scalar_subquery()
    )


def _of_lot(wanted: ColumnElement[str]) -> ColumnElement[str]:
    return (
        select(wanted)
        .where(lots.c.ledger_id == bindparam("ledger"), lots.c.lot == postings.c.lot)
        .scalar_subquery()
    )


_POSTINGS = (
    select(
        postings.c.posting,
        postings.c.sequence,
        path_of(postings.c.debit_account),
        path_of(postings.c.credit_account),
        _of_lot(lots.c.commodity),
        _of_lot(lots.c.code),
        postings.c.amount,
        postings.c.debit_version,
        postings.c.credit_version,
        postings.c.debit_balance,
        postings.c.credit_balance,
        postings.c.debit_total,
        postings.c.credit_total,
    )
    .where(
        postings.c.ledger_id == bindparam("ledger"),
        postings.c.posting >= bindparam("first"),
        postings.c.posting <= bindparam("last"),
    )
    .order_by(postings.c.posting)
)
