"""Settling the points of an account that is closed."""

from __future__ import annotations

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.closing import Settle, Settlement
from pointsbank.people.refusals import PointsLeft
from pointsbank.points.lots import lots_of


def no_points_left(ledger: Ledger) -> Settle:
    """Settles nothing: an account with points is not closed by this."""

    async def settle(person_id: str, settlement: Settlement, key: str) -> Refusal | None:
        wallets = [f"volunteer:{person_id}:{part}" for part in ("available", "pending")]
        held = await ledger.database.read(lots_of, ledger.id, wallets)
        left = sum(lot.balance for lots in held.values() for lot in lots)
        return PointsLeft(POINT.code, left) if left else None

    return settle
