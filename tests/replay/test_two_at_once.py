"""Two replays of one data set at a time: on PostgreSQL both end alike, on SQLite the second is told who works there."""

import asyncio
from pathlib import Path

import pytest
from tests.people_of import store_of
from tests.replay.dictionary_bank import play, verdict_file
from tests.replay.odd_town import make_town

from pointsbank.replay.run import Outcome, replay
from pointsbank.store.database import Database
from pointsbank.store.port import LedgerBusy


async def replay_into(folder: Path, out: Path, url: str) -> Outcome:
    database = Database(url)
    try:
        return await replay(folder, out, database, lambda id_: store_of(url, id_))
    finally:
        await database.close()


async def test_two_replays_at_once_on_postgresql_book_each_line_once(
    postgres_url: str, tmp_path: Path
) -> None:
    folder = make_town(tmp_path / "town", 1)
    outs = [tmp_path / "first", tmp_path / "second"]
    first, second = await asyncio.gather(*(replay_into(folder, out, postgres_url) for out in outs))
    assert first.ledger == second.ledger
    expected = play(folder)
    for out in outs:
        for source in ("hours", "redemptions", "returns"):
            assert (out / f"verdicts-{source}.csv").read_bytes() == verdict_file(expected[source])
    assert (outs[0] / "summary.json").read_bytes() == (outs[1] / "summary.json").read_bytes()
    assert not (await replay_into(folder, tmp_path / "third", postgres_url)).changed


async def test_a_second_replay_on_sqlite_is_refused_with_the_name_of_the_first(
    sqlite_url: str, tmp_path: Path
) -> None:
    folder = make_town(tmp_path / "town", 1)
    database = Database(sqlite_url)
    store = database.store(1)
    await store.open()
    try:
        with pytest.raises(LedgerBusy, match="pid"):
            await replay_into(folder, tmp_path / "out", sqlite_url)
    finally:
        await store.close()
        await database.close()
    assert (await replay_into(folder, tmp_path / "out", sqlite_url)).changed
