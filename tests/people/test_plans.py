"""Who is looked up by number is found by whole keys, although PostgreSQL has not yet looked at the tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Connection, text
from tests.people_of import enrol, open_peopled

from pointsbank.people.directory import directory_of
from pointsbank.store.database import Database

BORN = date(1990, 5, 17)
EVERYBODY = 3000
SOUGHT = 500

READ = text("""SELECT relname, coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) AS rows
    FROM pg_stat_xact_user_tables WHERE schemaname = 'people'""")


def rows_read(connection: Connection) -> dict[str, int]:
    """How many rows of each table this transaction has read so far."""
    return {str(table): int(rows) for table, rows in connection.execute(READ)}


async def test_hundreds_of_numbers_are_not_compared_with_everybody(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with open_peopled(database) as ledger:
        numbers = [f"V{n:06}" for n in range(EVERYBODY)]
        for start in range(0, EVERYBODY, 1000):
            await enrol(ledger, dict.fromkeys(numbers[start : start + 1000], BORN))
        directory = directory_of(ledger)
        read, seen = directory.store.read, dict[str, int]()

        async def noted(work: Callable[[Connection], Any]) -> Any:
            def beside(connection: Connection) -> Any:
                before, found = rows_read(connection), work(connection)
                seen.update({t: rows - before.get(t, 0) for t, rows in rows_read(connection).items()})
                return found

            return await read(beside)

        directory.store.read = noted  # type: ignore[method-assign, assignment]
        found = await directory.by_number(numbers[:SOUGHT])
    await database.close()
    assert len(found) == SOUGHT
    assert seen
    assert max(seen.values()) <= 2 * SOUGHT, seen
