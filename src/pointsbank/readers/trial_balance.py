"""The trial balance (试算平衡表): kinds of accounts by commodity, debits beside credits, and that they agree.

It reads the balance rows, one for each account and lot that was ever moved, so it grows with the number of
accounts and never with the journal. As of an earlier moment each of these rows costs two index look-ups
more: some ten times slower, still without reading the journal. Neither is a proof of the running balances
it rests on; that is `verify`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, BindParameter, ColumnElement, Connection, Select, bindparam, func, select

from pointsbank.ledger.chart import NORMAL_SIDE
from pointsbank.ledger.model import Side
from pointsbank.readers.balances import balance_as_of, is_plain
from pointsbank.readers.lookups import then
from pointsbank.readers.moments import Moment, head, moment
from pointsbank.readers.refusals import QuestionInvalid, SequenceAhead
from pointsbank.store.tables import accounts, balances, lots

MAX_ACCOUNTS: Final = 500


class TrialLine(msgspec.Struct, frozen=True):
    """One kind of account and commodity: its balance, in minor units, in the column of its side."""

    kind: str
    type: str
    commodity: str
    debit: int
    credit: int


class TrialTotal(msgspec.Struct, frozen=True):
    """The columns of one commodity added up."""

    commodity: str
    debit: int
    credit: int

    @property
    def agrees(self) -> bool:
        return self.debit == self.credit


class TrialBalance(msgspec.Struct, frozen=True):
    """The trial balance as of `sequence`, lines by kind and commodity."""

    sequence: int
    lines: tuple[TrialLine, ...]
    totals: tuple[TrialTotal, ...]

    @property
    def agrees(self) -> bool:
        """Whether debits equal credits in every commodity. If not, balance rows are damaged: run verify."""
        return all(total.agrees for total in self.totals)


class AccountLine(msgspec.Struct, frozen=True):
    """One account and commodity of the long trial balance."""

    account: str
    kind: str
    type: str
    commodity: str
    debit: int
    credit: int


class AccountLines(msgspec.Struct, frozen=True):
    """A page of the long trial balance as of `sequence`. `next` goes into `after`, None at the end."""

    sequence: int
    lines: tuple[AccountLine, ...]
    next: str | None


def trial_balance(
    connection: Connection, ledger_id: int, *, sequence: int | None = None, recorded_at: int | None = None
) -> TrialBalance | SequenceAhead | QuestionInvalid:
    """The trial balance now, or as of a sequence number or a recorded time (microseconds UTC)."""
    if sequence is None and recorded_at is None:
        now = head(connection, ledger_id)
        return _folded(now.sequence if now else 0, connection.execute(_NOW, {"ledger": ledger_id}))
    at = moment(connection, ledger_id, sequence=sequence, recorded_at=recorded_at)
    if not isinstance(at, Moment):
        return at
    return _folded(at.sequence, connection.execute(_AS_OF, {"ledger": ledger_id, "posting": at.posting}))


def account_lines(
    connection: Connection, ledger_id: int, *, prefix: str = "", after: str = "", limit: int = 100
) -> AccountLines | QuestionInvalid:
    """The trial balance account by account, in the order of their paths: those that begin with `prefix`,
    after `after`.

    `limit` (1 to 500) counts accounts; an account has a line for each commodity that it ever held.
    """
    if not 1 <= limit <= MAX_ACCOUNTS:
        return QuestionInvalid(f"a page has 1 to {MAX_ACCOUNTS} accounts, not {limit}")
    if not is_plain(prefix + after):
        return QuestionInvalid("an account's path has plain letters, digits and :.-_ only")
    now = head(connection, ledger_id)
    rows = connection.execute(
        _LONG,
        {"ledger": ledger_id, "from": page_start(prefix, after), "to": prefix_end(prefix), "limit": limit},
    ).all()
    paths = list(dict.fromkeys(row[0] for row in rows))
    lines = tuple(
        AccountLine(path, kind, its_type, commodity, *columns(its_type, int(amount)))
        for path, kind, its_type, commodity, amount in rows
        if commodity is not None
    )
    return AccountLines(now.sequence if now else 0, lines, paths[-1] if len(paths) == limit else None)


def columns(account_type: str, amount: int) -> tuple[int, int]:
    """A balance counted on the normal side as (debit, credit): a negative one stands in the other column."""
    on_debit = amount if NORMAL_SIDE[account_type] is Side.DEBIT else -amount
    return (on_debit, 0) if on_debit >= 0 else (0, -on_debit)


def page_start(prefix: str, after: str) -> str:
    """The first text, in byte order, at which a page may begin if `after` was seen last."""
    return (
        max(prefix, after + " ") if after else prefix
    )  # a blank sorts before every letter that a path may have


def prefix_end(prefix: str) -> str:
    """A text after every path that begins with `prefix` and before every other later path, in byte order."""
    return prefix + "\x7f"


def _folded(sequence: int, rows: Iterable[Any]) -> TrialBalance:
    # PostgreSQL adds bigints up to a numeric, which arrives as a Decimal: whole, so int() loses nothing.
    lines = tuple(
        TrialLine(kind, its_type, commodity, *columns(its_type, int(amount)))
        for kind, its_type, commodity, amount in rows
        if amount is not None
    )
    names = sorted({line.commodity for line in lines})
    totals = tuple(
        TrialTotal(
            name,
            sum(line.debit for line in lines if line.commodity == name),
            sum(line.credit for line in lines if line.commodity == name),
        )
        for name in names
    )
    return TrialBalance(sequence, lines, totals)


# the statements

_LEDGER: Final[BindParameter[int]] = bindparam("ledger")


def _by_kind(amount: ColumnElement[int]) -> Select[Any]:
    held = then(
        then(
            balances, accounts, (accounts.c.ledger_id == _LEDGER) & (accounts.c.account == balances.c.account)
        ),
        lots,
        (lots.c.ledger_id == _LEDGER) & (lots.c.lot == balances.c.lot),
    )
    return (
        select(accounts.c.kind, accounts.c.type, lots.c.commodity, func.sum(amount))
        .select_from(held)
        .where(balances.c.ledger_id == _LEDGER)
        .group_by(accounts.c.kind, accounts.c.type, lots.c.commodity)
        .order_by(accounts.c.kind, lots.c.commodity)
    )


_NOW = _by_kind(balances.c.balance)
_AS_OF = _by_kind(balance_as_of())

_PAGE = (
    select(accounts.c.account, accounts.c.path, accounts.c.kind, accounts.c.type)
    .where(
        accounts.c.ledger_id == _LEDGER,
        accounts.c.path >= bindparam("from"),
        accounts.c.path < bindparam("to"),
    )
    .order_by(accounts.c.path)
    .limit(bindparam("limit", type_=BigInteger))
    .subquery("page")
)
_LONG = (
    select(_PAGE.c.path, _PAGE.c.kind, _PAGE.c.type, lots.c.commodity, func.sum(balances.c.balance))
    .select_from(
        _PAGE.outerjoin(
            balances, (balances.c.ledger_id == _LEDGER) & (balances.c.account == _PAGE.c.account)
        ).outerjoin(lots, (lots.c.ledger_id == _LEDGER) & (lots.c.lot == balances.c.lot))
    )
    .group_by(_PAGE.c.path, _PAGE.c.kind, _PAGE.c.type, lots.c.commodity)
    .order_by(_PAGE.c.path, lots.c.commodity)
)
