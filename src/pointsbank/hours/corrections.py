"""Corrections: the old record is reversed and a new one submitted, both or neither; both stay visible, linked."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.model import HONOUR
from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import versions_of
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.aliases import claimed_intervals, people_of
from pointsbank.hours.filing import step_row, submitted_rows
from pointsbank.hours.four_eyes import Ties, may_not_record
from pointsbank.hours.funding import reversed_with, supplement_reversals
from pointsbank.hours.model import Interval, RecordFields, ServiceRecord
from pointsbank.hours.postings import HOURS, reversal_drafts
from pointsbank.hours.refusals import UnknownRecord, WrongState
from pointsbank.hours.rules import is_after_deadline, is_double, parse_record
from pointsbank.hours.submission import LineOutcome, above_limits
from pointsbank.hours.trails import (
    Filed,
    Sums,
    credited_since,
    filed_records,
    subjects_of,
    sums_of,
)
from pointsbank.hours.withheld import is_withheld
from pointsbank.intake.lines import parts_of
from pointsbank.ledger.model import Change, Draft
from pointsbank.ledger.refusals import GroupRefused, Refusal
from pointsbank.people.merged import was_merged
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, city_second, second_text, start_of_day

ATTEMPTS: Final = 20
REASON: Final = "correction"

_DAY_MICROS: Final = 86_400 * 1_000_000


class Correcting:
    """Replaces a booked record by one with other times."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone

    async def correct(
        self, record_id: str, in_at: int, out_at: int, by: By, command: Command
    ) -> LineOutcome | Refusal:
        """Take a booked record back and submit one with these times (microseconds UTC); it waits for a verifier.

        Times within those that were measured keep the class of hours; what goes beyond them is typed in, and so
        honour class. Refused if points of the old record have been spent.
        """
        refusal: Refusal = UnknownRecord(record_id)
        for _ in range(ATTEMPTS):
            facts = await self._ledger.database.read(self._load, record_id, by)
            if facts is None:
                return UnknownRecord(record_id)
            record, person, versions, held, sums, credited = facts
            unfunded = await self._ledger.database.read(reversed_with, self._ledger.id, record_id)
            if record.state not in ("pending", "credited"):
                return self._earlier(record, by) or WrongState(record_id, record.state)
            if await self._ledger.database.read(was_merged, self._ledger.id, record.person_id):
                return WrongState(record_id, "merged")  # its points moved: only a clawback finds them
            if await self._ledger.database.read(is_withheld, self._ledger.id, record_id):
                return WrongState(record_id, "withheld")  # other hours took of it: no mirror fits
            forbidden = await self._forbidden(record, credited, by)
            if forbidden:
                return FourEyes(forbidden)
            read = self._corrected(record, in_at, out_at, by)
            verdict = _verdict(read, held[person.id], record, self._handover(record))
            if verdict:
                return WrongState(record_id, verdict)
            drafts, outcome = self._drafts(record, read, person, versions, sums, by, command, unfunded)
            results = await self._ledger.submit(drafts, HOURS, atomic=True)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            if not refusals:
                return outcome
            refusal = refusals[0]
            if not refusal.retry:
                break
        return refusal

    def _earlier(self, record: Filed, by: By) -> LineOutcome | None:
        """The correction that this person has made before: a repetition changes nothing."""
        mine = [s for s in record.steps if s.step == "corrected" and s.person_id == by.name]
        if not mine:
            return None
        return LineOutcome(
            record.person_id, "submitted", _next_id(record.record_id), record.minutes, record.level
        )

    async def _forbidden(self, record: Filed, credited: frozenset[tuple[str, str]], by: By) -> str:
        if not by.person:
            return "machine-source"
        days = (date.fromisoformat(record.day), self._today())
        people = [record.person_id, by.person]
        homes: tuple[Any, ...] = tuple([await self._households.household_of(people, day) for day in days])
        guard = self._policies.in_force(days[0]).safeguards
        return may_not_record(by, record.person_id, Ties(homes, credited), guard)

    def _corrected(self, record: Filed, in_at: int, out_at: int, by: By) -> ServiceRecord:
        policy = self._policies.in_force(date.fromisoformat(record.day))
        old = RecordFields._make(parts_of(record.content))
        times = self._local(in_at), self._local(out_at)
        is_within = old.check_in <= times[0] and times[1] <= old.check_out
        fields = old._replace(
            record_id=_next_id(record.record_id),
            check_in=times[0],
            check_out=times[1],
            hour_class=old.hour_class if is_within or not policy.safeguards.class_by_way else HONOUR,
            recorded_by=by.name,
            recorded_at=self._local(self._ledger.writer.clock.now()),
        )
        read = parse_record(fields, policy)
        assert read is not None, "a record on file is well formed"
        return read

    def _drafts(
        self,
        record: Filed,
        read: ServiceRecord,
        person: Volunteer,
        versions: dict[str, int],
        sums: Sums,
        by: By,
        command: Command,
        unfunded: tuple[tuple[Change, ...], Any],
    ) -> tuple[list[Draft], LineOutcome]:
        policy, today = self._policies.in_force(date.fromisoformat(record.day)), self._today()
        new_id = read.fields.record_id
        # a correction is looked at by two people if it is large or comes after the deadline, like any record
        is_late = is_after_deadline(read, policy)
        place = (record.activity_id, by.name, today.isoformat(), person.id, record.week)
        sums.add(*place, read.minutes - record.minutes)
        level = 2 if is_late or above_limits(read.minutes, sums.most(*place), policy) else 1
        outcome = LineOutcome(person.id, "submitted", new_id, read.minutes, level)
        dropped, supplement = unfunded
        key = f"correct:{record.record_id}:{by.name}"
        common: dict[str, Any] = {
            "effective_at": start_of_day(today, self._zone),
            "client": command.client,
            "actor": by.name,
        }
        drafts = (
            supplement_reversals(record.record_id, supplement, person, REASON, key=f"{key}:fund", **common)
            if supplement is not None
            else []
        )
        drafts += reversal_drafts(
            record.record_id,
            record.state,
            record.sequence,
            record.released_by,
            person,
            REASON,
            key=key,
            **common,
        )
        step = step_row(record.record_id, len(record.steps) + 1, "corrected", by, REASON)
        drafts[-1] = msgspec.structs.replace(
            drafts[-1], rows=(step,), changes=(*drafts[-1].changes, *dropped)
        )
        risen = sum(person.subject in draft.touches for draft in drafts)
        rows = submitted_rows(
            read,
            person,
            policy,
            by,
            activity_id=record.activity_id,
            session_id=record.session_id,
            fund=record.fund,
            campaign=record.campaign,
            submitted_on=today,
            level=level,
            is_late=is_late,
            reason=REASON,
            stated_by=record.recorder,
            follows=record.record_id,
        )
        subjects = subjects_of(msgspec.structs.replace(record, recorder=by.name), {person.id: person})
        # the reversals before it in this group have raised the volunteer's version
        reads = tuple((s, versions[s] + risen * (s == person.subject)) for s in subjects)
        changes = (
            (Change("attendances", (record.session_id, person.id), "submitted", "submitted"),)
            if record.session_id
            else ()
        )
        submit = Draft(
            "submit-record",
            f"submit:{new_id}",
            command.client,
            request_digest("submit-record", new_id, by.name),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            reads=reads,
            touches=subjects,
            rows=rows,
            changes=changes,
        )
        return [*drafts, submit], outcome

    def _load(
        self, connection: Connection, record_id: str, by: By
    ) -> (
        tuple[Filed, Volunteer, dict[str, int], dict[str, list[Interval]], Sums, frozenset[tuple[str, str]]]
        | None
    ):
        ledger_id = self._ledger.id
        record = filed_records(connection, ledger_id, [record_id]).get(record_id)
        if record is None:
            return None
        people = people_of(connection, ledger_id, [record.person_id])
        subjects = subjects_of(msgspec.structs.replace(record, recorder=by.name), people)
        days = self._policies.in_force(date.fromisoformat(record.day)).safeguards.reciprocal_days
        since = self._ledger.writer.clock.now() - days * _DAY_MICROS
        return (
            record,
            people[record.person_id],
            versions_of(connection, ledger_id, subjects),
            claimed_intervals(connection, ledger_id, people, record.start_minute - 24 * 60),
            sums_of(
                connection,
                ledger_id,
                {record.activity_id},
                {(by.name, self._today().isoformat())},
                {(record.person_id, record.week)},
            ),
            credited_since(connection, ledger_id, [record.person_id], since),
        )

    def _handover(self, record: Filed) -> int:
        return self._policies.in_force(date.fromisoformat(record.day)).cases.handover_minutes

    def _local(self, micros: int) -> str:
        return second_text(city_second(micros, self._zone))[:16]

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def _verdict(read: ServiceRecord, held: list[Interval], record: Filed, handover: int) -> str:
    """Why the new times cannot be, empty if they can. The old record's own interval is given back first."""
    if read.check_out <= read.check_in:
        return "attendance_invalid"
    if read.end <= read.start:
        return "outside_session"
    own = (record.start_minute, record.end_minute)
    others = [interval for interval in held if interval != own]
    return "overlap" if any(is_double((read.start, read.end), other, handover) for other in others) else ""


def _next_id(record_id: str) -> str:
    base, _, number = record_id.rpartition("~")
    return f"{base}~{int(number) + 1}" if base and number.isdigit() else f"{record_id}~2"
