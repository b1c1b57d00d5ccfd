"""What the rules ask of the bank, loaded for many lines at once and carried forward line by line."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, select

from pointsbank.hours.model import Interval, Judgement
from pointsbank.hours.postings import FIELD_SEPARATOR
from pointsbank.hours.tables import service_records
from pointsbank.people import volunteers
from pointsbank.people.volunteers import Volunteer, chunks
from pointsbank.places.stations import Station
from pointsbank.policy.calendar import local_minute
from pointsbank.store.tables import subjects


class HoursDesk:
    """The desk at which records are judged: a `HoursContext` over what is on file, and what was judged since."""

    def __init__(self, known_stations: dict[str, Station]) -> None:
        self.stations = known_stations
        self.people: dict[str, Volunteer | None] = {}
        self.contents: dict[str, tuple[str, ...] | None] = {}
        self.versions: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._intervals: dict[str, list[Interval]] = {}
        self._minutes: dict[str, Counter[date | int]] = {}

    # HoursContext

    def content_of(self, record_id: str) -> tuple[str, ...] | None:
        return self.contents[record_id]

    def born(self, volunteer: str) -> date | None:
        person = self.people[volunteer]
        return person.born if person else None

    def knows_station(self, station: str) -> bool:
        return station in self.stations

    def accepted_intervals(self, volunteer: str) -> list[Interval]:
        return self._intervals.get(volunteer, [])

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        return self._used(volunteer)[day]

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        return self._used(volunteer)[year]

    def _used(self, volunteer: str) -> Counter[date | int]:
        return self._minutes.setdefault(volunteer, Counter())

    # carrying forward

    def take(self, fields: tuple[str, ...], judgement: Judgement, start_minute: int, end_minute: int) -> None:
        """Remember a line that took its id, so that the next line is judged after it."""
        self.contents[fields[0]] = fields
        if judgement.verdict == "accepted" and judgement.day is not None:
            volunteer = fields[1]
            insort(self._intervals.setdefault(volunteer, []), (start_minute, end_minute))
            used = self._used(volunteer)
            used[judgement.day] += judgement.creditable_minutes
            used[judgement.year] += judgement.creditable_minutes
            self.versions[volunteer] += 1

    def forget(self, lines: Iterable[tuple[str, ...]]) -> None:
        """Forget what was carried forward for these lines: they were not written after all."""
        for fields in lines:
            self.contents.pop(fields[0], None)
            if len(fields) > 1:
                self.people.pop(fields[1], None)

    def lacks(self, lines: Iterable[tuple[str, ...]]) -> tuple[set[str], dict[str, int]]:
        """Record ids that are not loaded yet, and volunteer numbers with the minute from which they are needed."""
        ids: set[str] = set()
        numbers: dict[str, int] = {}
        for fields in lines:
            if fields[0] not in self.contents:
                ids.add(fields[0])
            if len(fields) > 6:
                number, since = fields[1], _start_of_year(fields[6])
                if number not in self.people or since < self._since.get(number, since):
                    numbers[number] = min(since, numbers.get(number, since))
        return ids, numbers

    def load(self, connection: Connection, ledger_id: int, ids: set[str], numbers: dict[str, int]) -> None:
        """Load record ids, and volunteers with what was accepted of them from the given minutes on."""
        self.contents |= dict.fromkeys(ids)
        self.people |= dict.fromkeys(numbers)
        for number, since in numbers.items():
            self._since[number] = since
            self._intervals.pop(number, None)
            self._minutes.pop(number, None)
        t = service_records.c
        for chunk in chunks(sorted(ids), 500):
            rows = connection.execute(
                select(t.record_id, t.fields).where(t.ledger_id == ledger_id, t.record_id.in_(chunk))
            )
            self.contents |= {record_id: tuple(text.split(FIELD_SEPARATOR)) for record_id, text in rows}
        self.people |= volunteers.by_number(connection, ledger_id, numbers)
        known = [number for number in sorted(numbers) if self.people[number]]
        for chunk in chunks(known, 500):
            self._load_versions(connection, ledger_id, chunk)
            self._load_accepted(connection, ledger_id, chunk)

    def _load_versions(self, connection: Connection, ledger_id: int, numbers: Sequence[str]) -> None:
        people = [person for number in numbers if (person := self.people[number]) is not None]
        t = subjects.c
        rows = connection.execute(
            select(t.subject, t.version).where(
                t.ledger_id == ledger_id, t.subject.in_([person.subject for person in people])
            )
        )
        versions: dict[str, int] = {subject: version for subject, version in rows}
        for person in people:
            self.versions[person.number] = versions.get(person.subject, 0)

    def _load_accepted(self, connection: Connection, ledger_id: int, numbers: Sequence[str]) -> None:
        t = service_records.c
        rows = connection.execute(
            select(t.volunteer, t.start_minute, t.end_minute, t.day, t.creditable).where(
                t.ledger_id == ledger_id, t.volunteer.in_(list(numbers)), t.state.in_(("pending", "credited")),
                t.start_minute >= min(self._since[number] for number in numbers),
            )
        )
        for volunteer, start_minute, end_minute, day_text, creditable in rows:
            day = date.fromisoformat(day_text)
            insort(self._intervals.setdefault(volunteer, []), (start_minute, end_minute))
            used = self._used(volunteer)
            used[day] += creditable
            used[day.year] += creditable


MARGIN = 8 * 24 * 60
"""Minutes before a year's first day from which records are looked at: longer than any session."""


def _start_of_year(session_start: str) -> int:
    """The local minute from which a record with this session start must know its neighbours."""
    first = local_minute(session_start[:4] + "-01-01 00:00")
    return 0 if first is None else first - MARGIN
