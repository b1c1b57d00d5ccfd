"""Loads that come at a pace of their own, and log-ins: how one kind of request fares while another is busy.

`steady` sends so many requests a second whatever the answers take (an open loop: a city does not wait for the server);
`in_turn` sends the next when the last is answered. Latencies are counted from the moment at which a request was due.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, cycle, islice
from os import sched_getaffinity
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import msgspec
import uvloop
from argon2 import PasswordHasher
from sqlalchemy import Connection, text

from pointsbank.access.log_in import LogIns
from pointsbank.access.logins import LoginStore
from pointsbank.access.model import Actor
from pointsbank.access.passwords import MEMORY_KIB, PASSES, Passwords
from pointsbank.access.pepper import make_pepper
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import Half, StaffDesk
from pointsbank.access.totp import code_at, step_of
from pointsbank.access.wall import let_in
from pointsbank.bench.baskets import PEOPLE_IN_CITY, SHOPS, three_goods, volunteer_of
from pointsbank.bench.service_day import Prepared
from pointsbank.bench.worker import Done
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.policy.book import load_book
from pointsbank.policy.shipped import shipped_folder
from pointsbank.store.database import Database
from pointsbank.store.schema import write_connection

PASSWORD = "a long sentence for the bench 马"  # noqa: S105 - of accounts that live for a minute
STAFF = 500
AT_A_TIME = 8
"""Log-ins under way: enough to keep every core hashing, fewer than an address may have open."""

FIRST = 3 * AT_A_TIME
"""Log-ins before the clock starts: the processes that hash start with them, and connections to the database."""

BEHIND_SECONDS = 10
"""After so many seconds a service that does not keep up is given up."""

BALANCES_A_SECOND = 100
BASKETS_A_SECOND = 40
CHECK_INS_A_SECOND = 112
"""A hundred thousand in a quarter of an hour, as on Lei Feng Day."""

ROLE = "pointsbank_bench_server"

Request = Callable[[], bytes]


class Staff(msgspec.Struct, frozen=True):
    """Members of staff with a password and a second factor, and where the secret of log-ins lies."""

    pepper: str
    secrets: dict[str, str]


class Pool:
    """Kept connections to a service on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def ask(self, request: bytes) -> int:
        """Send a request; the status of the answer."""
        reader, writer = self._kept() or await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.find(b"content-length: ")
        body = await reader.readexactly(int(head[at + 16 :].split(b"\r", 1)[0])) if at >= 0 else b""
        self._free.append((reader, writer))
        status = int(head[9:12])
        if status >= 300:
            raise RuntimeError(f"the server answered {head[:20]!r} {body[:400]!r}")
        return status

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that is still open: one that lay idle for long the service has closed."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


async def steady(
    port: int, make: Request, a_second: float, seconds: float, meanwhile: asyncio.Task[Done] | None = None
) -> Done:
    """Requests at a steady pace, as long as a task goes on if one is given.

    Raises RuntimeError if the service falls behind by more than it may catch up.
    """
    pool, latencies = Pool(port), list[float]()

    async def one(due: float) -> None:
        await pool.ask(make())
        latencies.append(time.perf_counter() - due)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:  # one that fails ends all, and is what is told
        for number in range(int(a_second * seconds)):
            if meanwhile is not None and meanwhile.done():
                break
            due = started + number / a_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
            waiting = number + 1 - len(latencies)
            if waiting > a_second * BEHIND_SECONDS:
                raise RuntimeError(
                    f"{waiting} requests wait: the service does not keep up with {a_second} a second"
                )
    took = time.perf_counter() - started
    pool.close()
    return _done(latencies, took)


async def in_turn(port: int, make: Iterator[bytes], at_a_time: int) -> Done:
    """All requests there are, so many at a time."""
    pool, latencies = Pool(port), list[float]()

    async def one() -> None:
        for request in make:
            began = time.perf_counter()
            await pool.ask(request)
            latencies.append(time.perf_counter() - began)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_a_time):
            tasks.create_task(one())
    took = time.perf_counter() - started
    pool.close()
    return _done(latencies, took)


def _done(latencies: list[float], took: float) -> Done:
    latencies.sort()
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Done(len(latencies) / took, middle * 1000, late * 1000)


def posted(path: str, body: object, token: str = "", key: str = "") -> bytes:
    """A POST as bytes."""
    content = msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {token}\r\n" if token else ""
    head += f"Idempotency-Key: {key}\r\n" if key else ""
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


# Lei Feng Day


def check_ins(prepared: Prepared, prefix: str) -> Iterator[bytes]:
    """Each person who has signed up comes once."""
    path = f"/api/v1/activity-sessions/{prepared.session}/check-ins"
    for person in prepared.people:
        yield posted(path, {"person": person, "way": "card"}, prepared.token, f"{prefix}{person}")


def baskets(prepared: Prepared, prefix: str) -> Iterator[bytes]:
    """Baskets of three goods, each of another volunteer."""
    skus = three_goods(load_book(shipped_folder()))
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    for number in count():
        body = {
            "terminal": f"T{number % 32}",
            "station": f"B{number % SHOPS:03}",
            "volunteer": volunteer_of(number % PEOPLE_IN_CITY),
            "lines": lines,
        }
        yield posted("/api/v1/market/baskets", body, prepared.token, f"{prefix}{number}")


def tills(port: int, prepared: Prepared, seconds: float, *, is_busy: bool) -> Done:
    """Baskets at a steady pace: alone, or while people check in as on Lei Feng Day."""

    async def run() -> Done:
        sold, came = baskets(prepared, "b"), check_ins(prepared, "c")
        await steady(port, lambda: next(sold), BASKETS_A_SECOND, 1)
        if not is_busy:
            return await steady(port, lambda: next(sold), BASKETS_A_SECOND, seconds)
        done, _ = await asyncio.gather(
            steady(port, lambda: next(sold), BASKETS_A_SECOND, seconds),
            steady(port, lambda: next(came), CHECK_INS_A_SECOND, seconds),
        )
        return done

    return uvloop.run(run())


# logging in


def make_staff(url: str, pepper: Path) -> Staff:
    """Staff who may log in."""
    return uvloop.run(_make_staff(url, pepper))


async def _make_staff(url: str, pepper_file: Path) -> Staff:
    database = Database(url)
    staff = await prepare_staff(database, pepper_file, STAFF)
    await write_connection(database, _admit)
    await database.close()
    return staff


def _admit(connection: Connection) -> None:
    """A ledger with staff is served by a role that may change nothing in the journal, or not at all."""
    known = connection.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": ROLE})
    if not known:
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'"))
    let_in(connection, ROLE)


def as_served(url: str) -> str:
    """The URL of a database for the role that serves it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{ROLE}@{parts.netloc.rpartition('@')[2]}"))


async def prepare_staff(database: Database, pepper_file: Path, members: int) -> Staff:
    """Members of staff through the two administrators of a new ledger, each with a password and an app."""
    pepper = make_pepper(pepper_file)
    passwords, store = Passwords(pepper), LoginStore(database)
    numbers = count()
    found: dict[str, str] = {}

    def command() -> Command:
        return Command("bench", f"staff/{next(numbers)}", "bench")

    async with open_ledger(database) as ledger:
        ring = KeyRing(ledger, ledger.writer.clock)
        desk = StaffDesk(ledger, ring)
        await store.open()
        door = LogIns(ledger, ring, desk, store, pepper, passwords)
        halves = await desk.found(("bench-a", "bench-b"), command())
        if not isinstance(halves, tuple):
            raise TypeError(f"the ledger has staff already: {halves}")
        first, second = (
            Actor("bench", f"person:{half.person}", frozenset(), half.person, "staff", (), "bench", True)
            for half in halves
        )

        async def add(login: str) -> None:
            half = await desk.add(first, login, command())
            assert isinstance(half, Half), half
            other = await desk.confirm_enrolment(second, half.enrolment, command())
            assert isinstance(other, Half), other
            code = f"{half.code}-{other.code}"
            uri = await door.enrol(login, code, PASSWORD, f"127.0.0.{len(found) % 200}", command())
            assert isinstance(uri, str), uri
            found[login] = parse_qs(urlsplit(uri).query)["secret"][0]

        logins = iter([f"bench-{number}" for number in range(members)])

        async def adds() -> None:
            for login in logins:
                await add(login)

        await asyncio.gather(*(adds() for _ in range(AT_A_TIME)))
        await store.close()
    passwords.close()
    return Staff(str(pepper_file), found)


def log_ins(staff: Staff) -> Iterator[bytes]:
    """Each member of staff logs in once."""
    for login, secret in staff.secrets.items():
        code = code_at(base64.b32decode(secret), step_of(time.time_ns() // 1000))
        yield posted("/api/v1/sessions", {"login": login, "password": PASSWORD, "code": code})


def log_in_all(port: int, staff: Staff) -> Done:
    """Log-ins per second, after the first ones."""

    async def run() -> Done:
        requests = log_ins(staff)
        await in_turn(port, islice(requests, FIRST), AT_A_TIME)
        return await in_turn(port, requests, AT_A_TIME)

    return uvloop.run(run())


def balances(port: int, token: str, staff: Staff | None, accounts: int, seconds: float) -> Done:
    """Balances at a steady pace: alone, or while staff log in as fast as they can."""

    async def run() -> Done:
        numbers = cycle(range(1, accounts + 1))
        head = f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"

        def balance() -> bytes:
            return f"GET /api/v1/accounts/memo:{next(numbers)}/balance{head}".encode()

        await steady(port, balance, BALANCES_A_SECOND, 1)
        if staff is None:
            return await steady(port, balance, BALANCES_A_SECOND, seconds)
        requests = log_ins(staff)
        await in_turn(port, islice(requests, FIRST), AT_A_TIME)
        busy = asyncio.create_task(in_turn(port, requests, AT_A_TIME))
        done = await steady(port, balance, BALANCES_A_SECOND, seconds, busy)
        if not busy.cancel():
            busy.result()  # they have all logged in, or one failed, which is raised here
        with suppress(asyncio.CancelledError):
            await busy
        return done

    return uvloop.run(run())


def bare_argon2(seconds: float) -> float:
    """Passwords per second that every core of this machine checks and does nothing else."""
    cores = len(sched_getaffinity(0))
    hasher = PasswordHasher(PASSES, MEMORY_KIB, 1, hash_len=32, salt_len=16)
    kept = hasher.hash(PASSWORD)
    stop = time.perf_counter() + seconds

    def check() -> int:
        checked = 0
        while time.perf_counter() < stop:
            hasher.verify(kept, PASSWORD)
            checked += 1
        return checked

    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        total = sum(threads.map(lambda _: check(), range(cores)))
    return total / (time.perf_counter() - started)
