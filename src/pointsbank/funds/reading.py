"""What the funds stand for: budget, issued, promised, how fast it goes, and what waits for money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Connection, bindparam, case, func, or_, select

from pointsbank.funds.postings import NO_END, budget_lot
from pointsbank.hours.tables import unfunded_credits
from pointsbank.ledger.chart import POINT
from pointsbank.points.lots import Fund
from pointsbank.policy.calendar import start_of_day
from pointsbank.readers.balances import balance_as_of
from pointsbank.readers.moments import Moment, moment
from pointsbank.store.tables import accounts, balances, lots

WINDOWS: Final = (30, 90)
"""Days over which it is counted how fast points go."""


class FundState(msgspec.Struct, frozen=True, kw_only=True):
    """A fund as it stands. Points in hundredths; `…_fen` is 1/100 yuan, None where no point has a worth."""

    fund: str
    budget: int | None
    """What it may issue in all; None if it has no end."""
    issued: int
    free: int | None
    """What it may still issue."""
    outstanding: int
    """Points of this fund in wallets and on notice: what it has promised."""
    liability_fen: int | None
    """The same in money, rounded up."""
    owed: int
    """Debts of the guilty, out of its points."""
    lost: int
    """What it bore itself for hours that did not count."""
    issued_a_day: tuple[int, int]
    """Points issued a day over the last 30 and the last 90 days, net of what was taken back."""
    spent_a_day: tuple[int, int]
    """Points of it spent a day over the last 30 and the last 90 days, net of returns."""
    waiting: int
    """Credits that wait for the fund."""
    unfunded: int
    """Their points."""


def funds(
    connection: Connection, ledger_id: int, today: date, zone: str, fen_per_point: int | None
) -> list[FundState]:
    """Every fund, by its code, from one snapshot. `today` is the city's date."""
    now = _moved(connection, ledger_id, None)
    windows = [
        _moved(connection, ledger_id, _posting_at(connection, ledger_id, today - timedelta(days=days), zone))
        for days in WINDOWS
    ]
    queue = _queue(connection, ledger_id)
    found = []
    for code, floor in _floors(connection, ledger_id):
        issued_account = f"fund:{code}:issued"
        granted = now.total(issued_account, f"never/{code}")
        issued = granted - now.total(issued_account)
        is_endless = floor is None and not granted
        budget = None if is_endless else granted + (NO_END if floor is None else -floor)
        outstanding = now.outstanding(code)
        lost = now.total(f"fund:{code}:loss")
        waiting, unfunded = queue.get(code, (0, 0))
        found.append(
            FundState(
                fund=code,
                budget=budget,
                issued=issued,
                free=None if budget is None else budget - issued,
                outstanding=outstanding,
                liability_fen=None if fen_per_point is None else -(-outstanding * fen_per_point // 100),
                owed=now.total(f"fund:{code}:uncovered") - lost,
                lost=lost,
                issued_a_day=_daily([-w.total(issued_account, besides=f"never/{code}") for w in windows]),
                spent_a_day=_daily([w.spent(code) for w in windows]),
                waiting=waiting,
                unfunded=unfunded,
            )
        )
    return found


class _Amounts(msgspec.Struct, frozen=True):
    """Points on every account that is no volunteer's, by path and lot, on their normal sides; or how they moved."""

    by_lot: Mapping[tuple[str, str], int]
    credit_normal: Mapping[str, bool]

    def total(self, path: str, lot: str = "", *, besides: str = "") -> int:
        return sum(
            amount
            for (account, code), amount in self.by_lot.items()
            if account == path and (not lot or code == lot) and code != besides
        )

    def outstanding(self, fund: str) -> int:
        """What volunteers hold of a fund: all that stands elsewhere, with the other sign, for a lot adds up to 0.

        What is not covered is a debt or a loss; it stands on both sides and says nothing about wallets.
        """
        return sum(
            -amount if self.credit_normal[path] else amount
            for (path, code), amount in self.by_lot.items()
            if code.endswith(f"/{fund}") and path.rpartition(":")[2] not in ("uncovered", "loss")
        )

    def spent(self, fund: str) -> int:
        return sum(
            amount
            for (path, code), amount in self.by_lot.items()
            if path.endswith(":redeemed") and code.endswith(f"/{fund}")
        )


def _daily(amounts: list[int]) -> tuple[int, int]:
    short, long = (amount // days for amount, days in zip(amounts, WINDOWS, strict=True))
    return short, long


_EVERYTHING: Final = -1


def _moved(connection: Connection, ledger_id: int, posting: int | None) -> _Amounts:
    """Balances now, or how far they moved since a posting, of all accounts but the volunteers'."""
    b, a = balances.c, accounts.c
    amount: Any = b.balance if posting is None else b.balance - func.coalesce(balance_as_of(), 0)
    query = (
        select(a.path, a.type, lots.c.code, amount)
        .select_from(
            accounts.join(balances, (b.ledger_id == a.ledger_id) & (b.account == a.account)).join(
                lots, (lots.c.ledger_id == b.ledger_id) & (lots.c.lot == b.lot)
            )
        )
        .where(
            a.ledger_id == bindparam("ledger"),
            or_(a.path < "volunteer:", a.path >= "volunteer;"),
            lots.c.commodity == POINT.code,
            b.posting > bindparam("posting", type_=BigInteger),
        )
    )
    values = {"ledger": ledger_id, "posting": _EVERYTHING if posting is None else posting}
    by_lot: Counter[tuple[str, str]] = Counter()
    credit_normal: dict[str, bool] = {}
    for path, kind, lot, moved in connection.execute(query, values):
        by_lot[path, lot] += int(moved)
        credit_normal[path] = kind in ("liability", "equity", "income")
    return _Amounts(by_lot, credit_normal)


def _posting_at(connection: Connection, ledger_id: int, day: date, zone: str) -> int:
    """The last posting before a day began."""
    at = moment(connection, ledger_id, recorded_at=start_of_day(day, zone) - 1)
    assert isinstance(at, Moment)
    return at.posting


def _floors(connection: Connection, ledger_id: int) -> list[tuple[str, int | None]]:
    a = accounts.c
    rows = connection.execute(
        select(a.path, a.floor)
        .where(a.ledger_id == ledger_id, a.path >= "fund:", a.path < "fund;", a.kind == "fund-issued")
        .order_by(a.path)
    )
    return [(path.split(":")[1], floor) for path, floor in rows]


def has_no_end(connection: Connection, ledger_id: int, fund: Fund) -> bool | None:
    """Whether a fund may issue without end: it was opened so and was given no budget since. None if there is no fund."""
    a, b = accounts.c, balances.c
    row = connection.execute(
        select(
            a.floor, func.coalesce(func.sum(case((lots.c.code == budget_lot(fund), b.balance), else_=0)), 0)
        )
        .select_from(
            accounts.outerjoin(balances, (b.ledger_id == a.ledger_id) & (b.account == a.account)).outerjoin(
                lots, (lots.c.ledger_id == b.ledger_id) & (lots.c.lot == b.lot)
            )
        )
        .where(a.ledger_id == ledger_id, a.path == fund.issued)
        .group_by(a.floor)
    ).one_or_none()
    return None if row is None else row[0] is None and not row[1]


def _queue(connection: Connection, ledger_id: int) -> dict[str, tuple[int, int]]:
    t = unfunded_credits.c
    rows = connection.execute(
        select(t.fund, func.count(), func.sum(t.points))
        .where(t.ledger_id == ledger_id, t.state == "waiting")
        .group_by(t.fund)
    )
    return {fund: (int(count), int(points)) for fund, count, points in rows}
