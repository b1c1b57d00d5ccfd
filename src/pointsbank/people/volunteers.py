"""Volunteers as the books know them: a random id with accounts. This room opens accounts and never posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.ledger.model import RECORDED_AT, Draft, OpenAccount, Row
from pointsbank.people.tables import volunteers
from pointsbank.people.vault import PersonKey
from pointsbank.store.questions import LEDGER, Question

PEOPLE = frozenset(["people"])

_t = volunteers.c
_REGISTERED = Question(
    lambda one_of: select(_t.volunteer_id).where(_t.ledger_id == LEDGER, one_of(_t.volunteer_id, "ids"))
)


class Volunteer(msgspec.Struct, frozen=True):
    """A volunteer: the random id, and of who was looked up in the people store the birth date and the key."""

    id: str
    born: date | None = None
    key: PersonKey | None = None

    def __repr__(self) -> str:
        return f"Volunteer({self.id!r})"

    @property
    def wallet(self) -> str:
        return f"volunteer:{self.id}:available"

    @property
    def pending(self) -> str:
        return f"volunteer:{self.id}:pending"

    @property
    def merit(self) -> str:
        return f"volunteer:{self.id}:merit"

    @property
    def subject(self) -> str:
        """What commands on this volunteer read and touch, so that two of them cannot both pass a limit."""
        return f"volunteer:{self.id}"


def registration(person_id: str, command: Command) -> Draft:
    """The draft that registers somebody who is in the people store as a volunteer, and opens the accounts."""
    person = Volunteer(person_id)
    return Draft(
        kind="register-volunteer",
        key=command.key,
        client=command.client,
        request=request_digest("register-volunteer", person_id),
        effective_at=0,
        actor=command.actor,
        opens=(OpenAccount(person.wallet), OpenAccount(person.pending), OpenAccount(person.merit)),
        rows=(Row("volunteers", (person_id, RECORDED_AT, "active")),),
    )


def registered(connection: Connection, ledger_id: int, person_ids: Iterable[str]) -> set[str]:
    """Which of these people are volunteers of this ledger."""
    rows = _REGISTERED.fetched(connection, ledger_id, ids=person_ids)
    return {str(row[0]) for row in rows}
