"""Single statements that go straight to PostgreSQL's driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, bindparam, select, text

from pointsbank.store.database import Database
from pointsbank.store.direct import MOST, Direct
from pointsbank.store.tables import heads

SETTINGS = {"application_name": "direct"}
_HOW_MANY = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND CAST(:moment AS bigint) > 0"
)
_NAME_OF = select(heads.c.name, heads.c.ledger_id).where(heads.c.ledger_id == bindparam("ledger"))


@pytest.fixture
async def direct(postgres_url: str) -> AsyncIterator[Direct]:
    made = Direct(Database(postgres_url).url, SETTINGS)
    yield made
    await made.close()


def how_many(connection: Connection, moment: int) -> int:
    values = {"name": "direct", "moment": moment}
    return int(connection.execute(_HOW_MANY, values).scalar_one())


async def test_connections_are_kept_and_no_more_than_so_many_are_made(direct: Direct) -> None:
    assert await direct.run(how_many, 2**60) == 1
    assert await direct.run(how_many, 1) == 1
    assert max(await asyncio.gather(*(direct.run(how_many, 1) for _ in range(5 * MOST)))) <= MOST


async def test_a_statement_written_with_tables_is_asked_with_its_values(direct: Direct) -> None:
    def name_of(connection: Connection, ledger_id: int) -> object:
        return connection.execute(_NAME_OF, {"ledger": ledger_id}).one_or_none()

    assert await direct.run(name_of, 77) is None


async def test_a_second_statement_is_a_bug_and_not_half_a_transaction(direct: Direct) -> None:
    def two(connection: Connection) -> None:
        connection.execute(_NAME_OF, {"ledger": 1})
        connection.execute(_NAME_OF, {"ledger": 2})

    with pytest.raises(RuntimeError, match="transaction of its own"):
        await direct.run(two)


async def test_a_lost_connection_is_told_as_a_loss_and_replaced(direct: Direct, postgres_url: str) -> None:
    def killed(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"), {})

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await direct.run(killed)
        assert await direct.run(how_many, 1) == 1


async def test_where_no_database_answers_that_is_told_as_a_loss() -> None:
    direct = Direct("postgresql:///absent?host=/nowhere", SETTINGS)
    with pytest.raises(ConnectionError):
        await direct.run(how_many, 1)
    await direct.close()
