"""Tests share PostgreSQL databases in turn, and never see what another has left in them."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.databases import Databases

_BATCH = "INSERT INTO batches VALUES (1, 1, 1, '', 1, 1)"


def at(url: str, *statements: str) -> Any:
    """The value of the last statement's first column."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture
def databases(postgres_template: tuple[str, str]) -> Any:
    databases = Databases(*postgres_template)
    yield databases
    databases.close()


def test_what_a_test_wrote_is_gone_for_the_next(databases: Databases) -> None:
    with databases.lent() as first:
        assert (
            at(first, "SET session_replication_role = replica", _BATCH, "SELECT count(*) FROM batches") == 1
        )
    with databases.lent() as second:
        assert second == first
        assert at(second, "SELECT count(*) FROM batches") == 0


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE batches CASCADE",
        "ALTER TABLE batches ADD COLUMN more int",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "GRANT SELECT ON batches TO PUBLIC",
        "CREATE INDEX more ON batches (token)",
        "UPDATE alembic_version SET version_num = '0001'",
        "ANALYZE heads",
    ],
)
def test_a_changed_schema_is_not_lent_again(databases: Databases, change: str) -> None:
    with databases.lent() as first:
        at(first, change, "SELECT 1")
    with databases.lent() as second:
        assert second != first
