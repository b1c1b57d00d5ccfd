"""What an auditor should look at, each list a query over documents: odd is not false, and nobody is accused here."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.activities.attempts import EARLY, OVERLAP
from pointsbank.activities.model import HONOUR
from pointsbank.activities.tables import activities, activity_sessions, attendances, refused_attempts
from pointsbank.hours.case_tables import clawback_cases, sample_outcomes, samples
from pointsbank.hours.city_time import city_day_of, city_second_of
from pointsbank.hours.model import HOLDING
from pointsbank.hours.tables import record_steps, record_trails, service_records
from pointsbank.hours.trails import ACTS
from pointsbank.store.profile import profile_of

LONG_DAY_MINUTES: Final = 16 * 60
"""Nobody serves longer than this on one day."""


HONOUR_MINUTES: Final = 200 * 60
"""Hours that one person has typed in, rather than measured, from which on it is worth a look."""
SAME_TIMES: Final = 10
"""So many people of a session who came and went in the same instant were written down, not seen."""
TOO_NEAR_MINUTES: Final = 10
"""Nobody gets from one station to another in less."""
MOST_OF_A_YEAR: Final = 1000 * 60
"""In 2013 only 22 people of the province reached 1,000 h in the year."""
NIGHT: Final = range(5)
"""Hours of the city's clock, 0 to 4, in which nobody works at a station."""

Kind = Literal[
    "late",
    "mutual",
    "long-day",
    "honour-recorder",
    "night",
    "same-times",
    "two-places",
    "long-year",
    "clawback",
    "sample",
    "refused-early",
    "refused-four-eyes",
    "refused-overlap",
    "refused-line",
]


class Risk(msgspec.Struct, frozen=True):
    """Something worth a look. `people` are ids; `minutes` where a length of time is what is odd."""

    kind: Kind
    record_id: str
    day: str
    people: tuple[str, ...]
    minutes: int = 0
    rule: str = ""
    """of what was refused: the rule that said no"""
    times: int = 0
    """how often it was tried on that day"""


class Overlap(msgspec.Struct, frozen=True):
    """Two activities that claim one time of one person: the one that was refused, and the one that is on file."""

    person_id: str
    day: str
    station: str
    session_id: str
    activity: str
    record_id: str
    record_activity: str


def risks(
    connection: Connection, ledger_id: int, zone: str, since: str, since_micros: int, limit: int = 500
) -> list[Risk]:
    """The lists together, for service days from `since` (YYYY-MM-DD) and acts from `since_micros` (UTC) on.

    `zone` is the city's time zone: its night and its days are meant.

    In a replay's ledger a machine has brought everything in at whatever hour it ran: there the two lists of who typed in
    much and of what came at night would name it for every line, and say nothing of anybody.
    """
    is_live = profile_of(connection, ledger_id) != "replay"
    return [
        *late_records(connection, ledger_id, since, limit),
        *mutual_pairs(connection, ledger_id, since_micros, limit),
        *long_days(connection, ledger_id, since, limit),
        *(honour_recorders(connection, ledger_id, since, limit) if is_live else ()),
        *(night_records(connection, ledger_id, zone, since_micros, limit) if is_live else ()),
        *same_times(connection, ledger_id, since_micros, limit),
        *two_places(connection, ledger_id, since, limit),
        *long_years(connection, ledger_id, since, limit),
        *clawed_back(connection, ledger_id, since_micros, limit),
        *failed_samples(connection, ledger_id, since_micros, limit),
        *attempts_refused(connection, ledger_id, since_micros, limit),
        *lines_refused(connection, ledger_id, zone, since_micros, limit),
    ]


def late_records(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """Records that came after the deadline, with who recorded them."""
    record, trail = service_records.c, record_trails.c
    rows = connection.execute(
        select(record.record_id, record.day, trail.recorder, trail.person_id, record.minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, trail.late == 1, record.day >= since)
        .order_by(record.day, record.record_id)
        .limit(limit)
    )
    return [
        Risk("late", id_, day, (recorder, person), minutes) for id_, day, recorder, person, minutes in rows
    ]


def mutual_pairs(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """Pairs of people of whom each has recorded or verified for the other since `since` (microseconds UTC)."""
    step, trail = record_steps.c, record_trails.c
    acts = (
        select(step.person_id.label("actor"), trail.person_id.label("beneficiary"))
        .select_from(
            record_steps.join(
                record_trails, (trail.ledger_id == step.ledger_id) & (trail.record_id == step.record_id)
            )
        )
        .where(step.ledger_id == ledger_id, step.at >= since, step.step.in_(ACTS))
        .distinct()
        .cte("acts")
    )
    back = acts.alias("back")
    rows = connection.execute(
        select(acts.c.actor, acts.c.beneficiary)
        .join(back, (back.c.actor == acts.c.beneficiary) & (back.c.beneficiary == acts.c.actor))
        .where(acts.c.actor < acts.c.beneficiary)
        .order_by(acts.c.actor, acts.c.beneficiary)
        .limit(limit)
    )
    return [Risk("mutual", "", "", (one, other)) for one, other in rows]


def long_days(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """People with more minutes on one day than anybody serves."""
    record, trail = service_records.c, record_trails.c
    minutes = func.sum(record.minutes)
    rows = connection.execute(
        select(trail.person_id, record.day, minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, record.day >= since, record.state.in_(HOLDING))
        .group_by(trail.person_id, record.day)
        .having(minutes > LONG_DAY_MINUTES)
        .order_by(record.day, trail.person_id)
        .limit(limit)
    )
    return [Risk("long-day", "", day, (person,), int(total)) for person, day, total in rows]


def honour_recorders(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """Recorders with many minutes that nobody measured: typed in from paper, or brought in by a file."""
    record, trail, came = service_records.c, record_trails.c, attendances.c
    minutes = func.sum(record.minutes)
    rows = connection.execute(
        select(trail.recorder, minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            ).outerjoin(
                attendances,
                (came.ledger_id == trail.ledger_id)
                & (came.session_id == trail.session_id)
                & (came.person_id == trail.person_id),
            )
        )
        .where(
            trail.ledger_id == ledger_id,
            record.day >= since,
            record.state.in_(HOLDING),
            (trail.session_id == "") | (came.hour_class == HONOUR),
        )
        .group_by(trail.recorder)
        .having(minutes >= HONOUR_MINUTES)
        .order_by(minutes.desc(), trail.recorder)
        .limit(limit)
    )
    return [Risk("honour-recorder", "", "", (recorder,), int(total)) for recorder, total in rows]


def night_records(
    connection: Connection, ledger_id: int, zone: str, since: int, limit: int = 500
) -> list[Risk]:
    """Records that were submitted at night by the city's clock, with who recorded them."""
    trail = record_trails.c
    hour = city_second_of(trail.submitted_at, zone) // 3600 % 24
    rows = connection.execute(
        select(trail.record_id, trail.submitted_on, trail.recorder, trail.person_id, trail.minutes)
        .where(trail.ledger_id == ledger_id, trail.submitted_at >= since, hour.in_(NIGHT))
        .order_by(trail.submitted_at, trail.record_id)
        .limit(limit)
    )
    return [
        Risk("night", id_, day, (recorder, person), minutes) for id_, day, recorder, person, minutes in rows
    ]


def same_times(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """Sessions of which many people came and went in the same instant; `record_id` is the session's, people who noted it."""
    t = attendances.c
    rows = connection.execute(
        select(t.session_id, func.min(t.out_by), func.count())
        .where(t.ledger_id == ledger_id, t.in_at >= since, t.out_at > 0)
        .group_by(t.session_id, t.in_at, t.out_at)
        .having(func.count() >= SAME_TIMES)
        .order_by(t.session_id)
        .limit(limit)
    )
    return [Risk("same-times", session, "", (noted_by,)) for session, noted_by, _ in rows]


def two_places(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """People who left one station and were at another before anybody can get there; the minutes between."""
    record, trail = service_records.c, record_trails.c
    served = (
        select(
            trail.person_id,
            record.record_id,
            record.day,
            record.station,
            record.start_minute,
            record.end_minute,
        )
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, record.day >= since, record.state.in_(HOLDING))
        .cte("served")
    )
    then = served.alias("next")
    gap = then.c.start_minute - served.c.end_minute
    rows = connection.execute(
        select(then.c.record_id, then.c.day, then.c.person_id, gap)
        .select_from(served.join(then, then.c.person_id == served.c.person_id))
        .where(
            then.c.station != served.c.station,
            then.c.start_minute >= served.c.start_minute,
            gap < TOO_NEAR_MINUTES,
        )
        .order_by(then.c.day, then.c.record_id)
        .limit(limit)
    )
    return [Risk("two-places", id_, day, (person,), minutes) for id_, day, person, minutes in rows]


def long_years(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """People with more hours in a calendar year than hardly anybody serves; `day` is the year."""
    record, trail = service_records.c, record_trails.c
    year, minutes = func.substr(record.day, 1, 4), func.sum(record.minutes)
    rows = connection.execute(
        select(trail.person_id, year, minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, record.day >= since[:4], record.state.in_(HOLDING))
        .group_by(trail.person_id, year)
        .having(minutes >= MOST_OF_A_YEAR)
        .order_by(minutes.desc(), trail.person_id)
        .limit(limit)
    )
    return [Risk("long-year", "", of, (person,), int(total)) for person, of, total in rows]


def clawed_back(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """Activities of which hours were taken back, with the two who said so; `record_id` is the activity's."""
    t = clawback_cases.c
    rows = connection.execute(
        select(t.activity_id, t.proposed_by, t.decided_by)
        .where(t.ledger_id == ledger_id, t.state == "decided", t.decided_at >= since)
        .order_by(t.decided_at, t.case_id)
        .limit(limit)
    )
    return [Risk("clawback", activity, "", (one, other)) for activity, one, other in rows]


def failed_samples(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """Sampled records that were not confirmed, with who recorded them."""
    t, s = sample_outcomes.c, samples.c
    rows = connection.execute(
        select(t.record_id, s.day, s.recorder)
        .select_from(
            sample_outcomes.join(samples, (s.ledger_id == t.ledger_id) & (s.sample_id == t.sample_id))
        )
        .where(t.ledger_id == ledger_id, t.outcome != "confirmed", t.noted_at >= since)
        .order_by(s.day, t.record_id)
        .limit(limit)
    )
    return [Risk("sample", id_, day, (recorder,)) for id_, day, recorder in rows]


def attempts_refused(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """H6, H7: acts that were refused because they came before the end or from the wrong person, with who tried.

    `record_id` is the record, session or activity on which it was tried last.
    """
    t = refused_attempts.c
    rows = connection.execute(
        select(t.rule, t.day, t.actor, t.person_id, t.thing, t.times)
        .where(t.ledger_id == ledger_id, t.last_at >= since)
        .order_by(t.last_at, t.day, t.rule, t.actor, t.subject)
        .limit(limit)
    )
    return [
        Risk(_REFUSED.get(rule, "refused-four-eyes"), thing, day, (actor, person) if person else (actor,),
             rule=rule, times=times)
        for rule, day, actor, person, thing, times in rows
    ]  # fmt: skip


def lines_refused(
    connection: Connection, ledger_id: int, zone: str, since: int, limit: int = 500
) -> list[Risk]:
    """H6, H7 in files: lines that came before the session's end or from the volunteer, by volunteer and day."""
    t = service_records.c
    day = city_day_of(t.recorded_at, zone)
    rows = connection.execute(
        select(t.volunteer, t.verdict, day, func.min(t.record_id), func.count())
        .where(
            t.ledger_id == ledger_id,
            t.state == "refused",
            t.recorded_at >= since,
            t.verdict.in_(_LINES),
        )
        .group_by(t.volunteer, t.verdict, day)
        .order_by(day, t.volunteer, t.verdict)
        .limit(limit)
    )
    return [
        Risk("refused-line", first, (date(1970, 1, 1) + timedelta(days=int(on))).isoformat(),
             (volunteer,) if volunteer else (), rule=_LINES[verdict], times=int(count))
        for volunteer, verdict, on, first, count in rows
    ]  # fmt: skip


def overlaps(
    connection: Connection, ledger_id: int, zone: str, since: int, limit: int = 500
) -> list[Overlap]:
    """H1: attendance that was refused because the person was elsewhere on file, with both activities: for verifiers.

    Not for who submits: that somebody else's activity was at that time is nobody's business there.
    """
    tried, came, met, meant = refused_attempts.c, attendances.c, activity_sessions.c, activities.c
    record, trail = service_records.c, record_trails.c
    other = activities.alias("other")
    begins, ends = (city_second_of(at, zone) // 60 for at in (came.in_at, came.out_at))
    opens, closes = (city_second_of(at, zone) // 60 for at in (met.starts_at, met.ends_at))
    rows = connection.execute(
        select(
            tried.person_id,
            tried.day,
            met.station,
            met.session_id,
            meant.title,
            record.record_id,
            func.coalesce(other.c.title, ""),
        )
        .select_from(
            refused_attempts.join(
                attendances,
                (came.ledger_id == tried.ledger_id)
                & (came.session_id == tried.thing)
                & (came.person_id == tried.person_id),
            )
            .join(activity_sessions, (met.ledger_id == came.ledger_id) & (met.session_id == came.session_id))
            .join(activities, (meant.ledger_id == met.ledger_id) & (meant.activity_id == met.activity_id))
            .join(record_trails, (trail.ledger_id == tried.ledger_id) & (trail.person_id == tried.person_id))
            .join(
                service_records,
                (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id),
            )
            .outerjoin(
                other, (other.c.ledger_id == trail.ledger_id) & (other.c.activity_id == trail.activity_id)
            )
        )
        .where(
            tried.ledger_id == ledger_id,
            tried.rule == OVERLAP,
            tried.last_at >= since,
            record.state.in_(HOLDING),
            # what overlaps the stay and the session overlaps the stay within the session
            record.start_minute < ends,
            record.end_minute > begins,
            record.start_minute < closes,
            record.end_minute > opens,
        )
        .order_by(tried.last_at, tried.subject, record.record_id)
        .limit(limit)
    )
    return [Overlap(*row) for row in rows]


_EARLY: Final[Kind] = "refused-early"
_REFUSED: Final[dict[str, Kind]] = {OVERLAP: "refused-overlap", **dict.fromkeys(EARLY, _EARLY)}
_LINES: Final = {
    "recorded_early": "before-its-end",
    "self_recorded": "recorder-is-beneficiary",
    "same_household": "same-household",
    "reciprocal": "reciprocal",
}
