"""Nouns of service hours: the record as it came in, the record as it was read, and what was judged of it."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal, NamedTuple, Protocol, get_args

from msgspec import Struct

HoursVerdict = Literal[
    "malformed",
    "duplicate",
    "conflict",
    "unknown_volunteer",
    "unknown_station",
    "unknown_category",
    "session_invalid",
    "recorded_early",
    "recorded_late",
    "self_recorded",
    "attendance_invalid",
    "outside_session",
    "under_age",
    "overlap",
    "accepted",
    "unknown_activity",
    "late_needs_reason",
    "same_household",
    "reciprocal",
    "submitted",
    "companion_missing",
    "consent_missing",
    "training_missing",
    "insurance_missing",
    "evidence_missing",
]
ALL_VERDICTS: Final[tuple[HoursVerdict, ...]] = get_args(HoursVerdict)
HOURS_VERDICTS: Final = ALL_VERDICTS[:15]
"""The verdicts of a data set, in the order of the rules that give them; the others only a policy with safeguards gives."""

HOLDING: Final = ("submitted", "checked", "pending", "objected", "credited")
"""States of a record that hold its interval; all others have given it back."""
BOOKED: Final = ("pending", "objected", "credited")
"""States in which merit and points stand in the books."""

Interval = tuple[int, int]
"""Local minutes, half-open: the second minute is no longer part of it."""


class RecordFields(NamedTuple):
    """The 13 columns of a service record, normalised."""

    record_id: str
    volunteer: str
    activity: str
    activity_name: str
    category: str
    station: str
    session_start: str
    session_end: str
    check_in: str
    check_out: str
    hour_class: str
    recorded_by: str
    recorded_at: str


class ServiceRecord(Struct, frozen=True, gc=False):
    """A well-formed record. Times are local minutes; `start` to `end` is the attendance in the session."""

    fields: RecordFields
    session_start: int
    session_end: int
    check_in: int
    check_out: int
    recorded_at: int
    start: int
    end: int

    @property
    def minutes(self) -> int:
        """Attended minutes within the session: the merit (服务时长) of the record."""
        return self.end - self.start


class Judgement(Struct, frozen=True, gc=False):
    """The verdict on a record, and what it earns; all amounts are 0 and dates None unless it is accepted."""

    verdict: HoursVerdict
    minutes: int = 0
    """Merit: attended minutes, not rounded, not capped."""
    creditable_minutes: int = 0
    """What the record uses up of the caps of its day and year."""
    points: int = 0
    """In hundredths of a point."""
    expires_on: date | None = None
    """The lot of the points, by its last day; also given if the record earns none."""
    day: date | None = None
    """The date of the session's start: day, year and policy of the record."""
    year: int = 0


class HoursContext(Protocol):
    """What the rules ask about the bank as it stands before the record."""

    def is_repeated(self, fields: RecordFields) -> bool | None:
        """Whether the line that took the id, whatever its verdict, had these fields; None if the id is free."""

    def born(self, volunteer: str) -> date | None:
        """The date of birth; None if nobody has this volunteer id."""

    def knows_station(self, station: str, day: str) -> bool:
        """Whether there is a station of this code, open on the day of the service (YYYY-MM-DD)."""

    def accepted_intervals(self, volunteer: str) -> Sequence[Interval]:
        """The volunteer's accepted intervals in order; by the overlap rule no two of them intersect."""

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        """Creditable minutes that the volunteer has used on the day."""

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        """Creditable minutes that the volunteer has used in the calendar year."""
