"""Planner statistics for SQLite, written once: what an index narrows down in a city's books.

Without any, SQLite takes `ledger_id = ?` for a condition that leaves ten rows and may scan a whole ledger instead of
using the index that fits. Real figures (`ANALYZE`) would be no better on the empty file of a first day.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

ROWS = 1_000_000
AFTER_SECOND = 100
AFTER_LATER = 10


def seed_statistics(connection: Connection) -> None:
    """Tell SQLite what to expect of every index of every table. Run after each migration."""
    connection.execute(text("ANALYZE"))
    connection.execute(text("DELETE FROM sqlite_stat1"))
    inspector = inspect(connection)
    for table in inspector.get_table_names():
        key = inspector.get_pk_constraint(table)["constrained_columns"]
        indexes = [(table, len(key), True)]
        indexes += [
            (str(index["name"]), len(index["column_names"]), bool(index["unique"]))
            for index in inspector.get_indexes(table)
        ]
        for name, columns, unique in indexes:
            if name != "alembic_version":
                connection.execute(
                    text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:table, :index, :stat)"),
                    {"table": table, "index": name, "stat": _expectation(columns, unique)},
                )


def _expectation(columns: int, unique: bool) -> str:
    """Rows in all, then rows left after one, two … columns: the first is the ledger, which leaves everything."""
    left = [ROWS, *([AFTER_SECOND] if columns > 1 else []), *[AFTER_LATER] * max(columns - 2, 0)]
    if unique and columns > 1:
        left[-1] = 1
    return " ".join(map(str, [ROWS, *left]))
