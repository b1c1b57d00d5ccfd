"""The rows of a service day: people who check in by the thousand, and records that are verified by the thousand.

What is prepared is what the services themselves would have left: approved activities, sign-ups, attendance that was
closed, records that wait. What is timed goes through the services alone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Final

import msgspec
import structlog
import uvloop
from sqlalchemy import Connection, select

from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By, PlaceCodes, RegisteredHouseholds
from pointsbank.activities.service import ACTIVITIES, ActivityService
from pointsbank.bench.baskets import make_city_in
from pointsbank.bench.people import people_at
from pointsbank.bench.town import remember
from pointsbank.bench.worker import Done
from pointsbank.engine.apart import ledger_apart
from pointsbank.engine.clock import Clock, SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.hours.service import HoursService
from pointsbank.hours.submission import Submitting
from pointsbank.hours.tables import service_records
from pointsbank.hours.verification import Verifying
from pointsbank.ledger.model import Draft, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.model import NewPerson
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.stations import PLACES, opening
from pointsbank.policy.book import PolicyBook, load_book
from pointsbank.policy.shipped import shipped_folder
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

COMERS: Final = 40_000
"""People who have signed up: more than check in while it is measured."""

RECORDS: Final = 20_000
WARM_RECORDS: Final = 3_000
"""verified before the clock starts, by each verifier a thousand"""

OF_ONE_SESSION: Final = 199
"""Records of an hour each, one less than the sum above which a second person has to look at them."""

AT_ONCE: Final = 1000
"""Most records that one person verifies within an hour."""

VERIFIERS: Final = 3
PATIENT: Final = Limits(patience=120)


class Prepared(msgspec.Struct, frozen=True):
    """A session to which people have signed up, and a key that checks them in and sells to them."""

    token: str
    session: str
    people: list[str]


class ShiftedClock:
    """The machine's clock, some time ago."""

    def __init__(self, ago: int) -> None:
        self.ago = ago
        self._clock = SystemClock()

    def now(self) -> int:
        return self._clock.now() - self.ago


def make_session(url: str) -> Prepared:
    """A city with stocked shops, and a session of this hour to which everybody has signed up."""
    return uvloop.run(_make_session(url))


async def _make_session(url: str) -> Prepared:
    database = Database(url)
    await make_city_in(database, url)
    prepared = await prepare_session(database, COMERS)
    await database.close()
    return prepared


async def prepare_session(database: Database, comers: int) -> Prepared:
    """A session of this hour at station B000, with people who have signed up, and a key for terminals."""
    book = load_book(shipped_folder())
    async with open_ledger(database, limits=PATIENT) as ledger:
        now = ledger.writer.clock.now()
        starts = (now // MINUTE + 2) * MINUTE
        session = await _session(ledger, book, 0, starts, starts + 6 * HOUR, comers)
        people = [new_id() for _ in range(comers)]
        rows = [(session, person, "", "bench", now, "signed") for person in people]
        await _file(ledger, "sign_ups", rows)
        desk = KeyDesk(ledger, KeyRing(ledger, ledger.writer.clock))
        key = await desk.issue(
            "bench",
            "bench",
            ("attendance:record", "market:sell"),
            now + DAY,
            Command("bench", "key", "bench"),
        )
    if not isinstance(key, IssuedKey) or key.token is None:
        raise TypeError(f"no key was issued: {key}")
    return Prepared(key.token, session, people)


def make_records(url: str) -> None:
    """Records that wait for a verifier: those that are counted, and before them those of the warm-up."""
    uvloop.run(_make_records(url))


async def _make_records(url: str) -> None:
    database = Database(url)
    await upgrade(database)
    await people_at(url, 0).upgrade()
    await prepare_records(database, url, WARM_RECORDS + RECORDS)
    await database.close()


async def prepare_records(database: Database, url: str, records: int) -> None:
    """Records that wait for a verifier, attended by card two days ago and submitted today."""
    book = load_book(shipped_folder())
    clock = ShiftedClock(2 * DAY)
    async with (
        open_ledger(database, clock=clock, limits=PATIENT) as ledger,
        with_people(ledger, people_at(url, ledger.id)),
    ):
        await HoursService(ledger, book).open_accounts("bench")
        await _post(ledger, [opening("station", "B000", "站", "", _command("place"))], PLACES)
        people = await _people(ledger, records)
        starts = (clock.now() // MINUTE + 60) * MINUTE
        for number, first in enumerate(range(0, records, OF_ONE_SESSION)):
            some = people[first : first + OF_ONE_SESSION]
            session = await _session(ledger, book, number, starts, starts + HOUR, len(some))
            await _attend(ledger, session, some, starts, starts + HOUR)
            clock.ago = 0
            submitting = Submitting(ledger, book, RegisteredHouseholds(ledger))
            recorder = By("bench", f"recorder-{number}")
            told = await submitting.submit(session, recorder, _command(f"submit/{number}"))
            if isinstance(told, Refusal) or any(one.level != 1 for one in told):
                raise RuntimeError(
                    f"the records were not submitted: {told if isinstance(told, Refusal) else told[0]}"
                )
            clock.ago = 2 * DAY


async def _session(
    ledger: Ledger, book: PolicyBook, number: int, starts: int, ends: int, capacity: int
) -> str:
    service = ActivityService(ledger, book, PlaceCodes(ledger))
    planner, head = By("bench", f"planner-{number}"), By("bench", f"head-{number}")
    plan = ActivityPlan(
        title=f"清雪 {number}", category="ENV", station="B000", starts_at=starts, ends_at=ends
    )
    activity = await service.propose(plan, planner, _command(f"activity/{number}"))
    if isinstance(activity, Refusal):
        raise TypeError(f"the activity was refused: {activity}")
    _none_refused([await service.decide(activity, "", head, _command(f"decide/{number}"), approve=True)])
    session = await service.open_session(
        activity,
        SessionPlan(starts_at=starts, ends_at=ends, capacity=capacity, station="B000"),
        planner,
        _command(f"session/{number}"),
    )
    if isinstance(session, Refusal):
        raise TypeError(f"the session was refused: {session}")
    return session


async def _attend(ledger: Ledger, session: str, people: Sequence[Volunteer], in_at: int, out_at: int) -> None:
    """Attendance as a terminal leaves it when both checks were made by card."""
    signed = [(session, person.id, "", "bench", in_at, "signed") for person in people]
    await _file(ledger, "sign_ups", signed)
    at_card = ("card", "bench", "terminal-1", 0)
    came = [
        (session, person.id, in_at, *at_card, out_at, *at_card, "信用", "", 0, "closed") for person in people
    ]
    await _file(ledger, "attendances", came)


async def _file(ledger: Ledger, table: str, rows: Sequence[tuple[int | str, ...]]) -> None:
    """Rows as the room of activities would write them."""
    for start in range(0, len(rows), 2000):
        drafts = [
            Draft(
                "bench",
                f"{table}/{row[0]}/{row[1]}",
                "bench",
                bytes(16),
                0,
                rows=(Row(table, row, key_length=2),),
            )
            for row in rows[start : start + 2000]
        ]
        await _post(ledger, drafts, ACTIVITIES)


async def _people(ledger: Ledger, count: int) -> list[Volunteer]:
    found: list[Volunteer] = []
    for first in range(0, count, 1000):
        names = [f"V{number:06}" for number in range(first, min(first + 1000, count))]
        directory, born = directory_of(ledger), date(1970, 1, 1)
        people = [NewPerson(volunteer_number=name, born=born) for name in names]
        _none_refused(await directory.enrol(ledger, people, "bench", "bench"))
        found += (await directory.by_number(names)).values()
    return found


async def _post(ledger: Ledger, drafts: list[Draft], rooms: frozenset[str]) -> None:
    _none_refused(await ledger.submit(drafts, rooms))


def _none_refused(results: Sequence[object]) -> None:
    refused = [result for result in results if isinstance(result, Refusal)]
    if refused:
        raise RuntimeError(f"the benchmark's service day was refused: {refused[0]!r}")


def _command(key: str) -> Command:
    return Command("bench", key, "bench")


async def verify_all(
    database: Database, url: str, clock: Clock | None = None, *, apart: bool = True, warm: int = 0
) -> Done:
    """Records per second that are verified, by several people, as many at a time as one may.

    The writer remembers the accounts, as in the rows of transfers; the first `warm` records are not counted.
    With `apart` the ledger's writer is a process of its own, as `serve --writer apart` has it.
    """
    book = load_book(shipped_folder())
    opening: AbstractAsyncContextManager[Ledger] = (
        ledger_apart(database, CITY_LEDGER, clock=clock, limits=PATIENT, lasting=True)
        if apart
        else open_ledger(database, CITY_LEDGER, clock=clock, limits=PATIENT)
    )
    async with (
        opening as ledger,
        with_people(ledger, people_at(url, ledger.id)),
    ):
        ids, people = await ledger.database.read(_waiting, ledger.id)
        await remember(ledger, [path for person in people for path in (person.merit, person.pending)])
        chunks = [(n, ids[start : start + AT_ONCE]) for n, start in enumerate(range(0, len(ids), AT_ONCE))]
        verifying = Verifying(ledger, book, RegisteredHouseholds(ledger))
        latencies: list[float] = []

        async def verifier(chunks: list[tuple[int, list[str]]]) -> None:
            while chunks:
                number, some = chunks.pop()
                began = time.perf_counter()
                told = await verifying.verify(
                    some, By("bench", f"verifier-{number}"), _command(f"v/{number}")
                )
                latencies.append(time.perf_counter() - began)
                if isinstance(told, Refusal) or any(one.state != "pending" for one in told):
                    raise RuntimeError(
                        f"records were not verified: {told if isinstance(told, Refusal) else told[0]}"
                    )

        async def verify(chunks: list[tuple[int, list[str]]]) -> None:
            await asyncio.gather(*(verifier(chunks) for _ in range(VERIFIERS)))

        not_counted = warm // AT_ONCE
        await verify(chunks[:not_counted])
        latencies.clear()
        before, started = ledger.writer.batches, time.perf_counter()
        await verify(chunks[not_counted:])
        took = time.perf_counter() - started
        batches = ledger.writer.batches - before
    latencies.sort()
    return Done(
        (len(ids) - warm) / took, latencies[len(latencies) // 2] * 1000, latencies[-1] * 1000, batches
    )


def _waiting(connection: Connection, ledger_id: int) -> tuple[list[str], list[Volunteer]]:
    """Records that wait for a verifier, and whose they are."""
    t = service_records.c
    query = select(t.record_id, t.volunteer).where(t.ledger_id == ledger_id, t.state == "submitted")
    rows = connection.execute(query.order_by(t.record_id)).all()
    return [row.record_id for row in rows], [Volunteer(row.volunteer) for row in rows]


async def _verify(url: str) -> Done:
    database = Database(url)
    try:
        return await verify_all(database, url, warm=WARM_RECORDS)
    finally:
        await database.close()


if __name__ == "__main__":
    # the answer alone goes out: that the writer began is no news here
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    sys.stdout.write(msgspec.json.encode(uvloop.run(_verify(sys.argv[1]))).decode() + "\n")
