"""The schema of the people store: an Alembic line of its own, on the file people.db or in the schema `people`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from pointsbank.store.schema import SchemaOutOfDate
from pointsbank.store.statistics import seed_postgres

SCHEMA: Final = "people"
"""The schema on PostgreSQL: a role may be given it, and nothing else of the database."""

_VERSIONS: Final = "people_version"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the people store to a revision, on a connection that may change anything."""
    _migrate(connection, lambda config: command.upgrade(config, revision))


def downgrade(connection: Connection, revision: str) -> None:
    """Take the people store back to a revision."""
    _migrate(connection, lambda config: command.downgrade(config, revision))


@cache
def latest_revision() -> str:
    """The newest revision that this program brings."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current_revision(connection: Connection) -> str | None:
    """The revision of the people store, None if there is none."""
    schema = schema_of(connection)
    if not inspect(connection).has_table(_VERSIONS, schema=schema):
        return None
    options = {"version_table": _VERSIONS, "version_table_schema": schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def require_current(connection: Connection) -> None:
    """Raise SchemaOutOfDate unless the people store is as this program wants it."""
    found, wanted = current_revision(connection), latest_revision()
    if found != wanted:
        raise SchemaOutOfDate(
            f"个人资料库结构为 {found or '空'}，程序需要 {wanted}。请先运行 pointsbank people upgrade。\n"
            f"The people store is at {found or 'nothing'}, the program needs {wanted}."
            " Run `pointsbank people upgrade` first."
        )


def schema_of(connection: Connection) -> str | None:
    """The schema in which the tables stand: a name on PostgreSQL, none on SQLite."""
    return SCHEMA if connection.dialect.name == "postgresql" else None


def _migrate(connection: Connection, run: Callable[[Config], None]) -> None:
    schema = schema_of(connection)
    # looked up first: CREATE SCHEMA IF NOT EXISTS asks for a right that the store's own role need not have
    if schema and not inspect(connection).has_schema(schema):
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    run(config)
    if schema:  # SQLite would keep samples of what it finds in its tables, and these are about people
        seed_postgres(connection, schema)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
