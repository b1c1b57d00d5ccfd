"""The love supermarket's till over HTTP: sell a basket, take goods back, look a receipt up.

The server's clock dates a sale. A till repeats a command under its key until it hears an answer, so a key that has
sold something is answered with that receipt before anything is judged again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import KeyConflict
from pointsbank.market.model import Basket, BasketLine, ReturnLine
from pointsbank.intake.lines import parts_of
from pointsbank.market.service import MarketRefused
from pointsbank.market.tables import receipt_lines, receipts, returns
from pointsbank.policy.calendar import city_second, second_text
from pointsbank.readers.journal import entry_by_key
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

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


class SoldLine(msgspec.Struct, frozen=True):
    """Pieces of one sort of goods at the price paid for each, in hundredths of a point."""

    sku: str
    pieces: int
    unit_price: int


class ReceiptSlip(msgspec.Struct, frozen=True):
    """A receipt (小票). `reference` names it in the city, `number` is the terminal's own, without gap.

    `price` in hundredths of a point; `state` is sold or reversed; `at` is the city's time.
    """

    reference: str
    terminal: str
    number: int
    station: str
    volunteer: str
    at: str
    price: int
    state: str
    sequence: int
    lines: list[SoldLine]


class ReturnIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods of one receipt that come back."""

    receipt: Name
    sku: Name
    quantity: Pieces


class ReturnSlip(msgspec.Struct, frozen=True):
    """A return (退货单). `points` in hundredths went back into the lots that they came from."""

    reference: str
    receipt: str
    terminal: str
    number: int
    sku: str
    pieces: int
    points: int
    at: str
    state: str
    sequence: int


SELLING = (
    "idempotency-conflict", "malformed", "unknown-volunteer", "unknown-station", "unknown-sku", "bad-quantity",
    "over-limit", "out-of-stock", "insufficient-points", "stale-read", "insufficient-balance", "duplicate", "conflict",
)
RETURNING = (
    "idempotency-conflict", "malformed", "unknown-receipt", "not-on-receipt", "too-many", "too-late", "too-early",
    "bad-quantity", "stale-read", "duplicate", "conflict",
)


@post(
    "/baskets", opt=needs("market:sell"), responses=problems(*WRITING, *SELLING),
    **operation("Sell a basket: points and goods in one entry, or nothing.", "兑换：积分与商品一笔入账，或全不变"),
)
async def sell_basket(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[BasketIn], idempotency_key: IdempotencyKey
) -> Response[ReceiptSlip]:
    actor = actor_in(request)
    command = Command(actor.client, idempotency_key, actor.name, data.station)

    async def sell() -> str | None:
        lines = tuple(BasketLine(line.sku, str(line.quantity)) for line in data.lines)
        basket = Basket(new_id(), _now(bank), data.terminal, data.station, data.volunteer, lines)
        sale = await bank.market.sell(basket, command)
        if sale.receipt is not None:
            return basket.receipt_no
        facts = {"id": basket.receipt_no, "volunteer": data.volunteer, "station": data.station}
        raise ProblemError(sale.judgement.verdict.replace("_", "-"), **facts)

    asked = (data.terminal, data.station, data.volunteer, *(x for ln in data.lines for x in (ln.sku, str(ln.quantity))))
    reference, again = await _once(bank, command, "receipt", sell, asked)
    slip = await bank.ask(receipt_slip, reference)
    headers = {"Location": f"/api/v1/market/baskets/{reference}", **replayed(again)}
    return answered(slip, 201, headers)


@get(
    "/baskets/{reference:str}", opt=needs("market:read"), responses=problems(*READING, "not-found"),
    **operation("A receipt.", "查一张小票"),
)
async def get_basket(
    bank: NamedDependency[Bank], reference: Annotated[str, PathParameter(min_length=1, max_length=64)]
) -> Response[ReceiptSlip]:
    return answered(_there(await bank.ask(receipt_slip, reference) if reference.isprintable() else None))


@post(
    "/returns", opt=needs("market:return"), responses=problems(*WRITING, *RETURNING),
    **operation(
        "Take goods of a receipt back: points into the lots they came from, goods onto the shelf.",
        "退货：积分退回原批次，商品放回货架",
    ),
)
async def take_back(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[ReturnIn], idempotency_key: IdempotencyKey
) -> Response[ReturnSlip]:
    actor = actor_in(request)
    command = Command(actor.client, idempotency_key, actor.name)

    async def take() -> str | None:
        line = ReturnLine(new_id(), _now(bank), data.receipt, data.sku, str(data.quantity))
        back = await bank.market.take_back(line, command)
        if back.receipt is not None:
            return line.return_no
        raise ProblemError(back.judgement.verdict.replace("_", "-"), id=line.return_no, receipt=data.receipt)

    asked = (data.receipt, data.sku, str(data.quantity))
    reference, again = await _once(bank, command, "return", take, asked)
    slip = await bank.ask(return_slip, reference)
    return answered(slip, 201, {"Location": f"/api/v1/market/returns/{reference}", **replayed(again)})


@get(
    "/returns/{reference:str}", opt=needs("market:read"), responses=problems(*READING, "not-found"),
    **operation("A return.", "查一张退货单"),
)
async def get_return(
    bank: NamedDependency[Bank], reference: Annotated[str, PathParameter(min_length=1, max_length=64)]
) -> Response[ReturnSlip]:
    return answered(_there(await bank.ask(return_slip, reference) if reference.isprintable() else None))


async def _once(
    bank: Bank, command: Command, document: str, act: Callable[[], Awaitable[str | None]], asked: tuple[str, ...]
) -> tuple[str, bool]:
    """Act unless the key has acted before; the reference of the document, and whether it is from before.

    Two repetitions at one moment may both begin: who comes second finds the first one's document afterwards.
    """
    earlier = await _earlier(bank, command, document, asked)
    if earlier is not None:
        return earlier, True
    try:
        reference = await act()
    except MarketRefused as error:
        earlier = await _earlier(bank, command, document, asked)
        if earlier is None:
            raise refused(error.refusal) from error
        return earlier, True
    except ProblemError:
        earlier = await _earlier(bank, command, document, asked)
        if earlier is None:
            raise
        return earlier, True
    assert reference is not None
    return reference, False


async def _earlier(bank: Bank, command: Command, document: str, asked: tuple[str, ...]) -> str | None:
    """The document that this key made before. Raises ProblemError if that was another request."""
    found = await bank.ask(_made_by_key, command.client, command.key, document)
    if found is None:
        return None
    reference, content = found
    if content != asked:
        raise refused(KeyConflict(command.key))
    return str(reference)


def _made_by_key(
    connection: Connection, ledger_id: int, client: str, key: str, document: str
) -> tuple[str, tuple[str, ...]] | None:
    """Reference and content (without its time) of the receipt or return that a key made; empty if something else."""
    entry = entry_by_key(connection, ledger_id, client, key)
    if entry is None:
        return None
    kind, _, rest = entry.documents.partition("/")
    reference = rest.rpartition("/")[0]
    if kind != document:
        return reference, ()
    table = receipts if document == "receipt" else returns
    content = connection.execute(
        select(table.c.content).where(table.c.ledger_id == ledger_id, table.c.reference == reference)
    ).scalar_one()
    return reference, parts_of(content)[1:]


def _there(slip: Any) -> Any:
    if slip is None:
        raise ProblemError("not-found")
    return slip


def _now(bank: Bank) -> str:
    return second_text(city_second(bank.clock.now(), bank.policies.policies[-1].timezone))


def receipt_slip(connection: Connection, ledger_id: int, reference: str) -> ReceiptSlip | None:
    """A receipt that was sold, with its lines."""
    t, ln = receipts.c, receipt_lines.c
    row = connection.execute(
        select(t.reference, t.terminal, t.number, t.station, t.volunteer, t.at, t.price, t.state, t.sequence).where(
            t.ledger_id == ledger_id, t.reference == reference, t.sequence > 0
        )
    ).one_or_none()
    if row is None:
        return None
    lines = connection.execute(
        select(ln.sku, ln.pieces, ln.unit_price)
        .where(ln.ledger_id == ledger_id, ln.reference == reference)
        .order_by(ln.sku)
    )
    return ReceiptSlip(*row, lines=[SoldLine(*line) for line in lines])


def return_slip(connection: Connection, ledger_id: int, reference: str) -> ReturnSlip | None:
    """A return that was taken."""
    t = returns.c
    row = connection.execute(
        select(
            t.reference, t.receipt, t.terminal, t.number, t.sku, t.pieces, t.points, t.at, t.state, t.sequence
        ).where(t.ledger_id == ledger_id, t.reference == reference, t.sequence > 0)
    ).one_or_none()
    return None if row is None else ReturnSlip(*row)


router = Router("/market", route_handlers=[sell_basket, get_basket, take_back, get_return], tags=["market 爱心超市"])
