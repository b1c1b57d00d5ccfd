"""What an auditor should look at, and what a verifier should know of overlaps, over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pointsbank.hours.risks import Overlap, Risk, overlaps, risks
from pointsbank.policy.calendar import start_of_day
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, operation, problems
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, may_at
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest

Since = Annotated[date, QueryParameter(description="from this day on")]


class RisksOut(msgspec.Struct, frozen=True):
    """What is worth a look: odd is not false. People are ids; `times` counts attempts that were refused."""

    risks: list[Risk]


class OverlapsOut(msgspec.Struct, frozen=True):
    """Attendance that was refused for an hour on file, with the names of both activities."""

    overlaps: list[Overlap]


@get(
    "/",
    opt=needs("cases:read"),
    responses=problems(*READING),
    **operation("What an auditor should look at, also attempts that were refused.", "风险清单"),
)
async def list_risks(bank: NamedDependency[Bank], since: Since) -> Response[RisksOut]:
    return answered(RisksOut(await bank.ask(risks, _zone(bank), since.isoformat(), _begins(bank, since))))


@get(
    "/overlaps",
    opt=needs("hours:verify", bounded=True),
    responses=problems(*READING),
    **operation(
        "Who was submitted for two activities of one time, at the verifier's places.", "时间重叠的活动"
    ),
)
async def list_overlaps(
    bank: NamedDependency[Bank], request: BankRequest, since: Since
) -> Response[OverlapsOut]:
    found: list[Overlap] = await bank.ask(overlaps, _zone(bank), _begins(bank, since))
    acts = [Act(one.station, person=one.person_id) for one in found]
    seen = await may_at(bank, actor_in(request), "hours:verify", acts)
    return answered(OverlapsOut([one for one, is_seen in zip(found, seen, strict=True) if is_seen]))


def _begins(bank: Bank, day: date) -> int:
    return start_of_day(day, _zone(bank))


def _zone(bank: Bank) -> str:
    return bank.policies.policies[-1].timezone


router = Router("/risks", route_handlers=[list_risks, list_overlaps], tags=["cases 追回与抽查"])
