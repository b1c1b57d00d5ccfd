"""Points on notice that were taken for other hours of the same person: the record brings so much less at its release.

A record keeps what it earned; what was withheld of it stands in a document of its own, with the entry that took it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from pointsbank.hours.case_tables import withheld_points
from pointsbank.hours.funding import supplement_of
from pointsbank.hours.tables import service_records
from pointsbank.hours.taking_back import Credit
from pointsbank.people.merged import groups
from pointsbank.store.lists import fetched, is_one_of


def withheld_of(
    connection: Connection, ledger_id: int, record_ids: Iterable[str]
) -> dict[str, tuple[int, int]]:
    """What was withheld of records (hundredths), and how often; a record of which nothing was is not listed."""
    t = withheld_points.c
    rows = fetched(
        connection,
        select(t.record_id, func.sum(t.points), func.count())
        .where(t.ledger_id == ledger_id, is_one_of(connection, t.record_id, sorted(record_ids)))
        .group_by(t.record_id),
    )
    return {str(id_): (int(points), int(times)) for id_, points, times in rows}


def is_withheld(connection: Connection, ledger_id: int, record_id: str) -> bool:
    """Whether something was withheld of a record or of what was paid for it later: it cannot be mirrored any more."""
    return bool(withheld_of(connection, ledger_id, [record_id, supplement_of(record_id)]))


def on_notice(connection: Connection, ledger_id: int, person_id: str, besides: Iterable[str]) -> list[Credit]:
    """Credits of a person on notice, as far as nothing was withheld of them, without those of some records.

    What somebody has objected to is frozen, and not among them. The first-expiring come first.
    """
    ids = groups(connection, ledger_id, [person_id]).get(person_id, frozenset((person_id,)))
    t = service_records.c
    rows = fetched(
        connection,
        select(t.record_id, t.state, t.points, t.lot).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.volunteer, sorted(ids)),
            t.state == "pending",
            t.points > 0,
        ),
    )
    own = set(besides)
    found = [Credit(*row) for row in sorted(rows, key=lambda row: (row[3], row[0])) if row[0] not in own]
    return net_of(connection, ledger_id, found)


def net_of(connection: Connection, ledger_id: int, earned: Iterable[Credit]) -> list[Credit]:
    """Credits without what was withheld of them while they stood on notice."""
    found = list(earned)
    withheld = withheld_of(connection, ledger_id, {credit.record_id for credit in found})
    return [
        Credit(c.record_id, c.state, c.points - withheld.get(c.record_id, (0, 0))[0], c.lot) for c in found
    ]
