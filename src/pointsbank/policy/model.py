"""A policy as a value: the rates, caps, deadlines, prices and limits of one dated set of rules."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

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


class Safeguards(Struct, frozen=True, kw_only=True):
    """What stands between an insider and a point. A limit of 0 is off; the replay of a data set runs with all off."""

    separate_verification: bool = False
    """A record earns nothing before another natural person has verified it."""
    activity_approval: bool = False
    """An activity is approved by somebody above before it starts."""
    sign_up: bool = False
    training: bool = False
    insurance: bool = False
    class_by_way: bool = False
    """How somebody checked in decides the class of hours, not what is written in a file."""
    recording_evidence: Literal["server", "stated"] = "stated"
    """Whose clock and whose name the early, late and self rules judge."""
    household: bool = False
    companion_below_age: int = 0
    consent_below_age: int = 0
    reciprocal_days: int = 0
    """Two people who credit each other within so many days may not act for each other."""
    batch_lines: int = 0
    lines_per_hour: int = 0
    """Most lines that one person submits, or verifies, within an hour."""
    second_level_line_minutes: int = 0
    second_level_sum_minutes: int = 0
    late_approval: bool = False
    """A late record counts with a reason and the approval of a second level; without this it is refused."""
    long_line_minutes: int = 0
    long_line_notice_days: int = 0
    decision_working_days: int = 10
    """Within so many working days a record is verified and an objection decided."""
    sample_percent: int = 0
    """Share of a closed batch that is looked at again, rounded up to whole records."""

    def switched_off(self) -> tuple[str, ...]:
        """Names of the safeguards that are off. To refuse what is late, or to have no longer notice, is none."""
        return tuple(
            key
            for key in self.__struct_fields__
            if key not in _NO_SAFEGUARD and getattr(self, key) == getattr(SAFEGUARDS_OFF, key)
        )


_NO_SAFEGUARD = ("late_approval", "long_line_minutes", "long_line_notice_days", "decision_working_days")

SAFEGUARDS_OFF = Safeguards()
"""What the replay of a data set has: each safeguard by its name, off."""


class Campaign(Struct, frozen=True):
    """An emergency for which the city has decided rules of its own; `decision` is the number of that document."""

    code: str
    name: str
    decision: str
    honour_earns_points: bool
    activity_minutes: int
    """Cap of one record instead of the policy's."""


class CaseRules(Struct, frozen=True, kw_only=True):
    """What the city has decided for cases between two sessions, after a debt, after a decision on conduct."""

    handover_minutes: int = 0
    """Two sessions of one person may overlap by so many minutes."""
    debt_percent: int = 50
    """At most so much of a credit goes into paying a debt."""
    appeal_days: int = 15
    """Within so many days somebody may appeal when hours were taken away for conduct."""
    false_hours_bar_years: int = 0
    """For so many years who was found guilty of false hours is on no candidate list."""


class PeopleRules(Struct, frozen=True, kw_only=True):
    """How people on file and their means are protected. A data set says nothing of it, so it has these figures."""

    searches_hour: int = 30
    searches_day: int = 100
    """Most searches of one person by number within an hour and a day, found or not."""
    most_wards: int = 5
    """Of one helper."""
    new_means_hours: int = 24
    """Before a new phone, card or PIN may spend, a link works, the points of a closed account go."""
    minors_days: int = 90
    """How long the right to open minors' profiles lasts at most."""
    attended_days: int = 90
    """How long somebody who attended at a place may be looked up there."""

    @property
    def new_means_micros(self) -> int:
        """`new_means_hours` in microseconds."""
        return self.new_means_hours * 3_600_000_000


class CounterRules(Struct, frozen=True, kw_only=True):
    """What codes and cards do at a counter. A limit of 0 is off, as it is for a data set."""

    code_step_seconds: int = 30
    """A volunteer's dynamic code lives for one such step to two."""
    card_day_points: int = 0
    """Most that card and PIN redeem in a day, in whole points."""
    guardian_below_age: int = 0
    """Who is younger redeems only with the guardian present."""

    def switched_off(self) -> tuple[str, ...]:
        """The keys of the file that are off: a live ledger takes no such policy."""
        off = {
            "code.card_day_points": self.card_day_points,
            "minor.redeem_with_guardian_below_age": self.guardian_below_age,
        }
        return tuple(key for key, value in off.items() if not value)


COUNTER_OFF = CounterRules()
"""What the replay of a data set has at a counter."""


class Limits(Struct, frozen=True, kw_only=True):
    """How much one may hold and what one redeems at least. 0 is no such rule; any ledger takes it."""

    balance_cap_points: int = 0
    """Most that a person holds, available and on notice, in whole points; what a record brings beyond is not credited."""

    min_redeem_points: int = 0
    """A basket that costs less is not sold, in whole points; goods for nothing redeem nothing."""


NO_LIMITS = Limits()
"""What the replay of a data set has."""


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

    makeup_days: frozenset[date] = frozenset()
    """Saturdays and Sundays that are working days, in exchange for a holiday (调休)."""
    safeguards: Safeguards = SAFEGUARDS_OFF
    campaigns: Mapping[str, Campaign] = {}
    cases: CaseRules = CaseRules()
    people: PeopleRules = PeopleRules()
    counter: CounterRules = COUNTER_OFF
    limits: Limits = NO_LIMITS

    digest: str
    """SHA-256 (hex) of the canonical content of the file."""
    unimplemented: tuple[str, ...]
    """Keys that stand in the file at their neutral value because this version does not implement them."""

    def switched_off(self) -> tuple[str, ...]:
        """Paths of everything in the file that protects and is off."""
        guards = tuple(f"safeguards.{key}" for key in self.safeguards.switched_off())
        return guards + self.counter.switched_off()

    @property
    def version(self) -> str:
        """What a credit records: the name and the first 16 hex digits of the digest."""
        return f"{self.name}@{self.digest[:16]}"
