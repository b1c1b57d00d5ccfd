"""What goes in and out about places and groups: codes, days, terms, members.

A day without a value is today in the city; the end of what holds until further notice, and the beginning of what was
registered without a date, are null.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from pointsbank.places.model import (
    MAX_CODE,
    MAX_PLACE_NAME,
    OPEN_END,
    SINCE_EVER,
    Kind,
    Membership,
    PlaceOnDay,
    Role,
    Term,
)

TEXT: Final = "^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$"

GUARDED: Final = ("idempotency-conflict", "stale-read", "state-changed", "document-exists")
"""Refusals of the ledger that any change of a place may meet."""

Code = Annotated[
    str, Meta(min_length=1, max_length=MAX_CODE, pattern="^[A-Za-z0-9._-]+$", description="a place's code")
]
Above = Annotated[
    str,
    Meta(
        max_length=MAX_CODE,
        pattern="^[A-Za-z0-9._-]*$",
        description="code of the place above; empty: the top",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_PLACE_NAME, pattern=TEXT)]
SectorCode = Annotated[str, Meta(max_length=64, pattern="^[a-z-]*$")]
Person = Annotated[
    str,
    Meta(
        min_length=36,
        max_length=36,
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="id of a person",
    ),
]
PlaceCode = Annotated[str, PathParameter(min_length=1, max_length=MAX_CODE, description="a place's code")]
OnDay = Annotated[
    date | None, QueryParameter(description="as of this day of the city's calendar; today without it")
]
After = Annotated[
    str, QueryParameter(max_length=MAX_CODE, pattern=TEXT, description="`next` of the last page")
]


class PlaceLine(msgspec.Struct, frozen=True):
    """A place as it stands on a day."""

    code: str
    id: str
    kind: str
    name: str
    parent: str
    sector: str
    from_day: date | None


class PlacePage(msgspec.Struct, frozen=True):
    """Open places of a day in the order of their codes; `next` is the `after` of the next page, null at the end."""

    on: date
    places: list[PlaceLine]
    next: str | None


class TermOut(msgspec.Struct, frozen=True):
    """What holds from a day up to and without another. `successor` is the code that a merged place went into."""

    from_day: date | None
    to_day: date | None
    parent: str
    name: str
    sector: str
    state: str
    successor: str


class PlaceOut(msgspec.Struct, frozen=True):
    """A place: what it is on a day (`term` is null before it opened), what stands above it then, and its history."""

    code: str
    id: str
    kind: str
    on: date
    term: TermOut | None
    above: list[PlaceLine]
    history: list[TermOut]


class MemberLine(msgspec.Struct, frozen=True):
    """A membership: who, from which day, up to and without which day (null: until further notice)."""

    person: str
    role: str
    from_day: date
    to_day: date | None


class MemberPage(msgspec.Struct, frozen=True):
    """Members of a group on a day, by person id; `next` is the `after` of the next page, null at the end."""

    on: date
    members: list[MemberLine]
    next: str | None


class OpeningIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place to open, under another one or at the top."""

    code: Code
    kind: Kind
    name: Name
    parent: Above = ""
    sector: SectorCode = ""
    day: date | None = None


class RenamingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name that a place has from a day on."""

    name: Name
    day: date | None = None


class MovingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place under which it stands from a day on."""

    parent: Above
    day: date | None = None


class ClosingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first day on which a place is closed."""

    day: date | None = None


class MergingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of the same kind that goes on from a day."""

    into: Code
    day: date | None = None


class JoiningIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who belongs to the group from a day on, perhaps up to and without another."""

    person: Person
    role: Role = "member"
    day: date | None = None
    until: date | None = None


class LeavingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who belongs to the group no more; with `into` they join another on the same day."""

    person: Person
    day: date | None = None
    into: Annotated[str, Meta(max_length=MAX_CODE, pattern="^[A-Za-z0-9._-]*$")] = ""
    role: Role = "member"


def place_line(place: PlaceOnDay) -> PlaceLine:
    since = None if place.from_day == SINCE_EVER else place.from_day
    return PlaceLine(place.code, place.id, place.kind, place.name, place.parent, place.sector, since)


def term_out(term: Term) -> TermOut:
    return TermOut(
        None if term.from_day == SINCE_EVER else term.from_day,
        None if term.to_day == OPEN_END else term.to_day,
        term.parent,
        term.name,
        term.sector,
        term.state,
        term.successor,
    )


def member_line(m: Membership) -> MemberLine:
    return MemberLine(m.person_id, m.role, m.from_day, None if m.to_day == OPEN_END else m.to_day)
