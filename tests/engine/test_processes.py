"""Real processes: several write one PostgreSQL ledger, one owns a SQLite file, kill -9 loses nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from tests.engine.posting_process import drafts
from tests.engine.processes import acknowledged, go, posting_process
from tests.ledger.toy import CHART, TOY
from tests.simulate.audit import audit

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.store.database import Database
from pointsbank.store.port import LedgerBusy


async def test_several_processes_take_turns_on_one_postgresql_ledger(postgres_url: str) -> None:
    names, count = ("p1", "p2", "p3"), 300
    async with AsyncExitStack() as stack:
        starting = (
            stack.enter_async_context(posting_process(postgres_url, "city", name, count)) for name in names
        )
        processes = [await each for each in starting]
        for process in processes:
            go(process)
        answers = await asyncio.gather(*map(acknowledged, processes))
        assert [await process.wait() for process in processes] == [0, 0, 0]
    database = Database(postgres_url)
    books = await audit(database, "city")
    await database.close()
    assert [len(each) for each in answers] == [count] * 3
    for each in answers:
        for key, sequence in each.items():
            assert books.sequences["test", key] == sequence
    assert len(books.entries) == 3 * 270 + 30
    assert books.balance("wallet:shared") == 30
    assert [books.balance(f"wallet:{name}") for name in names] == [270] * 3
    assert books.subjects == {"all": 840}


async def test_what_was_acknowledged_survives_kill_minus_nine(database_url: str) -> None:
    """Killed at a random moment, then again: whatever was acknowledged is there, the rest can be repeated."""
    rng = random.Random()
    seen: dict[str, int] = {}
    for stop_after in (rng.randrange(1, 60), rng.randrange(60, 150)):
        async with posting_process(database_url, "city", "p1", 2000) as process:
            go(process)
            seen |= await acknowledged(process, stop_after)
            process.kill()
            seen |= await acknowledged(process)  # what it had said before it died
    database = Database(database_url)
    books = await audit(database, "city")
    assert len(seen) > 60
    for key, sequence in seen.items():
        assert books.sequences["test", key] == sequence
    async with open_ledger(database, "city", CHART) as ledger:
        repeated = await ledger.submit(drafts("p1", 200), TOY)
    assert all(isinstance(result, Receipt) for result in repeated)
    books = await audit(database, "city")
    assert books.balance("wallet:shared") + books.balance("wallet:p1") == len(books.entries)
    await database.close()


async def test_a_second_process_is_told_who_owns_the_sqlite_file(sqlite_url: str) -> None:
    async with posting_process(sqlite_url, "city", "p1", 10) as process:
        database = Database(sqlite_url)
        with pytest.raises(LedgerBusy, match=f"pid {process.pid}:.*posting_process"):
            async with open_ledger(database, "city", CHART):
                pass
        assert (await audit(database, "city")).entries == {}, "reading is open to everybody"
        go(process)
        assert len(await acknowledged(process)) == 10
        assert await process.wait() == 0
    async with open_ledger(database, "city", CHART) as ledger:
        (again,) = await ledger.submit(drafts("p1", 1), TOY)
        assert isinstance(again, Receipt)
        assert again.replayed
    await database.close()


async def test_a_dead_owner_leaves_the_sqlite_file_free(sqlite_url: str) -> None:
    async with posting_process(sqlite_url, "city", "p1", 10) as process:
        process.kill()
        await process.wait()
    database = Database(sqlite_url)
    async with open_ledger(database, "city", CHART) as ledger:
        assert ledger.writer.is_running
    await database.close()
