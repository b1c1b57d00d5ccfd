"""A practice centre for tests: five volunteers, staff, two stations, and every safeguard on. The clock is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from msgspec.structs import replace
from tests.people_of import enrol, open_peopled
from tests.points.town import micros, policy

from pointsbank.activities.attendance import AttendanceService, Shown
from pointsbank.activities.codes import RotatingCodes
from pointsbank.activities.model import ActivityPlan, Paper, SessionPlan
from pointsbank.activities.ports import By, PlaceCodes
from pointsbank.activities.service import ActivityService
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.hours.appeals import Appealing
from pointsbank.hours.corrections import Correcting
from pointsbank.hours.objections import Objecting
from pointsbank.hours.service import HoursService
from pointsbank.hours.status import Standings
from pointsbank.hours.submission import LineOutcome
from pointsbank.hours.verification import Outcome
from pointsbank.hours.watched import WatchedSubmitting, WatchedVerifying
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import PLACES, opening
from pointsbank.points.lots import lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.model import Policy, Safeguards
from pointsbank.readers.balances import AccountBalance, balance
from pointsbank.store.database import Database
from pointsbank.verify import verify

T = TypeVar("T")

GUARDED = Safeguards(
    separate_verification=True,
    activity_approval=True,
    sign_up=True,
    training=True,
    insurance=True,
    class_by_way=True,
    recording_evidence="server",
    household=True,
    companion_below_age=10,
    consent_below_age=14,
    reciprocal_days=30,
    batch_lines=500,
    lines_per_hour=1000,
    second_level_line_minutes=20 * 60,
    second_level_sum_minutes=200 * 60,
    late_approval=True,
    long_line_minutes=8 * 60,
    long_line_notice_days=5,
    decision_working_days=10,
    sample_percent=5,
)

ADMIN, RECORDER, VERIFIER, SECOND, HEAD, JUDGE = (
    By(f"account-{name}", f"person-{name}")
    for name in ("admin", "recorder", "verifier", "second", "head", "judge")
)
TERMINAL = By("terminal-1", "", device="T1")
MONDAY = "2026-03-02 06:00:00"
BORN = {"V1": date(1990, 1, 1), "V2": date(1991, 1, 1), "V3": date(1992, 1, 1), "TEEN": date(2014, 5, 1),
        "CHILD": date(2017, 5, 1)}  # fmt: skip
NAMES = {"V1": "张小明", "V2": "李四", "V3": "欧阳文静", "TEEN": "王小虎", "CHILD": "赵小"}


def guarded(*, notice_days: int = 3, guard: Safeguards = GUARDED, **changes: object) -> Policy:
    """The test policy with every safeguard on, and what the test changes of it."""
    return replace(
        policy(record_deadline_working_days=10, public_notice_days=notice_days, **changes), safeguards=guard
    )


class Homes:
    """Who lives together, as the register of places would say."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        self.homes = dict(homes)

    async def household_of(self, person_ids: Iterable[str], day: date) -> Mapping[str, str]:
        return {person: self.homes[person] for person in person_ids if person in self.homes}


@dataclass
class Centre:
    """The services of one ledger, and shorthands for what people do."""

    ledger: Ledger
    policies: PolicyBook
    clock: FixedClock
    homes: Homes
    people: dict[str, Volunteer]
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ledger, policies = self.ledger, self.policies
        self.activities = ActivityService(ledger, policies, PlaceCodes(ledger))
        self.attendance = AttendanceService(ledger, policies, RotatingCodes(ledger.name, b"k" * 32))
        self.submitting = WatchedSubmitting(ledger, policies, self.homes)
        self.verifying = WatchedVerifying(ledger, policies, self.homes)
        self.objecting = Objecting(ledger, policies, self.homes)
        self.appealing = Appealing(ledger, policies, self.homes)
        self.correcting = Correcting(ledger, policies, self.homes)
        self.standings = Standings(ledger, policies)
        self.hours = HoursService(ledger, policies)

    def id(self, name: str) -> str:
        return self.people[name].id

    def by(self, name: str) -> By:
        return By(f"account-{name}", self.id(name))

    def key(self, prefix: str = "do") -> Command:
        self.numbers[prefix] = self.numbers.get(prefix, 0) + 1
        return Command("test", f"{prefix}-{self.numbers[prefix]}")

    def at(self, text: str) -> None:
        """Move the clock to a city time; never back."""
        self.clock.time = max(self.clock.time, micros(text))

    async def activity(
        self, day: str, *, first: str = "00:00", last: str = "23:59", title: str = "清雪", **more: object
    ) -> str:
        """An activity on a day, proposed and approved."""
        plan = ActivityPlan(
            title=title,
            category="ENV",
            station="S1",
            starts_at=micros(f"{day} {first}:00"),
            ends_at=micros(f"{day} {last}:00"),
            **more,  # type: ignore[arg-type]
        )
        activity_id = done(await self.activities.propose(plan, RECORDER, self.key()))
        done(await self.activities.decide(activity_id, "", HEAD, self.key(), approve=True))
        return activity_id

    async def session(
        self,
        day: str,
        start: str = "09:00",
        end: str = "11:00",
        *,
        capacity: int = 50,
        activity: str = "",
        **more: object,
    ) -> str:
        """A session on a day; the clock must stand before it."""
        activity = activity or await self.activity(day, first=start, last=end, **more)  # type: ignore[arg-type]
        plan = SessionPlan(
            starts_at=micros(f"{day} {start}:00"), ends_at=micros(f"{day} {end}:00"), capacity=capacity
        )
        return done(await self.activities.open_session(activity, plan, RECORDER, self.key()))

    async def attended(
        self, names: Sequence[str], day: str, start: str = "09:00", end: str = "11:00", **more: object
    ) -> str:
        """A session that these people attended from its first to its last minute, by card; the clock is at its end."""
        session = await self.session(day, start, end, **more)  # type: ignore[arg-type]
        for name in names:
            done(await self.activities.sign_up(session, self.id(name), RECORDER, self.key()))
        self.at(f"{day} {start}:00")
        for name in names:
            done(await self.attendance.check_in(session, self.id(name), Shown("card"), TERMINAL, self.key()))
        self.at(f"{day} {end}:00")
        for name in names:
            done(await self.attendance.check_out(session, self.id(name), Shown("card"), TERMINAL, self.key()))
        return session

    async def submit(
        self, session: str, by: By = RECORDER, *, people: Sequence[str] | None = None, reason: str = ""
    ) -> dict[str, LineOutcome]:
        """Submit a session; outcomes by the volunteers' names."""
        ids = None if people is None else [self.id(name) for name in people]
        outcomes = done(await self.submitting.submit(session, by, self.key(), people=ids, reason=reason))
        return {self.name(outcome.person_id): outcome for outcome in outcomes}

    async def verify(self, *ids: str, by: By = VERIFIER) -> list[Outcome]:
        return done(await self.verifying.verify(ids, by, self.key()))

    async def credited(
        self, name: str, day: str, start: str = "09:00", end: str = "11:00", **more: object
    ) -> str:
        """A record of one person, submitted and verified; gives its id."""
        session = await self.attended([name], day, start, end, **more)
        record_id = (await self.submit(session))[name].record_id
        [outcome] = await self.verify(record_id)
        assert outcome.refusal == "", outcome
        return record_id

    def name(self, person_id: str) -> str:
        return next(name for name, person in self.people.items() if person.id == person_id)

    async def points(self, name: str, *, pending: bool = False) -> int:
        """Points of a volunteer in hundredths: spendable, or on notice."""
        person = self.people[name]
        wallet = person.pending if pending else person.wallet
        held = await self.ledger.database.read(lots_of, self.ledger.id, [wallet])
        return sum(lot.balance for lot in held.get(wallet, []))

    async def merit(self, name: str) -> int:
        """Minutes of merit."""
        path = self.people[name].merit
        found = await self.ledger.database.read(balance, self.ledger.id, path)
        assert isinstance(found, AccountBalance)
        return found.total("MINUTE")

    async def holds(self) -> None:
        """The whole ledger is sound."""
        report = await verify(self.ledger.database, self.ledger.name)
        assert report.findings == ()

    async def release(self, day: str) -> int:
        return sum([count async for count in self.hours.release(date.fromisoformat(day))])

    async def state(self, record_id: str) -> str:
        standing = await self.standings.of_record(record_id)
        assert standing is not None
        return standing.state


def done(result: T | Refusal) -> T:
    """The result of a command that must not be refused."""
    assert not isinstance(result, Refusal), result
    return result


def refused(result: object) -> Refusal:
    """The refusal of a command that must be refused."""
    assert isinstance(result, Refusal), result
    return result


@asynccontextmanager
async def open_centre(
    database: Database,
    *policies: Policy,
    now: str = MONDAY,
    homes: Mapping[str, str] | None = None,
    name: str = "centre",
) -> AsyncIterator[Centre]:
    """The centre in a ledger of its own."""
    clock, book = FixedClock(micros(now)), PolicyBook(policies or [guarded()])
    async with open_peopled(database, name, clock=clock) as ledger:
        await HoursService(ledger, book).open_accounts()
        people = await enrol(ledger, BORN, NAMES)
        await ledger.submit(
            [
                opening(kind, code, code, parent, Command("test", f"place:{code}"))
                for kind, code, parent in (
                    ("centre", "C1", ""),
                    ("sub-centre", "B1", "C1"),
                    ("station", "S1", "B1"),
                    ("station", "S2", "B1"),
                )
            ],
            PLACES,
        )
        yield Centre(ledger, book, clock, Homes(homes or {}), people)


def paper(person_id: str, kind: str, code: str = "") -> Paper:
    return Paper(person_id, kind, code, date(2026, 1, 1), date(2026, 12, 31))  # type: ignore[arg-type]
