"""The client of the rows with a pace of their own: it keeps connections as long as they are kept, and hides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat

import pytest

from pointsbank.bench import doors

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Server:
    """Answers each request with a status, and hangs up when it is told to."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.port = 0
        self.connections: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        while await reader.readline():
            while await reader.readline() != b"\r\n":
                pass
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nhi" % self.status)

    async def hang_up(self) -> None:
        """Close every connection, as a service does with those that lie idle."""
        for writer in self.connections:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(status: int) -> AsyncIterator[Server]:
    served = Server(status)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
        await served.hang_up()


async def test_a_kept_connection_is_used_again_unless_the_service_has_closed_it() -> None:
    async with serving(200) as server:
        pool = doors.Pool(server.port)
        assert [await pool.ask(REQUEST) for _ in range(2)] == [200, 200]
        assert len(server.connections) == 1
        await server.hang_up()
        async with asyncio.timeout(10):
            while not pool._free[0][0].at_eof():
                await asyncio.sleep(0)
        assert await pool.ask(REQUEST) == 200
        assert len(server.connections) == 2
        pool.close()


async def test_a_request_that_fails_fails_the_cell() -> None:
    async with serving(500) as server:
        with pytest.raises(ExceptionGroup) as steadily:
            await doors.steady(server.port, lambda: REQUEST, 50, 1)
        assert steadily.group_contains(RuntimeError, match="500")
        with pytest.raises(ExceptionGroup) as in_turn:
            await doors.in_turn(server.port, repeat(REQUEST), 3)
        assert in_turn.group_contains(RuntimeError, match="500")
