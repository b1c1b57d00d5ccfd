"""Raw SQL at a populated ledger, past every rule of the program: what the database itself lets through."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from tests.ledger.toy import CHART, EARLY, TOY, draft, issue, move

from pointsbank.engine.registry import open_ledger
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of
from pointsbank.store.sqlite_driver import sqlite3

LEDGER = ledger_id_of("toy")

Row = dict[str, Any]


class Refused(Exception):
    """The database said no."""


class RawBooks:
    """One database; each attempt is a transaction of its own that is rolled back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def attempt(self, statement: str, *values: Any) -> None:
        """Run one statement. Raises Refused, with the words of the database, if it does not like it."""
        if self.is_sqlite:
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(statement, values)
            except sqlite3.Error as error:
                raise Refused(str(error)) from error
            finally:
                connection.close()
            return
        self._runner.run(self._attempt(statement, values))

    async def _attempt(self, statement: str, values: tuple[Any, ...]) -> None:
        connection = await self._connect()
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement, *values)
        except asyncpg.PostgresError as error:
            raise Refused(str(error)) from error
        finally:
            await transaction.rollback()

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None:
            self._connection = await asyncpg.connect(self.url)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._runner.run(self._connection.close())
        self._runner.close()

    def insert(self, table: str, row: Row, verb: str = "INSERT INTO") -> None:
        marks = ", ".join("?" if self.is_sqlite else f"${n}" for n in range(1, len(row) + 1))
        self.attempt(f"{verb} {table} ({', '.join(row)}) VALUES ({marks})", *row.values())

    def literal(self, table: str, row: Row, column: str, literal: str) -> None:
        """Insert a row in which one column is the given SQL literal."""
        rest = {name: value for name, value in row.items() if name != column}
        marks = ", ".join("?" if self.is_sqlite else f"${n}" for n in range(1, len(rest) + 1))
        self.attempt(
            f"INSERT INTO {table} ({', '.join([*rest, column])}) VALUES ({marks}, {literal})", *rest.values()
        )

    def row(self, table: str, where: str) -> Row:
        """A stored row by column."""
        statement = f"SELECT * FROM {table} WHERE {where}"
        if self.is_sqlite:
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            found = connection.execute(statement)
            names = [d[0] for d in found.description]
            row = dict(zip(names, found.fetchone(), strict=True))
            connection.close()
            return row

        async def fetch() -> Row:
            return dict(await (await self._connect()).fetchrow(statement))

        return self._runner.run(fetch())

    def fresh_row(self, table: str) -> Row:
        """A row that the table would take: like one that is there, with keys that are free."""
        row = self.row(table, FRESH[table][0])
        return row | FRESH[table][1]


FRESH: dict[str, tuple[str, Row]] = {
    "entries": ("sequence = 1", {"sequence": 901, "key_digest": bytes(15) + b"e", "first_posting": 901}),
    "postings": ("posting = 1", {"posting": 901, "sequence": 901}),
    "batches": ("batch = 1", {"batch": 901}),
    "lots": ("lot = 1", {"lot": 901, "code": "2030-01-01/x"}),
    "commodities": ("commodity = 'POINT'", {"commodity": "TEST"}),
    "document_keys": ("client = 'test'", {"key_digest": bytes(15) + b"d"}),
    "accounts": ("account = 1", {"account": 901, "path": "wallet:x"}),
    "balances": ("account = 1", {"account": 901}),
    "heads": ("batch > 0", {"ledger_id": 7}),
    "subjects": ("version = 1", {"subject": "other"}),
    "counters": ("value = 1", {"counter": "other"}),
}


async def populate(url: str) -> None:
    """Entries, a reversal, a document-only key, a subject, a counter: a row in each table."""
    database = Database(url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit(
            [issue("1", "wallet:a", 100, EARLY), draft("open", "note", opens=["wallet:b"])], TOY
        )
        pays = [
            draft(
                "pay",
                f"{n}",
                move("wallet:a", "wallet:b", n),
                counters=("c",) if n == 2 else (),
                touches=(f"v{n}",),
            )
            for n in (2, 3)
        ]
        await ledger.submit(pays, TOY)
        await ledger.submit([draft("undo", "4", reverses=3)], TOY)
    await database.close()
