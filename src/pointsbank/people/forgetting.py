"""What forgetting a person does to the rows of the people store, in one transaction. The wrapped key goes first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, or_, select, update

from pointsbank.people.store_tables import (
    ERASED_WITH_A_PERSON,
    access_log,
    blind_indexes,
    closings,
    links,
    person_keys,
    persons,
)
from pointsbank.people.vault import chunks


def forget(connection: Connection, ledger_id: int, person_ids: Sequence[str], now: int) -> None:
    """Delete the keys, indexes and sealed values of persons. Left are their ids, and dates without a name.

    Doing it again changes nothing.
    """
    for some in chunks(person_ids):
        for table, column in ERASED_WITH_A_PERSON:
            connection.execute(delete(table).where(table.c.ledger_id == ledger_id, table.c[column].in_(some)))
        a = access_log.c
        connection.execute(
            update(access_log).where(a.ledger_id == ledger_id, a.person_id.in_(some)).values(note=b"")
        )
        k = links.c
        connection.execute(
            update(links)
            .where(k.ledger_id == ledger_id, or_(k.ward_id.in_(some), k.holder_id.in_(some)))
            .values(state="ended", evidence=b"")
        )
        p = persons.c
        connection.execute(
            update(persons)
            .where(p.ledger_id == ledger_id, p.person_id.in_(some), p.state != "closed")
            .values(state="closed", changed_at=now, changed_by="erasure")
        )
        c = closings.c
        connection.execute(
            update(closings)
            .where(
                c.ledger_id == ledger_id, c.person_id.in_(some), c.step.in_(("asked", "settling", "settled"))
            )
            .values(step="erased", changed_at=now)
        )


def remembered(connection: Connection, ledger_id: int, person_ids: Sequence[str]) -> list[str]:
    """Which of these persons the store still knows anything about: after a restore, those that must go again."""
    found: set[str] = set()
    for some in chunks(person_ids):
        for table in (person_keys, blind_indexes, persons):
            query = select(table.c.person_id).where(
                table.c.ledger_id == ledger_id, table.c.person_id.in_(some)
            )
            if table is persons:
                query = query.where(persons.c.state != "closed")
            found.update(connection.execute(query).scalars())
    return sorted(found)
