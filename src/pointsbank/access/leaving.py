"""What is left at the doors of somebody whose account is closed: nothing.

It needs no secret of log-ins, so that a command line and a service without one forget as much as any.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete

from pointsbank.access.logins import LoginStore, card_days, pins, visits


async def forget_means(store: LoginStore, ledger_id: int, ids: Collection[str]) -> None:
    """No session, no PIN and no count of a card's day is left of a person, under any of the person's ids."""
    await store.run(_forget, ledger_id, ids)


def _forget(connection: Connection, ledger_id: int, ids: Collection[str]) -> None:
    for table in (visits, pins, card_days):
        connection.execute(
            delete(table).where(table.c.ledger_id == ledger_id, table.c.person_id.in_(list(ids)))
        )
