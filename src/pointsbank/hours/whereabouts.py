"""Where the acts of this room take place and whom they are about: records, sessions, activities. Read-only."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.tables import activities, activity_sessions
from pointsbank.hours.tables import service_records
from pointsbank.store.lists import fetched, is_one_of


class Whereabouts(msgspec.Struct, frozen=True):
    """The station (its code) of a thing, and the person (id) whom it is about, empty for nobody."""

    id: str
    station: str
    person: str = ""


def of_records(connection: Connection, ledger_id: int, record_ids: Iterable[str]) -> list[Whereabouts]:
    """Where records were served, and by whom; who is not listed is not on file."""
    t = service_records.c
    rows = fetched(
        connection,
        select(t.record_id, t.station, t.volunteer).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.record_id, record_ids)
        ),
    )
    return [Whereabouts(record, station, person or "") for record, station, person in rows]


def of_sessions(connection: Connection, ledger_id: int, session_ids: Iterable[str]) -> list[Whereabouts]:
    """Where sessions take place."""
    t = activity_sessions.c
    rows = fetched(
        connection,
        select(t.session_id, t.station).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.session_id, session_ids)
        ),
    )
    return [Whereabouts(session, station) for session, station in rows]


def of_activities(connection: Connection, ledger_id: int, activity_ids: Iterable[str]) -> list[Whereabouts]:
    """Where activities take place."""
    t = activities.c
    rows = fetched(
        connection,
        select(t.activity_id, t.station).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.activity_id, activity_ids)
        ),
    )
    return [Whereabouts(activity, station) for activity, station in rows]
