"""A commit whose answer is lost is settled: its entry is in the books exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs
from tests.engine.proxy import Mode, Proxy, proxy_to
from tests.ledger.toy import CHART, EARLY, TOY, draft, issue, move
from tests.simulate.audit import Books, audit

from pointsbank.engine.failures import CommitOutcomeUnknown, WriterError
from pointsbank.engine.registry import open_ledger
from pointsbank.engine.writer import LedgerWriter, Limits
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of
from pointsbank.store.postgres import PostgresStore

TIMEOUT = 0.4
"""seconds after which the store takes a statement for lost"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres_url) as proxy:
        yield proxy


@pytest.fixture
async def writer(postgres_url: str, proxy: Proxy) -> AsyncIterator[LedgerWriter]:
    """A writer behind the proxy, whose books have wallet a with 1000 and an empty wallet b."""
    opening = [issue("fill", "wallet:a", 1000, EARLY), draft("open", "open", opens=["wallet:b"])]
    async with open_ledger(Database(postgres_url), "toy", CHART) as ledger:
        await ledger.submit(opening, TOY)
    store = PostgresStore(proxy.url, ledger_id_of("toy"), timeout=TIMEOUT)
    writer = LedgerWriter(store, CHART, limits=Limits(patience=8, cautious_batches=1))
    started = False
    while not started:  # a busy machine takes longer to connect than this writer waits for anything
        with suppress(TimeoutError):
            await writer.start()
            started = True
    yield writer
    await writer.stop()


def plain(key: str) -> Draft:
    """One statement writes it."""
    return draft("pay", key, move("wallet:a", "wallet:b", 10))


def documented(key: str) -> Draft:
    """A transaction of several statements writes it."""
    return draft("pay", key, move("wallet:a", "wallet:b", 10), touches=("volunteer:1",))


async def books_of(postgres_url: str) -> Books:
    database = Database(postgres_url)
    try:
        return await audit(database, "toy")
    finally:
        await database.close()


async def post(writer: LedgerWriter, made: Draft) -> Receipt:
    (result,) = await writer.submit([made], TOY)
    assert isinstance(result, Receipt), result
    return result


@pytest.mark.parametrize(
    ("make", "marker"), [(plain, b"the-key"), (documented, b"the-key"), (documented, b"COMMIT")]
)
async def test_an_entry_whose_answer_is_lost_is_there_once(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter, make: object, marker: bytes
) -> None:
    proxy.expect(Mode.DROP_ANSWER, marker)
    receipt = await post(writer, make("the-key"))  # type: ignore[operator]
    assert proxy.happened.is_set()
    assert receipt.sequence == 2
    again = await post(writer, make("the-key"))  # type: ignore[operator]
    assert (again.sequence, again.leaf, again.replayed) == (2, receipt.leaf, True)
    books = await books_of(postgres_url)
    assert len(books.entries) == 2
    assert books.balance("wallet:b") == 10


async def test_a_plain_entry_is_found_committed_and_not_decided_again(
    proxy: Proxy, writer: LedgerWriter
) -> None:
    """The statement was durable before its answer was lost, so the first receipt is the answer."""
    proxy.expect(Mode.DROP_ANSWER, b"the-key")
    assert not (await post(writer, plain("the-key"))).replayed
    assert writer.batches == 1


@pytest.mark.parametrize("make", [plain, documented])
async def test_a_statement_that_comes_after_the_fence_changes_nothing(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter, make: object
) -> None:
    proxy.expect(Mode.HOLD_BACK, b"the-key")
    receipt = await post(writer, make("the-key"))  # type: ignore[operator]
    assert proxy.happened.is_set()
    assert receipt.sequence == 2
    before = await books_of(postgres_url)
    await proxy.deliver()
    after = await books_of(postgres_url)
    assert (after.entries, after.balances, after.subjects) == (
        before.entries,
        before.balances,
        before.subjects,
    )
    assert after.balance("wallet:b") == 10
    assert (await post(writer, make("next"))).sequence == 3  # type: ignore[operator]


async def test_a_commit_that_comes_before_the_fence_counts(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter
) -> None:
    """Its backend holds the head's lock, so the settlement waits for it and finds the batch."""
    proxy.expect(Mode.HOLD_BACK, b"COMMIT")
    waiting = writer.submit([documented("the-key")], TOY)
    await proxy.happened.wait()
    await asyncio.wait([waiting], timeout=2.5 * TIMEOUT)
    assert not waiting.done()
    await proxy.deliver()
    (receipt,) = await waiting
    assert isinstance(receipt, Receipt)
    assert (receipt.sequence, receipt.replayed) == (2, False)
    assert (await books_of(postgres_url)).balance("wallet:b") == 10


async def test_callers_who_wait_together_are_each_answered_once(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter
) -> None:
    proxy.expect(Mode.DROP_ANSWER, b"key-17")
    receipts = await asyncio.gather(*(post(writer, plain(f"key-{n}")) for n in range(40)))
    assert sorted(r.sequence for r in receipts) == list(range(2, 42))
    assert (await books_of(postgres_url)).balance("wallet:b") == 400


async def test_a_caller_waits_so_long_and_no_longer_and_learns_the_outcome_by_the_key(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter
) -> None:
    writer.limits = Limits(patience=1.0, cautious_batches=1)
    proxy.expect(Mode.DROP_ANSWER, b"the-key")
    begun = time.monotonic()
    waiting = writer.submit([plain("the-key")], TOY)
    await proxy.happened.wait()
    await proxy.refuse()
    with pytest.raises(CommitOutcomeUnknown):
        await waiting
    assert time.monotonic() - begun < 1.0 + 1.0
    proxy.mode = Mode.PASS
    writer.limits = Limits(patience=8, cautious_batches=1)
    receipt = await post(writer, plain("the-key"))
    assert (receipt.sequence, receipt.replayed) == (2, True)
    assert (await books_of(postgres_url)).balance("wallet:b") == 10


async def test_a_writer_that_lost_its_server_goes_on_when_it_is_back(
    postgres_url: str, proxy: Proxy, writer: LedgerWriter
) -> None:
    await proxy.refuse()
    waiting = writer.submit([plain("the-key")], TOY)
    await asyncio.wait([waiting], timeout=0.3)
    assert not waiting.done()
    proxy.mode = Mode.PASS
    (receipt,) = await waiting
    assert isinstance(receipt, Receipt)
    assert (await books_of(postgres_url)).balance("wallet:b") == 10


async def test_a_writer_without_a_server_can_be_stopped(proxy: Proxy, writer: LedgerWriter) -> None:
    """It stops when its last caller has lost patience; nobody hangs."""
    writer.limits = Limits(patience=0.6, cautious_batches=1)
    await proxy.refuse()
    waiting = [writer.submit([make(make.__name__)], TOY) for make in (plain, documented)]
    await asyncio.wait_for(writer.stop(), timeout=8)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, WriterError) for outcome in outcomes), outcomes
