"""Counting attempts at the door: in one statement, as if one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pointsbank.access import log_in_rows as rows
from pointsbank.access import throttle
from pointsbank.access.log_in import SWEEP_EVERY_SECONDS, OpenedSession
from pointsbank.access.logins import LoginStore, events, sessions, throttles
from pointsbank.access.rights import rights
from pointsbank.store import direct
from pointsbank.store.database import Database

from .office import ADDRESS, MINUTE, NOON, PASSWORD, Office, open_office

RULES = rights().log_in
LIMITS = {"h:1": 2, "a:1": 4, "n:1": 100}
WINDOW = 15


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LoginStore]:
    made = LoginStore(database)
    await made.open()
    yield made
    await made.close()


async def attempt(store: LoginStore, limits: dict[str, int] = LIMITS, now: int = NOON) -> int:
    return await store.run(throttle.attempt, 1, limits, now, WINDOW)


async def counted(store: LoginStore) -> dict[str, int]:
    return await store.run(_counted)


def _counted(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(throttles.c.subject, throttles.c.failures))
    return {row.subject: row.failures for row in rows}


async def test_what_is_shut_from_one_address_does_not_count_against_the_account(store: LoginStore) -> None:
    assert [await attempt(store) for _ in range(4)] == [0, 0, 901, 901]
    assert await counted(store) == {"h:1": 4, "a:1": 2, "n:1": 2}
    elsewhere = {"h:2": 2, "a:1": 4, "n:2": 100}
    assert [await attempt(store, elsewhere) for _ in range(2)] == [0, 0]
    third = {"h:3": 2, "a:1": 4, "n:3": 100}
    assert await attempt(store, third) == 901, "the account is shut"
    assert await counted(store) == {"h:1": 4, "h:2": 2, "h:3": 1, "a:1": 5, "n:1": 2, "n:2": 2}


async def test_a_good_attempt_counts_against_nobody_and_the_account_starts_afresh_there(
    store: LoginStore,
) -> None:
    for _ in range(2):
        await attempt(store)
    await store.run(throttle.succeeded, 1, LIMITS, NOON)
    assert await counted(store) == {"h:1": 0, "a:1": 1, "n:1": 1}
    await store.run(throttle.succeeded, 1, LIMITS, NOON)
    await store.run(throttle.succeeded, 1, LIMITS, NOON)
    assert await counted(store) == {"h:1": 0, "a:1": 0, "n:1": 0}


async def test_a_window_begins_with_its_first_failure_and_is_over_by_itself(store: LoginStore) -> None:
    await attempt(store)
    await store.run(throttle.succeeded, 1, LIMITS, NOON)
    late = NOON + 14 * MINUTE
    assert [await attempt(store, now=late) for _ in range(2)] == [0, 0]
    assert await attempt(store, now=late + 2 * MINUTE) == 13 * 60 + 1, "it did not begin before there was one"
    assert await attempt(store, now=late + WINDOW * MINUTE) == 0
    assert (await counted(store))["h:1"] == 1


async def test_attempts_at_one_moment_that_share_their_counters_all_end(store: LoginStore) -> None:
    async def one(number: int) -> int:
        limits = {f"h:{number % 7}": 1000, f"a:{number % 5}": 1000, "n:1": 1000}
        wait = await attempt(store, limits)
        await store.run(throttle.succeeded if number % 2 else _nothing, 1, limits, NOON)
        if number % 10 == 0:
            await store.run(throttle.sweep, 1, NOON, WINDOW)
        return wait

    async with asyncio.timeout(60):
        assert await asyncio.gather(*(one(number) for number in range(100))) == [0] * 100
    assert (await counted(store))["n:1"] == 50


def _nothing(connection: Connection, ledger_id: int, limits: dict[str, int], now: int) -> None:
    """A failure leaves its count where it is."""


async def test_sessions_that_open_and_are_renewed_at_one_moment_lock_nobody_out(store: LoginStore) -> None:
    """Each ends the session of a neighbour at the same desk, who takes a fresh code meanwhile."""
    own, people = rows.Credentials("kept", b"nonce"), [f"p{number}" for number in range(4)]
    limits = {person: {f"h:{person}": 9999, f"a:{person}": 9999, "n:1": 9999} for person in people}
    for person in people:
        await store.run(rows.keep, 1, person, own.password, own.nonce, NOON, limits[person])

    async def turn(person: str, neighbour: str, step: int) -> None:
        before, opened = rows.hash_of(f"{person}-{step - 1}"), f"{person}-{step}"
        line = rows.Line("", person, NOON, NOON, NOON, NOON)
        row = (rows.hash_of(opened), opened, person, NOON, 2 * NOON)
        await store.run_one(rows.attempt, 1, limits[person], NOON, WINDOW, person)
        await asyncio.gather(
            store.run_one(
                rows.open_session, 1, row, own, 2 * step, limits[person], f"{neighbour}-{step - 1}", ""
            ),
            store.run(rows.renew, 1, line, (before, before), NOON, own, 2 * step - 1, limits[person], ""),
        )

    async with asyncio.timeout(60):
        for step in range(1, 26):
            pairs = zip(people, people[1:] + people[:1], strict=True)
            await asyncio.gather(*(turn(*pair, step) for pair in pairs))
    for person in people:
        assert 0 < len(await store.run_one(rows.sessions_of, 1, person)) <= rights().log_in.most_sessions


async def test_a_hundred_at_once_count_as_a_hundred(store: LoginStore) -> None:
    limits = {"h:1": 100, "a:1": 40, "n:1": 100}
    waits = await asyncio.gather(*(attempt(store, limits) for _ in range(100)))
    assert waits.count(0) == 40
    assert await counted(store) == {"h:1": 100, "a:1": 100, "n:1": 40}


# what a log-in costs


async def test_what_is_over_is_looked_for_once_a_minute_and_not_with_each_log_in(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        for number in range(20):
            await office.log_ins.log_in(f"nobody-{number}", "x", "1", ADDRESS)
        await office.log_in("ann")
        many = len(await counted(office.store))
        assert many > 20
        office.clock.time += RULES.longest_hours * 60 * MINUTE
        await office.log_ins.log_in("ann", "x", "1", ADDRESS)
        assert len(await counted(office.store)) == 3, "what this attempt counts against"
        assert await office.store.run(_sessions) == 0
        await office.store.run(_grow_old, office)
        office.clock.time += (SWEEP_EVERY_SECONDS - 1) * 1_000_000
        await office.log_ins.log_in("ann", "x", "1", ADDRESS)
        assert await office.store.run(_events_before, 1) == 1
        office.clock.time += 1_000_000
        await office.log_ins.log_in("ann", "x", "1", ADDRESS)
        assert await office.store.run(_events_before, 1) == 0


def _sessions(connection: Connection) -> int:
    return len(connection.execute(select(sessions)).all())


def _grow_old(connection: Connection, office: Office) -> None:
    row = {"at": 0, "person_id": "p", "what": "opened", "session_id": "", "address": ""}
    connection.execute(events.insert().values(ledger_id=office.ledger.id, event_id="e", **row))


def _events_before(connection: Connection, at: int) -> int:
    return len(connection.execute(select(events).where(events.c.at < at)).all())


async def test_a_log_in_and_a_request_of_staff_put_few_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        await office.log_in("ann")
        said: list[str] = []
        engine = office.store._engine
        if isinstance(engine, AsyncEngine):
            put = direct._One.execute

            def counted(one: Any, statement: Any, values: Any) -> Any:
                said.append(str(statement))
                return put(one, statement, values)

            monkeypatch.setattr(direct._One, "execute", counted)
            engine = engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *call: said.append(call[2].strip()))
        office.clock.time += MINUTE - 1
        opened = await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), ADDRESS)
        assert isinstance(opened, OpenedSession)
        few = (
            3 if database.dialect == "postgresql" else 9
        )  # in SQLite's own process a statement costs next to nothing
        assert len([one for one in said if not one.startswith("BEGIN")]) == few, said
        said.clear()
        await office.log_ins.actor(opened.token)
        assert len([one for one in said if not one.startswith("BEGIN")]) == 1, said
