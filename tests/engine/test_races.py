"""Limits, budgets and sequences hold when two want the same thing at once, in one writer and in two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Connection, text
from tests.ledger.toy import CHART, EARLY, LATE, TOY, draft, issue, move
from tests.simulate.audit import audit

from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.engine.writer import Result
from pointsbank.ledger.model import Draft, OpenAccount, Receipt, Row
from pointsbank.ledger.refusals import InsufficientBalance, StaleRead
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

LIMIT = 1
"""handbooks that one volunteer may take, for no points at all"""


@pytest.fixture
async def tills(database: Database) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """Where two cashiers stand: two writers on PostgreSQL, one on SQLite, where one process owns the file."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_ledger(database, "city", CHART))
        if database.dialect == "sqlite":
            yield one, one
        else:
            yield one, await stack.enter_async_context(open_ledger(database, "city", CHART))


def taken(connection: Connection, volunteer: str) -> tuple[int, int]:
    """What a basket must know: the version of its volunteer, and how many handbooks he has."""
    at = {"l": ledger_id_of("city"), "v": volunteer}
    version = connection.execute(
        text("SELECT version FROM subjects WHERE ledger_id = :l AND subject = :v"), at
    ).scalar()
    count = connection.execute(
        text("SELECT count(*) FROM volunteers WHERE ledger_id = :l AND state = :v"), at
    ).scalar_one()
    return version or 0, count


def handbook(key: str, volunteer: str, version: int) -> Draft:
    """A basket that costs nothing: a document and no posting."""
    row = Row("volunteers", (key, 0, volunteer))
    return draft("basket", key, reads=((volunteer, version),), touches=(volunteer,), rows=(row,))


async def sell(till: Ledger, key: str, volunteer: str) -> str:
    """Read, check, post; run again when what was read has moved."""
    while True:
        version, count = await till.database.read(taken, volunteer)
        if count >= LIMIT:
            return "limit reached"
        (result,) = await till.submit([handbook(key, volunteer, version)], TOY)
        if isinstance(result, Receipt):
            return "sold"
        assert isinstance(result, StaleRead)


async def test_of_two_baskets_judged_on_the_same_version_one_is_sold(tills: tuple[Ledger, Ledger]) -> None:
    for n in range(8):
        volunteer = f"volunteer:{n}"
        version, count = await tills[0].database.read(taken, volunteer)
        assert (version, count) == (0, 0)
        results: list[list[Result]] = await asyncio.gather(
            *(till.submit([handbook(f"{n}-{i}", volunteer, version)], TOY) for i, till in enumerate(tills))
        )
        kinds = sorted(type(result).__name__ for (result,) in results)
        assert kinds == ["Receipt", "StaleRead"]
        assert await tills[0].database.read(taken, volunteer) == (1, 1)


async def test_a_limit_of_one_holds_at_two_tills(tills: tuple[Ledger, Ledger]) -> None:
    for n in range(8):
        sold = await asyncio.gather(
            *(sell(till, f"{n}-{i}", f"volunteer:{n}") for i, till in enumerate(tills))
        )
        assert sorted(sold) == ["limit reached", "sold"]


async def test_no_minor_unit_is_issued_over_a_budget(tills: tuple[Ledger, Ledger]) -> None:
    one, other = tills
    await one.submit([draft("open", "f", opens=[OpenAccount("fund:f", -1000), "wallet:a", "wallet:b"])], TOY)
    (over,) = await one.submit([draft("issue", "o", move("fund:f", "wallet:a", 1001, EARLY))], TOY)
    assert over == InsufficientBalance("fund:f", "POINT", "", 0, -1000, 1001)
    half = [
        till.submit([draft("issue", f"h{i}", move("fund:f", f"wallet:{w}", 501, lot))], TOY)
        for i, (till, w, lot) in enumerate(((one, "a", EARLY), (other, "b", LATE)))
    ]
    results = [result for (result,) in await asyncio.gather(*half)]
    refused = next(r for r in results if not isinstance(r, Receipt))
    assert refused == InsufficientBalance("fund:f", "POINT", "", -501, -1000, 501)
    assert refused.available == 499  # type: ignore[union-attr]
    (rest,), (one_more,) = (
        await other.submit([draft("issue", "r", move("fund:f", "wallet:a", 499, EARLY))], TOY),
        await one.submit([draft("issue", "m", move("fund:f", "wallet:b", 1, LATE))], TOY),
    )
    assert isinstance(rest, Receipt)
    assert one_more == InsufficientBalance("fund:f", "POINT", "", -1000, -1000, 1)
    assert (await audit(one.database, "city")).balance("fund:f") == -1000


async def test_a_wallet_is_not_emptied_twice(tills: tuple[Ledger, Ledger]) -> None:
    await tills[0].submit([issue("i", "wallet:a", 100, EARLY), draft("open", "o", opens=["wallet:b"])], TOY)
    pays = [
        tills[n % 2].submit([draft("pay", f"p{n}", move("wallet:a", "wallet:b", 7))], TOY) for n in range(40)
    ]
    results = [result for (result,) in await asyncio.gather(*pays)]
    assert sum(isinstance(result, Receipt) for result in results) == 100 // 7
    books = await audit(tills[0].database, "city")
    assert (books.balance("wallet:a"), books.balance("wallet:b")) == (2, 98)


async def test_a_key_at_two_tills_is_posted_once(tills: tuple[Ledger, Ledger]) -> None:
    await tills[0].submit([issue("i", "wallet:a", 100, EARLY), draft("open", "o", opens=["wallet:b"])], TOY)
    for n in range(8):
        pay = draft("pay", f"p{n}", move("wallet:a", "wallet:b", 1), counters=("receipt",))
        (one,), (other,) = await asyncio.gather(*(till.submit([pay], TOY) for till in tills))
        assert isinstance(one, Receipt)
        assert isinstance(other, Receipt)
        assert {one.replayed, other.replayed} == {True, False}
        assert (one.sequence, one.leaf, one.numbers) == (other.sequence, other.leaf, other.numbers)
    assert (await audit(tills[0].database, "city")).counters == {"receipt": 8}


async def test_a_refusal_does_not_rest_on_books_that_another_writer_has_left_behind(
    tills: tuple[Ledger, Ledger],
) -> None:
    """A till that has only refused so far must still see what was acknowledged elsewhere."""
    one, other = tills
    await one.submit([issue("i", "wallet:a", 1, EARLY), draft("open", "o", opens=["wallet:b"])], TOY)
    pay = draft("pay", "p", move("wallet:a", "wallet:b", 50))
    (poor,) = await other.submit([pay], TOY)
    assert isinstance(poor, InsufficientBalance)
    await one.submit([issue("more", "wallet:a", 49, EARLY)], TOY)
    (paid,) = await other.submit([pay], TOY)
    assert isinstance(paid, Receipt)
    (stale,) = await one.submit([handbook("h", "volunteer:1", 3)], TOY)
    assert stale == StaleRead("volunteer:1", 3, 0)
    assert [await sell(till, f"x{n}", "volunteer:1") for n, till in enumerate((other, one))] == [
        "sold",
        "limit reached",
    ]
    (now_stale,) = await one.submit([handbook("h", "volunteer:1", 0)], TOY)
    assert now_stale == StaleRead("volunteer:1", 0, 1)


async def test_writers_that_take_turns_leave_gap_free_books(tills: tuple[Ledger, Ledger]) -> None:
    await tills[0].submit(
        [issue("i", "wallet:a", 10_000, EARLY), draft("open", "o", opens=["wallet:b"])], TOY
    )

    async def cashier(till: Ledger, name: str) -> None:
        for n in range(25):
            (result,) = await till.submit([draft("pay", f"{name}-{n}", move("wallet:a", "wallet:b", 2))], TOY)
            assert isinstance(result, Receipt)

    await asyncio.gather(*(cashier(till, f"{i}.{c}") for i, till in enumerate(tills) for c in range(4)))
    books = await audit(tills[0].database, "city")
    assert books.balance("wallet:b") == 2 * 4 * 25 * 2
    assert sorted(books.entries) == list(range(1, 202))
