"""Opens a ledger for writing: its database, its store, its one writer, as a rule in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from pointsbank.engine.clock import Clock
from pointsbank.engine.writer import LedgerWriter, Limits, Result
from pointsbank.ledger.chart import SHIPPED, Chart
from pointsbank.ledger.model import Draft, Intent
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

CITY_LEDGER = "city"


class Writer(Protocol):
    """What the rooms need of a writer, wherever it is."""

    clock: Clock
    chart: Chart

    @property
    def queued(self) -> int:
        """Drafts that wait."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it takes drafts."""
        ...

    @property
    def batches(self) -> int:
        """Commits so far."""
        ...

    @property
    def lost_races(self) -> int:
        """Commits that another process overtook."""
        ...

    def submit(
        self,
        drafts: Sequence[Draft | Intent],
        rooms: frozenset[str],
        *,
        atomic: bool = False,
        brief: bool = False,
    ) -> asyncio.Future[list[Result]]:
        """As `LedgerWriter.submit`."""
        ...


class Ledger:
    """One ledger, open for reading and writing."""

    def __init__(self, database: Database, name: str, writer: Writer) -> None:
        self.database = database
        self.name = name
        self.id = ledger_id_of(name)
        self._writer = writer
        self.submit = writer.submit

    @property
    def writer(self) -> Writer:
        return self._writer


class LedgerHere(Ledger):
    """A ledger whose writer is in this process."""

    def __init__(self, database: Database, name: str, writer: LedgerWriter) -> None:
        super().__init__(database, name, writer)
        self._here = writer

    @property
    def writer(self) -> LedgerWriter:
        return self._here


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
) -> AsyncIterator[LedgerHere]:
    """A ledger, created if the database does not have it. Leaving drains the writer.

    Raises LedgerBusy if another process owns the SQLite file, LedgerMismatch if the books are others.
    """
    store = database.store(ledger_id_of(name))
    writer = LedgerWriter(store, chart, clock=clock, limits=limits)
    await writer.start()
    try:
        await store.create(name, chart)
        yield LedgerHere(database, name, writer)
    finally:
        await writer.stop()
