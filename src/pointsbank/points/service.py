"""The expiry run: takes what has expired out of every wallet, page by page, as posted entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Receipt
from pointsbank.points.lots import POINTS, expired_lots, expiry
from pointsbank.policy.calendar import city_to_utc_micros

PAGE = 1000


async def expire(ledger: Ledger, as_of: date, zone: str, client: str = "expire") -> AsyncIterator[int]:
    """Take every lot whose last day is before `as_of` down to 0; yields the lots taken, page by page.

    Idempotent and resumable: what is left is found by its balance, and a key belongs to one version of a wallet.
    """
    effective_at = city_to_utc_micros((as_of.toordinal() - date(1970, 1, 1).toordinal()) * 86_400, zone)
    after = (0, "")
    while True:
        page = await ledger.database.read(expired_lots, ledger.id, as_of, after, PAGE)
        if not page:
            return
        drafts = [expiry(held, as_of, effective_at, client) for held in page]
        results = await ledger.submit(drafts, POINTS)
        yield sum(isinstance(result, Receipt) and not result.replayed for result in results)
        after = (page[-1].account, page[-1].lot)
