"""The basket row: a small city with stocked shops, and tills that sell baskets of three goods one by one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from itertools import count

import msgspec
import uvloop

from pointsbank.bench.people import people_at
from pointsbank.bench.worker import Done
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.hours.postings import HOURS
from pointsbank.hours.service import HoursService
from pointsbank.ledger.model import Attachment, Draft, Movement, lot_name
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.model import Basket, BasketLine
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.model import NewPerson
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.points.lots import Fund
from pointsbank.policy.book import PolicyBook, load_book
from pointsbank.policy.shipped import shipped_folder
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade

PEOPLE_IN_CITY = 20_000
SHOPS = 20
CALLERS = 32
POINTS_EACH = 1_000_000
"""Hundredths: enough for every basket, so that a refusal is a fault."""

LOT_DAY = "2099-12-31"
DAY = "2026-11-20"


class Selling(msgspec.Struct, frozen=True):
    url: str
    warm: float
    seconds: float


def make_city(url: str) -> None:
    """Migrate a database and open a city in it: shops with stock, volunteers with points."""
    uvloop.run(_make_city(url))


async def _make_city(url: str) -> None:
    database = Database(url)
    await make_city_in(database, url)
    await database.close()


async def make_city_in(database: Database, url: str) -> None:
    """What `make_city` does, on a database that is open."""
    await upgrade(database)
    await people_at(url, 0).upgrade()
    book = load_book(shipped_folder())
    async with open_ledger(database) as ledger, with_people(ledger, people_at(url, ledger.id)):
        await HoursService(ledger, book).open_accounts("bench")
        places = [opening("station", f"B{n:03}", f"站 {n}", "", _command(f"place/{n}")) for n in range(SHOPS)]
        await _post(ledger, places, PLACES)
        known = await database.read(stations, ledger.id)
        goods = tuple((sku, 10_000_000) for sku in three_goods(book))
        deliveries = [
            (Delivery(f"delivery/{code}", station, "bench", goods), _command(f"delivery/{code}"))
            for code, station in known.items()
        ]
        _none_refused(await MarketService(ledger, book).receive(deliveries))
        for first in range(0, PEOPLE_IN_CITY, 1000):
            await _add_people(ledger, book, range(first, first + 1000))


async def _add_people(ledger: Ledger, book: PolicyBook, numbers: range) -> None:
    names = [volunteer_of(n) for n in numbers]
    born = date(1970, 1, 1)
    directory = directory_of(ledger)
    _none_refused(
        await directory.enrol(
            ledger, [NewPerson(volunteer_number=n, born=born) for n in names], "bench", "bench"
        )
    )
    people = await directory.by_number(names)
    fund = book.policies[-1].fund.code
    record = Attachment("service-record", "bench", bytes(32))
    gifts = [
        Draft(
            "earn",
            f"earn/{name}",
            "bench",
            bytes(16),
            0,
            (Movement(Fund(fund).issued, person.wallet, "POINT", POINTS_EACH, lot_name(LOT_DAY, fund)),),
            documents=(record,),
        )
        for name, person in people.items()
    ]
    await _post(ledger, gifts, HOURS)


async def _post(ledger: Ledger, drafts: list[Draft], rooms: frozenset[str]) -> None:
    _none_refused(await ledger.submit(drafts, rooms))


def _none_refused(results: Sequence[object]) -> None:
    refused = [result for result in results if isinstance(result, Refusal)]
    if refused:
        raise RuntimeError(f"the benchmark's city was refused: {refused[0]!r}")


def _command(key: str) -> Command:
    return Command("bench", key, "bench")


def volunteer_of(number: int) -> str:
    """Number of a volunteer of the bench's city."""
    return f"V{number:06}"


def three_goods(book: PolicyBook) -> tuple[str, ...]:
    """Three goods that cost something and are limited, so that a basket checks all there is to check."""
    goods = [good for good in book.policies[-1].goods.values() if good.price]
    goods.sort(key=lambda good: (good.monthly_limit is None, good.price))
    return tuple(good.sku for good in goods[:3])


def sell(url: str, warm: float, seconds: float) -> Done:
    """Baskets per second of 32 tills, measured in a process of its own."""
    selling = msgspec.json.encode(Selling(url, warm, seconds)).decode()
    answer = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pointsbank.bench.baskets", selling],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return msgspec.json.decode(answer.stdout, type=Done)


async def _sell(selling: Selling) -> Done:
    database = Database(selling.url)
    book = load_book(shipped_folder())
    lines = tuple(BasketLine(sku, "1") for sku in three_goods(book))
    numbers = count()
    latencies: list[float] = []

    async with open_ledger(database) as ledger, with_people(ledger, people_at(selling.url, ledger.id)):
        market = MarketService(ledger, book)

        async def till_until(stop: float, till: int) -> None:
            shop = f"B{till % SHOPS:03}"
            while (started := time.perf_counter()) < stop:
                n = next(numbers)
                buyer = volunteer_of(n % PEOPLE_IN_CITY)
                basket = Basket(f"R{n:09}", f"{DAY} 10:00:00", f"T{till}", shop, buyer, lines)
                sale = await market.sell(basket, _command(f"sale/{n}"))
                latencies.append(time.perf_counter() - started)
                if sale.receipt is None:
                    raise RuntimeError(f"a basket was refused: {sale.judgement}")

        took = 0.0
        for span in (selling.warm, selling.seconds):
            latencies.clear()
            started = time.perf_counter()
            await asyncio.gather(*(till_until(started + span, till) for till in range(CALLERS)))
            took = time.perf_counter() - started
        batches = ledger.writer.batches
    await database.close()
    latencies.sort()
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Done(len(latencies) / took, middle * 1000, late * 1000, batches)


if __name__ == "__main__":
    done = uvloop.run(_sell(msgspec.json.decode(sys.argv[1], type=Selling)))
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
