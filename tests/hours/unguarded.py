"""The policy that comes with the program, with every safeguard off: lines are booked as they come in."""

from __future__ import annotations

import re
from pathlib import Path

from pointsbank.engine.clock import Clock
from pointsbank.engine.opening import require_profile
from pointsbank.engine.registry import open_ledger
from pointsbank.store.database import Database

SHIPPED = Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml"


async def opened_as_replay(url: str, clock: Clock | None = None) -> None:
    """The books begin as a replay's: a live ledger takes no such policy. With the clock of whoever goes on with them."""
    database = Database(url)
    async with open_ledger(database, clock=clock) as ledger:
        await require_profile(ledger, "replay")
    await database.close()


def unguarded_policy(folder: Path) -> Path:
    """A file of it in the folder."""
    text = SHIPPED.read_text("utf-8")
    start, end = text.index("[safeguards]"), text.index("[offline]")
    off = re.sub(r"^(\w+) = true", r"\1 = false", text[start:end], flags=re.MULTILINE)
    off = re.sub(r"^(?!decision)(\w+) = \d+", r"\1 = 0", off, flags=re.MULTILINE).replace(
        '"server"', '"stated"'
    )
    path = folder / "unguarded.toml"
    path.write_text(text[:start] + off + text[end:], "utf-8")
    return path
