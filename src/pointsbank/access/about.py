"""Whom an act is about, and where that person is: what the table of rights asks about people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from pointsbank.access.authorize import Resource
from pointsbank.access.kin import home_of, household_of
from pointsbank.people.export import Typed

Whereabouts = Callable[[Connection, int, str, date, int], tuple[str, ...]]
"""Where somebody was seen within so many days before a day: places besides those of the person's groups."""


OwnBooks = Callable[[Connection, int, Sequence[str]], tuple[dict[str, Any], list[Typed]]]
"""What the books hold under any of a person's ids, and what they keep sealed under the person's key."""


class About:
    """Whom an act is about, as the table of rights wants to know it."""

    def __init__(self, resource: Resource, household: frozenset[str]) -> None:
        self.resource = resource
        self.household = household


def nowhere(connection: Connection, ledger_id: int, person_id: str, day: date, days: int) -> tuple[str, ...]:
    """Nobody was seen anywhere."""
    return ()


def no_books(
    connection: Connection, ledger_id: int, ids: Sequence[str]
) -> tuple[dict[str, Any], list[Typed]]:
    """Nobody has anything in the books."""
    return {}, []


def places_and_household(
    connection: Connection, ledger_id: int, person_id: str, day: date, seen: Whereabouts, days: int
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Where a person is at home or was seen lately, and who is of the household on that day."""
    lately = seen(connection, ledger_id, person_id, day, days)
    places = dict.fromkeys((*home_of(connection, ledger_id, person_id, day), *lately))
    return tuple(places), household_of(connection, ledger_id, person_id, day)
