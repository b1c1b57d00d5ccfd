"""Goods that come to a shop, over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.postings import Delivery
from pointsbank.places.stations import stations
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import REFUSALS, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.shapes import ReceiptOut, receipt_out
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_at
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]


class GoodsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces of one sort of goods."""

    sku: Name
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)]


class DeliveryIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A delivery of one donor to one shop, all with one best-before date or none; `reference` is its own number."""

    reference: Name
    station: Name
    donor: Name
    goods: Annotated[tuple[GoodsIn, ...], Meta(min_length=1, max_length=100)]
    best_before: date | None = None


@post(
    "/deliveries",
    opt=needs("market:receive", bounded=True),
    responses=problems(*WRITING, *REFUSALS[:-1], "unknown-station", "unknown-sku"),
    **operation("Put goods onto a shop's shelf, in the donor's lot.", "商品入库"),
)
async def receive(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[DeliveryIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReceiptOut]:
    actor = actor_in(request)
    await require_at(bank, actor, "market:receive", station=data.station)
    station = (await bank.ask(stations, [data.station])).get(data.station)
    if station is None:
        raise ProblemError("unknown-station", station=data.station)
    known = bank.policies.policies[-1].goods
    for line in data.goods:
        if line.sku not in known:
            raise ProblemError("unknown-sku", sku=line.sku)
    delivery = Delivery(
        data.reference,
        station,
        data.donor,
        tuple((line.sku, line.quantity) for line in data.goods),
        data.best_before.isoformat() if data.best_before else "never",
    )
    command = Command(actor.client, idempotency_key, actor.name, data.station)
    [result] = await bank.market.receive([(delivery, command)])
    if isinstance(result, Refusal):
        raise refused(result)
    return answered(receipt_out(result), 201, replayed(result.replayed))
