"""A cursor of the SQLite file ends in the thread of its connection, never in that of the caller.

One that ends while its connection is being closed in another thread takes the process with it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.ledger.toy import CHART, LATE, TOY, draft, move

from pointsbank.engine.registry import open_ledger
from pointsbank.readers.moments import head
from pointsbank.store.database import Database
from pointsbank.store.sqlite import SqliteStore
from pointsbank.store.sqlite_driver import sqlite3


async def test_no_thread_hands_a_cursor_over(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    in_threads, handed = loop.run_in_executor, []

    def recorded(*work: Any) -> asyncio.Future[Any]:
        handed.append(in_threads(*work))
        return handed[-1]

    monkeypatch.setattr(loop, "run_in_executor", recorded)
    database = Database(sqlite_url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit(
            [draft("issue", "1", move("mint:m", "wallet:a", 100, LATE), opens=("mint:m", "wallet:a"))], TOY
        )
        await database.read(head, ledger.id)
    store = SqliteStore(database.path, ledger.id)
    await store.open()
    async with store.turn():
        pass
    await store.close()
    await database.close()
    assert len(handed) > 10
    assert not [future for future in handed if isinstance(future.result(), sqlite3.Cursor)]
