"""Runs a data set through the bank, in a ledger of its own, and can be stopped at any moment and run again.

Every line has a document with its verdict, written in the commit of its postings, so a restart goes on after the
last one. The head's sequence at the end of each step is kept, and the summary is computed as of those marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.hours.service import HoursService, RecordRefused
from pointsbank.intake.lines import Place, count_of, step_row, steps_of
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.volunteers import PEOPLE, registration
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.points.service import expire
from pointsbank.policy.book import PolicyBook
from pointsbank.replay.dataset import Dataset, DatasetError, in_basket_order, in_return_order
from pointsbank.replay.summary import write_results
from pointsbank.store.database import Database

T = TypeVar("T")

EXPIRY_RUN: Final = date(2028, 1, 1)
"""The data sets end with one expiry run as of this day (tests/data/README.md, section 2)."""

STEPS: Final = ("opening", "hours", "redemptions", "returns", "expiry")
INTAKE: Final = frozenset(["intake"])
CLIENT: Final = "replay"
CHUNK: Final = 1000

Progress = Callable[[str, int, int], None]
"""Called with the step, how many lines are done, and how many there are (0 if not known yet)."""


class Outcome(msgspec.Struct, frozen=True):
    """What a replay did: whether anything was left to do, and the ledger it did it in."""

    ledger: str
    changed: bool
    sequence: int


async def replay(folder: Path, out: Path, database: Database, on_progress: Progress | None = None) -> Outcome:
    """Run the data set in `folder` and write `summary.json` and the verdict files to `out`.

    Raises DatasetError if the input cannot be read; the database's own errors if it cannot be written.
    """
    dataset = Dataset(folder)
    policy = msgspec.structs.replace(dataset.policy(), valid_from=date.min, valid_to=date.max)
    name = f"replay:{dataset.digest()}"
    async with open_ledger(database, name) as ledger:
        run = _Replay(dataset, PolicyBook([policy]), ledger, on_progress or (lambda step, done, total: None))
        before = (await ledger.writer.store.head()).batch
        await run.all_steps()
        head = await ledger.writer.store.head()
        marks = await database.read(steps_of, ledger.id, CLIENT)
        out.mkdir(parents=True, exist_ok=True)
        await write_results(dataset, policy, ledger, marks, out)
        return Outcome(name, head.batch != before, head.sequence)


class _Replay:
    def __init__(self, dataset: Dataset, policies: PolicyBook, ledger: Ledger, on_progress: Progress) -> None:
        self.dataset = dataset
        self.policies = policies
        self.policy = policies.policies[0]
        self.ledger = ledger
        self.on_progress = on_progress
        self.hours = HoursService(ledger, policies)
        self.market = MarketService(ledger, policies, keeps_refusals=True)

    async def all_steps(self) -> None:
        done = await self.ledger.database.read(steps_of, self.ledger.id, CLIENT)
        steps = (self._open, self._earn, self._sell, self._take_back, self._expire)
        for name, step in zip(STEPS, steps, strict=True):
            if name not in done:
                await step()
                await self._mark(name)

    async def _mark(self, step: str) -> None:
        """Keep the head's sequence at the end of a step."""
        head = await self.ledger.writer.store.head()
        await self._post(
            [
                Draft(
                    kind="mark-step", key=f"step:{step}", client=CLIENT, request=request_digest("step", step),
                    effective_at=0, rows=(step_row(CLIENT, step, head.sequence),),
                )
            ],
            INTAKE,
        )

    async def _post(self, drafts: list[Draft], rooms: frozenset[str]) -> None:
        for result in await self.ledger.submit(drafts, rooms):
            if isinstance(result, Refusal):
                raise RecordRefused(0, result)

    async def _open(self) -> None:
        """Open the city: funds and categories, stations, volunteers, and the goods on the shelves."""
        await self.hours.open_accounts(CLIENT)
        places = [
            opening("station", s.code, s.name, s.sub_centre, self._command(f"station:{s.code}"))
            for s in self.dataset.stations()
        ]
        await self._post(places, PLACES)
        for chunk in _chunks(self.dataset.volunteers(), CHUNK):
            await self._post(
                [registration(v.id, v.born, self._command(f"volunteer:{v.id}")) for v in chunk], PEOPLE
            )
        goods = tuple((good.sku, good.opening_stock) for good in self.policy.goods.values())
        known = await self.ledger.database.read(stations, self.ledger.id)
        deliveries = [
            (Delivery(f"opening:{code}", station, "opening", goods), self._command(f"opening:{code}"))
            for code, station in sorted(known.items())
        ]
        for result in await self.market.receive(deliveries):
            if not isinstance(result, Receipt):
                raise RecordRefused(0, result)

    async def _earn(self) -> None:
        """Step 1: all records, in the order of the file. Then whatever stands on notice becomes available."""
        done = await self._count("hours")
        lines = islice(self.dataset.records(), done, None)
        for chunk in _chunks(lines, CHUNK):
            await self.hours.submit("hours", chunk, Command(CLIENT, "hours"))
            done += len(chunk)
            self.on_progress("hours", done, 0)
        # Steps have no coupling in time: a step begins when the one before is complete, its notices included.
        async for _ in self.hours.release(date.max, CLIENT):
            pass

    async def _sell(self) -> None:
        """Step 2: all baskets, by time and receipt number."""
        baskets = in_basket_order(self.dataset.baskets())
        done = await self._count("redemptions")
        for chunk in _chunks(baskets[done:], CHUNK):
            await self.market.sell_all(
                [
                    (Place("redemptions", b.line_no), b, self._command(f"redemptions:{b.line_no}"))
                    for b in chunk
                ]
            )
            done += len(chunk)
            self.on_progress("redemptions", done, len(baskets))

    async def _take_back(self) -> None:
        """Step 3: all returns, by time and return number."""
        lines = in_return_order(self.dataset.returns())
        done = await self._count("returns")
        for line in lines[done:]:
            await self.market.take_back(
                line, self._command(f"returns:{line.line_no}"), Place("returns", line.line_no)
            )
            done += 1
            self.on_progress("returns", done, len(lines))

    async def _expire(self) -> None:
        """Step 4: the expiry run."""
        done = 0
        async for taken in expire(self.ledger, EXPIRY_RUN, self.policy.timezone, CLIENT):
            done += taken
            self.on_progress("expiry", done, 0)

    async def _count(self, source: str) -> int:
        return await self.ledger.database.read(count_of, self.ledger.id, source)

    def _command(self, key: str) -> Command:
        return Command(CLIENT, key)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


__all__ = ["DatasetError", "Outcome", "replay"]
