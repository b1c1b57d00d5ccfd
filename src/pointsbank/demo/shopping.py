"""The invented baskets of a day: who goes to which shop, and what they take for the points they have."""

from __future__ import annotations

from datetime import date
from math import exp
from random import Random
from typing import Final

import msgspec

from pointsbank.demo.people import number_of
from pointsbank.demo.places import shop_codes
from pointsbank.demo.plan import Plan
from pointsbank.market.model import Basket, BasketLine
from pointsbank.policy.calendar import second_text
from pointsbank.policy.model import Good, Policy

CANDIDATES: Final = 3
"""People who are looked at for one basket: who has no points stays at home."""

LEAST_POINTS: Final = 2000
"""In hundredths: with fewer than 20 points there is nothing to take."""

_OPENING: Final = 9 * 3600
_CLOSING: Final = 17 * 3600 + 1800

_EPOCH: Final = date(1970, 1, 1).toordinal()

_FOOD: Final = frozenset(f"G{n:03}" for n in range(21, 31))


class Shopper(msgspec.Struct, frozen=True):
    """Somebody who may come to a shop: number, and points that may be spent, in hundredths."""

    number: str
    points: int


def receipt_no(number: int) -> str:
    """The external receipt number of a basket."""
    return f"XP{number + 1:09}"


def day_second(day: date) -> int:
    """The local second at which a day begins."""
    return (day.toordinal() - _EPOCH) * 86_400


class Shops:
    """Fills baskets, day by day, always the same for the same plan and the same wallets."""

    def __init__(self, plan: Plan, policy: Policy) -> None:
        self.codes = shop_codes(plan.shops)
        self._plan = plan
        self._goods = [good for good in policy.goods.values() if good.price]
        self._weights = [_demand(good) for good in self._goods]

    def candidates(self, dice: Random, baskets: int) -> list[str]:
        """Numbers of people who may come, each once: who serves more comes more often."""
        pick, chance = self._plan.pick, dice.random
        return list(dict.fromkeys(number_of(pick(chance())) for _ in range(baskets * CANDIDATES)))

    def fill(
        self, dice: Random, numbers: range, shoppers: list[Shopper], day: date, until: int
    ) -> list[Basket]:
        """Baskets with these numbers, in the order of their times, up to this second of the day."""
        able = [shopper for shopper in shoppers if shopper.points >= LEAST_POINTS]
        others = [shopper for shopper in shoppers if shopper.points < LEAST_POINTS]
        opens, closes = min(_OPENING, until), min(_CLOSING, until)
        baskets = []
        for n, shopper in zip(range(len(numbers)), [*able, *others], strict=False):
            at = day_second(day) + opens + (closes - opens) * n // len(numbers)
            shop = self._shop_of(dice, shopper.number)
            lines = self._lines(dice, shopper.points)
            baskets.append(
                Basket(receipt_no(numbers[n]), second_text(at), f"T{shop}", shop, shopper.number, lines)
            )
        return baskets

    def _shop_of(self, dice: Random, number: str) -> str:
        """People go to the shop near their home, sometimes to another."""
        at = int(number[1:]) * 7919 if dice.random() < 0.9 else dice.randrange(len(self.codes))
        return self.codes[at % len(self.codes)]

    def _lines(self, dice: Random, points: int) -> tuple[BasketLine, ...]:
        """Goods within what somebody has and wants to spend: some 100 points, seldom several hundred."""
        chance = dice.random()
        budget = points * 2 if chance < 0.006 else min(points, int(9000 * exp(dice.gauss(0, 0.8))))
        budget = max(budget, min(points, LEAST_POINTS))
        most = (
            budget * 2 // 3 if budget > 2 * LEAST_POINTS else budget
        )  # nobody spends all on the first thing
        pieces: dict[str, int] = {}
        for good in dice.choices(self._goods, self._weights, k=12):
            if good.price > min(budget, most) or good.sku in pieces or len(pieces) == 5:
                continue
            allowed = min(good.monthly_limit or 3, budget // good.price)
            count = 1 if dice.random() < 0.75 else min(2, allowed)
            if chance > 0.985 and good.monthly_limit:
                count = good.monthly_limit + 1  # one more than everybody gets
            pieces[good.sku] = count
            budget -= count * good.price
        if not pieces:
            pieces[min(self._goods, key=lambda good: good.price).sku] = 1
        return tuple(BasketLine(sku, str(count)) for sku, count in pieces.items())


def is_food(sku: str) -> bool:
    """Whether a good has a best-before date."""
    return sku in _FOOD


def _demand(good: Good) -> float:
    """How often a good is taken: food and soap every day, a quilt once in a winter."""
    return (3.0 if is_food(good.sku) else 1.0) * 100 / (good.price_points + 60)
