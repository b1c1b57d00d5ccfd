"""A policy as a value: the rates, caps, deadlines, prices and limits of one dated set of rules."""

from collections.abc import Mapping
from datetime import date

from msgspec import Struct

MINOR_UNITS_PER_POINT = 100
"""Points are counted in hundredths (commodity POINT, scale 2); prices in a policy are whole points."""


class Caps(Struct, frozen=True):
    """Most creditable minutes of one record, of a volunteer's day and of a volunteer's calendar year."""

    activity_minutes: int
    day_minutes: int
    year_minutes: int


class HourClass(Struct, frozen=True):
    """A class of hours: 信用 is measured by check-in and check-out, 荣誉 is typed in."""

    name: str
    earns_points: bool


class Category(Struct, frozen=True):
    """A kind of service. `coefficient_hundredths` is None exactly if the category pays per event."""

    code: str
    name: str
    coefficient_hundredths: int | None
    per_event: bool
    points_per_event: int | None
    minimum_age: int


class Good(Struct, frozen=True):
    """An article of the love supermarket; `monthly_limit` in pieces a person, None for no limit."""

    sku: str
    ean13: str
    name: str
    price_points: int
    monthly_limit: int | None
    opening_stock: int

    @property
    def price(self) -> int:
        """Price of one piece in hundredths of a point."""
        return self.price_points * MINOR_UNITS_PER_POINT


class Fund(Struct, frozen=True):
    """Who stands for the points: at most `budget_points` (whole points) may be out, None for no end."""

    code: str
    budget_points: int | None


class Policy(Struct, frozen=True, kw_only=True):
    """Everything that a rule may ask; nothing of it is a constant in code."""

    name: str
    city: str
    timezone: str
    valid_from: date
    valid_to: date
    fund: Fund

    points_per_hour: int
    round_down_minutes: int
    session_max_hours: int
    caps: Caps
    participation_floor_percent: int
    record_deadline_working_days: int
    public_notice_days: int
    holidays: frozenset[date]
    expiry_years_after_service_year: int
    return_hours: int
    fen_per_point: int | None
    """What a point is worth in the fund's report, in 1/100 yuan; no rule uses it."""

    hour_classes: Mapping[str, HourClass]
    categories: Mapping[str, Category]
    goods: Mapping[str, Good]

    digest: str
    """SHA-256 (hex) of the canonical content of the file."""
    unimplemented: tuple[str, ...]
    """Keys that stand in the file at their neutral value because this version does not implement them."""

    @property
    def version(self) -> str:
        """What a credit records: the name and the first 16 hex digits of the digest."""
        return f"{self.name}@{self.digest[:16]}"
