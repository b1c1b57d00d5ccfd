"""Which baskets are sold, which returns are taken: rules in order, the first that applies gives the verdict.

A rule looks at all lines of a basket before the next rule looks at any. A new rule is one function and one
line in `BASKET_RULES` or `RETURN_RULES`.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, TypeVar

from pointsbank.market.model import (
    Basket,
    BasketContext,
    BasketJudgement,
    BasketVerdict,
    PaidReceipt,
    ReturnContext,
    ReturnJudgement,
    ReturnLine,
    ReturnVerdict,
)
from pointsbank.policy.calendar import local_second
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Policy

BasketRule = Callable[[Basket, BasketContext, Policy], BasketVerdict | None]
ReturnRule = Callable[[ReturnLine, PaidReceipt, Policy], ReturnVerdict | None]
Lot = TypeVar("Lot", bound=Hashable)


def judge_basket(basket: Basket, context: BasketContext, policy: Policy) -> BasketJudgement:
    """The verdict on a basket, and its price and pieces if it is accepted. Nothing is changed.

    A basket takes its receipt number with its first verdict, whatever that is, `malformed` excepted.
    """
    for rule in BASKET_RULES:
        verdict = rule(basket, context, policy)
        if verdict is not None:
            return BasketJudgement(verdict)
    pieces = pieces_of(basket)
    return BasketJudgement("accepted", price_of(pieces, policy), pieces)


def judge_return(line: ReturnLine, context: ReturnContext, policy: Policy) -> ReturnJudgement:
    """The verdict on a return, and the points that go back if it is accepted. Nothing is changed.

    A return takes its number with its first verdict, whatever that is, `malformed` excepted.
    """
    if not line.is_whole or not line.return_no or local_second(line.at) is None:
        return ReturnJudgement("malformed")
    first = context.return_content_of(line.return_no)
    if first is not None:
        return ReturnJudgement("duplicate" if first == line.content else "conflict")
    quantity = return_quantity(line.quantity)
    if quantity is None:
        return ReturnJudgement("bad_quantity")
    receipt = context.receipt(line.receipt_no)
    if receipt is None:
        return ReturnJudgement("unknown_receipt")
    for rule in RETURN_RULES:
        verdict = rule(line, receipt, policy)
        if verdict is not None:
            return ReturnJudgement(verdict)
    return ReturnJudgement("accepted", quantity, quantity * receipt.unit_prices[line.sku])


def give_back(
    taken: Sequence[tuple[Lot, int]], given_back: Mapping[Lot, int], points: int
) -> list[tuple[Lot, int]]:
    """How much of `points` each lot of a receipt gets back, the last-taken lot first.

    `taken` is what the receipt took, in the order in which it took it; `given_back` what earlier returns of
    this receipt gave back by lot. Lots that get nothing are left out. Raises ValueError if the receipt does
    not have so many points left to give back: the rules do not let that happen.
    """
    shares = []
    rest = points
    for lot, amount in reversed(taken):
        share = min(rest, amount - given_back.get(lot, 0))
        if share > 0:
            shares.append((lot, share))
            rest -= share
    if rest or points < 0:
        raise ValueError(
            f"{points} points cannot go back into {taken}, of which {given_back} went back before"
        )
    return shares


def pieces_of(basket: Basket) -> dict[str, int]:
    """Pieces by SKU over all lines, in the order in which the SKUs first occur; quantities must be good."""
    pieces: dict[str, int] = {}
    for sku, quantity in basket.lines:
        pieces[sku] = pieces.get(sku, 0) + int(quantity)
    return pieces


def price_of(pieces: Mapping[str, int], policy: Policy) -> int:
    """Price of goods in hundredths of a point."""
    return sum(quantity * policy.goods[sku].price for sku, quantity in pieces.items())


def is_basket_quantity(text: str) -> bool:
    """Whether a text is one to four digits 0-9 that make a number from 1 to 9999."""
    return re.fullmatch("[0-9]{1,4}", text) is not None and int(text) > 0


def return_quantity(text: str) -> int | None:
    """The number of pieces of a return, None unless it is digits that make at least 1.

    More digits than a basket may have are still a number: it is then `too_many`.
    """
    quantity = int(text) if re.fullmatch("[0-9]{1,18}", text) else 0
    return quantity or None


# Rules for baskets


def malformed(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """A basket has a number, a time that exists, lines, and no contradictions."""
    whole = basket.is_whole and basket.receipt_no and basket.lines and local_second(basket.at) is not None
    return None if whole else "malformed"


def number_taken(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """The first basket processed with a number takes it, whatever its verdict."""
    is_repeated = context.is_repeated(basket)
    if is_repeated is None:
        return None
    return "duplicate" if is_repeated else "conflict"


def bad_quantity(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """Quantities are whole pieces, from 1 to 9999."""
    return None if all(is_basket_quantity(line.quantity) for line in basket.lines) else "bad_quantity"


def unknown_volunteer(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """Goods go to registered volunteers only."""
    return None if context.knows_volunteer(basket.volunteer) else "unknown_volunteer"


def unknown_station(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """Goods come from the shop of a station of the city."""
    return None if context.knows_station(basket.station, basket.at[:10]) else "unknown_station"


def unknown_sku(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """All goods are in the catalogue of the policy."""
    return None if all(line.sku in policy.goods for line in basket.lines) else "unknown_sku"


def over_limit(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """Nobody gets more pieces of a good in a calendar month than its limit; returns do not give it back."""
    for sku, quantity in pieces_of(basket).items():
        limit = policy.goods[sku].monthly_limit
        if (
            limit is not None
            and context.pieces_bought(basket.volunteer, sku, basket.month) + quantity > limit
        ):
            return "over_limit"
    return None


def out_of_stock(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """The shop has all that the basket holds."""
    short = any(quantity > context.stock(basket.station, sku) for sku, quantity in pieces_of(basket).items())
    return "out_of_stock" if short else None


def insufficient_points(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """The volunteer's points over all lots pay the whole basket."""
    price = price_of(pieces_of(basket), policy)
    return "insufficient_points" if price > context.points(basket.volunteer) else None


def below_minimum(basket: Basket, context: BasketContext, policy: Policy) -> BasketVerdict | None:
    """Nobody redeems less at a time than the city's minimum; who takes only goods for nothing redeems nothing."""
    least = policy.limits.min_redeem_points * MINOR_UNITS_PER_POINT
    if not least:
        return None
    return "below_minimum" if 0 < price_of(pieces_of(basket), policy) < least else None


BASKET_RULES: Final[tuple[BasketRule, ...]] = (
    malformed,
    number_taken,
    bad_quantity,
    unknown_volunteer,
    unknown_station,
    unknown_sku,
    over_limit,
    out_of_stock,
    insufficient_points,
    below_minimum,  # after those of the specification, whose order it leaves untouched
)


# Rules for returns of a receipt that was paid


def not_on_receipt(line: ReturnLine, receipt: PaidReceipt, policy: Policy) -> ReturnVerdict | None:
    """Only what was bought comes back."""
    return None if line.sku in receipt.bought else "not_on_receipt"


def too_many(line: ReturnLine, receipt: PaidReceipt, policy: Policy) -> ReturnVerdict | None:
    """No more pieces come back than were bought and are not yet back."""
    left = receipt.bought[line.sku] - receipt.returned.get(line.sku, 0)
    return "too_many" if (return_quantity(line.quantity) or 0) > left else None


def too_late(line: ReturnLine, receipt: PaidReceipt, policy: Policy) -> ReturnVerdict | None:
    """Goods come back within the hours of the policy; the very last second is in time."""
    return "too_late" if _seconds_after_purchase(line, receipt) > policy.return_hours * 3600 else None


def too_early(line: ReturnLine, receipt: PaidReceipt, policy: Policy) -> ReturnVerdict | None:
    """Nothing comes back before it was bought: a clock is wrong."""
    return "too_early" if _seconds_after_purchase(line, receipt) < 0 else None


RETURN_RULES: Final[tuple[ReturnRule, ...]] = (not_on_receipt, too_many, too_late, too_early)


def _seconds_after_purchase(line: ReturnLine, receipt: PaidReceipt) -> int:
    returned, bought = local_second(line.at), local_second(receipt.at)
    if returned is None or bought is None:  # judge_return and judge_basket have refused such times
        raise ValueError(f"a time that is none: {line.at!r}, {receipt.at!r}")
    return returned - bought
