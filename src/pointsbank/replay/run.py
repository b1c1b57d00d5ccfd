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

from pointsbank.activities.ports import By
from pointsbank.engine.collecting import collecting_seldom
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.opening import require_profile
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.hours.service import HoursService
from pointsbank.intake.lines import Place, filed_id, lines_done, step_row, steps_of
from pointsbank.ledger.model import MAX_POSTINGS, Draft, Receipt
from pointsbank.ledger.refusals import DocumentExists, Refusal
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.model import NewPerson
from pointsbank.people.store import PeopleStore
from pointsbank.people.volunteers import PEOPLE, registration
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.points.service import expire
from pointsbank.policy.book import PolicyBook
from pointsbank.readers.moments import head
from pointsbank.replay.dataset import Dataset, DatasetError, in_basket_order, in_return_order
from pointsbank.replay.summary import write_results
from pointsbank.store.database import Database

T = TypeVar("T")

EXPIRY_RUN: Final = date(2028, 1, 1)
"""The data sets end with one expiry run as of this day (tests/data/README.md, section 2)."""

STEPS: Final = ("opening", "hours", "redemptions", "returns", "expiry")
INTAKE: Final = frozenset(["intake"])
CLIENT: Final = "replay"
RECORDER: Final = By(CLIENT, "")
VERIFIER: Final = By("replay-verifier", "")
"""The two machines that play a whole data set: one does everything, the other accepts records, and nothing else."""
CHUNK: Final = 1000

Progress = Callable[[str, int, int], None]
"""Called with the step, how many lines are done, and how many there are (0 if not known yet)."""


class Outcome(msgspec.Struct, frozen=True):
    """What a replay did: whether anything was left to do, and the ledger it did it in."""

    ledger: str
    changed: bool
    sequence: int


class ReplayRefused(Exception):
    """The ledger does not take what the data set needs: nothing after that was written."""


async def replay(
    folder: Path,
    out: Path,
    database: Database,
    people: Callable[[int], PeopleStore],
    on_progress: Progress | None = None,
) -> Outcome:
    """Run the data set in `folder` and write `summary.json` and the verdict files to `out`.

    `people` gives the people store of a ledger (by its id), migrated and not open: the numbers of the files live there.

    Two replays of one data set may run at a time (PostgreSQL): each line is booked once, both end alike. Raises
    DatasetError if the input cannot be read, ReplayRefused and RecordRefused if the ledger does not take it;
    the database's own errors if it cannot be written.
    """
    dataset = Dataset(folder)
    policy = msgspec.structs.replace(dataset.policy(), valid_from=date.min, valid_to=date.max)
    name = dataset.ledger
    with collecting_seldom():
        async with (
            open_ledger(database, name) as ledger,
            with_people(ledger, people(ledger.id), exact=True, remembers=True),
        ):
            before = (await ledger.writer.store.head()).batch
            await require_profile(ledger, "replay")
            run = _Replay(
                dataset, PolicyBook([policy]), ledger, on_progress or (lambda step, done, total: None)
            )
            await run.all_steps()
            after = await ledger.writer.store.head()
            marks = await database.read(steps_of, ledger.id, CLIENT)
            await write_results(dataset, policy, ledger, marks, out)
            return Outcome(name, after.batch != before, after.sequence)


class _Replay:
    def __init__(self, dataset: Dataset, policies: PolicyBook, ledger: Ledger, on_progress: Progress) -> None:
        self.dataset = dataset
        self.policies = policies
        self.policy = policies.policies[0]
        self.ledger = ledger
        self.on_progress = on_progress
        self.hours = HoursService(ledger, policies, brings_own_time=True, verifier=VERIFIER)
        # The last day of a lot matters for the order of use and for step 4, and for nothing else.
        self.market = MarketService(ledger, policies, keeps_refusals=True, expires_first=False)

    async def all_steps(self) -> None:
        done = await self.ledger.database.read(steps_of, self.ledger.id, CLIENT)
        steps = (self._open, self._earn, self._sell, self._take_back, self._expire)
        for name, step in zip(STEPS, steps, strict=True):
            if name not in done:
                await step()
                await self._mark(name)

    async def _mark(self, step: str) -> None:
        """Keep the head's sequence at the end of a step.

        Nobody posts for the next step before the mark is there, so it is the same whoever sets it.
        """
        found = await self.ledger.database.read(head, self.ledger.id)
        assert found is not None
        await self._post(
            [
                Draft(
                    kind="mark-step",
                    key=f"step:{step}",
                    client=CLIENT,
                    request=request_digest("step", step),
                    effective_at=0,
                    rows=(step_row(CLIENT, step, found.sequence),),
                )
            ],
            INTAKE,
        )

    async def _post(self, drafts: list[Draft], rooms: frozenset[str]) -> None:
        """Post what opens the city. What another run of this data set wrote at the same time counts as written."""
        for result in await self.ledger.submit(drafts, rooms):
            if isinstance(result, Refusal) and not isinstance(result, DocumentExists):
                raise ReplayRefused(f"{result.code}: {result}")

    async def _open(self) -> None:
        """Open the city: funds and categories, stations, volunteers, and the goods on the shelves."""
        await self.hours.open_accounts(CLIENT)
        await self._post(
            [
                opening(
                    "station", filed_id(s.code), s.name, filed_id(s.sub_centre), _command(f"station:{number}")
                )
                for number, s in enumerate(self.dataset.stations())
            ],
            PLACES,
        )
        done = 0
        for chunk in _chunks(enumerate(self.dataset.volunteers()), CHUNK):
            people = [NewPerson(volunteer_number=v.id, born=v.born) for _, v in chunk]
            ids = await directory_of(self.ledger).register(people, CLIENT)
            await self._post(
                [registration(id_, _command(f"volunteer:{id_}")) for id_ in ids if isinstance(id_, str)],
                PEOPLE,
            )
            done += len(chunk)
            self.on_progress("opening", done, 0)
        await self._deliver()

    async def _deliver(self) -> None:
        """The opening stock of every shop; an entry takes so many goods and no more."""
        goods = [(good.sku, good.opening_stock) for good in self.policy.goods.values()]
        known = await self.ledger.database.read(stations, self.ledger.id)
        deliveries = [
            (
                Delivery(f"opening:{shop}:{part}", station, "opening", tuple(some)),
                _command(f"opening:{shop}:{part}"),
            )
            for shop, (_, station) in enumerate(sorted(known.items()))
            for part, some in enumerate(_chunks(goods, MAX_POSTINGS))
        ]
        for chunk in _chunks(deliveries, CHUNK // 10):
            for result in await self.market.receive(chunk):
                if not isinstance(result, Receipt | DocumentExists):
                    raise ReplayRefused(f"{result.code}: {result}")

    async def _earn(self) -> None:
        """Step 1: all records, in the order of the file. Then whatever stands on notice becomes available."""
        on_file = await self._done("hours")
        done = len(on_file)
        lines = (line for line in self.dataset.records() if line[0] not in on_file)
        async for verdicts in self.hours.submit_all(
            "hours", _chunks(lines, CHUNK), _command("hours"), by=RECORDER
        ):
            done += len(verdicts)
            self.on_progress("hours", done, 0)
        # Steps have no coupling in time: a step begins when the one before is complete, its notices included.
        async for _ in self.hours.release(date.max, CLIENT):
            pass

    async def _sell(self) -> None:
        """Step 2: all baskets, by time and receipt number."""
        baskets, on_file = in_basket_order(self.dataset.baskets()), await self._done("redemptions")
        done = len(on_file)
        for chunk in _chunks((b for b in baskets if b.line_no not in on_file), CHUNK):
            await self.market.sell_all(
                [(Place("redemptions", b.line_no), b, _command(f"redemptions:{b.line_no}")) for b in chunk]
            )
            done += len(chunk)
            self.on_progress("redemptions", done, len(baskets))

    async def _take_back(self) -> None:
        """Step 3: all returns, by time and return number."""
        lines, on_file = in_return_order(self.dataset.returns()), await self._done("returns")
        done = len(on_file)
        for line in lines:
            if line.line_no not in on_file:
                place = Place("returns", line.line_no)
                await self.market.take_back(line, _command(f"returns:{line.line_no}"), place)
                done += 1
                self.on_progress("returns", done, len(lines))

    async def _expire(self) -> None:
        """Step 4: the expiry run."""
        done = 0
        async for taken in expire(self.ledger, EXPIRY_RUN, self.policy.timezone, CLIENT):
            done += taken
            self.on_progress("expiry", done, 0)

    async def _done(self, source: str) -> set[int]:
        """The lines that have their verdict already."""
        return await self.ledger.database.read(lines_done, self.ledger.id, source)


def _command(key: str) -> Command:
    return Command(CLIENT, key, RECORDER.name)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


__all__ = ["DatasetError", "Outcome", "ReplayRefused", "replay"]
