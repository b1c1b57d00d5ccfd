"""Reading for verification: short read transactions, keyset chunks, rows as plain tuples, SQL of its own."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from pointsbank.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")
Row = Any
"""A row in the driver's own kind of tuple."""
Rows = list[Row]

PAGE = 5000
"""Rows in one read transaction."""

_PARAMETER = re.compile(r"\$(\d+)")
_HINT = re.compile(r"/\*\+ (\w+) \*/")
_ANY = re.compile(r"= ANY\(\$(\d+)::\w+\[\]\)")


class Head(NamedTuple):
    """The head row as it stood when the verification began."""

    name: str
    chart: str
    sequence: int
    posting: int
    account: int
    lot: int
    recorded_at: int
    batch: int
    epoch: int


class Source:
    """One ledger of a database, read in snapshots that last for one chunk."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self.database = database
        self.ledger_id = ledger_id

    async def read(
        self, query: Callable[Concatenate[Connection, int, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `query(connection, ledger_id, …)` on one consistent snapshot."""

        def run(connection: Connection) -> T:
            if connection.dialect.name == "postgresql":
                # Tables that grew since they were last analysed tempt the planner to scan them whole.
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            return query(connection, self.ledger_id, *args, **kwargs)

        return await self.database.read(run)


def fetch(connection: Connection, statement: str, *args: object) -> Rows:
    """All rows of a statement in the driver's own tuples. Written for PostgreSQL, turned for SQLite.

    `$n` are parameters; `= ANY($n::type[])` takes a list of integers or texts on both engines. `/*+ name */`
    after a table names its index: without statistics SQLite takes a ledger for ten rows, and reads all of it.
    """
    if connection.dialect.name == "sqlite":
        statement = _ANY.sub(r"IN (SELECT value FROM json_each(?\1))", statement)
        statement = _PARAMETER.sub(r"?\1", statement)
        args = tuple(json.dumps(arg) if isinstance(arg, list) else arg for arg in args)
        if "/*+" in statement:
            try:
                return _rows(connection, _HINT.sub(r"INDEXED BY \1", statement), args)
            except OperationalError as error:
                if "no such index" not in str(error):
                    raise
                # A missing index is reported elsewhere; its rows can be read without it.
    return _rows(connection, statement, args)


def _rows(connection: Connection, statement: str, args: tuple[object, ...]) -> Rows:
    cursor = connection.exec_driver_sql(statement, args).cursor
    assert cursor is not None
    return list(cursor.fetchall())


def chunked(values: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Slices of a sequence."""
    return (values[start : start + size] for start in range(0, len(values), size))


async def pages(source: Source, statement: str, after: object, *args: object) -> AsyncIterator[Rows]:
    """Rows of a statement by keyset, the key in their first column, each page in a transaction of its own."""
    while True:
        rows: Rows = await source.read(_page, statement, after, args)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _page(
    connection: Connection, ledger_id: int, statement: str, after: object, args: tuple[object, ...]
) -> Rows:
    return fetch(connection, statement, ledger_id, after, PAGE, *args)
