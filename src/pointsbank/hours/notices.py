"""The public notice 公示: who served, masked, with which team, at what, how long; gone when the notice has ended.

A line is numbered within its list only: no number of it leads to a record or a person. Of a child under 14 no name is
shown. Whoever prints or answers the list sees to it that no search engine keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.registry import Ledger
from pointsbank.hours.tables import record_trails, service_records
from pointsbank.intake.lines import parts_of
from pointsbank.people.identity import GUARDED_AGE
from pointsbank.places.membership import groups_of
from pointsbank.places.tree import places_by_id
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, completed_years

NO_NAME: Final = "志愿者"
"""Who has no name on file here."""
CHILD: Final = "少年志愿者"
MOST_LINES: Final = 2000
NO_INDEX: Final = "noindex, nofollow, noarchive"
"""What a list is sent with, as `X-Robots-Tag`."""


class Names(Protocol):
    """Whom the register of people knows: masked names, and birth dates for the rules of age."""

    async def masked_names(self, person_ids: Iterable[str]) -> Mapping[str, str]:
        """张*明, by person; who is not on file is not in the answer."""
        ...

    async def birth_dates(self, person_ids: Iterable[str]) -> Mapping[str, date]:
        """Birth dates by person."""
        ...


class NoNames:
    """Where there is no register: then nobody is named."""

    async def masked_names(self, person_ids: Iterable[str]) -> Mapping[str, str]:
        """Nobody."""
        return {}

    async def birth_dates(self, person_ids: Iterable[str]) -> Mapping[str, date]:
        """Nobody."""
        return {}


class NoticeLine(msgspec.Struct, frozen=True):
    """A line of a public notice. `line` numbers this list only; `until` is the last day of the notice."""

    line: int
    name: str
    team: str
    activity: str
    minutes: int
    until: str


class PublicNotice(msgspec.Struct, frozen=True):
    """What stands on notice on a day, of one station or of all. `complete` is false if there is more."""

    day: str
    lines: list[NoticeLine]
    complete: bool


class _Row(msgspec.Struct, frozen=True):
    person_id: str
    activity: str
    day: str
    minutes: int
    until: str
    team: str


class Notices:
    """Answers what stands on public notice today."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, names: Names | None = None) -> None:
        self._ledger = ledger
        self._names = names or NoNames()
        self._zone = policies.policies[-1].timezone

    async def today(self, station: str = "", limit: int = MOST_LINES) -> PublicNotice:
        """The list of today. What ended yesterday at midnight is not on it, released or not."""
        today = city_day(self._ledger.writer.clock.now(), self._zone)
        rows = await self._ledger.database.read(_on_notice, self._ledger.id, station, today, limit + 1)
        people = sorted({row.person_id for row in rows})
        names, born = await self._names.masked_names(people), await self._names.birth_dates(people)
        lines = [
            NoticeLine(number, _shown(row, names, born), row.team, row.activity, row.minutes, row.until)
            for number, row in enumerate(rows[:limit], 1)
        ]
        return PublicNotice(today.isoformat(), lines, len(rows) <= limit)


def _shown(row: _Row, names: Mapping[str, str], born: Mapping[str, date]) -> str:
    """The name as it may be shown: of nobody who was a child on the service date, or whose age is not known."""
    birth = born.get(row.person_id)
    if birth is None:
        return NO_NAME
    is_child = completed_years(birth, date.fromisoformat(row.day)) < GUARDED_AGE
    return CHILD if is_child else names.get(row.person_id, NO_NAME)


def _on_notice(connection: Connection, ledger_id: int, station: str, today: date, limit: int) -> list[_Row]:
    record, trail = service_records.c, record_trails.c
    query = (
        select(trail.person_id, record.fields, record.day, record.minutes, record.available_on)
        .select_from(
            service_records.join(
                record_trails, (trail.ledger_id == record.ledger_id) & (trail.record_id == record.record_id)
            )
        )
        .where(
            record.ledger_id == ledger_id,
            record.state == "pending",
            record.available_on > today.isoformat(),
        )
        .order_by(record.available_on, record.record_id)
        .limit(limit)
    )
    if station:
        query = query.where(record.station == station)
    found = connection.execute(query).all()
    teams = _teams(connection, ledger_id, [(row.person_id, row.day) for row in found])
    return [
        _Row(
            person,
            parts_of(fields)[3],
            day,
            minutes,
            (date.fromisoformat(free_on) - timedelta(days=1)).isoformat(),
            teams.get((person, day), ""),
        )
        for person, fields, day, minutes, free_on in found
    ]


def _teams(
    connection: Connection, ledger_id: int, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The team of each person on a service date; of several the first by name."""
    found: dict[tuple[str, str], str] = {}
    for text in sorted({day for _, day in wanted}):
        day = date.fromisoformat(text)
        people = {person for person, on in wanted if on == text}
        groups = groups_of(connection, ledger_id, people, day)
        teams = {person: {g for kind, g in of if kind == "team"} for person, of in groups.items()}
        ids = {group for of in teams.values() for group in of}
        named = places_by_id(connection, ledger_id, ids, day)
        for person, of in teams.items():
            names = sorted(named[group].name for group in of if group in named)
            if names:
                found[person, text] = names[0]
    return found
