"""The benchmark's own parts work: a table of numbers that nobody checked would be worth nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from pointsbank.bench import floors, history
from pointsbank.bench.client import Load, requests_of
from pointsbank.bench.rows import FIGURES, ROWS, chosen
from pointsbank.bench.town import CHART, HOT, open_accounts, remember_accounts, wallet
from pointsbank.bench.worker import Work, measure
from pointsbank.engine.registry import open_ledger
from pointsbank.readers.statements import StatementPage, statement
from pointsbank.readers.trial_balance import trial_balance
from pointsbank.store.database import Database

FEW = 40


@pytest.mark.parametrize("mode", ["hot", "spread"])
async def test_a_measurement_posts_what_it_counts(database: Database, mode: str) -> None:
    async with open_ledger(database, "bench", CHART) as ledger:
        await open_accounts(ledger, FEW)
        await remember_accounts(ledger, FEW)
        before = (await ledger.writer.store.head()).sequence
        done = await measure(
            ledger, Work(database.url, mode=mode, callers=4, accounts=FEW, warm=0.0, seconds=0.1)
        )
        after = (await ledger.writer.store.head()).sequence
    assert done.rate > 0
    assert 0 < done.p50 <= done.p99
    assert 0 < done.batches <= after - before


async def test_the_long_history_of_the_read_figures_is_one_that_balances(database: Database) -> None:
    async with open_ledger(database, "bench", CHART) as ledger:
        await open_accounts(ledger, FEW)
        ledger_id = ledger.id
    await asyncio.to_thread(history.write, database.url, ledger_id, 1000, FEW - 1)
    turns = 1000 // (FEW - 1)
    found = await database.read(trial_balance, ledger_id)
    assert found.agrees
    for path, balance in ((HOT, -history.AMOUNT * turns * (FEW - 1)), (wallet(1), history.AMOUNT * turns)):
        page = await database.read(statement, ledger_id, path)
        assert isinstance(page, StatementPage)
        assert page.lines[0].balance == balance


async def test_the_floors_move_points_without_making_any(postgres_url: str) -> None:
    await floors.make_schema(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.fetchval("SELECT floor_post(1, 2, 5)")
        await connection.fetchval("SELECT floor_post(3, 2, 5)")
        await connection.fetchval("SELECT floor_post_many($1, $2, $3)", [1, 1, 4], [2, 5, 1], [7, 7, 7])
        rows = await connection.fetch(
            "SELECT account, balance, version FROM floor_accounts WHERE version > 0 ORDER BY 1"
        )
        sides = await connection.fetchval("SELECT count(*) FROM floor_sides")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [(1, -12, 4), (2, 17, 3), (3, -5, 1), (4, -7, 1), (5, 7, 1)]
    assert sides == 10


def test_rows_are_chosen_by_letter_and_figures_by_name() -> None:
    rows, named = chosen("a, g,verify")
    assert [row.letter for row in rows] == ["a", "g"]
    assert named == ("verify",)
    assert chosen("") == (ROWS, tuple(FIGURES))
    with pytest.raises(ValueError, match="no such row or figure: z"):
        chosen("a,z")


def test_every_request_of_a_load_has_a_key_of_its_own() -> None:
    make = requests_of(Load(1, "bulk", token="t", group=2, accounts=9))
    first, second = make(), make()
    assert b"Idempotency-Key: a0\r\n" in first
    assert b"Idempotency-Key: a1\r\n" in second
    head, body = first.split(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert body.count(b'"kind"') == 2
