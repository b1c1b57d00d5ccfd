"""A writer in a process of its own answers, refuses and ends like one in this process, on both engines."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.canaries import python_path

from pointsbank.engine.apart import WriterApart, ledger_apart
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.failures import CommitOutcomeUnknown, WriterOverloaded, WriterStopped
from pointsbank.engine.pipeline import landed
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.ledger.chart import GENERIC_ROOM
from pointsbank.ledger.model import Draft, Movement, OpenAccount, Receipt
from pointsbank.ledger.refusals import GroupRefused, KeyConflict, UnknownAccount
from pointsbank.store.database import Database
from pointsbank.store.port import LedgerBusy

ROOM = frozenset([GENERIC_ROOM])
NOON = 1_760_000_000_000_000
REQUEST = b"a request of 16."
ROOT = Path(__file__).parents[2]


def memo(key: str, amount: int = 5, *, opens: bool = True, request: bytes = REQUEST) -> Draft:
    """A memorandum, the one movement that needs nothing to be there."""
    return Draft(
        "memo", key, "tests", request, NOON,
        movements=(Movement("memo:a", "memo:b", "CNY", amount),),
        opens=(OpenAccount("memo:a"), OpenAccount("memo:b")) if opens else (),
    )  # fmt: skip


async def test_it_answers_as_a_writer_in_this_process(database: Database) -> None:
    clock = FixedClock(NOON)
    async with ledger_apart(database, "apart", clock=clock) as ledger:
        refused = await ledger.submit([memo("0", opens=False)], ROOM)
        first, conflict, again = await ledger.submit(
            [memo("1"), memo("1", request=b"another request."), memo("1")], ROOM
        )
        clock.time += 1_000_000
        group = await ledger.submit(
            [
                memo("2"),
                Draft("memo", "3", "tests", REQUEST, NOON, (Movement("memo:a", "memo:z", "CNY", 1),)),
            ],
            ROOM,
            atomic=True,
        )
        [later] = await ledger.submit([memo("4")], ROOM)
    assert refused == [UnknownAccount("memo:a")]
    assert isinstance(first, Receipt)
    assert (first.sequence, first.recorded_at) == (1, NOON)
    assert [(p.debit, p.credit, p.amount, p.debit_balance) for p in first.postings] == [
        ("memo:a", "memo:b", 5, 5)
    ]
    assert conflict == KeyConflict("1")
    assert isinstance(again, Receipt)
    assert again.replayed
    assert again.leaf == first.leaf
    assert group == [GroupRefused(1, "unknown-account"), UnknownAccount("memo:z")]
    assert isinstance(later, Receipt)
    assert (later.sequence, later.recorded_at) == (2, NOON + 1_000_000)


async def test_leaving_drains_what_was_handed_over(database: Database) -> None:
    async with ledger_apart(database, "apart") as ledger:
        futures = [ledger.submit([memo(f"{n}")], ROOM) for n in range(300)]
    sequences = [result.sequence for [result] in await asyncio.gather(*futures)]  # type: ignore[union-attr]
    assert sequences == list(range(1, 301))
    with pytest.raises(WriterStopped):
        ledger.submit([memo("late")], ROOM)
    async with open_ledger(database, "apart") as here:
        assert (await here.writer.store.head()).sequence == 300


async def test_more_than_the_queue_holds_is_refused_at_once(database: Database) -> None:
    async with ledger_apart(database, "apart", limits=Limits(queue=10)) as ledger:
        first = ledger.submit([memo(f"{n}") for n in range(8)], ROOM)
        with pytest.raises(WriterOverloaded):
            ledger.submit([memo(f"more {n}") for n in range(3)], ROOM)
        assert len(await first) == 8
        [result] = await ledger.submit([memo("afterwards")], ROOM)
        assert isinstance(result, Receipt)


async def test_when_the_writing_process_is_killed_callers_hear_that_the_outcome_is_unknown(
    database: Database,
) -> None:
    async with ledger_apart(database, "apart") as ledger:
        await ledger.submit([memo("1")], ROOM)
        writer = ledger.writer
        assert isinstance(writer, WriterApart)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGSTOP)  # so that it cannot answer before it is killed
        future = ledger.submit([memo("2")], ROOM)
        os.kill(writer.pid, signal.SIGKILL)
        with pytest.raises(CommitOutcomeUnknown):
            await future
        with pytest.raises(WriterStopped):
            ledger.submit([memo("3")], ROOM)
    async with open_ledger(database, "apart") as here:
        [again] = await here.submit([memo("2")], ROOM)
        assert isinstance(again, Receipt)
        assert again.sequence == 2


async def test_a_lasting_one_begins_again_when_the_writing_process_is_killed(database: Database) -> None:
    async with ledger_apart(database, "apart", lasting=True) as ledger:
        writer = ledger.writer
        assert isinstance(writer, WriterApart)
        await ledger.submit([memo("1")], ROOM)
        first, before = writer.pid, writer.batches
        assert first is not None
        assert (before, writer.queued, writer.is_running) == (1, 0, True)
        os.kill(first, signal.SIGSTOP)  # so that it cannot answer before it is killed
        future = ledger.submit([memo("2")], ROOM)
        assert writer.queued == 1
        os.kill(first, signal.SIGKILL)
        with pytest.raises(CommitOutcomeUnknown):
            await future
        assert (writer.queued, writer.is_running) == (0, False)
        with pytest.raises(WriterStopped):
            ledger.submit([memo("2")], ROOM)
        while not writer.is_running:
            await asyncio.sleep(0)
        [again], [other] = await asyncio.gather(
            ledger.submit([memo("2")], ROOM), ledger.submit([memo("3")], ROOM)
        )
        assert isinstance(again, Receipt)
        assert isinstance(other, Receipt)
        assert (again.sequence, other.sequence) == (2, 3)
        assert writer.pid != first
        assert writer.batches > before
    assert not writer.is_running


async def test_callers_of_a_lasting_one_wait_so_long_for_a_process_that_stands_still(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with ledger_apart(database, "apart", limits=Limits(patience=0.1), lasting=True) as ledger:
        writer = ledger.writer
        assert isinstance(writer, WriterApart)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGSTOP)
        try:
            with pytest.raises(CommitOutcomeUnknown):
                await ledger.submit([memo("1")], ROOM)
        finally:
            os.kill(writer.pid, signal.SIGCONT)
        while writer.queued:
            await asyncio.sleep(0)
        assert writer.is_running
    async with open_ledger(database, "apart") as here:
        [result] = await here.submit([memo("1")], ROOM)
        assert isinstance(result, Receipt)
        assert result.sequence == 1
    await database.close()


async def test_a_lasting_one_can_be_left_between_two_writing_processes(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with ledger_apart(database, "apart", lasting=True) as ledger:
        writer = ledger.writer
        assert isinstance(writer, WriterApart)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        while writer.is_running:
            await asyncio.sleep(0)
    async with open_ledger(database, "apart"):  # the file is free
        pass
    await database.close()


async def test_a_lasting_one_tries_until_the_file_is_free_again(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with ledger_apart(database, "apart", lasting=True) as ledger:
        writer = ledger.writer
        assert isinstance(writer, WriterApart)
        first = writer.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with owning_as_soon_as_free(database):
            while writer.pid == first:
                await asyncio.sleep(0)
            other = writer.pid
            while writer.pid == other:
                await asyncio.sleep(0)
            assert not writer.is_running
        while not writer.is_running:
            await asyncio.sleep(0)
        [result] = await ledger.submit([memo("1")], ROOM)
        assert isinstance(result, Receipt)
    await database.close()


async def test_who_goes_away_while_the_writing_process_begins_leaves_nothing_behind(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    writer = WriterApart(FixedClock(NOON), Limits())
    starting = asyncio.create_task(writer.start(database, "apart"))
    while writer.pid is None:
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await writer.stop()
    assert not troubles
    async with open_ledger(database, "apart"):  # the file is free
        pass
    await database.close()


async def test_a_file_that_is_in_use_is_named_as_such(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with open_ledger(database, CITY_LEDGER):
        with pytest.raises(LedgerBusy):
            async with ledger_apart(database, CITY_LEDGER):
                pytest.fail("two writers on one file")
    await database.close()


async def test_the_writing_process_ends_with_the_one_that_started_it(sqlite_url: str) -> None:
    """The file is free at once for whoever goes on with the work; what was committed is there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.test_apart", sqlite_url,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"posted\n"
    process.kill()
    assert await process.stdout.read() == b""  # the writing process holds the other end until it is gone
    await process.wait()
    database = Database(sqlite_url)
    async with open_ledger(database, "apart") as here:
        assert (await here.writer.store.head()).sequence >= 1
    await database.close()


async def test_results_come_in_order_while_the_next_are_being_made() -> None:
    """With two ahead the third is made before the first result is taken, the fourth is not."""
    loop, made = asyncio.get_running_loop(), []
    futures = [loop.create_future() for _ in range(5)]

    async def hand_over():  # type: ignore[no-untyped-def]
        for n, future in enumerate(futures):
            made.append(n)
            yield future

    results = landed(hand_over(), ahead=2)
    first = asyncio.ensure_future(anext(results))
    await asyncio.sleep(0)
    assert made == [0, 1, 2]
    for n, future in enumerate(futures):
        future.set_result(n)
    assert [await first, *[n async for n in results]] == [0, 1, 2, 3, 4]


@asynccontextmanager
async def owning_as_soon_as_free(database: Database) -> AsyncIterator[None]:
    """The file in this process, before the next writing process has it."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                await stack.enter_async_context(open_ledger(database, "apart"))
                break
            except LedgerBusy:
                continue
        yield


async def post_without_end(url: str) -> None:
    async with ledger_apart(Database(url), "apart") as ledger:
        await one(ledger, 0)
        print("posted", flush=True)
        for n in range(1, 1_000_000):
            await one(ledger, n)


async def one(ledger: Ledger, number: int) -> None:
    await ledger.submit([memo(f"{number}")], ROOM)


if __name__ == "__main__":
    asyncio.run(post_without_end(sys.argv[1]))
