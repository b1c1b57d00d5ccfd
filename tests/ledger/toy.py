"""A toy bank for tests: a small chart, books in memory, and a desk that posts to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pointsbank.engine.receipts import receipt_of_accepted
from pointsbank.ledger.books import Accepted, Books, Head
from pointsbank.ledger.chart import AccountKind, AllowedMovement, Chart
from pointsbank.ledger.decide import Verdict, decide
from pointsbank.ledger.model import Commodity, Draft, JournalEntry, Movement, OpenAccount, Receipt
from pointsbank.store.port import Loaded, fill, wanted_by

CHART = Chart(
    "toy/1",
    (
        AccountKind("mint", "mint:{}", "equity", floor="none"),
        AccountKind("fund", "fund:{}", "equity", floor="budget"),
        AccountKind("wallet", "wallet:{}", "liability"),
        AccountKind("till", "till:{}", "income"),
        AccountKind("shelf", "shelf:{}", "asset"),
        AccountKind("handed-out", "handed-out:{}", "expense"),
        AccountKind("donor", "donor:{}", "equity", floor="none"),
    ),
    (
        AllowedMovement("issue", "mint", "wallet", "POINT", "toy"),
        AllowedMovement("issue", "mint", "wallet", "MINUTE", "toy"),
        AllowedMovement("issue", "fund", "wallet", "POINT", "toy"),
        AllowedMovement("pay", "wallet", "wallet", "POINT", "toy"),
        AllowedMovement("pay", "wallet", "wallet", "MINUTE", "toy"),
        AllowedMovement("pay", "fund", "wallet", "POINT", "toy"),
        AllowedMovement("pay", "wallet", "till", "POINT", "toy", "receipt"),
        AllowedMovement("expire", "wallet", "till", "POINT", "toy"),
        AllowedMovement("stock", "shelf", "donor", "SKU:*", "toy"),
        AllowedMovement("sell", "wallet", "till", "POINT", "shop", "receipt"),
        AllowedMovement("sell", "handed-out", "shelf", "SKU:*", "shop", "receipt"),
    ),
    reversible={"issue": "toy", "pay": "toy", "sell": "shop"},
    commodities=(Commodity("POINT", 2, has_lots=True), Commodity("MINUTE", 0, has_lots=False)),
)
TOY = frozenset(["toy"])
SHOP = frozenset(["toy", "shop"])
NOW = 1_700_000_000_000_000

EARLY, LATE, NEVER = "2027-12-31/f", "2028-12-31/f", "never/f"


def draft(kind: str, key: str, *movements: Movement, opens: Iterable[str] = (), **fields: Any) -> Draft:
    """A draft of the client `test`; unless told, its request digest is all zeros."""
    fields.setdefault("request", bytes(16))
    fields.setdefault("effective_at", 0)
    return Draft(
        kind, key, fields.pop("client", "test"), movements=movements,
        opens=tuple(o if isinstance(o, OpenAccount) else OpenAccount(o) for o in opens), **fields,
    )  # fmt: skip


def move(debit: str, credit: str, amount: int, lot: str = "", commodity: str = "POINT") -> Movement:
    return Movement(debit, credit, commodity, amount, lot)


def issue(key: str, wallet: str, amount: int, lot: str = LATE, source: str = "mint:m") -> Draft:
    """Points into a wallet, both accounts opened if need be."""
    return draft("issue", key, move(source, wallet, amount, lot), opens=(source, wallet))


class Desk:
    """Books in memory and what would be on disk beside them: the journal, the documents and their states."""

    def __init__(self, chart: Chart = CHART) -> None:
        self.books = Books(chart, Head())
        self.books.commodities = {c.code: c for c in chart.commodities}
        self.journal: dict[int, JournalEntry] = {}

    def judge(self, draft: Draft, rooms: frozenset[str] = TOY, now: int = NOW) -> Verdict:
        """The verdict alone; the books learn at most what does not exist."""
        self.know(draft)
        return decide(self.books, draft, rooms, now)

    def know(self, draft: Draft) -> None:
        wanted = wanted_by(self.books, [draft], look_up_keys=True)
        reversed_by = {entry.reverses: entry.sequence for entry in self.journal.values() if entry.reverses}
        known = [(self.journal[s], reversed_by.get(s, 0)) for s in wanted.entries if s in self.journal]
        fill(self.books, wanted, Loaded(entries=known))

    def post(self, draft: Draft, rooms: frozenset[str] = TOY, now: int = NOW) -> Receipt | Verdict:
        """Judge, and apply if accepted: the receipt, or what else the verdict is."""
        verdict = self.judge(draft, rooms, now)
        if not isinstance(verdict, Accepted):
            return verdict
        self.books.apply(verdict)
        receipt = receipt_of_accepted(verdict)
        if verdict.sequence:
            self.journal[verdict.sequence] = JournalEntry(
                verdict.sequence, draft.kind, draft.client, draft.key, draft.request, draft.effective_at,
                verdict.recorded_at, draft.actor, draft.place, draft.reason, verdict.reverses,
                verdict.metadata,
                verdict.documents, verdict.first_posting, receipt.postings,
            )  # fmt: skip
        return receipt

    def accept(self, draft: Draft, rooms: frozenset[str] = TOY, now: int = NOW) -> Receipt:
        """Post a draft that must be accepted."""
        outcome = self.post(draft, rooms, now)
        assert isinstance(outcome, Receipt), outcome
        return outcome

    def balance(self, path: str, commodity: str = "POINT") -> int:
        account = self.books.accounts.get(path)
        return account.totals.get(commodity, 0) if account else 0

    def lots(self, path: str) -> dict[str, int]:
        """What an account holds by the name of the lot, without what is 0."""
        account = self.books.accounts[path]
        assert account is not None
        return {
            self.books.lots_by_number[n].code: balance for n, balance in account.balances.items() if balance
        }


def photograph(books: Books) -> Any:
    """Everything the books know to be there, as plain values that can be compared."""
    accounts = {
        path: (a.number, a.kind, a.floor, a.version, dict(a.balances), dict(a.totals), set(a.fresh))
        for path, a in books.accounts.items()
        if a is not None
    }
    lots = {name: lot.number for name, lot in books.lots.items() if lot is not None}
    codes = {number: (lot.commodity, lot.code) for number, lot in books.lots_by_number.items()}
    entries = {sequence: (e.entry, e.reversed_by) for sequence, e in books.entries.items() if e is not None}
    rest = [
        {key: value for key, value in known.items() if value}
        for known in (
            books.commodities, books.keys, books.subjects, books.counters, books.changes, books.documents,
        )
    ]  # fmt: skip
    return msgspec.structs.astuple(books.head), accounts, lots, codes, entries, rest
