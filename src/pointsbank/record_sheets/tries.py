"""How often public pages are asked, counted in the database before each look: in the store of log-ins, not in the books."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete

from pointsbank.access import throttle
from pointsbank.access.logins import LoginStore, throttles
from pointsbank.engine.clock import Clock
from pointsbank.people.store import PeopleStore

WINDOW_MINUTES: Final = 60
_NAME: Final = "sheet-name:"
_ADDRESS: Final = "sheet-page:"


class Tries:
    """Counts looks by address, and names that are tried by sheet. An address is kept as an HMAC."""

    def __init__(self, store: LoginStore, people: PeopleStore, clock: Clock) -> None:
        self._store = store
        self._people = people
        self._clock = clock

    async def of_address(self, address: str, most: int) -> int:
        """Count a look from an address; the seconds to wait if it is one too many, else 0."""
        digest = self._people.vault.indexes.request_digest("record sheet page", address)
        return await self._count(_ADDRESS + digest.hex(), most)

    async def of_name(self, sheet_id: str, most: int) -> int:
        """Count a name that is tried on a sheet, right or wrong, whoever tries; the seconds to wait, else 0."""
        return await self._count(_NAME + sheet_id, most)

    async def _count(self, subject: str, most: int) -> int:
        return await self._store.run(_count, self._people.ledger_id, subject, most, self._clock.now())


def _count(connection: Connection, ledger_id: int, subject: str, most: int, now: int) -> int:
    t = throttles.c
    over = now - WINDOW_MINUTES * throttle.MICROS_A_MINUTE
    connection.execute(
        delete(throttles).where(
            t.ledger_id == ledger_id, t.subject >= "sheet-", t.subject < "sheet.", t.since <= over
        )
    )
    return throttle.attempt(connection, ledger_id, {subject: most}, now, WINDOW_MINUTES)
