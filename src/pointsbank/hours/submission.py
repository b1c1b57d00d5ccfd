"""Submitting attendance: a record is made, its interval is claimed, and it waits for another person.

The claim is guarded by the volunteer's version: of two overlapping submits, wherever they come from, the writer
takes one. Nothing is earned here.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.fitness import Fitness, evidence_of, fitness_of, lacks_evidence
from pointsbank.activities.model import Activity, Attendance, Evidence, Session
from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import attendance_of, session_of, versions_of
from pointsbank.activities.refusals import ActivityNotApproved, UnknownActivity
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.aliases import claimed_intervals, people_of
from pointsbank.hours.filing import submitted_rows, week_of, week_of_day
from pointsbank.hours.four_eyes import Ties, may_not_record
from pointsbank.hours.model import HoursVerdict, Interval, RecordFields, ServiceRecord
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import ReasonInvalid, TooManyLines
from pointsbank.hours.rules import is_after_deadline, judge_record, parse_record
from pointsbank.hours.trails import Sums, acts_since, credited_since, limit_subjects, sums_of
from pointsbank.ledger.model import Change, Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import StationDays, station_days
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, city_second, day_of_minute, second_text
from pointsbank.policy.model import Policy

ATTEMPTS: Final = 40
LATE_REASONS: Final = ("illness", "no-connection", "sheet-came-late", "correction", "other")
"""Why a record comes after the deadline."""

_DAY_MICROS: Final = 86_400 * 1_000_000
_HOUR_MICROS: Final = 3600 * 1_000_000

VERDICT_OF_RULE: Final[dict[str, HoursVerdict]] = {
    "recorder-is-beneficiary": "self_recorded",
    "same-household": "same_household",
    "reciprocal": "reciprocal",
    "unknown-volunteer": "unknown_volunteer",
    "under-age": "under_age",
    "companion-missing": "companion_missing",
    "consent-missing": "consent_missing",
    "training-missing": "training_missing",
    "insurance-missing": "insurance_missing",
}


class LineOutcome(msgspec.Struct, frozen=True):
    """What became of one person's attendance: a record that waits, or the verdict that it may not be one."""

    person_id: str
    verdict: HoursVerdict
    record_id: str = ""
    minutes: int = 0
    level: int = 0
    """How many people must look at it: 1, or 2 above limits."""


class _Facts(msgspec.Struct, frozen=True):
    """What a batch is judged on, from one snapshot."""

    session: Session
    activity: Activity
    attendances: list[Attendance]
    people: dict[str, Volunteer]
    versions: dict[str, int]
    held: dict[str, list[Interval]]
    sums: Sums
    credited: frozenset[tuple[str, str]]
    submitted_lately: int
    stations: dict[str, StationDays]
    fitness: Fitness
    evidence: dict[str, Evidence]


class _Claims:
    """A `HoursContext` over what is held, by person id; what was just judged is held too."""

    def __init__(self, facts: _Facts, known: Mapping[str, Volunteer]) -> None:
        self._facts = facts
        self._known = known

    def is_repeated(self, fields: RecordFields) -> bool | None:
        return None  # a record id is made of an attendance and its round, which the attendance's state guards

    def born(self, volunteer: str) -> date | None:
        person = self._known.get(volunteer)
        return None if person is None else person.born or date.max

    def born_on_file(self, volunteer: str) -> date | None:
        """The birth date, if there is one."""
        person = self._known.get(volunteer)
        return None if person is None else person.born

    def knows_station(self, station: str, day: str) -> bool:
        known = self._facts.stations.get(station)
        return known is not None and known.is_open(day)

    def accepted_intervals(self, volunteer: str) -> Sequence[Interval]:
        return self._facts.held[volunteer]

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        return 0  # caps are used up when the record is verified

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        return 0


class Submitting:
    """Makes records of attendance."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone
        self._turn = asyncio.Lock()

    async def submit(
        self,
        session_id: str,
        by: By,
        command: Command,
        *,
        people: Sequence[str] | None = None,
        reason: str = "",
    ) -> list[LineOutcome] | Refusal:
        """Submit what people attended of a session: everybody who has left, or the people named.

        Who was submitted before is answered with that record. A record after the deadline needs a `reason` and,
        later, a second level. Answers stand in the order of the people's ids.
        """
        if reason and reason not in LATE_REASONS:
            return ReasonInvalid(reason)
        done: dict[str, LineOutcome] = {}
        async with self._turn:  # in one process one after the other; between processes the versions decide
            for _ in range(ATTEMPTS):
                facts = await self._ledger.database.read(
                    self._load, session_id, people, by.name, self._ledger.writer.clock.now()
                )
                if facts is None:
                    return UnknownActivity(session_id)
                refusal = self._refused_whole(facts, by, done)
                if refusal is not None:
                    return refusal
                ties = await self._ties(facts, by)
                known = await directory_of(self._ledger).by_id(facts.people)
                claims = _Claims(facts, known)
                drafts, outcomes = self._judge_all(facts, claims, ties, by, command, reason, done)
                if not drafts:
                    break
                await self._land(drafts, outcomes, done)
        return [done[person] for person in sorted(done)]

    def _refused_whole(self, facts: _Facts, by: By, done: Mapping[str, LineOutcome]) -> Refusal | None:
        policy = self._policy(facts.session.starts_at)
        guard = policy.safeguards
        if guard.activity_approval and facts.activity.state != "approved":
            return ActivityNotApproved(facts.activity.activity_id, facts.activity.state)
        lines = sum(a.state == "closed" and a.person_id not in done for a in facts.attendances)
        if guard.batch_lines and lines + len(done) > guard.batch_lines:
            return TooManyLines(guard.batch_lines, "batch")
        if guard.lines_per_hour and lines and facts.submitted_lately + lines > guard.lines_per_hour:
            return TooManyLines(guard.lines_per_hour, "hour")
        return None

    async def _ties(self, facts: _Facts, by: By) -> Ties:
        ids = [*facts.people, *([by.person] if by.person else [])]
        days = (self._day(facts.session.starts_at), self._day(self._ledger.writer.clock.now()))
        return Ties(tuple([await self._households.household_of(ids, day) for day in days]), facts.credited)

    def _judge_all(
        self,
        facts: _Facts,
        claims: _Claims,
        ties: Ties,
        by: By,
        command: Command,
        reason: str,
        done: dict[str, LineOutcome],
    ) -> tuple[list[Draft], list[LineOutcome]]:
        drafts: list[Draft] = []
        outcomes: list[LineOutcome] = []
        now = self._ledger.writer.clock.now()
        versions = dict(facts.versions)
        for attendance in facts.attendances:
            if attendance.person_id in done:
                continue
            if attendance.state != "closed":
                if attendance.state == "submitted":
                    done[attendance.person_id] = _on_file(attendance)
                continue
            judged = self._judge(facts, claims, ties, attendance, by, reason, now)
            if isinstance(judged, LineOutcome):
                done[attendance.person_id] = judged
                continue
            record, policy, is_late = judged
            person = facts.people[attendance.person_id]
            insort(facts.held[person.id], (record.start, record.end))
            level = self._level(facts, record, person.id, by, policy, now, is_late=is_late)
            outcome = LineOutcome(person.id, "submitted", _record_id(attendance), record.minutes, level)
            subjects = (person.subject, *limit_subjects(facts.activity.activity_id, by.name))
            drafts.append(
                self._draft(
                    facts,
                    attendance,
                    record,
                    person,
                    outcome,
                    subjects,
                    versions,
                    by,
                    command,
                    reason,
                    is_late=is_late,
                )
            )
            outcomes.append(outcome)
            for subject in subjects:
                versions[subject] += 1
        return drafts, outcomes

    def _judge(
        self,
        facts: _Facts,
        claims: _Claims,
        ties: Ties,
        attendance: Attendance,
        by: By,
        reason: str,
        now: int,
    ) -> LineOutcome | tuple[ServiceRecord, Policy, bool]:
        """The record that an attendance becomes, or why it becomes none."""
        policy, person = self._policy(facts.session.starts_at), attendance.person_id
        record = parse_record(self._fields(facts, attendance, by, now), policy)
        assert record is not None, "an attendance on file has every field"
        if person not in facts.people:
            return LineOutcome(person, "unknown_volunteer")
        may_be_late = policy.safeguards.late_approval
        verdict = judge_record(record, claims, policy, may_be_late=may_be_late).verdict
        if verdict not in ("accepted", "overlap"):
            return LineOutcome(person, verdict)
        forbidden = may_not_record(by, person, ties, policy.safeguards)
        if forbidden:
            return LineOutcome(person, VERDICT_OF_RULE[forbidden])
        day, born = self._day(facts.session.starts_at), claims.born_on_file(person)
        unfit = facts.fitness.why_not(facts.activity, person, born, day, policy)
        if unfit and _unasked([attendance], policy):
            return LineOutcome(person, VERDICT_OF_RULE[unfit])
        if policy.safeguards.class_by_way and lacks_evidence(attendance, facts.evidence):
            return LineOutcome(person, "evidence_missing")
        is_late = is_after_deadline(record, policy)
        if is_late and not reason:
            return LineOutcome(person, "late_needs_reason")
        if verdict == "overlap":  # last, so that what is refused for another reason is never said to overlap
            return LineOutcome(person, verdict)
        return record, policy, is_late

    def _fields(self, facts: _Facts, attendance: Attendance, by: By, now: int) -> RecordFields:
        session, activity = facts.session, facts.activity
        return RecordFields(
            _record_id(attendance),
            attendance.person_id,
            activity.activity_id,
            activity.title,
            activity.category,
            session.station,
            self._local(session.starts_at),
            self._local(session.ends_at),
            self._local(attendance.in_at),
            self._local(attendance.out_at),
            attendance.hour_class,
            by.name,
            self._local(now),
        )

    def _level(
        self,
        facts: _Facts,
        record: ServiceRecord,
        person: str,
        by: By,
        policy: Policy,
        now: int,
        *,
        is_late: bool,
    ) -> int:
        """2 if the record is long, late, from a machine, or too much for its activity, recorder's day or week."""
        place = (facts.activity.activity_id, by.name, self._day(now).isoformat(), person, week_of(record))
        facts.sums.add(*place, record.minutes)
        is_large = above_limits(record.minutes, facts.sums.most(*place), policy)
        return 2 if is_late or is_large or needs_two_people(by, policy) else 1

    def _draft(
        self,
        facts: _Facts,
        attendance: Attendance,
        record: ServiceRecord,
        person: Volunteer,
        outcome: LineOutcome,
        subjects: tuple[str, ...],
        versions: Mapping[str, int],
        by: By,
        command: Command,
        reason: str,
        *,
        is_late: bool,
    ) -> Draft:
        record_id, policy = outcome.record_id, self._policy(facts.session.starts_at)
        trail = submitted_rows(
            record,
            person,
            policy,
            by,
            activity_id=facts.activity.activity_id,
            session_id=facts.session.session_id,
            fund=facts.activity.fund,
            campaign=facts.activity.campaign,
            submitted_on=self._day(self._ledger.writer.clock.now()),
            level=outcome.level,
            is_late=is_late,
            reason=reason,
            attendance=attendance,
            evidence=facts.evidence.get(person.id),
        )
        change = Change(
            "attendances",
            (attendance.session_id, attendance.person_id),
            "closed",
            "submitted",
            (("round", attendance.round + 1),),
        )
        return Draft(
            "submit-record",
            f"submit:{record_id}",
            command.client,
            request_digest("submit-record", record_id, by.name, command.key),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            reads=tuple((subject, versions[subject]) for subject in subjects),
            touches=subjects,
            rows=trail,
            changes=(change,),
        )

    async def _land(
        self, drafts: Sequence[Draft], outcomes: Sequence[LineOutcome], done: dict[str, LineOutcome]
    ) -> None:
        """Note what the writer took; what was stale is left for the next attempt."""
        results: list[Result] = await self._ledger.submit(drafts, HOURS)
        for outcome, result in zip(outcomes, results, strict=True):
            if not isinstance(result, Refusal):
                done[outcome.person_id] = outcome
            elif not result.retry and result.code != "idempotency-conflict":
                raise AssertionError(f"a submitted record was refused: {result.code}")

    def _load(
        self, connection: Connection, session_id: str, people: Sequence[str] | None, actor: str, now: int
    ) -> _Facts | None:
        ledger_id = self._ledger.id
        found = session_of(connection, ledger_id, session_id)
        if found is None:
            return None
        session, activity = found
        policy = self._policy(session.starts_at)
        attendances = attendance_of(connection, ledger_id, session_id, people)
        ids = {a.person_id for a in attendances}
        known = people_of(connection, ledger_id, ids)
        today = self._day(now).isoformat()
        week = week_of_day(day_of_minute(city_second(session.starts_at, self._zone) // 60))
        subjects = {p.subject for p in known.values()} | set(limit_subjects(activity.activity_id, actor))
        days = policy.safeguards.reciprocal_days
        return _Facts(
            session,
            activity,
            attendances,
            known,
            versions_of(connection, ledger_id, subjects),
            claimed_intervals(connection, ledger_id, known, city_second(session.starts_at, self._zone) // 60),
            sums_of(
                connection,
                ledger_id,
                {activity.activity_id},
                {(actor, today)},
                {(person, week) for person in ids},
            ),
            credited_since(connection, ledger_id, ids, now - days * _DAY_MICROS) if days else frozenset(),
            acts_since(connection, ledger_id, actor, ("submitted",), now - _HOUR_MICROS),
            station_days(connection, ledger_id, [session.station]),
            fitness_of(connection, ledger_id, {activity.activity_id}, _unasked(attendances, policy)),
            evidence_of(connection, ledger_id, session_id),
        )

    def _policy(self, micros: int) -> Policy:
        return self._policies.in_force(self._day(micros))

    def _day(self, micros: int) -> date:
        return city_day(micros, self._zone)

    def _local(self, micros: int) -> str:
        return second_text(city_second(micros, self._zone))[:16]


def _unasked(attendances: Iterable[Attendance], policy: Policy) -> set[str]:
    """Of whom nobody has asked what a sign-up asks: who was written down, or everybody where nobody signs up."""
    return {a.person_id for a in attendances if a.in_way == "by-hand" or not policy.safeguards.sign_up}


def above_limits(minutes: int, total: int, policy: Policy) -> bool:
    """Whether a record, or a sum that it belongs to, is so large that two people must look at it (minutes)."""
    guard = policy.safeguards
    return bool(
        (guard.second_level_line_minutes and minutes >= guard.second_level_line_minutes)
        or (guard.second_level_sum_minutes and total >= guard.second_level_sum_minutes)
    )


def needs_two_people(by: By, policy: Policy) -> bool:
    """Whether no natural person stands for the recording: then two must stand for the verification."""
    return policy.safeguards.separate_verification and not by.person


def _record_id(attendance: Attendance) -> str:
    return f"{attendance.session_id}.{attendance.person_id}.{attendance.round + 1}"


def _on_file(attendance: Attendance) -> LineOutcome:
    earlier = f"{attendance.session_id}.{attendance.person_id}.{attendance.round}"
    return LineOutcome(attendance.person_id, "submitted", earlier)
