"""A ledger with a small tree: a city with two centres, sub-centres and stations, and shorthands for its changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.places import tree
from pointsbank.places.model import Act, MemberAct, Opening, PlaceHistory
from pointsbank.places.service import PlacesService
from pointsbank.policy.calendar import start_of_day
from pointsbank.store.database import Database

START = date(2020, 1, 1)
TODAY = date(2026, 11, 22)

TREE = (
    ("city", "HRB", ""),
    ("centre", "C1", "HRB"),
    ("centre", "C2", "HRB"),
    ("sub-centre", "C1A", "C1"),
    ("sub-centre", "C2A", "C2"),
    ("station", "S1", "C1A"),
    ("station", "S2", "C1A"),
    ("station", "S3", "C2A"),
)


class Land:
    """The places of one ledger."""

    def __init__(self, ledger: Ledger, clock: FixedClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.service = PlacesService(ledger)
        self.commands = 0

    def command(self) -> Command:
        self.commands += 1
        return Command("test", f"command {self.commands}")

    async def do(self, *acts: Act) -> None:
        for act in acts:
            result = await self.service.change(act, self.command())
            assert isinstance(result, Receipt), (act, result)

    async def refused(self, act: Act) -> Refusal:
        result = await self.service.change(act, self.command())
        assert isinstance(result, Refusal), act
        return result

    async def join(self, *acts: MemberAct) -> None:
        for act in acts:
            result = await self.service.change_membership(act, self.command())
            assert isinstance(result, Receipt), (act, result)

    async def join_refused(self, act: MemberAct) -> Refusal:
        result = await self.service.change_membership(act, self.command())
        assert isinstance(result, Refusal), act
        return result

    async def history(self, code: str) -> PlaceHistory:
        found = await self.ledger.database.read(tree.history, self.ledger.id, code)
        assert found is not None
        return found

    async def id(self, code: str) -> str:
        return (await self.history(code)).id

    async def above(self, code: str, day: date) -> list[str]:
        """Codes of what is above a place on a day, itself first."""
        database, ledger = self.ledger.database, self.ledger.id
        ids = await database.read(tree.ancestors, ledger, await self.id(code), day)
        found = await database.read(tree.places_by_id, ledger, ids, day)
        return [found[id_].code for id_ in ids]

    async def below(self, code: str, day: date) -> list[str]:
        found = await self.ledger.database.read(tree.children, self.ledger.id, code, day)
        return [place.code for place in found]


@asynccontextmanager
async def open_land(database: Database, today: date = TODAY, *, empty: bool = False) -> AsyncIterator[Land]:
    clock = FixedClock(start_of_day(today, "Asia/Shanghai"))
    async with open_ledger(database, "land", clock=clock) as ledger:
        land = Land(ledger, clock)
        if not empty:
            await land.do(*(Opening(code, kind, f"{code} 名", parent, START) for kind, code, parent in TREE))
        yield land
