"""Minutes of one group in a year, by membership on the date of service."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, func, select

from pointsbank.hours.tables import service_records
from pointsbank.places.tables import memberships
from pointsbank.recognition.figures import COUNTS


def group_minutes(connection: Connection, ledger_id: int, group_id: str, year: int) -> tuple[int, int]:
    """Merit minutes of a group in a year, and how many people they come from.

    A record counts for the groups to which its volunteer belonged on the date of service.
    """
    t, m = service_records.c, memberships.c
    row = connection.execute(
        select(func.sum(t.minutes), func.count(m.person_id.distinct()))
        .select_from(
            memberships.join(service_records, (t.ledger_id == m.ledger_id) & (t.volunteer == m.person_id))
        )
        .where(
            m.ledger_id == ledger_id,
            m.group_id == group_id,
            m.from_day <= t.day,
            m.to_day > t.day,
            t.state.in_(COUNTS),
            t.day >= date(year, 1, 1).isoformat(),
            t.day <= date(year, 12, 31).isoformat(),
        )
    ).one()
    return int(row[0] or 0), int(row[1])
