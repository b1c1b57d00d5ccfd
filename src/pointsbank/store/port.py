"""What the engine asks of a store, and what a store gives back: plain values, the same for every engine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from typing import Any, Final, Protocol

import msgspec

from pointsbank.ledger.books import (
    Accepted,
    AccountState,
    Books,
    Head,
    KeyUse,
    LotState,
    ReversedEntry,
    key_digest,
)
from pointsbank.ledger.chart import NORMAL_SIDE, Chart
from pointsbank.ledger.model import NO_LOT, Commodity, Draft, JournalEntry, Posting

DocumentKey = tuple[int | str, ...]


class StoreError(Exception):
    """The store failed; nothing of the batch was written."""


class BatchConflict(StoreError):
    """A key, a document or a guarded state is not what the batch was decided on: decide it again under the lock."""


class OutcomeUnknown(StoreError):
    """The connection was lost while a commit was under way: it may or may not be durable."""


class LedgerBusy(StoreError):
    """Another process owns this SQLite file."""


class Wanted(msgspec.Struct):
    """What the books lack for the drafts at hand."""

    accounts: set[str] = msgspec.field(default_factory=set)
    lots: set[tuple[str, str]] = msgspec.field(default_factory=set)
    keys: set[bytes] = msgspec.field(default_factory=set)
    subjects: set[str] = msgspec.field(default_factory=set)
    counters: set[str] = msgspec.field(default_factory=set)
    changes: dict[str, set[DocumentKey]] = msgspec.field(default_factory=dict)
    documents: dict[str, set[DocumentKey]] = msgspec.field(default_factory=dict)
    entries: set[int] = msgspec.field(default_factory=set)
    commodities: set[str] = msgspec.field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(
            self.accounts
            or self.lots
            or self.keys
            or self.subjects
            or self.counters
            or self.changes
            or self.documents
            or self.entries
            or self.commodities
        )


class Loaded(msgspec.Struct):
    """What the store found. Things asked for and not listed do not exist."""

    accounts: list[tuple[int, str, str, str, int | None]] = msgspec.field(default_factory=list)
    """number, path, kind, type, floor"""
    balances: list[tuple[int, int, int, int]] = msgspec.field(default_factory=list)
    """account, lot, balance, version"""
    lots: list[tuple[int, str, str]] = msgspec.field(default_factory=list)
    """number, commodity, code"""
    commodities: list[tuple[str, int, int]] = msgspec.field(default_factory=list)
    keys: list[tuple[bytes, bytes, int, int]] = msgspec.field(default_factory=list)
    """digest, request, sequence, recorded_at"""
    subjects: list[tuple[str, int]] = msgspec.field(default_factory=list)
    counters: list[tuple[str, int]] = msgspec.field(default_factory=list)
    changes: list[tuple[str, DocumentKey, str]] = msgspec.field(default_factory=list)
    documents: list[tuple[str, DocumentKey]] = msgspec.field(default_factory=list)
    entries: list[tuple[JournalEntry, int]] = msgspec.field(default_factory=list)


class News(msgspec.Struct):
    """What other processes have posted since a head that this one remembers."""

    lots: list[tuple[int, str, str]]
    """number, commodity, code of lots that are new"""
    postings: list[tuple[int, int, int, int, int, int, int, int, int]]
    """debit and credit account, lot, then the running figures: versions, balances, totals, debit before credit"""


MOST_NEWS: Final = 20_000
"""Beyond so many postings it is quicker to start afresh."""


class Written(msgspec.Struct):
    """The rows of a batch beside its entries and postings."""

    changed_balances: list[tuple[int, int, int, int, int]]
    """account, lot, balance, version, posting: of rows that exist"""
    new_balances: list[tuple[int, int, int, int, int]]
    accounts: list[tuple[int, str, str, str, int | None, int]]
    lots: list[tuple[int, str, str, str]]
    commodities: list[tuple[str, int, int]]
    keys: list[tuple[bytes, str, str, bytes, int]]
    new_subjects: list[tuple[str, int]]
    raised_subjects: list[tuple[str, int, int]]
    """subject, version before and after"""
    counters: dict[str, int]
    rows: dict[str, list[tuple[Any, ...]]]
    changes: list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]]
    """guarded changes: table, columns beside the state; of each document its key, state before and after, the columns"""

    @property
    def is_plain(self) -> bool:
        """Whether the batch has postings on known accounts and lots, and nothing else."""
        return not (
            self.accounts
            or self.lots
            or self.commodities
            or self.keys
            or self.new_subjects
            or self.raised_subjects
            or self.counters
            or self.rows
            or self.changes
        )


class Batch(msgspec.Struct):
    """One commit: the head it was decided on, the head it leads to, and what it writes."""

    ledger_id: int
    expected_batch: int
    expected_epoch: int
    token: bytes
    head: Head
    accepted: list[Accepted]
    recorded_at: int
    written: Written
    prepared: Any = None
    """The batch as the store sends it, once `prepare` has been called."""


class Turn(Protocol):
    """The head, locked: nobody else writes this ledger until the turn ends. Leaving it without error commits."""

    head: Head

    async def load(self, wanted: Wanted) -> Loaded: ...

    async def news(self, since: Head) -> News | None:
        """What has been posted since; None if that is too much to be worth it."""
        ...

    async def append(self, batch: Batch) -> None: ...


class Store(Protocol):
    """The only place that knows an engine's tricks. One instance serves one ledger's writer."""

    ledger_id: int

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def create(self, name: str, chart: Chart) -> None:
        """Open the books of a ledger that does not exist yet; of one that does, check the name and the chart."""
        ...

    async def head(self) -> Head: ...

    async def load(self, wanted: Wanted) -> Loaded: ...

    def prepare(self, batch: Batch) -> None:
        """Bring a batch into the form in which it is sent: work that can be done while another is being written.

        Raises BatchConflict if a row does not fit its table.
        """
        ...

    async def append(self, batch: Batch) -> bool:
        """Write a prepared batch in one durable commit if the head is still where it was decided; else write nothing.

        Raises BatchConflict, OutcomeUnknown, StoreError.
        """
        ...

    def turn(self) -> AbstractAsyncContextManager[Turn]: ...

    async def settle(self, batch: Batch) -> bool:
        """Whether a commit of unknown outcome is durable; if it is not, fence it off so that it never will be."""
        ...

    async def reconnect(self) -> None:
        """Connect again after a loss. Raises OutcomeUnknown while that is not possible."""
        ...

    async def receipts(self, sequences: Iterable[int]) -> dict[int, JournalEntry]: ...


def ledger_id_of(name: str) -> int:
    """The id of the ledger with this name: 31 bits of its SHA-256, so it is the same in every database."""
    return int.from_bytes(sha256(b"pointsbank ledger\0" + name.encode()).digest()[:4], "big") >> 1 or 1


class LedgerMismatch(StoreError):
    """The database holds another ledger under this id, or this one with another chart."""


def check_ledger(name: str, chart: Chart, found: tuple[str, str]) -> None:
    """Raise LedgerMismatch unless the ledger on file has this name and this chart."""
    if found != (name, chart.name):
        raise LedgerMismatch(
            f"the database has the ledger {found[0]} with chart {found[1]}, not {name} with {chart.name}"
        )


def entry_of(row: Iterable[Any], postings: tuple[Posting, ...], leaf: bytes) -> JournalEntry:
    """An entry from its row's fourteen columns in the order of JournalEntry, its postings and its leaf."""
    return JournalEntry(*(*row, postings, leaf))


def wanted_by(books: Books, drafts: Iterable[Draft], *, look_up_keys: bool) -> Wanted:
    """What must be loaded before the drafts can be decided.

    Without `look_up_keys`, idempotency keys and the keys of new documents are taken to be free, and states and versions
    that a draft moves to be as it says: the store's unique keys and guards find the few that are not, and then all are
    looked up.
    """
    w = Wanted()
    accounts, lots = books.accounts, books.lots
    for draft in drafts:
        for m in draft.movements:
            if m.debit not in accounts:
                w.accounts.add(m.debit)
            if m.credit not in accounts:
                w.accounts.add(m.credit)
            lot = m.lot or NO_LOT
            if (m.commodity, lot) not in lots:
                w.lots.add((m.commodity, lot))
            if m.commodity not in books.commodities:
                w.commodities.add(m.commodity)
        if look_up_keys:
            digest = key_digest(draft.client, draft.key)
            if digest not in books.keys:
                w.keys.add(digest)
        if draft.opens or draft.commodities:
            w.accounts.update(o.path for o in draft.opens if o.path not in accounts)
            w.commodities.update(c.code for c in draft.commodities if c.code not in books.commodities)
        if draft.rows or draft.reads or draft.touches or draft.changes or draft.counters:
            _want_documents(w, books, draft, look_up_keys=look_up_keys)
        if 0 < draft.reverses < 2**62 and draft.reverses not in books.entries:
            w.entries.add(draft.reverses)
    return w


def _want_documents(w: Wanted, books: Books, draft: Draft, *, look_up_keys: bool) -> None:
    read = {subject for subject, _ in draft.reads}
    moved = read.intersection(draft.touches)
    for subject in read.union(draft.touches):
        # the store raises a version only from where it was read
        if subject not in books.subjects and (look_up_keys or subject not in moved):
            w.subjects.add(subject)
    for counter in draft.counters:
        if counter not in books.counters:
            w.counters.add(counter)
    if look_up_keys:
        for row in draft.rows:
            if (row.table, row.key) not in books.documents:
                w.documents.setdefault(row.table, set()).add(row.key)
    for change in draft.changes if look_up_keys else ():
        # what was absent may have come with a row since, whose state only the store knows
        if books.changes.get((change.table, change.key)) is None:
            w.changes.setdefault(change.table, set()).add(change.key)


def fill(books: Books, wanted: Wanted, loaded: Loaded) -> Wanted:
    """Put what was loaded into the books. Returns what is wanted now: the accounts of entries to be reversed."""
    for code, scale, has_lots in loaded.commodities:
        books.commodities[code] = Commodity(code, scale, bool(has_lots))
    for lot_number, commodity, code in loaded.lots:
        books.add_lot(LotState(lot_number, commodity, code))
    for name in wanted.lots:
        books.lots.setdefault(name, None)
    _fill_accounts(books, wanted, loaded)
    for digest in wanted.keys:
        books.keys[digest] = None
    for digest, request, sequence, recorded_at in loaded.keys:
        books.keys[digest] = KeyUse(request, sequence, recorded_at)
    books.subjects.update(dict.fromkeys(wanted.subjects, 0))
    books.subjects.update(loaded.subjects)
    books.counters.update(dict.fromkeys(wanted.counters, 0))
    books.counters.update(loaded.counters)
    for table, keys in wanted.changes.items():
        books.changes.update(dict.fromkeys(((table, key) for key in keys), None))
    books.changes.update({(table, key): state for table, key, state in loaded.changes})
    for table, keys in wanted.documents.items():
        books.documents.update(dict.fromkeys(((table, key) for key in keys), False))
    books.documents.update(dict.fromkeys(loaded.documents, True))
    more = Wanted()
    for sequence in wanted.entries:
        books.entries[sequence] = None
    for entry, reversed_by in loaded.entries:
        books.entries[entry.sequence] = ReversedEntry(entry, reversed_by)
        for p in entry.postings:
            more.accounts.update(path for path in (p.debit, p.credit) if path not in books.accounts)
            if (p.commodity, p.lot) not in books.lots:
                more.lots.add((p.commodity, p.lot))
    return more


def catch_up(books: Books, head: Head, news: News) -> bool:
    """Bring books up to a head that other processes have moved. Accounts, lots and commodities keep; the rest goes.

    Running balances stand in the postings, so the newest posting of an account and lot says where they are.
    False, and then the books must be loaded anew, if a posting is of an old lot that they never met.
    """
    for number, commodity, code in news.lots:
        books.add_lot(LotState(number, commodity, code))
    if any(posting[2] not in books.lots_by_number for posting in news.postings):
        return False
    for debit, credit, lot, *figures in news.postings:
        debit_version, credit_version, debit_balance, credit_balance, debit_total, credit_total = figures
        commodity = books.lots_by_number[lot].commodity
        for number, version, balance, total in (
            (debit, debit_version, debit_balance, debit_total),
            (credit, credit_version, credit_balance, credit_total),
        ):
            account = books.accounts_by_number.get(number)
            if account is not None:
                account.version, account.balances[lot], account.totals[commodity] = version, balance, total
    if head.account != books.head.account:
        books.accounts = {path: account for path, account in books.accounts.items() if account is not None}
    books.lots = {name: lot for name, lot in books.lots.items() if lot is not None}
    books.forget_documents()
    books.head = head
    return True


def _fill_accounts(books: Books, wanted: Wanted, loaded: Loaded) -> None:
    by_number: dict[int, AccountState] = {}
    for number, path, kind, kind_type, floor in loaded.accounts:
        account = AccountState(number, path, kind, NORMAL_SIDE[kind_type], floor)
        by_number[number] = books.accounts[path] = books.accounts_by_number[number] = account
    for path in wanted.accounts:
        books.accounts.setdefault(path, None)
    for account_number, lot_number, balance, version in loaded.balances:
        account = by_number[account_number]
        commodity = books.lots_by_number[lot_number].commodity
        account.balances[lot_number] = balance
        account.totals[commodity] = account.totals.get(commodity, 0) + balance
        account.version = max(account.version, version)
