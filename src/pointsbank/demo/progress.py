"""What the loading of the demo asks the books: how far it came, who has points, what was sold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, func, select

from pointsbank.hours.tables import service_records
from pointsbank.market.tables import deliveries, receipt_lines, receipts
from pointsbank.people.tables import volunteers as people_table
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import counts
from pointsbank.points.lots import lots_of


def place_count(connection: Connection, ledger_id: int) -> int:
    """How many places are open."""
    return sum(counts(connection, ledger_id).values())


def people_count(connection: Connection, ledger_id: int) -> int:
    """How many volunteers are registered."""
    t = people_table.c
    return int(connection.execute(select(func.count()).where(t.ledger_id == ledger_id)).scalar_one())


def delivered(connection: Connection, ledger_id: int) -> set[str]:
    """References of the deliveries that have come."""
    t = deliveries.c
    return set(connection.execute(select(t.reference).where(t.ledger_id == ledger_id)).scalars())


def points_of(
    connection: Connection, ledger_id: int, people: Mapping[str, Volunteer], day: date
) -> dict[str, int]:
    """Points that volunteers may spend on a day, in hundredths, by number."""
    held = lots_of(connection, ledger_id, [person.wallet for person in people.values()])
    first = day.isoformat()
    return {
        number: sum(lot.balance for lot in held.get(person.wallet, []) if lot.expires_on >= first)
        for number, person in people.items()
    }


def sold_baskets(connection: Connection, ledger_id: int, references: list[str]) -> dict[str, tuple[int, str]]:
    """Of these receipt numbers those that were sold: the entry's sequence and one good that was on it."""
    t, line = receipts.c, receipt_lines.c
    rows = connection.execute(
        select(t.reference, t.sequence, line.sku)
        .join_from(receipts, receipt_lines, (line.ledger_id == t.ledger_id) & (line.reference == t.reference))
        .where(t.ledger_id == ledger_id, t.reference.in_(references), t.sequence > 0)
        .order_by(t.reference, line.sku.desc())
    )
    return {reference: (sequence, sku) for reference, sequence, sku in rows}


def credited_records(connection: Connection, ledger_id: int, record_ids: list[str]) -> dict[str, int]:
    """Of these records those that were credited: the entry's sequence."""
    t = service_records.c
    rows = connection.execute(
        select(t.record_id, t.sequence).where(
            t.ledger_id == ledger_id, t.record_id.in_(record_ids), t.sequence > 0
        )
    )
    return {row.record_id: row.sequence for row in rows}
