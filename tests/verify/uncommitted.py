"""A real database seen from inside one transaction that is never committed: corrupt it, look, roll back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pointsbank.store.database import Database, sqlite_engine
from pointsbank.store.tables import JOURNAL
from pointsbank.store.triggers import create_triggers, drop_triggers

Run = Callable[[Callable[[Connection], Any]], Any]


class Uncommitted(Database):
    """Reads what its own open transaction has written."""

    def __init__(self, url: str, run: Run) -> None:
        super().__init__(url)
        self._run = run

    async def read(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._run(lambda connection: query(connection, *args, **kwargs))

    async def execute(self, *statements: str) -> None:
        """Run raw SQL as somebody with the database's password would."""

        def run(connection: Connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement)

        await self._run(run)

    async def corrupt(self, *statements: str) -> None:
        """Run raw SQL with the refusing triggers switched off, and switch them on again."""
        print("the refusing triggers are switched off to corrupt the ledger")
        if self.dialect == "sqlite":
            await self.execute(*drop_triggers("sqlite"), "PRAGMA ignore_check_constraints = ON")
            await self.execute(*statements)
            await self.execute(*create_triggers("sqlite"), "PRAGMA ignore_check_constraints = OFF")
        else:
            await self.execute(*(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in JOURNAL))
            await self.execute(*statements)
            await self.execute(*(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in JOURNAL))


@asynccontextmanager
async def uncommitted(url: str) -> AsyncIterator[Uncommitted]:
    """The database inside a transaction that is rolled back in the end."""
    if url.startswith("sqlite"):
        engine = sqlite_engine(Database(url).path, read_only=False)
        with engine.connect() as connection:

            async def here(query: Callable[[Connection], Any]) -> Any:
                return query(connection)

            yield Uncommitted(url, here)
            connection.rollback()
        engine.dispose()
        return
    async with _engine(url).connect() as async_connection:
        yield Uncommitted(url, async_connection.run_sync)
        await async_connection.rollback()


_engines: dict[str, AsyncEngine] = {}


def _engine(url: str) -> AsyncEngine:
    """One connection for all tests of a module. DDL is rolled back too, so no statement is kept prepared."""
    if url not in _engines:
        dsn = "postgresql+asyncpg" + url.removeprefix("postgresql")
        _engines[url] = create_async_engine(
            dsn, connect_args={"prepared_statement_cache_size": 0, "statement_cache_size": 0}
        )
    return _engines[url]


async def close_engines() -> None:
    """Close what the module's tests have used, in the event loop in which they did."""
    for engine in _engines.values():
        await engine.dispose()
    _engines.clear()
