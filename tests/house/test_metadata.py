"""The tables keep the design's law: `ledger_id` leads, and nothing is there that Citus lacks."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Connection, Table, UniqueConstraint, inspect, text
from sqlalchemy import types as sql

import pointsbank
from pointsbank.store.database import Database
from pointsbank.store.schema import (
    current_revision,
    downgrade,
    latest_revision,
    migrations_folder,
    missing_triggers,
    upgrade,
)
from pointsbank.tables import metadata

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "pointsbank"


def rooms_tables() -> Iterator[str]:
    for module in pkgutil.walk_packages(pointsbank.__path__, "pointsbank."):
        if module.name.endswith(".tables"):
            yield module.name


TABLES = sorted(metadata.tables.values(), key=lambda table: table.name)


def test_every_room_has_its_tables_in_the_one_metadata() -> None:
    known = set(metadata.tables)
    for name in rooms_tables():
        importlib.import_module(name)
    assert set(metadata.tables) == known
    assert len(known) > 15


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_the_ledger_leads_every_key_and_every_index(table: Table) -> None:
    assert next(c.name for c in table.columns) == "ledger_id"
    keys = [table.primary_key, *table.indexes]
    keys += [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    for key in keys:
        assert key.columns.keys()[0] == "ledger_id", key
    for foreign in table.foreign_key_constraints:
        assert foreign.column_keys[0] == "ledger_id", foreign
        assert next(iter(foreign.elements)).column.name == "ledger_id", foreign


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_columns_are_integers_texts_and_bytes(table: Table) -> None:
    """No float and no numeric for amounts, no enum and no array for a distributed engine, no naive time."""
    allowed = (sql.Integer, sql.Text, sql.LargeBinary)  # BigInteger and SmallInteger are integers
    for column in table.columns:
        assert isinstance(column.type, allowed), column
        assert not isinstance(column.type, sql.Enum | sql.ARRAY), column
        assert column.identity is None, column
        assert column.computed is None, column
        assert column.server_default is None, column
        assert column.default is None, column
    assert table.autoincrement_column is None, "PostgreSQL would make a sequence for it"


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_table_is_strict_on_sqlite(table: Table) -> None:
    assert table.dialect_options["sqlite"]["strict"] is True
    assert table.dialect_options["sqlite"]["with_rowid"] is False


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_nothing_cascades(table: Table) -> None:
    for foreign in table.foreign_key_constraints:
        assert (foreign.ondelete, foreign.onupdate) == (None, None)


FORBIDDEN = {
    "an enum type": r"\bsa\.Enum\b|\bimport Enum as SqlEnum|\bCREATE TYPE\b",
    "an array in a table": r"Column\([^)]*ARRAY|column\([^)]*ARRAY",
    "an exclusion constraint": r"ExcludeConstraint|\bEXCLUDE USING\b",
    "a sequence": r"\bsa\.Sequence\b|\bCREATE SEQUENCE\b|\bnextval\b|\bSERIAL\b|\bIDENTITY\b|sa\.Identity",
    "an automatic number": r"autoincrement=(?!False)|AUTOINCREMENT",
    "a notification": r"\bLISTEN\b|\bNOTIFY\b|pg_notify|add_listener",
    "an advisory lock": r"advisory",
    "a cascade": r"ON DELETE|ondelete=|\bCASCADE\b",
    "a stored procedure": r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) (?!refuse_journal_change\b)",
}


def sources() -> list[Path]:
    """The program and its migrations; `bench` measures the very things that the program does without."""
    found = [p for p in SOURCES.rglob("*.py") if "bench" not in p.relative_to(SOURCES).parts]
    return [*found, *(ROOT / "migrations").rglob("*.py")]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_program_does_without(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line) and not line.lstrip().startswith("#")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an enum type", "sa.Column('state', sa.Enum('a', 'b'))"),
        ("an array in a table", 'column("tags", ARRAY(Text))'),
        ("a sequence", "x bigint GENERATED ALWAYS AS IDENTITY"),
        ("a sequence", "id SERIAL PRIMARY KEY"),
        ("an automatic number", "Column('id', Integer, autoincrement=True)"),
        ("a notification", "NOTIFY head_moved"),
        ("an advisory lock", "SELECT pg_advisory_lock(1)"),
        ("a cascade", "ForeignKey('a.b', ondelete='CASCADE')"),
        ("a stored procedure", "CREATE FUNCTION post() RETURNS trigger"),
    ],
)
def test_what_is_forbidden_would_be_found(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


# what stands in a database after all migrations


def _postgresql_objects(connection: Connection) -> dict[str, list[str]]:
    def names(statement: str) -> list[str]:
        return list(connection.execute(text(statement)).scalars())

    here = "pg_namespace n WHERE n.oid = {0} AND n.nspname = 'public'"
    return {
        "sequences": names(
            f"SELECT c.relname FROM pg_class c, {here.format('c.relnamespace')} AND c.relkind = 'S'"
        ),
        "functions": names(f"SELECT p.proname FROM pg_proc p, {here.format('p.pronamespace')}"),
        "enums": names(
            f"SELECT t.typname FROM pg_type t, {here.format('t.typnamespace')} AND t.typtype = 'e'"
        ),
        "exclusions": names("SELECT conname FROM pg_constraint WHERE contype = 'x'"),
        "arrays and floats": names(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' "
            "AND data_type NOT IN ('integer', 'bigint', 'smallint', 'text', 'bytea')"
            " AND table_name <> 'alembic_version'"
        ),
        "defaults": names(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_default IS NOT NULL"
        ),
    }


async def test_a_migrated_postgresql_has_nothing_of_the_kind(postgres_url: str) -> None:
    database = Database(postgres_url)
    found = await database.read(_postgresql_objects)
    await database.close()
    assert found == {
        "sequences": [], "functions": ["refuse_journal_change"], "enums": [], "exclusions": [],
        "arrays and floats": [], "defaults": [],
    }  # fmt: skip


async def test_every_table_of_a_migrated_sqlite_is_strict_and_clustered(sqlite_url: str) -> None:
    def tables(connection: Connection) -> list[tuple[str, int, int]]:
        return [
            (row.name, row.strict, row.wr)
            for row in connection.exec_driver_sql("PRAGMA table_list")
            if row.schema == "main" and not row.name.startswith(("sqlite_", "alembic_"))
        ]

    database = Database(sqlite_url)
    found = await database.read(tables)
    await database.close()
    assert sorted(found) == [(table.name, 1, 1) for table in TABLES]


def _shape(connection: Connection) -> dict[str, object]:
    """Tables, columns, keys, checks and indexes as the engine reports them."""
    inspector = inspect(connection)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], bool(i["unique"])) for i in inspector.get_indexes(name)),
            sorted(str(c["name"]) for c in inspector.get_check_constraints(name)),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


async def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    shape = await database.read(_shape)
    assert sorted(shape) == [table.name for table in TABLES]
    for table in TABLES:
        columns, key, indexes, checks = shape[table.name]  # type: ignore[misc]
        assert [(name, nullable) for name, _, nullable in columns] == [
            (c.name, c.nullable) for c in table.columns
        ], table.name
        assert key == table.primary_key.columns.keys(), table.name
        assert indexes == sorted((str(i.name), i.columns.keys(), bool(i.unique)) for i in table.indexes), (
            table.name
        )
        named = [str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)]
        assert checks == sorted(named), table.name


async def test_migrations_go_down_and_up_again(database: Database) -> None:
    before = await database.read(_shape)
    await database.close()
    await downgrade(database, "base")
    assert await database.read(_shape) == {}
    await database.close()
    await upgrade(database)
    assert await database.read(_shape) == before
    assert await database.read(current_revision) == latest_revision()
    assert await database.read(missing_triggers) == []


def test_migrations_are_one_line() -> None:
    versions = sorted((migrations_folder() / "versions").glob("*.py"))
    assert versions
    assert latest_revision() == versions[-1].name.partition("_")[0]
