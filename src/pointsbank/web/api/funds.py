"""Funds over HTTP: what they stand for, and their budgets, each change by two people."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.funds.postings import BudgetChange
from pointsbank.funds.reading import FundState, funds
from pointsbank.funds.service import Budgets, changes_of
from pointsbank.ledger.model import MAX_AMOUNT
from pointsbank.policy.calendar import city_day
from pointsbank.web.api.activities import PathId, done
from pointsbank.web.api.activity_shapes import Id
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest

DocumentNo = Annotated[
    str,
    Meta(max_length=100, pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$"),
]
STEPS: Final = ("idempotency-conflict", "invalid-draft", "state-changed", "document-exists", "four-eyes",
                "unknown-fund", "fund-exists", "fund-without-end", "amount-out-of-range")  # fmt: skip
DECIDING: Final = (*STEPS, "unknown-budget-change", "budget-change-decided", "budget-below-issued",
                   "fund-queue-stopped")  # fmt: skip


class BudgetChangeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much a budget is raised, or cut below 0 (hundredths of a point), and the number of the city's decision."""

    fund: Id
    points: Annotated[int, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    document_no: DocumentNo = ""


class ApprovalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the second person decides."""

    approve: bool


class FundsOut(msgspec.Struct, frozen=True):
    """Every fund as it stands, as of a sequence number. Points in hundredths, money in 1/100 yuan."""

    as_of: int
    funds: list[FundState]


class BudgetChangesOut(msgspec.Struct, frozen=True):
    """Changes of budgets, the newest first."""

    changes: list[BudgetChange]


@get(
    "/",
    opt=needs("funds:read"),
    responses=problems(*READING),
    **operation("Budget, issued, promised, burn rate and queue of every fund.", "基金概况"),
)
async def list_funds(bank: NamedDependency[Bank]) -> Response[FundsOut]:
    policy = bank.policies.policies[-1]
    today = city_day(bank.clock.now(), policy.timezone)
    return answered(FundsOut(*await bank.as_of(funds, today, policy.timezone, policy.fen_per_point)))


@get(
    "/budget-changes",
    opt=needs("funds:read"),
    responses=problems(*READING),
    **operation("Changes of budgets, the newest first.", "预算调整记录"),
)
async def list_changes(
    bank: NamedDependency[Bank],
    fund: Annotated[str, QueryParameter(max_length=64, pattern="^[A-Za-z0-9._-]*$")] = "",
) -> Response[BudgetChangesOut]:
    return answered(BudgetChangesOut(await bank.ask(changes_of, fund)))


@post(
    "/budget-changes",
    opt=needs("funds:manage"),
    responses=problems(*WRITING, *STEPS),
    **operation("Propose to raise or cut a budget; another person decides.", "申请调整预算"),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[BudgetChangeIn],
    idempotency_key: IdempotencyKey,
) -> Response[BudgetChange]:
    change = await _desk(bank).propose(
        data.fund,
        data.points,
        by_of(request),
        _command(request, idempotency_key),
        document_no=data.document_no,
    )
    return answered(done(change), 201)


@post(
    "/budget-changes/{change_id:str}/decision",
    opt=needs("funds:manage"),
    status_code=200,
    responses=problems(*WRITING, *DECIDING),
    **operation("Decide a proposed change as a second person; a raise pays what waits.", "审定预算调整"),
)
async def decide(
    bank: NamedDependency[Bank],
    request: BankRequest,
    change_id: PathId,
    data: JSONBody[ApprovalIn],
    idempotency_key: IdempotencyKey,
) -> Response[BudgetChange]:
    change = await _desk(bank).decide(
        change_id, by_of(request), _command(request, idempotency_key), approve=data.approve
    )
    return answered(done(change))


def _desk(bank: Bank) -> Budgets:
    return Budgets(bank.ledger, bank.policies)


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


router = Router("/funds", route_handlers=[list_funds, list_changes, propose, decide], tags=["funds 基金"])
