"""What the bank holds now, for the overview page; and the search for an account.

The sums come from the balance rows, as in the trial balance; today's figures are differences of running
balances between last midnight and now, so they are exact however much was posted today, and returns and
reversals are netted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from time import monotonic
from typing import Final

import msgspec
from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, func, select

from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.readers.balances import MINUTE, POINT, AccountBalance, balance_as_of, balances_now, is_plain
from pointsbank.readers.lookups import then
from pointsbank.readers.moments import Moment, day_start, head, moment
from pointsbank.readers.trial_balance import TrialBalance, prefix_end, trial_balance
from pointsbank.store.database import Database
from pointsbank.store.tables import accounts, balances, lots

MAX_FOUND: Final = 100


class Today(msgspec.Struct, frozen=True):
    """What was recorded since the city's midnight. Points in minor units, net of what was undone."""

    day: date
    entries: int
    points_credited: int
    points_spent: int
    points_expired: int


class Overview(msgspec.Struct, frozen=True):
    """The bank at a glance as of `sequence`. Points in minor units, `recorded_at` in microseconds UTC."""

    sequence: int
    recorded_at: int
    accounts: int
    postings: int
    points_available: int
    points_pending: int
    points_held: int
    merit_minutes: int
    goods_pieces: int
    today: Today

    @property
    def points_outstanding(self) -> int:
        """All points that volunteers have a claim to."""
        return self.points_available + self.points_pending + self.points_held


def overview(connection: Connection, ledger_id: int, today: date) -> Overview:
    """What the bank holds now and what happened today (`today` on the city's calendar)."""
    now = head(connection, ledger_id)
    sums = trial_balance(connection, ledger_id)
    assert isinstance(sums, TrialBalance)
    return Overview(
        sequence=sums.sequence,
        recorded_at=now.recorded_at if now else 0,
        accounts=now.account if now else 0,
        postings=now.posting if now else 0,
        points_available=_sum(sums, "wallet", POINT),
        points_pending=_sum(sums, "wallet-pending", POINT),
        points_held=_sum(sums, "wallet-held", POINT),
        merit_minutes=_sum(sums, "merit", MINUTE),
        goods_pieces=_sum(sums, "stock", "SKU:"),
        today=_today(connection, ledger_id, today, sums.sequence),
    )


def _sum(sums: TrialBalance, kind: str, commodity: str) -> int:
    """The sum over a kind of accounts with floor 0, of a commodity or of a class of them (`SKU:`)."""
    return sum(
        line.debit + line.credit
        for line in sums.lines
        if line.kind == kind
        and (
            line.commodity == commodity or (commodity.endswith(":") and line.commodity.startswith(commodity))
        )
    )


def _today(connection: Connection, ledger_id: int, day: date, sequence: int) -> Today:
    midnight = moment(connection, ledger_id, recorded_at=day_start(day) - 1)
    assert isinstance(midnight, Moment)
    rows = connection.execute(
        _MOVED,
        {"ledger": ledger_id, "posting": midnight.posting, "commodity": POINT, "kinds": list(_COUNTED)},
    )
    moved = {kind: int(difference) for kind, difference in rows}
    return Today(
        day,
        sequence - midnight.sequence,
        # a fund's account falls when it issues, and rises when its budget is raised
        points_credited=moved.get("fund-granted", 0) - moved.get("fund-issued", 0),
        points_spent=moved.get("station-redeemed", 0),
        points_expired=moved.get("fund-expired", 0),
    )


class FoundAccount(msgspec.Struct, frozen=True):
    """An account that the search found, and what it holds of each commodity (minor units)."""

    account: str
    kind: str
    type: str
    totals: dict[str, int]


def find_accounts(
    connection: Connection, ledger_id: int, words: str, *, limit: int = 20, chart: Chart = SHIPPED
) -> tuple[FoundAccount, ...]:
    """Accounts whose path begins with what was typed, or whose id does: `V01` finds `volunteer:V01:…`."""
    typed = words.strip()
    if not typed or not is_plain(typed) or " " in typed:
        return ()
    limit = max(1, min(limit, MAX_FOUND))
    families = dict.fromkeys(kind.pattern.partition(":")[0] for kind in chart.kinds.values())
    prefixes = [typed, *(f"{family}:{typed}" for family in families)] if ":" not in typed else [typed]
    paths: list[str] = []
    for prefix in prefixes:  # a handful of families, a short index range each
        page = {"ledger": ledger_id, "from": prefix, "to": prefix_end(prefix), "limit": limit - len(paths)}
        paths += connection.execute(_FIND, page).scalars()
        if len(paths) >= limit:
            break
    found = balances_now(connection, ledger_id, paths)
    return tuple(_found(found[path]) for path in dict.fromkeys(paths))


def _found(account: AccountBalance) -> FoundAccount:
    return FoundAccount(
        account.account, account.kind, account.type, {c.commodity: c.total for c in account.commodities}
    )


class Overviews:
    """The overview for many readers: worked out once, then again when it is older than `seconds`.

    Whoever asks while it is being worked out waits for the same answer.
    """

    def __init__(
        self, database: Database, ledger_id: int, today: Callable[[], date], *, seconds: float = 2.0
    ) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._today = today
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._answer: Overview | None = None
        self._until = 0.0

    async def get(self) -> Overview:
        """What the bank holds, at most `seconds` old."""
        async with self._lock:
            today = self._today()
            if self._answer is None or monotonic() >= self._until or self._answer.today.day != today:
                self._answer = await self._database.read(overview, self._ledger_id, today)
                self._until = monotonic() + self._seconds
            return self._answer


# the statements

_LEDGER: Final[BindParameter[int]] = bindparam("ledger")

_COUNTED: Final = ("fund-issued", "fund-granted", "station-redeemed", "fund-expired")

# Only rows moved since midnight are looked up as of then; the kinds are few accounts, not the volunteers'.
_MOVED = (
    select(accounts.c.kind, func.sum(balances.c.balance - func.coalesce(balance_as_of(), 0)))
    .select_from(
        then(
            then(
                accounts,
                balances,
                (balances.c.ledger_id == _LEDGER) & (balances.c.account == accounts.c.account),
            ),
            lots,
            (lots.c.ledger_id == _LEDGER) & (lots.c.lot == balances.c.lot),
        )
    )
    .where(
        accounts.c.ledger_id == _LEDGER,
        accounts.c.kind.in_(bindparam("kinds", expanding=True)),
        balances.c.posting > bindparam("posting", type_=BigInteger),
        lots.c.commodity == bindparam("commodity"),
    )
    .group_by(accounts.c.kind)
)

_FIND = (
    select(accounts.c.path)
    .where(
        accounts.c.ledger_id == _LEDGER,
        accounts.c.path >= bindparam("from"),
        accounts.c.path < bindparam("to"),
    )
    .order_by(accounts.c.path)
    .limit(bindparam("limit", type_=BigInteger))
)
