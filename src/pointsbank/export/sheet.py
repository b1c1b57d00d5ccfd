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
    "reverses", "actor", "place", "reason", "key_hash", "leaf",
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CITY: Final = ZoneInfo(CITY_ZONE)


class SheetPage:
    def __init__(self, book: Book) -> None:
        self._row = csv.writer(_Answer()).writerow
        self._before: tuple[str, ...] = ()
        self._after: tuple[str | int, ...] = ()

    def opening(self) -> str:
        return str(self._row(COLUMNS))

    def commodity(self, commodity: Commodity) -> str:
        return ""

    def account(self, account: Account) -> str:
        return ""

    def entry(self, entry: Entry) -> str:
        """Nothing yet: every leg repeats what the entry says, before and after its own columns."""
        effective_at = _iso(entry.effective_at, _CITY)
        self._before = (effective_at[:10], effective_at, _iso(entry.recorded_at, UTC), cell(entry.kind))
        texts = map(cell, (entry.actor, entry.place, entry.reason))
        self._after = (entry.reverses or "", *texts, entry.key_digest.hex(), entry.leaf.hex())
        return ""

    def posting(self, entry: Entry, posting: Posting) -> str:
        amount = decimal_text(posting.amount, posting.scale)
        what = (cell(posting.commodity), "" if posting.lot == NO_LOT else cell(posting.lot))
        debit = (cell(posting.debit), posting.debit_type, *what, amount)
        credit = (cell(posting.credit), posting.credit_type, *what, f"-{amount}")
        number = (entry.sequence, posting.number)
        first = self._row((*number, "debit", *self._before, *debit, *self._after))
        return f"{first}{self._row((*number, 'credit', *self._before, *credit, *self._after))}"


class _Answer:
    """Where a csv writer writes to so that its `writerow` returns the row as text."""

    def write(self, text: str) -> str:
        return text


def _iso(micros: int, zone: tzinfo) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone).isoformat(timespec="microseconds")
