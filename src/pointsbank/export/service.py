"""The verb: write a ledger's journal in one of the formats, chunk by chunk, up to the head at its start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple, TextIO

import msgspec

from pointsbank.export.beancount import BeancountPage
from pointsbank.export.hledger import HledgerPage
from pointsbank.export.journal import (
    Account,
    Entry,
    Found,
    Head,
    Period,
    read_commodities,
    read_entries,
    read_head,
    survey,
)
from pointsbank.export.names import commodity_name, is_short_code
from pointsbank.export.page import CITY_ZONE, Book, Page
from pointsbank.export.sheet import SheetPage
from pointsbank.ledger.model import Commodity
from pointsbank.policy.calendar import city_day, city_to_utc_micros
from pointsbank.store.database import Database
from pointsbank.store.profile import profile_of

Format = Literal["hledger", "beancount", "csv"]
FORMATS: Final[dict[Format, type[Page]]] = {
    "hledger": HledgerPage,
    "beancount": BeancountPage,
    "csv": SheetPage,
}

ROWS_PER_READ: Final = 2000
_ENTRIES_PER_STRETCH: Final = 50_000
_FIRST_DAY: Final = date(1, 1, 2)
"""Declarations stand one day before the first entry, so no entry may lie on the first day of the calendar."""
_EPOCH: Final = date(1970, 1, 1)


class ExportError(Exception):
    """The journal cannot be written as asked. The message tells a person why, Chinese first."""


class Exported(msgspec.Struct, frozen=True):
    """What an export holds. `last_sequence` is the head at its start: what came later is not in it."""

    last_sequence: int
    entries: int
    postings: int
    accounts: int
    commodities: int
    declared_on: date


async def export_journal(
    database: Database,
    ledger_id: int,
    format: Format,  # noqa: A002 - the word that the verb and the docs use
    out: TextIO,
    *,
    since: date | None = None,
    until: date | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    rows_per_read: int = ROWS_PER_READ,
) -> Exported:
    """Write the journal of a ledger to `out`, which should be opened with encoding UTF-8 and `newline=""`.

    `since` and `until` are effective dates in the city, both included: an export of a part shows the
    movements of that time and carries no opening balances. `on_progress` is told (entries written, entries
    in all). Each read is a short transaction of its own, of some `rows_per_read` rows; what is posted
    meanwhile is left out. Raises ExportError, before anything is written unless two names collide.
    """
    head = await database.read(read_head, ledger_id)
    if head is None:
        raise ExportError(
            f"数据库中没有编号为 {ledger_id} 的账本。The database has no ledger with the id {ledger_id}."
        )
    period = _period(since, until)
    stretches = [s async for s in _surveyed(database, ledger_id, head, period)]
    found = [part for stretch in stretches for part in stretch.found]
    total = sum(part.entries for part in found)
    profile = await database.read(profile_of, ledger_id) or "live"
    book = Book(
        head.name, profile, head.sequence, _declared_on(head, found), sorted({part.kind for part in found})
    )
    page = FORMATS[format](book)
    report = on_progress or (lambda done, total: None)
    report(0, total)

    out.write(page.opening())
    commodities = entries = postings = 0
    async for commodity in _commodities(database, ledger_id, rows_per_read):
        out.write(page.commodity(commodity))
        commodities += 1
    declared = _Declared(head.account)
    for stretch in stretches:
        after = stretch.after
        while after < stretch.upto:
            after, read = await database.read(
                read_entries, ledger_id, after, stretch.upto, period, rows_per_read
            )
            out.write("".join(_written(page, read, declared)))
            entries += len(read)
            postings += sum(len(entry.postings) for entry in read)
            report(entries, total)
    return Exported(head.sequence, entries, postings, declared.count, commodities, book.declared_on)


def _written(page: Page, entries: list[Entry], declared: _Declared) -> Iterator[str]:
    for entry in entries:
        for posting in entry.postings:
            for account in (posting.debit, posting.credit):
                if declared.is_new(account):
                    yield page.account(account)
        yield page.entry(entry)


class _Declared:
    """Which accounts the file has declared: a bit each, so ten million of them take a megabyte."""

    def __init__(self, accounts: int) -> None:
        self._bits = bytearray(accounts // 8 + 1)
        self.count = 0

    def is_new(self, account: Account) -> bool:
        byte, bit = account.number >> 3, 1 << (account.number & 7)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self.count += 1
        return True


def _period(since: date | None, until: date | None) -> Period:
    return Period(
        None if since is None else _start_of_day((max(since, _FIRST_DAY) - _EPOCH).days),
        None if until is None else _start_of_day((max(until, _FIRST_DAY) - _EPOCH).days + 1),
    )


def _start_of_day(day: int) -> int:
    return city_to_utc_micros(day * 86_400, CITY_ZONE)


def _declared_on(head: Head, found: list[Found]) -> date:
    """The day before the smallest effective date; the ledger's last day if there is no entry at all."""
    try:
        city_day(max((part.last for part in found), default=0), CITY_ZONE)
        first = city_day(min((part.first for part in found), default=head.recorded_at), CITY_ZONE)
        return first - timedelta(days=1)
    except (ValueError, OverflowError):
        raise ExportError(
            "账本中有凭证的生效日期不在公元 1 年至 9999 年之间，无法写成日期；请用起止日期把它排除。"
            " An entry has an effective date outside of the years 1 to 9999, which cannot be written:"
            " leave it out by the first and last date of the export."
        ) from None


class _Stretch(NamedTuple):
    """Sequence numbers in (after, upto], and what of the period lies there."""

    after: int
    upto: int
    found: list[Found]


async def _surveyed(
    database: Database, ledger_id: int, head: Head, period: Period
) -> AsyncIterator[_Stretch]:
    """The stretches of the journal that hold something of the period; the others need not be read again."""
    for after in range(0, head.sequence, _ENTRIES_PER_STRETCH):
        upto = min(after + _ENTRIES_PER_STRETCH, head.sequence)
        found = await database.read(survey, ledger_id, after, upto, period)
        if found:
            yield _Stretch(after, upto, found)


async def _commodities(database: Database, ledger_id: int, limit: int) -> AsyncIterator[Commodity]:
    """All commodities. Two that would stand under one short code (their hashes collide) are not exported."""
    short_codes: dict[str, str] = {}
    after = ""
    while found := await database.read(read_commodities, ledger_id, after, limit):
        for commodity in found:
            name = commodity_name(commodity.code)
            if is_short_code(name) and short_codes.setdefault(name, commodity.code) != commodity.code:
                raise ExportError(
                    f"两个品类的短代码同为 {name}。Two commodities share the short code {name}."
                )
            yield commodity
        after = found[-1].code
