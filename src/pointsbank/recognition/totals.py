"""Minutes of one group in a year, by membership on the date of service."""

from __future__ import annotations

from sqlalchemy import Connection, Select, func, select

from pointsbank.hours.tables import service_records
from pointsbank.people.merged import any_merged
from pointsbank.places.tables import memberships, places
from pointsbank.recognition.belonging import belonging, counted
from pointsbank.recognition.figures import COUNTS, within


def group_minutes(connection: Connection, ledger_id: int, group_id: str, year: int) -> tuple[int, int]:
    """Merit minutes of a group in a year, and how many people they come from.

    A record counts for the groups to which its volunteer belonged on the date of service, under whichever id.
    """
    is_plain = not any_merged(connection, ledger_id)
    query = _plain(ledger_id, group_id, year) if is_plain else _joined(connection, ledger_id, group_id, year)
    row = connection.execute(query).one()
    return int(row[0] or 0), int(row[1])


def _plain(ledger_id: int, group_id: str, year: int) -> Select[int, int]:
    t, m = service_records.c, memberships.c
    return (
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
            *within(year),
        )
    )


def _joined(connection: Connection, ledger_id: int, group_id: str, year: int) -> Select[int, int]:
    """Where somebody was merged: of the records of everybody in the group, under all ids, those that count for it."""
    t, p = service_records.c, places.c
    kind = connection.scalar(select(p.kind).where(p.ledger_id == ledger_id, p.place_id == group_id)) or ""
    member = belonging(ledger_id)
    here = member.alias("here")
    of_kind = select(p.place_id).where(p.ledger_id == ledger_id, p.kind == kind)
    each = counted(
        ledger_id,
        member,
        kind,
        member.c.group_id.in_(of_kind),
        t.volunteer.in_(select(here.c.id).where(here.c.group_id == group_id)),
        t.state.in_(COUNTS),
        *within(year),
    )
    return select(func.sum(each.c.minutes), func.count(each.c.person.distinct())).where(
        each.c.group_id == group_id
    )
