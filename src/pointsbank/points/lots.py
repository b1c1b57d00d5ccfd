"""Lots of points, the fund's accounts behind them, and the draft by which a lot expires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.commands import request_digest
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import Draft, Movement, OpenAccount, lot_name
from pointsbank.store.lists import is_one_of
from pointsbank.store.questions import LEDGER, Question
from pointsbank.store.tables import accounts, balances, lots

POINTS = frozenset(["points"])


class Fund(msgspec.Struct, frozen=True):
    """Who stands for the points: the accounts of a fund by its code."""

    code: str

    @property
    def issued(self) -> str:
        return f"fund:{self.code}:issued"

    @property
    def expired(self) -> str:
        return f"fund:{self.code}:expired"


class HeldLot(msgspec.Struct, frozen=True):
    """What one wallet holds of one lot, and the wallet's version when it was last moved."""

    wallet: str
    account: int
    lot: str
    expires_on: str
    balance: int
    version: int
    number: int = 0
    """The lot's number in the store."""

    @property
    def fund(self) -> Fund:
        """The fund whose points these are: the source in the lot's name."""
        return Fund(self.lot.partition("/")[2])


def point_lot(expires_on: date, fund: Fund) -> str:
    """The lot of a fund's points that expire at the end of `expires_on`."""
    return lot_name(expires_on.isoformat(), fund.code)


def fund_opening(fund: Fund, budget: int | None, client: str) -> Draft:
    """The draft that opens a fund's accounts. `budget` in hundredths of a point, None for no end."""
    return Draft(
        kind="open-fund",
        key=f"fund:{fund.code}",
        client=client,
        request=request_digest("open-fund", fund.code, str(budget)),
        effective_at=0,
        opens=(OpenAccount(fund.issued, None if budget is None else -budget), OpenAccount(fund.expired)),
    )


def expiry(held: HeldLot, as_of: date, effective_at: int, client: str) -> Draft:
    """The draft that takes an expired lot out of a wallet.

    Its key is (as-of, wallet, lot, wallet version): a return into the lot afterwards is taken by the next run.
    """
    return Draft(
        kind="expire",
        key=f"expire:{as_of}:{held.wallet}:{held.lot}:{held.version}",
        client=client,
        request=request_digest(
            "expire", str(as_of), held.wallet, held.lot, str(held.version), str(held.balance)
        ),
        effective_at=effective_at,
        movements=(Movement(held.wallet, held.fund.expired, POINT.code, held.balance, held.lot),),
        actor="system",
        reason="expired",
        metadata=(("as-of", as_of.isoformat()),),
    )


def lots_of(connection: Connection, ledger_id: int, wallets: list[str]) -> dict[str, list[HeldLot]]:
    """Every lot that is not 0 in the given wallets, the first-expiring first."""
    # Three look-ups, not a join: no planner may read a whole table for the lots of one wallet.
    paths = accounts_at(connection, ledger_id, wallets)
    rows = held_on(connection, ledger_id, paths)
    named = lots_named(connection, ledger_id, {row[1] for row in rows})
    found: dict[str, list[HeldLot]] = {}
    for account, number, balance, version in rows:
        commodity, code, expires_on = named[number]
        if commodity == POINT.code:
            held = HeldLot(paths[account], account, code, expires_on, balance, version, number)
            found.setdefault(held.wallet, []).append(held)
    for held_lots in found.values():
        held_lots.sort(key=lambda held: (held.expires_on, held.lot))
    return found


_ACCOUNTS = Question(
    lambda one_of: select(accounts.c.account, accounts.c.path).where(
        accounts.c.ledger_id == LEDGER, one_of(accounts.c.path, "paths")
    )
)
_LOTS = Question(
    lambda one_of: select(lots.c.lot, lots.c.commodity, lots.c.code, lots.c.expires_on).where(
        lots.c.ledger_id == LEDGER, one_of(lots.c.lot, "numbers")
    )
)

_HELD = Question(
    lambda one_of: select(balances.c.account, balances.c.lot, balances.c.balance, balances.c.version).where(
        balances.c.ledger_id == LEDGER, one_of(balances.c.account, "accounts"), balances.c.balance > 0
    )
)


def accounts_at(connection: Connection, ledger_id: int, paths: Sequence[str]) -> dict[int, str]:
    """The numbers of the accounts with these paths."""
    rows = _ACCOUNTS.fetched(connection, ledger_id, paths=paths)
    return {row[0]: row[1] for row in rows}


def held_on(connection: Connection, ledger_id: int, numbers: Iterable[int]) -> Sequence[Sequence[Any]]:
    """Account, lot, balance and version of what accounts hold, by their numbers, where it is more than 0."""
    return _HELD.fetched(connection, ledger_id, accounts=numbers)


def lots_named(
    connection: Connection, ledger_id: int, numbers: Iterable[int]
) -> dict[int, tuple[str, str, str]]:
    """Commodity, code and last day of lots by their numbers."""
    rows = _LOTS.fetched(connection, ledger_id, numbers=numbers)
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def expired_lots(
    connection: Connection, ledger_id: int, as_of: date, after: tuple[int, int] = (0, 0), limit: int = 1000
) -> list[HeldLot]:
    """Lots in wallets whose last day is before `as_of`, by account and lot number: a page of the expiry run."""
    b = balances.c
    past = connection.scalars(
        select(lots.c.lot).where(
            lots.c.ledger_id == ledger_id,
            lots.c.commodity == POINT.code,
            lots.c.expires_on < as_of.isoformat(),
        )
    ).all()
    found: list[HeldLot] = []
    # Points stand on accounts of stations and funds too; what is no wallet is passed over, and the page goes on.
    while past and len(found) < limit:
        account, lot = after
        rows = connection.execute(
            select(b.account, b.lot, b.balance, b.version)
            .where(
                b.ledger_id == ledger_id,
                b.account >= account,
                (b.account > account) | (b.lot > lot),
                is_one_of(connection, b.lot, past),
                b.balance > 0,
            )
            .order_by(b.account, b.lot)
            .limit(limit - len(found))
        ).all()
        if not rows:
            break
        after = (rows[-1].account, rows[-1].lot)
        found += _in_wallets(connection, ledger_id, rows)
    return found


def _in_wallets(connection: Connection, ledger_id: int, rows: Sequence[Any]) -> list[HeldLot]:
    paths = connection.execute(
        select(accounts.c.account, accounts.c.path).where(
            accounts.c.ledger_id == ledger_id,
            is_one_of(connection, accounts.c.account, {row.account for row in rows}),
            accounts.c.kind == "wallet",
        )
    )
    wallets = {row.account: row.path for row in paths}
    named = lots_named(connection, ledger_id, {row.lot for row in rows})
    return [
        HeldLot(wallets[account], account, named[lot][1], named[lot][2], balance, version, lot)
        for account, lot, balance, version in rows
        if account in wallets
    ]
