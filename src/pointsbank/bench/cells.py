"""The cells of the table: each measures one rate, on tables that nothing was written to before.

A cell begins with a copy of a prepared database and a warm-up, so none profits from its place in the run.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from pointsbank.bench import baskets, doors, floors, rights, service_day
from pointsbank.bench.client import Load
from pointsbank.bench.doors import Staff
from pointsbank.bench.server import Server
from pointsbank.bench.service import Service, bank_service, echo_service, make_memo_bank_now
from pointsbank.bench.service_day import Prepared
from pointsbank.bench.town import ACCOUNTS
from pointsbank.bench.worker import Done, Work

BULK = 8000
BULK_CALLERS = 2
"""In bulk one call is decided while the one before is being written, so there must be two."""

FEW_ACCOUNTS = 1000
"""of the service at whose door people log in"""

HTTP_BULK = 1000
HTTP_BULK_CONNECTIONS = 4


class Cells:
    """Measures by name. Prepared databases are made when they are first needed, and removed with `close`."""

    def __init__(self, server: Server, folder: Path, *, warm: float, seconds: float) -> None:
        self.server = server
        self.folder = folder
        self.warm = warm
        self.seconds = seconds
        self.latencies: dict[str, Done] = {}
        self.resident = 0.0
        self._stack = ExitStack()
        self._made: set[str] = set()
        self._copied = ""
        self._token = ""
        self._token_at_door = ""
        self._prepared: Prepared | None = None
        self._staff: Staff | None = None
        self._echo: Service | None = None

    def close(self) -> None:
        self._stack.close()

    def measure(self, cell: str) -> float:
        """Transfers (or requests) per second of a cell."""
        return _CELLS[cell](self)

    # databases

    def template(self, name: str, make: Callable[[str], None]) -> str:
        """The name of a prepared database."""
        full = f"bench_{name}"
        if full not in self._made:
            make(self.server.database(full))
            self._stack.callback(self.server.drop, full)
            self._made.add(full)
        return full

    def copy(self, name: str, make: Callable[[str], None]) -> str:
        """The URL of a fresh copy of a prepared database. The one before goes: nobody shall vacuum it meanwhile."""
        prepared, run = self.template(name, make), f"bench_{name}_run"
        if self._copied:
            self.server.drop(self._copied)
        self._copied = run
        return self.server.copy(prepared, run)

    def floor_database(self) -> str:
        return self.copy("floor", lambda url: asyncio.run(floors.make_schema(url)))

    def town_database(self) -> str:
        return self.copy("town", lambda url: _discard(work(Work(url, opens=True))))

    def sqlite_file(self) -> Path:
        prepared, file = self.folder / "prepared.db", self.folder / "run.db"
        if not prepared.exists():
            _discard(work(Work(f"sqlite:///{prepared}", opens=True)))
        for old in self.folder.glob("run.db*"):
            old.unlink()
        shutil.copy(prepared, file)
        return file

    # floors

    def calls(self, mode: str, clients: int) -> float:
        url = self.floor_database()
        return floors.one_call_per_transfer(self.server, url, mode, clients, self.warm, self.seconds)

    def arrays(self) -> float:
        floor = floors.Floor(
            "arrays", self.floor_database(), batch=BULK, warm=self.warm, seconds=self.seconds
        )
        return floors.in_process(floor)

    def executemany(self) -> float:
        floor = floors.Floor(
            "executemany", str(self.folder / "floor.db"), batch=BULK, warm=self.warm, seconds=self.seconds
        )
        return floors.in_process(floor)

    def echo(self) -> float:
        if self._echo is None:
            self._echo = self._stack.enter_context(echo_service())
        return self._drive("E echo", self._echo, Load(self._echo.port, "echo"))

    # ours

    def posting(self, name: str, mode: str, callers: int, group: int = 1) -> float:
        done = work(self._timed(Work(self.town_database(), mode=mode, callers=callers, group=group)))
        self.latencies[name] = done
        return done.rate

    def two_processes(self) -> float:
        url = self.town_database()
        both = [
            self._timed(Work(url, callers=32, prefix=prefix, starts_at=time.time() + 5))
            for prefix in ("a", "b")
        ]
        return sum(finished(process).rate for process in [started(each) for each in both])

    def sqlite_bulk(self) -> float:
        url = f"sqlite:///{self.sqlite_file()}"
        done = work(self._timed(Work(url, callers=BULK_CALLERS, group=BULK)))
        self.latencies["sqlite bulk 8000"] = done
        return done.rate

    def http(self, name: str, load: Load) -> float:
        url = self.copy("memos", self._make_memos)
        with bank_service(url) as service:
            rate = self._drive(
                name, service, msgspec.structs.replace(load, port=service.port, token=self._token)
            )
            self.resident = max(self.resident, service.resident_megabytes())
        return rate * load.group if load.what == "bulk" else rate

    def basket(self) -> float:
        url = self.copy("city", baskets.make_city)
        done = baskets.sell(url, self.warm, self.seconds)
        self.latencies["basket"] = done
        return done.rate

    # a service day

    def check_in(self) -> float:
        url = self.copy("session", self._make_session)
        assert self._prepared is not None
        people = self.folder / "people.txt"
        people.write_text("\n".join(self._prepared.people), "ascii")
        load = Load(0, "check-in", self._prepared.token, session=self._prepared.session, people=str(people))
        with bank_service(url) as service:
            return self._drive("http check-in", service, msgspec.structs.replace(load, port=service.port))

    def tills(self, name: str, *, is_busy: bool) -> float:
        """A thousand by the 99th percentile of a basket in milliseconds: twice the wait is half of it."""
        url = self.copy("session", self._make_session)
        assert self._prepared is not None
        with bank_service(url) as service:
            done = doors.tills(service.port, self._prepared, 5 * self.seconds, is_busy=is_busy)
        self.latencies[name] = done
        return 1000 / done.p99

    def verified(self) -> float:
        url = self.copy("records", service_day.make_records)
        answer = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "pointsbank.bench.service_day", url],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        done = msgspec.json.decode(answer.stdout, type=Done)
        self.latencies["verified 20000"] = done
        return done.rate

    # the door

    def log_in(self) -> float:
        url = doors.as_served(self.copy("staff", self._make_staff))
        assert self._staff is not None
        with bank_service(url, POINTSBANK_PEPPER=self._staff.pepper) as service:
            done = doors.log_in_all(service.port, self._staff)
        self.latencies["log-in"] = done
        return done.rate

    def balance_at_the_door(self, name: str, *, is_busy: bool) -> float:
        """A thousand by the 99th percentile of a balance in milliseconds."""
        url = doors.as_served(self.copy("staff", self._make_staff))
        assert self._staff is not None
        staff = self._staff if is_busy else None
        with bank_service(url, POINTSBANK_PEPPER=self._staff.pepper) as service:
            done = doors.balances(service.port, self._token_at_door, staff, FEW_ACCOUNTS, 3 * self.seconds)
        self.latencies[name] = done
        return 1000 / done.p99

    def _make_session(self, url: str) -> None:
        self._prepared = service_day.make_session(url)

    def _make_staff(self, url: str) -> None:
        self._token_at_door = make_memo_bank_now(url, FEW_ACCOUNTS)
        self._staff = doors.make_staff(url, self.folder / "pepper")

    def _make_memos(self, url: str) -> None:
        self._token = make_memo_bank_now(url, ACCOUNTS)

    def _drive(self, name: str, service: Service, load: Load) -> float:
        done = service.drive(msgspec.structs.replace(load, warm=self.warm, seconds=self.seconds))
        self.latencies[name] = done
        return done.rate

    def _timed(self, each: Work) -> Work:
        return msgspec.structs.replace(each, warm=self.warm, seconds=self.seconds)


_CELLS: dict[str, Callable[[Cells], float]] = {
    "F1 hot 32": lambda c: c.calls("hot", 32),
    "F1 spread 32": lambda c: c.calls("spread", 32),
    "F1 spread 1": lambda c: c.calls("spread", 1),
    "F2 spread": lambda c: c.arrays(),
    "FS spread": lambda c: c.executemany(),
    "E echo": lambda c: c.echo(),
    "pg hot 32": lambda c: c.posting("pg hot 32", "hot", 32),
    "pg spread 32": lambda c: c.posting("pg spread 32", "spread", 32),
    "pg spread 1": lambda c: c.posting("pg spread 1", "spread", 1),
    "pg bulk 8000": lambda c: c.posting("pg bulk 8000", "spread", BULK_CALLERS, BULK),
    "pg two processes": lambda c: c.two_processes(),
    "sqlite bulk 8000": lambda c: c.sqlite_bulk(),
    "http entry": lambda c: c.http("http entry", Load(0, "entry")),
    "http bulk 1000": lambda c: c.http(
        "http bulk 1000", Load(0, "bulk", connections=HTTP_BULK_CONNECTIONS, group=HTTP_BULK)
    ),
    "http balance": lambda c: c.http("http balance", Load(0, "balance")),
    "basket": lambda c: c.basket(),
    "http check-in": lambda c: c.check_in(),
    "tills calm": lambda c: c.tills("tills calm", is_busy=False),
    "tills busy": lambda c: c.tills("tills busy", is_busy=True),
    "verified 20000": lambda c: c.verified(),
    "log-in": lambda c: c.log_in(),
    "argon2id": lambda c: doors.bare_argon2(c.seconds),
    "balance calm": lambda c: c.balance_at_the_door("balance calm", is_busy=False),
    "balance busy": lambda c: c.balance_at_the_door("balance busy", is_busy=True),
    "authorize": lambda c: rights.questions_a_second(c.seconds / 3),
    "20 µs": lambda c: 1e6 / rights.MOST_MICROSECONDS,
}


def started(each: Work) -> subprocess.Popen[str]:
    """A process of callers."""
    return subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pointsbank.bench.worker", msgspec.json.encode(each).decode()],
        stdout=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> Done:
    """What a process of callers measured."""
    answer, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("a process of callers failed; what it said stands above")
    return msgspec.json.decode(answer, type=Done)


def work(each: Work) -> Done:
    """Run one process of callers to its end."""
    return finished(started(each))


def _discard(done: Done) -> None:
    """Preparations measure nothing."""
