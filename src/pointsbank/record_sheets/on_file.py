"""Questions about sheets that were issued: by id, by token, of a person. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from pointsbank.places.tables import place_terms, places
from pointsbank.record_sheets.figures import still_counted
from pointsbank.record_sheets.model import Sheet, State
from pointsbank.record_sheets.tables import record_sheets
from pointsbank.store.tables import subjects


class OnFile(msgspec.Struct, frozen=True):
    """A sheet with what only the service needs. `state` is that of the document, before what reversals made of it."""

    sheet: Sheet
    state: State
    salt: bytes
    name_mac: bytes
    sealed: bytes

    def __repr__(self) -> str:
        return f"OnFile({self.sheet.sheet_id!r})"


def by_id(connection: Connection, ledger_id: int, sheet_id: str) -> OnFile | None:
    """The sheet with this id."""
    return _first(connection, ledger_id, _sheets(ledger_id).where(record_sheets.c.sheet_id == sheet_id))


def by_token(connection: Connection, ledger_id: int, token_hash: str, today: str) -> OnFile | None:
    """The sheet with this token, if its page still answers on this day.

    What has expired is left out by the statement itself, so that it takes no other way than what never was.
    """
    t = record_sheets.c
    return _first(
        connection, ledger_id, _sheets(ledger_id).where(t.token_hash == token_hash, t.expires_on >= today)
    )


def of_person(connection: Connection, ledger_id: int, person_id: str, limit: int) -> list[Sheet]:
    """Sheets of a person, newest first."""
    t = record_sheets.c
    query = _sheets(ledger_id).where(t.person_id == person_id).order_by(t.issued_at.desc(), t.number.desc())
    return [one.sheet for one in _read(connection, ledger_id, query.limit(limit))]


def version_of(connection: Connection, ledger_id: int, subject: str) -> int:
    """How often a subject was touched."""
    s = subjects.c
    found = connection.execute(
        select(s.version).where(s.ledger_id == ledger_id, s.subject == subject)
    ).scalar_one_or_none()
    return int(found or 0)


def _first(connection: Connection, ledger_id: int, query: Select[Any]) -> OnFile | None:
    return next(iter(_read(connection, ledger_id, query)), None)


def _sheets(ledger_id: int) -> Select[Any]:
    t, p = record_sheets.c, places.c
    return (
        select(*list(t)[1:], p.code)
        .join_from(record_sheets, places, (p.ledger_id == t.ledger_id) & (p.place_id == t.issuer))
        .where(t.ledger_id == ledger_id)
    )


def _read(connection: Connection, ledger_id: int, query: Select[Any]) -> Iterable[OnFile]:
    for row in connection.execute(query).all():
        state = row.state
        if state == "valid":
            first, last = date.fromisoformat(row.from_day), date.fromisoformat(row.to_day)
            now = still_counted(connection, ledger_id, row.served_as.split(), first, last, row.as_of)
            if now != (row.records, row.minutes):
                state = "superseded"
        yield OnFile(
            Sheet(
                sheet_id=row.sheet_id,
                person_id=row.person_id,
                number=f"{row.code}-{row.year}-{row.number:06}",
                issuer=row.issuer,
                issuer_code=row.code,
                issuer_name=_name_then(connection, ledger_id, row.issuer, row.issued_at) or row.code,
                from_day=row.from_day,
                to_day=row.to_day,
                minutes=row.minutes,
                records=row.records,
                as_of=row.as_of,
                expires_on=row.expires_on,
                issued_by=row.issued_by,
                issued_at=row.issued_at,
                replaces=row.replaces,
                ended_by=row.ended_by,
                ended_at=row.ended_at,
                reason=row.reason,
                state=state,
            ),
            row.state,
            bytes(row.salt),
            bytes(row.name_mac),
            bytes(row.sealed),
        )


def _name_then(connection: Connection, ledger_id: int, place_id: str, at: int) -> str:
    """The issuer's name when it issued the sheet, whatever it is called since."""
    day = datetime.fromtimestamp(at / 1_000_000, UTC).date().isoformat()
    t = place_terms.c
    query = select(t.name).where(
        t.ledger_id == ledger_id, t.place_id == place_id, t.from_day <= day, t.to_day > day
    )
    return connection.execute(query).scalar() or ""
