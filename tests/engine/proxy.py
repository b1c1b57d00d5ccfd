"""A proxy before PostgreSQL that loses answers, holds statements back, or is not there: a bad network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import parse_qs, unquote, urlsplit


class Mode(Enum):
    PASS = "pass"
    DROP_ANSWER = "drop the server's answer and cut the connection"
    HOLD_BACK = "keep the statement, and deliver it when told to"
    REFUSE = "accept no connection"


class Proxy:
    """Set `mode` and `marker`: the next statement that holds the marker meets that fate, then all is well."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.mode = Mode.PASS
        self.marker = b""
        self.happened = asyncio.Event()
        self._held: list[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    def expect(self, mode: Mode, marker: bytes) -> None:
        self.mode, self.marker = mode, marker
        self.happened.clear()

    async def refuse(self) -> None:
        """Cut every connection and take no new one until the mode is PASS again."""
        self.mode = Mode.REFUSE
        for writer in list(self._open):
            writer.close()

    async def deliver(self) -> bytes:
        """Give the server what was held back, as a slow network does; returns the server's answer to it."""
        answers = b""
        for statement, reader, writer in self._held:
            writer.write(statement)
            with suppress(ConnectionError):
                await writer.drain()
                answers += await _until_ready(reader)
            writer.close()
        self._held.clear()
        return answers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.REFUSE:
            writer.close()
            return
        server_reader, server_writer = await _connect(self._server)
        self._open |= {writer, server_writer}
        back = asyncio.create_task(_copy(server_reader, writer))
        kept = False
        try:
            while data := await reader.read(1 << 16):
                if self.mode in (Mode.DROP_ANSWER, Mode.HOLD_BACK) and self.marker in data:
                    mode, self.mode = self.mode, Mode.PASS
                    back.cancel()
                    with suppress(asyncio.CancelledError):
                        await back
                    if mode is Mode.HOLD_BACK:
                        kept = True
                        self._held.append((data, server_reader, server_writer))
                        self.happened.set()
                        await reader.read()  # the client gives up some time; its server connection stays
                        return
                    server_writer.write(data)
                    await _until_ready(server_reader)
                    self.happened.set()
                    return
                server_writer.write(data)
                await server_writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            back.cancel()
            self._open -= {writer, server_writer}
            writer.close()
            if not kept:
                server_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _until_ready(reader: asyncio.StreamReader) -> bytes:
    """Read messages up to ReadyForQuery: then the server has done, and a commit is durable."""
    answer = b""
    while not answer.startswith(b"Z"):
        head = await reader.readexactly(5)
        answer = head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
    return answer


async def _connect(server: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(server)
    folder = parse_qs(parts.query).get("host", [""])[0] or unquote(parts.hostname or "")
    port = parts.port or int(parse_qs(parts.query).get("port", ["5432"])[0])
    if folder.startswith("/"):
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
    return await asyncio.open_connection(folder, port)


@asynccontextmanager
async def proxy_to(server: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine; its `url` leads to the same database as `server`."""
    proxy = Proxy(server)
    listener = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    parts = urlsplit(server)
    port = listener.sockets[0].getsockname()[1]
    user = parts.username or "postgres"
    secret = f":{parts.password}" if parts.password else ""
    proxy.url = f"postgresql://{user}{secret}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.refuse()
        for _, _, writer in proxy._held:
            writer.close()
