"""The love supermarket's till over HTTP: sell a basket, take goods back, look a receipt up.

The server's clock dates a sale. A till repeats a command under its key until it hears an answer, so a key
that has sold something is answered with that receipt before anything is judged again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from pointsbank.access.model import Actor
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import KeyConflict
from pointsbank.market.model import Basket, BasketLine, ReturnLine
from pointsbank.market.service import MarketRefused, Sale
from pointsbank.people.directory import directory_of
from pointsbank.people.identity import masked_number
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.calendar import city_second, second_text
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.deliveries import receive
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.slips import ReceiptSlip, ReturnSlip, made_by_key, receipt_slip, return_slip, slip_of
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_at
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

BASKETS_PATH = "/api/v1/market/baskets"

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
Pieces = Annotated[int, Meta(ge=1, le=10_000)]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some pieces of one sort of goods."""

    sku: Name
    quantity: Pieces


class BasketIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods that a volunteer takes at a station's till."""

    terminal: Name
    station: Name
    volunteer: Name
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)]


class ReturnIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods of one receipt that come back."""

    receipt: Name
    sku: Name
    quantity: Pieces


SELLING = (
    "idempotency-conflict",
    "malformed",
    "unknown-volunteer",
    "unknown-station",
    "unknown-sku",
    "bad-quantity",
    "over-limit",
    "out-of-stock",
    "insufficient-points",
    "below-minimum",
    "stale-read",
    "insufficient-balance",
    "duplicate",
    "conflict",
)
RETURNING = (
    "idempotency-conflict",
    "malformed",
    "unknown-receipt",
    "not-on-receipt",
    "too-many",
    "too-late",
    "too-early",
    "bad-quantity",
    "stale-read",
    "duplicate",
    "conflict",
)


@post(
    "/baskets",
    opt=needs("market:sell", bounded=True),
    responses=problems(*WRITING, *SELLING, "holder-not-present"),
    **operation(
        "Sell a basket: points and goods in one entry, or nothing. On a live ledger a till of its own right does so; "
        "staff sell to a card with PIN or to a dynamic code.",
        "兑换：积分与商品一笔入账，或全不变",
    ),
)
async def sell_basket(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[BasketIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReceiptSlip]:
    actor = actor_in(request)
    known = (await directory_of(bank.ledger).by_number([data.volunteer])).get(data.volunteer)
    person = known.id if known is not None else ""
    await require_at(bank, actor, "market:sell", station=data.station, person=person)
    if actor.person and bank.profile == "live":  # a number is no proof that its holder stands here
        raise ProblemError("holder-not-present")
    slip, headers = await sell_at_till(bank, actor, data, known, idempotency_key)
    return answered(slip, 201, headers)


async def sell_at_till(
    bank: Bank, actor: Actor, data: BasketIn, known: Volunteer | None, key: str
) -> tuple[ReceiptSlip, dict[str, str]]:
    """Sell to who has the number, at a till that may sell there: the receipt with its headers. Raises ProblemError."""
    person = known.id if known is not None else ""
    command = Command(actor.client, key, actor.name, data.station)

    sold: list[Sale] = []

    async def sell() -> str | None:
        lines = tuple(BasketLine(line.sku, str(line.quantity)) for line in data.lines)
        basket = Basket(new_id(), _now(bank), data.terminal, data.station, data.volunteer, lines)
        sale = await bank.market.sell(basket, command, known)
        if sale.receipt is not None:
            sold.append(sale)
            return None if sale.receipt.replayed else basket.receipt_no
        slug = sale.judgement.verdict.replace("_", "-")
        raise ProblemError(
            slug, id=basket.receipt_no, volunteer=masked_number(data.volunteer), station=data.station
        )

    asked = (
        data.terminal,
        data.station,
        person,
        *(x for ln in data.lines for x in (ln.sku, str(ln.quantity))),
    )
    # a till seldom asks twice: whether the key has sold before, the ledger says in the same breath
    reference, again = await once(bank, command, "receipt", sell, asked, looks_first=False)
    slip = await bank.ask(receipt_slip, reference) if again else slip_of(sold[0])
    slip = msgspec.structs.replace(slip, volunteer=data.volunteer)
    headers = {"Location": f"/api/v1/market/baskets/{reference}", **replayed(again)}
    return slip, headers


@get(
    "/baskets/{reference:str}",
    opt=needs("market:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("A receipt.", "查一张小票"),
)
async def get_basket(
    bank: NamedDependency[Bank],
    request: BankRequest,
    reference: Annotated[str, PathParameter(min_length=1, max_length=64)],
) -> Response[ReceiptSlip]:
    slip: ReceiptSlip | None = await _receipt(bank, reference)
    actor = actor_in(request)
    await require_at(bank, actor, "market:read", station=slip.station if slip else "")
    found = _there(slip)
    numbers = await directory_of(bank.ledger).numbers([found.volunteer], actor.name, "receipt")
    return answered(msgspec.structs.replace(found, volunteer=numbers.get(found.volunteer, "")))


@post(
    "/returns",
    opt=needs("market:return", bounded=True),
    responses=problems(*WRITING, *RETURNING),
    **operation(
        "Take goods of a receipt back: points into the lots they came from, goods onto the shelf.",
        "退货：积分退回原批次，商品放回货架",
    ),
)
async def take_back(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[ReturnIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReturnSlip]:
    actor = actor_in(request)
    sale = await _receipt(bank, data.receipt) if actor.person else None
    await require_at(
        bank,
        actor,
        "market:return",
        station=sale.station if sale else "",
        person=sale.volunteer if sale else "",
    )
    command = Command(actor.client, idempotency_key, actor.name)

    async def take() -> str | None:
        line = ReturnLine(new_id(), _now(bank), data.receipt, data.sku, str(data.quantity))
        back = await bank.market.take_back(line, command)
        if back.receipt is not None:
            return None if back.receipt.replayed else line.return_no
        raise ProblemError(back.judgement.verdict.replace("_", "-"), id=line.return_no, receipt=data.receipt)

    asked = (data.receipt, data.sku, str(data.quantity))
    reference, again = await once(bank, command, "return", take, asked)
    slip = await bank.ask(return_slip, reference)
    return answered(slip, 201, {"Location": f"/api/v1/market/returns/{reference}", **replayed(again)})


@get(
    "/returns/{reference:str}",
    opt=needs("market:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("A return.", "查一张退货单"),
)
async def get_return(
    bank: NamedDependency[Bank],
    request: BankRequest,
    reference: Annotated[str, PathParameter(min_length=1, max_length=64)],
) -> Response[ReturnSlip]:
    slip: ReturnSlip | None = await bank.ask(return_slip, reference) if reference.isprintable() else None
    actor = actor_in(request)
    sale = await _receipt(bank, slip.receipt) if slip and actor.person else None
    await require_at(bank, actor, "market:read", station=sale.station if sale else "")
    return answered(_there(slip))


async def _receipt(bank: Bank, reference: str) -> ReceiptSlip | None:
    slip: ReceiptSlip | None = await bank.ask(receipt_slip, reference) if reference.isprintable() else None
    return slip


async def once(
    bank: Bank,
    command: Command,
    document: str,
    act: Callable[[], Awaitable[str | None]],
    asked: tuple[str, ...],
    *,
    looks_first: bool = True,
) -> tuple[str, bool]:
    """Act unless the key has acted before; the reference of the document, and whether it is from before.

    Two repetitions at one moment may both begin: who comes second finds the first one's document afterwards.
    `act` gives the reference of what it made, None if the ledger knew the key already; it may begin without a look at
    earlier documents if it does nothing else that a repetition must not do.
    """
    earlier = await _earlier(bank, command, document, asked) if looks_first else None
    if earlier is not None:
        return earlier, True
    refusal: ProblemError | None = None
    try:
        reference = await act()
        if reference is not None:
            return reference, False
    except MarketRefused as error:
        refusal = refused(error.refusal)
    except ProblemError as error:
        refusal = error
    earlier = await _earlier(bank, command, document, asked)
    if earlier is not None:
        return earlier, True
    raise refusal or ProblemError("internal-error")


async def _earlier(bank: Bank, command: Command, document: str, asked: tuple[str, ...]) -> str | None:
    """The document that this key made before. Raises ProblemError if that was another request."""
    found = await bank.ask(made_by_key, command.client, command.key, document)
    if found is None:
        return None
    reference, content = found
    if content != asked:
        raise refused(KeyConflict(command.key))
    return str(reference)


def _there(slip: Any) -> Any:
    if slip is None:
        raise ProblemError("not-found")
    return slip


def _now(bank: Bank) -> str:
    return second_text(city_second(bank.clock.now(), bank.policies.policies[-1].timezone))


router = Router(
    "/market",
    route_handlers=[sell_basket, get_basket, take_back, get_return, receive],
    tags=["market 爱心超市"],
)
