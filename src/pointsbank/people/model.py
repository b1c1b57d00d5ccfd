"""The room's nouns: a person to register, what screens may show of one, limits of searching."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

from pointsbank.policy.model import PeopleRules

Role = Literal["volunteer", "staff", "guardian", "helper"]

Purpose = Literal["service", "insurance", "photos", "public-praise", "data-exchange"]
"""What a person consents to. Service may not be refused for want of any but the first. Source: PIPL article 16."""

ID_NUMBER_PURPOSE: Final = "insurance"
"""The one purpose for which an ID number itself is kept; without it only its blind index is."""


USUAL: Final = PeopleRules()
"""The figures of whoever brings none: a data set, a tool. A desk brings those of the policy of the day."""


class Contents(msgspec.Struct, frozen=True):
    """A struct whose text form tells nothing: what it holds is about somebody."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class NewPerson(Contents, frozen=True, kw_only=True):
    """What is known of somebody at the desk. Numbers as they were typed; `born` may come from the ID number.

    Somebody who is brought in under a volunteer number may have no name yet. `person_id` is given only for somebody
    whom the books know already.
    """

    name: str = ""
    role: Role = "volunteer"
    phone: str = ""
    volunteer_number: str = ""
    id_number: str = ""
    born: date | None = None
    person_id: str = ""


class Hint(msgspec.Struct, frozen=True):
    """Somebody on file may be the same person. Never a refusal and never a merge: people look."""

    person_id: str
    reason: Literal["same-phone-name-and-birth-year", "shared-phone"]


class Registered(msgspec.Struct, frozen=True):
    """A person is on file. `hints` are for a member of staff to look at."""

    person_id: str
    hints: tuple[Hint, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """A person as screens show one, masked. `age_band` is empty if no birth date is on file."""

    person_id: str
    state: str
    roles: tuple[str, ...]
    name: str
    phone: str
    volunteer_number: str
    has_id_number: bool
    age_band: str
    is_minor: bool
    consents: tuple[str, ...]


class Found(msgspec.Struct, frozen=True):
    """What a search gives: enough to choose the right one of a family."""

    person_id: str
    state: str
    name: str
    age_band: str


class Seen(msgspec.Struct, frozen=True):
    """One line of who saw whom. `at` in microseconds UTC; a search that found nobody has no person."""

    at: int
    actor: str
    person_id: str
    action: str
    field: str
    reason: str


class SearchLimits(msgspec.Struct, frozen=True):
    """How often one person may search, found or not. `burst` searches within `burst_seconds` raise a flag."""

    hour: int = USUAL.searches_hour
    day: int = USUAL.searches_day
    burst: int = 10
    burst_seconds: int = 60


class RiskFlag(msgspec.Struct, frozen=True):
    """Something for an auditor. `period` is the city's hour in which it happened, `count` how often."""

    kind: str
    actor: str
    period: str
    at: int
    count: int
