"""A commit of unknown outcome is settled for good: found, or fenced off so that it never happens."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import msgspec
import pytest
from tests.ledger.toy import CHART, EARLY, NOW, TOY, draft, issue
from tests.simulate.audit import audit

from pointsbank.ledger.books import Accepted, Books
from pointsbank.ledger.decide import decide
from pointsbank.ledger.model import Draft
from pointsbank.proof.encoding import leaf_of_accepted
from pointsbank.store.columns import Writing
from pointsbank.store.database import Database
from pointsbank.store.port import Batch, Store, fill, ledger_id_of, wanted_by


async def batch_of(store: Store, *drafts: Draft) -> Batch:
    """The batch that a writer would hand to its store for these drafts."""
    books = Books(CHART, await store.head())
    wanted = wanted_by(books, drafts, look_up_keys=True)
    while wanted:
        wanted = fill(books, wanted, await store.load(wanted))
    before = msgspec.structs.replace(books.head)
    accepted = []
    for each in drafts:
        verdict = decide(books, each, TOY, NOW)
        assert isinstance(verdict, Accepted)
        verdict.leaf = leaf_of_accepted(store.ledger_id, verdict)
        books.apply(verdict)
        accepted.append(verdict)
    books.head.batch += 1
    writing = Writing({kind.name: kind.type for kind in CHART.kinds.values()})
    writing.add(accepted)
    batch = Batch(
        store.ledger_id, before.batch, before.epoch, os.urandom(16), msgspec.structs.replace(books.head),
        accepted, NOW, writing.written(books.subjects),
    )  # fmt: skip
    store.prepare(batch)
    return batch


@pytest.fixture
async def store(database: Database) -> Store:
    store = database.store(ledger_id_of("toy"))
    await store.open()
    await store.create("toy", CHART)
    return store


PLAIN = issue("1", "wallet:a", 5, EARLY)
DOCUMENT_ONLY = draft("note", "2", touches=("volunteer:1",))


@pytest.mark.parametrize("made", [PLAIN, DOCUMENT_ONLY], ids=["postings", "documents"])
async def test_a_batch_that_is_absent_never_comes_after_it_was_settled(
    database: Database, store: Store, made: Draft
) -> None:
    late = await batch_of(store, made)
    assert await store.settle(late) is False
    assert await store.append(late) is False
    await store.close()
    books = await audit(database, "toy")
    assert (books.entries, books.document_keys, books.subjects) == ({}, set(), {})


@pytest.mark.parametrize("made", [PLAIN, DOCUMENT_ONLY], ids=["postings", "documents"])
async def test_a_batch_that_is_there_is_found_and_nothing_is_fenced(store: Store, made: Draft) -> None:
    batch = await batch_of(store, made)
    assert await store.append(batch) is True
    before = await store.head()
    assert await store.settle(batch) is True
    assert await store.head() == before
    assert await store.append(batch) is False
    await store.close()


async def test_another_batch_of_the_same_number_is_not_taken_for_it(store: Store) -> None:
    """Two writers may have decided the same batch number; the token tells whose was written."""
    mine, theirs = await batch_of(store, PLAIN), await batch_of(store, issue("2", "wallet:b", 7, EARLY))
    assert mine.head.batch == theirs.head.batch
    assert await store.append(theirs) is True
    assert await store.settle(mine) is False
    assert await store.settle(theirs) is True
    await store.close()


async def test_a_settlement_waits_for_the_backend_that_is_still_writing(postgres_url: str) -> None:
    """The late backend holds the head; whoever settles waits for its COMMIT and then sees its batch."""
    database = Database(postgres_url)
    slow, settling = (database.store(ledger_id_of("toy")) for _ in range(2))
    await slow.open()
    await settling.open()
    await slow.create("toy", CHART)
    batch = await batch_of(slow, PLAIN)
    async with slow.turn() as turn:
        await turn.append(batch)
        settled = asyncio.create_task(settling.settle(batch))
        await _until_somebody_waits_for_a_lock(postgres_url)
        assert not settled.done()
    assert await settled is True
    await slow.close()
    await settling.close()
    await database.close()


async def _until_somebody_waits_for_a_lock(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(4):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
