"""Receipts: what a caller is told of an entry that is durable, the first time and every time after."""

from __future__ import annotations

import msgspec

from pointsbank.ledger.books import Accepted
from pointsbank.ledger.model import JournalEntry, Posting, Receipt


def receipt_of_accepted(accepted: Accepted) -> Receipt:
    """The receipt of an entry that has just been written."""
    sequence = accepted.sequence
    return Receipt(
        sequence,
        accepted.recorded_at,
        accepted.draft.key,
        accepted.leaf if sequence else b"",
        tuple(
            Posting(
                e.number, sequence, e.debit.path, e.credit.path, e.lot.commodity, e.lot.code, e.amount,
                e.debit_version, e.credit_version, e.debit_balance, e.credit_balance, e.debit_total, e.credit_total,
            )
            for e in accepted.effects
        ),
        accepted.numbers,
    )


def receipt_of_entry(entry: JournalEntry) -> Receipt:
    """The first receipt of an entry again, marked as replayed; its numbers stand in the entry's metadata."""
    metadata: dict[str, int | str] = msgspec.json.decode(entry.metadata) if entry.metadata else {}
    numbers = tuple(
        (name.removeprefix("number:"), int(n)) for name, n in metadata.items() if name.startswith("number:")
    )
    return Receipt(entry.sequence, entry.recorded_at, entry.key, entry.leaf, entry.postings, numbers, replayed=True)
