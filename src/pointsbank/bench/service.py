"""Servers for the HTTP rows, each a process of its own: the echo route, and `pointsbank serve`."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.bench.client import Load
from pointsbank.bench.people import KEY, people_at
from pointsbank.bench.worker import Done
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.chart import GENERIC_ROOM
from pointsbank.ledger.model import Draft, Movement, OpenAccount
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade

BANK = ("-c", "from pointsbank.cli.main import main; main()")
"""Arguments of an interpreter that make it the `pointsbank` command."""


class Service(msgspec.Struct, frozen=True):
    """A server that runs: where it listens, and its process."""

    port: int
    process: int

    def drive(self, load: Load) -> Done:
        """Send it a load from a process of its own."""
        answer = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "pointsbank.bench.client", msgspec.json.encode(load).decode()],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return msgspec.json.decode(answer.stdout, type=Done)

    def resident_megabytes(self) -> float:
        """What the process holds in memory now; 0 where the system does not say."""
        try:
            lines = Path(f"/proc/{self.process}/status").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


async def make_memo_bank(url: str, accounts: int) -> str:
    """A city's books with memo accounts, and a key that may post to them: the key's text."""
    database = Database(url)
    await upgrade(database)
    await people_at(url, 0).upgrade()
    rooms = frozenset([GENERIC_ROOM])
    async with open_ledger(database) as ledger:
        paths = [f"memo:{n}" for n in range(1, accounts + 1)]
        for start in range(0, accounts, 5_000):
            drafts = []
            for first in range(start, min(start + 5_000, accounts), 500):
                group = paths[first : first + 500]
                drafts.append(
                    Draft(
                        "memo",
                        f"open/{first}",
                        "bench",
                        bytes(16),
                        0,
                        tuple(Movement(group[0], path, "CNY", 5) for path in group[1:]),
                        opens=tuple(OpenAccount(path) for path in group),
                    )
                )
            await ledger.submit(drafts, rooms)
        desk = KeyDesk(ledger, KeyRing(ledger, SystemClock()))
        tomorrow = SystemClock().now() + 86_400_000_000
        key = await desk.issue(
            "bench", "bench", ("ledger:read", "journal:post"), tomorrow, Command("bench", "key", "bench")
        )
    await database.close()
    if not isinstance(key, IssuedKey) or key.token is None:
        raise TypeError(f"no key was issued: {key}")
    return key.token


@contextmanager
def echo_service() -> Iterator[Service]:
    """The echo route under uvicorn, with the loop and the parser that `serve` uses."""
    port = _free_port()
    command = [
        "-m",
        "uvicorn",
        "pointsbank.bench.echo:app",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
        "--no-server-header",
    ]
    with _running(command, port, {}) as service:
        yield service


@contextmanager
def bank_service(url: str, **environment: str) -> Iterator[Service]:
    """`pointsbank serve` as an operator starts it; only the line per request is off, as in the echo."""
    port = _free_port()
    command = [*BANK, "serve", "--database", url, "--port", str(port)]
    quiet = {
        "POINTSBANK_ACCESS_LOG": "false",
        "POINTSBANK_LOG_LEVEL": "error",
        "POINTSBANK_MASTER_KEY": KEY.text,
    }
    with _running(command, port, quiet | environment) as service:
        yield service


@contextmanager
def _running(command: list[str], port: int, environment: Mapping[str, str]) -> Iterator[Service]:
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} does not listen on port {port}")
            time.sleep(0.05)
        yield Service(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_memo_bank_now(url: str, accounts: int) -> str:
    return asyncio.run(make_memo_bank(url, accounts))
