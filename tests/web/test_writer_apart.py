"""`pointsbank serve --writer apart`: what a caller was told stands once, whatever becomes of the writing process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import Connection, select
from tests.canaries import python_path
from tests.people_of import settings_for
from tests.web.conftest import entry

from pointsbank.access.model import NEVER
from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.store.database import Database
from pointsbank.store.tables import entries
from pointsbank.verify.run import verify

ENTRIES = "/api/v1/journal-entries"
COMERS = 8


class Served:
    """A service in a process of its own, a client, and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
        self.process = process
        self.client = client
        self.events: list[dict[str, Any]] = []
        self.said: list[bytes] = []

    async def logged(self, event: str, times: int = 1) -> dict[str, Any]:
        """Read the log until an event has been there so often."""
        while (found := [one for one in self.events if one["event"] == event])[times - 1 :] == []:
            assert self.process.stderr is not None
            line = await self.process.stderr.readline()
            assert line, self.said
            self.said.append(line)
            if line.startswith(b"{"):  # what is said to people is no event
                self.events.append(msgspec.json.decode(line))
        return found[times - 1]

    async def post(self, key: str) -> httpx.Response:
        return await self.client.post(ENTRIES, json=entry(), headers={"Idempotency-Key": key})

    async def post_until_answered(self, key: str, troubles: set[str]) -> int:
        """What a client does that is told to come back: the same key again. The entry's sequence."""
        while True:
            answer = await self.post(key)
            if answer.status_code == 201:
                return int(answer.json()["sequence"])
            assert answer.status_code == 503, answer.text
            troubles.add(answer.json()["type"])

    async def figure(self, name: str) -> float:
        text = (await self.client.get("/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[Served]:
    """`pointsbank serve` as an operator starts it, whose writer is a process of its own."""
    async with open_ledger(database) as ledger:
        desk = KeyDesk(ledger, KeyRing(ledger, ledger.writer.clock))
        scopes = ("journal:post", "metrics:read")
        issued = await desk.issue("tests", "", scopes, NEVER, Command("tests", "the key"))
    assert isinstance(issued, IssuedKey)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    named = settings_for(database.url)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("pointsbank"), "serve",
        "--database", database.url, "--port", str(port), "--writer", "apart",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        env={
            **os.environ, "PYTHONPATH": python_path(), "POINTSBANK_ACCESS_LOG": "false",
            "POINTSBANK_ERASURES": named.erasures,
        },
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {issued.token}"}
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60
        ) as client:
            service = Served(process, client)
            await service.logged("serving")
            yield service
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_killed_writing_process_is_followed_by_another_and_each_key_stands_once(
    database: Database,
) -> None:
    async with served(database) as service:
        first = (await service.logged("writer.began"))["pid"]
        keys = [f"k{number}" for number in range(400)]
        left, told, troubles = keys.copy(), dict[str, int](), set[str]()
        under_way = asyncio.get_running_loop().create_future()

        async def comer() -> None:
            while left:
                key = left.pop(0)
                told[key] = await service.post_until_answered(key, troubles)
                if len(told) >= 100 and not under_way.done():
                    under_way.set_result(None)

        comers = [asyncio.create_task(comer()) for _ in range(COMERS)]
        await asyncio.wait([under_way, *comers], return_when=asyncio.FIRST_COMPLETED)
        assert under_way.done(), comers
        before = await service.figure("pointsbank_writer_batches_total")
        os.kill(first, signal.SIGSTOP)  # so that callers are waiting when it dies
        waiting = asyncio.create_task(service.post_until_answered("waits", troubles))
        while await service.figure("pointsbank_writer_queued") == 0:
            pass
        os.kill(first, signal.SIGKILL)
        ended = await service.logged("writer.ended")
        not_ready = await service.client.get("/health/ready")
        second = (await service.logged("writer.began", 2))["pid"]
        await asyncio.gather(*comers)
        told["waits"] = await waiting

        assert (ended["pid"], ended["code"]) == (first, -signal.SIGKILL)
        assert (not_ready.status_code, not_ready.json()["type"]) == (503, "/problems/stopped")
        assert second != first
        assert troubles == {"/problems/outcome-unknown", "/problems/stopped"}
        assert (await service.client.get("/health/ready")).status_code == 200
        assert await service.figure("pointsbank_writer_running") == 1
        assert await service.figure("pointsbank_writer_queued") == 0
        assert await service.figure("pointsbank_writer_batches_total") > before > 0
        again = {key: (await service.post(key)).json()["sequence"] for key in told}
        assert again == told
    assert len(set(told.values())) == 401
    assert await database.read(_sequences) == sorted(told.values())
    assert (await verify(database, CITY_LEDGER)).holds


async def test_a_service_that_is_told_to_stop_answers_what_it_accepted(database: Database) -> None:
    async with served(database) as service:
        posting = [asyncio.create_task(service.post(f"k{number}")) for number in range(60)]
        await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)
        writing = (await service.logged("writer.began"))["pid"]
        os.kill(writing, signal.SIGTERM)  # as a supervisor does that tells every process of a service
        service.process.terminate()
        results = await asyncio.gather(*posting, return_exceptions=True)
        await service.logged("stopped")
        assert await service.process.wait() == -signal.SIGTERM
        assert not [one for one in service.events if one["event"] == "writer.ended"]
    answers = [result for result in results if isinstance(result, httpx.Response)]
    assert all(isinstance(result, httpx.Response | httpx.TransportError) for result in results)
    assert {answer.status_code for answer in answers} == {201}
    assert await database.read(_sequences) == sorted(answer.json()["sequence"] for answer in answers)
    assert (await verify(database, CITY_LEDGER)).holds


def _sequences(connection: Connection) -> list[int]:
    t = entries.c
    return list(connection.scalars(select(t.sequence).where(t.kind == "memo").order_by(t.sequence)))
