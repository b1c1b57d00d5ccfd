"""The working set on which changes of places are planned: what is known of a few places, and what a plan alters."""

from __future__ import annotations

from datetime import date

import msgspec

from pointsbank.ledger.model import Change, OpenAccount, Row
from pointsbank.places.model import MAX_DEPTH, TOP, Membership, PlaceHistory, Term


class Plan(msgspec.Struct, frozen=True):
    """What a change writes and what it was planned on; `places`, `joined` and `ended` are the atlas afterwards."""

    kind: str
    rows: tuple[Row, ...] = ()
    changes: tuple[Change, ...] = ()
    opens: tuple[OpenAccount, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    touches: tuple[str, ...] = ()
    places: tuple[PlaceHistory, ...] = ()
    ended: tuple[Membership, ...] = ()
    joined: tuple[Membership, ...] = ()


FOUNDED = "founding"
"""The subject that moves when the ledger gets staff (access): from then on a household changes by two of them."""


class Atlas:
    """Places by code, who stands under which, who belongs to which, and the versions of all that.

    What is in `places` as None was looked for and is not there. The children and members of a place are known only
    where a change needs them.
    """

    def __init__(self) -> None:
        self.places: dict[str, PlaceHistory | None] = {}
        self.children: dict[str, dict[str, date]] = {}
        """Of a place, by code: the code of each open child and the day on which it leaves or closes."""
        self.of_person: dict[str, list[Membership]] = {}
        self.of_group: dict[str, list[Membership]] = {}
        self.kinds: dict[str, str] = {}
        """Kinds by place id, of what is in `places` and of every group that somebody known belongs to."""
        self.versions: dict[str, int] = {}

    def read(self, *subjects: str) -> tuple[tuple[str, int], ...]:
        return tuple((subject, self.versions.get(subject, 0)) for subject in dict.fromkeys(subjects))

    def up(self, code: str, day: date) -> list[PlaceHistory]:
        """A place and what it stands under from a day on, in that order, as far as the atlas knows.

        A parent that will change on a later day is followed both ways, so that a cycle is seen before it comes.
        """
        found: dict[str, PlaceHistory] = {}
        level = [code]
        for _ in range(MAX_DEPTH):
            places = [place for c in level if c not in found and (place := self.places.get(c)) is not None]
            if not places:
                break
            found |= {place.code: place for place in places}
            level = [t.parent for p in places for t in p.terms if t.to_day > day and t.parent != TOP]
        return list(found.values())

    def apply(self, plan: Plan) -> None:
        """Bring the atlas to where the books will be once the plan is accepted."""
        for place in plan.places:
            before = self.places.get(place.code)
            self.places[place.code] = place
            self.kinds[place.id] = place.kind
            for term in before.terms if before else ():
                self._children_of(term.parent).pop(place.code, None)
            for term in place.terms:
                if term.is_open:
                    self._children_of(term.parent)[place.code] = term.to_day
        for membership in plan.ended:
            _remove(self.of_person.get(membership.person_id), membership)
            _remove(self.of_group.get(membership.group_id), membership)
        for membership in plan.joined:
            self.of_person.setdefault(membership.person_id, []).append(membership)
            self.of_group.setdefault(membership.group_id, []).append(membership)
        for subject in plan.touches:
            self.versions[subject] = self.versions.get(subject, 0) + 1

    def _children_of(self, code: str) -> dict[str, date]:
        return self.children.setdefault(code, {})


def place_subject(place_id: str) -> str:
    """What rises when a place itself changes."""
    return f"place:{place_id}"


def children_subject(place_id: str) -> str:
    """What rises when a place comes to stand under this one, or leaves it."""
    return f"place:{place_id}/children"


def members_subject(place_id: str) -> str:
    """What rises when a membership of this group begins or ends."""
    return f"place:{place_id}/members"


def person_subject(person_id: str) -> str:
    """What rises when a membership of this person begins or ends."""
    return f"membership:{person_id}"


def term_row(place_id: str, term: Term) -> Row:
    return Row(
        "place_terms",
        (
            place_id,
            term.from_day.isoformat(),
            term.to_day.isoformat(),
            term.parent,
            term.name,
            term.sector,
            term.state,
            term.successor,
        ),
        key_length=2,
    )


def membership_row(membership: Membership) -> Row:
    return Row(
        "memberships",
        (
            membership.group_id,
            membership.person_id,
            membership.from_day.isoformat(),
            membership.to_day.isoformat(),
            membership.role,
            "open",
        ),
        key_length=3,
    )


def _remove(memberships: list[Membership] | None, membership: Membership) -> None:
    if memberships is not None and membership in memberships:
        memberships.remove(membership)
