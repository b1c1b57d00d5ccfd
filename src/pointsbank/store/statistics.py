"""Planner statistics, written once: what an index narrows down in a city's books.

Without any, SQLite takes `ledger_id = ?` for a condition that leaves ten rows, and PostgreSQL for one that leaves one
row in two hundred; then any index that begins with it seems as good as the one that fits, and a whole ledger is read.
Real figures (`ANALYZE`) would be no better on the empty tables of a first day; PostgreSQL replaces these by real ones
as the tables grow.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

ROWS = 1_000_000
AFTER_SECOND = 100
AFTER_LATER = 10

_SEED = """SELECT pg_restore_attribute_stats(
    'schemaname', CAST(coalesce(:schema, current_schema()) AS text), 'relname', CAST(:table AS text),
    'attname', CAST(:column AS text), 'inherited', false, 'null_frac', CAST(0 AS real), 'avg_width', 8,
    'n_distinct', CAST(:distinct AS real))
    WHERE NOT EXISTS (SELECT 1 FROM pg_stats
        WHERE schemaname = coalesce(:schema, current_schema()) AND tablename = :table AND attname = :column)"""


def seed_statistics(connection: Connection) -> None:
    """Tell the planner what to expect of every index of every table. Run after each migration.

    PostgreSQL takes statistics from version 18 on; older ones plan well after their first ANALYZE.
    """
    if connection.dialect.name == "postgresql":
        seed_postgres(connection)
    else:
        _seed_sqlite(connection)


def _seed_sqlite(connection: Connection) -> None:
    connection.execute(text("ANALYZE"))
    connection.execute(text("DELETE FROM sqlite_stat1"))
    for table, name, columns, unique in _indexes(connection):
        connection.execute(
            text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:table, :index, :stat)"),
            {"table": table, "index": name, "stat": " ".join(map(str, _left(len(columns), unique)))},
        )


def seed_postgres(connection: Connection, schema: str | None = None) -> None:
    """How many different values a column has: of the ledger one, of others the most that an index says.

    What PostgreSQL has found out by itself stays. `schema` is that of the tables, if it is not the current one.
    """
    if connection.execute(text("SELECT to_regproc('pg_restore_attribute_stats')")).scalar() is None:
        return
    distinct: dict[tuple[str, str], float] = {}
    for table, _, columns, unique in _indexes(connection, schema):
        rows = _left(len(columns), unique)
        for column, left in zip(columns, rows[1:], strict=True):
            # a negative number is a share of the rows
            distinct[table, column] = min(distinct.get((table, column), 0.0), -1 / left)
    for (table, column), share in distinct.items():
        connection.execute(
            text(_SEED),
            {
                "schema": schema,
                "table": table,
                "column": column,
                "distinct": 1.0 if column == "ledger_id" else share,
            },
        )


def _indexes(connection: Connection, schema: str | None = None) -> list[tuple[str, str, list[str], bool]]:
    """Table, name and columns of every index, and whether it is unique."""
    inspector = inspect(connection)
    found = []
    for table in inspector.get_table_names(schema):
        key = inspector.get_pk_constraint(table, schema)["constrained_columns"]
        if key[:1] != ["ledger_id"]:  # Alembic's own
            continue
        found.append((table, table, key, True))
        for index in inspector.get_indexes(table, schema):
            columns = [column for column in index["column_names"] if column]
            found.append((table, str(index["name"]), columns, bool(index["unique"])))
    return found


def _left(columns: int, unique: bool) -> list[int]:
    """Rows in all, then rows left after one, two … columns: the first is the ledger, which leaves everything."""
    left = [ROWS, ROWS, *([AFTER_SECOND] if columns > 1 else []), *[AFTER_LATER] * max(columns - 2, 0)]
    if unique and columns > 1:
        left[-1] = 1
    return left
