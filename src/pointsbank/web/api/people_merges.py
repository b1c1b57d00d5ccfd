"""Two registrations of one person become one, and two again: by two members of staff each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.access.merge_desk import MergeDesk
from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.changes import Change
from pointsbank.policy.book import PolicyBook
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import IdempotencyKey, operation, problems
from pointsbank.web.api.people_answers import COMMAND, look, once
from pointsbank.web.api.people_shapes import ActOut, PersonId, act_out
from pointsbank.web.bank import Bank
from pointsbank.web.closings import merging_by
from pointsbank.web.guard import actor_in, person
from pointsbank.web.validation import BankRequest


class MergeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id under which the person goes on."""

    into: Annotated[str, Meta(min_length=36, max_length=36, pattern="^[0-9a-f-]+$")]


def merge_desk(desk: PeopleDesk, policies: PolicyBook) -> MergeDesk:
    """The desk of merges over a desk for people."""
    return MergeDesk(desk, merging_by(desk.ledger, policies))


@post(
    "/{person_id:str}/merges",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, "link-not-allowed"),
    **operation(
        "Propose that this registration is the same person as another, who goes on under the other's id.",
        "提议合并重复登记（须另一人确认）",
    ),
)
async def propose_merge(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    data: JSONBody[MergeIn],
    idempotency_key: IdempotencyKey,
) -> Response[ActOut]:
    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.propose(actor, person_id, data.into)

    return await _carried_out(bank, request, idempotency_key, (data.into,), act, 201)


@post(
    "/{person_id:str}/merges/undoing",
    opt=person("people:propose", bounded=True),
    responses=problems(*COMMAND, "link-not-allowed"),
    **operation("Propose that a merged id is a person of its own again.", "提议撤销合并（须另一人确认）"),
)
async def propose_undoing(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, idempotency_key: IdempotencyKey
) -> Response[ActOut]:
    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.propose_undoing(actor, person_id)

    return await _carried_out(bank, request, idempotency_key, (), act, 201)


@post(
    "/{person_id:str}/merges/{change_id:str}/confirmation",
    opt=person("people:confirm", bounded=True),
    status_code=200,
    responses=problems(
        *COMMAND, "link-not-allowed", "unknown-change", "unknown-case", "state-changed", "insufficient-balance",
        "stale-read",
    ),
    **operation(
        "Confirm a merge or its undoing that another proposed: overlapping hours are taken back, then all moves by one"
        " entry.",
        "确认合并或撤销合并",
    ),
)  # fmt: skip
async def confirm_merge(
    bank: NamedDependency[Bank],
    request: BankRequest,
    person_id: PersonId,
    change_id: PersonId,
    idempotency_key: IdempotencyKey,
) -> Response[ActOut]:
    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.confirm(actor, person_id, change_id)

    return await _carried_out(bank, request, idempotency_key, (), act, 200)


async def _carried_out(
    bank: Bank,
    request: BankRequest,
    key: str,
    asked: tuple[str, ...],
    act: Callable[[MergeDesk, Actor], Awaitable[Change | Refusal]],
    status: int,
) -> Response[ActOut]:
    actor = actor_in(request)
    change, again = await once(
        bank, request, key, Change, asked, lambda desk: act(merge_desk(desk, bank.policies), actor)
    )
    look(bank)
    return answered(act_out(change), status, replayed(again))


HANDLERS: list[Any] = [propose_merge, propose_undoing, confirm_merge]
