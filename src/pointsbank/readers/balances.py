"""What an account holds, by commodity and lot, now or as of an earlier moment; and a volunteer's wallet.

A balance now is a range of the balance rows that every commit maintains. A balance as of a moment is, for
each of these rows, the later of two index look-ups (the newest posting that debited it, the newest that
credited it), which carries the running balance: the cost depends on the number of lots, not on how much has
happened since.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    FromClause,
    Select,
    bindparam,
    case,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import GenericFunction

from pointsbank.ledger.model import NEVER_EXPIRES
from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.lookups import asked, listed, then
from pointsbank.readers.moments import Moment, moment
from pointsbank.readers.refusals import QuestionInvalid, SequenceAhead
from pointsbank.store.tables import accounts, balances, heads, lots, postings


class LotBalance(msgspec.Struct, frozen=True, gc=False):
    """What an account holds of one lot, in minor units on its normal side; `expires_on` is None for never."""

    lot: str
    expires_on: date | None
    balance: int


class CommodityBalance(msgspec.Struct, frozen=True):
    """One commodity of an account: the total, and the lots that are not empty, first-expiring first."""

    commodity: str
    total: int
    lots: tuple[LotBalance, ...]


class AccountBalance(msgspec.Struct, frozen=True):
    """What an account holds as of `sequence`. A commodity that it never held is not listed."""

    account: str
    kind: str
    type: str
    floor: int | None
    sequence: int
    commodities: tuple[CommodityBalance, ...]

    def total(self, commodity: str) -> int:
        """The balance of a commodity, all lots together, in minor units."""
        return next((c.total for c in self.commodities if c.commodity == commodity), 0)


class Wallet(msgspec.Struct, frozen=True):
    """A volunteer's points (minor units) and merit minutes as of `sequence`.

    `pending` stand on public notice, `held` are promised to open authorisations. `expiring` of the
    available points lapse at the end of `expiring_on`, the next such day; None if no point ever does.
    """

    holder: str
    sequence: int
    available: int
    pending: int
    held: int
    merit_minutes: int
    expiring_on: date | None
    expiring: int
    lots: tuple[LotBalance, ...]


POINT: Final = "POINT"
MINUTE: Final = "MINUTE"


def wallet_paths(holder_id: str) -> tuple[str, str, str, str]:
    """The accounts of a volunteer: available, pending, held, merit."""
    root = f"volunteer:{holder_id}:"
    return root + "available", root + "pending", root + "held", root + "merit"


def balance(
    connection: Connection,
    ledger_id: int,
    path: str,
    *,
    commodity: str = "",
    lot: str = "",
    sequence: int | None = None,
    recorded_at: int | None = None,
) -> AccountBalance | UnknownAccount | SequenceAhead | QuestionInvalid:
    """What an account holds now, or as of a sequence number or a recorded time (microseconds UTC).

    `commodity` and `lot` narrow the answer. The answer names its sequence number; of a time that is the
    greatest one recorded at or before it.
    """
    found: dict[str, AccountBalance]
    if sequence is None and recorded_at is None:
        found = balances_now(connection, ledger_id, [path])
    else:
        at = moment(connection, ledger_id, sequence=sequence, recorded_at=recorded_at)
        if not isinstance(at, Moment):
            return at
        rows = _execute(connection, ledger_id, [path], posting=at.posting)
        found = assemble((at.sequence, *row) for row in rows)
    answer = found.get(path)
    return UnknownAccount(path) if answer is None else narrowed(answer, commodity, lot)


def wallet(connection: Connection, ledger_id: int, holder_id: str) -> Wallet | UnknownAccount:
    """What a volunteer has now; UnknownAccount if none of the wallet's accounts was ever opened."""
    return wallet_of(holder_id, balances_now(connection, ledger_id, wallet_paths(holder_id)))


def balances_now(connection: Connection, ledger_id: int, paths: Iterable[str]) -> dict[str, AccountBalance]:
    """The balances of several accounts at one moment, in one statement; unknown paths are left out."""
    return assemble(_execute(connection, ledger_id, paths))


def wallet_of(holder_id: str, found: dict[str, AccountBalance]) -> Wallet | UnknownAccount:
    """A wallet from the balances of its accounts, whichever of them are open."""
    available, pending, held, merit = (found.get(path) for path in wallet_paths(holder_id))
    opened = available or pending or held or merit
    if opened is None:
        return UnknownAccount(wallet_paths(holder_id)[0])
    spendable = next((c.lots for c in available.commodities if c.commodity == POINT), ()) if available else ()
    expiring_on = next((lot.expires_on for lot in spendable if lot.expires_on), None)
    return Wallet(
        holder_id,
        opened.sequence,
        available.total(POINT) if available else 0,
        pending.total(POINT) if pending else 0,
        held.total(POINT) if held else 0,
        merit.total(MINUTE) if merit else 0,
        expiring_on,
        sum(lot.balance for lot in spendable if expiring_on and lot.expires_on == expiring_on),
        spendable,
    )


def narrowed(answer: AccountBalance, commodity: str, lot: str) -> AccountBalance:
    """The part of an answer that concerns one commodity, one lot, or both; empty texts narrow nothing."""
    if not commodity and not lot:
        return answer
    kept = [c for c in answer.commodities if not commodity or c.commodity == commodity]
    if lot:
        kept = [
            CommodityBalance(c.commodity, sum(part.balance for part in mine), mine)
            for c in kept
            if (mine := tuple(part for part in c.lots if part.lot == lot))
        ]
    return msgspec.structs.replace(answer, commodities=tuple(kept))


def assemble(rows: Iterable[Any]) -> dict[str, AccountBalance]:
    """Answers by path from rows of (sequence, path, kind, type, floor, commodity, lot, expires_on, balance).

    An account that never held anything has one row whose last four values are None.
    """
    by_path: dict[str, tuple[Any, dict[str, list[LotBalance]]]] = {}
    for row in rows:
        _, held = by_path.setdefault(row[1], (row, {}))
        commodity, lot, expires_on, amount = row[5:]
        if commodity is not None and amount is not None:
            held.setdefault(commodity, []).append(LotBalance(lot, expiry(expires_on), amount))
    return {
        path: AccountBalance(
            path,
            first[2],
            first[3],
            first[4],
            first[0],
            tuple(commodity_balance(commodity, held[commodity]) for commodity in sorted(held)),
        )
        for path, (first, held) in by_path.items()
    }


def commodity_balance(commodity: str, parts: list[LotBalance]) -> CommodityBalance:
    """One commodity's balance from those of its lots."""
    shown = sorted((p for p in parts if p.balance), key=lambda p: (p.expires_on or date.max, p.lot))
    return CommodityBalance(commodity, sum(p.balance for p in parts), tuple(shown))


def expiry(expires_on: str) -> date | None:
    """The last good day of a lot by the text in the store; None for never, and for a name that is no date."""
    try:
        return None if expires_on == NEVER_EXPIRES else date.fromisoformat(expires_on)
    except ValueError:
        return None


def is_plain(text: str) -> bool:
    """Whether a text can be a path at all; PostgreSQL takes no NUL, and no engine a lone surrogate."""
    return text.isascii() and text.isprintable()


# the statements


class _Later(GenericFunction[int]):
    """The greater of two integers: `greatest` on PostgreSQL, `max` of two arguments on SQLite."""

    type = BigInteger()
    name = "greatest"
    inherit_cache = True


@compiles(_Later, "sqlite")
def _later_on_sqlite(element: _Later, compiler: Any, **options: Any) -> str:
    return f"max({compiler.process(element.clauses, **options)})"


def balance_as_of(row: FromClause = balances) -> ColumnElement[int]:
    """The balance of a balance row as of the posting bound as `posting`; NULL if nothing had touched it by
    then.

    Scalar look-ups and no join: whatever a planner believes about the tables, it can only walk the indexes.
    """
    newest = []
    for side in (postings.c.debit_account, postings.c.credit_account):
        look_up = (
            select(postings.c.posting)
            .where(
                postings.c.ledger_id == bindparam("ledger"),
                side == row.c.account,
                postings.c.lot == row.c.lot,
                postings.c.posting <= bindparam("posting", type_=BigInteger),
            )
            .order_by(postings.c.posting.desc())
            .limit(1)
            .correlate(row)
        )
        newest.append(func.coalesce(look_up.scalar_subquery(), 0))
    carried = postings.alias("carried")
    return (
        select(
            case(
                (carried.c.debit_account == row.c.account, carried.c.debit_balance),
                else_=carried.c.credit_balance,
            )
        )
        .where(carried.c.ledger_id == bindparam("ledger"), carried.c.posting == _Later(*newest))
        .correlate(row)
        .scalar_subquery()
    )


@cache
def _question(dialect: str, *, is_now: bool) -> Select[Any]:
    """Rows for `assemble` about the paths asked for; as of a moment without their first column."""
    ledger: BindParameter[int] = bindparam("ledger")
    paths = asked(dialect)
    held = (
        then(paths, accounts, (accounts.c.ledger_id == ledger) & (accounts.c.path == paths.c.value))
        .outerjoin(balances, (balances.c.ledger_id == ledger) & (balances.c.account == accounts.c.account))
        .outerjoin(lots, (lots.c.ledger_id == ledger) & (lots.c.lot == balances.c.lot))
    )
    sequence = select(heads.c.sequence).where(heads.c.ledger_id == ledger).scalar_subquery()
    return select(
        *([sequence] if is_now else []),
        accounts.c.path,
        accounts.c.kind,
        accounts.c.type,
        accounts.c.floor,
        lots.c.commodity,
        lots.c.code,
        lots.c.expires_on,
        balances.c.balance if is_now else balance_as_of(),
    ).select_from(held)


def _execute(
    connection: Connection, ledger_id: int, paths: Iterable[str], *, posting: int | None = None
) -> Iterable[Any]:
    plain = [path for path in paths if is_plain(path)]
    if not plain:
        return ()
    dialect = connection.dialect.name
    arguments = {"ledger": ledger_id, "asked": listed(dialect, plain), "posting": posting}
    return connection.execute(_question(dialect, is_now=posting is None), arguments)
