"""The nouns of places: kinds and what may stand under what, terms with their days, memberships, and the refusals."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal, get_args

import msgspec

from pointsbank.ledger.refusals import Refusal

Kind = Literal[
    "city",
    "centre",
    "sub-centre",
    "station",
    "square",
    "point",
    "base",
    "corps",
    "standing-team",
    "team",
    "partner",
    "village",
    "household",
    "unit",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

KIND_NAMES: Final[dict[str, str]] = {
    "city": "市",
    "centre": "实践中心",
    "sub-centre": "实践所",
    "station": "服务站",
    "square": "广场",
    "point": "实践点",
    "base": "基地",
    "corps": "总队",
    "standing-team": "常备队",
    "team": "服务队",
    "partner": "合作单位",
    "village": "村",
    "household": "户",
    "unit": "单位",
}
"""Kinds as people read them."""

TOP: Final = ""
"""The parent of what has none."""

PARENTS: Final[dict[str, tuple[str, ...]]] = {
    "city": (TOP,),
    "centre": ("city", TOP),  # the books of a county begin with its centre
    "sub-centre": ("centre",),
    "station": ("sub-centre", "centre"),
    "square": ("city", "centre", "sub-centre", "station"),
    "point": ("city", "centre", "sub-centre", "station"),
    "base": ("city", "centre", "sub-centre", "station"),
    "corps": ("city", "centre", TOP),
    "standing-team": ("corps",),
    # N of "1+8+N": free teams stand beside the eight, or where they serve
    "team": ("corps", "standing-team", "city", "centre", "sub-centre", "station", "partner", "unit"),
    "partner": ("city", "centre", "sub-centre", TOP),
    "village": ("sub-centre", "station"),
    "household": ("village", "station"),
    "unit": ("city", "centre", "sub-centre", "unit", TOP),
}
"""Under what each kind may stand. Only units stand under their own kind (a school of a university)."""

GROUPS: Final = frozenset({"corps", "standing-team", "team", "village", "household", "unit"})
"""What a person can be a member of."""

Role = Literal["member", "head"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

SINCE_EVER: Final = date.min
"""First day of a place that was registered without a date."""

OPEN_END: Final = date.max
"""Last day of what holds until further notice, 9999-12-31; like every last day it is not part of the term."""

MAX_LEVELS: Final = 12
"""Levels that may stand above a place when it is opened or moved: more than any city has."""

MAX_DEPTH: Final = 64
"""No query climbs further, whatever a data set that was registered unchecked may say."""

MAX_CODE: Final = 64
MAX_PLACE_NAME: Final = 200


class Term(msgspec.Struct, frozen=True):
    """What holds of a place from a day up to and without another. `parent` and `successor` are codes."""

    from_day: date
    to_day: date
    parent: str
    name: str
    sector: str
    state: str
    successor: str = ""

    def covers(self, day: date) -> bool:
        return self.from_day <= day < self.to_day

    @property
    def is_open(self) -> bool:
        return self.state == "open"


class PlaceHistory(msgspec.Struct, frozen=True):
    """A place and all its terms, the oldest first; they follow each other without a gap."""

    code: str
    id: str
    kind: str
    state: str
    terms: tuple[Term, ...]

    @property
    def last(self) -> Term:
        return self.terms[-1]

    def on(self, day: date) -> Term | None:
        """What holds on a day; None before the place opened."""
        return next((term for term in reversed(self.terms) if term.covers(day)), None)

    def is_open_through(self, day: date, until: date = OPEN_END) -> bool:
        """Whether the place is open on each day from `day` up to and without `until`."""
        if day < self.terms[0].from_day:
            return False
        return all(term.is_open for term in self.terms if term.from_day < until and term.to_day > day)


class PlaceOnDay(msgspec.Struct, frozen=True):
    """A place as it stood on a day. `parent` and `successor` are codes; the term's days with it."""

    code: str
    id: str
    kind: str
    name: str
    parent: str
    sector: str
    state: str
    successor: str
    from_day: date
    to_day: date


class Membership(msgspec.Struct, frozen=True):
    """A person in a group from a day up to and without another."""

    group_id: str
    person_id: str
    from_day: date
    to_day: date
    role: str
    state: str = "open"
    """`ended` once somebody has ended it, perhaps for a day to come."""

    def meets(self, from_day: date, to_day: date) -> bool:
        """Whether there is a day in both."""
        return self.from_day < to_day and from_day < self.to_day


# What is asked


class Opening(msgspec.Struct, frozen=True, tag="open"):
    """Open a place under a parent (a code; empty at the top)."""

    code: str
    kind: str
    name: str
    parent: str
    day: date
    sector: str = ""


class Renaming(msgspec.Struct, frozen=True, tag="rename"):
    code: str
    name: str
    day: date


class Moving(msgspec.Struct, frozen=True, tag="move"):
    """Put a place under another parent (a code; empty for the top)."""

    code: str
    parent: str
    day: date


class Closing(msgspec.Struct, frozen=True, tag="close"):
    """Close a place: `day` is the first on which it is closed. Memberships end with it."""

    code: str
    day: date


class Merging(msgspec.Struct, frozen=True, tag="merge"):
    """Close a place into another of its kind, which takes its members over."""

    code: str
    into: str
    day: date


Act = Opening | Renaming | Moving | Closing | Merging


class Joining(msgspec.Struct, frozen=True, tag="join"):
    """Make a person a member of a group, from a day up to and without another."""

    group: str
    person: str
    day: date
    role: str = "member"
    until: date = OPEN_END


class Leaving(msgspec.Struct, frozen=True, tag="leave"):
    """End a membership: `day` is the first on which the person is no member any more."""

    group: str
    person: str
    day: date


class Transfer(msgspec.Struct, frozen=True, tag="transfer"):
    """Leave a group and join another on the same day, or neither."""

    group: str
    into: str
    person: str
    day: date
    role: str = "member"


MemberAct = Joining | Leaving | Transfer


# Why not


class PlaceMalformed(Refusal, frozen=True, tag="place-malformed"):
    """A code, name, kind or role that no place or membership can have."""

    field: str


class PlaceExists(Refusal, frozen=True, tag="place-exists"):
    """The code belongs to a place already, open or closed."""

    place: str


class UnknownPlace(Refusal, frozen=True, tag="unknown-place"):
    place: str


class UnknownSector(Refusal, frozen=True, tag="unknown-sector"):
    sector: str


class WrongParent(Refusal, frozen=True, tag="wrong-parent"):
    """A place of this kind does not stand under one of that kind."""

    kind: str
    parent_kind: str
    kind_name: str
    parent_name: str


class PlaceNotOpen(Refusal, frozen=True, tag="place-not-open"):
    """The place is not open on that day, or will not stay open: not opened yet, closed, or about to close."""

    place: str
    day: str


class LaterChange(Refusal, frozen=True, tag="later-change"):
    """A change of a later day is on file: the changes of a place are entered in the order of their days."""

    place: str
    since: str


class PlaceCycle(Refusal, frozen=True, tag="place-cycle"):
    """The place would stand under itself."""

    place: str


class PlaceTooDeep(Refusal, frozen=True, tag="place-too-deep"):
    """More levels would stand above the place than a tree may have."""

    place: str
    levels: int


class PlaceInUse(Refusal, frozen=True, tag="place-in-use"):
    """Open places stand under it on that day or later."""

    place: str
    children: int
    example: str


class WrongSuccessor(Refusal, frozen=True, tag="wrong-successor"):
    """A place merges into another place of its own kind."""

    place: str
    successor: str


class NothingChanges(Refusal, frozen=True, tag="nothing-changes"):
    """The place has this name or parent already."""

    place: str


class NotAGroup(Refusal, frozen=True, tag="not-a-group"):
    """Nobody can be a member of a place of this kind."""

    place: str
    kind: str
    kind_name: str


class AlreadyMember(Refusal, frozen=True, tag="already-member"):
    """The person is a member of this group on one of those days."""

    place: str


class InAnotherHousehold(Refusal, frozen=True, tag="in-another-household"):
    """The person belongs to another household on one of those days."""

    place: str


class HouseholdNeedsTwo(Refusal, frozen=True, tag="household-needs-two"):
    """A household changes by two members of staff, through the person's own page."""

    place: str


class NotAMember(Refusal, frozen=True, tag="not-a-member"):
    """The person is no member of this group on the day before that day."""

    place: str
    day: str
