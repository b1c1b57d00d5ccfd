"""Records with their trails, loaded for many at once: what submitting, verifying and deciding are judged on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec.structs import force_setattr
from sqlalchemy import Connection, func, select, true

from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.hours.four_eyes import Line
from pointsbank.hours.model import BOOKED, HOLDING, Interval
from pointsbank.hours.tables import objections, record_steps, record_trails, service_records
from pointsbank.people.volunteers import Volunteer
from pointsbank.store.lists import fetched, fetched_as, in_hex, is_one_of
from pointsbank.store.questions import by_index

ACTS: Final = ("submitted", "verified", "approved")
"""Steps by which somebody acts for the beneficiary of a record."""


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step of a record's life. `at` is the server's clock, microseconds UTC.

    What judging many records asks of a step comes first; the rest is empty there."""

    number: int
    step: str
    person_id: str
    record_id: str
    at: int = 0
    place: str = ""
    device: str = ""
    reason: str = ""


class Filed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record on file with its trail and its life so far."""

    record_id: str
    state: str
    content: str
    day: str
    start_minute: int
    end_minute: int
    minutes: int
    points: int
    available_on: str
    sequence: int
    released_by: int
    salt_in_hex: str
    person_id: str
    activity_id: str
    session_id: str
    fund: str
    campaign: str
    recorder: str
    stated_by: str
    submitted_at: int
    submitted_on: str
    week: str
    level: int
    late: int
    reason: str
    steps: tuple[Step, ...] = ()
    objectors: frozenset[str] = frozenset()

    @property
    def salt(self) -> bytes:
        """The salt of the record's proof."""
        return bytes.fromhex(self.salt_in_hex)

    @property
    def line(self) -> Line:
        """Who has to do with it."""
        named, verifiers = [self.recorder], list[str]()
        if self.stated_by:
            named.append(self.stated_by)
        for step in self.steps:
            if step.step in ("checked-in", "checked-out"):
                if step.person_id:
                    named.append(step.person_id)
            elif step.step in ("verified", "approved"):
                verifiers.append(step.person_id)
        return Line(self.person_id, frozenset(named), frozenset(verifiers), self.objectors)


class Sums(msgspec.Struct):
    """Minutes of records that hold their interval, by activity, by recorder and day, by person and week."""

    activity: Counter[str]
    recorder: Counter[tuple[str, str]]
    week: Counter[tuple[str, str]]

    @classmethod
    def none(cls) -> Sums:
        """Where no limit asks for sums."""
        return cls(Counter(), Counter(), Counter())

    def most(self, activity: str, recorder: str, day: str, person: str, week: str) -> int:
        """The largest of the three sums that concern a record; several records without an activity have none."""
        of_activity = self.activity[activity] if activity else 0
        return max(of_activity, self.recorder[recorder, day], self.week[person, week])

    def add(self, activity: str, recorder: str, day: str, person: str, week: str, minutes: int) -> None:
        self.activity[activity] += minutes
        self.recorder[recorder, day] += minutes
        self.week[person, week] += minutes


_OF_RECORD: Final = ("record_id", "state", "fields", "day", "start_minute", "end_minute", "minutes", "points",
                     "available_on", "sequence", "released_by")  # fmt: skip
_OF_TRAIL: Final = ("person_id", "activity_id", "session_id", "fund", "campaign", "recorder", "stated_by",
                    "submitted_at", "submitted_on", "week", "level", "late", "reason")  # fmt: skip


def filed_records(
    connection: Connection, ledger_id: int, ids: Iterable[str], *, whole_steps: bool = True
) -> dict[str, Filed]:
    """Records by id, with their steps and objectors. Those without a trail are not of this way of life."""
    wanted = list(ids)
    record, trail = service_records.c, record_trails.c
    joined = record_trails.join(
        service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
    )
    query = (
        select(
            *(record[name] for name in _OF_RECORD),
            in_hex(connection, record.salt).label("salt"),
            *(trail[name] for name in _OF_TRAIL),
        )
        .select_from(joined)
        .where(trail.ledger_id == ledger_id, is_one_of(connection, trail.record_id, wanted))
    )
    found = {record.record_id: record for record in fetched_as(connection, query, Filed)}
    steps = _steps(connection, ledger_id, wanted, whole=whole_steps)
    objectors = _objectors(connection, ledger_id, wanted)
    for id_, filed in found.items():  # nobody has seen them yet
        force_setattr(filed, "steps", tuple(steps.get(id_, ())))
        if id_ in objectors:
            force_setattr(filed, "objectors", frozenset(objectors[id_]))
    return found


def _steps(
    connection: Connection, ledger_id: int, ids: Sequence[str], *, whole: bool
) -> dict[str, list[Step]]:
    t = record_steps.c
    columns = (t.number, t.step, t.person_id, t.record_id, t.at, t.place, t.device, t.reason)
    query = select(*(columns if whole else columns[:4])).where(
        t.ledger_id == ledger_id, is_one_of(connection, t.record_id, ids)
    )
    found: dict[str, list[Step]] = {}
    for step in sorted(fetched_as(connection, query, Step), key=attrgetter("number")):
        found.setdefault(step.record_id, []).append(step)
    return found


def _objectors(connection: Connection, ledger_id: int, ids: Sequence[str]) -> dict[str, set[str]]:
    t = objections.c
    rows = fetched(
        connection,
        select(t.record_id, t.objector).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, ids)
        ),
    )
    found: dict[str, set[str]] = {}
    for id_, objector in rows:
        found.setdefault(str(id_), set()).add(str(objector))
    return found


def sums_of(
    connection: Connection,
    ledger_id: int,
    activities: Collection[str],
    recorders: Collection[tuple[str, str]],
    weeks: Collection[tuple[str, str]],
) -> Sums:
    """The sums of minutes that a limit may ask for. `recorders` with the day, `weeks` with the person."""
    record, trail = service_records.c, record_trails.c
    held = (
        select(
            trail.activity_id, trail.recorder, trail.submitted_on, trail.person_id, trail.week, trail.minutes
        )
        .select_from(
            record_trails.join(
                service_records,
                (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id),
            )
        )
        .where(trail.ledger_id == ledger_id, record.ledger_id == ledger_id, record.state.in_(HOLDING))
    )

    def summed(columns: tuple[Any, ...], condition: Any) -> Sequence[Sequence[Any]]:
        inner = held.where(condition).subquery("held")
        names = [inner.c[column.name] for column in columns]
        return fetched(
            connection, select(*names, func.sum(inner.c.minutes).label("minutes")).group_by(*names)
        )

    sums = Sums(Counter(), Counter(), Counter())
    for activity, minutes in summed(
        (trail.activity_id,), is_one_of(connection, trail.activity_id, activities)
    ):
        sums.activity[activity] = int(minutes)
    days = {day for _, day in recorders}
    for recorder, day, minutes in summed(
        (trail.recorder, trail.submitted_on),
        is_one_of(connection, trail.recorder, {name for name, _ in recorders})
        & (is_one_of(connection, trail.submitted_on, days) if days else true()),
    ):
        sums.recorder[recorder, day] = int(minutes)
    for person, week, minutes in summed(
        (trail.person_id, trail.week),
        is_one_of(connection, trail.person_id, {person for person, _ in weeks})
        & is_one_of(connection, trail.week, {week for _, week in weeks}),
    ):
        sums.week[person, week] = int(minutes)
    return sums


def held_intervals(
    connection: Connection, ledger_id: int, people: Mapping[str, Volunteer], since: int
) -> dict[str, list[Interval]]:
    """Intervals that records of these people hold, in order, by person; those that end after `since` (local minute)."""
    t = service_records.c
    rows = fetched(
        connection,
        select(t.volunteer, t.start_minute, t.end_minute).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.volunteer, people),
            t.state.in_(HOLDING),
            t.end_minute > since,
        ),
    )
    found: dict[str, list[Interval]] = {id_: [] for id_ in people}
    for person, start, end in rows:
        found[str(person)].append((int(start), int(end)))
    for intervals in found.values():
        intervals.sort()
    return found


def used_minutes(
    connection: Connection, ledger_id: int, people: Mapping[str, Volunteer]
) -> Counter[tuple[str, date | int]]:
    """Creditable minutes that these people have used up, by person and day and by person and year."""
    t = service_records.c
    rows = fetched(
        connection,
        select(t.volunteer, t.day, func.sum(t.creditable).label("used"))
        .where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.volunteer, people),
            t.state.in_(BOOKED),
            t.creditable > 0,
        )
        .group_by(t.volunteer, t.day),
    )
    used: Counter[tuple[str, date | int]] = Counter()
    for row_person, text, minutes in rows:
        person, day = str(row_person), date.fromisoformat(str(text))
        used[person, day] += int(minutes or 0)
        used[person, day.year] += int(minutes or 0)
    return used


def credited_since(
    connection: Connection, ledger_id: int, actors: Iterable[str], since: int
) -> frozenset[tuple[str, str]]:
    """(actor, beneficiary): for whom these people have recorded or verified since `since` (microseconds UTC)."""
    step, trail = record_steps.c, record_trails.c
    joined = record_steps.join(
        record_trails, (trail.ledger_id == step.ledger_id) & (trail.record_id == step.record_id)
    )
    rows = fetched(
        connection,
        select(step.person_id.label("actor"), trail.person_id.label("beneficiary"))
        .select_from(joined)
        .where(
            step.ledger_id == ledger_id,
            is_one_of(connection, step.person_id, actors),
            step.at >= since,
            step.step.in_(ACTS),
        )
        .distinct(),
    )
    return frozenset((str(actor), str(beneficiary)) for actor, beneficiary in rows)


def acts_since(connection: Connection, ledger_id: int, actor: str, steps: Collection[str], since: int) -> int:
    """How many such steps somebody has taken since `since` (microseconds UTC)."""
    t = record_steps.c
    query = select(func.count()).where(
        t.ledger_id == ledger_id, t.person_id == actor, t.at >= since, t.step.in_(steps)
    )
    return int(connection.execute(query).scalar_one())


class Loaded(msgspec.Struct, frozen=True):
    """Everything that a batch is judged on, from one snapshot."""

    records: dict[str, Filed]
    people: dict[str, Volunteer]
    versions: dict[str, int]
    used: Counter[tuple[str, date | int]]
    sums: Sums
    credited: frozenset[tuple[str, str]]
    acts: int


def loaded_records(
    connection: Connection, ledger_id: int, ids: Sequence[str], actor: str, since: int, hour_ago: int
) -> Loaded:
    """Records with everything that verifying them asks for. `since` bounds who credited whom, `hour_ago` the velocity."""
    by_index(connection)
    records = filed_records(connection, ledger_id, ids, whole_steps=False)
    people = volunteers_by_id(connection, ledger_id, {r.person_id for r in records.values()})
    subjects = {subject for r in records.values() for subject in subjects_of(r, people)}
    return Loaded(
        records,
        people,
        versions_of(connection, ledger_id, subjects),
        used_minutes(connection, ledger_id, people),
        sums_of(
            connection,
            ledger_id,
            {r.activity_id for r in records.values()},
            {(r.recorder, r.submitted_on) for r in records.values()},
            {(r.person_id, r.week) for r in records.values()},
        ),
        credited_since(connection, ledger_id, people, since),
        acts_since(connection, ledger_id, actor, ("verified", "approved"), hour_ago),
    )


@lru_cache(maxsize=4096)
def limit_subjects(activity_id: str, recorder: str) -> tuple[str, ...]:
    """What submitting touches besides the volunteer, so that two uploads cannot each stay under a limit."""
    of_activity = (f"activity:{activity_id}",) if activity_id else ()
    return (*of_activity, f"recorder:{recorder}")


def subjects_of(record: Filed, people: Mapping[str, Volunteer]) -> tuple[str, ...]:
    """The subjects on which the verification of a record rests, the volunteer's first."""
    person = people.get(record.person_id)
    own = (person.subject,) if person is not None else ()
    return (*own, *limit_subjects(record.activity_id, record.recorder))


def record_of_entry(
    connection: Connection, ledger_id: int, sequence: int
) -> tuple[str, str, str, int, int] | None:
    """Record, person, state, the entry of its release, and how many steps its life has had."""
    t, step = service_records.c, record_steps.c
    row = connection.execute(
        select(t.record_id, t.volunteer, t.state, t.released_by).where(
            t.ledger_id == ledger_id, t.sequence == sequence, t.sequence > 0
        )
    ).first()
    if row is None:
        return None
    counted = select(func.count()).where(step.ledger_id == ledger_id, step.record_id == row.record_id)
    return (*row, int(connection.execute(counted).scalar_one()))
