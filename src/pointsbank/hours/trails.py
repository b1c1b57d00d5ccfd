"""Records with their trails, loaded for many at once: what submitting, verifying and deciding are judged on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import force_setattr
from sqlalchemy import BigInteger, Connection, Select, Text, bindparam, cast, func, select

from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.hours.four_eyes import Line
from pointsbank.hours.model import BOOKED, HOLDING, Interval
from pointsbank.hours.tables import objections, record_steps, record_trails, service_records
from pointsbank.people.volunteers import Volunteer
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.questions import LEDGER, OneOf, Question, by_index

ACTS: Final = ("submitted", "verified", "approved")
"""Steps by which somebody acts for the beneficiary of a record."""


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step of a record's life. `at` is the server's clock, microseconds UTC.

    Judging many records asks for no more of a step than the first three; the rest is empty there."""

    number: int
    step: str
    person_id: str
    record_id: str = ""
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


_record, _trail, _step, _objection = service_records.c, record_trails.c, record_steps.c, objections.c
_OF_ONE: Final = (_record.ledger_id == _trail.ledger_id) & (_record.record_id == _trail.record_id)
_FILED: Final = Question(
    lambda one_of: (
        select(
            *(_record[name] for name in _OF_RECORD),
            one_of.in_hex(_record.salt).label("salt"),
            *(_trail[name] for name in _OF_TRAIL),
        )
        .select_from(record_trails.join(service_records, _OF_ONE))
        .where(_trail.ledger_id == LEDGER, one_of(_trail.record_id, "ids"))
    )
)
_STEPS: Final = Question(
    lambda one_of: select(
        _step.number, _step.step, _step.person_id, _step.record_id, _step.at, _step.place, _step.device, _step.reason
    ).where(_step.ledger_id == LEDGER, one_of(_step.record_id, "ids"))
)  # fmt: skip
_WITHIN: Final = "\x1f"
_BETWEEN: Final = "\x1e"
_HANDS: Final = Question(
    lambda one_of: (
        select(
            _step.record_id,
            func.aggregate_strings(
                cast(_step.number, Text) + _WITHIN + _step.step + _WITHIN + _step.person_id, _BETWEEN
            ).label("hands"),
        )
        .where(_step.ledger_id == LEDGER, one_of(_step.record_id, "ids"))
        .group_by(_step.record_id)
    )
)
_OBJECTORS: Final = Question(
    lambda one_of: select(_objection.record_id, _objection.objector).where(
        _objection.ledger_id == LEDGER, one_of(_objection.record_id, "ids")
    )
)


def filed_records(
    connection: Connection, ledger_id: int, ids: Iterable[str], *, whole_steps: bool = True
) -> dict[str, Filed]:
    """Records by id, with their steps and objectors. Those without a trail are not of this way of life."""
    wanted = list(ids)
    rows = _FILED.fetched_as(connection, ledger_id, Filed, ids=wanted)
    found = {record.record_id: record for record in rows}
    steps = (_steps if whole_steps else _hands)(connection, ledger_id, wanted)
    objectors = _objectors(connection, ledger_id, wanted)
    for id_, filed in found.items():  # nobody has seen them yet
        force_setattr(filed, "steps", tuple(steps.get(id_, ())))
        if id_ in objectors:
            force_setattr(filed, "objectors", frozenset(objectors[id_]))
    return found


def _steps(connection: Connection, ledger_id: int, ids: Sequence[str]) -> Mapping[str, Sequence[Step]]:
    found: dict[str, list[Step]] = {}
    for step in sorted(_STEPS.fetched_as(connection, ledger_id, Step, ids=ids), key=attrgetter("number")):
        found.setdefault(step.record_id, []).append(step)
    return found


def _hands(connection: Connection, ledger_id: int, ids: Sequence[str]) -> Mapping[str, Sequence[Step]]:
    """Steps without more than who took them: one row a record, not three and more."""
    return {str(id_): _taken(str(hands)) for id_, hands in _HANDS.fetched(connection, ledger_id, ids=ids)}


@lru_cache(maxsize=4096)  # the people of a session are noted by the same hands
def _taken(hands: str) -> tuple[Step, ...]:
    steps = [step.split(_WITHIN) for step in hands.split(_BETWEEN)]
    return tuple(
        sorted((Step(int(number), step, who) for number, step, who in steps), key=attrgetter("number"))
    )


def _objectors(connection: Connection, ledger_id: int, ids: Sequence[str]) -> dict[str, set[str]]:
    rows = _OBJECTORS.fetched(connection, ledger_id, ids=ids)
    found: dict[str, set[str]] = {}
    for id_, objector in rows:
        found.setdefault(str(id_), set()).add(str(objector))
    return found


class _Summing(NamedTuple):
    """Minutes summed by some columns of the trails."""

    held: Question
    """Of records that hold their interval."""
    all: Question
    """Of all records: never less, and asked of one table."""

    @classmethod
    def by(cls, *columns: tuple[Any, str]) -> _Summing:
        """Sums by these columns, each with the name of the list of its values."""

        def written(one_of: OneOf, *, held: bool) -> Select[Any]:
            names = [column for column, _ in columns]
            query = select(*names, func.sum(_trail.minutes).label("minutes")).where(
                _trail.ledger_id == LEDGER, *(one_of(column, name) for column, name in columns)
            )
            if held:
                query = query.join(service_records, _OF_ONE).where(_record.state.in_(HOLDING))
            least = bindparam("at_least", type_=BigInteger)
            return query.group_by(*names).having(func.sum(_trail.minutes) >= least)

        return cls(
            Question(lambda one_of: written(one_of, held=True)),
            Question(lambda one_of: written(one_of, held=False)),
        )

    def rows(
        self, connection: Connection, ledger_id: int, at_least: int, **lists: Collection[str]
    ) -> Sequence[Sequence[Any]]:
        """Values and minutes, where they are `at_least` so many."""
        if not all(lists.values()):
            return []
        if at_least and not self.all.fetched(connection, ledger_id, at_least=at_least, **lists):
            return []
        return self.held.fetched(connection, ledger_id, at_least=at_least, **lists)


_BY_ACTIVITY: Final = _Summing.by((_trail.activity_id, "activities"))
_BY_RECORDER: Final = _Summing.by((_trail.recorder, "recorders"), (_trail.submitted_on, "days"))
_BY_WEEK: Final = _Summing.by((_trail.person_id, "people"), (_trail.week, "weeks"))


def sums_of(
    connection: Connection,
    ledger_id: int,
    activities: Collection[str],
    recorders: Collection[tuple[str, str]],
    weeks: Collection[tuple[str, str]],
    *,
    at_least: int = 0,
) -> Sums:
    """The sums of minutes that a limit may ask for. `recorders` with the day, `weeks` with the person.

    Sums under `at_least` are not told: they count as nothing.
    """
    sums = Sums(Counter(), Counter(), Counter())
    for activity, minutes in _BY_ACTIVITY.rows(connection, ledger_id, at_least, activities=activities):
        sums.activity[str(activity)] = int(minutes)
    names, days = {name for name, _ in recorders}, {day for _, day in recorders}
    for recorder, day, minutes in _BY_RECORDER.rows(
        connection, ledger_id, at_least, recorders=names, days=days
    ):
        sums.recorder[str(recorder), str(day)] = int(minutes)
    people, mondays = {person for person, _ in weeks}, {week for _, week in weeks}
    for person, week, minutes in _BY_WEEK.rows(connection, ledger_id, at_least, people=people, weeks=mondays):
        sums.week[str(person), str(week)] = int(minutes)
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


_USED: Final = Question(
    lambda one_of: (
        select(_record.volunteer, _record.day, func.sum(_record.creditable).label("used"))
        .where(
            _record.ledger_id == LEDGER,
            one_of(_record.volunteer, "people"),
            _record.state.in_(BOOKED),
            _record.creditable > 0,
        )
        .group_by(_record.volunteer, _record.day)
    )
)


def used_minutes(
    connection: Connection, ledger_id: int, people: Mapping[str, Volunteer]
) -> Counter[tuple[str, date | int]]:
    """Creditable minutes that these people have used up, by person and day and by person and year."""
    rows = _USED.fetched(connection, ledger_id, people=people)
    used: Counter[tuple[str, date | int]] = Counter()
    for row_person, text, minutes in rows:
        person, day = str(row_person), date.fromisoformat(str(text))
        used[person, day] += int(minutes or 0)
        used[person, day.year] += int(minutes or 0)
    return used


_CREDITED: Final = Question(
    lambda one_of: (
        select(_step.person_id.label("actor"), _trail.person_id.label("beneficiary"))
        .select_from(
            record_steps.join(
                record_trails, (_trail.ledger_id == _step.ledger_id) & (_trail.record_id == _step.record_id)
            )
        )
        .where(
            _step.ledger_id == LEDGER,
            one_of(_step.person_id, "actors"),
            _step.at >= bindparam("since", type_=BigInteger),
            _step.step.in_(ACTS),
        )
        .distinct()
    )
)
_ACTS: Final = Question(
    lambda one_of: select(func.count().label("acts")).where(
        _step.ledger_id == LEDGER,
        _step.person_id == bindparam("actor", type_=Text),
        _step.at >= bindparam("since", type_=BigInteger),
        one_of(_step.step, "steps"),
    )
)


def credited_since(
    connection: Connection, ledger_id: int, actors: Iterable[str], since: int
) -> frozenset[tuple[str, str]]:
    """(actor, beneficiary): for whom these people have recorded or verified since `since` (microseconds UTC)."""
    rows = _CREDITED.fetched(connection, ledger_id, actors=actors, since=since)
    return frozenset((str(actor), str(beneficiary)) for actor, beneficiary in rows)


def acts_since(connection: Connection, ledger_id: int, actor: str, steps: Collection[str], since: int) -> int:
    """How many such steps somebody has taken since `since` (microseconds UTC)."""
    return int(_ACTS.rows(connection, ledger_id, actor=actor, since=since, steps=steps)[0][0])


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
    connection: Connection,
    ledger_id: int,
    ids: Sequence[str],
    actor: str,
    since: int,
    hour_ago: int,
    sums_from: int,
) -> Loaded:
    """Records with everything that verifying them asks for. `since` bounds who credited whom, `hour_ago` the velocity;
    sums under `sums_from` minutes are not told."""
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
            at_least=sums_from,
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
