"""Who stands in which relation to whom and where somebody is at home: what the table of rights is asked with."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from pointsbank.places.membership import groups_of, members_of
from pointsbank.places.tree import ancestors


def household_of(connection: Connection, ledger_id: int, person_id: str, day: date) -> frozenset[str]:
    """Everybody of a person's household on a day, without the person."""
    groups = groups_of(connection, ledger_id, [person_id], day)[person_id]
    found = {
        member.person_id
        for kind, group in groups
        if kind == "household"
        for member in members_of(connection, ledger_id, group, day)
    }
    return frozenset(found - {person_id})


def home_of(connection: Connection, ledger_id: int, person_id: str, day: date) -> tuple[str, ...]:
    """The groups of a person on a day and the places above them: who has a role there may look after the person."""
    groups = groups_of(connection, ledger_id, [person_id], day)[person_id]
    found: dict[str, None] = {}
    for _, group in sorted(groups):
        found |= dict.fromkeys(ancestors(connection, ledger_id, group, day))
    return tuple(found)
