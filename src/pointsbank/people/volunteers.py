"""Volunteers: registered with their accounts, found by number. This room opens accounts and never posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import RECORDED_AT, Draft, OpenAccount, Row
from pointsbank.people.tables import volunteers
from pointsbank.store.lists import fetched, is_one_of

PEOPLE = frozenset(["people"])


class Volunteer(msgspec.Struct, frozen=True):
    """A volunteer as the bank knows one: the city's number, our random id, the date of birth."""

    number: str
    id: str
    born: date

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


def registration(number: str, born: date, command: Command) -> Draft:
    """The draft that registers a volunteer and opens the accounts."""
    person = Volunteer(number, new_id(), born)
    return Draft(
        kind="register-volunteer",
        key=command.key,
        client=command.client,
        request=request_digest("register-volunteer", number, born.isoformat()),
        effective_at=0,
        actor=command.actor,
        opens=(OpenAccount(person.wallet), OpenAccount(person.pending), OpenAccount(person.merit)),
        rows=(Row("volunteers", (number, person.id, born.isoformat(), RECORDED_AT, "active")),),
    )


def by_number(connection: Connection, ledger_id: int, numbers: Iterable[str]) -> dict[str, Volunteer]:
    """The volunteers with these numbers; who is not listed is not registered."""
    t = volunteers.c
    rows = fetched(
        connection,
        select(t.number, t.volunteer_id, t.born_on).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.number, numbers)
        ),
    )
    return {number: Volunteer(number, id_, date.fromisoformat(born)) for number, id_, born in rows}


def page(connection: Connection, ledger_id: int, after: str = "", limit: int = 5000) -> list[Volunteer]:
    """Volunteers in the order of their numbers, a page at a time."""
    t = volunteers.c
    rows = connection.execute(
        select(t.number, t.volunteer_id, t.born_on)
        .where(t.ledger_id == ledger_id, t.number > after)
        .order_by(t.number)
        .limit(limit)
    )
    return [Volunteer(number, id_, date.fromisoformat(born)) for number, id_, born in rows]
