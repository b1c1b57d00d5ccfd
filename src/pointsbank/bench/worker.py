"""One process of callers: `python -m pointsbank.bench.worker '<json>'` opens the ledger, posts, prints a rate.

Every measurement of ours runs in a process of its own, so none profits from another's memory.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import msgspec
import uvloop

from pointsbank.bench.town import ACCOUNTS, CHART, ROOM, open_accounts, remember_accounts, transfers
from pointsbank.engine.registry import LedgerHere, open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.ledger.model import Receipt
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade


class Work(msgspec.Struct, frozen=True):
    """What a process is to do. Times in seconds; `starts_at` on the clock of time.time()."""

    url: str
    ledger: str = "bench"
    mode: str = "spread"
    callers: int = 32
    group: int = 1
    accounts: int = ACCOUNTS
    warm: float = 1.0
    seconds: float = 3.0
    starts_at: float = 0.0
    prefix: str = "a"
    opens: bool = False


class Done(msgspec.Struct, frozen=True):
    """What a process measured. Latencies in milliseconds, of one call."""

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    batches: int = 0
    lost_races: int = 0


async def measure(ledger: LedgerHere, work: Work) -> Done:
    """Closed loop: each caller posts `group` transfers, waits for the receipts, posts the next."""
    latencies: list[float] = []
    posted = 0
    clock = time.perf_counter
    next_transfer = transfers(work.mode, work.prefix, work.accounts)

    async def call_until(stop: float) -> None:
        nonlocal posted
        while clock() < stop:
            drafts = [next_transfer() for _ in range(work.group)]
            started = clock()
            results = await ledger.submit(drafts, ROOM)
            latencies.append(clock() - started)
            posted += len(results)
            if type(results[-1]) is not Receipt:
                raise RuntimeError(f"a transfer was refused: {results[-1]}")

    async def all_callers(seconds: float) -> float:
        started = clock()
        await asyncio.gather(*(call_until(started + seconds) for _ in range(work.callers)))
        return clock() - started

    await asyncio.sleep(max(0.0, work.starts_at - time.time()))
    await all_callers(work.warm)
    latencies.clear()
    posted = 0
    before = ledger.writer.batches
    took = await all_callers(work.seconds)
    latencies.sort()
    return Done(
        rate=posted / took,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[int(len(latencies) * 0.99)] * 1000,
        batches=ledger.writer.batches - before,
        lost_races=ledger.writer.lost_races,
    )


async def run(work: Work) -> Done:
    database = Database(work.url)
    try:
        if work.opens:
            await upgrade(database)
        limits = Limits(batch=max(1000, work.group), patience=60)
        async with open_ledger(database, work.ledger, CHART, limits=limits) as ledger:
            if work.opens:
                await open_accounts(ledger, work.accounts)
                return Done(0.0)
            await remember_accounts(ledger, work.accounts)
            gc.collect()
            return await measure(ledger, work)
    finally:
        await database.close()


if __name__ == "__main__":
    done = uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Work)))
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
