"""The working set: what is known of a ledger while drafts are decided, and `apply`, which moves it forward.

The books hold only what the drafts at hand need; the store loads the rest on demand. They are valid as long as
the ledger's head is where they say it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from typing import Any

import msgspec

from pointsbank.ledger.chart import Chart
from pointsbank.ledger.model import (
    NO_LOT,
    Commodity,
    Draft,
    JournalEntry,
    Side,
    lot_expiry,
)


class Head(msgspec.Struct):
    """Where a ledger stands. `batch` counts commits; `epoch` is raised to fence off a commit of unknown outcome."""

    sequence: int = 0
    posting: int = 0
    account: int = 0
    lot: int = 0
    recorded_at: int = 0
    batch: int = 0
    epoch: int = 0


class LotState(msgspec.Struct, gc=False, eq=False):
    """A lot in the books: its number in the store, and what its name says."""

    number: int
    commodity: str
    code: str
    expires_on: str = ""
    encoded: bytes = b""

    def __post_init__(self) -> None:
        self.expires_on = lot_expiry(self.code)


class AccountState(msgspec.Struct, gc=False, eq=False):
    """An account in the books: its balances by lot, their totals by commodity, and its version.

    The garbage collector does not look at it, for there are many, and they refer to nothing that refers back.
    """

    number: int
    path: str
    kind: str
    side: Side
    floor: int | None
    is_credit_normal: bool = False
    version: int = 0
    balances: dict[int, int] = msgspec.field(default_factory=dict)
    totals: dict[str, int] = msgspec.field(default_factory=dict)
    fresh: frozenset[int] = frozenset()
    """lots of which the store has no balance row yet"""
    encoded: bytes = b""

    def __post_init__(self) -> None:
        self.is_credit_normal = self.side is Side.CREDIT


class KeyUse(msgspec.Struct, frozen=True, gc=False):
    """What consumed an idempotency key: an entry (its sequence) or a document-only draft (sequence 0)."""

    request: bytes
    sequence: int
    recorded_at: int


class Effect(msgspec.Struct, gc=False):
    """One posting as it will be written: account and lot objects, amount, versions, running balances."""

    number: int
    debit: AccountState
    credit: AccountState
    lot: LotState
    amount: int
    debit_version: int
    credit_version: int
    debit_balance: int
    credit_balance: int
    debit_total: int
    credit_total: int


class Accepted(msgspec.Struct, gc=False):
    """A draft that will be written, with everything that was decided about it."""

    draft: Draft
    key_digest: bytes
    sequence: int
    recorded_at: int
    first_posting: int
    effects: list[Effect]
    reverses: int = 0
    new_accounts: tuple[AccountState, ...] = ()
    new_lots: tuple[LotState, ...] = ()
    new_commodities: tuple[Commodity, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    metadata: str = ""
    documents: str = ""
    leaf: bytes = b""


class Replayed(msgspec.Struct, frozen=True):
    """The key was consumed by the same request before: the caller gets the first receipt again."""

    key: str
    use: KeyUse


class ReversedEntry(msgspec.Struct, frozen=True):
    """An entry that a draft wants to reverse; `reversed_by` is 0 while nobody has."""

    entry: JournalEntry
    reversed_by: int


class Books:
    """The working set of one ledger. Everything a draft may ask about is here, as present or as known absent."""

    __slots__ = (
        "accounts",
        "accounts_by_number",
        "assumes",
        "changes",
        "chart",
        "commodities",
        "counters",
        "documents",
        "entries",
        "head",
        "keys",
        "lots",
        "lots_by_number",
        "subjects",
    )

    def __init__(self, chart: Chart, head: Head) -> None:
        self.chart = chart
        self.head = head
        # whether a draft's word is taken for states and versions that are not known here, if it moves them itself: the
        # store writes nothing that moves from anywhere else
        self.assumes = False
        self.commodities: dict[str, Commodity] = {}
        self.accounts: dict[str, AccountState | None] = {}
        self.accounts_by_number: dict[int, AccountState] = {}
        self.lots: dict[tuple[str, str], LotState | None] = {}
        self.lots_by_number: dict[int, LotState] = {}
        self.keys: dict[bytes, KeyUse | None] = {}
        self.subjects: dict[str, int] = {}
        self.counters: dict[str, int] = {}
        self.changes: dict[tuple[str, tuple[int | str, ...]], str | None] = {}
        self.documents: dict[tuple[str, tuple[int | str, ...]], bool] = {}
        self.entries: dict[int, ReversedEntry | None] = {}

    def add_lot(self, lot: LotState) -> LotState:
        known = self.lots_by_number.get(lot.number)
        if known is not None:
            return known
        self.lots[lot.commodity, lot.code] = lot
        self.lots_by_number[lot.number] = lot
        return lot

    def size(self) -> int:
        """How many things the books must remember: the writer starts afresh when they grow too large."""
        return len(self.accounts) + len(self.subjects) + len(self.changes)

    def forget_seen(self, limit: int, in_flight: int = 0) -> None:
        """Forget keys and documents that were seen, beyond `limit` of each, but for the keys of the last `in_flight`
        drafts.

        Only they may go while a batch is in flight: the store's unique keys still stop a second use, whereas a
        forgotten balance, version or state would be read from before that batch. The keys of that batch itself stay,
        for it is not yet in the store: who repeats one of its drafts must be told so, and not that it is refused.
        """
        if len(self.documents) > limit:
            self.documents.clear()
        if len(self.keys) > limit:
            self.keys = dict(islice(self.keys.items(), max(0, len(self.keys) - in_flight), None))

    def undo(self, drafts: Iterable[Accepted], head: Head) -> None:
        """Go back to `head`, from which these drafts were decided and then not written.

        What they moved is forgotten, not put back: it is loaded anew when it is asked for.
        """
        for accepted in drafts:
            moved = [account for e in accepted.effects for account in (e.debit, e.credit)]
            for account in (*moved, *accepted.new_accounts):
                self.accounts.pop(account.path, None)
                self.accounts_by_number.pop(account.number, None)
            for lot in accepted.new_lots:
                self.lots.pop((lot.commodity, lot.code), None)
                self.lots_by_number.pop(lot.number, None)
            for declared in accepted.new_commodities:
                self.commodities.pop(declared.code, None)
        self.forget_documents()
        self.head = head

    def forget_documents(self) -> None:
        """Forget keys, subjects, counters and documents: what somebody else may have changed unseen."""
        for known in (self.keys, self.subjects, self.counters, self.changes, self.documents, self.entries):
            known.clear()

    def apply(self, accepted: Accepted) -> None:
        """Move the books forward by an accepted draft, so that the next draft sees its effect."""
        draft = accepted.draft
        head = self.head
        for declared in accepted.new_commodities:
            self.commodities[declared.code] = declared
        for account in accepted.new_accounts:
            self.accounts[account.path] = self.accounts_by_number[account.number] = account
            head.account = account.number
        for lot in accepted.new_lots:
            self.add_lot(lot)
            head.lot = lot.number
        for e in accepted.effects:
            lot_number, commodity = e.lot.number, e.lot.commodity
            debit, credit = e.debit, e.credit
            debit.version, credit.version = e.debit_version, e.credit_version
            if lot_number not in debit.balances:
                debit.fresh |= {lot_number}
            if lot_number not in credit.balances:
                credit.fresh |= {lot_number}
            debit.balances[lot_number], credit.balances[lot_number] = e.debit_balance, e.credit_balance
            debit.totals[commodity], credit.totals[commodity] = e.debit_total, e.credit_total
        head.posting += len(accepted.effects)
        head.recorded_at = accepted.recorded_at
        if accepted.sequence:
            head.sequence = accepted.sequence
        self.keys[accepted.key_digest] = KeyUse(draft.request, accepted.sequence, accepted.recorded_at)
        if accepted.reverses:
            target = self.entries[accepted.reverses]
            assert target is not None
            self.entries[accepted.reverses] = ReversedEntry(target.entry, accepted.sequence)
        if draft.touches:
            self._touch(draft)
        for counter, number in accepted.numbers:
            self.counters[counter] = number
        for row in draft.rows:
            self.documents[row.table, row.key] = True
            if row.state:
                self.changes[row.table, row.key] = row.state
        for change in draft.changes:
            self.changes[change.table, change.key] = change.new

    def _touch(self, draft: Draft) -> None:
        """Raise the versions of what a draft touches; of what is not known here, the version that it has read."""
        subjects, read = self.subjects, dict(draft.reads)
        for subject in draft.touches:
            known = subjects.get(subject)
            subjects[subject] = (read[subject] if known is None else known) + 1


class Savepoint:
    """What must be put back when an all-or-nothing group fails half way: just what its drafts can change."""

    def __init__(self, books: Books, drafts: Iterable[Draft]) -> None:
        self._books = books
        self._head = msgspec.structs.replace(books.head)
        self._saved: list[tuple[dict[Any, Any], Any, Any]] = []
        self._accounts: dict[
            str, tuple[AccountState, int, dict[int, int], dict[str, int], frozenset[int]]
        ] = {}
        for draft in drafts:
            self._save_draft(draft)

    def _save_draft(self, draft: Draft) -> None:
        books = self._books
        for opening in draft.opens:
            self._save(books.accounts, opening.path)
        for commodity in draft.commodities:
            self._save(books.commodities, commodity.code)
        for m in draft.movements:
            self._save_account(m.debit)
            self._save_account(m.credit)
            self._save(books.lots, (m.commodity, m.lot))
            self._save(books.lots, (m.commodity, NO_LOT))
        self._save(books.keys, key_digest(draft.client, draft.key))
        for subject in draft.touches:
            self._save(books.subjects, subject)
        for counter in draft.counters:
            self._save(books.counters, counter)
        for row in draft.rows:
            self._save(books.documents, (row.table, row.key))
            if row.state:
                self._save(books.changes, (row.table, row.key))
        for change in draft.changes:
            self._save(books.changes, (change.table, change.key))
        if draft.reverses:
            self._save(books.entries, draft.reverses)
            target = books.entries.get(draft.reverses)
            for posting in target.entry.postings if target else ():
                self._save_account(posting.debit)
                self._save_account(posting.credit)

    def _save(self, mapping: dict[Any, Any], key: Any) -> None:
        self._saved.append((mapping, key, mapping.get(key, _ABSENT)))

    def _save_account(self, path: str) -> None:
        self._save(self._books.accounts, path)
        account = self._books.accounts.get(path)
        if account is not None and path not in self._accounts:
            self._accounts[path] = (
                account,
                account.version,
                dict(account.balances),
                dict(account.totals),
                account.fresh,
            )

    def restore(self) -> None:
        books = self._books
        for number in range(self._head.lot + 1, books.head.lot + 1):
            books.lots_by_number.pop(number, None)
        for number in range(self._head.account + 1, books.head.account + 1):
            books.accounts_by_number.pop(number, None)
        books.head = self._head
        for mapping, key, value in reversed(self._saved):
            if value is _ABSENT:
                mapping.pop(key, None)
            else:
                mapping[key] = value
        for account, version, balances, totals, fresh in self._accounts.values():
            account.version, account.balances, account.totals, account.fresh = (
                version,
                balances,
                totals,
                fresh,
            )


_ABSENT: Any = object()


def key_digest(client: str, key: str) -> bytes:
    """The 16 bytes under which a key is indexed: SHA-256 of client, a zero byte and key, cut in half."""
    # a lone surrogate is no text: the draft is refused as malformed, which needs a digest that does not raise
    return sha256((client + "\0" + key).encode("utf-8", "surrogatepass")).digest()[:16]
