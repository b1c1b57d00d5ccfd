"""Lines of a paper sheet or of another system, under a policy that wants another person to verify them.

Whatever a line says of its class and of who recorded it when, here the server's clock and the one who acts count,
its hours are honour class, and it waits: nothing that comes in as a line earns by coming in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.model import Activity
from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import activities_of, versions_of
from pointsbank.engine.registry import Ledger
from pointsbank.hours.context import HoursDesk
from pointsbank.hours.four_eyes import Ties, may_not_record
from pointsbank.hours.model import HoursVerdict, Judgement, RecordFields, ServiceRecord
from pointsbank.hours.postings import Judged, Waiting, shown_fields
from pointsbank.hours.refusals import TooManyLines
from pointsbank.hours.rules import is_after_deadline, judge_record
from pointsbank.hours.submission import (
    VERDICT_OF_RULE,
    above_limits,
    needs_two_people,
    submitted_rows,
    week_of,
    week_of_day,
)
from pointsbank.hours.trails import Sums, acts_since, credited_since, limit_subjects, sums_of
from pointsbank.intake.lines import Place, filed_id
from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import Volunteer, registered
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import (
    city_day,
    city_second,
    city_to_utc_micros,
    day_of_minute,
    local_minute,
)
from pointsbank.policy.model import Policy

_DAY_MICROS = 86_400 * 1_000_000
_HOUR_MICROS = 3600 * 1_000_000


def needs_verification(policy: Policy) -> bool:
    """Whether records of this policy earn nothing before another person has verified them."""
    return policy.safeguards.separate_verification


class Sheets:
    """Loads what lines are judged on besides the rules."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._households = households
        self._zone = policies.policies[-1].timezone
        self._days = max(policy.safeguards.reciprocal_days for policy in policies.policies)
        self._household = any(policy.safeguards.household for policy in policies.policies)

    async def too_many(self, lines: int, by: By, policies: PolicyBook) -> TooManyLines | None:
        """Whether a person brings more lines within an hour than one person may. What machines bring, two verify."""
        limits = [p.safeguards.lines_per_hour for p in policies.policies if p.safeguards.lines_per_hour]
        if not by.person or not limits or not lines:
            return None
        since = self._ledger.writer.clock.now() - _HOUR_MICROS
        before = await self._ledger.database.read(acts_since, self._ledger.id, by.name, ("submitted",), since)
        return TooManyLines(min(limits), "hour") if before + lines > min(limits) else None

    async def begin(self, lines: Sequence[tuple[str, ...]], desk: HoursDesk, by: By, reason: str) -> Sheet:
        """The sheet on which these lines are judged; the desk has loaded their volunteers."""
        read = [RecordFields._make(f) for f in lines if len(f) == len(RecordFields._fields)]
        now = self._ledger.writer.clock.now()
        stated = await directory_of(self._ledger).by_number({f.recorded_by for f in read})
        facts = await self._ledger.database.read(self._load, read, desk, by, now, stated)
        days = {d for f in read if (d := _day_of(f)) is not None} | {city_day(now, self._zone)}
        homes: dict[date, dict[str, str]] = {}
        if by.person and self._household:
            people = [by.person, *(p.id for f in read if (p := desk.people.get(f.volunteer)))]
            for day in sorted(days):
                homes[day] = dict(await self._households.household_of(people, day))
        return Sheet(desk, by, reason, self._zone, homes, *facts)

    def _load(
        self,
        connection: Connection,
        lines: Sequence[RecordFields],
        desk: HoursDesk,
        by: By,
        now: int,
        known: dict[str, Volunteer],
    ) -> tuple[dict[str, Activity], dict[str, Volunteer], dict[str, int], Sums, frozenset[tuple[str, str]]]:
        ledger_id = self._ledger.id
        named = {filed_id(f.activity) for f in lines}
        activities = activities_of(connection, ledger_id, named)
        people = {p.id for f in lines if (p := desk.people.get(f.volunteer))}
        today = city_day(now, self._zone).isoformat()
        weeks = {week_of_day(day) for f in lines if (day := _day_of(f)) is not None}
        ours = registered(connection, ledger_id, {person.id for person in known.values()})
        stated = {number: person for number, person in known.items() if person.id in ours}
        subjects = {s for activity in activities for s in limit_subjects(activity, by.name)}
        since = now - self._days * _DAY_MICROS
        return (
            activities,
            stated,
            versions_of(connection, ledger_id, subjects | set(limit_subjects("", by.name))),
            sums_of(
                connection,
                ledger_id,
                activities,
                {(by.name, today)},
                {(person, week) for person in people for week in weeks},
            ),
            credited_since(connection, ledger_id, people, since) if self._days else frozenset(),
        )


class Sheet(msgspec.Struct):
    """Some lines that one person or machine brings, judged one after the other."""

    desk: HoursDesk
    by: By
    reason: str
    zone: str
    homes: dict[date, dict[str, str]]
    activities: dict[str, Activity]
    stated: dict[str, Volunteer]
    versions: dict[str, int]
    sums: Sums
    credited: frozenset[tuple[str, str]]

    def judge(
        self,
        place: Place,
        record: ServiceRecord,
        policy: Policy,
        now: int,
        salt: bytes,
        nonce: bytes,
        request: bytes,
    ) -> Judged:
        """The verdict on a line, and the rows of the record that waits."""
        minute = city_second(now, self.zone) // 60
        if policy.safeguards.recording_evidence == "server":
            record = msgspec.structs.replace(record, recorded_at=minute)
        verdict = self._verdict(record, policy, now)
        fields = record.fields
        if verdict in ("malformed", "duplicate", "conflict"):
            return Judged(place, fields, Judgement(verdict), request=request)
        volunteer = self.desk.people[fields.volunteer]
        version = self.desk.versions[volunteer.id] if volunteer else 0
        judgement = Judgement(verdict, record.minutes) if verdict == "submitted" else Judgement(verdict)
        self.desk.take(record, judgement, request)
        sealed = self.desk.sealed(fields, nonce, refused=verdict != "submitted")
        waiting = (
            self._waiting(record, volunteer, policy, now, request, sealed)
            if volunteer and verdict == "submitted"
            else None
        )
        return Judged(
            place,
            fields,
            judgement,
            record.start,
            record.end,
            volunteer,
            version,
            policy.version,
            policy.fund.code,
            "",
            now,
            salt,
            request,
            "",
            sealed,
            waiting,
        )

    def _verdict(self, record: ServiceRecord, policy: Policy, now: int) -> HoursVerdict:
        by_rules = judge_record(
            record, self.desk, policy, may_be_late=policy.safeguards.late_approval
        ).verdict
        if by_rules not in ("accepted", "overlap"):
            return by_rules
        volunteer = self.desk.people[record.fields.volunteer]
        assert volunteer is not None
        if policy.safeguards.activity_approval and not self._was_approved(record):
            return "unknown_activity"
        days = (day_of_minute(record.session_start), city_day(now, self.zone))
        ties = Ties(tuple(self.homes.get(day, {}) for day in days), self.credited)
        forbidden = may_not_record(self.by, volunteer.id, ties, policy.safeguards)
        if forbidden:
            return VERDICT_OF_RULE[forbidden]
        if self._is_late(record, policy) and not self.reason:
            return "late_needs_reason"
        return "overlap" if by_rules == "overlap" else "submitted"

    def _was_approved(self, record: ServiceRecord) -> bool:
        """Whether the session lies in an activity of that category that was approved before it began."""
        activity = self.activities.get(filed_id(record.fields.activity))
        if activity is None or activity.state != "approved" or activity.category != record.fields.category:
            return False
        start, end = (
            city_to_utc_micros(m * 60, self.zone) for m in (record.session_start, record.session_end)
        )
        return activity.decided_at < activity.starts_at <= start and end <= activity.ends_at

    def _is_late(self, record: ServiceRecord, policy: Policy) -> bool:
        return is_after_deadline(record, policy)

    def _waiting(
        self,
        record: ServiceRecord,
        volunteer: Volunteer,
        policy: Policy,
        now: int,
        fingerprint: bytes,
        sealed: bytes,
    ) -> Waiting:
        fields, today = record.fields, city_day(now, self.zone)
        activity = self.activities.get(filed_id(fields.activity))
        activity_id = activity.activity_id if activity is not None else ""
        stated = self.stated.get(fields.recorded_by)
        place = (activity_id, self.by.name, today.isoformat(), volunteer.id, week_of(record))
        self.sums.add(*place, record.minutes)
        is_late = self._is_late(record, policy)
        # nobody knows whether a name that the bank does not know is that of the verifier
        is_large = above_limits(record.minutes, self.sums.most(*place), policy)
        level = 2 if is_late or stated is None or is_large or needs_two_people(self.by, policy) else 1
        title = activity.title if activity is not None else ""
        shown = shown_fields(fields, volunteer.id, title, stated.id if stated is not None else "")
        rows = submitted_rows(
            msgspec.structs.replace(record, fields=shown),
            volunteer,
            policy,
            self.by,
            activity_id=activity_id,
            session_id="",
            fund=activity.fund if activity is not None else policy.fund.code,
            campaign=activity.campaign if activity is not None else "",
            submitted_on=today,
            level=level,
            is_late=is_late,
            reason=self.reason,
            stated_by=stated.id if stated is not None else "",
            fingerprint=fingerprint,
            sealed=sealed,
        )
        limits = tuple((s, self.versions[s]) for s in limit_subjects(activity_id, self.by.name))
        for subject, _ in limits:
            self.versions[subject] += 1
        return Waiting(rows, limits)


def _day_of(fields: RecordFields) -> date | None:
    minute = local_minute(fields.session_start)
    return None if minute is None else day_of_minute(minute)
