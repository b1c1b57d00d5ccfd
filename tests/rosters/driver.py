"""Brings a sheet of places in, chunk by chunk, and says how far it has come: to be killed from outside."""

import asyncio
import sys
from itertools import islice
from pathlib import Path

from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.intake.sheets import open_sheet
from pointsbank.rosters.service import PlacesRoster, RosterService
from pointsbank.store.database import Database

CHUNK = 40


async def run(file: Path, url: str) -> None:
    database = Database(url)
    async with open_ledger(database, "land") as ledger:
        service = RosterService(ledger, PlacesRoster(ledger))
        with open_sheet(file, PlacesRoster.form) as sheet:
            lines, done = sheet.lines(), 0
            while chunk := list(islice(lines, CHUNK)):
                await service.submit("places:driver", chunk, Command("import", "driver"))
                done += len(chunk)
                print(done, flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
