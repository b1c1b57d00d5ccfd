"""What this room and the hours room ask of others: who acts, who lives together, what lies above a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from pointsbank.engine.registry import Ledger
from pointsbank.places.membership import groups_of
from pointsbank.places.tree import ancestors, places_by_id, places_on


class By(msgspec.Struct, frozen=True):
    """Who acts: the account or key, the natural person behind it, from which device and place.

    `person` is empty for a machine source, which may record and nothing else. `place` bounds the act; empty is the
    whole city.
    """

    id: str
    person: str
    device: str = ""
    place: str = ""

    @property
    def name(self) -> str:
        """How documents and the journal name the actor; four eyes compare these."""
        return self.person or f"machine:{self.id}"


class Households(Protocol):
    """Who lives together."""

    async def household_of(self, person_ids: Iterable[str], day: date) -> Mapping[str, str]:
        """The household of each person on the day; who has none is not in the answer."""
        ...


class Places(Protocol):
    """The tree of places."""

    async def ancestors(self, place: str, day: date) -> tuple[str, ...]:
        """The place itself first, then what lies above it, the city last."""
        ...


class RegisteredHouseholds:
    """Households as the register of groups has them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def household_of(self, person_ids: Iterable[str], day: date) -> Mapping[str, str]:
        """The household of each person on the day."""
        people = sorted(set(person_ids))
        groups = await self._ledger.database.read(groups_of, self._ledger.id, people, day)
        return {
            person: group for person, found in groups.items() for kind, group in found if kind == "household"
        }


class PlaceCodes:
    """The tree of places by code."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def ancestors(self, place: str, day: date) -> tuple[str, ...]:
        """The place's code, then code and id of each that lay above it on the day: a role names its place by id."""
        return await self._ledger.database.read(_upward, self._ledger.id, place, day)


def _upward(connection: Connection, ledger_id: int, code: str, day: date) -> tuple[str, ...]:
    found = places_on(connection, ledger_id, [code], day).get(code)
    if found is None:
        return ()
    ids = ancestors(connection, ledger_id, found.id, day)
    named = places_by_id(connection, ledger_id, ids, day)
    above = [names for place_id in ids[1:] if place_id in named for names in (named[place_id].code, place_id)]
    return (code, *above)
