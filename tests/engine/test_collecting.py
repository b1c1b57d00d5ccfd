"""Long loads and large groups look for garbage seldom, and only as long as they last."""

from __future__ import annotations

import gc

import pytest
from tests.ledger.toy import CHART, LATE, TOY, draft, move

from pointsbank.engine.collecting import MANY, SELDOM, collecting_seldom
from pointsbank.engine.failures import WriterError
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import Draft
from pointsbank.store.database import Database


def test_python_collects_as_before_once_the_load_has_ended_however_it_did() -> None:
    before = gc.get_threshold()

    def load() -> None:
        with collecting_seldom():
            assert gc.get_threshold() == SELDOM
            raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        load()
    assert gc.get_threshold() == before


def test_of_works_that_overlap_the_last_to_end_gives_back_what_was_before_the_first() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        with collecting_seldom():
            pass
        assert gc.get_threshold() == SELDOM
    assert gc.get_threshold() == before


async def test_a_large_group_is_such_a_work_until_it_is_answered_refused_or_given_up(
    database: Database,
) -> None:
    before = gc.get_threshold()
    fill = draft(
        "issue", "fill", move("mint:m", "wallet:a", 1000, LATE), opens=("mint:m", "wallet:a", "wallet:b")
    )

    def pays(name: str, count: int) -> list[Draft]:
        return [draft("pay", f"{name}-{n}", move("wallet:a", "wallet:b", 1)) for n in range(count)]

    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill], TOY)
        small = ledger.submit(pays("small", MANY - 1), TOY)
        assert gc.get_threshold() == before
        await small
        large = [ledger.submit(pays(name, MANY), TOY) for name in "abc"]
        assert gc.get_threshold() == SELDOM
        large[2].cancel()
        await large[0]
        refused = await ledger.submit(
            [*pays("d", MANY), draft("pay", "no", move("wallet:z", "wallet:b", 1))], TOY
        )
        assert len(refused) == MANY + 1
        await large[1]
    assert gc.get_threshold() == before
    with pytest.raises(WriterError):
        ledger.submit(pays("late", MANY), TOY)
    assert gc.get_threshold() == before
