"""The rules of baskets and returns, one case of the specification (B1 to B5, R1) after the other."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsbank.market.model import (
    Basket,
    BasketJudgement,
    BasketLine,
    PaidReceipt,
    ReturnJudgement,
    ReturnLine,
)
from pointsbank.market.rules import give_back, judge_basket, judge_return
from pointsbank.policy.load import load_policy
from pointsbank.policy.model import Limits

POLICY = load_policy(Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml")
SALT, TISSUES, SOAP, HANDBOOK = (
    "G025",
    "G005",
    "G001",
    "G039",
)  # 20, 120 (2 a month), 40, 0 points (1 a month)
LOT_2027, LOT_2028 = "2027-12-31", "2028-12-31"


class Shop:
    """Keeps what accepted baskets and returns leave behind, as the bank does."""

    def __init__(self, points: int = 10**9, stock: int = 1000, least: int = 0) -> None:
        self.policy = msgspec.structs.replace(POLICY, limits=Limits(min_redeem_points=least))
        self.balance = points
        self.shelf: Counter[tuple[str, str]] = Counter()
        self.opening = stock
        self.contents: dict[str, tuple[object, ...]] = {}
        self.return_contents: dict[str, tuple[str, ...]] = {}
        self.bought: Counter[tuple[str, str, str]] = Counter()
        self.receipts: dict[str, PaidReceipt] = {}

    def is_repeated(self, basket: Basket) -> bool | None:
        first = self.contents.get(basket.receipt_no)
        return None if first is None else first == basket.content

    def return_content_of(self, return_no: str) -> tuple[str, ...] | None:
        return self.return_contents.get(return_no)

    def knows_volunteer(self, volunteer: str) -> bool:
        return volunteer == "V1"

    def knows_station(self, station: str, day: str) -> bool:
        return station in ("S1", "S2")

    def pieces_bought(self, volunteer: str, sku: str, month: str) -> int:
        return self.bought[volunteer, sku, month]

    def stock(self, station: str, sku: str) -> int:
        return self.opening - self.shelf[station, sku]

    def points(self, volunteer: str) -> int:
        return self.balance

    def receipt(self, receipt_no: str) -> PaidReceipt | None:
        return self.receipts.get(receipt_no)

    def sell(self, basket: Basket) -> BasketJudgement:
        judged = judge_basket(basket, self, self.policy)
        if judged.verdict != "malformed":
            self.contents.setdefault(basket.receipt_no, basket.content)
        if judged.verdict == "accepted":
            self.balance -= judged.price
            prices = {sku: POLICY.goods[sku].price for sku in judged.pieces}
            self.receipts[basket.receipt_no] = PaidReceipt(
                basket.at, basket.volunteer, basket.station, judged.pieces, Counter(), prices
            )
            for sku, pieces in judged.pieces.items():
                self.shelf[basket.station, sku] += pieces
                self.bought[basket.volunteer, sku, basket.month] += pieces
        return judged

    def verdict(self, *lines: tuple[str, int | str], **changes: str) -> str:
        return self.sell(basket(*lines, **changes)).verdict

    def take_back(self, line: ReturnLine) -> ReturnJudgement:
        judged = judge_return(line, self, POLICY)
        if judged.verdict != "malformed":
            self.return_contents.setdefault(line.return_no, line.content)
        if judged.verdict == "accepted":
            receipt = self.receipts[line.receipt_no]
            returned = Counter(receipt.returned)
            returned[line.sku] += judged.quantity
            self.receipts[line.receipt_no] = PaidReceipt(
                receipt.at, receipt.volunteer, receipt.station, receipt.bought, returned, receipt.unit_prices
            )
            self.shelf[receipt.station, line.sku] -= judged.quantity
        return judged


_serial = iter(range(10**9))


def basket(*lines: tuple[str, int | str], number: str = "", **changes: str) -> Basket:
    wanted = tuple(BasketLine(sku, str(quantity)) for sku, quantity in lines)
    good = Basket(number or f"B{next(_serial)}", "2026-01-20 10:00:00", "T1", "S1", "V1", wanted)
    return msgspec.structs.replace(good, **changes)


def back(
    receipt_no: str, quantity: int | str, at: str = "2026-01-21 10:00:00", sku: str = SALT
) -> ReturnLine:
    return ReturnLine(f"T{next(_serial)}", at, receipt_no, sku, str(quantity))


def test_b1_lots_go_down_first_expiring_first_and_come_back_last_taken_first() -> None:
    taken, given = [(LOT_2027, 10_000), (LOT_2028, 2_000)], Counter[str]()

    def give(points: int) -> dict[str, int]:
        shares = give_back(taken, given, points)
        given.update(dict(shares))
        return dict(shares)

    assert give(2_000) == {LOT_2028: 2_000}
    assert give(4_000) == {LOT_2027: 4_000}
    assert give(6_000) == {LOT_2027: 6_000}
    with pytest.raises(ValueError, match="cannot go back"):
        give(1)


def test_b1_a_return_may_fill_the_later_lot_and_go_on_in_the_earlier_one() -> None:
    shares = give_back([(LOT_2027, 10_000), (LOT_2028, 2_000)], {}, 4_000)
    assert shares == [(LOT_2028, 2_000), (LOT_2027, 2_000)]


def test_b1_no_more_pieces_come_back_than_were_bought() -> None:
    shop = Shop()
    assert shop.sell(basket((SALT, 6), number="R1")).price == 12_000
    assert shop.take_back(back("R1", 1)) == ReturnJudgement("accepted", 1, 2_000)
    assert shop.take_back(back("R1", 2)) == ReturnJudgement("accepted", 2, 4_000)
    assert shop.take_back(back("R1", 4)).verdict == "too_many"
    assert shop.take_back(back("R1", 3)) == ReturnJudgement("accepted", 3, 6_000)
    assert shop.take_back(back("R1", 1)).verdict == "too_many"


def test_b2_the_monthly_limit_holds_for_all_lines_shops_and_baskets_of_a_month() -> None:
    shop, january = Shop(), {"at": "2026-01-31 10:00:00"}
    assert shop.verdict((TISSUES, 1), (SALT, 1), (TISSUES, 2), **january) == "over_limit"
    assert shop.verdict((TISSUES, 1), **january) == "accepted"
    assert shop.verdict((TISSUES, 1), **january) == "accepted"
    assert shop.verdict((TISSUES, 1), at="2026-01-01 00:00:00", station="S2") == "over_limit"
    assert shop.verdict((TISSUES, 1), at="2026-02-01 00:00:00") == "accepted"


def test_b2_returned_goods_do_not_give_the_limit_back() -> None:
    shop = Shop()
    assert shop.verdict((TISSUES, 2), number="R1") == "accepted"
    assert shop.take_back(back("R1", 2, sku=TISSUES)).verdict == "accepted"
    assert shop.verdict((TISSUES, 1)) == "over_limit"


def test_b3_a_basket_is_sold_whole_from_the_shelf_of_its_shop_or_not_at_all() -> None:
    shop = Shop(stock=5)
    assert shop.verdict((SOAP, 3), (SOAP, 3)) == "out_of_stock"
    assert shop.verdict((SOAP, 5)) == "accepted"
    assert shop.verdict((SALT, 1), (SOAP, 1)) == "out_of_stock"
    assert shop.stock("S1", SALT) == 5
    assert shop.verdict((SOAP, 1), station="S2") == "accepted"


def test_b3_returned_goods_are_for_sale_again() -> None:
    shop = Shop(stock=5)
    assert shop.verdict((SALT, 5), number="R1") == "accepted"
    assert shop.take_back(back("R1", 2)).verdict == "accepted"
    assert shop.verdict((SALT, 2)) == "accepted"


@pytest.mark.parametrize(
    ("lines", "changes", "verdict"),
    [
        ([("XXX", 0)], {"volunteer": "NOBODY"}, "bad_quantity"),
        ([("XXX", 1)], {"volunteer": "NOBODY"}, "unknown_volunteer"),
        ([(TISSUES, 3), ("XXX", 1)], {}, "unknown_sku"),
        ([(TISSUES, 99)], {}, "over_limit"),
        ([(SOAP, 99)], {}, "out_of_stock"),
        ([(SOAP, 1)], {}, "insufficient_points"),
        ([(HANDBOOK, 1)], {}, "accepted"),
        ([("XXX", 1)], {"station": "NOWHERE"}, "unknown_station"),
    ],
)
def test_b4_a_rule_is_asked_of_all_lines_before_the_next_rule(
    lines: list[tuple[str, int]], changes: dict[str, str], verdict: str
) -> None:
    assert Shop(points=3_900, stock=5).verdict(*lines, **changes) == verdict


def test_b4_points_that_just_pay_the_basket_are_enough() -> None:
    assert Shop(points=4_000).verdict((SOAP, 1)) == "accepted"
    assert Shop(points=3_999).verdict((SOAP, 1)) == "insufficient_points"


def test_a_basket_below_the_minimum_is_not_sold_and_just_the_minimum_is() -> None:
    shop = Shop(least=60)
    assert shop.verdict((SOAP, 1)) == "below_minimum"
    assert shop.verdict((SALT, 1), (SALT, 1)) == "below_minimum"
    assert shop.verdict((SOAP, 1), (SALT, 1)) == "accepted"  # 60 points together, on two lines
    assert shop.verdict((SALT, 3)) == "accepted"
    assert Shop().verdict((SALT, 1)) == "accepted"


def test_goods_for_nothing_redeem_nothing_and_know_no_minimum() -> None:
    shop = Shop(points=0, least=60)
    assert shop.verdict((HANDBOOK, 1)) == "accepted"
    assert Shop(least=60).verdict((HANDBOOK, 1), (SOAP, 1)) == "below_minimum"


@pytest.mark.parametrize(
    ("lines", "changes", "verdict"),
    [
        ([(SALT, 0)], {}, "bad_quantity"),
        ([(SALT, 1)], {"volunteer": "NOBODY"}, "unknown_volunteer"),
        ([(SALT, 1)], {"station": "NOWHERE"}, "unknown_station"),
        ([("XXX", 1)], {}, "unknown_sku"),
        ([(TISSUES, 3)], {}, "over_limit"),
        ([(SALT, 6)], {}, "out_of_stock"),
        ([(SOAP, 1)], {}, "insufficient_points"),
        ([(SALT, 1)], {}, "below_minimum"),
    ],
)
def test_the_minimum_is_asked_after_every_rule_of_the_specification(
    lines: list[tuple[str, int]], changes: dict[str, str], verdict: str
) -> None:
    assert Shop(points=3_900, stock=5, least=1000).verdict(*lines, **changes) == verdict


def test_b5_the_first_basket_processed_takes_the_number_whatever_its_verdict() -> None:
    shop = Shop()
    assert shop.verdict((SALT, 0), number="R1") == "bad_quantity"
    assert shop.verdict((SALT, 0), number="R1") == "duplicate"
    assert shop.verdict((SALT, 1), number="R1") == "conflict"
    assert shop.verdict((SALT, 1), (SOAP, 1), number="R2") == "accepted"
    assert shop.verdict((SALT, 1), (SOAP, 1), number="R2") == "duplicate"
    assert shop.verdict((SOAP, 1), (SALT, 1), number="R2") == "conflict"
    assert shop.verdict((SALT, 1), (SOAP, "01"), number="R2") == "conflict"
    for change in ({"at": "2026-01-20 10:00:01"}, {"terminal": "T2"}, {"station": "S2"}, {"volunteer": "V2"}):
        assert shop.verdict((SALT, 1), (SOAP, 1), number="R2", **change) == "conflict"


@pytest.mark.parametrize(
    "quantity", ["0", "0000", "-1", "+1", "1.5", "00001", "10000", "", " 1", "٣", "1\n", "一"]
)
def test_a_quantity_is_one_to_four_digits_that_make_at_least_one(quantity: str) -> None:
    assert Shop().verdict((SALT, 1), (SALT, quantity)) == "bad_quantity"


def test_leading_zeros_within_four_digits_are_a_quantity() -> None:
    assert Shop().sell(basket((SALT, "0002"))).pieces == {SALT: 2}


@pytest.mark.parametrize(
    "at", ["", "2026-01-20", "2026-01-20 10:00", "2026-01-20 24:00:00", "2026-01-20 10:00:60"]
)
def test_a_basket_or_return_without_a_time_that_exists_is_malformed_and_takes_no_number(at: str) -> None:
    shop = Shop()
    assert shop.verdict((SALT, 1), number="R1", at=at) == "malformed"
    assert shop.verdict((SALT, 1), number="R1") == "accepted"
    assert shop.take_back(back("R1", 1, at=at)).verdict == "malformed"


@pytest.mark.parametrize(
    ("pieces", "at", "verdict"),
    [
        (1, "2026-01-27 10:00:00", "accepted"),
        (1, "2026-01-27 10:00:01", "too_late"),
        (3, "2026-02-21 10:00:00", "too_many"),
        (2, "2026-01-20 10:00:00", "accepted"),
        (1, "2026-01-20 09:59:59", "too_early"),
        (0, "2026-01-21 10:00:00", "bad_quantity"),
        (-1, "2026-01-21 10:00:00", "bad_quantity"),
        (10_000, "2026-01-21 10:00:00", "too_many"),
    ],
)
def test_r1_goods_come_back_within_the_hours_of_the_policy(pieces: int, at: str, verdict: str) -> None:
    shop = Shop()
    shop.sell(basket((SALT, 1), (SALT, 1), number="R1"))
    assert shop.take_back(back("R1", pieces, at)).verdict == verdict


def test_r1_only_goods_of_an_accepted_receipt_come_back() -> None:
    shop = Shop()
    shop.sell(basket((SALT, 0), number="REFUSED"))
    shop.sell(basket((SALT, 1), number="R1"))
    assert shop.take_back(back("REFUSED", 1)).verdict == "unknown_receipt"
    assert shop.take_back(back("NONE", 1)).verdict == "unknown_receipt"
    assert shop.take_back(back("R1", 1, sku=SOAP)).verdict == "not_on_receipt"


def test_a_repeated_return_number_gives_nothing_back_twice() -> None:
    shop = Shop()
    shop.sell(basket((SALT, 2), number="R1"))
    line = back("R1", 1)
    assert shop.take_back(line).verdict == "accepted"
    assert shop.take_back(line).verdict == "duplicate"
    assert shop.take_back(ReturnLine(line.return_no, line.at, "R1", SALT, "2")).verdict == "conflict"


@given(
    taken=st.lists(st.integers(0, 500), min_size=1, max_size=5),
    steps=st.lists(st.integers(0, 300), max_size=12),
)
def test_returns_conserve_points_lot_by_lot_in_any_number_of_steps(
    taken: list[int], steps: list[int]
) -> None:
    lots = list(enumerate(taken))
    given: Counter[int] = Counter()
    for points in steps:
        points = min(points, sum(taken) - given.total())
        shares = give_back(lots, given, points)
        assert sum(share for _, share in shares) == points
        given.update(dict(shares))
        assert all(0 <= given[lot] <= amount for lot, amount in lots)
        # No lot gets anything while a later one still lacks something.
        lacking = [given[lot] < amount for lot, amount in lots]
        first_touched = min((lot for lot in given if given[lot]), default=len(taken))
        assert not any(lacking[first_touched + 1 :])
