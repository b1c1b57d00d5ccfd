"""A load generator for HTTP: `python -m pointsbank.bench.client '<json>'`, one process, kept connections.

Each connection sends a request, waits for the whole answer, sends the next. The answers are looked at no further
than their status and length, so that the client costs little beside the server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import cast

import msgspec
import uvloop

from pointsbank.bench.worker import Done


class Load(msgspec.Struct, frozen=True):
    """What to send where. `what` is echo, entry, bulk, balance or check-in; times in seconds.

    Check-ins are of the people in a file, one id a line, each once, to a session.
    """

    port: int
    what: str
    token: str = ""
    connections: int = 32
    group: int = 1000
    accounts: int = 100_000
    warm: float = 1.0
    seconds: float = 3.0
    prefix: str = "a"
    session: str = ""
    people: str = ""


WARMING = 1000
"""entries in a request of the warm-up"""


def _entry(debit: str, credit: str) -> str:
    movement = f'{{"debit":"{debit}","credit":"{credit}","commodity":"CNY","amount":5}}'
    return f'{{"kind":"memo","movements":[{movement}]}}'


def _host(load: Load) -> str:
    return f"Host: 127.0.0.1:{load.port}\r\nAuthorization: Bearer {load.token}\r\n"


def _posted(load: Load, path: str, body: str, more: str = "") -> bytes:
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\n{_host(load)}{more}{kind}{body}".encode()


def _length(head: bytes) -> int:
    """The content length that a head in lower case states; -1 if it states none."""
    at = head.find(b"content-length: ")
    return -1 if at < 0 else int(head[at + 16 :].split(b"\r", 1)[0])


def requests_of(load: Load) -> Callable[[], bytes]:
    """A maker of whole requests, as bytes."""
    numbers, host = count(), _host(load)
    pick = Random(load.prefix).random  # noqa: S311 - load, not secrets

    people = iter(Path(load.people).read_text("ascii").split()) if load.people else iter(())

    def account() -> str:
        return f"memo:{1 + int(pick() * load.accounts)}"

    def entry() -> str:
        debit, credit = account(), account()
        while credit == debit:
            credit = account()
        return _entry(debit, credit)

    def request() -> bytes:
        if load.what == "balance":
            return f"GET /api/v1/accounts/{account()}/balance HTTP/1.1\r\n{host}\r\n".encode()
        if load.what == "echo":
            return _posted(
                load, "/echo", f'{{"debit":"{account()}","credit":"{account()}","amount":5,"kind":"memo"}}'
            )
        key = f"Idempotency-Key: {load.prefix}{next(numbers)}\r\n"
        if load.what == "entry":
            return _posted(load, "/api/v1/journal-entries", entry(), key)
        if load.what == "check-in":
            path = f"/api/v1/activity-sessions/{load.session}/check-ins"
            return _posted(load, path, f'{{"person":"{next(people)}","way":"card"}}', key)
        body = '{"entries":[' + ",".join([entry() for _ in range(load.group)]) + "]}"
        return _posted(load, "/api/v1/journal-entries/bulk", body, key)

    return request


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is in."""

    def __init__(
        self, request: Callable[[], bytes], latencies: list[float], failed: Callable[[bytes], None]
    ) -> None:
        self._request = request
        self._latencies = latencies
        self._failed = failed
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._wanted = 0
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        request = self._request()
        self._since = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._wanted:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _length(self._buffer[:end].lower())
            if not self._buffer.startswith(b"HTTP/1.1 2") or length < 0:
                self._failed(self._buffer)
                return
            self._wanted = end + 4 + length
        if len(self._buffer) >= self._wanted:
            self._latencies.append(time.perf_counter() - self._since)
            self._buffer, self._wanted = b"", 0
            self._send()


async def remember_accounts(load: Load) -> None:
    """Post to every account once, in bulks, so that the server knows them all as it would after a day's work."""
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    for start in range(1, load.accounts, 2 * WARMING):
        pairs = [(n, n + 1) for n in range(start, min(start + 2 * WARMING, load.accounts), 2)]
        body = '{"entries":[' + ",".join(_entry(f"memo:{a}", f"memo:{b}") for a, b in pairs) + "]}"
        writer.write(_posted(load, "/api/v1/journal-entries/bulk", body, f"Idempotency-Key: w{start}\r\n"))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head.lower()))
    writer.close()


async def run(load: Load) -> Done:
    """Requests per second, and the latency of one. Raises RuntimeError on any answer but 2xx."""
    loop = asyncio.get_running_loop()
    failure: asyncio.Future[bytes] = loop.create_future()
    latencies: list[float] = []
    if load.what in ("entry", "bulk"):
        await remember_accounts(load)
    request = requests_of(load)

    def failed(answer: bytes) -> None:
        if not failure.done():
            failure.set_result(answer)

    transports = []
    for _ in range(load.connections):
        transport, _protocol = await loop.create_connection(
            lambda: Connection(request, latencies, failed), "127.0.0.1", load.port
        )
        transports.append(transport)
    took = 0.0
    for span in (load.warm, load.seconds):
        latencies.clear()
        started = time.perf_counter()
        await asyncio.wait([failure], timeout=span)
        took = time.perf_counter() - started
        if failure.done():
            raise RuntimeError(f"the server answered {failure.result()[:600]!r}")
    done = sorted(latencies)
    for transport in transports:
        transport.abort()
    return Done(len(done) / took, done[len(done) // 2] * 1000, done[int(len(done) * 0.99)] * 1000)


if __name__ == "__main__":
    measured = uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Load)))
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
