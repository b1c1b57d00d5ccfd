"""Where somebody attended lately: there staff may look the person up, whatever groups the person belongs to."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, select

from pointsbank.access.standing import ZONE, places_above
from pointsbank.activities.tables import activity_sessions, attendances
from pointsbank.places.stations import stations

_MOST = 500


def attended(connection: Connection, ledger_id: int, person_id: str, day: date, days: int) -> tuple[str, ...]:
    """The places of somebody's attendance within so many days before `day`, with all above them, as ids."""
    first = datetime.combine(day - timedelta(days=days), time(), ZoneInfo(ZONE))
    a, s = attendances.c, activity_sessions.c
    codes = connection.execute(
        select(s.station)
        .distinct()
        .join(attendances, and_(a.ledger_id == s.ledger_id, a.session_id == s.session_id))
        .where(a.ledger_id == ledger_id, a.person_id == person_id, a.in_at >= _micros(first))
        .limit(_MOST)
    ).scalars()
    found: dict[str, None] = {}
    for station in stations(connection, ledger_id, list(codes)).values():
        found |= dict.fromkeys(places_above(connection, ledger_id, station.id, day) or ())
    return tuple(found)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
