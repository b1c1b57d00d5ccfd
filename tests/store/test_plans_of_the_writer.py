"""What the writer looks up it finds by whole keys, although its plans were made when the tables were empty."""

from __future__ import annotations

import os

import asyncpg
import pytest
from tests.ledger.toy import CHART, LATE, TOY, draft, issue, move

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.store.database import Database
from pointsbank.store.port import Wanted
from pointsbank.store.postgres import PostgresStore
from pointsbank.store.schema import upgrade

ENTRIES = 3000
SINCE = 180_000
"""The first version of PostgreSQL that takes statistics."""

READ = """SELECT relname, coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) AS rows
    FROM pg_stat_xact_user_tables WHERE schemaname = 'public'"""


@pytest.fixture(autouse=True)
async def new_enough(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    await connection.close()
    if version < SINCE:
        pytest.skip(f"PostgreSQL {version} takes no statistics")


async def test_a_look_up_reads_what_it_looks_for_and_not_the_ledger(postgres_url: str) -> None:
    """32 keys by a plan of the first minute: PostgreSQL has not looked at the tables since they were empty."""
    database = Database(postgres_url)
    async with open_ledger(database, "grown", CHART) as ledger:
        store = ledger.writer.store
        assert isinstance(store, PostgresStore)
        wanted = Wanted(
            accounts={f"wallet:w{n}" for n in range(32)},
            keys={os.urandom(16) for _ in range(32)},
            subjects={f"volunteer:{n}" for n in range(32)},
            counters={f"receipt:{n}" for n in range(32)},
            lots={("POINT", LATE)},
        )
        await ledger.submit([issue("fund", "wallet:rich", 10**9)], TOY)
        await ledger.submit([issue(f"first {n}", f"wallet:f{n}", 10) for n in range(64)], TOY)
        await store.load(wanted)
        for start in range(0, ENTRIES, 500):
            results = await ledger.submit(
                [
                    draft(
                        "pay", f"key {n}", move("wallet:rich", f"wallet:w{n}", 1 + n),
                        opens=(f"wallet:w{n}",), touches=(f"volunteer:{n}",), counters=(f"receipt:{n}",),
                    )
                    for n in range(start, start + 500)
                ],
                TOY,
            )  # fmt: skip
            assert all(isinstance(result, Receipt) for result in results)
        connection = store._reading
        assert connection is not None
        async with connection.transaction():
            before = dict(await connection.fetch(READ))
            loaded = await store.load(wanted)
            after = dict(await connection.fetch(READ))
    await database.close()
    assert (len(loaded.accounts), len(loaded.subjects), len(loaded.counters), len(loaded.keys)) == (
        32,
        32,
        32,
        0,
    )
    read = {
        table: rows - before.get(table, 0) for table, rows in after.items() if not table.startswith("pg_")
    }
    assert max(read.values()) <= 70, read


@pytest.mark.parametrize("column", ["ledger_id", "key_digest"])
async def test_real_statistics_are_not_replaced_by_the_seed(postgres_url: str, column: str) -> None:
    ask = "SELECT n_distinct FROM pg_stats WHERE tablename = 'entries' AND attname = $1"
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval(ask, column) == (1 if column == "ledger_id" else -1)
        database = Database(postgres_url)
        async with open_ledger(database, "some", CHART) as ledger:
            await ledger.submit([issue(f"k{n % 2}{n}", "wallet:a", 1) for n in range(100)], TOY)
        await connection.execute("ANALYZE entries")
        found = await connection.fetchval(ask, column)
        await upgrade(database)
        await database.close()
        assert await connection.fetchval(ask, column) == found
    finally:
        await connection.close()
