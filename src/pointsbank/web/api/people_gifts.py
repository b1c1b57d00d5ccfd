"""Points that somebody gives to the household or to the fund: by two members of staff, after a notice and a delay."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.hours.gift_desk import GiftDesk
from pointsbank.hours.giving import Gift
from pointsbank.ledger.model import MAX_AMOUNT
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, IdempotencyKey, operation, problems
from pointsbank.web.api.people_answers import COMMAND, desk_of, done, look
from pointsbank.web.api.people_shapes import MaybeId, PersonId
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs, person
from pointsbank.web.validation import BankRequest

GIVING = (
    "unknown-case", "not-of-household", "amount-out-of-range", "debt-left", "insufficient-balance", "balance-cap",
    "stale-read", "state-changed", "invalid-draft", "document-exists",
)  # fmt: skip


class GiftIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points (hundredths) to give to a member of the household, or to the fund if `taker` is empty."""

    points: Annotated[int, Meta(ge=1, lt=MAX_AMOUNT)]
    taker: MaybeId = ""


class GiftOut(msgspec.Struct, frozen=True):
    """A gift; it may be confirmed from `ready_at` on and before `lapses_at`. `sequence` is its entry, 0 while there is none.

    `state`: proposed, given, called-off, or lapsed, which is a proposal that nobody confirmed in time.
    """

    id: str
    giver: str
    taker: str
    points: int
    state: str
    proposed_by: str
    proposed_at: datetime
    ready_at: datetime
    lapses_at: datetime
    decided_by: str
    sequence: int


class GiftsOut(msgspec.Struct, frozen=True):
    """Gifts of somebody, newest first."""

    gifts: list[GiftOut]


@post(
    "/{person_id:str}/gifts",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, *GIVING),
    **operation(
        "Propose that somebody gives points to the household or to the fund; the giver is told.",
        "提议转赠积分：捐给基金或转给家人（须另一人确认）",
    ),
)
async def propose_gift(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[GiftIn],
    idempotency_key: IdempotencyKey,
) -> Response[GiftOut]:
    actor, command = actor_in(request), _command(request, idempotency_key)
    gift = done(await _desk(bank).propose(actor, person_id, data.taker, data.points, command))
    look(bank)
    return answered(gift_out(gift), 201)


@post(
    "/{person_id:str}/gifts/{gift_id:str}/confirmation",
    opt=person("people:confirm", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, *GIVING, "gift-waits", "gift-decided"),
    **operation("Confirm a gift that another proposed, after the delay: the points move.", "确认转赠"),
)
async def confirm_gift(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    gift_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[GiftOut]:
    command = _command(request, idempotency_key)
    return answered(gift_out(done(await _desk(bank).confirm(actor_in(request), person_id, gift_id, command))))


@delete(
    "/{person_id:str}/gifts/{gift_id:str}",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-case", "state-changed", "gift-decided", "invalid-draft"),
    **operation("Stop a gift that waits; one is enough.", "中止转赠"),
)
async def call_gift_off(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    gift_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[GiftOut]:
    command = _command(request, idempotency_key)
    return answered(
        gift_out(done(await _desk(bank).call_off(actor_in(request), person_id, gift_id, command)))
    )


@get(
    "/{person_id:str}/gifts",
    opt=needs("people:read", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("What somebody gave or is to give.", "转赠记录"),
)
async def gifts(bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId) -> Response[GiftsOut]:
    found = done(await _desk(bank).of(actor_in(request), person_id))
    return answered(GiftsOut([gift_out(gift) for gift in found]))


def gift_out(gift: Gift) -> GiftOut:
    """A gift as it is answered."""
    return GiftOut(
        gift.gift_id, gift.giver, gift.taker, gift.points, gift.state, gift.proposed_by, when(gift.proposed_at),
        when(gift.ready_at), when(gift.lapses_at), gift.decided_by, gift.sequence,
    )  # fmt: skip


def _desk(bank: Bank) -> GiftDesk:
    return GiftDesk(desk_of(bank), bank.policies)


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


HANDLERS: list[Any] = [propose_gift, confirm_gift, call_gift_off, gifts]
