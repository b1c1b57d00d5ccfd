"""A database by its URL: which engine it is, how to read from it, and which store writes to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from pointsbank.store import sqlite
from pointsbank.store.direct import Direct
from pointsbank.store.port import Store
from pointsbank.store.postgres import PostgresStore
from pointsbank.store.sqlite import SqliteStore
from pointsbank.store.sqlite_driver import sqlite3

P = ParamSpec("P")
T = TypeVar("T")

_READING: Final = {
    "default_transaction_read_only": "on",
    "jit": "off",
    "plan_cache_mode": "force_custom_plan",
    # few rows of a table that grows, from memory or a fast disk: an index, never the whole table
    "random_page_cost": "1.1",
}


class DatabaseUrlError(ValueError):
    """The URL names no engine that the bank runs on."""


class Database:
    """Where books are kept. `read` runs a query function on a read-only snapshot of it."""

    def __init__(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        if scheme in ("postgresql", "postgres"):
            self.dialect = "postgresql"
            self.url = "postgresql" + url[len(scheme) :]
            self.path = Path()
        elif scheme == "sqlite" or not scheme:
            self.dialect = "sqlite"
            self.path = Path(url.removeprefix("sqlite:///")).absolute()
            self.url = f"sqlite:///{self.path}"
        else:
            raise DatabaseUrlError(
                f"数据库地址应为 sqlite:///文件 或 postgresql://…，而不是 {scheme}://…"
                f" A database URL is sqlite:///FILE or postgresql://…, not {scheme}://…"
            )
        self._engine: Engine | AsyncEngine | None = None
        self._direct: Direct | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"Database({self.public_url!r})"

    @property
    def public_url(self) -> str:
        """The URL without a password, for people and logs."""
        parts = urlsplit(self.url)
        if parts.password is None:
            return self.url
        return self.url.replace(f":{parts.password}@", ":***@", 1)

    def store(self, ledger_id: int) -> Store:
        """The store through which one writer writes one ledger."""
        if self.dialect == "sqlite":
            return SqliteStore(self.path, ledger_id)
        return PostgresStore(self.url, ledger_id)

    async def read(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query function on one consistent, read-only snapshot."""
        if self._engine is None:
            self._engine = self._open()
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.connect() as connection:
                return await connection.run_sync(lambda c: query(c, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._read_sqlite(query, *args, **kwargs)
        )

    async def read_one(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query function that puts one statement only: it is its own snapshot, and on PostgreSQL it goes straight
        to the driver."""
        if self.dialect == "sqlite":
            return await self.read(query, *args, **kwargs)
        if self._direct is None:
            self._direct = Direct(self.url, _READING)
        return await self._direct.run(query, *args, **kwargs)

    def _read_sqlite(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        assert isinstance(self._engine, Engine)
        with self._engine.connect() as connection:
            return query(connection, *args, **kwargs)

    def _open(self) -> Engine | AsyncEngine:
        if self.dialect == "postgresql":
            return create_async_engine(
                "postgresql+asyncpg" + self.url.removeprefix("postgresql"),
                hide_parameters=True,  # an error's text goes to the log; the values may be about people
                pool_size=10,
                max_overflow=0,  # one above the pool would be closed after each use, and to make one takes 20 ms
                isolation_level="REPEATABLE READ",
                connect_args={"server_settings": dict(_READING)},
            )
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="reading")
        return sqlite_engine(self.path)

    async def close(self) -> None:
        if self._direct is not None:
            await self._direct.close()
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        elif self._engine is not None:
            self._engine.dispose()
        if self._threads is not None:
            self._threads.shutdown()
        self._engine = self._direct = self._threads = None


def sqlite_engine(path: Path, *, read_only: bool = True) -> Engine:
    """A SQLAlchemy engine on a SQLite file whose transactions begin when it says so."""

    def creator() -> Any:
        return sqlite.connect(path, read_only=read_only)

    engine = create_engine(
        "sqlite://", module=sqlite3, creator=creator, poolclass=QueuePool, pool_size=4, hide_parameters=True
    )
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
