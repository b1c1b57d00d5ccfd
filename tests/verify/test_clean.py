"""An untouched ledger is clean: in full, from any sequence, in small chunks, with little memory."""

from __future__ import annotations

import json

import pytest
from tests.verify.town import Town

from pointsbank.engine.registry import CITY_LEDGER
from pointsbank.store.database import Database
from pointsbank.verify import UnknownLedger, render, verify


async def test_an_untouched_ledger_is_clean(books: Database, town: Town) -> None:
    report = await verify(books, CITY_LEDGER)
    assert report.findings == ()
    assert report.holds
    assert report.exit_code == 0
    last = town.sequence("B3")
    assert (report.from_sequence, report.to_sequence, report.checked["entries"]) == (1, last, last)
    assert report.checked["volunteers"] == 2
    assert report.checked["documents"] == 16
    assert report.checked["withheld points"] == 1
    assert report.checked["triggers"] == 18
    assert "全部相符" in render(report)
    assert json.loads(report.to_json())["holds"] is True


@pytest.mark.parametrize(("chunk", "remembered"), [(1, 1), (3, 10), (7, 400_000)])
async def test_chunks_and_memory_make_no_difference(books: Database, chunk: int, remembered: int) -> None:
    report = await verify(books, CITY_LEDGER, chunk=chunk, remembered=remembered)
    assert report.findings == ()


async def test_any_sequence_is_a_place_to_go_on_from(books: Database, town: Town) -> None:
    for since in range(1, town.sequence("B3") + 1, 3):
        report = await verify(books, CITY_LEDGER, since_sequence=since)
        assert report.findings == (), since
        assert report.checked["entries"] == report.to_sequence - since


async def test_a_ledger_that_is_not_there_is_an_error_not_a_clean_report(books: Database) -> None:
    with pytest.raises(UnknownLedger):
        await verify(books, "another")


async def test_progress_is_told(books: Database) -> None:
    parts: list[str] = []
    await verify(books, CITY_LEDGER, on_progress=lambda p: parts.append(p.part))
    assert parts[0] == "schema"
    assert {"entries", "balances", "volunteers", "documents"} <= set(parts)
