"""Opens a ledger for writing: its database, its store, its one writer in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pointsbank.engine.clock import Clock
from pointsbank.engine.writer import LedgerWriter, Limits
from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

CITY_LEDGER = "city"


class Ledger:
    """One ledger, open for reading and writing."""

    def __init__(self, database: Database, name: str, writer: LedgerWriter) -> None:
        self.database = database
        self.name = name
        self.id = ledger_id_of(name)
        self.writer = writer
        self.submit = writer.submit


def ledger_to_read(
    database: Database, name: str = CITY_LEDGER, chart: Chart = SHIPPED, *, clock: Clock | None = None
) -> Ledger:
    """A ledger to look into, beside whoever writes it: its writer is not started and takes no drafts."""
    return Ledger(database, name, LedgerWriter(database.store(ledger_id_of(name)), chart, clock=clock))


@asynccontextmanager
async def open_ledger(
    database: Database,
    name: str = CITY_LEDGER,
    chart: Chart = SHIPPED,
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Ledger]:
    """A ledger, created if the database does not have it. Leaving drains the writer.

    Raises LedgerBusy if another process owns the SQLite file, LedgerMismatch if the books are others.
    """
    store = database.store(ledger_id_of(name))
    writer = LedgerWriter(store, chart, clock=clock, limits=limits)
    await writer.start()
    try:
        await store.create(name, chart)
        yield Ledger(database, name, writer)
    finally:
        await writer.stop()
