"""A replay in a process of its own that says how far it is, so that it can be killed at a chosen moment."""

import asyncio
import sys
from pathlib import Path

from pointsbank.people.master import master_keys
from pointsbank.people.store import people_store
from pointsbank.replay.run import replay
from pointsbank.settings import settings_from
from pointsbank.store.database import Database


async def main(folder: str, out: str, url: str) -> None:
    """Replay `folder` into the database at `url`, one line a chunk; the last line says whether anything was left."""
    database, settings = Database(url), settings_from(database=url)
    try:
        outcome = await replay(
            Path(folder),
            Path(out),
            database,
            lambda ledger_id: people_store(settings, ledger_id, master_keys(settings)),
            lambda step, done, _: print(step, done, flush=True),
        )
    finally:
        await database.close()
    print("changed" if outcome.changed else "unchanged", outcome.sequence, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
