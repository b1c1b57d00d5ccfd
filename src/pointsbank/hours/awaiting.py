"""What waits for whom: records for a verifier, objections and appeals for somebody who decides them.

Lists of work, each page from one snapshot and of a bounded number of queries. What four eyes forbid the reader to do is
marked with the rule, not hidden. Where the reader may look is for the caller to say, as stations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, select, text

from pointsbank.activities.model import HONOUR
from pointsbank.activities.ports import By
from pointsbank.hours.appeals import APPEAL, TAKEN
from pointsbank.hours.four_eyes import Ties, may_not_decide, may_not_verify
from pointsbank.hours.model import RecordFields
from pointsbank.hours.objections import UNDECIDED, Objection
from pointsbank.hours.risks import NIGHT
from pointsbank.hours.status import NEXT, verification_due
from pointsbank.hours.submission import above_limits
from pointsbank.hours.tables import AWAITING, objections, record_trails, service_records
from pointsbank.hours.trails import Filed, Sums, credited_since, filed_records, sums_of
from pointsbank.intake.lines import filed_id, parts_of
from pointsbank.places.membership import group_memberships
from pointsbank.places.model import Membership
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, city_second
from pointsbank.policy.model import Policy
from pointsbank.store.lists import is_one_of

MOST: Final = 500
"""Items of one page."""

_DAY_MICROS: Final = 86_400 * 1_000_000


class Reader(msgspec.Struct, frozen=True):
    """Who asks, under which policies, and when (microseconds UTC)."""

    by: By
    policies: PolicyBook
    now: int

    @property
    def since(self) -> int:
        """From when on it counts who credited whom."""
        days = max(policy.safeguards.reciprocal_days for policy in self.policies.policies)
        return self.now - days * _DAY_MICROS

    @property
    def today(self) -> date:
        return city_day(self.now, self.zone)

    @property
    def zone(self) -> str:
        """The time zone of the city."""
        return self.policies.policies[-1].timezone

    def policy(self, record: Filed) -> Policy:
        """The policy of the service date."""
        return self.policies.in_force(date.fromisoformat(record.day))


class AwaitingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that waits for a verifier. `level` is how many people must look at it, and `due_on` the latest date by law.

    `may_not` is the rule of four eyes by which the reader may not verify it; empty if none forbids it.
    """

    record_id: str
    activity_id: str
    activity: str
    session_id: str
    station: str
    day: str
    minutes: int
    hour_class: str
    person: str
    recorder: str
    """a person's id, or `machine:…`"""
    submitted_at: int
    state: str
    next_step: str
    level: int
    due_on: str
    flags: tuple[str, ...]
    """`late`, `night` (submitted at night), `honour` (typed in), `large` (above the limits of one person's word)"""
    may_not: str


class AwaitingCase(msgspec.Struct, frozen=True, kw_only=True):
    """An objection, or an appeal, that nobody has decided. `due_on` is the last day by law; `escalated` once it went up.

    `may_not` is the rule of four eyes by which the reader may not decide it; empty if none forbids it.
    """

    record_id: str
    number: int
    kind: str
    """`objection` or `appeal`"""
    reason: str
    objector: str
    opened_at: int
    state: str
    due_on: str
    activity_id: str
    activity: str
    station: str
    day: str
    minutes: int
    person: str
    recorder: str
    may_not: str


def stations_awaiting(connection: Connection, ledger_id: int) -> list[str]:
    """Codes of the stations at which a record waits for a verifier: one step in an index for each."""
    return list(connection.scalars(_STATIONS, {"ledger": ledger_id}))


def awaiting_verification(
    connection: Connection,
    ledger_id: int,
    reader: Reader,
    stations: Collection[str],
    *,
    activity: str = "",
    after: tuple[int, str] = (-1, ""),
    limit: int = 100,
) -> list[AwaitingRecord]:
    """Records of these stations that wait for a verifier, the longest waiting first; of one activity, or of all.

    `after` is (`submitted_at`, `record_id`) of the last one of the page before. The index is by `recorded_at`, which is the
    same: a record and its trail are of one commit.
    """
    t, trail = service_records.c, record_trails.c
    query: Select[Any] = select(t.record_id).where(
        t.ledger_id == ledger_id,
        is_one_of(connection, t.station, stations),
        text(f"({AWAITING})"),
        t.recorded_at >= after[0],
        (t.recorded_at > after[0]) | (t.record_id > after[1]),
    )
    if activity:
        query = query.join(
            record_trails, (trail.ledger_id == t.ledger_id) & (trail.record_id == t.record_id)
        ).where(trail.ledger_id == ledger_id, trail.activity_id == activity)
    ids = list(connection.scalars(query.order_by(t.recorded_at, t.record_id).limit(min(limit, MOST))))
    records = filed_records(connection, ledger_id, ids)
    found = [records[id_] for id_ in ids if id_ in records]
    eyes = _eyes(connection, ledger_id, reader, found)
    sums = _sums(connection, ledger_id, found)
    return [_awaiting(record, reader, eyes[record.record_id], sums) for record in found]


def stations_of_cases(connection: Connection, ledger_id: int) -> list[str]:
    """Codes of the stations whose records have an objection or an appeal that nobody has decided."""
    return sorted(set(connection.scalars(_undecided(ledger_id).with_only_columns(service_records.c.station))))


def awaiting_decision(
    connection: Connection,
    ledger_id: int,
    reader: Reader,
    stations: Collection[str],
    *,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[AwaitingCase]:
    """Undecided objections and appeals to records of these stations, by their last day: what went up comes first.

    `after` is (`due_on`, `record_id`) of the last one of the page before.
    """
    t = objections.c
    rows = connection.execute(
        _undecided(ledger_id)
        .where(
            is_one_of(connection, service_records.c.station, stations),
            t.due_on >= after[0],
            (t.due_on > after[0]) | (t.record_id > after[1]),
        )
        .order_by(t.due_on, t.record_id)
        .limit(min(limit, MOST))
    )
    cases = [Objection(**row._mapping) for row in rows]
    records = filed_records(connection, ledger_id, [case.record_id for case in cases])
    eyes = _eyes(connection, ledger_id, reader, records.values())
    return [
        _case(case, records[case.record_id], reader, eyes[case.record_id])
        for case in cases
        if case.record_id in records
    ]


def _awaiting(record: Filed, reader: Reader, ties: Ties, sums: Sums) -> AwaitingRecord:
    policy, fields = reader.policy(record), RecordFields._make(parts_of(record.content))
    total = sums.most(record.activity_id, record.recorder, record.submitted_on, record.person_id, record.week)
    is_large = above_limits(record.minutes, total, policy)
    flags = {
        "late": bool(record.late),
        "night": city_second(record.submitted_at, reader.zone) // 3600 % 24 in NIGHT,
        "honour": fields.hour_class == HONOUR,
        "large": is_large,
    }
    return AwaitingRecord(
        record_id=record.record_id,
        activity_id=record.activity_id,
        activity=fields.activity_name,
        session_id=record.session_id,
        station=filed_id(fields.station),
        day=record.day,
        minutes=record.minutes,
        hour_class=fields.hour_class,
        person=record.person_id,
        recorder=record.recorder,
        submitted_at=record.submitted_at,
        state=record.state,
        next_step=NEXT[record.state],
        level=2 if record.level > 1 or is_large else 1,
        due_on=verification_due(record, policy).isoformat(),
        flags=tuple(flag for flag, is_raised in flags.items() if is_raised),
        may_not=may_not_verify(reader.by, record.line, ties, policy.safeguards),
    )


def _case(case: Objection, record: Filed, reader: Reader, ties: Ties) -> AwaitingCase:
    fields, is_appeal = RecordFields._make(parts_of(record.content)), case.reason == APPEAL
    may_not = may_not_decide(reader.by, record.line, ties, reader.policy(record).safeguards)
    takers = {step.person_id for step in record.steps if step.step in TAKEN}
    if is_appeal and reader.by.person in takers:
        may_not = "decider-took-away"
    return AwaitingCase(
        record_id=case.record_id,
        number=case.number,
        kind="appeal" if is_appeal else "objection",
        reason=case.reason,
        objector=case.objector,
        opened_at=case.opened_at,
        state=case.state,
        due_on=case.due_on,
        activity_id=record.activity_id,
        activity=fields.activity_name,
        station=filed_id(fields.station),
        day=record.day,
        minutes=record.minutes,
        person=record.person_id,
        recorder=record.recorder,
        may_not=may_not,
    )


def _eyes(
    connection: Connection, ledger_id: int, reader: Reader, records: Iterable[Filed]
) -> Mapping[str, Ties]:
    """What ties the reader to whom each record is about, by record: households on its day and today, and mutual credits."""
    found = list(records)
    people = {record.person_id for record in found}
    everybody = people | ({reader.by.person} if reader.by.person else set())
    memberships = group_memberships(connection, ledger_id, sorted(everybody))
    credited = credited_since(connection, ledger_id, sorted(people), reader.since)
    days = {date.fromisoformat(record.day) for record in found} | {reader.today}
    homes = {day: _homes(memberships, day) for day in days}
    return {
        record.record_id: Ties((homes[date.fromisoformat(record.day)], homes[reader.today]), credited)
        for record in found
    }


def _homes(memberships: Mapping[str, Sequence[tuple[str, Membership]]], day: date) -> dict[str, str]:
    """The household of each person on a day."""
    return {
        person: one.group_id
        for person, groups in memberships.items()
        for kind, one in groups
        if kind == "household" and one.from_day <= day < one.to_day
    }


def _sums(connection: Connection, ledger_id: int, records: Collection[Filed]) -> Sums:
    """The sums by which a limit may ask for a second person."""
    return sums_of(
        connection,
        ledger_id,
        {record.activity_id for record in records} - {""},
        {(record.recorder, record.submitted_on) for record in records},
        {(record.person_id, record.week) for record in records},
    )


def _undecided(ledger_id: int) -> Select[Any]:
    t, record = objections.c, service_records.c
    return (
        select(*(t[name] for name in Objection.__struct_fields__))
        .join(service_records, (record.ledger_id == t.ledger_id) & (record.record_id == t.record_id))
        .where(t.ledger_id == ledger_id, record.ledger_id == ledger_id, t.state.in_(UNDECIDED))
    )


_STATIONS: Final = text(f"""
WITH RECURSIVE found (station) AS (
  SELECT (SELECT r.station FROM service_records r WHERE r.ledger_id = :ledger AND ({AWAITING})
          AND r.station > '' ORDER BY r.station LIMIT 1)
  UNION ALL
  SELECT (SELECT r.station FROM service_records r WHERE r.ledger_id = :ledger AND ({AWAITING})
          AND r.station > found.station ORDER BY r.station LIMIT 1)
  FROM found WHERE found.station IS NOT NULL
)
SELECT station FROM found WHERE station IS NOT NULL
""")
