"""What an auditor looks at: who saw whom and why, and what was searched too much. Nobody's values, only ids."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, Limit, operation, problems
from pointsbank.web.api.people_answers import desk_of, done
from pointsbank.web.api.people_shapes import PersonId
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, person
from pointsbank.web.validation import BankRequest


class SightingOut(msgspec.Struct, frozen=True):
    """Somebody saw something of a person: when, who, what, and the reason that was given."""

    at: datetime
    actor: str
    action: str
    field: str
    reason: str


class SightingsOut(msgspec.Struct, frozen=True):
    """Who saw a person, newest first."""

    sightings: list[SightingOut]


class PeopleFlagOut(msgspec.Struct, frozen=True):
    """Something to look at: `period` is the city's hour in which it happened, `count` how often."""

    kind: str
    actor: str
    period: str
    at: datetime
    count: int


class PeopleFlagsOut(msgspec.Struct, frozen=True):
    """Risk flags about searching, newest first."""

    flags: list[PeopleFlagOut]


@get(
    "/{person_id:str}/sightings",
    opt=person("people:audit", bounded=True),
    responses=problems(*READING),
    **operation("Who saw a person, when and why.", "谁查看过此人"),
)
async def sightings(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId, limit: Limit = 100
) -> Response[SightingsOut]:
    found = done(await desk_of(bank).sightings(actor_in(request), person_id, limit))
    return answered(
        SightingsOut([SightingOut(when(s.at), s.actor, s.action, s.field, s.reason) for s in found])
    )


@get(
    "/risk-flags",
    opt=person("people:audit"),
    responses=problems(*READING),
    **operation("Who searched more than one should.", "查找风险提示"),
)
async def risk_flags(bank: NamedDependency[Bank], limit: Limit = 100) -> Response[PeopleFlagsOut]:
    found = await desk_of(bank).registry.risk_flags(limit=limit)
    return answered(
        PeopleFlagsOut([PeopleFlagOut(f.kind, f.actor, f.period, when(f.at), f.count) for f in found])
    )


HANDLERS = (sightings, risk_flags)
