"""Activities over HTTP: propose, approve, open sessions, sign up, check in and out, submit what was attended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import Activity, ActivityPlan, Session, SessionPlan
from pointsbank.activities.reading import sessions_of
from pointsbank.engine.commands import Command
from pointsbank.hours.submission import LineOutcome
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of, desks_of
from pointsbank.web.api.shapes import micros, when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import FieldError, ProblemError, refused
from pointsbank.web.validation import BankRequest

T = TypeVar("T")

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
MaybeId = Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9._-]*$")]
Title = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$",
    ),
]
Reason = Annotated[str, Meta(max_length=64, pattern="^[a-z0-9-]*$")]
Time = Annotated[datetime, Meta(tz=True)]
PathId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]

PLANNING: Final = (
    "idempotency-conflict",
    "document-exists",
    "state-changed",
    "stale-read",
    "invalid-draft",
    "unknown-activity",
    "four-eyes",
    "activity-invalid",
    "activity-not-approved",
    "activity-started",
)
MEETING: Final = ("idempotency-conflict", "stale-read", "state-changed", "invalid-draft", "unknown-activity",
                  "four-eyes", "sign-up-refused", "session-full", "check-in-refused")  # fmt: skip


class ActivityIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An activity as it is proposed; `starts_at` to `ends_at` holds all its sessions."""

    title: Title
    category: Id
    station: Id
    starts_at: Time
    ends_at: Time
    project_id: MaybeId = ""
    fund: MaybeId = ""
    campaign: MaybeId = ""
    organiser: MaybeId = ""
    minimum_age: Annotated[int, Meta(ge=0, le=150)] = 0
    training: MaybeId = ""
    insured: bool = False


class Made(msgspec.Struct, frozen=True):
    """The id of what was made."""

    id: str


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Approve or refuse, with a reason as a code."""

    approve: bool
    reason: Reason = ""


class SessionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session; an empty station is the activity's."""

    starts_at: Time
    ends_at: Time
    capacity: Annotated[int, Meta(ge=1, le=100_000)]
    station: MaybeId = ""


class ActivityOut(msgspec.Struct, frozen=True):
    """An activity and where its approval stands: proposed, approved or refused."""

    id: str
    title: str
    category: str
    station: str
    fund: str
    campaign: str
    starts_at: datetime
    ends_at: datetime
    proposed_by: str
    decided_by: str
    state: str
    sessions: list[SessionOut]


class SessionOut(msgspec.Struct, frozen=True):
    """A session of an activity."""

    id: str
    station: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    state: str


class SignUpIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs up, and who comes along with a child."""

    person: Id
    companion: MaybeId = ""


class CheckIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is there, and how that is shown. `code` is what was scanned; a card is read by a terminal."""

    person: Id
    way: Literal["session-code", "own-code", "card"]
    code: Annotated[str, Meta(max_length=200, pattern="^[A-Za-z0-9._-]*$")] = ""
    stated_at: Time | None = None


class WrittenIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times from a paper sheet or of a forgotten check: honour class."""

    person: Id
    in_at: Time
    out_at: Time
    reason: Reason


class SubmissionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose attendance becomes records; null for everybody who has left. `reason` if it is late."""

    people: Annotated[list[Id], Meta(max_length=1000)] | None = None
    reason: Reason = ""


class Code(msgspec.Struct, frozen=True):
    """The session's code; it is taken for 30 to 60 seconds."""

    code: str


class Noted(msgspec.Struct, frozen=True):
    """The server's time of a step."""

    recorded_at: datetime


class Submitted(msgspec.Struct, frozen=True):
    """What became of each line, in the order of the people's ids."""

    lines: list[LineOutcome]


@post(
    "/",
    opt=needs("activities:plan"),
    responses=problems(*WRITING, *PLANNING),
    **operation("Propose an activity; another person approves it before it starts.", "申报活动"),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[ActivityIn],
    idempotency_key: IdempotencyKey,
) -> Response[Made]:
    plan = ActivityPlan(
        title=data.title,
        category=data.category,
        station=data.station,
        starts_at=_time(data.starts_at, "starts_at"),
        ends_at=_time(data.ends_at, "ends_at"),
        project_id=data.project_id,
        fund=data.fund,
        campaign=data.campaign,
        organiser=data.organiser,
        minimum_age=data.minimum_age,
        training=data.training,
        insured=data.insured,
    )
    made = await desks_of(bank).activities.propose(plan, by_of(request), _command(request, idempotency_key))
    return answered(Made(done(made)), 201)


@get(
    "/{activity_id:str}",
    opt=needs("activities:read"),
    responses=problems(*READING, "not-found"),
    **operation("One activity with its sessions.", "查一个活动及其场次"),
)
async def get_activity(bank: NamedDependency[Bank], activity_id: PathId) -> Response[ActivityOut]:
    activity = await desks_of(bank).activities.activity(activity_id)
    if activity is None:
        raise ProblemError("not-found")
    return answered(_activity_out(activity, await bank.ask(sessions_of, activity_id)))


@post(
    "/{activity_id:str}/decision",
    opt=needs("activities:approve"),
    status_code=200,
    responses=problems(*WRITING, *PLANNING),
    **operation("Approve or refuse a proposed activity.", "审批活动"),
)
async def decide_activity(
    bank: NamedDependency[Bank],
    request: BankRequest,
    activity_id: PathId,
    data: JSONBody[Decision],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    result = await desks_of(bank).activities.decide(
        activity_id, data.reason, by_of(request), _command(request, idempotency_key), approve=data.approve
    )
    return _noted(result)


@post(
    "/{activity_id:str}/sessions",
    opt=needs("activities:plan"),
    responses=problems(*WRITING, *PLANNING),
    **operation("Open a session of an approved activity, before it starts.", "开设场次"),
)
async def open_session(
    bank: NamedDependency[Bank],
    request: BankRequest,
    activity_id: PathId,
    data: JSONBody[SessionIn],
    idempotency_key: IdempotencyKey,
) -> Response[Made]:
    plan = SessionPlan(
        starts_at=_time(data.starts_at, "starts_at"),
        ends_at=_time(data.ends_at, "ends_at"),
        capacity=data.capacity,
        station=data.station,
    )
    made = await desks_of(bank).activities.open_session(
        activity_id, plan, by_of(request), _command(request, idempotency_key)
    )
    return answered(Made(done(made)), 201)


@post(
    "/{session_id:str}/sign-ups",
    opt=needs("attendance:record"),
    responses=problems(*WRITING, *MEETING),
    **operation("Sign somebody up: age, consent, training, insurance and places are checked.", "报名"),
)
async def sign_up(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[SignUpIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    result = await desks_of(bank).activities.sign_up(
        session_id, data.person, by_of(request), _command(request, idempotency_key), companion=data.companion
    )
    return _noted(result, 201)


@get(
    "/{session_id:str}/code",
    opt=needs("attendance:record"),
    responses=problems(*READING, "unknown-activity", "check-in-refused"),
    **operation("The session's code of this half minute, to show at the place.", "场次动态码"),
)
async def session_code(bank: NamedDependency[Bank], session_id: PathId) -> Response[Code]:
    return answered(Code(done(await desks_of(bank).attendance.session_code(session_id))))


@post(
    "/{session_id:str}/check-ins",
    opt=needs("attendance:record"),
    responses=problems(*WRITING, *MEETING),
    **operation("Somebody comes to a session.", "签到"),
)
async def check_in(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[CheckIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    command = _command(request, idempotency_key)
    return _noted(
        await desks_of(bank).attendance.check_in(
            session_id, data.person, _shown(data), by_of(request), command
        ),
        201,
    )


@post(
    "/{session_id:str}/check-outs",
    opt=needs("attendance:record"),
    responses=problems(*WRITING, *MEETING),
    **operation("Somebody leaves a session.", "签退"),
)
async def check_out(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[CheckIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    command = _command(request, idempotency_key)
    return _noted(
        await desks_of(bank).attendance.check_out(
            session_id, data.person, _shown(data), by_of(request), command
        ),
        201,
    )


@post(
    "/{session_id:str}/written",
    opt=needs("hours:submit"),
    responses=problems(*WRITING, *MEETING),
    **operation(
        "Type in times from a paper sheet or of a forgotten check: honour class.", "补录到场时间（荣誉时数）"
    ),
)
async def write_down(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[WrittenIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    result = await desks_of(bank).attendance.write_down(
        session_id,
        data.person,
        _time(data.in_at, "in_at"),
        _time(data.out_at, "out_at"),
        data.reason,
        by_of(request),
        _command(request, idempotency_key),
    )
    return _noted(result, 201)


@post(
    "/{session_id:str}/submission",
    opt=needs("hours:submit"),
    status_code=200,
    responses=problems(
        *WRITING,
        "unknown-activity",
        "activity-not-approved",
        "too-many-lines",
        "reason-invalid",
        "invalid-draft",
    ),
    **operation("Make records of what was attended; each waits for another person.", "提交服务记录"),
)
async def submit_session(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[SubmissionIn],
    idempotency_key: IdempotencyKey,
) -> Response[Submitted]:
    outcomes = await desks_of(bank).submitting.submit(
        session_id, by_of(request), _command(request, idempotency_key), people=data.people, reason=data.reason
    )
    return answered(Submitted(done(outcomes)))


def done(result: T | Refusal) -> T:
    """The result, or the refusal raised as what ends the request."""
    if isinstance(result, Refusal):
        raise refused(result)
    return result


def _noted(result: Receipt | Refusal, status: int = 200) -> Response[Noted]:
    receipt = done(result)
    return answered(Noted(when(receipt.recorded_at)), status, replayed(receipt.replayed))


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


def _shown(data: CheckIn) -> Shown:
    stated = 0 if data.stated_at is None else _time(data.stated_at, "stated_at")
    return Shown(data.way, data.code, stated)


def _time(time: datetime, name: str) -> int:
    found = micros(time)
    if not 0 < found < 2**52:
        fault = FieldError("body", name, "Expected a time after 1970 and before the year 2112")
        raise ProblemError("invalid-request", errors=[fault], count=1)
    return found


def _activity_out(activity: Activity, sessions: list[Session]) -> ActivityOut:
    return ActivityOut(
        activity.activity_id,
        activity.title,
        activity.category,
        activity.station,
        activity.fund,
        activity.campaign,
        when(activity.starts_at),
        when(activity.ends_at),
        activity.proposed_by,
        activity.decided_by,
        activity.state,
        [
            SessionOut(s.session_id, s.station, when(s.starts_at), when(s.ends_at), s.capacity, s.state)
            for s in sessions
        ],
    )


router = Router(
    "/activities",
    route_handlers=[propose, get_activity, decide_activity, open_session],
    tags=["activities 活动"],
)
sessions_router = Router(
    "/activity-sessions",
    route_handlers=[sign_up, session_code, check_in, check_out, write_down, submit_session],
    tags=["activities 活动"],
)
