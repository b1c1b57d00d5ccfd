"""One bad draft never harms its neighbours, a full queue says so, a writer that stops has answered all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.ledger.toy import CHART, LATE, TOY, draft, move
from tests.simulate.audit import audit

from pointsbank.engine.failures import CommitOutcomeUnknown, WriterOverloaded, WriterStopped
from pointsbank.engine.registry import open_ledger
from pointsbank.engine.writer import MUCH, LedgerWriter, Limits
from pointsbank.ledger.chart import AllowedMovement, Chart
from pointsbank.ledger.model import Change, Draft, Receipt, Row
from pointsbank.store.database import Database
from pointsbank.store.port import Batch, ledger_id_of


class BrokenChart(Chart):
    """A chart with a bug: it fails on one kind of entry."""

    def __init__(self) -> None:
        super().__init__(
            CHART.name,
            tuple(CHART.kinds.values()),
            tuple(CHART.movements.values()),
            CHART.reversible,
            CHART.commodities,
        )

    def allows(self, entry: str, debit_kind: str, credit_kind: str, commodity: str) -> AllowedMovement | None:
        if entry == "boom":
            raise ZeroDivisionError
        return super().allows(entry, debit_kind, credit_kind, commodity)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with capture_logs() as logged:
        yield logged


def fill() -> Draft:
    return draft(
        "issue", "fill", move("mint:m", "wallet:a", 1000, LATE), opens=("mint:m", "wallet:a", "wallet:b")
    )


def pay(key: str, **more: Any) -> Draft:
    return draft("pay", key, move("wallet:a", "wallet:b", 1), **more)


def volunteer(person: Any, at: Any = 0) -> Row:
    return Row("volunteers", (person, at, "new"))


def place(code: str, place_id: str) -> Row:
    return Row("places", (code, place_id, "station", "", "", "open"))


async def outcomes(futures: list[asyncio.Future[Any]]) -> list[str]:
    """What each caller got: the name of the receipt, the refusal or the error."""
    results = await asyncio.gather(*futures, return_exceptions=True)
    return [type(r[0] if isinstance(r, list) else r).__name__ for r in results]


@pytest.mark.parametrize("cautious", [0, 5], ids=["ahead", "under the lock"])
async def test_an_unexpected_error_fails_its_caller_loudly_and_nobody_else(
    database: Database, cautious: int, logged: list[Any]
) -> None:
    async with open_ledger(database, "toy", BrokenChart()) as ledger:
        await ledger.submit([fill()], TOY)
        ledger.writer._cautious = cautious
        boom = draft("boom", "boom", move("wallet:a", "wallet:b", 1))
        neighbours = [
            ledger.submit([pay("1")], TOY),
            ledger.submit([pay("2"), boom], TOY),
            ledger.submit([pay("3")], TOY),
            ledger.submit([boom], TOY, atomic=True),
            ledger.submit([pay("4"), pay("5")], TOY),
        ]
        assert await outcomes(neighbours) == ["Receipt", "WriterError", "Receipt", "WriterError", "Receipt"]
        assert [r.sequence for f in (neighbours[0], neighbours[2], neighbours[4]) for r in f.result()] == [
            2,
            3,
            4,
            5,
        ]
        assert await outcomes([ledger.submit([pay("6")], TOY)]) == ["Receipt"]
    assert (await audit(database, "toy")).balance("wallet:b") == 5
    assert any(line["log_level"] == "error" for line in logged), "an unexpected error is logged"


POISON: dict[str, dict[str, Any]] = {
    "a second document with one unique number": {"rows": (place("P2", "id-P1"),)},
    "a text in a column of integers": {"rows": (volunteer("V3", at="yesterday"),)},
    "a row without a value that must be there": {"rows": (volunteer("V4", at=None),)},
    "a row that is too short": {"rows": (Row("volunteers", ("V5", 0)),)},
    "a row of no table": {"rows": (Row("nowhere", ("V6",)),)},
    "a state that the table does not know": {
        "rows": (Row("sessions", ("t", "k", 0, 0, "nonsense")),),
    },
    "a change of a column that is not there": {
        "changes": (Change("volunteers", ("V1",), "new", "old", (("colour", 1),)),),
    },
}


@pytest.mark.parametrize("cautious", [0, 99], ids=["ahead", "under the lock"])
async def test_what_the_database_refuses_fails_alone(database: Database, cautious: int) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit(
            [fill(), draft("register", "r", rows=(volunteer("V1"), place("P1", "id-P1")))], TOY
        )
        ledger.writer._cautious = cautious
        for name, poison in POISON.items():
            futures = [
                ledger.submit([pay(f"before {name}")], TOY),
                ledger.submit([pay(name, **poison)], TOY),
                ledger.submit([pay(f"after {name}", rows=(volunteer(name),))], TOY),
            ]
            assert await outcomes(futures) == ["Receipt", "WriterError", "Receipt"], name
            assert await outcomes([ledger.submit([pay(f"next to {name}")], TOY)]) == ["Receipt"], name
    books = await audit(database, "toy")
    assert books.balance("wallet:b") == 3 * len(POISON)
    assert not {("test", name) for name in POISON} & books.sequences.keys()


UNHEARD_OF = {
    "half a surrogate pair as a key": draft("pay", "\ud800", move("wallet:a", "wallet:b", 1)),
    "NUL in an account": draft("pay", "1", move("wallet:a", "wallet:\0", 1)),
    "half a surrogate pair in an account": draft("pay", "2", move("wallet:a", "wallet:\udfff", 1)),
    "NUL as a lot": draft("pay", "3", move("wallet:a", "wallet:b", 1, "\0")),
    "NUL as a subject": pay("4", touches=("\0",)),
    "half a surrogate pair as a subject": pay("5", reads=(("\ud800", 0),)),
    "NUL in the key of a document": pay("6", rows=(volunteer("\0"),)),
    "half a surrogate pair in the key of a document": pay("7", rows=(volunteer("\ud800"),)),
    "an integer beyond 64 bits in a document": pay("8", rows=(volunteer("V", at=2**63),)),
    "a sequence beyond 64 bits": draft("undo", "9", reverses=2**70),
}


@pytest.mark.parametrize("cautious", [0, 99], ids=["ahead", "under the lock"])
async def test_what_no_database_can_hold_is_no_danger_to_the_neighbours(
    database: Database, cautious: int
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        ledger.writer._cautious = cautious
        for name, bad in UNHEARD_OF.items():
            drafts = (pay(f"before {name}"), bad, pay(f"after {name}"))
            got = await outcomes([ledger.submit([each], TOY) for each in drafts])
            assert (got[0], got[2]) == ("Receipt", "Receipt"), name
            assert got[1] in ("InvalidDraft", "UnknownAccount", "WriterError"), name
    assert (await audit(database, "toy")).balance("wallet:b") == 2 * len(UNHEARD_OF)


class GatedStore:
    """A real store whose writes wait at a gate."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.decided: asyncio.Queue[int] = asyncio.Queue()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def prepare(self, batch: Batch) -> None:
        self._real.prepare(batch)
        self.decided.put_nowait(len(batch.accepted))

    async def append(self, batch: Batch) -> bool:
        self.waiting.set()
        await self.gate.wait()
        return bool(await self._real.append(batch))


@asynccontextmanager
async def gated(database: Database, limits: Limits) -> AsyncIterator[tuple[LedgerWriter, GatedStore]]:
    store: Any = GatedStore(database.store(ledger_id_of("toy")))
    writer = LedgerWriter(store, CHART, limits=limits)
    await writer.start()
    await store.create("toy", CHART)
    await writer.submit([fill()], TOY)
    store.gate.clear()
    store.waiting.clear()
    yield writer, store
    store.gate.set()
    await writer.stop()


async def test_a_full_queue_says_so_at_once_and_takes_drafts_again_when_it_has_moved(
    database: Database,
) -> None:
    async with gated(database, Limits(queue=10, batch=4)) as (writer, store):
        futures = [writer.submit([pay("in flight")], TOY)]
        await store.waiting.wait()
        futures += [writer.submit([pay(f"{n}")], TOY) for n in range(10)]
        with pytest.raises(WriterOverloaded):
            writer.submit([pay("one too many")], TOY)
        with pytest.raises(WriterOverloaded):
            writer.submit([pay(f"many-{n}") for n in range(5)], TOY)
        assert writer.queued == 10
        store.gate.set()
        assert await outcomes(futures) == ["Receipt"] * 11
        assert writer.queued == 0
        assert await outcomes([writer.submit([pay("one too many")], TOY)]) == ["Receipt"]
    assert (await audit(database, "toy")).balance("wallet:b") == 12


async def test_much_is_decided_while_the_batch_before_it_is_being_written_and_little_gathers(
    database: Database,
) -> None:
    async with gated(database, Limits()) as (writer, store):
        futures = [writer.submit([pay("in flight")], TOY)]
        await store.waiting.wait()
        while not store.decided.empty():
            store.decided.get_nowait()
        for n in range(3):
            futures.append(writer.submit([pay(f"little-{n}")], TOY))
            await asyncio.sleep(0)
        futures.append(writer.submit([pay(f"much-{n}") for n in range(MUCH)], TOY))
        assert await asyncio.wait_for(store.decided.get(), 10) == 3 + MUCH
        assert not futures[0].done()
        store.gate.set()
        assert await outcomes(futures) == ["Receipt"] * 5
    assert (await audit(database, "toy")).balance("wallet:b") == 4 + MUCH


NOT_TWICE = {
    "a stale read": pay("again", reads=(("s", 0),), touches=("s",)),
    "a document that is there": draft("register", "again", rows=(volunteer("V"),)),
    "too little": draft("pay", "again", move("wallet:a", "wallet:b", 700)),
}
"""Drafts that would be refused a second time, if they were not known by their keys."""


@pytest.mark.parametrize("why", NOT_TWICE)
async def test_who_repeats_a_draft_that_is_being_written_gets_its_receipt_and_no_refusal(
    database: Database, why: str
) -> None:
    """Though the books forget the keys that they have seen: this one is nowhere else yet."""
    async with gated(database, Limits(memory=12)) as (writer, store):
        store.gate.set()
        await writer.submit([pay(f"before-{n}") for n in range(20)], TOY)
        store.gate.clear()
        store.waiting.clear()
        first = writer.submit([NOT_TWICE[why], *(pay(f"beside-{n}") for n in range(20))], TOY)
        await store.waiting.wait()
        while not store.decided.empty():
            store.decided.get_nowait()
        others = [draft("register", f"x{n}", rows=(volunteer(f"X{n}"),)) for n in range(MUCH)]
        later = [writer.submit(others, TOY), writer.submit([NOT_TWICE[why]], TOY)]
        assert await asyncio.wait_for(store.decided.get(), 10) == MUCH
        assert not first.done()
        store.gate.set()
        assert await outcomes([first, *later]) == ["Receipt"] * 3
        [again], [once_more] = await later[1], await writer.submit([NOT_TWICE[why]], TOY)
        assert isinstance(again, Receipt)
        assert isinstance(once_more, Receipt)
        assert (again.replayed, once_more.replayed) == (True, True)


async def test_a_group_larger_than_a_batch_is_taken_whole(database: Database) -> None:
    limits = Limits(queue=10, batch=4)
    async with open_ledger(database, "toy", CHART, limits=limits) as ledger:
        await ledger.submit([fill()], TOY)
        results = await ledger.submit([pay(f"{n}") for n in range(25)], TOY)
    assert [type(each) for each in results] == [Receipt] * 25


async def test_nobody_waits_longer_than_patience_lasts(database: Database) -> None:
    """In flight: the outcome is unknown. Still in the queue: nothing was written, and nothing will be."""
    async with gated(database, Limits(patience=0.3, batch=1)) as (writer, store):
        in_flight = writer.submit([pay("in flight")], TOY)
        await store.waiting.wait()
        queued = [writer.submit([pay(f"queued-{n}")], TOY) for n in range(5)]
        with pytest.raises(CommitOutcomeUnknown):
            await in_flight
        names = await outcomes(queued)
        assert set(names) <= {"CommitOutcomeUnknown", "WriterOverloaded"}
        assert names[-1] == "WriterOverloaded"
        store.gate.set()
        (again,) = await writer.submit([pay("in flight")], TOY)
        assert isinstance(again, Receipt)
        assert (again.sequence, again.replayed) == (2, True)
    books = await audit(database, "toy")
    gone = [f"queued-{n}" for n, name in enumerate(names) if name == "WriterOverloaded"]
    assert not any(("test", key) in books.sequences for key in gone)


async def test_a_writer_that_stops_answers_everybody_first(database: Database) -> None:
    async with open_ledger(database, "toy", CHART, limits=Limits(batch=3)) as ledger:
        futures = [ledger.submit([fill()], TOY)] + [ledger.submit([pay(f"{n}")], TOY) for n in range(30)]
        stopping = asyncio.create_task(ledger.writer.stop())
        await asyncio.sleep(0)
        with pytest.raises(WriterStopped):
            ledger.submit([pay("late")], TOY)
        await stopping
        assert all(future.done() for future in futures)
        assert await outcomes(futures) == ["Receipt"] * 31
    assert (await audit(database, "toy")).balance("wallet:b") == 30


async def test_a_stopped_writer_takes_nothing(database: Database) -> None:
    writer = LedgerWriter(database.store(ledger_id_of("toy")), CHART)
    with pytest.raises(WriterStopped):
        writer.submit([fill()], TOY)
    async with open_ledger(database, "toy", CHART) as ledger:
        assert ledger.writer.is_running
    assert not ledger.writer.is_running
    with pytest.raises(WriterStopped):
        ledger.submit([fill()], TOY)


async def test_a_caller_who_goes_away_harms_nobody(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        gone = ledger.submit([pay("gone")], TOY)
        stays = ledger.submit([pay("stays")], TOY)
        gone.cancel()
        assert await outcomes([stays]) == ["Receipt"]
        (again,) = await ledger.submit([pay("gone")], TOY)
        assert isinstance(again, Receipt)


@pytest.mark.parametrize("atomic", [False, True])
async def test_no_drafts_are_no_trouble(database: Database, atomic: bool) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        assert await ledger.submit([], TOY, atomic=atomic) == []
