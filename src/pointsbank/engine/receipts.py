"""Receipts: what a caller is told of an entry that is durable, the first time and every time after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pointsbank.ledger.books import Accepted, Replayed
from pointsbank.ledger.decide import Verdict
from pointsbank.ledger.model import JournalEntry, Posting, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal


def result_of(
    verdict: Verdict, originals: Mapping[int, JournalEntry], *, brief: bool = False
) -> Receipt | Refusal:
    """What a caller is told of a verdict once it is durable; `originals` are the entries of used keys, by sequence.

    A `brief` receipt of a new entry does not list its postings.
    """
    if type(verdict) is Accepted:
        if brief:
            return Receipt(
                verdict.sequence,
                verdict.recorded_at,
                verdict.draft.key,
                verdict.leaf,
                numbers=verdict.numbers,
            )
        return receipt_of_accepted(verdict)
    if type(verdict) is Replayed:
        entry = originals.get(verdict.use.sequence)
        if entry is None:
            return Receipt(verdict.use.sequence, verdict.use.recorded_at, verdict.key, replayed=True)
        return receipt_of_entry(entry)
    assert isinstance(verdict, Refusal)
    return verdict


def cause_of(results: Sequence[Receipt | Refusal], group: GroupRefused) -> Refusal:
    """The refusal on whose account a group was refused as a whole; `results` are those of its drafts."""
    cause = results[group.position]
    return cause if isinstance(cause, Refusal) else group


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
                e.number,
                sequence,
                e.debit.path,
                e.credit.path,
                e.lot.commodity,
                e.lot.code,
                e.amount,
                e.debit_version,
                e.credit_version,
                e.debit_balance,
                e.credit_balance,
                e.debit_total,
                e.credit_total,
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
    return Receipt(
        entry.sequence, entry.recorded_at, entry.key, entry.leaf, entry.postings, numbers, replayed=True
    )
