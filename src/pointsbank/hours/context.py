"""What the rules ask of the bank, loaded for many lines at once and carried forward line by line."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, select

from pointsbank.engine.registry import Ledger
from pointsbank.hours.holding import Held, load_held
from pointsbank.hours.model import HOLDING, HoursVerdict, Interval, RecordFields, ServiceRecord
from pointsbank.hours.postings import hidden_text
from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import filed_id, kept_text
from pointsbank.people.directory import Directory
from pointsbank.people.merged import groups
from pointsbank.people.volunteers import Volunteer, registered
from pointsbank.places.stations import StationDays, station_days
from pointsbank.policy.calendar import local_minute
from pointsbank.store.lists import fetched, in_hex, is_one_of
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

    def __init__(self, longest_session: int, directory: Directory, held: Held | None = None) -> None:
        self.people: dict[str, Volunteer | None] = {}
        """By number; what is known of them is by id: two numbers may be one person's."""
        self.versions: dict[str, int] = {}
        self._longest_session = longest_session
        self.directory = directory
        self.held = held
        """What people hold, where records are accepted here and something caps it."""
        self._years: dict[str, int] = {}
        self._stations: dict[str, StationDays] = {}
        self._contents: dict[str, bytes | None] = {}
        """Fingerprints by record id."""
        self._since: dict[str, int] = {}
        self._intervals: defaultdict[str, list[Interval]] = defaultdict(list)
        self._minutes: defaultdict[str, Counter[date | int]] = defaultdict(Counter)

    # HoursContext

    def is_repeated(self, fields: RecordFields) -> bool | None:
        first = self._contents[fields.record_id]
        return None if first is None else first == self.fingerprint(fields)

    def born(self, volunteer: str) -> date | None:
        person = self.people[volunteer]
        # of whom no birth date is on file is old enough for nothing
        return None if person is None else person.born or date.max

    def knows_station(self, station: str, day: str) -> bool:
        known = self._stations.get(station)
        return known is not None and known.is_open(day)

    def accepted_intervals(self, volunteer: str) -> list[Interval]:
        return self._intervals.get(self._id(volunteer), [])

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        used = self._minutes.get(self._id(volunteer))
        return used[day] if used is not None else 0

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        used = self._minutes.get(self._id(volunteer))
        return used[year] if used is not None else 0

    def _id(self, number: str) -> str:
        person = self.people[number]
        return person.id if person is not None else ""

    # carrying forward

    def fingerprint(self, fields: tuple[str, ...]) -> bytes:
        """The keyed hash of a line, by which a repetition is told."""
        return self.directory.request("record", kept_text(fields))

    def sealed(self, fields: RecordFields, nonce: bytes, *, refused: bool) -> bytes:
        """What of a line documents do not show, under the key of its volunteer, or nobody's."""
        what = f"record {filed_id(fields.record_id)}"
        hidden = hidden_text(fields, refused=refused)
        return self.directory.seal(self.people[fields.volunteer], what, hidden, nonce)

    def take(self, record: ServiceRecord, verdict: HoursVerdict, fingerprint: bytes) -> None:
        """Remember a record that took its id, so that the next one is judged after it."""
        fields = record.fields
        self._contents[fields.record_id] = fingerprint
        if verdict == "submitted":
            person = self._id(fields.volunteer)
            insort(self._intervals[person], (record.start, record.end))
            self.versions[person] += 1

    def used(self, person: str, day: date) -> tuple[int, int]:
        """Creditable minutes that somebody, by id, has used up on the day and in its year."""
        minutes = self._minutes.get(person)
        return (minutes[day], minutes[day.year]) if minutes is not None else (0, 0)

    def accept(self, person: str, day: date, creditable: int) -> None:
        """Remember that a record that was submitted is accepted: now it uses up the caps."""
        self._use(person, day, creditable)
        self.versions[person] += 1

    def _use(self, person: str, day: date, creditable: int) -> None:
        used = self._minutes[person]
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
            person = self.people.get(number)
            if person is None or since < self._since[person.id]:
                lacking.numbers[number] = min(since, lacking.numbers.get(number, since))
        return lacking

    def goes_back(self, records: Iterable[RecordFields]) -> bool:
        """Whether known volunteers must be loaded anew, and so everything judged of them must be on file."""
        return any(
            (person := self.people.get(fields.volunteer)) is not None
            and self._needed_since(fields.session_start) < self._since[person.id]
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

    async def make_ready(self, ledger: Ledger, records: Sequence[RecordFields]) -> None:
        """Load what is lacking for these records. Whose account was closed meanwhile is nobody any more."""
        people: Mapping[str, Volunteer] = {}
        if not self.directory.remembers:
            people = await self.directory.by_number({fields.volunteer for fields in records})
            for number in {fields.volunteer for fields in records} - people.keys():
                self.people.pop(number, None)
        lacking = self.lacks(records)
        if lacking.numbers and self.directory.remembers:
            people = await self.directory.by_number(lacking.numbers)
        if lacking:
            known = {number: people[number] for number in lacking.numbers if number in people}
            await ledger.database.read(self.load, ledger.id, lacking, known)

    def load(
        self, connection: Connection, ledger_id: int, lacking: Lacking, known: Mapping[str, Volunteer]
    ) -> None:
        """Load records by id, and volunteers with what was accepted of them, from one snapshot.

        `known` are those whom the people store knows under the numbers that are lacking.
        """
        self._load_contents(connection, ledger_id, lacking.ids)
        if lacking.codes:
            filed = {filed_id(code): code for code in lacking.codes}
            found = station_days(connection, ledger_id, filed)
            self._stations |= {filed[code]: station for code, station in found.items()}
        self.people |= dict.fromkeys(lacking.numbers)
        ours = registered(connection, ledger_id, {person.id for person in known.values()}) if known else set()
        loaded: dict[str, int] = {}
        for number, person in known.items():
            if person.id in ours:
                self.people[number] = person
                since = lacking.numbers[number]
                loaded[person.id] = min(
                    since, loaded.get(person.id, since), self._since.get(person.id, since)
                )
        for person_id, since in loaded.items():
            self._since[person_id] = since
            self._intervals.pop(person_id, None)
            self._minutes.pop(person_id, None)
        if loaded:
            self._load_versions(connection, ledger_id, loaded)
            self._load_accepted(connection, ledger_id, loaded)
        if loaded and self.held is not None:
            self.held.forget(loaded)
            load_held(connection, ledger_id, loaded, self.held)

    def _load_contents(self, connection: Connection, ledger_id: int, ids: set[str]) -> None:
        self._contents |= dict.fromkeys(ids)
        filed = {filed_id(record_id): record_id for record_id in ids}
        t = service_records.c
        rows = fetched(
            connection,
            select(t.record_id, in_hex(connection.dialect.name, t.fingerprint)).where(
                t.ledger_id == ledger_id, is_one_of(connection, t.record_id, filed)
            ),
        )
        self._contents |= {filed[record_id]: bytes.fromhex(text) for record_id, text in rows}

    def _load_versions(self, connection: Connection, ledger_id: int, people: Iterable[str]) -> None:
        of = {Volunteer(person).subject: person for person in people}
        t = subjects.c
        rows = fetched(
            connection,
            select(t.subject, t.version).where(
                t.ledger_id == ledger_id, is_one_of(connection, t.subject, of)
            ),
        )
        self.versions |= dict.fromkeys(of.values(), 0) | {of[subject]: version for subject, version in rows}

    def _load_accepted(self, connection: Connection, ledger_id: int, since: Mapping[str, int]) -> None:
        """What is held, under whatever id of a merged person, counts against who goes on."""
        t = service_records.c
        shared = groups(connection, ledger_id, since)
        goes_on = dict.fromkeys(since) | {old: one for one, ids in shared.items() for old in ids}
        rows = fetched(
            connection,
            select(t.volunteer, t.start_minute, t.end_minute, t.day, t.creditable).where(
                t.ledger_id == ledger_id,
                is_one_of(connection, t.volunteer, goes_on),
                t.state.in_(HOLDING),
                t.start_minute >= min(since.values()),
            ),
        )
        for person, start, end, day, creditable in rows:
            root = goes_on[person] or person
            insort(self._intervals[root], (start, end))
            self._use(root, date.fromisoformat(day), creditable)
