"""Which service records count: rules in order, of which the first that applies gives the verdict.

A new rule is one function and one line in `RULES`.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from pointsbank.hours.model import (
    ALL_VERDICTS,
    HoursContext,
    HoursVerdict,
    Interval,
    Judgement,
    RecordFields,
    ServiceRecord,
)
from pointsbank.hours.points import creditable_minutes, points_of
from pointsbank.policy.calendar import (
    completed_years,
    day_number,
    day_of_minute,
    expires_on,
    local_minute,
    record_deadline,
)
from pointsbank.policy.model import Policy

Rule = Callable[[ServiceRecord, HoursContext, Policy], HoursVerdict | None]

_COLUMNS: Final = len(RecordFields._fields)
REFUSED: Final = {verdict: Judgement(verdict) for verdict in ALL_VERDICTS}
"""Verdicts by which a line earns nothing."""


def judge(fields: tuple[str, ...], context: HoursContext, policy: Policy) -> Judgement:
    """The verdict on one line of service hours, and the minutes and points that it earns.

    `fields` are the normalised fields, however many there are. Nothing is changed: what an accepted record
    uses up is in the judgement, and the caller keeps it.
    """
    record = parse_record(fields, policy)
    return REFUSED["malformed"] if record is None else judge_record(record, context, policy)


def judge_record(
    record: ServiceRecord, context: HoursContext, policy: Policy, *, may_be_late: bool = False
) -> Judgement:
    """The verdict on a well-formed record. `may_be_late`: a second level will look at it."""
    verdict = refused_by(record, context, policy, may_be_late=may_be_late)
    if verdict is not None:
        return REFUSED[verdict]
    volunteer = record.fields.volunteer
    day = day_of_minute(record.session_start)
    year = day.year
    creditable = creditable_minutes(
        record,
        policy,
        used_of_day=context.minutes_of_day(volunteer, day),
        used_of_year=context.minutes_of_year(volunteer, year),
    )
    points = points_of(record, creditable, policy)
    return Judgement("accepted", record.minutes, creditable, points, expires_on(year, policy), day, year)


def refused_by(
    record: ServiceRecord, context: HoursContext, policy: Policy, *, may_be_late: bool = False
) -> HoursVerdict | None:
    """The first rule that a well-formed record breaks, None if it breaks none."""
    for rule in RULES:
        verdict = rule(record, context, policy)
        if verdict is not None and not (may_be_late and rule is recorded_late):
            return verdict
    return None


def parse_record(fields: tuple[str, ...], policy: Policy) -> ServiceRecord | None:
    """The record in normalised fields, or None if it is malformed: rule 1.

    Malformed is a line without exactly 13 fields, with an empty one, with a time that is not exactly
    `YYYY-MM-DD HH:MM` or does not exist, or with a class of hours that the policy does not name.
    """
    if len(fields) != _COLUMNS or "" in fields:
        return None
    read = RecordFields._make(fields)
    session_start, session_end = local_minute(read.session_start), local_minute(read.session_end)
    check_in, check_out = local_minute(read.check_in), local_minute(read.check_out)
    recorded_at = local_minute(read.recorded_at)
    if (
        session_start is None
        or session_end is None
        or check_in is None
        or check_out is None
        or recorded_at is None
    ):
        return None
    if read.hour_class not in policy.hour_classes:
        return None
    start = max(session_start, check_in)
    end = min(session_end, check_out)
    return ServiceRecord(read, session_start, session_end, check_in, check_out, recorded_at, start, end)


def id_taken(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """The first well-formed line with an id takes it, whatever its verdict."""
    is_repeated = context.is_repeated(record.fields)
    if is_repeated is None:
        return None
    return "duplicate" if is_repeated else "conflict"


def unknown_volunteer(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Hours are credited to registered volunteers only."""
    return "unknown_volunteer" if context.born(record.fields.volunteer) is None else None


def unknown_station(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Service takes place at a station of the city."""
    return (
        None
        if context.knows_station(record.fields.station, record.fields.session_start[:10])
        else "unknown_station"
    )


def unknown_category(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """The category is one of the policy; case counts."""
    return None if record.fields.category in policy.categories else "unknown_category"


def session_invalid(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """A session ends after it begins, and is not longer than the policy allows."""
    length = record.session_end - record.session_start
    return None if 0 < length <= policy.session_max_hours * 60 else "session_invalid"


def recorded_early(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Nobody records a session before its end; the minute of the end is in time."""
    return "recorded_early" if record.recorded_at < record.session_end else None


def recorded_late(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """A session is recorded within the policy's working days after the date of its end."""
    return "recorded_late" if is_after_deadline(record, policy) else None


def is_after_deadline(record: ServiceRecord, policy: Policy) -> bool:
    """Whether the record was typed in after the last day for it."""
    calendar_days = day_number(record.recorded_at) - day_number(record.session_end)
    # The n-th working day is never before the n-th day: most records need no look into the calendar.
    if calendar_days <= policy.record_deadline_working_days:
        return False
    deadline = record_deadline(day_of_minute(record.session_end), policy)
    return day_of_minute(record.recorded_at) > deadline


def self_recorded(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Nobody records hours of their own."""
    return "self_recorded" if record.fields.recorded_by == record.fields.volunteer else None


def attendance_invalid(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Check-out is after check-in."""
    return "attendance_invalid" if record.check_out <= record.check_in else None


def outside_session(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """At least one whole minute of the attendance lies within the session."""
    return "outside_session" if record.end <= record.start else None


def under_age(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """On the date of the session's start the volunteer has the minimum age of the category."""
    born = context.born(record.fields.volunteer)
    if born is None:
        return "unknown_volunteer"
    minimum_age = policy.categories[record.fields.category].minimum_age
    day = day_of_minute(record.session_start)
    if day.year - born.year > minimum_age:  # whatever the birthday: most volunteers
        return None
    return "under_age" if completed_years(born, day) < minimum_age else None


def overlap(record: ServiceRecord, context: HoursContext, policy: Policy) -> HoursVerdict | None:
    """Nobody serves twice at a time; one interval may begin in the minute in which another ends.

    At the change of shifts the policy may let two intervals reach into each other by some minutes.
    """
    intervals = context.accepted_intervals(record.fields.volunteer)
    handover = policy.cases.handover_minutes
    if handover:
        own = (record.start, record.end)
        return "overlap" if any(is_double(own, other, handover) for other in intervals) else None
    # Disjoint intervals in order: only the last one that begins before our end can reach into ours.
    before = bisect_left(intervals, (record.end,))
    return "overlap" if before and intervals[before - 1][1] > record.start else None


def is_double(one: Interval, other: Interval, handover: int) -> bool:
    """Whether two intervals are of one time: they overlap by more than a hand-over, or one lies within the other."""
    first, second = sorted((one, other))
    shared = min(first[1], second[1]) - second[0]
    is_handover = first[0] < second[0] and first[1] < second[1] and shared <= handover
    return shared > 0 and not is_handover


RULES: Final[tuple[Rule, ...]] = (
    id_taken,
    unknown_volunteer,
    unknown_station,
    unknown_category,
    session_invalid,
    recorded_early,
    recorded_late,
    self_recorded,
    attendance_invalid,
    outside_session,
    under_age,
    overlap,
)
"""Rules 2 to 13, in their order; rule 1 is `parse_record`."""
