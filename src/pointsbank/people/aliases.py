"""Ids that were merged: under which id a person goes on, and which ids lead there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import persons
from pointsbank.store.questions import LEDGER, Question

MOST_ALIASES: Final = 100

_p = persons.c
_STEPS = Question(
    lambda one_of: select(_p.person_id, _p.merged_into).where(
        _p.ledger_id == LEDGER, one_of(_p.person_id, "people"), _p.state == "merged"
    )
)


async def survivors(store: PeopleStore, person_ids: Iterable[str]) -> dict[str, str]:
    """For each id that was merged, the id under which the person goes on. Ids that were not are not listed."""
    wanted = list(person_ids)
    return await store.read(lambda c: surviving(c, store.ledger_id, wanted))


def surviving(connection: Connection, ledger_id: int, person_ids: Iterable[str]) -> dict[str, str]:
    """The same, over a connection: follows merges of merged ids to their end."""
    merged: dict[str, str] = {}
    asked = set(person_ids)
    wanted = asked
    while wanted:
        steps = {str(row[0]): str(row[1]) for row in _STEPS.rows(connection, ledger_id, people=wanted)}
        merged |= steps
        wanted = set(steps.values()) - merged.keys()
    return {one: _end(merged, one) for one in asked & merged.keys()}


def aliases(connection: Connection, ledger_id: int, person_id: str) -> list[str]:
    """Every id that was merged into this one, directly or through others."""
    p = persons.c
    found: list[str] = []
    wanted = [person_id]
    while wanted and len(found) < MOST_ALIASES:
        query = select(p.person_id).where(p.ledger_id == ledger_id, p.merged_into.in_(wanted))
        wanted = sorted(set(connection.execute(query).scalars()) - set(found))
        found += wanted
    return found


def _end(merged: dict[str, str], person_id: str) -> str:
    while person_id in merged:
        person_id = merged[person_id]
    return person_id
