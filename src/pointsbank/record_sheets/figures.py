"""The merit that a sheet states, out of the service records; and whether it is still so.

A record counts from its acceptance until it is reversed; an objection freezes its points and leaves its minutes booked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from pointsbank.activities.tables import activities
from pointsbank.hours.model import BOOKED
from pointsbank.hours.tables import record_trails, service_records
from pointsbank.intake.lines import parts_of
from pointsbank.places.tree import ancestors_of, places_on
from pointsbank.record_sheets.content import SheetLine
from pointsbank.store.lists import fetched, is_one_of

_ACTIVITY = 3
"""Where the activity's name stands among a record's fields."""


class Counted(msgspec.Struct, frozen=True):
    """A record that counts."""

    record_id: str
    day: str
    minutes: int
    station: str
    activity: str
    """empty if only its number stands in the books"""
    sealed: bytes = b""


def counted(
    connection: Connection, ledger_id: int, people: Sequence[str], first: date, last: date
) -> list[Counted]:
    """A person's records (by every id that the person has had) of a period that count now, in the order of their days."""
    t, trail, activity = service_records.c, record_trails.c, activities.c
    rows = fetched(
        connection,
        select(t.record_id, t.day, t.minutes, t.station, t.fields, activity.title)
        .select_from(
            service_records.outerjoin(
                record_trails, (trail.ledger_id == t.ledger_id) & (trail.record_id == t.record_id)
            ).outerjoin(
                activities, (activity.ledger_id == t.ledger_id) & (activity.activity_id == trail.activity_id)
            )
        )
        .where(
            *_of(connection, ledger_id, people), t.state.in_(BOOKED), t.minutes > 0, *_within(first, last)
        ),
    )
    found = [
        Counted(record_id, day, int(minutes), station, title or _named(fields))
        for record_id, day, minutes, station, fields, title in rows
    ]
    unnamed = [record.record_id for record in found if not record.activity]
    sealed = _sealed(connection, ledger_id, unnamed) if unnamed else {}
    if sealed:
        found = [
            msgspec.structs.replace(record, sealed=sealed.get(record.record_id, b"")) for record in found
        ]
    return sorted(found, key=lambda record: (record.day, record.record_id))


def still_counted(
    connection: Connection, ledger_id: int, people: Sequence[str], first: date, last: date, as_of: int
) -> tuple[int, int]:
    """How many of the records that counted at the entry `as_of` still do, and their minutes.

    Both only ever fall: a record is accepted once, and what is reversed never counts again.
    """
    t = service_records.c
    row = connection.execute(
        select(func.count(), func.sum(t.minutes)).where(
            *_of(connection, ledger_id, people),
            t.state.in_(BOOKED),
            t.minutes > 0,
            t.sequence <= as_of,
            *_within(first, last),
        )
    ).one()
    return int(row[0]), int(row[1] or 0)


def at_or_below(
    connection: Connection, ledger_id: int, place_id: str, stations: Iterable[str], today: date
) -> bool:
    """Whether any of these stations (codes) is the place, or lies below it."""
    known = places_on(connection, ledger_id, sorted(set(stations)), today)
    above = ancestors_of(connection, ledger_id, [place.id for place in known.values()], today)
    return any(place_id in line for line in above.values())


def names_of_stations(
    connection: Connection, ledger_id: int, codes: Iterable[str], today: date
) -> dict[str, str]:
    """Names of stations by code."""
    known = places_on(connection, ledger_id, sorted(set(codes)), today)
    return {code: place.name or code for code, place in known.items()}


def by_activity(records: Sequence[Counted], stations: dict[str, str]) -> tuple[SheetLine, ...]:
    """Records as lines of a sheet: one for each activity and station, in the order of the first day."""
    lines: dict[tuple[str, str], SheetLine] = {}
    for record in records:
        at = record.activity, record.station
        known = lines.get(at) or SheetLine(
            record.activity, stations.get(record.station, record.station), record.day, record.day, 0, 0
        )
        lines[at] = msgspec.structs.replace(
            known, last_day=record.day, times=known.times + 1, minutes=known.minutes + record.minutes
        )
    return tuple(lines.values())


def _of(
    connection: Connection, ledger_id: int, people: Sequence[str]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Records of people."""
    t = service_records.c
    return t.ledger_id == ledger_id, is_one_of(connection, t.volunteer, people)


def _sealed(connection: Connection, ledger_id: int, record_ids: Sequence[str]) -> dict[str, bytes]:
    """What records keep sealed, by their ids."""
    t = service_records.c
    query = select(t.record_id, t.sealed).where(
        t.ledger_id == ledger_id, is_one_of(connection, t.record_id, record_ids)
    )
    return {record_id: bytes(sealed) for record_id, sealed in connection.execute(query)}


def _named(fields: str) -> str:
    """The activity that a record names in the books; nothing where they hold its number in the name's place."""
    parts = parts_of(fields)
    return parts[_ACTIVITY] if len(parts) > _ACTIVITY and parts[_ACTIVITY] != parts[_ACTIVITY - 1] else ""


def _within(first: date, last: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    day = service_records.c.day
    return day >= first.isoformat(), day <= last.isoformat()
