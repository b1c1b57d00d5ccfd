"""Jobs of the bank over HTTP: release what stood on notice long enough, take what has expired. They have no choice.

Each may be stopped and run again at any time; a repetition does what is left.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.points.service import ExpiryRefused, expire
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import WRITING, IdempotencyKey, operation, problems
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import today
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.posting import request_of
from pointsbank.web.problems import FieldError, ProblemError, refused
from pointsbank.web.validation import BankRequest

CLAIMING: Final = ("idempotency-conflict", "stale-read", "state-changed")


class JobIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As of which day of the city's calendar; today without it, never a day to come."""

    as_of: date | None = None


class JobOut(msgspec.Struct, frozen=True):
    """How many records or lots were moved, as of which day."""

    as_of: date
    count: int


@post(
    "/release",
    opt=needs("hours:release"),
    status_code=200,
    responses=problems(*WRITING, *CLAIMING),
    **operation("Release the points of records whose public notice has ended.", "公示期满入账"),
)
async def release(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[JobIn], idempotency_key: IdempotencyKey
) -> Response[JobOut]:
    day, again = await _claim(bank, request, data, idempotency_key, "release")
    count = 0
    async for released in bank.hours.release(day):
        count += released
    return answered(JobOut(day, count), headers=replayed(again))


@post(
    "/expiry",
    opt=needs("points:expire"),
    status_code=200,
    responses=problems(*WRITING, *CLAIMING),
    **operation("Take expired points out of the wallets.", "积分到期处理"),
)
async def expire_points(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[JobIn], idempotency_key: IdempotencyKey
) -> Response[JobOut]:
    day, again = await _claim(bank, request, data, idempotency_key, "expire")
    count = 0
    try:
        async for taken in expire(bank.ledger, day, bank.policies.policies[-1].timezone):
            count += taken
    except ExpiryRefused as error:
        raise refused(error.refusal) from error
    return answered(JobOut(day, count), headers=replayed(again))


async def _claim(bank: Bank, request: BankRequest, data: JobIn, key: str, job: str) -> tuple[date, bool]:
    """The day of a job, and whether its key was used before: the same key for another day is a conflict."""
    now = today(bank)
    day = data.as_of or now
    if day > now:
        fault = FieldError(
            "body", "as_of", "Expected today or a day before: nothing is released or expires early"
        )
        raise ProblemError("invalid-request", errors=[fault], count=1)
    actor = actor_in(request)
    command = Command(actor.client, key, actor.name)
    digest = request_of("POST", request.scope["path"], data)
    claim = Draft(f"run-{job}", command.key, command.client, digest, 0, actor=command.actor)
    [claimed] = await bank.ledger.submit([claim], frozenset())
    if isinstance(claimed, Refusal):
        raise refused(claimed)
    return day, claimed.replayed


router = Router("/jobs", route_handlers=[release, expire_points], tags=["jobs 定时任务"])
"""Verification and exports are no jobs of the service: they run beside it, from the command line, over one snapshot."""
