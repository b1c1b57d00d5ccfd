"""A town with volunteers who have names, and the desk that issues record sheets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from msgspec.structs import replace
from tests.points.town import Town, open_town

from pointsbank.access.logins import LoginStore
from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import MasterKeys, generate
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore
from pointsbank.record_sheets.model import Sheet, SheetOrder
from pointsbank.record_sheets.pdf import set_page
from pointsbank.record_sheets.rules import SheetRules, rules_at
from pointsbank.record_sheets.service import RecordSheets
from pointsbank.record_sheets.signing import make_key
from pointsbank.record_sheets.tries import Tries
from pointsbank.store.database import Database

NAMES = {"V1": "张小明", "V2": "阿依古丽·买买提", "V3": "李雷"}
CLERK = "person:clerk"
HERE = "192.0.2.7"
YEAR = (date(2026, 1, 1), date(2026, 3, 1))

__all__ = ["CLERK", "HERE", "NAMES", "YEAR", "Office", "office", "set_page"]


@dataclass
class Office:
    """The town, its people, the desk, and who is who."""

    town: Town
    people: PeopleStore
    desk: RecordSheets
    rules: SheetRules
    ids: dict[str, str] = field(default_factory=dict)

    async def issue(
        self, volunteer: str = "V1", *, issuer: str = "S1", key: str = "k", replaces: str = ""
    ) -> Sheet:
        """A sheet of the year's first two months."""
        sheet = await self.ask(volunteer, issuer=issuer, key=key, replaces=replaces)
        assert isinstance(sheet, Sheet), sheet
        return sheet

    async def ask(
        self,
        volunteer: str = "V1",
        *,
        issuer: str = "S1",
        key: str = "k",
        replaces: str = "",
        days: tuple[date, date] = YEAR,
    ) -> Sheet | Refusal:
        order = SheetOrder(
            person_id=self.ids[volunteer], issuer=issuer, first=days[0], last=days[1], replaces=replaces
        )
        return await self.desk.issue(order, Command("office", key, CLERK))

    async def token(self, sheet: Sheet) -> str:
        """The token as the paper has it."""
        return next(
            line.removeprefix("token: ")
            for line in (await self.content(sheet)).decode().splitlines()
            if line.startswith("token: ")
        )

    async def content(self, sheet: Sheet) -> bytes:
        printed = await self.desk.print(sheet.sheet_id, CLERK)
        assert not isinstance(printed, Refusal), printed
        return printed.content


@asynccontextmanager
async def office(database: Database, folder: Path, **rules: int) -> AsyncIterator[Office]:
    """The office of a town in which V1, V2 and V3 have names."""
    async with open_town(database) as town:
        url = f"sqlite:///{folder / 'people.db'}" if database.dialect == "sqlite" else database.url
        erasures = ErasureList(folder / "people.erasures")
        people = PeopleStore(url, town.ledger.id, MasterKeys([generate()]), erasures, clock=town.clock)
        counters = LoginStore(database)
        try:
            await people.upgrade()
            await people.open()
            await counters.open()
            registry, ids = Registry(people), {}
            for number, name in NAMES.items():
                person = NewPerson(
                    name=name,
                    volunteer_number=f"V230100000{number[1:]}",
                    born=date(1990, 1, 1),
                    person_id=(await town.person(number)).id,
                )
                outcome = await registry.register(person, "clerk")
                assert isinstance(outcome, Registered), outcome
                ids[number] = outcome.person_id
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
            await people.close()
