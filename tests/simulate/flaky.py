"""A store that fails around the real one: before a write, after it, and while it is asked what happened."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from pointsbank.ledger.books import Head
from pointsbank.ledger.chart import Chart
from pointsbank.ledger.model import JournalEntry
from pointsbank.store.port import (
    Batch,
    BatchConflict,
    Loaded,
    OutcomeUnknown,
    Store,
    StoreError,
    Turn,
    Wanted,
)


class FlakyStore:
    """Wraps a real store; `chance` of trouble at each call, what kind is drawn from a seeded generator."""

    def __init__(self, store: Store, seed: int, chance: float) -> None:
        self.ledger_id = store.ledger_id
        self.real = store
        self.chance = chance
        self.troubles: Counter[str] = Counter()
        self.late: list[Batch] = []
        """writes on their way somewhere, which may arrive after all"""
        self._random = random.Random(seed)

    def _trouble(self, *kinds: str, factor: float = 1) -> str:
        if self._random.random() >= self.chance * factor:
            return ""
        kind = min(kinds, key=lambda kind: (self.troubles[kind], self._random.random()))  # the rarest so far
        self.troubles[kind] += 1
        return kind

    def prepare(self, batch: Batch) -> None:
        self.real.prepare(batch)

    async def append(self, batch: Batch) -> bool:
        match self._trouble("not sent", "answer lost", "late", "conflict", "refused", "overtaken"):
            case "not sent":
                raise OutcomeUnknown("the statement never left")
            case "late":
                self.late.append(batch)
                raise OutcomeUnknown("the statement is still on its way")
            case "answer lost":
                await self.real.append(batch)
                raise OutcomeUnknown("the answer is lost")
            case "conflict":
                raise BatchConflict("a key is taken")
            case "refused":
                raise StoreError("the disk is full")
            case "overtaken":
                return False
        return await self.real.append(batch)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        trouble = self._trouble("no lock", "lost before commit", "answer to commit lost", "failed in turn")
        if trouble == "no lock":
            raise OutcomeUnknown("connection lost before the lock")
        async with self.real.turn() as turn:
            yield turn
            if trouble == "lost before commit":
                raise OutcomeUnknown("connection lost before COMMIT")
            if trouble == "failed in turn":
                raise BatchConflict("a guarded state moved")
        if trouble == "answer to commit lost":
            raise OutcomeUnknown("the answer to COMMIT is lost")

    async def settle(self, batch: Batch) -> bool:
        if self._trouble("cannot settle", factor=0.5):
            raise OutcomeUnknown("still no connection")
        committed = await self.real.settle(batch)
        await self.deliver_late_writes()
        return committed

    async def deliver_late_writes(self) -> None:
        """What was on its way arrives after the fence: it must change nothing."""
        for batch in self.late:
            assert not await self.real.append(batch), "a late write went through"
        self.late.clear()

    async def reconnect(self) -> None:
        if self._trouble("no connection", factor=2.5):
            raise OutcomeUnknown("no connection yet")
        await self.real.reconnect()

    async def head(self) -> Head:
        if self._trouble("head unread"):
            raise OutcomeUnknown("connection lost while reading")
        return await self.real.head()

    async def load(self, wanted: Wanted) -> Loaded:
        if self._trouble("load failed"):
            raise OutcomeUnknown("connection lost while loading")
        return await self.real.load(wanted)

    async def receipts(self, sequences: Iterable[int]) -> dict[int, JournalEntry]:
        if self._trouble("receipts unread"):
            raise OutcomeUnknown("connection lost while reading receipts")
        return await self.real.receipts(sequences)

    async def open(self) -> None:
        await self.real.open()

    async def close(self) -> None:
        await self.real.close()

    async def create(self, name: str, chart: Chart) -> None:
        await self.real.create(name, chart)
