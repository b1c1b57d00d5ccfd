"""The database's own safeguards, each by name: tables, columns, keys, constraints, indexes, triggers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import CheckConstraint, Connection, Table, UniqueConstraint, inspect
from sqlalchemy.engine.default import DefaultDialect

from pointsbank.store.tables import metadata
from pointsbank.store.triggers import create_triggers
from pointsbank.verify.report import Findings
from pointsbank.verify.source import fetch

_CREATE_TRIGGER = re.compile(
    r"CREATE (?:OR REPLACE )?TRIGGER (?:IF NOT EXISTS )?(\w+)(.*?) ON (\w+)(.*)", re.DOTALL
)


class _Found(NamedTuple):
    """What the database has, by table: asked once for all tables."""

    dialect: str
    columns: dict[str, Any]
    keys: dict[str, Any]
    indexes: dict[str, Any]
    checks: dict[str, Any]
    uniques: dict[str, Any]


def check_schema(connection: Connection, ledger_id: int, findings: Findings) -> dict[str, int]:
    """Compare the database with what the program defines. Returns how many of each kind were looked for."""
    inspector = inspect(connection)
    found = _Found(
        connection.dialect.name,
        _by_table(inspector.get_multi_columns()),
        _by_table(inspector.get_multi_pk_constraint()),
        _by_table(inspector.get_multi_indexes()),
        _by_table(inspector.get_multi_check_constraints()),
        _by_table(inspector.get_multi_unique_constraints()),
    )
    counts = {"tables": 0, "indexes": 0, "constraints": 0, "triggers": 0}
    for table in metadata.sorted_tables:
        counts["tables"] += 1
        if table.name not in found.columns:
            findings.add("table-missing", f"schema/{table.name}")
            continue
        _check_columns(found, table, findings)
        counts["indexes"] += _check_indexes(found, table, findings)
        counts["constraints"] += _check_constraints(found, table, findings)
    if found.dialect == "sqlite":
        _check_strict(connection, set(found.columns), findings)
        counts["triggers"] = _check_sqlite_triggers(connection, findings)
    else:
        _check_validated(connection, findings)
        counts["triggers"] = _check_postgres_triggers(connection, findings)
    return counts


def _by_table(found: Mapping[Any, Any]) -> dict[str, Any]:
    return {table: what for (_, table), what in found.items()}


def core_tables_present(connection: Connection, ledger_id: int) -> bool:
    """Whether the tables are there without which nothing can be verified."""
    needed = {
        "heads",
        "batches",
        "commodities",
        "accounts",
        "lots",
        "entries",
        "postings",
        "balances",
        "document_keys",
        "counters",
    }
    return needed <= set(inspect(connection).get_table_names())


def _check_columns(found: _Found, table: Table, findings: Findings) -> None:
    columns = {column["name"]: column for column in found.columns[table.name]}
    for column in table.columns:
        place = f"schema/{table.name}.{column.name}"
        if column.name not in columns:
            findings.add("column-missing", place)
        elif columns[column.name]["nullable"] and not column.nullable:
            findings.add("column-null", place, "NOT NULL", "NULL")
    wanted = [column.name for column in table.primary_key.columns]
    key = (found.keys.get(table.name) or {}).get("constrained_columns") or []
    if key != wanted:
        findings.add("primary-key", f"schema/{table.name}", ", ".join(wanted), ", ".join(key))


def _check_indexes(found: _Found, table: Table, findings: Findings) -> int:
    indexes = {str(index["name"]): index for index in found.indexes.get(table.name, ())}
    for index in table.indexes:
        place = f"schema/{index.name}"
        if str(index.name) not in indexes:
            findings.add("index-missing", place)
            continue
        there = indexes[str(index.name)]
        condition = index.dialect_options[found.dialect]["where"]
        wanted = (
            [column.name for column in index.columns],
            bool(index.unique),
            "" if condition is None else _condensed(str(condition)),
        )
        actual = (
            there["column_names"],
            bool(there["unique"]),
            _condensed(str(there.get("dialect_options", {}).get(f"{found.dialect}_where", ""))),
        )
        if wanted != actual:
            findings.add("index-altered", place, wanted, actual)
    return len(table.indexes)


def _condensed(condition: str) -> str:
    """A condition without what engines add of their own: blanks, brackets, quotes, casts, case."""
    return re.sub(r"::\w+|[\s()\"]", "", condition).lower()


def _check_constraints(found: _Found, table: Table, findings: Findings) -> int:
    checks = {str(c["name"]): str(c["sqltext"]) for c in found.checks.get(table.name, ())}
    uniques = {str(c["name"]) for c in found.uniques.get(table.name, ())}
    count = 0
    for constraint in table.constraints:
        if not isinstance(constraint, CheckConstraint | UniqueConstraint):
            continue
        count += 1
        name = _NAMER.format_constraint(constraint)
        place = f"schema/{name}"
        if name not in checks and name not in uniques:
            findings.add("constraint-missing", place)
        elif (
            # PostgreSQL keeps a constraint in words of its own, so there the name must do.
            found.dialect == "sqlite"
            and isinstance(constraint, CheckConstraint)
            and _condensed(checks[str(name)]) != _condensed(str(constraint.sqltext))
        ):
            findings.add("constraint-altered", place, constraint.sqltext, checks[str(name)])
    return count


_NAMER: Any = DefaultDialect().identifier_preparer
"""Knows a constraint's name in the database, the naming convention applied."""


def _check_strict(connection: Connection, present: set[str], findings: Findings) -> None:
    strict = {row[1] for row in fetch(connection, "PRAGMA table_list") if row[5]}
    for table in metadata.tables:
        if table in present and table not in strict:
            findings.add("table-strict", f"schema/{table}")


def _check_sqlite_triggers(connection: Connection, findings: Findings) -> int:
    found = dict(fetch(connection, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    count = 0
    for statement in create_triggers("sqlite"):
        match = _CREATE_TRIGGER.match(statement)
        assert match is not None
        count += 1
        place = f"schema/{match[1]}"
        if match[1] not in found:
            findings.add("trigger-missing", place)
        elif _trigger(found[match[1]]) != _trigger(statement):
            findings.add("trigger-altered", place, "", found[match[1]])
    return count


def _trigger(statement: str) -> str:
    return " ".join(statement.replace("IF NOT EXISTS ", "").split())


def _check_validated(connection: Connection, findings: Findings) -> None:
    rows = fetch(
        connection,
        "SELECT c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
        " JOIN pg_namespace n ON n.oid = t.relnamespace"
        " WHERE n.nspname = current_schema() AND NOT c.convalidated",
    )
    for (name,) in rows:
        findings.add("constraint-altered", f"schema/{name}", "", "NOT VALID")


def _check_postgres_triggers(connection: Connection, findings: Findings) -> int:
    rows = fetch(connection, _PG_TRIGGERS)
    found = {(name, table): (enabled, definition, body) for name, table, enabled, definition, body in rows}
    function, count = "", 0
    for statement in create_triggers("postgresql"):
        match = _CREATE_TRIGGER.match(statement)
        if match is None:
            function = " ".join(statement.split("$$")[1].split())
            continue
        count += 1
        name, when, table, action = match.groups()
        place = f"schema/{name}"
        if (name, table) not in found:
            findings.add("trigger-missing", place)
            continue
        enabled, definition, body = found[name, table]
        if enabled not in ("O", "A"):
            findings.add("trigger-disabled", place)
        wanted = " ".join(f"{when} ON {table}{action}".split())
        if wanted not in _definition(definition) or " ".join(body.split()) != function:
            findings.add("trigger-altered", place, wanted, definition)
    return count


def _definition(definition: str) -> str:
    """A trigger as PostgreSQL tells it, without the schema's name."""
    return " ".join(re.sub(r" ON \w+\.", " ON ", definition).split())


_PG_TRIGGERS = """
SELECT t.tgname::text, c.relname::text, t.tgenabled::text, pg_get_triggerdef(t.oid), p.prosrc
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND n.nspname = current_schema()
"""
