"""Once a ledger is closed its SQLite file is whole by itself: whoever copies it takes everything along."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.ledger.toy import CHART, LATE, TOY, draft, move

from pointsbank.engine.registry import open_ledger
from pointsbank.readers.moments import head
from pointsbank.store.database import Database


async def test_a_copy_of_the_file_alone_holds_what_was_written(sqlite_url: str, tmp_path: Path) -> None:
    issue = draft("issue", "1", move("mint:m", "wallet:a", 100, LATE), opens=("mint:m", "wallet:a"))
    database = Database(sqlite_url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([issue], TOY)
        assert await database.read(head, ledger.id), "somebody has read, and keeps a connection"
    copied = Database(f"sqlite:///{shutil.copy(database.path, tmp_path / 'copy.db')}")
    found = await copied.read(head, ledger.id)
    assert found is not None
    assert found.sequence == 1
    await copied.close()
    await database.close()
