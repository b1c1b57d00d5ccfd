"""A small town for tests of the services: three volunteers, two stations, a few goods, a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

from msgspec.structs import replace
from tests.people_of import enrol, open_peopled, volunteers_named

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.hours.service import HoursService
from pointsbank.ledger.model import Receipt
from pointsbank.market.model import Basket, BasketLine, ReturnLine
from pointsbank.market.postings import Delivery
from pointsbank.market.service import GoodsBack, MarketService, Sale
from pointsbank.people.store import PeopleStore
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.points.lots import HeldLot, lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_to_utc_micros, local_second
from pointsbank.policy.load import parse_policy
from pointsbank.policy.model import Policy
from pointsbank.store.database import Database

SHANGHAI = "Asia/Shanghai"
GOODS = {"RICE": (20, None), "SOAP": (5, 2), "BOOK": (0, 1)}
"""Price in points and monthly limit of each good."""


def policy(name: str = "test", **changes: object) -> Policy:
    """A policy with an hour worth 10 points, and what the test changes of it."""
    values = {
        "policy": name,
        "city": "小镇",
        "timezone": SHANGHAI,
        "points_per_hour": 10,
        "round_down_minutes": 30,
        "session_max_hours": 24,
        "caps": {"activity_minutes": 240, "day_minutes": 480, "year_minutes": 30_000},
        "participation_floor_percent": 60,
        "record_deadline_working_days": 1000,
        "public_notice_days": 0,
        "expiry_years_after_service_year": 1,
        "return_hours": 168,
        "hour_classes": {"信用": {"earns_points": True}, "荣誉": {"earns_points": False}},
        "categories": [
            {
                "code": "ENV",
                "name": "环保",
                "coefficient_hundredths": 100,
                "per_event": False,
                "minimum_age": 6,
            }
        ],
        "goods": [
            {
                "sku": sku,
                "ean13": ean,
                "name": sku,
                "price_points": price,
                "monthly_limit": limit,
                "opening_stock": 0,
            }
            for (sku, (price, limit)), ean in zip(
                GOODS.items(), ("2000000000008", "2000000000015", "2000000000022"), strict=True
            )
        ],
    }
    return parse_policy(json.dumps(values | changes), "policy.json")


def book(*policies: Policy) -> PolicyBook:
    """Policies in force one after the other; a single one is in force on all dates."""
    return PolicyBook(policies or [policy()])


def micros(text: str) -> int:
    """The instant of a city time."""
    second = local_second(text)
    assert second is not None
    return city_to_utc_micros(second, SHANGHAI)


@dataclass
class Town:
    """The services of one ledger, and shorthands for what people do."""

    ledger: Ledger
    policies: PolicyBook
    clock: FixedClock
    hours: HoursService
    market: MarketService
    numbers: dict[str, int] = field(default_factory=dict)

    def key(self, prefix: str) -> Command:
        self.numbers[prefix] = self.numbers.get(prefix, 0) + 1
        return Command("test", f"{prefix}-{self.numbers[prefix]}")

    async def earn(self, volunteer: str, day: str, *, minutes: int = 240) -> str:
        """One record of service that begins at 08:00; gives its verdict."""
        key = self.key("earn").key
        [verdict] = await self.hours.submit(
            key, [(1, record(key, volunteer, day, minutes=minutes))], Command("test", key)
        )
        return verdict.verdict

    async def stock(self, sku: str, pieces: int, station: str = "S1") -> None:
        known = await self.ledger.database.read(stations, self.ledger.id, [station])
        command = self.key("stock")
        [result] = await self.market.receive(
            [(Delivery(command.key, known[station], "donor", ((sku, pieces),)), command)]
        )
        assert isinstance(result, Receipt)

    async def sell(
        self, volunteer: str, at: str, *lines: tuple[str, int], key: Command | None = None, till: str = "T1"
    ) -> Sale:
        command = key or self.key("sell")
        return await self.market.sell(basket(f"B{command.key}", volunteer, at, *lines, till=till), command)

    async def take_back(
        self, sale: Sale, at: str, sku: str, pieces: int, key: Command | None = None
    ) -> GoodsBack:
        command = key or self.key("back")
        return await self.market.take_back(
            ReturnLine(f"R{command.key}", at, sale.basket.receipt_no, sku, str(pieces)), command
        )

    async def person(self, volunteer: str) -> Volunteer:
        return (await volunteers_named(self.ledger, volunteer))[volunteer]

    async def lots(self, volunteer: str, *, pending: bool = False) -> dict[str, int]:
        """Points by last day."""
        person = await self.person(volunteer)
        wallet = person.pending if pending else person.wallet
        held: list[HeldLot] = (await self.ledger.database.read(lots_of, self.ledger.id, [wallet])).get(
            wallet, []
        )
        return {lot.expires_on: lot.balance for lot in held}


def record(
    record_id: str,
    volunteer: str,
    day: str,
    *,
    start: str = "08:00",
    minutes: int = 240,
    category: str = "ENV",
) -> tuple[str, ...]:
    """The fields of a service record, attended in full and typed in at its end."""
    end = int(start[:2]) * 60 + int(start[3:]) + minutes
    begins, ends = f"{day} {start}", f"{day} {end // 60:02}:{end % 60:02}"
    return (
        record_id,
        volunteer,
        "A1",
        "清雪",
        category,
        "S1",
        begins,
        ends,
        begins,
        ends,
        "信用",
        "OP1",
        ends,
    )


def basket(
    number: str, volunteer: str, at: str, *lines: tuple[str, int], till: str = "T1", station: str = "S1"
) -> Basket:
    return Basket(number, at, till, station, volunteer, tuple(BasketLine(sku, str(n)) for sku, n in lines))


@asynccontextmanager
async def open_town(
    database: Database,
    policies: PolicyBook | None = None,
    now: str = "2026-03-02 08:00:00",
    *,
    people: PeopleStore | None = None,
    numbers: Sequence[str] = ("V1", "V2", "V3"),
) -> AsyncIterator[Town]:
    """The town in the ledger `town`; opening it again finds what is there. `numbers` are those of its volunteers."""
    clock, policies = FixedClock(micros(now)), policies or book()
    async with open_peopled(database, "town", clock=clock, people=people) as ledger:
        town = Town(ledger, policies, clock, HoursService(ledger, policies), MarketService(ledger, policies))
        await town.hours.open_accounts()
        await enrol(ledger, dict.fromkeys(numbers, date(1990, 1, 1)))
        places = [
            opening("station", code, code, "C1", Command("test", f"place:{code}")) for code in ("S1", "S2")
        ]
        await ledger.submit(places, PLACES)
        yield town


def followed_by(*parts: tuple[str, str, Policy]) -> PolicyBook:
    """Policies with their first and last day."""
    return PolicyBook(
        [
            replace(part, valid_from=date.fromisoformat(first), valid_to=date.fromisoformat(last))
            for first, last, part in parts
        ]
    )
