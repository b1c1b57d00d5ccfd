"""The expiry run: takes what has expired out of every wallet, page by page, as posted entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.points.lots import POINTS, expired_lots, expiry
from pointsbank.policy.calendar import start_of_day

PAGE = 1000
ROUNDS = 10


class ExpiryRefused(Exception):
    """The ledger refused a posting of the expiry run, again and again; those before it are booked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal}")
        self.refusal = refusal


async def expire(ledger: Ledger, as_of: date, zone: str, client: str = "expire") -> AsyncIterator[int]:
    """Take every lot whose last day is before `as_of` down to 0; yields the lots taken, page by page.

    Idempotent and resumable: what is left is found by its balance, and a key belongs to one version of a wallet.
    A wallet that moves meanwhile is looked at again. Raises ExpiryRefused if the ledger does not take a posting.
    """
    effective_at = start_of_day(as_of, zone)
    moved: Refusal | None = None
    for _ in range(ROUNDS):
        after, moved = (0, 0), None
        while page := await ledger.database.read(expired_lots, ledger.id, as_of, after, PAGE):
            results = await ledger.submit(
                [expiry(held, as_of, effective_at, client) for held in page], POINTS
            )
            yield sum(isinstance(result, Receipt) and not result.replayed for result in results)
            moved = next((result for result in results if isinstance(result, Refusal)), moved)
            after = (page[-1].account, page[-1].number)
        if moved is None:
            return
    assert moved is not None
    raise ExpiryRefused(moved)
