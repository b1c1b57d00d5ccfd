"""The hot read answers as the plain one does, many at once, and comes back after a lost connection."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.readers.books import CHART, EARLY, LATE, NEVER, draft, issue, pay, post
from tests.readers.test_balances import V, earn

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Movement
from pointsbank.ledger.refusals import UnknownAccount
from pointsbank.readers.balances import AccountBalance, Wallet, balance, wallet
from pointsbank.readers.hot import BalancesUnavailableError, HotBalances
from pointsbank.store.database import Database


async def test_hot_balances_are_those_of_the_plain_read(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        hot = HotBalances(database, ledger.id)
        await hot.open()
        await post(ledger, issue("1", "a", 5, NEVER), issue("2", "a", 7, LATE), issue("3", "b", 9, EARLY))
        await post(
            ledger,
            pay("4", "b", "a", 9),
            draft(
                "receive",
                "5",
                Movement("shelf:s", "mint:m", "SKU:RICE", 8, EARLY),
                Movement("shelf:s", "mint:m", "SKU:OIL", 2, LATE),
            ),
        )
        paths = ["wallet:a", "wallet:b", "mint:m", "shelf:s", "wallet:a"]
        answers = await asyncio.gather(*(hot.get(path) for path in paths))
        assert answers == [await database.read(balance, ledger.id, path) for path in paths]
        for odd in ("wallet:nobody", "", "wallet:\x00", "wallet:\ud800", '"\\'):
            assert await hot.get(odd) == UnknownAccount(odd)
        await post(ledger, issue("6", "nobody", 5, "2029-12-31/x"), issue("7", "b", 1, EARLY))
        newer = await asyncio.gather(hot.get("wallet:nobody"), hot.get("wallet:b"))
        assert newer == [await database.read(balance, ledger.id, p) for p in ("wallet:nobody", "wallet:b")]
        await hot.close()
        with pytest.raises(BalancesUnavailableError):
            hot.get("wallet:a")


async def test_what_is_asked_in_one_turn_is_one_query_of_one_moment(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, *(issue(str(n), f"w{n}", n) for n in range(1, 101)))
        hot = HotBalances(database, ledger.id)
        await hot.open()
        queries = _counted(hot)
        answers = await asyncio.gather(*(hot.get(f"wallet:w{n % 100 + 1}") for n in range(300)))
        assert queries == [100]
        assert [a.total("POINT") for a in answers if isinstance(a, AccountBalance)] == [
            n % 100 + 1 for n in range(300)
        ]
        again = await asyncio.gather(*(hot.get(f"wallet:w{n}") for n in (7, 8, 9)))
        assert queries == [100, 3], "accounts that are known are asked for by number"
        assert [a.total("POINT") for a in again if isinstance(a, AccountBalance)] == [7, 8, 9]
        await hot.close()


def _counted(hot: HotBalances) -> list[int]:
    """How many accounts each query of the source was for, from now on."""
    queries: list[int] = []
    source: Any = hot._source

    def counted(query: Any) -> Any:
        async def counting(wanted: Any) -> Any:
            queries.append(len(wanted))
            return await query(wanted)

        return counting

    source.held, source.named = counted(source.held), counted(source.named)
    return queries


async def test_a_caller_who_gives_up_does_not_take_the_answer_from_the_others(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5))
        hot = HotBalances(database, ledger.id)
        await hot.open()
        gone, stays = hot.get("wallet:a"), hot.get("wallet:a")
        gone.cancel()
        answer = await stays
        assert isinstance(answer, AccountBalance)
        assert answer.total("POINT") == 5
        await hot.close()


async def test_a_wallet_is_of_one_moment(database: Database) -> None:
    async with open_ledger(database) as ledger:
        await ledger.submit(
            [earn("1", 300, "2027-12-31/city"), earn("2", 5, LATE, "pending")], frozenset(["hours"])
        )
        hot = HotBalances(database, ledger.id)
        await hot.open()
        answer = await hot.wallet(V)
        assert isinstance(answer, Wallet)
        assert answer == await database.read(wallet, ledger.id, V)
        assert await hot.wallet("nobody") == UnknownAccount("volunteer:nobody:available")
        await hot.close()


async def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5))
        hot = HotBalances(database, ledger.id)
        await hot.open()
        before = await hot.get("wallet:a")
        killer = await asyncpg.connect(database.url)
        killed = await killer.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'pointsbank balances' AND datname = current_database()"
        )
        await killer.close()
        assert killed == 1
        assert await asyncio.gather(hot.get("wallet:a"), hot.get("wallet:a")) == [before, before]
        await hot.close()
    await database.close()


async def test_a_broken_file_connection_is_replaced(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5))
        hot = HotBalances(database, ledger.id)
        await hot.open()
        source: Any = hot._source
        source._connection.close()
        answer = await hot.get("wallet:a")
        assert isinstance(answer, AccountBalance)
        await hot.close()
    await database.close()


async def test_while_there_is_no_database_callers_hear_so_and_later_ones_are_served_again(
    database: Database,
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5), issue("2", "b", 5))
        hot = HotBalances(database, ledger.id)
        await hot.open()
        assert isinstance(await hot.get("wallet:a"), AccountBalance)
        source: Any = hot._source
        await source.close()
        place, absent = (
            ("_path", database.path.with_name("absent.db"))
            if database.dialect == "sqlite"
            else ("_dsn", "postgresql:///absent?host=/nowhere")
        )
        there = getattr(source, place)
        setattr(source, place, absent)
        for path in ("wallet:a", "wallet:b"):
            with pytest.raises(BalancesUnavailableError):
                await hot.get(path)
        setattr(source, place, there)
        assert isinstance(await hot.get("wallet:b"), AccountBalance)
        await hot.close()
