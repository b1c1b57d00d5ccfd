"""The benchmark's own parts work: a table of numbers that nobody checked would be worth nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, func, select
from tests.web.conftest import running

from pointsbank.bench import doors, floors, history, rights, service_day
from pointsbank.bench.client import Load, requests_of
from pointsbank.bench.rows import FIGURES, ROWS, chosen
from pointsbank.bench.town import CHART, HOT, open_accounts, remember_accounts, wallet
from pointsbank.bench.worker import Work, measure
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.hours.tables import service_records
from pointsbank.places.stations import PLACES, opening
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


async def test_records_of_a_service_day_wait_for_a_verifier_who_then_verifies_every_one(
    database: Database,
) -> None:
    await service_day.prepare_records(database, database.url, 250)
    done = await service_day.verify_all(database, database.url)
    assert done.rate > 0
    states = await database.read(_states)
    assert states == {"pending": 250}


def _states(connection: Connection) -> dict[str, int]:
    t = service_records.c
    rows = connection.execute(select(t.state, func.count()).group_by(t.state))
    return {state: count for state, count in rows.all()}  # noqa: C416


async def test_people_check_in_and_staff_log_in_as_the_loads_ask(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    async with open_ledger(database) as ledger:
        await ledger.submit([opening("station", "B000", "站", "", Command("t", "B000"))], PLACES)
    prepared = await service_day.prepare_session(database, 5)
    staff = await doors.prepare_staff(database, tmp_path / "pepper", 3)
    async with running(database_url, pepper=staff.pepper) as service:
        for load in (doors.check_ins(prepared, "c"), doors.log_ins(staff)):
            for request in load:
                head, body = request.split(b"\r\n\r\n", 1)
                line, *headers = head.decode().split("\r\n")
                named = dict(header.split(": ", 1) for header in headers)
                answer = await service.client.request("POST", line.split()[1], content=body, headers=named)
                assert answer.status_code == 201, answer.text
    await database.close()


def test_a_question_about_rights_is_measured() -> None:
    assert rights.questions_a_second(0.05) > 0
    assert doors.bare_argon2(0.05) > 0


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
