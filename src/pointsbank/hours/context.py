"""What the rules ask of the bank, loaded for many lines at once and carried forward line by line."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, select

from pointsbank.hours.model import HOLDING, Interval, Judgement, RecordFields, ServiceRecord
from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import filed_id, kept_text, parts_of
from pointsbank.people import volunteers
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import StationDays, station_days
from pointsbank.policy.calendar import day_of_minute, local_minute
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import subjects


class Lacking:
    """What a desk must load before it judges some records."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.numbers: dict[str, int] = {}
        """Volunteer numbers, with the minute from which their records are needed."""
        self.codes: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.ids or self.numbers or self.codes)


class HoursDesk:
    """The desk at which records are judged: a `HoursContext` over what is on file, and what was judged since.

    `longest_session` in minutes: how far back the records of a year may reach into the year before.
    """

    def __init__(self, longest_session: int) -> None:
        self.people: dict[str, Volunteer | None] = {}
        self.versions: dict[str, int] = {}
        self._longest_session = longest_session
        self._years: dict[str, int] = {}
        self._stations: dict[str, StationDays] = {}
        self._contents: dict[str, str | None] = {}
        self._since: dict[str, int] = {}
        self._intervals: defaultdict[str, list[Interval]] = defaultdict(list)
        self._minutes: defaultdict[str, Counter[date | int]] = defaultdict(Counter)

    # HoursContext

    def content_of(self, record_id: str) -> tuple[str, ...] | None:
        text = self._contents[record_id]
        return None if text is None else parts_of(text)

    def born(self, volunteer: str) -> date | None:
        person = self.people[volunteer]
        return person.born if person else None

    def knows_station(self, station: str, day: str) -> bool:
        known = self._stations.get(station)
        return known is not None and known.is_open(day)

    def accepted_intervals(self, volunteer: str) -> list[Interval]:
        return self._intervals.get(volunteer, [])

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        used = self._minutes.get(volunteer)
        return used[day] if used is not None else 0

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        used = self._minutes.get(volunteer)
        return used[year] if used is not None else 0

    # carrying forward

    def take(self, record: ServiceRecord, judgement: Judgement) -> None:
        """Remember a record that took its id, so that the next one is judged after it."""
        fields = record.fields
        self._contents[fields.record_id] = kept_text(fields)
        if judgement.verdict in ("accepted", "submitted"):
            day = day_of_minute(record.session_start)
            self._use(fields.volunteer, (record.start, record.end), day, judgement.creditable_minutes)
            self.versions[fields.volunteer] += 1

    def _use(self, volunteer: str, interval: Interval, day: date, creditable: int) -> None:
        insort(self._intervals[volunteer], interval)
        used = self._minutes[volunteer]
        used[day] += creditable
        used[day.year] += creditable

    # loading

    @property
    def size(self) -> int:
        """How many records the desk remembers: it is left for a new one when they grow too many."""
        return len(self._contents)

    def lacks(self, records: Iterable[RecordFields]) -> Lacking:
        """What must be loaded for these records. What was not there may have come since: it is looked for again."""
        lacking = Lacking()
        for fields in records:
            if fields.record_id not in self._contents:
                lacking.ids.add(fields.record_id)
            if fields.station not in self._stations:
                lacking.codes.add(fields.station)
            number, since = fields.volunteer, self._needed_since(fields.session_start)
            if self.people.get(number) is None or since < self._since[number]:
                lacking.numbers[number] = min(since, lacking.numbers.get(number, since))
        return lacking

    def goes_back(self, records: Iterable[RecordFields]) -> bool:
        """Whether known volunteers must be loaded anew, and so everything judged of them must be on file."""
        return any(
            self.people.get(fields.volunteer) is not None
            and self._needed_since(fields.session_start) < self._since[fields.volunteer]
            for fields in records
        )

    def _needed_since(self, session_start: str) -> int:
        """The local minute from which a record with this session start must know its neighbours."""
        year = session_start[:4]
        since = self._years.get(year)
        if since is None:
            first = local_minute(year + "-01-01 00:00")
            assert first is not None, "a well-formed record has a date"
            since = self._years[year] = first - self._longest_session
        return since

    def load(self, connection: Connection, ledger_id: int, lacking: Lacking) -> None:
        """Load records by id, and volunteers with what was accepted of them, from one snapshot."""
        self._load_contents(connection, ledger_id, lacking.ids)
        if lacking.codes:
            filed = {filed_id(code): code for code in lacking.codes}
            found = station_days(connection, ledger_id, filed)
            self._stations |= {filed[code]: station for code, station in found.items()}
        numbers = lacking.numbers
        filed = {filed_id(number): number for number in numbers}
        self.people |= dict.fromkeys(numbers)
        self.people |= {
            filed[n]: person for n, person in volunteers.by_number(connection, ledger_id, filed).items()
        }
        for number, since in numbers.items():
            self._since[number] = since
            self._intervals.pop(number, None)
            self._minutes.pop(number, None)
        known = {filed_id(number): number for number in numbers if self.people[number] is not None}
        if known:
            self._load_versions(connection, ledger_id, list(known.values()))
            self._load_accepted(connection, ledger_id, known)

    def _load_contents(self, connection: Connection, ledger_id: int, ids: set[str]) -> None:
        self._contents |= dict.fromkeys(ids)
        filed = {filed_id(record_id): record_id for record_id in ids}
        t = service_records.c
        rows = fetched(
            connection,
            select(t.record_id, t.fields).where(
                t.ledger_id == ledger_id, is_one_of(connection, t.record_id, filed)
            ),
        )
        self._contents |= {filed[record_id]: text for record_id, text in rows}

    def _load_versions(self, connection: Connection, ledger_id: int, numbers: Sequence[str]) -> None:
        people = [(number, person) for number in numbers if (person := self.people[number]) is not None]
        t = subjects.c
        rows = fetched(
            connection,
            select(t.subject, t.version).where(
                t.ledger_id == ledger_id,
                is_one_of(connection, t.subject, [person.subject for _, person in people]),
            ),
        )
        versions = {row[0]: row[1] for row in rows}
        for number, person in people:
            self.versions[number] = versions.get(person.subject, 0)

    def _load_accepted(self, connection: Connection, ledger_id: int, numbers: dict[str, str]) -> None:
        t = service_records.c
        rows = fetched(
            connection,
            select(t.volunteer, t.start_minute, t.end_minute, t.day, t.creditable).where(
                t.ledger_id == ledger_id,
                is_one_of(connection, t.volunteer, numbers),
                t.state.in_(HOLDING),
                t.start_minute >= min(self._since[number] for number in numbers.values()),
            ),
        )
        for volunteer, start, end, day, creditable in rows:
            self._use(numbers[volunteer], (start, end), date.fromisoformat(day), creditable)
