"""A town with volunteers who have names, and the desk that issues record sheets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from msgspec.structs import replace
from tests.people_of import enrol
from tests.points.town import Town, open_town

from pointsbank.access.logins import LoginStore
from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of
from pointsbank.people.store import PeopleStore
from pointsbank.record_sheets.model import Sheet, SheetOrder
from pointsbank.record_sheets.pdf import set_page
from pointsbank.record_sheets.reading import Opening
from pointsbank.record_sheets.rules import SheetRules, rules_at
from pointsbank.record_sheets.service import RecordSheets
from pointsbank.record_sheets.signing import make_key
from pointsbank.record_sheets.tries import Tries
from pointsbank.store.database import Database

NAMES = {"W1": "张小明", "W2": "阿依古丽·买买提", "W3": "李雷"}
CLERK = "person:clerk"
HERE = "192.0.2.7"
YEAR = (date(2026, 1, 1), date(2026, 3, 1))

__all__ = ["CLERK", "HERE", "NAMES", "YEAR", "Office", "office", "set_page"]


def number_of(volunteer: str) -> str:
    """The volunteer number of W1, W2 or W3."""
    return f"V230100000{volunteer[1:]}"


@dataclass
class Office:
    """The town, its people, the desk, and who is who."""

    town: Town
    people: PeopleStore
    desk: RecordSheets
    rules: SheetRules
    ids: dict[str, str] = field(default_factory=dict)

    async def earn(self, volunteer: str, day: str) -> str:
        """Four hours of service; gives the verdict."""
        return await self.town.earn(number_of(volunteer), day)

    async def issue(
        self, volunteer: str = "W1", *, issuer: str = "S1", key: str = "k", replaces: str = ""
    ) -> Sheet:
        """A sheet of the year's first two months."""
        sheet = await self.ask(volunteer, issuer=issuer, key=key, replaces=replaces)
        assert isinstance(sheet, Sheet), sheet
        return sheet

    async def ask(
        self,
        volunteer: str = "W1",
        *,
        issuer: str = "S1",
        key: str = "k",
        replaces: str = "",
        days: tuple[date, date] = YEAR,
        opening: Opening | None = None,
    ) -> Sheet | Refusal:
        order = SheetOrder(
            person_id=self.ids[volunteer], issuer=issuer, first=days[0], last=days[1], replaces=replaces
        )
        return await self.desk.issue(order, Command("office", key, CLERK), opening)

    async def token(self, sheet: Sheet) -> str:
        """The token as the paper has it."""
        return next(
            line.removeprefix("token: ")
            for line in (await self.content(sheet)).decode().splitlines()
            if line.startswith("token: ")
        )

    async def content(self, sheet: Sheet) -> bytes:
        printed = await self.desk.print(sheet.sheet_id, Opening(CLERK))
        assert not isinstance(printed, Refusal), printed
        return printed.content


@asynccontextmanager
async def office(
    database: Database, folder: Path, *, born: dict[str, date] | None = None, **rules: int
) -> AsyncIterator[Office]:
    """The office of a town in which W1, W2 and W3 have names; grown up unless `born` says otherwise."""
    async with open_town(database, numbers=()) as town:
        people = directory_of(town.ledger).store
        numbers = {volunteer: number_of(volunteer) for volunteer in NAMES}
        enrolled = await enrol(
            town.ledger,
            {number: (born or {}).get(one, date(1990, 1, 1)) for one, number in numbers.items()},
            {numbers[volunteer]: name for volunteer, name in NAMES.items()},
        )
        ids = {volunteer: enrolled[number].id for volunteer, number in numbers.items()}
        counters = LoginStore(database)
        try:
            await counters.open()
            settled = replace(rules_at(), **rules)
            desk = RecordSheets(
                town.ledger,
                people,
                Tries(counters, people, town.clock),
                make_key(folder / "sheet-key"),
                settled,
                zone="Asia/Shanghai",
                public_url="https://points.example",
            )
            yield Office(town, people, desk, settled, ids)
        finally:
            await counters.close()
