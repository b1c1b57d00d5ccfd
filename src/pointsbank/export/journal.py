"""Questions to the tables: each is one short read of bounded size, so an export never holds back the bank.

Names are fetched by the numbers at hand and not joined, so no planner reads a million accounts for a page.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, select

from pointsbank.ledger.chart import AccountType
from pointsbank.ledger.model import Commodity
from pointsbank.store import tables as t


class Head(NamedTuple):
    """Where the ledger stands: what was written up to here will never change."""

    name: str
    sequence: int
    account: int
    recorded_at: int


class Period(NamedTuple):
    """Effective times that are wanted, in microseconds UTC: from `since` on, before `until`."""

    since: int | None = None
    until: int | None = None

    def conditions(self) -> list[Any]:
        effective_at = t.entries.c.effective_at
        wanted = [] if self.since is None else [effective_at >= self.since]
        return wanted if self.until is None else [*wanted, effective_at < self.until]


class Found(NamedTuple):
    """How many entries of one kind there are, and the smallest and largest effective time among them."""

    kind: str
    entries: int
    first: int
    last: int


class Account(NamedTuple):
    number: int
    path: str
    type: AccountType


class Lot(NamedTuple):
    number: int
    commodity: str
    code: str
    scale: int


class Posting(NamedTuple):
    number: int
    debit: Account
    credit: Account
    lot: Lot
    amount: int


class Entry(NamedTuple):
    sequence: int
    effective_at: int
    recorded_at: int
    reverses: int
    kind: str
    actor: str
    place: str
    reason: str
    key_digest: bytes
    leaf: bytes
    postings: list[Posting]


def read_head(connection: Connection, ledger_id: int) -> Head | None:
    """Where the ledger stands now, or None if the database has no such ledger."""
    h = t.heads.c
    row = connection.execute(
        select(h.name, h.sequence, h.account, h.recorded_at).where(h.ledger_id == ledger_id)
    ).first()
    return None if row is None else Head._make(row)


def survey(connection: Connection, ledger_id: int, after: int, upto: int, period: Period) -> list[Found]:
    """The kinds of entries with sequence numbers in (after, upto] that lie in the period."""
    e = t.entries.c
    rows = connection.execute(
        select(e.kind, func.count(), func.min(e.effective_at), func.max(e.effective_at))
        .where(e.ledger_id == ledger_id, e.sequence > after, e.sequence <= upto, *period.conditions())
        .group_by(e.kind)
    )
    return [Found._make(row) for row in rows]


def read_commodities(connection: Connection, ledger_id: int, after: str, limit: int) -> list[Commodity]:
    """The next commodities after `after`."""
    c = t.commodities.c
    rows = connection.execute(
        select(c.commodity, c.scale, c.has_lots)
        .where(c.ledger_id == ledger_id, c.commodity > after)
        .order_by(c.commodity)
        .limit(limit)
    )
    return [Commodity(code, scale, bool(has_lots)) for code, scale, has_lots in rows]


def read_entries(
    connection: Connection, ledger_id: int, after: int, upto: int, period: Period, limit: int
) -> tuple[int, list[Entry]]:
    """The next entries with sequence numbers in (after, upto] that lie in the period, with their postings.

    Looks at no more than `limit` entries and `limit` postings, but always at one entry. Returns the sequence
    number to go on after, too.
    """
    upto = min(after + limit, upto)
    e = t.entries.c
    rows = connection.execute(
        select(
            *(e.sequence, e.effective_at, e.recorded_at, e.reverses, e.kind, e.actor, e.place, e.reason),
            *(e.key_digest, e.leaf, e.first_posting, e.postings),
        )
        .where(e.ledger_id == ledger_id, e.sequence > after, e.sequence <= upto, *period.conditions())
        .order_by(e.sequence)
    ).all()
    if not rows:
        return upto, []
    # postings are numbered without gaps, so this counts those of entries outside the period as well
    first = rows[0].first_posting
    taken = [row for row in rows if row.first_posting + row.postings - first <= limit] or rows[:1]
    entries = {row.sequence: Entry._make((*row[:10], [])) for row in taken}
    last = taken[-1].first_posting + taken[-1].postings - 1
    for sequence, posting in _postings(connection, ledger_id, first, last):
        if sequence in entries:
            entries[sequence].postings.append(posting)
    return upto if len(taken) == len(rows) else taken[-1].sequence, list(entries.values())


def _postings(connection: Connection, ledger_id: int, first: int, last: int) -> list[tuple[int, Posting]]:
    """The postings numbered from `first` to `last`, each with the sequence number of its entry."""
    p = t.postings.c
    rows = connection.execute(
        select(p.sequence, p.posting, p.debit_account, p.credit_account, p.lot, p.amount)
        .where(p.ledger_id == ledger_id, p.posting >= first, p.posting <= last)
        .order_by(p.posting)
    ).all()
    accounts = _accounts(connection, ledger_id, {number for row in rows for number in row[2:4]})
    lots = _lots(connection, ledger_id, {row.lot for row in rows})
    return [
        (sequence, Posting(number, accounts[debit], accounts[credit], lots[lot], amount))
        for sequence, number, debit, credit, lot, amount in rows
    ]


def _accounts(connection: Connection, ledger_id: int, numbers: set[int]) -> dict[int, Account]:
    a = t.accounts.c
    wanted = select(a.account, a.path, a.type).where(a.ledger_id == ledger_id, a.account.in_(_NUMBERS))
    rows: list[Row[Any]] = list(connection.execute(wanted, {"numbers": sorted(numbers)}))
    return {row[0]: Account._make(row) for row in rows}


def _lots(connection: Connection, ledger_id: int, numbers: set[int]) -> dict[int, Lot]:
    lot, unit = t.lots.c, t.commodities.c
    wanted = (
        select(lot.lot, lot.commodity, lot.code, unit.scale)
        .join(t.commodities, and_(unit.ledger_id == lot.ledger_id, unit.commodity == lot.commodity))
        .where(lot.ledger_id == ledger_id, lot.lot.in_(_NUMBERS))
    )
    rows: list[Row[Any]] = list(connection.execute(wanted, {"numbers": sorted(numbers)}))
    return {row[0]: Lot._make(row) for row in rows}


_NUMBERS: Final[BindParameter[Any]] = bindparam("numbers", expanding=True, literal_execute=True)
"""Our own integers, written into the statement: a driver takes 32,767 parameters at most."""
