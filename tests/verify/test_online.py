"""Verification goes on beside the writer, and its page in the docs is complete."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.chart import AccountKind, AllowedMovement, Chart
from pointsbank.ledger.model import Commodity, Draft, Movement, OpenAccount, Receipt
from pointsbank.store.database import Database
from pointsbank.verify import Progress, verify
from pointsbank.verify.sentences import SENTENCES

CHART = Chart(
    "hot/1",
    (AccountKind("mint", "mint:{}", "equity", floor="none"), AccountKind("wallet", "wallet:{}", "liability")),
    (AllowedMovement("issue", "mint", "wallet", "POINT", "toy"),),
    reversible={},
    commodities=(Commodity("POINT", 2, has_lots=True),),
)
TOY = frozenset(["toy"])


def issue(n: int) -> Draft:
    movement = Movement("mint:m", f"wallet:{n % 50}", "POINT", 1 + n, f"202{n % 3 + 7}-12-31/f")
    return Draft("issue", f"k{n}", "test", bytes(16), n, (movement,))


async def test_the_writer_goes_on_and_the_report_stands_for_the_head_at_its_start(database: Database) -> None:
    async with open_ledger(database, "hot", CHART) as ledger:
        opens = tuple(OpenAccount(path) for path in ("mint:m", *(f"wallet:{n}" for n in range(50))))
        await ledger.submit([Draft("open", "open", "test", bytes(16), 0, opens=opens)], TOY)
        await ledger.submit([issue(n) for n in range(1000)], TOY)
        chunks = 0
        writing: list[asyncio.Future[list[object]]] = []

        def write_on(progress: Progress) -> None:
            nonlocal chunks
            if progress.part == "schema":
                return  # the head has not been looked at yet
            chunks += 1
            writing.append(ledger.submit([issue(10_000 * chunks + n) for n in range(20)], TOY))  # type: ignore[arg-type]

        report = await verify(database, "hot", chart=CHART, chunk=100, on_progress=write_on, remembered=100)
        results = await asyncio.gather(*writing)
        again = await verify(database, "hot", chart=CHART)
    assert report.findings == ()
    assert (report.checked["entries"], report.to_sequence) == (1000, 1000)
    assert chunks > 10
    assert all(isinstance(receipt, Receipt) for receipts in results for receipt in receipts)
    assert again.findings == ()
    assert again.to_sequence == 1000 + 20 * chunks


def test_every_code_has_its_line_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    for code, (zh, en) in SENTENCES.items():
        assert f"| `{code}` | {zh} | {en} |" in page
