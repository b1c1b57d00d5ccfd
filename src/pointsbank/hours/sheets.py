"""Lines of a paper sheet, of another system or of a data set: each becomes a record that somebody else verifies.

Whatever a line says of its class and of who recorded it when, on a live ledger the server's clock and the one who acts
count, its hours are honour class, and it waits: nothing that comes in as a line earns by coming in. Where verification
is no safeguard, in a replay, a second machine accepts each record before the next line is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.fitness import NOTHING, Fitness, fitness_of
from pointsbank.activities.model import Activity
from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import activities_of, versions_of
from pointsbank.engine.registry import Ledger
from pointsbank.hours.acceptance import Act, Short, accept
from pointsbank.hours.context import HoursDesk
from pointsbank.hours.filing import submitted_rows, week_of, week_of_day
from pointsbank.hours.four_eyes import Line, Ties, may_not_record, may_not_verify
from pointsbank.hours.model import HoursVerdict, Judgement, RecordFields, ServiceRecord
from pointsbank.hours.postings import Judged, Waiting, shown_fields
from pointsbank.hours.refusals import TooManyLines
from pointsbank.hours.rules import REFUSED, is_after_deadline, refused_by
from pointsbank.hours.submission import VERDICT_OF_RULE, above_limits, needs_two_people
from pointsbank.hours.trails import (
    Filed,
    Step,
    Sums,
    acts_since,
    credited_since,
    limit_subjects,
    sums_of,
)
from pointsbank.hours.verification import queues
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


class Sheets:
    """Loads what lines are judged on besides the rules."""

    def __init__(
        self,
        ledger: Ledger,
        policies: PolicyBook,
        households: Households,
        verifier: By | None,
        *,
        brings_own_time: bool,
    ) -> None:
        """`verifier` is the machine that accepts records where the policy wants no person for it."""
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._verifier = verifier
        self._brings_own_time = brings_own_time
        self._zone = policies.policies[-1].timezone
        self._days = max(policy.safeguards.reciprocal_days for policy in policies.policies)
        guards = [policy.safeguards for policy in policies.policies]
        self._household = any(guard.household for guard in guards)
        self._limited = any(guard.second_level_sum_minutes for guard in guards)
        self._planned = any(guard.activity_approval for guard in guards)
        self._names = any(guard.recording_evidence == "server" for guard in guards)

    async def too_many(self, lines: int, by: By) -> TooManyLines | None:
        """Whether a person brings more lines within an hour than one person may. What machines bring, two verify."""
        guards = [policy.safeguards for policy in self._policies.policies]
        limits = [guard.lines_per_hour for guard in guards if guard.lines_per_hour]
        if not by.person or not limits or not lines:
            return None
        since = self._ledger.writer.clock.now() - _HOUR_MICROS
        before = await self._ledger.database.read(acts_since, self._ledger.id, by.name, ("submitted",), since)
        return TooManyLines(min(limits), "hour") if before + lines > min(limits) else None

    async def begin(self, lines: Sequence[tuple[str, ...]], desk: HoursDesk, by: By, reason: str) -> Sheet:
        """The sheet on which these lines are judged; the desk has loaded their volunteers."""
        read = [RecordFields._make(f) for f in lines if len(f) == len(RecordFields._fields)]
        now = self._ledger.writer.clock.now()
        # in a replay the recorder's name is a text to compare, and nobody's
        names = {f.recorded_by for f in read} if self._names else set[str]()
        stated = await directory_of(self._ledger).by_number(names) if names else {}
        facts = await self._ledger.database.read(self._load, read, desk, by, now, stated)
        days = {d for f in read if (d := _day_of(f)) is not None} | {city_day(now, self._zone)}
        homes: dict[date, dict[str, str]] = {}
        if by.person and self._household:
            people = [by.person, *(p.id for f in read if (p := desk.people.get(f.volunteer)))]
            for day in sorted(days):
                homes[day] = dict(await self._households.household_of(people, day))
        verifier = self._verifier
        act = Act(verifier, verifier.id, now, city_day(now, self._zone)) if verifier is not None else None
        return Sheet(desk, by, reason, self._zone, act, self._brings_own_time, homes, *facts)

    def _load(
        self,
        connection: Connection,
        lines: Sequence[RecordFields],
        desk: HoursDesk,
        by: By,
        now: int,
        known: dict[str, Volunteer],
    ) -> tuple[
        dict[str, Activity],
        dict[str, Volunteer],
        dict[str, int],
        Sums,
        frozenset[tuple[str, str]],
        Short,
        Fitness,
    ]:
        ledger_id = self._ledger.id
        named = {filed_id(f.activity) for f in lines}
        activities = activities_of(connection, ledger_id, named)
        people = {p.id for f in lines if (p := desk.people.get(f.volunteer))}
        today = city_day(now, self._zone).isoformat()
        weeks = {week_of_day(day) for f in lines if (day := _day_of(f)) is not None}
        ours = registered(connection, ledger_id, {person.id for person in known.values()}) if known else ()
        stated = {number: person for number, person in known.items() if person.id in ours}
        versions, sums = dict[str, int](), Sums.none()
        if self._limited:
            subjects = {s for activity in activities for s in limit_subjects(activity, by.name)}
            versions = versions_of(connection, ledger_id, subjects | set(limit_subjects("", by.name)))
            by_week = {(person, week) for person in people for week in weeks}
            sums = sums_of(connection, ledger_id, activities, {(by.name, today)}, by_week)
        since = now - self._days * _DAY_MICROS
        return (
            activities,
            stated,
            versions,
            sums,
            credited_since(connection, ledger_id, people, since) if self._days else frozenset(),
            self._short(connection, activities.values(), people),
            fitness_of(connection, ledger_id, activities, people) if self._planned else NOTHING,
        )

    def _short(self, connection: Connection, activities: Iterable[Activity], people: set[str]) -> Short:
        """Which funds are short and who owes something, as far as records are accepted here."""
        policies = self._policies.policies
        if self._verifier is None or all(p.safeguards.separate_verification for p in policies):
            return Short(set(), frozenset(), {}, frozenset())
        funds = {p.fund.code for p in policies} | {activity.fund for activity in activities}
        at_once = any(not policy.public_notice_days for policy in policies)
        return Short(set(), *queues(connection, self._ledger.id, funds, people if at_once else set()))


class Sheet(msgspec.Struct):
    """Some lines that one person or machine brings, judged one after the other."""

    desk: HoursDesk
    by: By
    reason: str
    zone: str
    verifying: Act | None
    """The machine that accepts, where no person need do it."""
    brings_own_time: bool
    homes: dict[date, dict[str, str]]
    activities: dict[str, Activity]
    stated: dict[str, Volunteer]
    versions: dict[str, int]
    sums: Sums
    credited: frozenset[tuple[str, str]]
    short: Short
    fitness: Fitness

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
        """The verdict on a line, the rows of the record that waits, and what accepts it where a machine does."""
        minute = city_second(now, self.zone) // 60
        if policy.safeguards.recording_evidence == "server":
            record = msgspec.structs.replace(record, recorded_at=minute)
        verdict = self._verdict(record, policy, now)
        fields = record.fields
        if verdict in ("malformed", "duplicate", "conflict"):
            return Judged(place, fields, REFUSED[verdict], request=request)
        volunteer = self.desk.people[fields.volunteer]
        version = self.desk.versions[volunteer.id] if volunteer else 0
        is_submitted = verdict == "submitted"
        judgement = Judgement(verdict, record.minutes) if is_submitted else REFUSED[verdict]
        self.desk.take(record, verdict, request)
        sealed = self.desk.sealed(fields, nonce, refused=not is_submitted)
        waiting = (
            self._waiting(record, volunteer, policy, now, salt, request, sealed)
            if volunteer and is_submitted
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
            now,
            salt,
            request,
            sealed,
            waiting,
        )

    def _verdict(self, record: ServiceRecord, policy: Policy, now: int) -> HoursVerdict:
        by_rules = refused_by(record, self.desk, policy, may_be_late=policy.safeguards.late_approval)
        if by_rules is not None and by_rules != "overlap":
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
        unfit = self._unfit(record, volunteer, policy)
        if unfit:
            return VERDICT_OF_RULE[unfit]
        if self._is_late(record, policy) and not self.reason:
            return "late_needs_reason"
        if by_rules is not None:
            return by_rules
        return "recorded_early" if self._is_ahead(record, now) else "submitted"

    def _is_ahead(self, record: ServiceRecord, now: int) -> bool:
        """Whether a record says that it was typed in later than now: the service has not happened yet."""
        return not self.brings_own_time and city_to_utc_micros(record.recorded_at * 60, self.zone) > now

    def _was_approved(self, record: ServiceRecord) -> bool:
        """Whether the session lies in an activity of that category that was approved before it began."""
        activity = self.activities.get(filed_id(record.fields.activity))
        if activity is None or activity.state != "approved" or activity.category != record.fields.category:
            return False
        start, end = (
            city_to_utc_micros(m * 60, self.zone) for m in (record.session_start, record.session_end)
        )
        return activity.decided_at < activity.starts_at <= start and end <= activity.ends_at

    def _unfit(self, record: ServiceRecord, volunteer: Volunteer, policy: Policy) -> str:
        """What a sign-up would have said of somebody who never signed up for the activity."""
        activity = self.activities.get(filed_id(record.fields.activity))
        if activity is None or not policy.safeguards.activity_approval:
            return ""  # a data set has no activities on file, only their names
        day = day_of_minute(record.session_start)
        return self.fitness.why_not(activity, volunteer.id, volunteer.born, day, policy)

    def _is_late(self, record: ServiceRecord, policy: Policy) -> bool:
        return is_after_deadline(record, policy)

    def _waiting(
        self,
        record: ServiceRecord,
        volunteer: Volunteer,
        policy: Policy,
        now: int,
        salt: bytes,
        fingerprint: bytes,
        sealed: bytes,
    ) -> Waiting:
        fields, today, guard = record.fields, city_day(now, self.zone), policy.safeguards
        activity = self.activities.get(filed_id(fields.activity))
        activity_id = activity.activity_id if activity is not None else ""
        stated = self.stated.get(fields.recorded_by)
        place = (activity_id, self.by.name, today.isoformat(), volunteer.id, week_of(record))
        if self.versions:
            self.sums.add(*place, record.minutes)
        is_late = self._is_late(record, policy)
        is_large = above_limits(record.minutes, self.sums.most(*place), policy)
        # nobody knows whether a name that the bank does not know is that of the verifier
        is_unknown = stated is None and guard.recording_evidence == "server"
        level = 2 if is_late or is_unknown or is_large or needs_two_people(self.by, policy) else 1
        title = activity.title if activity is not None else ""
        stated_by = stated.id if stated is not None else ""
        shown = shown_fields(fields, volunteer.id, title, stated_by)
        fund = activity.fund if activity is not None else policy.fund.code
        campaign = activity.campaign if activity is not None else ""
        shown_record = msgspec.structs.replace(record, fields=shown)
        rows = submitted_rows(
            shown_record,
            volunteer,
            policy,
            self.by,
            activity_id=activity_id,
            session_id="",
            fund=fund,
            campaign=campaign,
            submitted_on=today,
            level=level,
            is_late=is_late,
            reason=self.reason,
            stated_by=stated_by,
            salt=salt,
            fingerprint=fingerprint,
            sealed=sealed,
        )
        limits: tuple[tuple[str, int], ...] = ()
        if self.versions:
            limits = tuple((s, self.versions[s]) for s in limit_subjects(activity_id, self.by.name))
            for subject, _ in limits:
                self.versions[subject] += 1
        waiting = Waiting(rows, limits)
        if self.verifying is None or guard.separate_verification or level > 1:
            return waiting
        return self._accepted(waiting, shown_record, volunteer, policy, fund, campaign, salt, self.verifying)

    def _accepted(
        self,
        waiting: Waiting,
        record: ServiceRecord,
        person: Volunteer,
        policy: Policy,
        fund: str,
        campaign: str,
        salt: bytes,
        act: Act,
    ) -> Waiting:
        """The record with what accepts it: judged when its submission has been, and before the next line."""
        filed = _filed(waiting, record, person, fund, campaign, salt)
        line = Line(person.id, _recorders(filed.recorder, filed.stated_by))
        if may_not_verify(act.by, line, _NO_TIES, policy.safeguards):
            return waiting  # it waits for somebody else
        day = day_of_minute(record.session_start)
        versions = self.desk.versions
        reads = ((person.subject, versions[person.id]), *((s, version + 1) for s, version in waiting.limits))
        used = self.desk.used(person.id, day)
        entry, outcome, creditable = accept(
            filed, record, person, policy, used, reads, act, self.short, self.desk.held
        )
        self.desk.accept(person.id, day, creditable)
        for subject in entry.touches[1:]:
            self.short.versions[subject] += 1
        return msgspec.structs.replace(waiting, entry=entry.draft(), points=outcome.points)


def _filed(
    waiting: Waiting, record: ServiceRecord, person: Volunteer, fund: str, campaign: str, salt: bytes
) -> Filed:
    """The record as it will be on file once its submission is."""
    written, trail = waiting.rows[0].values, waiting.rows[1].values
    record_id, content, day = str(written[0]), str(written[2]), str(written[5])
    recorder, stated_by = str(trail[6]), str(trail[7])
    return Filed(
        record_id=record_id,
        state="submitted",
        content=content,
        day=day,
        start_minute=record.start,
        end_minute=record.end,
        minutes=record.minutes,
        points=0,
        available_on="",
        sequence=0,
        released_by=0,
        salt_in_hex=salt.hex(),
        person_id=person.id,
        activity_id=str(trail[2]),
        session_id="",
        fund=fund,
        campaign=campaign,
        recorder=recorder,
        stated_by=stated_by,
        submitted_at=0,
        submitted_on=str(trail[9]),
        week=str(trail[10]),
        level=1,
        late=0,
        reason="",
        steps=_submitted_by(recorder),
    )


_NO_TIES = Ties()
"""A machine lives with nobody and earns nothing."""


@lru_cache(maxsize=1024)
def _recorders(recorder: str, stated_by: str) -> frozenset[str]:
    return frozenset((recorder, stated_by)) - {""}


@lru_cache(maxsize=16)
def _submitted_by(recorder: str) -> tuple[Step, ...]:
    return (Step(1, "submitted", recorder, ""),)


def _day_of(fields: RecordFields) -> date | None:
    minute = local_minute(fields.session_start)
    return None if minute is None else day_of_minute(minute)
