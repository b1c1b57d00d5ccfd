"""What the next batch needs is loaded while this one is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import asyncpg
from tests.ledger.toy import CHART, LATE, TOY, draft, move

from pointsbank.engine.registry import open_ledger
from pointsbank.store.database import Database
from pointsbank.store.port import Wanted
from pointsbank.store.sqlite_driver import (
    sqlite3,
)  # another copy of SQLite in this process would not see its locks


@asynccontextmanager
async def no_write_gets_through(database: Database) -> AsyncIterator[None]:
    """Somebody else holds what a batch must lock before it is written."""
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    connection = await asyncpg.connect(database.url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT * FROM heads FOR UPDATE")
            yield
    finally:
        await connection.close()


async def test_loading_does_not_wait_for_the_batch_that_is_being_written(database: Database) -> None:
    issue = draft("issue", "1", move("mint:m", "wallet:a", 100, LATE), opens=("mint:m", "wallet:a"))
    more = draft("issue", "2", move("mint:m", "wallet:a", 1, LATE))
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([issue], TOY)
        async with no_write_gets_through(database):
            writing = ledger.submit([more], TOY)
            async with asyncio.timeout(5):
                for _ in range(3):  # the first may still come before the write
                    loaded = await ledger.writer.store.load(Wanted(accounts={"wallet:a", "wallet:none"}))
            assert not writing.done()
        await writing
    assert [path for _, path, *_ in loaded.accounts] == ["wallet:a"]
    assert [balance for _, _, balance, _ in loaded.balances] == [100]
