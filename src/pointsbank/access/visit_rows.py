"""Rows of volunteers' sessions and of what a card redeemed in a day, each function in one short transaction."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pointsbank.access.logins import card_days, visits


class Visit(msgspec.Struct, frozen=True):
    """A session as it stands."""

    session: str
    person: str
    way: str
    ward: str
    ward_kind: str
    terminal: str
    place: str
    staff: str
    spends_from: int
    opened_at: int
    touched_at: int
    expires_at: int


_VISIT = select(
    visits.c.session_id, visits.c.person_id, visits.c.way, visits.c.ward_id, visits.c.ward_kind,
    visits.c.terminal_id, visits.c.place_id, visits.c.staff_id, visits.c.spends_from, visits.c.opened_at,
    visits.c.touched_at, visits.c.expires_at,
)  # fmt: skip


def visit_of(connection: Connection, ledger_id: int, token_hash: str) -> Visit | None:
    v = visits.c
    row = connection.execute(_VISIT.where(v.ledger_id == ledger_id, v.token_hash == token_hash)).one_or_none()
    return None if row is None else Visit(*tuple(row))


def visits_of(connection: Connection, ledger_id: int, person: str, now: int) -> list[Visit]:
    """The sessions of a person that are not over, newest first."""
    v = visits.c
    query = _VISIT.where(v.ledger_id == ledger_id, v.person_id == person, v.expires_at > now)
    return [
        Visit(*tuple(row)) for row in connection.execute(query.order_by(v.opened_at.desc(), v.session_id))
    ]


def token_of(connection: Connection, ledger_id: int, session: str) -> str:
    v = visits.c
    found: str | None = connection.execute(
        select(v.token_hash).where(v.ledger_id == ledger_id, v.session_id == session)
    ).scalar_one_or_none()
    return found or ""


def open_visit(connection: Connection, ledger_id: int, row: dict[str, Any], now: int, most: int) -> None:
    """Write a session down; sessions that are over go, and of too many of one person the oldest."""
    v = visits.c
    connection.execute(delete(visits).where(v.ledger_id == ledger_id, v.expires_at <= now))
    connection.execute(insert(visits).values(ledger_id=ledger_id, **row))
    over = connection.execute(
        select(v.token_hash)
        .where(v.ledger_id == ledger_id, v.person_id == row["person_id"])
        .order_by(v.opened_at.desc(), v.session_id.desc())
        .offset(most)
    ).scalars()
    for old in list(over):
        connection.execute(delete(visits).where(v.ledger_id == ledger_id, v.token_hash == old))


def touch(connection: Connection, ledger_id: int, token_hash: str, seen: int, now: int) -> None:
    v = visits.c
    connection.execute(
        update(visits)
        .where(v.ledger_id == ledger_id, v.token_hash == token_hash, v.touched_at == seen)
        .values(touched_at=now)
    )


def pick(connection: Connection, ledger_id: int, token_hash: str, ward: str, kind: str) -> None:
    v = visits.c
    connection.execute(
        update(visits)
        .where(v.ledger_id == ledger_id, v.token_hash == token_hash)
        .values(ward_id=ward, ward_kind=kind)
    )


def end(connection: Connection, ledger_id: int, person: str, session: str) -> None:
    v = visits.c
    ended = delete(visits).where(v.ledger_id == ledger_id, v.person_id == person)
    connection.execute(ended.where(v.session_id == session) if session else ended)


def reserve(
    connection: Connection, ledger_id: int, person: str, day: str, price: int, limit: int
) -> int | None:
    """Count a price against the day; what was left of the day if it was too much, and then nothing is counted."""
    d = card_days.c
    connection.execute(delete(card_days).where(d.ledger_id == ledger_id, d.person_id == person, d.day < day))
    insert_ = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    begun = insert_(card_days).values(ledger_id=ledger_id, person_id=person, day=day, points=0)
    connection.execute(begun.on_conflict_do_nothing())
    here = (d.ledger_id == ledger_id, d.person_id == person, d.day == day)
    counted = connection.execute(
        update(card_days).where(*here, d.points + price <= limit).values(points=d.points + price)
    )
    if counted.rowcount == 1:
        return None
    return limit - int(connection.execute(select(d.points).where(*here)).scalar_one())


def release(connection: Connection, ledger_id: int, person: str, day: str, price: int) -> None:
    d = card_days.c
    connection.execute(
        update(card_days)
        .where(d.ledger_id == ledger_id, d.person_id == person, d.day == day, d.points >= price)
        .values(points=d.points - price)
    )
