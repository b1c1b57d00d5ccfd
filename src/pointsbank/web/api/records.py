"""The life of a record over HTTP: verify, reject, withdraw, object, decide, and where an hour stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.hours.notices import NO_INDEX, PublicNotice
from pointsbank.hours.objections import Objection
from pointsbank.hours.status import Standing
from pointsbank.hours.submission import LineOutcome
from pointsbank.hours.verification import Outcome
from pointsbank.hours.whereabouts import of_records, of_sessions
from pointsbank.web.api.activities import done, micros_in
from pointsbank.web.api.activity_shapes import Id, Reason, Time
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of, desks_of
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, may_at, require_found
from pointsbank.web.guard import PUBLIC, actor_in, needs
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest

MAX_RECORDS: Final = 1000

RecordId = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[!-~]+$")]
RecordPath = Annotated[str, PathParameter(min_length=1, max_length=200, pattern="^[!-~]+$")]
STEPS: Final = ("unknown-record", "wrong-record-state", "four-eyes", "reason-invalid", "too-many-lines",
                "stale-read", "state-changed", "document-exists", "idempotency-conflict", "invalid-draft",
                "insufficient-balance", "already-reversed", "not-reversible", "unknown-entry")  # fmt: skip


class RecordsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records to verify or withdraw, in this order."""

    records: Annotated[list[RecordId], Meta(min_length=1, max_length=MAX_RECORDS)]


class RejectionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records to reject, with the reason as a code."""

    records: Annotated[list[RecordId], Meta(min_length=1, max_length=MAX_RECORDS)]
    reason: Reason


class ObjectionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody objects, as a code."""

    reason: Reason


class RulingIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Upheld: the credit is reversed. Not upheld: the notice goes on."""

    uphold: bool
    reason: Reason


class CorrectionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The times as they should have been."""

    in_at: Time
    out_at: Time


class Outcomes(msgspec.Struct, frozen=True):
    """What became of each record; `refusal` is empty where the step was taken."""

    records: list[Outcome]


class StepOut(msgspec.Struct, frozen=True):
    """A step of a record's life: what, when, where."""

    step: str
    at: datetime
    by: str
    place: str
    device: str
    reason: str


class StandingOut(msgspec.Struct, frozen=True):
    """Where an hour stands, the next step and the latest date for it. Minutes of merit, points in hundredths."""

    record_id: str
    activity: str
    day: str
    state: str
    minutes: int
    points: int
    cut_minutes: int
    unfunded: int
    capped: int
    next_step: str
    due_on: str
    available_on: str
    expires_on: str
    steps: list[StepOut]


class RecordStandingOut(StandingOut, frozen=True):
    """Where one record stands, as of a sequence number."""

    as_of: int


class StandingsOut(msgspec.Struct, frozen=True):
    """Every hour of a volunteer, newest first, and the points that are owed (hundredths), as of a sequence number."""

    as_of: int
    hours: list[StandingOut]
    owed: int


@post(
    "/verifications",
    opt=needs("hours:verify", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *STEPS),
    **operation("Verify records that somebody else has submitted.", "核验服务记录"),
)
async def verify(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[RecordsIn],
    idempotency_key: IdempotencyKey,
) -> Response[Outcomes]:
    await require_found(bank, actor_in(request), "hours:verify", of_records, data.records, about=False)
    told = await desks_of(bank).verifying.verify(
        data.records, by_of(request), _command(request, idempotency_key)
    )
    return answered(Outcomes(done(told)))


@post(
    "/rejections",
    opt=needs("hours:verify", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *STEPS),
    **operation("Reject records: they earn nothing and their time is free again.", "退回服务记录"),
)
async def reject(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[RejectionIn],
    idempotency_key: IdempotencyKey,
) -> Response[Outcomes]:
    await require_found(bank, actor_in(request), "hours:verify", of_records, data.records, about=False)
    told = await desks_of(bank).verifying.reject(
        data.records, data.reason, by_of(request), _command(request, idempotency_key)
    )
    return answered(Outcomes(done(told)))


@post(
    "/withdrawals",
    opt=needs("hours:submit", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *STEPS),
    **operation("Take back records that one has submitted oneself.", "撤回服务记录"),
)
async def withdraw(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[RecordsIn],
    idempotency_key: IdempotencyKey,
) -> Response[Outcomes]:
    await require_found(bank, actor_in(request), "hours:submit", of_records, data.records, about=False)
    told = await desks_of(bank).verifying.withdraw(
        data.records, by_of(request), _command(request, idempotency_key)
    )
    return answered(Outcomes(done(told)))


@post(
    "/{record_id:str}/objection",
    opt=needs("hours:object", bounded=True),
    responses=problems(*WRITING, *STEPS),
    **operation("Object to a record on notice; it is frozen until somebody else has decided.", "提出异议"),
)
async def object_to(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: RecordPath,
    data: JSONBody[ObjectionIn],
    idempotency_key: IdempotencyKey,
) -> Response[Objection]:
    await require_found(bank, actor_in(request), "hours:object", of_records, [record_id])
    case = await desks_of(bank).objecting.object(
        record_id, data.reason, by_of(request), _command(request, idempotency_key)
    )
    return answered(done(case), 201)


@post(
    "/{record_id:str}/decision",
    opt=needs("hours:decide", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *STEPS),
    **operation("Decide the open objection to a record.", "裁定异议"),
)
async def decide(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: RecordPath,
    data: JSONBody[RulingIn],
    idempotency_key: IdempotencyKey,
) -> Response[Objection]:
    await require_found(bank, actor_in(request), "hours:decide", of_records, [record_id])
    case = await desks_of(bank).objecting.decide(
        record_id, data.reason, by_of(request), _command(request, idempotency_key), uphold=data.uphold
    )
    return answered(done(case))


@post(
    "/{record_id:str}/appeal",
    opt=needs("hours:object", bounded=True),
    responses=problems(*WRITING, *STEPS, "appeal-too-late"),
    **operation("Appeal as the volunteer whose hours were taken away for conduct.", "申诉"),
)
async def appeal(
    bank: NamedDependency[Bank], request: BankRequest, record_id: RecordPath, idempotency_key: IdempotencyKey
) -> Response[Objection]:
    await require_found(bank, actor_in(request), "hours:object", of_records, [record_id])
    case = await desks_of(bank).appealing.appeal(
        record_id, by_of(request), _command(request, idempotency_key)
    )
    return answered(done(case), 201)


@post(
    "/{record_id:str}/appeal-decision",
    opt=needs("hours:decide", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *STEPS),
    **operation("Decide an appeal; upheld, the attendance may be submitted again.", "裁定申诉"),
)
async def decide_appeal(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: RecordPath,
    data: JSONBody[RulingIn],
    idempotency_key: IdempotencyKey,
) -> Response[Objection]:
    await require_found(bank, actor_in(request), "hours:decide", of_records, [record_id])
    case = await desks_of(bank).appealing.decide(
        record_id, data.reason, by_of(request), _command(request, idempotency_key), uphold=data.uphold
    )
    return answered(done(case))


@post(
    "/{record_id:str}/correction",
    opt=needs("hours:submit", bounded=True),
    responses=problems(*WRITING, *STEPS),
    **operation("Reverse a record and submit one with other times, both or neither.", "更正服务记录"),
)
async def correct(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: RecordPath,
    data: JSONBody[CorrectionIn],
    idempotency_key: IdempotencyKey,
) -> Response[LineOutcome]:
    await require_found(bank, actor_in(request), "hours:submit", of_records, [record_id])
    line = await desks_of(bank).correcting.correct(
        record_id,
        micros_in(data.in_at, "in_at"),
        micros_in(data.out_at, "out_at"),
        by_of(request),
        _command(request, idempotency_key),
    )
    return answered(done(line), 201)


@get(
    "/public-notice",
    opt=PUBLIC,
    security=[],
    responses=problems("invalid-request", "internal-error", "unavailable"),
    **operation(
        "What stands on public notice today, with masked names; gone when the notice ends.", "公示名单"
    ),
)
async def notice(
    bank: NamedDependency[Bank],
    request: BankRequest,
    station: Annotated[str, QueryParameter(max_length=64, pattern="^[A-Za-z0-9._-]*$")] = "",
) -> Response[PublicNotice]:
    return answered(await desks_of(bank).notices.today(station), headers={"X-Robots-Tag": NO_INDEX})


@get(
    "/{record_id:str}/standing",
    opt=needs("hours:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("Where a record stands, and the latest date for the next step.", "查一条记录的进度"),
)
async def standing(
    bank: NamedDependency[Bank], request: BankRequest, record_id: RecordPath
) -> Response[RecordStandingOut]:
    await require_found(bank, actor_in(request), "hours:read", of_records, [record_id])
    as_of, found = await desks_of(bank).standings.as_of(record_id)
    if found is None:
        raise ProblemError("not-found")
    told = msgspec.structs.asdict(standing_out(found))
    return answered(RecordStandingOut(**told, as_of=as_of))


@get(
    "/of/{person_id:str}",
    opt=needs("hours:read", bounded=True),
    responses=problems(*READING),
    **operation(
        "Where the hours of a volunteer stand: all, or those at the reader's places.", "查志愿者各时数的进度"
    ),
)
async def standings(
    bank: NamedDependency[Bank], request: BankRequest, person_id: Annotated[Id, PathParameter()]
) -> Response[StandingsOut]:
    account = await desks_of(bank).standings.account_of(person_id)
    found = account.hours
    at = {
        one.id: one.station for one in await bank.ask(of_records, [s.record_id for s in found if s.record_id])
    }
    at |= {
        one.id: one.station
        for one in await bank.ask(of_sessions, {s.session_id for s in found if s.session_id})
    }
    acts = [Act(at.get(s.record_id) or at.get(s.session_id, ""), person=person_id) for s in found]
    seen = await may_at(bank, actor_in(request), "hours:read", acts)
    told = [standing_out(one) for one, is_seen in zip(found, seen, strict=True) if is_seen]
    return answered(StandingsOut(account.as_of, told, account.owed))


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


def standing_out(standing: Standing) -> StandingOut:
    """Where a record stands, as the answer has it."""
    steps = [StepOut(s.step, when(s.at), s.person_id, s.place, s.device, s.reason) for s in standing.steps]
    return StandingOut(
        standing.record_id,
        standing.activity,
        standing.day,
        standing.state,
        standing.minutes,
        standing.points,
        standing.cut_minutes,
        standing.unfunded,
        standing.capped,
        standing.next_step,
        standing.due_on,
        standing.available_on,
        standing.expires_on,
        steps,
    )


router = Router(
    "/records",
    route_handlers=[
        verify,
        reject,
        withdraw,
        object_to,
        decide,
        appeal,
        decide_appeal,
        correct,
        notice,
        standing,
        standings,
    ],
    tags=["hours 服务时长"],
)
