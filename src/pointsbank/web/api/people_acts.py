"""What takes two members of staff: phones, corrections, cards, PINs, households, closings. And what one may stop."""

from __future__ import annotations

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pointsbank.access.people_desk import PeopleDesk
from pointsbank.ledger.refusals import Refusal
from pointsbank.people import acts
from pointsbank.people.acts import Act
from pointsbank.people.cards import ISSUING, Card, Cards, IssuedCard
from pointsbank.people.changes import Change
from pointsbank.web.api import passbooks, people, people_audit, people_gifts, people_merges
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, IdempotencyKey, operation, problems
from pointsbank.web.api.people_answers import COMMAND, desk_of, done, look, once, settling
from pointsbank.web.api.people_shapes import (
    AccountClosingIn,
    ActIn,
    ActOut,
    ActsOut,
    CardNumberIn,
    CardsOut,
    ChangeIn,
    ClosingOut,
    ConfirmedOut,
    PersonDone,
    PersonId,
    act_out,
    card_out,
    closing_out,
)
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs, person
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

CLOSING = ("points-left", "closing-waits", "closing-interrupted")


@post(
    "/{person_id:str}/changes",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, "person-data-invalid"),
    **operation("Propose a new phone, a correction, or the end of a freeze.", "提议变更（须另一人确认）"),
)
async def propose_change(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[ChangeIn],
    idempotency_key: IdempotencyKey,
) -> Response[ActOut]:
    actor = actor_in(request)
    change, again = await once(
        bank, request, idempotency_key, Change, (data.kind, data.value),
        lambda desk: desk.propose_change(actor, person_id, data.kind, data.value),
    )  # fmt: skip
    return answered(act_out(change), 201, replayed(again))


@post(
    "/{person_id:str}/changes/{change_id:str}/confirmation",
    opt=person("people:confirm", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-change", "person-exists"),
    **operation("Confirm a change that another proposed; the old phone and helpers are told.", "确认变更"),
)
async def confirm_change(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    change_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[ActOut]:
    actor = actor_in(request)
    change, again = await once(
        bank, request, idempotency_key, Change, (),
        lambda desk: desk.confirm_change(actor, person_id, change_id),
    )  # fmt: skip
    look(bank)
    return answered(act_out(change), headers=replayed(again))


@get(
    "/{person_id:str}/acts",
    opt=needs("people:read", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("What waits for a second member of staff.", "待确认事项"),
)
async def waiting(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId
) -> Response[ActsOut]:
    done(await desk_of(bank).cards(actor_in(request), person_id))  # asks for the same right
    found = await acts.proposals(desk_of(bank).store, person_id)
    return answered(ActsOut([act_out(act) for act in found]))


@post(
    "/{person_id:str}/acts",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, "unknown-card", "unknown-place", "not-a-group"),
    **operation(
        "Propose a card, the end of its freeze, leave to choose a PIN, or a household.",
        "提议办卡、解冻卡、重设 PIN、户籍变动（须另一人确认）",
    ),
)
async def propose_act(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[ActIn],
    idempotency_key: IdempotencyKey,
) -> Response[ActOut]:
    actor = actor_in(request)

    async def propose(desk: PeopleDesk) -> Act | Refusal:
        if data.kind == "household":
            return await desk.propose_household(actor, person_id, data.household, leaves=data.leaves)
        if data.kind == "pin-reset":
            return await desk.propose_pin(actor, person_id)
        return await desk.propose_card(actor, person_id, unfreezes=data.kind == "card-unfreezing")

    asked = (data.kind, data.household, str(data.leaves))
    act, again = await once(bank, request, idempotency_key, Act, asked, propose)
    return answered(act_out(act), 201, replayed(again))


@post(
    "/{person_id:str}/acts/{act_id:str}/confirmation",
    opt=person("people:confirm", bounded=True),
    status_code=200,
    responses=problems(
        *COMMAND, "unknown-change", "unknown-place", "not-a-group", "already-member", "in-another-household",
        "not-a-member", "place-not-open", "place-malformed", "stale-read", "state-changed", "document-exists",
    ),
    **operation(
        "Confirm what another proposed. A new card's token is told this once; it spends after a delay.",
        "确认办理（新卡的卡码只显示一次）",
    ),
)  # fmt: skip
async def confirm_act(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    act_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[ConfirmedOut]:
    actor = actor_in(request)
    kind = await acts.kind_of(desk_of(bank).store, person_id, act_id)
    if kind in ISSUING:
        issued, again = await once(
            bank, request, idempotency_key, Card, (),
            lambda desk: desk.confirm_card(actor, person_id, act_id),
        )  # fmt: skip
        out = (
            ConfirmedOut(None, card_out(issued.card), issued.token, issued.number)
            if isinstance(issued, IssuedCard)
            else ConfirmedOut(None, card_out(issued))
        )
    else:
        act, again = await once(
            bank, request, idempotency_key, Act, (), lambda desk: desk.confirm_act(actor, person_id, act_id)
        )
        if kind in ("card-unfreezing", "pin-reset") and bank.visits is not None:
            for card in await Cards(desk_of(bank).store).of(person_id):
                await bank.visits.pins.thaw(card.id)
        out = ConfirmedOut(act_out(act))
    look(bank)
    return answered(out, headers=replayed(again))


@get(
    "/{person_id:str}/cards",
    opt=needs("people:read", bounded=True),
    responses=problems(*READING, "step-up-required"),
    **operation("Every card that somebody ever had.", "查看卡"),
)
async def cards(bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId) -> Response[CardsOut]:
    found = done(await desk_of(bank).cards(actor_in(request), person_id))
    return answered(CardsOut([card_out(card) for card in found]))


@post(
    "/{person_id:str}/cards/freeze",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-card"),
    **operation("Stop somebody's card at once; the balance stays.", "立即冻结卡（余额不变）"),
)
async def freeze_card(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[PersonDone]:
    # freezing what is frozen changes nothing, so there is nothing to remember under the key
    done(await desk_of(bank).freeze_card(actor_in(request), person_id))
    if bank.visits is not None:
        await bank.visits.end_all(person_id)
    look(bank)
    return answered(PersonDone(person_id))


@post(
    "/freeze",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-card"),
    **operation(
        "Stop a card by the number that is printed on it, at any desk.", "按卡面号码冻结（任何站点）"
    ),
)
async def freeze_number(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[CardNumberIn],
    idempotency_key: IdempotencyKey,
) -> Response[PersonDone]:
    desk = desk_of(bank)
    holder = done(await desk.freeze_number(actor_in(request), data.number))
    if bank.visits is not None:
        await bank.visits.end_all(holder)
    look(bank)
    return answered(PersonDone(holder))


@post(
    "/{person_id:str}/closing",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, *CLOSING),
    **operation(
        "Close an account: without points at once, with points after a second person and a delay.",
        "申请注销（有积分的须另一人确认）",
    ),
)
async def ask_closing(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[AccountClosingIn],
    idempotency_key: IdempotencyKey,
) -> Response[ClosingOut]:
    actor = actor_in(request)
    if data.settlement == "nothing":  # an interrupted closing goes on by the same request
        closing = done(
            await desk_of(bank).ask_closing(actor, person_id, data.settlement, settling(bank, actor))
        )
        return answered(closing_out(closing), 201)
    act, again = await once(
        bank, request, idempotency_key, Act, (data.settlement,),
        lambda desk: desk.propose_closing(actor, person_id, data.settlement),
    )  # fmt: skip
    return answered(closing_out(act), 201, replayed(again))


@post(
    "/{person_id:str}/closing/{act_id:str}/confirmation",
    opt=person("people:close", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, *CLOSING, "unknown-change"),
    **operation(
        "Confirm a closing; repeated after the delay it goes on until everything is forgotten.", "确认注销"
    ),
)
async def confirm_closing(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    act_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[ClosingOut]:
    actor = actor_in(request)
    outcome = await desk_of(bank).confirm_closing(actor, person_id, act_id, settling(bank, actor))
    look(bank)
    return answered(closing_out(done(outcome)))


@delete(
    "/{person_id:str}/closing",
    opt=person("people:freeze", bounded=True),
    status_code=200,
    responses=problems(*COMMAND),
    **operation("Call a closing off that still waits; one is enough.", "中止注销"),
)
async def call_off(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[PersonDone]:
    refusal = await desk_of(bank).call_closing_off(actor_in(request), person_id)
    if refusal is not None:
        raise refused(refusal)
    return answered(PersonDone(person_id))


TAGS = ["people 人员"]
people_router = Router(
    "/people",
    route_handlers=[
        *people.HANDLERS, *people_audit.HANDLERS, *people_merges.HANDLERS, *people_gifts.HANDLERS,
        *passbooks.HANDLERS,
        propose_change, confirm_change, waiting, propose_act, confirm_act, cards, freeze_card,
        ask_closing, confirm_closing, call_off,
    ],
    tags=TAGS,
)  # fmt: skip
cards_router = Router("/cards", route_handlers=[freeze_number], tags=TAGS)
