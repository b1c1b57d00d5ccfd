"""Single statements that go straight to PostgreSQL's driver."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy import Connection, bindparam, select, text

from pointsbank.store.database import Database
from pointsbank.store.direct import MOST, Direct
from pointsbank.store.port import StoreError
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


def name_of(connection: Connection, ledger_id: int) -> object:
    return connection.execute(_NAME_OF, {"ledger": ledger_id}).one_or_none()


async def test_connections_are_kept_and_no_more_than_so_many_are_made(direct: Direct) -> None:
    assert await direct.run(how_many, 2**60) == 1
    assert await direct.run(how_many, 1) == 1
    assert max(await asyncio.gather(*(direct.run(how_many, 1) for _ in range(5 * MOST)))) <= MOST


async def test_a_statement_written_with_tables_is_asked_with_its_values(direct: Direct) -> None:
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


async def test_a_value_of_the_wrong_type_is_a_bug_and_no_loss_and_is_not_told(direct: Direct) -> None:
    with pytest.raises(StoreError) as told:
        await direct.run(how_many, "13904510001")  # type: ignore[arg-type]
    assert "13904510001" not in str(told.value)
    assert told.value.__suppress_context__, "the driver's own text holds the value"
    assert await direct.run(how_many, 1) == 1


async def test_what_waits_for_a_lock_too_long_is_told_as_a_loss_and_keeps_no_connection(
    postgres_url: str,
) -> None:
    holder = await asyncpg.connect(postgres_url)
    direct = Direct(Database(postgres_url).url, SETTINGS, patience=0.2)
    held = holder.transaction()
    await held.start()
    await holder.execute("LOCK TABLE heads IN ACCESS EXCLUSIVE MODE")
    results = await asyncio.gather(*(direct.run(name_of, 1) for _ in range(MOST)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * MOST
    await held.rollback()
    assert await direct.run(name_of, 1) is None
    await direct.close()
    await holder.close()


async def test_who_waits_no_longer_leaves_the_connection_to_others(direct: Direct, postgres_url: str) -> None:
    holder, looker = [await asyncpg.connect(postgres_url) for _ in range(2)]
    held = holder.transaction()
    await held.start()
    await holder.execute("LOCK TABLE heads IN ACCESS EXCLUSIVE MODE")
    left = [asyncio.create_task(direct.run(name_of, 1)) for _ in range(2 * MOST)]
    async with asyncio.timeout(30):
        while await locked_out(looker) < MOST:
            await asyncio.sleep(0)
    for task in left:
        task.cancel()
    ends = await asyncio.gather(*left, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * len(ends)
    assert await asyncio.gather(*(direct.run(how_many, 1) for _ in range(MOST)))
    await held.rollback()
    await holder.close()
    await looker.close()


async def locked_out(connection: asyncpg.Connection) -> int:
    """How many statements wait for a lock."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'direct' AND wait_event_type = 'Lock'"
        )
    )


async def test_a_server_that_has_no_connection_left_is_told_as_a_loss(postgres_url: str) -> None:
    owner, role = await asyncpg.connect(postgres_url), f"crowded_{uuid.uuid4().hex[:8]}"
    await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    parts = urlsplit(postgres_url)
    host = parts.netloc.rpartition("@")[2]
    direct = Direct(urlunsplit(parts._replace(netloc=f"{role}:x@{host}")), SETTINGS)
    with pytest.raises(ConnectionError, match="TooManyConnectionsError"):
        await direct.run(how_many, 1)
    await direct.close()
    await owner.execute(f"DROP ROLE {role}")
    await owner.close()


async def test_a_closed_one_says_so_and_may_be_closed_again(direct: Direct) -> None:
    assert await direct.run(how_many, 1) == 1
    await direct.close()
    await direct.close()
    with pytest.raises(ConnectionError):
        await direct.run(how_many, 1)


async def test_where_no_database_answers_that_is_told_as_a_loss() -> None:
    direct = Direct("postgresql:///absent?host=/nowhere", SETTINGS)
    with pytest.raises(ConnectionError):
        await direct.run(how_many, 1)
    await direct.close()
