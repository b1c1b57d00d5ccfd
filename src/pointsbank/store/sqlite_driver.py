"""The SQLite that we use, in one place: the wheel's, because 3.7.0 to 3.51.2 can corrupt a WAL database."""

from __future__ import annotations

from pysqlite3 import dbapi2 as sqlite3

MINIMUM = (3, 51, 3)

if sqlite3.sqlite_version_info < MINIMUM:
    raise ImportError(f"SQLite {sqlite3.sqlite_version} is older than {'.'.join(map(str, MINIMUM))}")

__all__ = ["MINIMUM", "sqlite3"]
