"""A town whose volunteer has points in the books and a name in the people store, for closing the account.

Run as a program it closes the account, and kills itself right after the step that it is told.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import structlog
from tests.points.town import Town, micros, open_town

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import Draft, Movement, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.closing import Closing, Settle, Settlement, close_account
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import read_file
from pointsbank.people.store import PeopleStore
from pointsbank.points.lots import POINTS, lots_of
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

BORN = date(1961, 7, 9)
NOW = "2026-03-02 08:00:00"
STEPS = ("asked", "settling", "points settled", "settled", "erased", "log emptied", "listed", "done")


def settle_in(ledger: Ledger) -> Settle:
    """Settles by a posting that empties the wallet; done again, it finds the wallet empty."""

    async def settle(person_id: str, settlement: Settlement, key: str) -> Refusal | None:
        wallet = f"volunteer:{person_id}:available"
        held = (await ledger.database.read(lots_of, ledger.id, [wallet])).get(wallet, [])
        if not held:
            return None
        draft = Draft(
            kind="expire",
            key=key,
            client="closing",
            request=request_digest("close", person_id, settlement),
            effective_at=0,
            movements=tuple(
                Movement(wallet, lot.fund.expired, POINT.code, lot.balance, lot.lot) for lot in held
            ),
            reason="account-closed",
        )
        [outcome] = await ledger.submit([draft], POINTS)
        return None if isinstance(outcome, Receipt) else outcome

    return settle


@asynccontextmanager
async def town_with_people(
    books_url: str, people_url: str, folder: Path
) -> AsyncIterator[tuple[Town, PeopleStore]]:
    """The books and the people store of one town, open."""
    database = Database(books_url)
    store = PeopleStore(
        people_url,
        ledger_id_of("town"),
        read_file(folder / "master.key"),
        ErasureList(folder / "people.erasures"),
        clock=FixedClock(micros(NOW)),
    )
    try:
        await store.upgrade()
        async with open_town(database, now=NOW, people=store, numbers=()) as town:
            yield town, store
    finally:
        await database.close()


async def close_in(
    town: Town, store: PeopleStore, person_id: str, on_step: Callable[[str], None] = lambda step: None
) -> Closing | Refusal:
    """Close a volunteer's account."""
    return await close_account(
        store,
        person_id,
        settle_in(town.ledger),
        by="clerk-1",
        settlement="donate",
        confirmed_by="clerk-2",
        delay=0,
        on_step=on_step,
    )


def kill_after(wanted: str) -> Callable[[str], None]:
    """Ends this process as a power cut would, right after a step."""

    def on_step(step: str) -> None:
        if step == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


async def main(books_url: str, people_url: str, folder: str, person_id: str, wanted: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with town_with_people(books_url, people_url, Path(folder)) as (town, store):
        outcome = await close_in(town, store, person_id, kill_after(wanted))
        print(outcome)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
