"""What a merge of two registrations rests on, and the undoing of one: each from one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.hours.funding import supplement_of
from pointsbank.hours.model import BOOKED, HOLDING
from pointsbank.hours.tables import record_trails, service_records
from pointsbank.hours.taking_back import debt_account
from pointsbank.hours.withheld import withheld_of
from pointsbank.intake.lines import kept_text
from pointsbank.people.merged import groups, survivors
from pointsbank.people.merged_tables import merged_people
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import lots_of
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import accounts, balances, lots, postings

Lots = dict[str, int]
"""Points by lot, in hundredths."""


class Span(msgspec.Struct, frozen=True):
    """A record that holds its time, whose it is, and when it was filed."""

    record_id: str
    person_id: str
    start: int
    end: int
    filed_at: int


class Holdings(msgspec.Struct, frozen=True):
    """What stands on somebody's accounts."""

    merit: int
    pending: Lots
    available: Lots
    debts: Lots


class MergeFacts(msgspec.Struct, frozen=True):
    """What a merge rests on, from one snapshot."""

    old: Volunteer
    into: Volunteer
    old_ids: frozenset[str]
    versions: tuple[tuple[str, int], ...]
    holdings: Holdings
    spans: list[Span]
    is_done: bool

    def content(self, key: str) -> str:
        return kept_text((key, self.old.id, self.into.id))


def merge_facts(
    connection: Connection, ledger_id: int, old_id: str, into_id: str, key: str
) -> MergeFacts | None:
    people = volunteers_by_id(connection, ledger_id, [old_id, into_id])
    if len(people) < 2:
        return None
    old, into = people[old_id], people[into_id]
    shared = groups(connection, ledger_id, [old_id, into_id])
    old_ids = shared.get(old_id, frozenset((old_id,)))
    into_ids = shared.get(into_id, frozenset((into_id,)))
    t = merged_people.c
    merge = connection.execute(
        select(t.merge_id).where(t.ledger_id == ledger_id, t.merge_id == key)
    ).scalar_one_or_none()
    return MergeFacts(
        old,
        into,
        old_ids,
        _versions(connection, ledger_id, old, into),
        _holdings(connection, ledger_id, old),
        _spans(connection, ledger_id, old_ids | into_ids) if merge is None else [],
        merge is not None,
    )


def _versions(
    connection: Connection, ledger_id: int, one: Volunteer, other: Volunteer
) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(versions_of(connection, ledger_id, [one.subject, other.subject]).items()))


def _holdings(connection: Connection, ledger_id: int, person: Volunteer) -> Holdings:
    debt = debt_account(person.id)
    held = lots_of(connection, ledger_id, [person.pending, person.wallet, debt])
    by_lot = {path: {lot.lot: lot.balance for lot in found} for path, found in held.items()}
    return Holdings(
        _merit(connection, ledger_id, person),
        by_lot.get(person.pending, {}),
        by_lot.get(person.wallet, {}),
        by_lot.get(debt, {}),
    )


def _merit(connection: Connection, ledger_id: int, person: Volunteer) -> int:
    b, a = balances.c, accounts.c
    query = (
        select(b.balance)
        .select_from(accounts.join(balances, (b.ledger_id == a.ledger_id) & (b.account == a.account)))
        .where(a.ledger_id == ledger_id, a.path == person.merit)
    )
    return int(connection.execute(query).scalar() or 0)


def _spans(connection: Connection, ledger_id: int, ids: Iterable[str]) -> list[Span]:
    record, trail = service_records.c, record_trails.c
    rows = connection.execute(
        select(record.record_id, trail.person_id, record.start_minute, record.end_minute, trail.submitted_at)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(
            trail.ledger_id == ledger_id,
            is_one_of(connection, trail.person_id, ids),
            record.state.in_(HOLDING),
        )
    )
    return [Span(*row) for row in rows]


class UndoFacts(msgspec.Struct, frozen=True):
    """What undoing a merge rests on, from one snapshot. `missing` points of the old id are no longer there."""

    merge_id: str
    salt: bytes
    content: str
    old: Volunteer
    into: Volunteer
    versions: tuple[tuple[str, int], ...]
    holdings: Holdings
    missing: int


def undo_facts(connection: Connection, ledger_id: int, old_id: str, today: date) -> UndoFacts | None:
    t = merged_people.c
    row = connection.execute(
        select(t.merge_id, t.into_id, t.sequence, t.salt, t.content).where(
            t.ledger_id == ledger_id, t.old_id == old_id, t.state == "merged"
        )
    ).one_or_none()
    if row is None:
        return None
    # whom it was merged into may have been merged since: the points are where that id stands now
    into_id = survivors(connection, ledger_id, [row.into_id]).get(row.into_id, row.into_id)
    people = volunteers_by_id(connection, ledger_id, [old_id, into_id])
    old, into = people[old_id], people[into_id]
    ids = groups(connection, ledger_id, [old_id]).get(old_id, frozenset((old_id,)))
    own_ids = _below(connection, ledger_id, old_id, ids)
    moved = _moved_by(connection, ledger_id, row.sequence, old)
    merit, pending, freed = _of_records(connection, ledger_id, own_ids, row.sequence)
    available = _good(moved.available, today) + _good(freed, today)
    held = {
        lot.lot: lot.balance for lot in lots_of(connection, ledger_id, [into.wallet]).get(into.wallet, [])
    }
    taken, missing = _from_wallet(available, held, today)
    owed = {
        lot.lot: lot.balance
        for lot in lots_of(connection, ledger_id, [debt_account(into.id)]).get(debt_account(into.id), [])
    }
    debts = {lot: min(amount, owed.get(lot, 0)) for lot, amount in moved.debts.items()}
    return UndoFacts(
        row.merge_id,
        bytes(row.salt),
        row.content,
        old,
        into,
        _versions(connection, ledger_id, old, into),
        Holdings(merit, dict(pending), taken, debts),
        missing,
    )


def is_undone(connection: Connection, ledger_id: int, old_id: str) -> bool:
    t = merged_people.c
    query = select(t.merge_id).where(t.ledger_id == ledger_id, t.old_id == old_id, t.state == "undone")
    return connection.execute(query.limit(1)).first() is not None


def _below(connection: Connection, ledger_id: int, old_id: str, ids: frozenset[str]) -> frozenset[str]:
    """The id and those that were merged into it: they go with it."""
    t = merged_people.c
    steps = {
        str(old): str(into)
        for old, into in fetched(
            connection,
            select(t.old_id, t.into_id).where(
                t.ledger_id == ledger_id, is_one_of(connection, t.old_id, ids), t.state == "merged"
            ),
        )
    }
    found = {old_id}
    while more := {old for old, into in steps.items() if into in found and old not in found}:
        found |= more
    return frozenset(found)


def _moved_by(connection: Connection, ledger_id: int, sequence: int, old: Volunteer) -> Holdings:
    """What the entry of the merge has moved away from the wallet of the old id, and which debts."""
    if not sequence:
        return Holdings(0, {}, {}, {})
    p, debit, credit = postings.c, accounts.alias("debit"), accounts.alias("credit")
    rows = connection.execute(
        select(debit.c.path, credit.c.path, lots.c.code, p.amount)
        .select_from(
            postings.join(debit, (debit.c.ledger_id == p.ledger_id) & (debit.c.account == p.debit_account))
            .join(credit, (credit.c.ledger_id == p.ledger_id) & (credit.c.account == p.credit_account))
            .join(lots, (lots.c.ledger_id == p.ledger_id) & (lots.c.lot == p.lot))
        )
        .where(p.ledger_id == ledger_id, p.sequence == sequence)
    ).all()
    wallet = {lot: amount for one, _, lot, amount in rows if one == old.wallet}
    debts = {lot: amount for _, other, lot, amount in rows if other == debt_account(old.id)}
    return Holdings(0, {}, wallet, debts)


def _of_records(
    connection: Connection, ledger_id: int, ids: frozenset[str], since: int
) -> tuple[int, Counter[str], Counter[str]]:
    """Merit, points on notice, and points that came free after the merge, of the records of these ids."""
    record, trail = service_records.c, record_trails.c
    columns = (record.record_id, record.minutes, record.points, record.lot, record.state, record.sequence,
               record.released_by)  # fmt: skip
    own = connection.execute(
        select(*columns)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(
            trail.ledger_id == ledger_id,
            is_one_of(connection, trail.person_id, ids),
            record.state.in_(BOOKED),
        )
    ).all()
    supplements = connection.execute(
        select(*columns).where(
            record.ledger_id == ledger_id,
            is_one_of(connection, record.record_id, [supplement_of(row.record_id) for row in own]),
            record.state.in_(BOOKED),
        )
    ).all()
    merit, pending, freed = 0, Counter[str](), Counter[str]()
    withheld = withheld_of(connection, ledger_id, {row.record_id for row in (*own, *supplements)})
    for row in (*own, *supplements):
        merit += row.minutes
        points = row.points - withheld.get(row.record_id, (0, 0))[0]
        if points and row.state in ("pending", "objected"):
            pending[row.lot] += points
        elif points and max(row.sequence, row.released_by) > since:
            freed[row.lot] += points
    return merit, pending, freed


def _good(held: Lots, today: date) -> Counter[str]:
    """What has not expired meanwhile."""
    return Counter({lot: amount for lot, amount in held.items() if lot[:10] >= today.isoformat()})


def _from_wallet(wanted: Counter[str], held: Lots, today: date) -> tuple[Lots, int]:
    """The lots of a wallet that make up for these: the same ones, then the first-expiring; and what is missing."""
    left, taken, missing = dict(held), Counter[str](), 0
    for lot, amount in wanted.items():
        found = min(amount, left.get(lot, 0))
        taken[lot] += found
        left[lot] = left.get(lot, 0) - found
        missing += amount - found
    for lot in left:
        if missing and lot[:10] >= today.isoformat():
            found = min(missing, left[lot])
            taken[lot] += found
            missing -= found
    return {lot: amount for lot, amount in taken.items() if amount}, missing
