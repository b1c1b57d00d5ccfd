"""Objections while a record stands on notice: one line is frozen, a case is opened, somebody else decides.

An objection and the release of the same record are two guarded changes of one state: whichever commits first counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import versions_of
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.aliases import people_of
from pointsbank.hours.booked import booked_of
from pointsbank.hours.filing import step_row
from pointsbank.hours.four_eyes import Ties, may_not_decide
from pointsbank.hours.funding import changed_with, reversed_with, supplement_reversals
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import ReasonInvalid, UnknownRecord, WrongState
from pointsbank.hours.tables import objections
from pointsbank.hours.taking_back import Line, clawback_draft, done_row
from pointsbank.hours.trails import Filed, credited_since, filed_records
from pointsbank.hours.withheld import is_withheld
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import GroupRefused, InsufficientBalance, Refusal
from pointsbank.people.merged import was_merged
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day, working_days_after
from pointsbank.policy.model import Policy
from pointsbank.store.lists import fetched, is_one_of

ATTEMPTS: Final = 20
OBJECTION_REASONS: Final = ("not-present", "wrong-times", "wrong-person", "not-volunteer-service", "other")
DECISION_REASONS: Final = ("confirmed", "not-proved", "withdrawn-by-objector", "misconduct", "other")

UNDECIDED: Final = ("open", "escalated")
"""States of an objection, or an appeal, on which somebody must still decide."""

_DAY_MICROS: Final = 86_400 * 1_000_000


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """An objection on file. `due_on` is the last day for its decision; after it the case goes up."""

    record_id: str
    number: int
    reason: str
    objector: str
    opened_at: int
    due_on: str
    decided_by: str
    decided_at: int
    decision: str
    state: str


class Objecting:
    """Takes objections and decides them."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone

    async def object(self, record_id: str, reason: str, by: By, command: Command) -> Objection | Refusal:
        """Object to a record on notice: it is frozen until somebody has decided. One open objection a record."""
        if not by.person:
            return FourEyes("machine-source")
        if reason not in OBJECTION_REASONS:
            return ReasonInvalid(reason)
        refusal: Refusal = UnknownRecord(record_id)
        for _ in range(ATTEMPTS):
            found = await self._find(record_id)
            if found is None:
                return UnknownRecord(record_id)
            record, earlier = found
            if record.state == "objected" and earlier and self._is_same(earlier[-1], reason, by):
                return earlier[-1]
            if record.state != "pending":  # the release, or another objection, was first
                return WrongState(record_id, record.state)
            draft = await self._objection(record, len(earlier) + 1, reason, by, command)
            result = (await self._ledger.submit([draft], HOURS))[0]
            if not isinstance(result, Refusal):
                return (await self.cases(record_id))[-1]
            refusal = result
            if not refusal.retry:
                break
        return refusal

    async def _objection(self, record: Filed, number: int, reason: str, by: By, command: Command) -> Draft:
        """The case, and the freezing of the line with whatever was paid for it later."""
        record_id, policy = record.record_id, self._policy(record)
        due = working_days_after(self._today(), policy.safeguards.decision_working_days, policy)
        case = Row(
            "objections",
            (record_id, number, reason, by.name, RECORDED_AT, due.isoformat(), "", 0, "", "open"),
            key_length=2,
        )
        changed = await self._ledger.database.read(
            changed_with, self._ledger.id, record_id, "pending", "objected"
        )
        return Draft(
            "object-to-record",
            f"object:{record_id}:{number}:{by.name}",
            command.client,
            request_digest("object-to-record", record_id, reason, by.name),
            self._now(),
            actor=by.name,
            place=by.place,
            rows=(case, step_row(record_id, len(record.steps) + 1, "objected", by, reason)),
            changes=(Change("service_records", (record_id,), "pending", "objected"), *changed),
        )

    def _is_same(self, case: Objection, reason: str, by: By) -> bool:
        return case.state in UNDECIDED and case.objector == by.name and case.reason == reason

    async def decide(
        self, record_id: str, reason: str, by: By, command: Command, *, uphold: bool
    ) -> Objection | Refusal:
        """Decide the open objection: upheld, the credit is reversed; rejected, the notice goes on.

        Decided by a natural person who neither recorded, verified nor objected, and does not live with the volunteer.
        """
        if reason not in DECISION_REASONS:
            return ReasonInvalid(reason)
        refusal: Refusal = UnknownRecord(record_id)
        for _ in range(ATTEMPTS):
            found = await self._find(record_id)
            if found is None:
                return UnknownRecord(record_id)
            record, cases = found
            if record.state != "objected":
                decided = [c for c in cases if c.decided_by == by.name and c.decision == reason]
                repeated = decided and (decided[-1].state == "upheld") == uphold
                return decided[-1] if repeated else WrongState(record_id, record.state)
            forbidden = may_not_decide(
                by, record.line, await self._ties(record, by), self._policy(record).safeguards
            )
            if forbidden:
                return FourEyes(forbidden)
            # what was paid later may have come free, and been spent, just before the record was frozen
            is_gone = isinstance(refusal, InsufficientBalance)
            if uphold and (is_gone or await self._ledger.database.read(_has_moved, self._ledger.id, record)):
                drafts = [await self._taken_back(record, cases[-1], reason, by, command)]
            else:
                drafts = await self._decision(record, cases[-1], reason, by, command, uphold=uphold)
            results = await self._ledger.submit(drafts, HOURS, atomic=True)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            if not refusals:
                return (await self.cases(record_id))[-1]
            refusal = refusals[0]
            if not refusal.retry and not isinstance(refusal, InsufficientBalance):
                break
        return refusal

    async def _decision(
        self, record: Filed, case: Objection, reason: str, by: By, command: Command, *, uphold: bool
    ) -> list[Draft]:
        read, ledger_id = self._ledger.database.read, self._ledger.id
        people, versions = await read(_person_of, ledger_id, record)
        person = people[record.person_id]
        dropped, supplement = await read(reversed_with, ledger_id, record.record_id) if uphold else ((), None)
        before: list[Draft] = []
        if supplement is not None:  # what was paid later goes back first
            common = {"client": command.client, "actor": by.name, "key": f"decide:{record.record_id}:fund"}
            at = start_of_day(self._today(), self._zone)
            before = supplement_reversals(
                record.record_id, supplement, person, reason, effective_at=at, **common
            )
        risen = sum(person.subject in draft.touches for draft in before)
        state = "upheld" if uphold else "rejected"
        decided = Change(
            "objections",
            (record.record_id, case.number),
            case.state,
            state,
            (("decided_by", by.name), ("decided_at", RECORDED_AT), ("decision", reason)),
        )
        # a notice that ended meanwhile ends now: nothing is released with a date in the past
        free_on = max(record.available_on, (self._today() + timedelta(days=1)).isoformat())
        changed = (
            Change("service_records", (record.record_id,), "objected", "reversed")
            if uphold
            else Change(
                "service_records", (record.record_id,), "objected", "pending", (("available_on", free_on),)
            )
        )
        if not uphold:
            dropped = await read(changed_with, ledger_id, record.record_id, "objected", "pending", free_on)
        step = step_row(record.record_id, len(record.steps) + 1, f"objection-{state}", by, reason)
        decision = Draft(
            "reversal" if uphold else "decide-objection",
            f"decide:{record.record_id}:{case.number}:{by.name}",
            command.client,
            request_digest("decide-objection", record.record_id, state, reason, by.name),
            start_of_day(self._today(), self._zone),
            actor=by.name,
            place=by.place,
            reason=reason,
            reverses=record.sequence if uphold else 0,
            reads=((person.subject, versions[person.subject] + risen),),
            touches=(person.subject,),
            rows=(step,),
            changes=(changed, decided, *dropped),
        )
        return [*before, decision]

    async def _taken_back(
        self, record: Filed, case: Objection, reason: str, by: By, command: Command
    ) -> Draft:
        """Upheld, after the person's points moved, or some were taken: they are taken back where they stand now."""
        found = await self._ledger.database.read(booked_of, self._ledger.id, record.record_id)
        assert found is not None, "it was read before"
        line = Line(
            f"objection-{case.number}", record.record_id, record.person_id, guilty=False, decided_by=by.name
        )
        today, salt = self._today(), new_salt()
        back = found.back(guilty=False, today=today)
        values = (("decided_by", by.name), ("decided_at", RECORDED_AT), ("decision", reason))
        decided = Change("objections", (record.record_id, case.number), case.state, "upheld", values)
        return clawback_draft(
            line,
            back,
            found.person,
            found.version,
            salt=salt,
            effective_at=start_of_day(today, self._zone),
            command=command,
            actor=by.name,
            place=by.place,
            reason=reason,
            rows=(
                step_row(record.record_id, len(record.steps) + 1, "objection-upheld", by, reason),
                done_row(line, back, record.minutes, salt),
            ),
            changes=(*found.ended, decided),
        )

    async def escalate(self, as_of: date, client: str = "escalate") -> int:
        """Send objections up that nobody has decided by their last day; gives how many. May be run at any time."""
        overdue = await self._ledger.database.read(_overdue, self._ledger.id, as_of.isoformat())
        drafts = [
            Draft(
                "escalate-objection",
                f"escalate:{record_id}:{number}",
                client,
                request_digest("escalate-objection", record_id, str(number)),
                self._now(),
                actor="system",
                changes=(Change("objections", (record_id, number), "open", "escalated"),),
            )
            for record_id, number in overdue
        ]
        results = await self._ledger.submit(drafts, HOURS) if drafts else []
        return sum(isinstance(result, Receipt) and not result.replayed for result in results)

    async def cases(self, record_id: str) -> list[Objection]:
        """The objections to a record, oldest first."""
        return await self._ledger.database.read(objections_to, self._ledger.id, record_id)

    async def _find(self, record_id: str) -> tuple[Filed, list[Objection]] | None:
        return await self._ledger.database.read(_record_with_cases, self._ledger.id, record_id)

    async def _ties(self, record: Filed, by: By) -> Ties:
        policy = self._policy(record)
        days = (date.fromisoformat(record.day), self._today())
        people = [record.person_id, *([by.person] if by.person else [])]
        homes: tuple[Any, ...] = tuple([await self._households.household_of(people, day) for day in days])
        since = self._now() - policy.safeguards.reciprocal_days * _DAY_MICROS
        credited = await self._ledger.database.read(
            credited_since, self._ledger.id, [record.person_id], since
        )
        return Ties(homes, credited)

    def _policy(self, record: Filed) -> Policy:
        return self._policies.in_force(date.fromisoformat(record.day))

    def _now(self) -> int:
        return self._ledger.writer.clock.now()

    def _today(self) -> date:
        return city_day(self._now(), self._zone)


def _has_moved(connection: Connection, ledger_id: int, record: Filed) -> bool:
    """Whether the points of a record are no longer where its entry put them."""
    is_elsewhere = was_merged(connection, ledger_id, record.person_id)
    return is_elsewhere or is_withheld(connection, ledger_id, record.record_id)


def objections_to(connection: Connection, ledger_id: int, record_id: str) -> list[Objection]:
    """The objections to a record, oldest first."""
    names = Objection.__struct_fields__
    t = objections.c
    rows = fetched(
        connection,
        select(*(t[name] for name in names)).where(t.ledger_id == ledger_id, t.record_id == record_id),
    )
    cases = [Objection(**dict(zip(names, row, strict=True))) for row in rows]
    return sorted(cases, key=lambda case: case.number)


def open_cases(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, str]:
    """The last day for deciding the open objection of each record that has one."""
    t = objections.c
    rows = connection.execute(
        select(t.record_id, t.due_on).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.record_id, ids),
            t.state.in_(UNDECIDED),
        )
    )
    return {str(record_id): str(due_on) for record_id, due_on in rows}


def _record_with_cases(
    connection: Connection, ledger_id: int, record_id: str
) -> tuple[Filed, list[Objection]] | None:
    record = filed_records(connection, ledger_id, [record_id]).get(record_id)
    return None if record is None else (record, objections_to(connection, ledger_id, record_id))


def _person_of(
    connection: Connection, ledger_id: int, record: Filed
) -> tuple[dict[str, Any], dict[str, int]]:
    people = people_of(connection, ledger_id, [record.person_id])
    return people, versions_of(connection, ledger_id, [p.subject for p in people.values()])


def _overdue(connection: Connection, ledger_id: int, day: str) -> list[tuple[str, int]]:
    t = objections.c
    rows = connection.execute(
        select(t.record_id, t.number)
        .where(t.ledger_id == ledger_id, t.state == "open", t.due_on < day)
        .order_by(t.due_on)
        .limit(1000)
    )
    return [(record_id, number) for record_id, number in rows]
