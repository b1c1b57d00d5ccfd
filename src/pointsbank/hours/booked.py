"""What a record has brought so far, wherever it stands now: what taking it back rests on."""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.reading import versions_of
from pointsbank.hours.aliases import people_of
from pointsbank.hours.funding import reversed_with, supplement_of
from pointsbank.hours.model import BOOKED
from pointsbank.hours.tables import service_records
from pointsbank.hours.taking_back import Credit, TakenBack, taken_back
from pointsbank.hours.trails import Filed, filed_records
from pointsbank.hours.withheld import net_of, on_notice
from pointsbank.ledger.model import Change
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import HeldLot, lots_of
from pointsbank.store.lists import is_one_of


class Booked(msgspec.Struct, frozen=True):
    """A record with what it brought and what its person holds, from one snapshot."""

    record: Filed
    category: str
    earned: tuple[Credit, ...]
    person: Volunteer
    version: int
    held: list[HeldLot]
    others: list[Credit]
    """Credits of the person's other records on notice."""
    dropped: tuple[Change, ...]

    def back(self, *, guilty: bool, today: date) -> TakenBack:
        """What is taken back of it now."""
        minutes = self.record.minutes
        return taken_back(
            self.person, self.category, minutes, self.earned, self.held,
            guilty=guilty, today=today, others=self.others,
        )  # fmt: skip

    @property
    def ended(self) -> tuple[Change, ...]:
        """The record, what was paid for it later, and what waits for its fund: all end together."""
        ended = (Change("service_records", (c.record_id,), c.state, "clawed-back") for c in self.earned)
        return (*ended, *self.dropped)


def booked_of(connection: Connection, ledger_id: int, record_id: str) -> Booked | None:
    """What taking a record back rests on; None if there is no such record."""
    record = filed_records(connection, ledger_id, [record_id]).get(record_id)
    if record is None:
        return None
    person = people_of(connection, ledger_id, [record.person_id])[record.person_id]
    t = service_records.c
    rows = connection.execute(
        select(t.record_id, t.state, t.points, t.lot, t.category).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.record_id, [record_id, supplement_of(record_id)]),
        )
    ).all()
    earned = [Credit(*row[:4]) for row in sorted(rows, key=lambda row: row[0]) if row.state in BOOKED]
    dropped, _ = reversed_with(connection, ledger_id, record_id)
    return Booked(
        record,
        next(row.category for row in rows if row.record_id == record_id),
        tuple(net_of(connection, ledger_id, earned)),
        person,
        versions_of(connection, ledger_id, [person.subject])[person.subject],
        lots_of(connection, ledger_id, [person.wallet]).get(person.wallet, []),
        on_notice(connection, ledger_id, person.id, [record_id, supplement_of(record_id)]),
        dropped,
    )
