"""The writer posts, refuses and replays the same way on both engines."""

from __future__ import annotations

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.chart import AccountKind, AllowedMovement, Chart
from pointsbank.ledger.model import Commodity, Draft, Movement, OpenAccount, Receipt
from pointsbank.ledger.refusals import InsufficientBalance, KeyConflict
from pointsbank.store.database import Database

CHART = Chart(
    "toy/1",
    (AccountKind("mint", "mint:{}", "equity", floor="none"), AccountKind("wallet", "wallet:{}", "liability")),
    (
        AllowedMovement("issue", "mint", "wallet", "POINT", "toy"),
        AllowedMovement("pay", "wallet", "wallet", "POINT", "toy"),
    ),
    reversible={"issue": "toy", "pay": "toy"},
    commodities=(Commodity("POINT", 2, has_lots=True),),
)
TOY = frozenset(["toy"])


def draft(kind: str, key: str, *movements: Movement, request: bytes = bytes(16)) -> Draft:
    paths = {path for m in movements for path in (m.debit, m.credit)}
    return Draft(kind, key, "test", request, 0, movements, opens=tuple(OpenAccount(p) for p in sorted(paths)))


async def test_points_are_paid_from_the_first_expiring_lot_and_never_below_zero(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        issued = await ledger.submit(
            [
                draft("issue", "1", Movement("mint:m", "wallet:a", "POINT", 100, "2028-12-31/f")),
                draft("issue", "2", Movement("mint:m", "wallet:a", "POINT", 50, "2027-12-31/f")),
            ],
            TOY,
        )
        paid, refused, again, conflict = await ledger.submit(
            [
                draft("pay", "3", Movement("wallet:a", "wallet:b", "POINT", 70)),
                draft("pay", "4", Movement("wallet:a", "wallet:b", "POINT", 81)),
                draft("issue", "1", Movement("mint:m", "wallet:a", "POINT", 100, "2028-12-31/f")),
                draft("issue", "2", request=b"another request."),
            ],
            TOY,
        )
    assert isinstance(paid, Receipt)
    assert [(p.lot, p.amount) for p in paid.postings] == [("2027-12-31/f", 50), ("2028-12-31/f", 20)]
    assert isinstance(refused, InsufficientBalance)
    assert refused.available == 80
    first = issued[0]
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert again.replayed
    assert (again.sequence, again.leaf, again.postings) == (first.sequence, first.leaf, first.postings)
    assert conflict == KeyConflict("2")
