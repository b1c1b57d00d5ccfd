"""The love supermarket sells each piece and each point once, also when tills race, and takes goods back exactly."""

import asyncio
from datetime import date

import pytest
from msgspec.structs import replace
from tests.points.town import Town, basket, book, open_town, policy

from pointsbank.engine.commands import Command
from pointsbank.intake.lines import Place
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import (
    AlreadyReversed,
    InsufficientBalance,
    KeyConflict,
    NotReversible,
    Refusal,
)
from pointsbank.market.service import MarketRefused, MarketService, Sale
from pointsbank.places.model import Closing
from pointsbank.places.service import PlacesService
from pointsbank.points.service import expire
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.model import Limits
from pointsbank.reversals import reverse
from pointsbank.store.database import Database
from pointsbank.verify import verify

NOON = "2026-03-02 12:00:00"
_NEW_YEAR = date(2027, 1, 1)


def verdicts(sales: list[Sale]) -> list[str]:
    return sorted(sale.judgement.verdict for sale in sales)


async def at_once(town: Town, *baskets: tuple[str, str, int, str]) -> list[Sale]:
    """Baskets (volunteer, good, pieces, till) at a time, each through a service of its own."""
    return await asyncio.gather(
        *(
            MarketService(town.ledger, town.policies).sell(
                basket(f"N{n}", volunteer, NOON, (sku, pieces), till=till),
                Command("test", f"race-{till}-{n}"),
            )
            for n, (volunteer, sku, pieces, till) in enumerate(baskets)
        )
    )


async def test_of_two_free_baskets_against_a_limit_of_one_one_wins(database: Database) -> None:
    async with open_town(database) as town:
        await town.stock("BOOK", 10)
        assert verdicts(await at_once(town, ("V1", "BOOK", 1, "T1"), ("V1", "BOOK", 1, "T2"))) == [
            "accepted",
            "over_limit",
        ]


async def test_the_last_piece_is_sold_once(database: Database) -> None:
    async with open_town(database) as town:
        for volunteer in ("V1", "V2", "V3"):
            await town.earn(volunteer, "2026-02-02")
        await town.stock("RICE", 1)
        sales = await at_once(town, *((f"V{n}", "RICE", 1, f"T{n}") for n in (1, 2, 3)))
        assert verdicts(sales) == ["accepted", "out_of_stock", "out_of_stock"]


async def test_points_are_spent_once(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 10)
        sales = await at_once(town, *(("V1", "RICE", 1, f"T{n}") for n in range(5)))
        assert verdicts(sales) == ["accepted"] * 2 + ["insufficient_points"] * 3
        assert await town.lots("V1") == {}


def least(points: int) -> PolicyBook:
    return book(replace(policy(), limits=Limits(min_redeem_points=points)))


async def test_a_basket_below_the_minimum_moves_nothing_and_leaves_key_and_number_free(
    database: Database,
) -> None:
    async with open_town(database, least(20)) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("SOAP", 2)
        await town.stock("RICE", 1)
        await town.stock("BOOK", 1)
        key = Command("test", "small")
        assert (await town.sell("V1", NOON, ("SOAP", 2), key=key)).judgement.verdict == "below_minimum"
        assert await town.lots("V1") == {"2027-12-31": 4000}
        assert (await town.sell("V1", NOON, ("BOOK", 1))).judgement.verdict == "accepted"
        assert (await town.sell("V1", NOON, ("RICE", 1), key=key)).judgement.verdict == "accepted"
        assert await town.lots("V1") == {"2027-12-31": 2000}
        report = await verify(town.ledger.database, town.ledger.name)
        assert report.findings == ()


async def test_a_basket_of_a_file_below_the_minimum_keeps_its_verdict_and_its_number(
    database: Database,
) -> None:
    async with open_town(database, least(20)) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 1)
        await town.stock("SOAP", 2)
        till = MarketService(town.ledger, town.policies, keeps_refusals=True)
        orders = [
            (Place("file", n), basket("N1", "V1", NOON, (sku, 1)), Command("test", f"file-{n}"))
            for n, sku in enumerate(("SOAP", "SOAP", "RICE"), 1)
        ]
        told = await till.sell_all(orders)
        assert [sale.judgement.verdict for sale in told] == ["below_minimum", "duplicate", "conflict"]


async def test_the_key_comes_before_every_rule(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02", minutes=120)
        await town.stock("RICE", 1)
        key = Command("test", "once")
        first = await town.sell("V1", NOON, ("RICE", 1), key=key)
        assert first.receipt is not None
        again = await MarketService(town.ledger, town.policies).sell(
            basket("another number", "V1", "2026-03-02 12:00:07", ("RICE", 1)), key
        )
        assert again.receipt is not None
        assert again.receipt.replayed
        assert (again.receipt.sequence, again.number, again.judgement) == (
            first.receipt.sequence,
            1,
            first.judgement,
        )
        assert again.basket.receipt_no == first.basket.receipt_no
        with pytest.raises(MarketRefused) as refused:
            await town.sell("V1", NOON, ("RICE", 2), key=key)
        assert refused.value.refusal == KeyConflict("once")


async def test_the_same_key_at_a_time_sells_once(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 2)
        key = Command("test", "once")
        sales = await asyncio.gather(
            *(
                MarketService(town.ledger, town.policies).sell(basket(f"N{n}", "V1", NOON, ("RICE", 1)), key)
                for n in range(4)
            )
        )
        assert len({sale.receipt.sequence for sale in sales if sale.receipt}) == 1
        assert len({sale.basket.receipt_no for sale in sales}) == 1
        assert await town.lots("V1") == {"2027-12-31": 2000}


async def test_a_refusal_leaves_the_key_and_the_number_free(database: Database) -> None:
    async with open_town(database) as town:
        key = Command("test", "later")
        assert (await town.sell("V1", NOON, ("RICE", 1), key=key)).judgement.verdict == "out_of_stock"
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 1)
        assert (await town.sell("V1", NOON, ("RICE", 1), key=key)).judgement.verdict == "accepted"


async def test_receipts_and_returns_of_a_till_are_numbered_without_gap(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("SOAP", 10)
        sold = [await town.sell("V1", NOON, ("SOAP", pieces), till="T1") for pieces in (1, 9, 1, 1)]
        other = await town.sell("V1", "2026-02-02 12:00:00", ("SOAP", 1), till="T2")
        assert [(sale.judgement.verdict, sale.number) for sale in (*sold, other)] == [
            ("accepted", 1),
            ("over_limit", 0),
            ("accepted", 2),
            ("over_limit", 0),
            ("accepted", 1),
        ]
        back = [await town.take_back(sold[n], NOON, "SOAP", 1) for n in (0, 0, 2)]
        assert [(b.judgement.verdict, b.number) for b in back] == [
            ("accepted", 1),
            ("too_many", 0),
            ("accepted", 2),
        ]


async def test_what_comes_back_goes_into_the_lots_it_came_from_the_last_taken_first(
    database: Database,
) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2025-12-30")
        await town.earn("V1", "2026-01-05")
        await town.stock("RICE", 4)
        sale = await town.sell("V1", NOON, ("RICE", 3))
        assert await town.lots("V1") == {"2027-12-31": 2000}
        key = Command("test", "back")
        first = await town.take_back(sale, NOON, "RICE", 1, key=key)
        assert await town.lots("V1") == {"2027-12-31": 4000}
        again = await town.take_back(sale, "2026-03-02 12:00:09", "RICE", 1, key=key)
        assert again.receipt is not None
        assert first.receipt is not None
        assert (again.receipt.sequence, again.line.return_no) == (
            first.receipt.sequence,
            first.line.return_no,
        )
        assert (await town.take_back(sale, NOON, "RICE", 3)).judgement.verdict == "too_many"
        assert (await town.take_back(sale, NOON, "RICE", 2)).judgement.points == 4000
        assert await town.lots("V1") == {"2026-12-31": 4000, "2027-12-31": 4000}
        assert (
            await town.sell("V1", NOON, ("RICE", 4))
        ).judgement.verdict == "accepted"  # all pieces are back


async def test_of_two_returns_of_the_last_piece_at_a_time_one_is_taken(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 1)
        sale = await town.sell("V1", NOON, ("RICE", 1))
        back = await asyncio.gather(*(town.take_back(sale, NOON, "RICE", 1) for _ in range(3)))
        assert sorted(b.judgement.verdict for b in back) == ["accepted", "too_many", "too_many"]
        assert await town.lots("V1") == {"2027-12-31": 4000}


async def test_a_return_does_not_give_the_limit_back_and_a_reversal_does(database: Database) -> None:
    async with open_town(database) as town:
        await town.stock("BOOK", 5)
        sale = await town.sell("V1", NOON, ("BOOK", 1))
        assert (await town.take_back(sale, NOON, "BOOK", 1)).judgement.verdict == "accepted"
        assert (await town.sell("V1", NOON, ("BOOK", 1))).judgement.verdict == "over_limit"
        sale = await town.sell("V2", NOON, ("BOOK", 1))
        assert sale.receipt is not None
        assert isinstance(
            await town.market.reverse(sale.receipt.sequence, "mistake", town.key("reverse")), list
        )
        assert (await town.take_back(sale, NOON, "BOOK", 1)).judgement.verdict == "unknown_receipt"
        assert (await town.sell("V2", NOON, ("BOOK", 1))).judgement.verdict == "accepted"


async def test_a_basket_is_reversed_once_and_not_while_goods_of_it_are_back(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 1)
        sale = await town.sell("V1", NOON, ("RICE", 1))
        back = await town.take_back(sale, NOON, "RICE", 1)
        assert sale.receipt is not None
        assert back.receipt is not None
        sequence = sale.receipt.sequence
        assert isinstance(await town.market.reverse(sequence, "mistake", town.key("reverse")), NotReversible)
        undone = await town.market.reverse(back.receipt.sequence, "mistake", town.key("reverse"))
        assert isinstance(undone, list)
        assert await town.lots("V1") == {"2027-12-31": 2000}
        key = Command("test", "reverse-basket")
        first = await town.market.reverse(sequence, "mistake", key)
        again = await town.market.reverse(sequence, "mistake", key)
        assert isinstance(first, list)
        assert isinstance(again, list)
        assert [r.sequence for r in first] == [r.sequence for r in again]
        assert isinstance(await town.market.reverse(sequence, "another reason", key), KeyConflict)
        assert isinstance(
            await town.market.reverse(sequence, "mistake", town.key("reverse")), AlreadyReversed
        )
        assert isinstance(
            await town.market.reverse(back.receipt.sequence, "x", town.key("reverse")), AlreadyReversed
        )
        assert await town.lots("V1") == {"2027-12-31": 4000}


async def test_a_return_whose_goods_are_sold_again_is_not_reversed(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.earn("V2", "2026-02-02")
        await town.stock("RICE", 1)
        back = await town.take_back(await town.sell("V1", NOON, ("RICE", 1)), NOON, "RICE", 1)
        await town.sell("V2", NOON, ("RICE", 1))
        assert back.receipt is not None
        refused = await town.market.reverse(back.receipt.sequence, "mistake", town.key("reverse"))
        assert isinstance(refused, InsufficientBalance)


async def test_what_is_due_expires_before_it_can_be_spent(database: Database) -> None:
    async with open_town(database, now="2027-02-01 08:00:00") as town:
        await town.earn("V1", "2025-12-30")  # until 2026-12-31
        await town.earn("V1", "2026-01-05", minutes=60)
        await town.stock("RICE", 9)
        assert (
            await town.sell("V1", "2027-01-01 00:00:00", ("RICE", 2))
        ).judgement.verdict == "insufficient_points"
        assert await town.lots("V1") == {"2026-12-31": 4000, "2027-12-31": 1000}  # a refusal leaves nothing
        assert (await town.sell("V1", "2026-12-31 23:59:59", ("RICE", 1))).judgement.verdict == "accepted"
        await town.earn("V1", "2026-01-06", minutes=60)
        assert (await town.sell("V1", "2027-01-01 00:00:00", ("RICE", 1))).judgement.verdict == "accepted"
        assert await town.lots("V1") == {}


async def test_a_return_into_a_lot_past_its_day_is_taken_by_the_next_expiry(database: Database) -> None:
    async with open_town(database, now="2027-02-01 08:00:00") as town:
        await town.earn("V1", "2025-12-30", minutes=120)
        await town.stock("RICE", 1)
        sale = await town.sell("V1", "2026-12-31 20:00:00", ("RICE", 1))
        assert [n async for n in expire(town.ledger, _NEW_YEAR, "Asia/Shanghai")] == []
        assert (await town.take_back(sale, "2027-01-01 09:00:00", "RICE", 1)).judgement.verdict == "accepted"
        assert await town.lots("V1") == {"2026-12-31": 2000}
        assert [n async for n in expire(town.ledger, _NEW_YEAR, "Asia/Shanghai")] == [1]
        assert await town.lots("V1") == {}


async def test_many_baskets_of_one_call_see_each_other(database: Database) -> None:
    async with open_town(database) as town:
        await town.earn("V1", "2026-02-02")
        await town.stock("RICE", 3)
        await town.stock("BOOK", 1)
        orders = [
            (None, basket(f"N{n}", "V1", NOON, line), town.key("sell"))
            for n, line in enumerate([("RICE", 1), ("BOOK", 1), ("BOOK", 1), ("RICE", 1), ("RICE", 1)])
        ]
        sales = await town.market.sell_all(orders)
        assert [sale.judgement.verdict for sale in sales] == [
            "accepted",
            "accepted",
            "over_limit",
            "accepted",
            "insufficient_points",
        ]
        again = await town.market.sell_all(orders)
        assert [s.receipt.sequence for s in again if s.receipt] == [
            s.receipt.sequence for s in sales if s.receipt
        ]
        assert all(
            isinstance(sale.receipt, Receipt) for sale in again if sale.judgement.verdict == "accepted"
        )


async def test_a_delivery_goes_back_once_and_only_while_its_goods_are_on_the_shelf(
    database: Database,
) -> None:
    async with open_town(database) as town:
        await town.stock("RICE", 5)
        sequence = (await town.ledger.writer.store.head()).sequence

        async def undo(key: Command) -> list[Receipt] | Refusal:
            return await reverse(town.ledger, town.hours, town.market, sequence, "wrong-station", key)

        await town.earn("V1", "2026-02-02")
        sale = await town.sell("V1", "2026-03-02 09:00:00", ("RICE", 1))
        assert isinstance(await undo(town.key("undo")), InsufficientBalance)
        await town.take_back(sale, "2026-03-02 10:00:00", "RICE", 1)
        key = town.key("undo")
        first, again = await undo(key), await undo(key)
        assert isinstance(first, list)
        assert isinstance(again, list)
        assert (first[0].sequence, again[0].replayed) == (again[0].sequence, True)
        assert isinstance(await undo(town.key("undo")), AlreadyReversed)
        refused = await town.sell("V1", "2026-03-02 11:00:00", ("RICE", 1))
        assert refused.judgement.verdict == "out_of_stock"
        report = await verify(database, "town")
        assert report.findings == ()


async def test_a_shop_sells_up_to_the_day_on_which_its_station_closes(database: Database) -> None:
    async with open_town(database) as town:
        await town.stock("BOOK", 3)
        sold = await town.sell("V1", "2026-03-02 09:00:00", ("BOOK", 1))
        assert sold.judgement.verdict == "accepted"
        closed = await PlacesService(town.ledger).change(Closing("S1", date(2026, 3, 3)), town.key("close"))
        assert isinstance(closed, Receipt)
        last = await town.sell("V2", "2026-03-02 20:00:00", ("BOOK", 1))
        late = await town.sell("V3", "2026-03-03 08:00:00", ("BOOK", 1))
        assert (last.judgement.verdict, late.judgement.verdict) == ("accepted", "unknown_station")
