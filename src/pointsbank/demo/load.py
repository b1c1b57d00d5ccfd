"""Loads the demo city: opens it, then lives through a quarter week by week, on a clock that is moved along.

Nothing is inserted past the rules: records are judged, baskets sold and returns taken by the services of a
real city, and posted by its writer. Each finished step is marked in the ledger; a step that was broken off is
done again from its start, and finds what it had written before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final, TypeVar

import msgspec

from pointsbank.demo.credentials import demo_credentials
from pointsbank.demo.people import GROUP, group_of_people
from pointsbank.demo.places import PLACES as PLACE_COUNT
from pointsbank.demo.places import all_places
from pointsbank.demo.plan import (
    BASKETS_PER_4_VOLUNTEERS,
    QUARTER,
    RECORDS_PER_VOLUNTEER,
    Plan,
)
from pointsbank.demo.progress import (
    credited_records,
    delivered,
    people_count,
    place_count,
    points_of,
    sold_baskets,
)
from pointsbank.demo.records import CLOSING, OPENING, Line, Sheets, record_id
from pointsbank.demo.shopping import Shopper, Shops, day_second, is_food, receipt_no
from pointsbank.demo.summary import SOURCE, DemoSummary, summarise
from pointsbank.engine.apart import ledger_apart
from pointsbank.engine.clock import Clock, FixedClock, SystemClock
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.opening import require_profile
from pointsbank.engine.pipeline import landed
from pointsbank.engine.registry import CITY_LEDGER, Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.service import HoursService
from pointsbank.intake.lines import step_row, steps_of
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.model import Basket, ReturnLine
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.model import NewPerson
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.people.store import PeopleStore
from pointsbank.people.volunteers import PEOPLE, registration
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.policy.book import PolicyBook, load_book
from pointsbank.policy.calendar import city_day, city_second, city_to_utc_micros, second_text
from pointsbank.policy.shipped import shipped_folder
from pointsbank.readers.moments import LedgerHead, head
from pointsbank.store.database import Database

T = TypeVar("T")

CLIENT: Final = "demo"
CHUNK: Final = 2000

RETURN_EVERY: Final = 100
RETURN_AFTER_DAYS: Final = 3
REVERSE_BASKET_EVERY: Final = 2500
REVERSE_RECORD_EVERY: Final = 20_000
"""Of so many baskets or records one comes back, or is taken back."""

_INTAKE: Final = frozenset(["intake"])
_DAY: Final = 86_400
_CHARITY: Final = ("charity-federation", "never")
_GRAIN: Final = ("grain-chamber", "")
"""Donors, and the best-before date of what they give; empty for food, which has one."""

MarketDays = list[tuple[int, range]]
"""Some days, by their places in the plan, each with the numbers of its baskets."""

Progress = Callable[[str, int, int], None]
"""Called with what is being loaded, how much of it is done, and how much there is."""


class DemoRefused(Exception):
    """The demo does not load: the books hold something else, or the ledger refused a part of it."""


async def load_demo(
    database: Database,
    people: PeopleStore,
    *,
    volunteers: int = 20_000,
    records: int | None = None,
    baskets: int | None = None,
    shops: int = 200,
    seed: int = 2026,
    policies: PolicyBook | None = None,
    clock: Clock | None = None,
    on_progress: Progress | None = None,
) -> DemoSummary:
    """Load the demo city into the city's ledger of a migrated database, or go on with what was begun there.

    Its people go into `people`, a store of that ledger that is migrated and not open yet.

    Without `records` there are 5 a volunteer, without `baskets` 3 for 4 volunteers. What was begun is
    finished as it was planned, whatever is asked this time; a loaded city is left as it is. The same sizes,
    seed and day give the same city but for random ids and the moments of commits.
    Raises DemoRefused, WriterError.
    """
    real = clock or SystemClock()
    moved = FixedClock(0)
    book = policies or load_book(shipped_folder()).without_safeguards()
    asked = Plan(
        volunteers=volunteers,
        records=volunteers * RECORDS_PER_VOLUNTEER if records is None else records,
        baskets=volunteers * BASKETS_PER_4_VOLUNTEERS // 4 if baskets is None else baskets,
        shops=shops,
        seed=seed,
        today=city_day(real.now(), book.policies[-1].timezone),
    )
    async with (
        ledger_apart(database, CITY_LEDGER, clock=moved) as ledger,
        with_people(ledger, people, remembers=True),
    ):
        load = _Load(ledger, book, real, moved, on_progress or (lambda what, done, total: None))
        changed = await load.all_steps(asked)
        summary = await database.read(summarise, ledger.id, load.plan, already_loaded=not changed)
        if not changed:
            return summary
        moved.time = real.now()
        return msgspec.structs.replace(summary, credentials=await demo_credentials(ledger, real))


class _Load:
    plan: Plan

    def __init__(
        self, ledger: Ledger, policies: PolicyBook, real: Clock, moved: FixedClock, on_progress: Progress
    ) -> None:
        self.ledger = ledger
        self.policies = policies
        self.policy = policies.policies[-1]
        self.real = real
        self.moved = moved
        self.on_progress = on_progress

    async def all_steps(self, asked: Plan) -> bool:
        """Do what is not marked as done; whether there was anything to do."""
        done = await self._steps()
        found = next((plan for plan in map(Plan.read, done) if plan), None)
        self.plan = plan = found or asked
        if found is None:
            await self._refuse_other_books()
            self._set_clock(plan.days[0] - timedelta(days=4 * 365), 7 * 3600)
            await require_profile(self.ledger, "replay")
            await self._mark(plan.text)
        if "done" in done:
            return False
        if "opening" not in done:
            await self._open()
        if "people" not in done:
            await self._register()
        sheets, shops = Sheets(plan, self.policy), Shops(plan, self.policy)
        for week in plan.weeks:
            if (step := f"week {plan.days[week.start]}") not in done:
                await self._live(week, sheets, shops)
                await self._mark(step)
        await self._mark("done")
        return True

    async def _steps(self) -> dict[str, int]:
        return await self.ledger.database.read(steps_of, self.ledger.id, CLIENT)

    async def _head(self) -> LedgerHead:
        """Where the books stand; all that was handed to the writer has been answered."""
        found = await self.ledger.database.read(head, self.ledger.id)
        assert found is not None
        return found

    async def _refuse_other_books(self) -> None:
        if (await self._head()).sequence > 1 or await self.ledger.database.read(
            place_count, self.ledger.id
        ) > 0:
            raise DemoRefused(
                "数据库里已有账目，演示城市只装入空库 /"
                " the database holds books already; a demo city goes into empty ones only"
            )

    async def _mark(self, step: str) -> None:
        """Keep a step as done, with the head's sequence at its end."""
        sequence = (await self._head()).sequence
        await self._post(
            [
                Draft(
                    kind="mark-step",
                    key=f"step:{step}",
                    client=CLIENT,
                    request=request_digest("step", step),
                    effective_at=0,
                    rows=(step_row(CLIENT, step, sequence),),
                )
            ],
            _INTAKE,
        )

    async def _post(self, drafts: Sequence[Draft], rooms: frozenset[str]) -> None:
        _accepted(await self.ledger.submit(drafts, rooms, brief=True))

    async def _post_all(
        self, what: str, groups: Iterable[list[Draft]], rooms: frozenset[str], done: int, total: int
    ) -> None:
        """Post group after group; the next are drafted while those before are being written."""

        async def posted() -> AsyncIterator[asyncio.Future[list[Result]]]:
            for drafts in groups:
                yield self.ledger.submit(drafts, rooms, brief=True)

        async for results in landed(posted()):
            _accepted(results)
            done += len(results)
            self.on_progress(what, done, total)

    # the city, and who lives there

    async def _open(self) -> None:
        """Open the fund, the categories and all places, some years ago."""
        self._set_clock(self.plan.days[0] - timedelta(days=4 * 365), 8 * 3600)
        await HoursService(self.ledger, self.policies).open_accounts(CLIENT)
        done = await self.ledger.database.read(place_count, self.ledger.id)
        groups = (
            [opening(p.kind, p.code, p.name, p.parent, _command(f"place:{p.code}")) for p in chunk]
            for chunk in _chunks(islice(all_places(), done, None), CHUNK)
        )
        await self._post_all("地点 places", groups, PLACES, done, PLACE_COUNT)
        await self._mark("opening")

    async def _register(self) -> None:
        """Register the volunteers over the three years before the quarter."""
        done = await self.ledger.database.read(people_count, self.ledger.id)
        directory = directory_of(self.ledger)
        first, groups = self.plan.days[0], -(-self.plan.volunteers // GROUP)
        flying: asyncio.Future[list[Result]] | None = None
        for group in range(done // GROUP, groups):  # one is put on file while the one before is being booked
            self._set_clock(first - timedelta(days=3 * 365 - group * 1094 // groups), 10 * 3600)
            people = [
                NewPerson(volunteer_number=number, born=born)
                for number, born in group_of_people(self.plan, group)
            ]
            ids = [_on_file(outcome) for outcome in await directory.register(people, CLIENT)]
            if flying is not None:
                _accepted(await flying)
            flying = self.ledger.submit(
                [registration(id_, _command(f"volunteer:{id_}")) for id_ in ids], PEOPLE, brief=True
            )
            self.on_progress("志愿者 people", group * GROUP + len(ids), self.plan.volunteers)
        if flying is not None:
            _accepted(await flying)
        await self._mark("people")

    # a week

    async def _live(self, week: range, sheets: Sheets, shops: Shops) -> None:
        """A week: sheets are typed in day by day; then the shops hand in their baskets, and notices end.

        So a basket takes points that were there before its week began.
        """
        await self._deliver(week, shops)
        handed_in = self._market_days(week)
        first = asyncio.create_task(self._baskets(handed_in[0], shops)) if handed_in else None
        try:
            if first is not None and not self.policy.public_notice_days:
                await asyncio.wait([first])  # without a notice, what is typed in could be spent at once
            await self._type_in(week, sheets)
            if first is not None:
                await self._shop(handed_in, await first, shops)
        finally:
            if first is not None:
                first.cancel()
                await asyncio.wait([first])
        await self._take_back(week)
        await self._mend(week)
        day = self.plan.days[week.stop - 1]
        self._set_clock(day, 22 * 3600)
        hours = HoursService(self.ledger, self.policies)
        async for _ in hours.release(day, CLIENT):
            pass

    async def _deliver(self, week: range, shops: Shops) -> None:
        """Goods for the shops, twice: as many as the policy gives a new shop, more if the city is large."""
        if not ({0, QUARTER // 2} & set(week)):
            return
        plan = self.plan
        times = max(1, -(-plan.baskets // (120 * max(1, len(shops.codes)))))
        day = plan.days[week.start]
        self._set_clock(day, 8 * 3600)
        known = await self.ledger.database.read(stations, self.ledger.id, shops.codes)
        best_before = (day + timedelta(days=270)).isoformat()
        goods = [(good.sku, good.opening_stock * times) for good in self.policy.goods.values()]
        food = tuple(line for line in goods if is_food(line[0]))
        other = tuple(line for line in goods if not is_food(line[0]))
        parts = [part for part in ((*_CHARITY, other), (*_GRAIN, food)) if part[2]]
        done = await self.ledger.database.read(delivered, self.ledger.id)
        left = [
            (Delivery(reference, station, donor, lines, before or best_before), _command(reference))
            for code, station in known.items()
            for donor, before, lines in parts
            if (reference := f"demo:{day}:{code}:{donor}") not in done
        ]
        for chunk in _chunks(left, CHUNK // 5):
            _accepted(await MarketService(self.ledger, self.policies).receive(chunk))

    async def _type_in(self, week: range, sheets: Sheets) -> None:
        """The sheets of the week, each line with its verdict, on the days on which they are typed in."""
        hours = HoursService(self.ledger, self.policies)
        first, total = self.plan.records_of(week.start).start, self.plan.records
        async for verdicts in hours.submit_all(SOURCE, self._sheets(week, sheets), Command(CLIENT, SOURCE)):
            self.on_progress("服务记录 hours", max(first, verdicts[-1].line), total)

    def _sheets(self, week: range, sheets: Sheets) -> Iterator[list[Line]]:
        """The week's lines in chunks, each of one day; the clock stands where the last one was typed in."""
        for at in week:
            numbers, until = self.plan.records_of(at), self._until(at)
            last = min(until // 60, CLOSING)
            opens = min(OPENING, last)
            size = -(-len(numbers) // max(1, -(-len(numbers) // CHUNK)))
            for chunk in _chunks(sheets.day(at, last), size):
                share = (chunk[-1][0] - numbers.start) / len(numbers)
                self._set_clock(
                    self.plan.days[at], min(int((opens + (last - opens) * share) * 60) + 59, until)
                )
                yield chunk

    def _market_days(self, week: range) -> list[MarketDays]:
        """The numbers of the week's baskets by day, as many days together as are handed in at once."""
        together: list[MarketDays] = []
        for at in week:
            numbers = self.plan.baskets_of(at)
            for start in range(numbers.start, numbers.stop, CHUNK):
                some = range(start, min(start + CHUNK, numbers.stop))
                if not together or sum(len(others) for _, others in together[-1]) + len(some) > CHUNK:
                    together.append([])
                together[-1].append((at, some))
        return together

    async def _baskets(self, days: MarketDays, shops: Shops) -> list[Basket]:
        """The baskets of some days, for the points that there are now: with those before them sold, and no others."""
        plan, last = self.plan, self.plan.days[days[-1][0]]
        dice = [plan.dice("baskets", some.start) for _, some in days]
        callers = [shops.candidates(each, len(some)) for each, (_, some) in zip(dice, days, strict=True)]
        people = await directory_of(self.ledger).by_number(dict.fromkeys(n for day in callers for n in day))
        points = await self.ledger.database.read(points_of, self.ledger.id, people, last)
        baskets: list[Basket] = []
        gone: set[str] = set()
        for each, day, (at, some) in zip(dice, callers, days, strict=True):
            shoppers = [Shopper(n, points.get(n, 0)) for n in day if n not in gone]  # points are spent once
            filled = shops.fill(each, some, shoppers, plan.days[at], self._until(at))
            gone |= {basket.volunteer for basket in filled}
            baskets += filled
        return baskets

    async def _shop(self, handed_in: list[MarketDays], baskets: list[Basket], shops: Shops) -> None:
        """Sell a week's baskets; those that are handed in together in one commit, so that a break leaves all or none.

        `baskets` are the first of them, which were filled already.
        """
        market = MarketService(self.ledger, self.policies)
        for at, days in enumerate(handed_in):
            last = days[-1][0]
            self._set_clock(self.plan.days[last], min(21 * 3600, self._until(last)))
            references = [receipt_no(n) for _, some in days for n in some]
            if not await self.ledger.database.read(sold_baskets, self.ledger.id, references):
                some = baskets if at == 0 else await self._baskets(days, shops)
                await market.sell_all(
                    [(None, basket, _command(f"basket:{basket.receipt_no}")) for basket in some]
                )
            self.on_progress("小票 baskets", days[-1][1].stop, self.plan.baskets)

    async def _take_back(self, week: range) -> None:
        """Goods come back, three days after they were bought."""
        when = {
            receipt_no(n): day_second(self.plan.days[at]) + min(10 * 3600, self._until(at))
            for at in week
            if at >= RETURN_AFTER_DAYS
            for n in self.plan.baskets_of(at - RETURN_AFTER_DAYS)
            if n % RETURN_EVERY == 70
        }
        sold = await self.ledger.database.read(sold_baskets, self.ledger.id, list(when))
        market = MarketService(self.ledger, self.policies)
        lines = [
            ReturnLine(reference.replace("XP", "TH"), second_text(when[reference]), reference, sku, "1")
            for reference, (_, sku) in sold.items()
        ]
        await asyncio.gather(
            *(market.take_back(line, _command(f"return:{line.receipt_no}")) for line in lines)
        )

    async def _mend(self, week: range) -> None:
        """Take back what was wrong: a record typed in twice, a basket that nobody had wanted."""
        market, hours = MarketService(self.ledger, self.policies), HoursService(self.ledger, self.policies)
        days = [(self.plan.baskets_of(at), self.plan.records_of(at)) for at in week]
        wrong = [receipt_no(n) for baskets, _ in days for n in baskets if n % REVERSE_BASKET_EVERY == 1200]
        for reference, (sequence, _) in (
            await self.ledger.database.read(sold_baskets, self.ledger.id, wrong)
        ).items():
            await market.reverse(sequence, "not-wanted", _command(f"reverse:{reference}"))
        records = [record_id(n) for _, records in days for n in records if n % REVERSE_RECORD_EVERY == 12_000]
        for record, sequence in (
            await self.ledger.database.read(credited_records, self.ledger.id, records)
        ).items():
            await hours.reverse(sequence, "typed-twice", _command(f"reverse:{record}"))

    def _until(self, at: int) -> int:
        """How many seconds of a day there are: all, of today those that are over."""
        now = city_second(self.real.now(), self.policy.timezone)
        return max(0, min(_DAY - 1, now - day_second(self.plan.days[at])))

    def _set_clock(self, day: date, second: int) -> None:
        """Move the ledger's clock to a second of a day in the city, never beyond the real time."""
        moment = city_to_utc_micros(day_second(day) + second, self.policy.timezone)
        self.moved.time = min(moment, self.real.now())


def _accepted(results: Iterable[Result]) -> None:
    for result in results:
        if isinstance(result, Refusal):
            raise DemoRefused(f"the ledger refused a part of the demo city: {result!r}")


def _on_file(outcome: str | PersonDataInvalid) -> str:
    if isinstance(outcome, PersonDataInvalid):
        raise DemoRefused(f"the people store refused a part of the demo city: {outcome!r}")
    return outcome


def _command(key: str) -> Command:
    return Command(CLIENT, key, "demo")


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
