"""The queue of a fund that has run out: merit is booked, points wait, and are paid in order when money comes.

What is paid is a credit of its own, with a supplement to the service record: no minutes, the points that waited. A line
that is frozen by an objection is paid in its turn as well, onto the notice, and its supplement is frozen with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.reading import versions_of
from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.aliases import people_of
from pointsbank.hours.debts import debts_of
from pointsbank.hours.model import BOOKED
from pointsbank.hours.postings import HOURS, attached, credited, reversal_drafts
from pointsbank.hours.refusals import FundQueueStopped
from pointsbank.hours.tables import service_records, unfunded_credits
from pointsbank.hours.trails import Filed, filed_records
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Change, Draft, Row
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund, point_lot
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.store.lists import is_one_of
from pointsbank.store.questions import LEDGER, Question

ATTEMPTS: Final = 20
LEAST_DAYS: Final = 90
"""Points whose expiry came while they waited may be spent for so many days after they are paid."""


class Waiting(msgspec.Struct, frozen=True):
    """Points that wait for their fund, in hundredths."""

    record_id: str
    fund: str
    points: int
    expires_on: str
    queued: int
    paid: int
    state: str


def queue_subject(fund: str) -> str:
    """What verifying reads, and queueing and paying touch: nobody overtakes."""
    return f"fund-queue:{fund}"


def supplement_of(record_id: str) -> str:
    """The id of the record by which waiting points are paid."""
    return f"{record_id}+fund"


def waiting_row(record: Filed, points: int, expires_on: date) -> Row:
    """The document that keeps points in the queue."""
    values = (record.record_id, record.fund, points, expires_on.isoformat(), SEQUENCE, 0, "waiting")
    return Row("unfunded_credits", values)


class _Payable(msgspec.Struct, frozen=True):
    """A record whose points wait, from one snapshot. `version` is that of its person."""

    record: Filed
    person: Volunteer
    version: int
    is_indebted: bool
    category: str
    station: str
    policy: str


class Funding:
    """Pays what waits."""

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._zone = policies.policies[-1].timezone

    async def waiting(self, fund: str, limit: int = 500) -> list[Waiting]:
        """What waits for a fund, in the order in which it will be paid."""
        return await self._ledger.database.read(waiting_credits, self._ledger.id, fund, limit)

    async def pay(self, fund: str, command: Command) -> int | FundQueueStopped:
        """Pay what waits for a fund, strictly in order, whole credits, as far as it reaches; gives how many.

        A line that is frozen by an objection is paid in its turn, and what is paid stays frozen with it: nobody overtakes.
        May be stopped and run again at any time.
        """
        paid = after = 0
        while page := await self._ledger.database.read(waiting_credits, self._ledger.id, fund, after=after):
            for credit in page:
                result = await self._pay(credit, command)
                if isinstance(result, InsufficientBalance):
                    return paid
                if isinstance(result, Refusal):
                    return FundQueueStopped(fund, credit.record_id, result.code)
                paid += result
            after = page[-1].queued
        return paid

    async def _pay(self, credit: Waiting, command: Command) -> int | Refusal:
        """Pay one line: 1 if that was done now, 0 if it waits no longer, for it was paid or dropped meanwhile.

        What has changed since the look at it, such as an objection, is looked at anew: the next line must not be paid
        before this one is settled.
        """
        refusal: Refusal | None = None
        for _ in range(ATTEMPTS):
            facts = await self._look(credit.record_id)
            if facts is None:
                return 0
            result = (await self._ledger.submit([self._payment(credit, facts, command)], HOURS))[0]
            if not isinstance(result, Refusal):
                return int(not result.replayed)
            refusal = result
            if not refusal.retry:
                break
        assert refusal is not None
        return refusal

    async def _look(self, record_id: str) -> _Payable | None:
        return await self._ledger.database.read(_payable, self._ledger.id, record_id)

    def _payment(self, credit: Waiting, facts: _Payable, command: Command) -> Draft:
        record, person = facts.record, facts.person
        now = self._ledger.writer.clock.now()
        today = city_day(now, self._zone)
        lot = point_lot(self._expiry(credit, today), Fund(credit.fund))
        # who owes something pays it when the points come free, so theirs pass through the release
        state = "pending" if record.state == "credited" and facts.is_indebted else record.state
        free_on = today.isoformat() if record.state == "credited" else record.available_on
        supplement, salt = supplement_of(credit.record_id), new_salt()
        row = Row(
            "service_records",
            (
                # filed under the id of its record, so that it goes where that goes if a merge is undone
                supplement, record.person_id, record.content, "accepted",
                state, record.day, 0, 0, 0, 0, credit.points, facts.category,
                facts.station, facts.policy, lot, "" if state == "credited" else free_on, SEQUENCE, 0, salt, RECORDED_AT,
                b"", b"",
            ),
        )  # fmt: skip
        return Draft(
            "earn",
            f"pay:{credit.record_id}",
            command.client,
            request_digest("pay-unfunded", credit.record_id),
            now,
            credited(person, credit.points, lot, Fund(credit.fund), at_once=state == "credited"),
            command.actor,
            metadata=(("policy", facts.policy), ("queued", credit.queued)),
            documents=(attached(supplement, salt, record.content),),
            reads=((person.subject, facts.version),),  # no merge and no debt between the look and the payment
            touches=(person.subject, queue_subject(credit.fund)),
            rows=(row,),
            changes=(
                Change("unfunded_credits", (credit.record_id,), "waiting", "paid", (("paid", SEQUENCE),)),
                Change("service_records", (record.record_id,), record.state, record.state),
            ),
        )

    def _expiry(self, credit: Waiting, today: date) -> date:
        """The expiry of the service date; if it has come meanwhile, at least some days from now."""
        own = date.fromisoformat(credit.expires_on)
        return own if own >= today else today + timedelta(days=LEAST_DAYS)


_SHORT = Question(
    lambda one_of: (
        select(unfunded_credits.c.fund)
        .where(
            unfunded_credits.c.ledger_id == LEDGER,
            one_of(unfunded_credits.c.fund, "funds"),
            unfunded_credits.c.state == "waiting",
        )
        .group_by(unfunded_credits.c.fund)
    )
)


def funds_short(connection: Connection, ledger_id: int, funds: Iterable[str]) -> frozenset[str]:
    """Those of these funds for which something waits: nothing may be paid before it."""
    rows = _SHORT.rows(connection, ledger_id, funds=funds)
    return frozenset(str(row[0]) for row in rows)


def waiting_credits(
    connection: Connection, ledger_id: int, fund: str, limit: int = 500, *, after: int = 0
) -> list[Waiting]:
    """What waits for a fund, in order; what was queued after the entry `after`."""
    t = unfunded_credits.c
    rows = connection.execute(
        select(t.record_id, t.fund, t.points, t.expires_on, t.queued, t.paid, t.state)
        .where(t.ledger_id == ledger_id, t.fund == fund, t.state == "waiting", t.queued > after)
        .order_by(t.queued)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


def waiting_points(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, int]:
    """Points of these records that wait for their fund."""
    t = unfunded_credits.c
    rows = connection.execute(
        select(t.record_id, t.points).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, ids), t.state == "waiting"
        )
    )
    return {str(record_id): int(points) for record_id, points in rows}


def reversed_with(connection: Connection, ledger_id: int, record_id: str) -> tuple[tuple[Change, ...], Any]:
    """What goes with the reversal of a record: what waits is dropped; what was paid is to be reversed too.

    Gives the changes, and state, sequence and release of the supplement, or None.
    """
    record = service_records.c
    state = _credit(connection, ledger_id, record_id)
    if state == "waiting":
        return (Change("unfunded_credits", (record_id,), "waiting", "dropped"),), None
    if state != "paid":
        return (), None
    supplement = connection.execute(
        select(record.state, record.sequence, record.released_by).where(
            record.ledger_id == ledger_id, record.record_id == supplement_of(record_id)
        )
    ).one()
    return (), None if supplement.state in ("reversed", "clawed-back") else tuple(supplement)


def changed_with(
    connection: Connection, ledger_id: int, record_id: str, old: str, new: str, free_on: str = ""
) -> tuple[Change, ...]:
    """What goes with a record that is frozen, or no longer: its supplement does the same, from `old` to `new`.

    Points that still wait must go on waiting till then: paid meanwhile, they would miss the change.
    """
    state = _credit(connection, ledger_id, record_id)
    if state == "waiting":
        return (Change("unfunded_credits", (record_id,), "waiting", "waiting"),)
    _, supplement = reversed_with(connection, ledger_id, record_id)
    if supplement is None or supplement[0] != old:
        return ()
    values = (("available_on", free_on),) if free_on else ()
    return (Change("service_records", (supplement_of(record_id),), old, new, values),)


def supplement_reversals(
    record_id: str, supplement: tuple[str, int, int], person: Volunteer, reason: str, **common: Any
) -> list[Draft]:
    """The drafts that take back what was paid for a record, before the record itself is reversed."""
    state, sequence, released_by = supplement
    return reversal_drafts(supplement_of(record_id), state, sequence, released_by, person, reason, **common)


def _payable(connection: Connection, ledger_id: int, record_id: str) -> _Payable | None:
    """What paying a line rests on; None if it waits no longer, or its record has ended."""
    waiting = _credit(connection, ledger_id, record_id)
    record = filed_records(connection, ledger_id, [record_id]).get(record_id)
    if waiting != "waiting" or record is None or record.state not in BOOKED:
        return None
    t = service_records.c
    row = connection.execute(
        select(t.category, t.station, t.policy).where(t.ledger_id == ledger_id, t.record_id == record_id)
    ).one()
    person = people_of(connection, ledger_id, [record.person_id])[record.person_id]
    version = versions_of(connection, ledger_id, [person.subject])[person.subject]
    is_indebted = person.id in debts_of(connection, ledger_id, [person.id])
    return _Payable(record, person, version, is_indebted, row.category, row.station, row.policy)


def _credit(connection: Connection, ledger_id: int, record_id: str) -> str | None:
    """The state of what waited for a record; None if nothing ever did."""
    t = unfunded_credits.c
    found = connection.execute(
        select(t.state).where(t.ledger_id == ledger_id, t.record_id == record_id)
    ).scalar_one_or_none()
    return None if found is None else str(found)
