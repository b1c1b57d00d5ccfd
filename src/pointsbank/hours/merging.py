"""Two registrations of one person in the books: their hours may not overlap, then all that the old one has moves.

The register (people/merging.py) sees to it that two members of staff decide; it calls `MergePostings.post` with the key
of their decision, and again with the same key if it was interrupted. What was posted before is not changed: it moves by
one visible entry, and moves back by another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By
from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.engine.commands import Command, attach, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.booked import booked_of
from pointsbank.hours.funding import supplement_of
from pointsbank.hours.model import BOOKED, HOLDING
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import UnknownCase
from pointsbank.hours.rules import is_double
from pointsbank.hours.submission import step_row
from pointsbank.hours.tables import record_trails, service_records
from pointsbank.hours.taking_back import Line, clawback_draft, debt_account, done_row
from pointsbank.intake.lines import kept_text
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Change, Draft, Movement, OpenAccount, Row
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.people.merged import groups, survivors
from pointsbank.people.merged_tables import merged_people
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import accounts, balances, lots, postings

ATTEMPTS: Final = 20
CLIENT: Final = "merging"
REASON: Final = "double-registration"

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


class MergePostings:
    """Moves the books of a merge. `by` confirmed the decision."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, by: By) -> None:
        self._ledger = ledger
        self._zone = policies.policies[-1].timezone
        self._handover = policies.policies[-1].cases.handover_minutes
        self._by = by

    async def post(self, old_id: str, into_id: str, key: str) -> Refusal | None:
        """Move what `old_id` has to `into_id`, or back for a key that begins with `unmerge:`; None when it is done."""
        if key.startswith("unmerge:"):
            return await self._undo(old_id, key)
        refusal: Refusal = UnknownCase(key)
        tries = ATTEMPTS
        while tries:
            facts = await self._ledger.database.read(_facts, self._ledger.id, old_id, into_id, key)
            if facts is None:
                return UnknownCase(old_id)
            if facts.is_done:
                return None
            double = later_of_overlaps(facts.spans, facts.old_ids, self._handover)
            draft = await self._take_back(double, key) if double else self._merge(facts, key)
            result = (await self._ledger.submit([draft], HOURS))[0] if draft is not None else None
            if isinstance(result, Refusal):
                refusal = result
                if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                    return refusal
                tries -= 1
            elif not double:
                return None
        return refusal

    async def _take_back(self, span: Span, key: str) -> Draft | None:
        """The later of two records of one time does not count: nobody served twice."""
        found = await self._ledger.database.read(booked_of, self._ledger.id, span.record_id)
        if found is None or found.record.state not in HOLDING:
            return None
        record, today, command = found.record, self._today(), self._command()
        step = "clawed-back" if record.state in BOOKED else "rejected"
        row = step_row(record.record_id, len(record.steps) + 1, step, self._by, REASON)
        if record.state not in BOOKED:
            return Draft(
                "reject-record",
                f"{key}:{record.record_id}",
                CLIENT,
                request_digest("reject-record", record.record_id, key),
                self._now(),
                actor=self._by.name,
                place=self._by.place,
                touches=(found.person.subject,),
                rows=(row,),
                changes=(Change("service_records", (record.record_id,), record.state, "rejected"),),
            )
        line = Line(key, record.record_id, record.person_id, guilty=False, decided_by=self._by.name)
        back, salt = found.back(guilty=False, today=today), new_salt()
        return clawback_draft(
            line,
            back,
            found.person,
            found.version,
            salt=salt,
            effective_at=start_of_day(today, self._zone),
            command=command,
            actor=self._by.name,
            place=self._by.place,
            reason=REASON,
            rows=(row, done_row(line, back, record.minutes, salt)),
            changes=found.ended,
        )

    def _merge(self, facts: _Facts, key: str) -> Draft:
        old, into, content, salt = facts.old, facts.into, facts.content(key), new_salt()
        movements = transfers(old, into, facts.holdings)
        row = Row(
            "merged_people",
            (key, old.id, into.id, content, SEQUENCE if movements else 0, 0, salt, RECORDED_AT, "merged"),
        )
        debts = (OpenAccount(debt_account(into.id)),) if facts.holdings.debts else ()
        return Draft(
            "merge",
            key,
            CLIENT,
            request_digest("merge", old.id, into.id),
            start_of_day(self._today(), self._zone),
            movements,
            self._by.name,
            self._by.place,
            REASON,
            documents=(attach("merge", key, salt, content),) if movements else (),
            opens=debts,
            reads=facts.versions,
            touches=tuple(subject for subject, _ in facts.versions),
            rows=(row,),
        )

    async def _undo(self, old_id: str, key: str) -> Refusal | None:
        refusal: Refusal = UnknownCase(key)
        for _ in range(ATTEMPTS):
            today = self._today()
            facts = await self._ledger.database.read(_undoing, self._ledger.id, old_id, today)
            if facts is None:
                done = await self._ledger.database.read(_is_undone, self._ledger.id, old_id)
                return None if done else UnknownCase(old_id)
            if facts.missing:
                wallet, asked = facts.into.wallet, sum(facts.holdings.available.values()) + facts.missing
                return InsufficientBalance(wallet, POINT.code, "", asked - facts.missing, 0, asked)
            movements = transfers(facts.into, facts.old, facts.holdings)
            changed = Change(
                "merged_people",
                (facts.merge_id,),
                "merged",
                "undone",
                (("undone_by", SEQUENCE),) if movements else (),
            )
            draft = Draft(
                "unmerge",
                key,
                CLIENT,
                request_digest("unmerge", old_id, facts.into.id),
                start_of_day(today, self._zone),
                movements,
                self._by.name,
                self._by.place,
                REASON,
                documents=(attach("merge", facts.merge_id, facts.salt, facts.content),) if movements else (),
                opens=(OpenAccount(debt_account(old_id)),) if facts.holdings.debts else (),
                reads=facts.versions,
                touches=tuple(subject for subject, _ in facts.versions),
                changes=(changed,),
            )
            result = (await self._ledger.submit([draft], HOURS))[0]
            if not isinstance(result, Refusal):
                return None
            refusal = result
            if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                break
        return refusal

    def _command(self) -> Command:
        return Command(CLIENT, "", self._by.name, self._by.place)

    def _now(self) -> int:
        return self._ledger.writer.clock.now()

    def _today(self) -> date:
        return city_day(self._now(), self._zone)


def later_of_overlaps(spans: Iterable[Span], old_ids: frozenset[str], handover: int = 0) -> Span | None:
    """The first record, in the order in which they were filed, whose time an earlier one of the other id holds."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.filed_at, s.start, s.record_id)):
        for other in kept:
            is_of_other = (span.person_id in old_ids) != (other.person_id in old_ids)
            if is_of_other and is_double((span.start, span.end), (other.start, other.end), handover):
                return span
        kept.append(span)
    return None


def transfers(giver: Volunteer, taker: Volunteer, what: Holdings) -> tuple[Movement, ...]:
    """The movements by which merit, points lot by lot, and debts go from one id to the other."""
    merit = (Movement(giver.merit, taker.merit, MINUTE.code, what.merit),) if what.merit else ()
    points = [
        Movement(one, other, POINT.code, amount, lot)
        for one, other, held in (
            (giver.pending, taker.pending, what.pending),
            (giver.wallet, taker.wallet, what.available),
            (debt_account(taker.id), debt_account(giver.id), what.debts),  # who owes it is debited
        )
        for lot, amount in sorted(held.items())
        if amount
    ]
    return (*merit, *points)


class _Facts(msgspec.Struct, frozen=True):
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


def _facts(connection: Connection, ledger_id: int, old_id: str, into_id: str, key: str) -> _Facts | None:
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
    return _Facts(
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


class _Undoing(msgspec.Struct, frozen=True):
    """What undoing a merge rests on, from one snapshot. `missing` points of the old id are no longer there."""

    merge_id: str
    salt: bytes
    content: str
    old: Volunteer
    into: Volunteer
    versions: tuple[tuple[str, int], ...]
    holdings: Holdings
    missing: int


def _undoing(connection: Connection, ledger_id: int, old_id: str, today: date) -> _Undoing | None:
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
    return _Undoing(
        row.merge_id,
        bytes(row.salt),
        row.content,
        old,
        into,
        _versions(connection, ledger_id, old, into),
        Holdings(merit, dict(pending), taken, debts),
        missing,
    )


def _is_undone(connection: Connection, ledger_id: int, old_id: str) -> bool:
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
    for row in (*own, *supplements):
        merit += row.minutes
        if row.points and row.state in ("pending", "objected"):
            pending[row.lot] += row.points
        elif row.points and max(row.sequence, row.released_by) > since:
            freed[row.lot] += row.points
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
