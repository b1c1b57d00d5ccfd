"""Whatever fails between writer and disk: an acknowledged entry is in the books once, none is there twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.ledger.toy import CHART, TOY, draft, move
from tests.simulate.audit import Books, audit
from tests.simulate.bank import LOTS, OPENING, WALLETS
from tests.simulate.flaky import FlakyStore

from pointsbank.engine.failures import WriterError
from pointsbank.engine.writer import LedgerWriter, Limits
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

LEAST, MOST = 5, 40
"""storms: what goes wrong when depends on the engine's timing, so rare troubles may need a few more"""
TROUBLES = {
    "not sent", "answer lost", "late", "conflict", "refused", "overtaken", "no lock", "lost before commit",
    "answer to commit lost", "failed in turn", "cannot settle", "no connection", "head unread", "load failed",
    "receipts unread",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The writer has much to say in a storm, and tracebacks take longer to print than to cause."""
    with capture_logs():
        yield


def _errand(rng: random.Random, number: int) -> list[Draft]:
    """What one caller asks: mostly a payment, now and then credits, a note, a shared key, several at once."""
    drafts = []
    for part in range(rng.choice([1, 1, 1, 3])):
        key = f"shared {rng.randrange(4)}" if rng.random() < 0.1 else f"{number}.{part}"
        if rng.random() < 0.4:
            made = draft(
                "issue", key, move("mint:m", rng.choice(WALLETS), 1 + rng.randrange(90), rng.choice(LOTS))
            )
        elif rng.random() < 0.1:
            made = draft("note", key, touches=("volunteer:1",))
        else:
            debit, credit = rng.sample(WALLETS, 2)
            made = draft(
                "pay",
                key,
                move(debit, credit, 1 + rng.randrange(60)),
                touches=("volunteer:1",),
                counters=("receipt",),
            )
        drafts.append(made)
    return drafts


async def _caller(writer: LedgerWriter, drafts: list[Draft], atomic: bool) -> list[Receipt | Refusal]:
    """Repeats the same keys until there is an answer, as every caller must."""
    for _ in range(60):
        try:
            return await writer.submit(drafts, TOY, atomic=atomic)
        except WriterError:
            continue
    raise AssertionError("no answer after 60 attempts")


async def test_every_acknowledged_receipt_is_in_the_books_once(database: Database) -> None:
    troubles: Counter[str] = Counter()
    for seed in range(MOST):
        troubles += await _storm(database, seed)
        if seed + 1 >= LEAST and set(troubles) == TROUBLES:
            break
    assert set(troubles) == TROUBLES, f"some trouble never came: {troubles}"


async def _storm(database: Database, seed: int) -> Counter[str]:
    """Four dozen errands in a storm; returns what went wrong on the way."""
    name = f"storm-{seed}"
    store = FlakyStore(database.store(ledger_id_of(name)), seed, chance=0.0)
    memory = 60 if seed % 2 else 10**6
    writer = LedgerWriter(store, CHART, limits=Limits(patience=30, cautious_batches=2, memory=memory))
    await writer.start()
    await store.create(name, CHART)
    await writer.submit([OPENING], TOY)
    store.chance = 0.3
    rng = random.Random(seed)
    acknowledged: list[Receipt] = []

    async def run(number: int) -> None:
        drafts, atomic = _errand(rng, number), rng.random() < 0.3
        for _ in range(rng.randrange(30)):
            await asyncio.sleep(0)
        results = await _caller(writer, drafts, atomic)
        acknowledged.extend(r for r in results if isinstance(r, Receipt))

    for start in range(0, 48, 4):
        await asyncio.gather(*(run(start + n) for n in range(4)))
    store.chance = 0.0
    await writer.stop()
    await store.real.open()
    await store.deliver_late_writes()
    await store.real.close()
    assert len(acknowledged) > 20, seed
    _in_the_books(await audit(database, name), acknowledged, seed)
    return store.troubles


def _in_the_books(books: Books, acknowledged: list[Receipt], seed: int) -> None:
    for receipt in acknowledged:
        if receipt.sequence:
            assert books.sequences["test", receipt.key] == receipt.sequence, seed
            entry = books.entries[receipt.sequence]
            assert (entry.leaf, entry.postings) == (receipt.leaf, receipt.postings), seed
        else:
            assert ("test", receipt.key) in books.document_keys, seed
    keys = {("test", receipt.key) for receipt in acknowledged}
    assert set(books.sequences) | books.document_keys == keys | {("test", OPENING.key)}, seed
    assert books.counters.get("receipt", 0) == sum(e.kind == "pay" for e in books.entries.values()), seed
    notes = sum(key != OPENING.key for _, key in books.document_keys)
    assert books.subjects.get("volunteer:1", 0) == books.counters.get("receipt", 0) + notes, seed


async def test_receipt_numbers_have_no_gap_and_no_double_in_a_storm(database: Database) -> None:
    store = FlakyStore(database.store(ledger_id_of("till")), 99, chance=0.0)
    writer = LedgerWriter(store, CHART, limits=Limits(patience=30, cautious_batches=2))
    await writer.start()
    await store.create("till", CHART)
    await writer.submit([OPENING, draft("issue", "fill", move("mint:m", "wallet:a", 30, LOTS[0]))], TOY)
    store.chance = 0.2

    async def sale(number: int) -> list[Receipt | Refusal]:
        sold = draft("pay", f"s{number}", move("wallet:a", "wallet:b", 1), counters=("receipt:T1",))
        return await _caller(writer, [sold], False)

    results = [result for (result,) in await asyncio.gather(*(sale(n) for n in range(40)))]
    store.chance = 0.0
    await writer.stop()
    numbers = Counter(r.numbers for r in results if isinstance(r, Receipt))
    assert numbers == Counter((("receipt:T1", n),) for n in range(1, 31))
    assert sum(isinstance(r, Refusal) for r in results) == 10
    assert (await audit(database, "till")).counters == {"receipt:T1": 30}
