"""Questions to the tables: each is one short read of bounded size, so an export never holds back the bank."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from pointsbank.ledger.chart import AccountType
from pointsbank.ledger.model import Commodity
from pointsbank.store import tables as t

ENTRIES_PER_SURVEY = 50_000


class Head(NamedTuple):
    """Where the ledger stands: what was written up to here will never change."""

    name: str
    sequence: int
    posting: int
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
    kind: str
    type: AccountType


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


class Posting(NamedTuple):
    number: int
    sequence: int
    debit: str
    debit_type: AccountType
    credit: str
    credit_type: AccountType
    commodity: str
    lot: str
    scale: int
    amount: int


def read_head(connection: Connection, ledger_id: int) -> Head | None:
    """Where the ledger stands now, or None if the database has no such ledger."""
    h = t.heads.c
    row = connection.execute(
        select(h.name, h.sequence, h.posting, h.account, h.recorded_at).where(h.ledger_id == ledger_id)
    ).first()
    return None if row is None else Head(*row)


def survey(connection: Connection, ledger_id: int, after: int, upto: int, period: Period) -> list[Found]:
    """The kinds of entries with sequence numbers in (after, upto] that lie in the period."""
    e = t.entries.c
    rows = connection.execute(
        select(e.kind, func.count(), func.min(e.effective_at), func.max(e.effective_at))
        .where(e.ledger_id == ledger_id, e.sequence > after, e.sequence <= upto, *period.conditions())
        .group_by(e.kind)
    )
    return [Found(*row) for row in rows]


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


def read_accounts(connection: Connection, ledger_id: int, after: int, upto: int, limit: int) -> list[Account]:
    """The next accounts with numbers in (after, upto]."""
    a = t.accounts.c
    rows = connection.execute(
        select(a.account, a.path, a.kind, a.type)
        .where(a.ledger_id == ledger_id, a.account > after, a.account <= upto)
        .order_by(a.account)
        .limit(limit)
    )
    return [Account(*row) for row in rows]


def read_postings(
    connection: Connection, ledger_id: int, after: int, upto: int, period: Period
) -> tuple[dict[int, Entry], list[Posting]]:
    """The postings with numbers in (after, upto], in order, and the entries of the period by sequence.

    Postings of entries outside the period are among the answer, their entries are not.
    """
    p, lot, unit = t.postings.c, t.lots.c, t.commodities.c
    debit, credit = t.accounts.alias("debit"), t.accounts.alias("credit")
    rows = connection.execute(
        select(
            p.posting,
            p.sequence,
            debit.c.path,
            debit.c.type,
            credit.c.path,
            credit.c.type,
            lot.commodity,
            lot.code,
            unit.scale,
            p.amount,
        )
        .select_from(
            t.postings.join(debit, and_(debit.c.ledger_id == p.ledger_id, debit.c.account == p.debit_account))
            .join(credit, and_(credit.c.ledger_id == p.ledger_id, credit.c.account == p.credit_account))
            .join(t.lots, and_(lot.ledger_id == p.ledger_id, lot.lot == p.lot))
            .join(t.commodities, and_(unit.ledger_id == p.ledger_id, unit.commodity == lot.commodity))
        )
        .where(p.ledger_id == ledger_id, p.posting > after, p.posting <= upto)
        .order_by(p.posting)
    )
    postings = [Posting._make(row) for row in rows]
    if not postings:
        return {}, []
    e = t.entries.c
    entries = connection.execute(
        select(
            e.sequence,
            e.effective_at,
            e.recorded_at,
            e.reverses,
            e.kind,
            e.actor,
            e.place,
            e.reason,
            e.key_digest,
            e.leaf,
        ).where(
            e.ledger_id == ledger_id,
            e.sequence.between(postings[0].sequence, postings[-1].sequence),
            *period.conditions(),
        )
    )
    return {row.sequence: Entry._make(row) for row in entries}, postings
