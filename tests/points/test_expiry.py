"""The expiry run takes what is past its day, once, and goes on where it was broken off."""

import asyncio
from datetime import date

import pytest
from tests.points.town import SHANGHAI, Town, open_town

from pointsbank.ledger.model import Receipt
from pointsbank.points import service
from pointsbank.points.lots import POINTS, expired_lots, expiry
from pointsbank.points.service import expire
from pointsbank.store.database import Database

NEW_YEAR = date(2027, 1, 1)


async def run(town: Town, as_of: date = NEW_YEAR) -> list[int]:
    return [taken async for taken in expire(town.ledger, as_of, SHANGHAI)]


async def earned(town: Town) -> None:
    """Points of two service years in three wallets."""
    for volunteer in ("V1", "V2", "V3"):
        await town.earn(volunteer, "2025-12-30", minutes=60)
        await town.earn(volunteer, "2026-01-05")


async def test_lots_past_their_day_go_and_others_stay(database: Database) -> None:
    async with open_town(database) as town:
        await earned(town)
        assert await run(town, date(2026, 12, 31)) == []
        assert await run(town) == [3]
        assert await run(town) == []
        assert [await town.lots(volunteer) for volunteer in ("V1", "V2", "V3")] == [{"2027-12-31": 4000}] * 3


async def test_a_run_broken_off_between_pages_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PAGE", 1)
    async with open_town(database) as town:
        await earned(town)
        broken = expire(town.ledger, NEW_YEAR, SHANGHAI)
        assert await anext(broken) == 1
        await broken.aclose()
        assert await run(town) == [1, 1]
        assert await town.lots("V3") == {"2027-12-31": 4000}


async def test_two_runs_at_a_time_take_each_lot_once(database: Database) -> None:
    async with open_town(database) as town:
        await earned(town)
        told = await asyncio.gather(run(town), run(town), run(town))
        assert sum(map(sum, told)) == 3
        assert await town.lots("V1") == {"2027-12-31": 4000}


async def test_what_comes_into_a_lot_after_its_expiry_is_taken_by_the_next_run(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2025-12-30", minutes=60)
        assert await run(town) == [1]
        await town.earn("V1", "2025-12-29", minutes=30)
        assert await run(town) == [1]
        assert await town.lots("V1") == {}


async def test_the_key_of_an_expiry_belongs_to_one_version_of_the_wallet(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2025-12-30", minutes=60)
        [held] = await database.read(expired_lots, town.ledger.id, NEW_YEAR)
        draft = expiry(held, NEW_YEAR, 0, "test")
        [first] = await town.ledger.submit([draft], POINTS)
        [again] = await town.ledger.submit([draft], POINTS)
        assert isinstance(first, Receipt)
        assert isinstance(again, Receipt)
        assert again.replayed
        assert again.sequence == first.sequence


async def test_a_wallet_that_is_spent_from_during_the_run_ends_without_the_lot(database: Database) -> None:
    async with open_town(database) as town:
        await earned(town)
        await town.stock("RICE", 3)
        day = "2026-12-31 10:00:00"
        await asyncio.gather(run(town), town.sell("V1", day, ("RICE", 1)), town.sell("V2", day, ("RICE", 1)))
        for volunteer in ("V1", "V2", "V3"):
            assert "2026-12-31" not in await town.lots(volunteer)
