"""Small books for the readers: a toy chart with wallets, shops and goods, posted through the real writer.

`Fold` is the judge: it adds up the postings of the receipts by itself and never looks at a running balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.chart import AccountKind, AllowedMovement, Chart
from pointsbank.ledger.model import Commodity, Draft, Movement, OpenAccount, Posting, Receipt

TOY = frozenset(["toy"])
CHART = Chart(
    "toy/1",
    (
        AccountKind("mint", "mint:{}", "equity", floor="none"),
        AccountKind("wallet", "wallet:{}", "liability"),
        AccountKind("shelf", "shelf:{}", "asset"),
        AccountKind("used", "used:{}", "expense"),
    ),
    (
        AllowedMovement("issue", "mint", "wallet", "POINT", "toy"),
        AllowedMovement("pay", "wallet", "wallet", "POINT", "toy"),
        AllowedMovement("gift", "wallet", "wallet", "POINT", "toy"),
        AllowedMovement("receive", "shelf", "mint", "SKU:*", "toy"),
        AllowedMovement("use", "used", "shelf", "SKU:*", "toy"),
    ),
    reversible=dict.fromkeys(("issue", "pay", "gift", "receive", "use"), "toy"),
    commodities=(
        Commodity("POINT", 2, has_lots=True),
        Commodity("SKU:RICE", 0, has_lots=True),
        Commodity("SKU:OIL", 0, has_lots=True),
    ),
)
DEBIT_NORMAL = ("shelf", "used")
EARLY, LATE, NEVER = "2027-12-31/f", "2028-12-31/f", "never/f"


def draft(
    kind: str, key: str, *movements: Movement, effective_at: int = 0, reverses: int = 0, **metadata: int
) -> Draft:
    paths = {path for m in movements for path in (m.debit, m.credit)}
    return Draft(
        kind,
        key,
        "test",
        bytes(16),
        effective_at,
        movements,
        reverses=reverses,
        metadata=tuple(sorted(metadata.items())),
        opens=tuple(OpenAccount(p) for p in sorted(paths)),
    )


def issue(key: str, wallet: str, amount: int, lot: str = EARLY, **more: int) -> Draft:
    return draft("issue", key, Movement("mint:m", f"wallet:{wallet}", "POINT", amount, lot), **more)


def pay(key: str, payer: str, payee: str, amount: int, kind: str = "pay", **more: int) -> Draft:
    return draft(kind, key, Movement(f"wallet:{payer}", f"wallet:{payee}", "POINT", amount), **more)


async def post(ledger: Ledger, *drafts: Draft) -> list[Receipt]:
    """Post drafts that must all be accepted."""
    results = await ledger.submit(drafts, TOY)
    receipts = [r for r in results if isinstance(r, Receipt)]
    assert len(receipts) == len(drafts), results
    return receipts


class Line(NamedTuple):
    """What a statement line must say."""

    posting: int
    sequence: int
    amount: int
    counter: str
    commodity: str
    lot: str
    balance: int
    total: int


class Fold:
    """Balances and statements by adding up postings one by one."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str, str], int] = {}
        self.lines: dict[str, list[Line]] = {}

    def add(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            for posting in receipt.postings:
                self._side(posting, posting.debit, posting.credit, is_debit=True)
                self._side(posting, posting.credit, posting.debit, is_debit=False)

    def _side(self, p: Posting, account: str, counter: str, *, is_debit: bool) -> None:
        amount = p.amount if account.startswith(DEBIT_NORMAL) == is_debit else -p.amount
        key = (account, p.commodity, p.lot)
        self.balances[key] = self.balances.get(key, 0) + amount
        self.lines.setdefault(account, []).append(
            Line(
                p.number,
                p.sequence,
                amount,
                counter,
                p.commodity,
                p.lot,
                self.balances[key],
                self.total(account, p.commodity),
            )
        )

    def total(self, account: str, commodity: str) -> int:
        return sum(b for (a, c, _), b in self.balances.items() if (a, c) == (account, commodity))

    def of(self, account: str) -> dict[tuple[str, str], int]:
        """What an account holds by commodity and lot, empty lots left out."""
        return {(c, lot): b for (a, c, lot), b in self.balances.items() if a == account and b}

    def copy(self) -> Fold:
        other = Fold()
        other.balances = dict(self.balances)
        return other
