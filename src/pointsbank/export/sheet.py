"""The journal as a sheet: one CSV row (RFC 4180) for each leg, in the bank's own names."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from pointsbank.export.journal import Account, Entry, Posting
from pointsbank.export.page import CITY_ZONE, Book
from pointsbank.export.text import cell, decimal_text
from pointsbank.ledger.model import NO_LOT, Commodity

COLUMNS: Final = (
    "sequence", "posting", "side", "effective_date", "effective_at", "recorded_at", "kind",
    "account", "account_type", "commodity", "lot", "amount",
    "reverses", "actor", "place", "reason", "key_hash", "leaf", "profile",
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CITY: Final = ZoneInfo(CITY_ZONE)


class SheetPage:
    def __init__(self, book: Book) -> None:
        self._profile = book.profile
        self._row = csv.writer(_Answer()).writerow

    def opening(self) -> str:
        return str(self._row(COLUMNS))

    def commodity(self, commodity: Commodity) -> str:
        return ""

    def account(self, account: Account) -> str:
        return ""

    def entry(self, entry: Entry) -> str:
        effective_at = _iso(entry.effective_at, _CITY)
        before = (effective_at[:10], effective_at, _iso(entry.recorded_at, UTC), cell(entry.kind))
        texts = map(cell, (entry.actor, entry.place, entry.reason))
        after = (entry.reverses or "", *texts, entry.key_digest.hex(), entry.leaf.hex(), self._profile)
        rows = []
        for posting in entry.postings:
            number = (entry.sequence, posting.number)
            debit, credit = _legs(posting)
            rows.append(self._row((*number, "debit", *before, *debit, *after)))
            rows.append(self._row((*number, "credit", *before, *credit, *after)))
        return "".join(rows)


def _legs(posting: Posting) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns from `account` to `amount`, of the debit and of the credit."""
    debit, credit, lot = posting.debit, posting.credit, posting.lot
    amount = decimal_text(posting.amount, lot.scale)
    what = (cell(lot.commodity), "" if lot.code == NO_LOT else cell(lot.code))
    return (cell(debit.path), debit.type, *what, amount), (
        cell(credit.path),
        credit.type,
        *what,
        f"-{amount}",
    )


class _Answer:
    """Where a csv writer writes to so that its `writerow` returns the row as text."""

    def write(self, text: str) -> str:
        return text


def _iso(micros: int, zone: tzinfo) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone).isoformat(timespec="microseconds")
