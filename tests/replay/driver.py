"""A replay in a process of its own that says how far it is, so that it can be killed at a chosen moment."""

import asyncio
import sys
from pathlib import Path

from tests.people_of import store_of

from pointsbank.replay.run import replay
from pointsbank.store.database import Database


async def main(folder: str, out: str, url: str) -> None:
    """Replay `folder` into the database at `url`, one line a chunk; the last line says whether anything was left."""
    database = Database(url)
    try:
        outcome = await replay(
            Path(folder),
            Path(out),
            database,
            lambda ledger_id: store_of(url, ledger_id),
            lambda step, done, _: print(step, done, flush=True),
        )
    finally:
        await database.close()
    print("changed" if outcome.changed else "unchanged", outcome.sequence, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
