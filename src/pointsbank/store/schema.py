"""The schema of a database: brought up to date by Alembic, checked, never touched otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from pointsbank.store.database import Database, sqlite_engine
from pointsbank.store.sqlite import FileLock
from pointsbank.store.tables import JOURNAL
from pointsbank.store.triggers import trigger_names


def migrations_folder() -> Path:
    """Where the migrations lie: beside the sources in a checkout, inside the package in an installed wheel."""
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "migrations"
    return beside if beside.is_dir() else package / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return config


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring a database's schema to a revision, creating the SQLite file if there is none."""
    await _migrate(database, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, revision: str) -> None:
    """Take a database's schema back to a revision."""
    await _migrate(database, lambda config: command.downgrade(config, revision))


async def _migrate(database: Database, run: Callable[[Config], None]) -> None:
    def with_connection(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        run(config)

    await write_connection(database, with_connection)


async def write_connection(database: Database, work: Callable[[Connection], None]) -> None:
    """Run `work` in one transaction of a connection that may change anything: for migrations and restores.

    On SQLite this needs the lock that a serving process holds: raises LedgerBusy then.
    """
    if database.dialect == "sqlite":
        database.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(database.path)
        lock.acquire()
        engine = sqlite_engine(database.path, read_only=False)
        try:
            with engine.begin() as connection:
                work(connection)
        finally:
            engine.dispose()
            lock.release()
        return
    async_engine = create_async_engine("postgresql+asyncpg" + database.url.removeprefix("postgresql"))
    try:
        async with async_engine.begin() as async_connection:
            await async_connection.run_sync(work)
    finally:
        await async_engine.dispose()


def latest_revision() -> str:
    """The newest revision that this program brings."""
    return _latest_in(migrations_folder())


@cache
def _latest_in(folder: Path) -> str:
    return ScriptDirectory(folder).get_current_head() or ""


def current_revision(connection: Connection) -> str | None:
    """The revision of a database, None if it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return MigrationContext.configure(connection).get_current_revision()


def missing_triggers(connection: Connection) -> list[str]:
    """Names of refusing triggers that do not stand where they should, or are switched off."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        found = set(
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
        )
    else:
        found = set(
            connection.execute(
                text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')")
            ).scalars()
        )
    return [name for table in JOURNAL for name in trigger_names(dialect, table) if name not in found]


class SchemaOutOfDate(Exception):
    """The database's schema is not the one that this program works with."""


def require_current(connection: Connection) -> None:
    """Raise SchemaOutOfDate unless the schema is the newest that this program brings."""
    found, wanted = current_revision(connection), latest_revision()
    if found != wanted:
        raise SchemaOutOfDate(
            f"数据库结构为 {found or '空'}，程序需要 {wanted}。请先运行 pointsbank db upgrade。\n"
            f"The schema is at {found or 'nothing'}, the program needs {wanted}. Run `pointsbank db upgrade` first."
        )
