"""Redeeming with card and PIN, or with a dynamic code: at the terminal's own station, within the daily limit.

The cashier is logged in at the terminal and stands for the handing over; the holder has typed the PIN for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta
from sqlalchemy import Connection

from pointsbank.access.visit_rows import Visit
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.market.model import Basket, BasketLine
from pointsbank.market.rules import is_basket_quantity, pieces_of, price_of
from pointsbank.market.service import MarketRefused
from pointsbank.places.tree import places_by_id
from pointsbank.policy.calendar import city_day, city_second, second_text
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.market import SELLING, Line, once
from pointsbank.web.api.people_answers import done
from pointsbank.web.api.people_shapes import MaybeId
from pointsbank.web.api.slips import ReceiptSlip, receipt_slip
from pointsbank.web.api.visits import Secret, TerminalKey, visits_of
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs, own, visit_in
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest


class CodeBasketIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods for who shows a dynamic code. `guardian` as with a card."""

    code: Secret
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)]
    guardian: MaybeId = ""


class OwnBasketIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods that the holder of the card takes. `guardian` is the id of the session that the guardian of a
    child opened at this terminal, with card and PIN of their own."""

    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)]
    guardian: MaybeId = ""


@post(
    "/baskets",
    opt=own("own:redeem"),
    responses=problems(
        *WRITING, *SELLING, "form-expired", "unknown-terminal", "log-in-closed", "card-not-yet",
        "card-day-limit", "guardian-not-present", "step-up-required",
    ),
    **operation(
        "Redeem with card and PIN at the terminal, within the day's limit.", "持卡兑换（不超过当日限额）"
    ),
)  # fmt: skip
async def redeem(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[OwnBasketIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReceiptSlip]:
    visit = visit_in(request)

    async def stands() -> Visit:
        return visit

    return await _redeemed(
        bank, (visit.terminal, visit.place, visit.staff, visit.person), data.lines, idempotency_key, stands,
        data.guardian,
    )  # fmt: skip


@post(
    "/baskets",
    opt=needs("market:sell", bounded=True),
    responses=problems(
        *WRITING, *SELLING, "form-expired", "step-up-required", "unknown-terminal", "log-in-closed",
        "own-code-refused", "card-not-yet", "card-day-limit", "guardian-not-present",
    ),
    **operation(
        "Redeem for who shows a dynamic code at the terminal: the code is good for one basket.",
        "凭动态码兑换（不超过当日限额）",
    ),
)  # fmt: skip
async def redeem_by_code(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[CodeBasketIn],
    idempotency_key: IdempotencyKey,
    terminal_key: TerminalKey = "",
) -> Response[ReceiptSlip]:
    staff, door = actor_in(request), visits_of(bank)
    at, person = done(await door.whose_code(terminal_key, staff, data.code))

    async def stands() -> Visit:
        return done(await door.stand_by_code(at, staff, data.code))

    who = (at.id, at.place, staff.person, person)
    return await _redeemed(bank, who, data.lines, idempotency_key, stands, data.guardian)


async def _redeemed(
    bank: Bank,
    who: tuple[str, str, str, str],
    lines: tuple[Line, ...],
    key: str,
    stands: Callable[[], Awaitable[Visit]],
    guardian: str,
) -> Response[ReceiptSlip]:
    """Sell once under the key; `who` is terminal, place, member of staff and person, `stands` who stands there now.

    A repetition is answered before anybody has to stand there again. Raises ProblemError.
    """
    terminal, place, staff, person = who
    door = visits_of(bank)
    numbers = await door.registry.volunteer_numbers([person], staff, "redeem")
    number = numbers.get(person, "")
    station = await bank.ask(_station, place, city_day(bank.clock.now(), door.zone))
    command = Command(f"terminal:{terminal}", key, f"person:{staff}", station)

    async def sell() -> str | None:
        visit = await stands()
        basket = _basket(bank, terminal, station, number, lines)
        price = _price(bank, basket)
        beside = await door.beside(guardian, terminal) if guardian else None
        refusal = await door.may_redeem(visit, price, beside)
        if refusal is not None:
            raise refused(refusal)
        try:
            sale = await bank.market.sell(basket, command)
        except MarketRefused:  # of an outcome that nobody knows the day keeps count
            await door.not_redeemed(visit, price)
            raise
        if sale.receipt is None or sale.receipt.replayed:
            await door.not_redeemed(visit, price)
        if sale.receipt is not None:
            return None if sale.receipt.replayed else basket.receipt_no
        slug = sale.judgement.verdict.replace("_", "-")
        raise ProblemError(slug, id=basket.receipt_no, volunteer=person, station=station)

    asked = (terminal, station, person, *(x for line in lines for x in (line.sku, str(line.quantity))))
    reference, again = await once(bank, command, "receipt", sell, asked)
    slip = msgspec.structs.replace(await bank.ask(receipt_slip, reference), volunteer=number)
    return answered(slip, 201, replayed(again))


def _basket(bank: Bank, terminal: str, station: str, number: str, wanted: tuple[Line, ...]) -> Basket:
    lines = tuple(BasketLine(line.sku, str(line.quantity)) for line in wanted)
    now = second_text(city_second(bank.clock.now(), bank.policies.policies[-1].timezone))
    return Basket(new_id(), now, terminal, station, number, lines)


def _price(bank: Bank, basket: Basket) -> int:
    """What the basket costs in hundredths; nothing if its rules will refuse it anyway."""
    policy = bank.policies.in_force(city_day(bank.clock.now(), bank.policies.policies[-1].timezone))
    if not all(sku in policy.goods and is_basket_quantity(quantity) for sku, quantity in basket.lines):
        return 0
    return price_of(pieces_of(basket), policy)


def _station(connection: Connection, ledger_id: int, place_id: str, day: date) -> str:
    """The code of a place, empty if there is none on that day."""
    found = places_by_id(connection, ledger_id, [place_id], day).get(place_id)
    return found.code if found is not None else ""


router = Router("/me", route_handlers=[redeem], tags=["me 本人"])
code_router = Router("/visits", route_handlers=[redeem_by_code], tags=["terminals 终端"])
