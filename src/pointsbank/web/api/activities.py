"""Activities over HTTP: propose, approve, open sessions, sign up, check in and out, submit what was attended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeVar

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from pointsbank.access.model import Actor
from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import Activity, ActivityPlan, DeviceEvent, Paper, Session, SessionPlan
from pointsbank.activities.reading import sessions_of
from pointsbank.engine.commands import Command
from pointsbank.hours.whereabouts import of_activities, of_sessions
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.activity_shapes import (
    ActivityIn,
    ActivityOut,
    CheckIn,
    Code,
    Decision,
    EventOut,
    Made,
    Noted,
    PaperIn,
    ProjectIn,
    SessionIn,
    SessionOut,
    SignUpIn,
    SubmissionIn,
    Submitted,
    UploadIn,
    UploadOut,
    WrittenIn,
)
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_actor, by_of, desks_of
from pointsbank.web.api.shapes import micros, when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_at, require_found
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import FieldError, ProblemError, refused
from pointsbank.web.validation import BankRequest

T = TypeVar("T")

SESSIONS_PATH: Final = "/api/v1/activity-sessions"

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


@post(
    "/",
    opt=needs("activities:plan", bounded=True),
    responses=problems(*WRITING, *PLANNING),
    **operation("Propose an activity; another person approves it before it starts.", "申报活动"),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[ActivityIn],
    idempotency_key: IdempotencyKey,
) -> Response[Made]:
    await require_at(bank, actor_in(request), "activities:plan", station=data.station)
    plan = ActivityPlan(
        title=data.title,
        category=data.category,
        station=data.station,
        starts_at=micros_in(data.starts_at, "starts_at"),
        ends_at=micros_in(data.ends_at, "ends_at"),
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
    opt=needs("activities:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("One activity with its sessions.", "查一个活动及其场次"),
)
async def get_activity(
    bank: NamedDependency[Bank], request: BankRequest, activity_id: PathId
) -> Response[ActivityOut]:
    await require_found(bank, actor_in(request), "activities:read", of_activities, [activity_id])
    activity = await desks_of(bank).activities.activity(activity_id)
    if activity is None:
        raise ProblemError("not-found")
    return answered(_activity_out(activity, await bank.ask(sessions_of, activity_id)))


@post(
    "/{activity_id:str}/decision",
    opt=needs("activities:approve", bounded=True),
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
    await require_found(bank, actor_in(request), "activities:approve", of_activities, [activity_id])
    result = await desks_of(bank).activities.decide(
        activity_id, data.reason, by_of(request), _command(request, idempotency_key), approve=data.approve
    )
    return _noted(result)


@post(
    "/{activity_id:str}/sessions",
    opt=needs("activities:plan", bounded=True),
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
    await require_found(bank, actor_in(request), "activities:plan", of_activities, [activity_id])
    if data.station:
        await require_at(bank, actor_in(request), "activities:plan", station=data.station)
    plan = SessionPlan(
        starts_at=micros_in(data.starts_at, "starts_at"),
        ends_at=micros_in(data.ends_at, "ends_at"),
        capacity=data.capacity,
        station=data.station,
    )
    made = await desks_of(bank).activities.open_session(
        activity_id, plan, by_of(request), _command(request, idempotency_key)
    )
    return answered(Made(done(made)), 201)


@post(
    "/{session_id:str}/sign-ups",
    opt=needs("attendance:record", bounded=True),
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
    await require_found(
        bank, actor_in(request), "attendance:record", of_sessions, [session_id], person=data.person
    )
    result = await desks_of(bank).activities.sign_up(
        session_id, data.person, by_of(request), _command(request, idempotency_key), companion=data.companion
    )
    return _noted(result, 201)


@get(
    "/{session_id:str}/code",
    opt=needs("attendance:record", bounded=True),
    responses=problems(*READING, "unknown-activity", "check-in-refused"),
    **operation("The session's code of this half minute, to show at the place.", "场次动态码"),
)
async def session_code(
    bank: NamedDependency[Bank], request: BankRequest, session_id: PathId
) -> Response[Code]:
    await require_found(bank, actor_in(request), "attendance:record", of_sessions, [session_id])
    return answered(Code(done(await desks_of(bank).attendance.session_code(session_id))))


@post(
    "/{session_id:str}/check-ins",
    opt=needs("attendance:record", bounded=True),
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
    await require_found(
        bank, actor_in(request), "attendance:record", of_sessions, [session_id], person=data.person
    )
    noted, headers = await meet(bank, actor_in(request), session_id, data, idempotency_key, is_in=True)
    return answered(noted, 201, headers)


@post(
    "/{session_id:str}/check-outs",
    opt=needs("attendance:record", bounded=True),
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
    await require_found(
        bank, actor_in(request), "attendance:record", of_sessions, [session_id], person=data.person
    )
    noted, headers = await meet(bank, actor_in(request), session_id, data, idempotency_key, is_in=False)
    return answered(noted, 201, headers)


async def meet(
    bank: Bank, actor: Actor, session_id: str, data: CheckIn, key: str, *, is_in: bool
) -> tuple[Noted, dict[str, str]]:
    """Somebody comes or leaves, noted by who may do so there: the answer with its headers. Raises ProblemError."""
    desk = desks_of(bank).attendance
    receipt = done(
        await (desk.check_in if is_in else desk.check_out)(
            session_id, data.person, _shown(data), by_actor(actor), Command(actor.client, key, actor.name)
        )
    )
    return Noted(when(receipt.recorded_at)), replayed(receipt.replayed)


@post(
    "/{session_id:str}/written",
    opt=needs("hours:submit", bounded=True),
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
    await require_found(
        bank, actor_in(request), "hours:submit", of_sessions, [session_id], person=data.person
    )
    result = await desks_of(bank).attendance.write_down(
        session_id,
        data.person,
        micros_in(data.in_at, "in_at"),
        micros_in(data.out_at, "out_at"),
        data.reason,
        by_of(request),
        _command(request, idempotency_key),
    )
    return _noted(result, 201)


@post(
    "/{session_id:str}/submission",
    opt=needs("hours:submit", bounded=True),
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
    await require_found(bank, actor_in(request), "hours:submit", of_sessions, [session_id])
    outcomes = await desks_of(bank).submitting.submit(
        session_id, by_of(request), _command(request, idempotency_key), people=data.people, reason=data.reason
    )
    return answered(Submitted(done(outcomes)))


@post(
    "/uploads",
    opt=needs("attendance:record", bounded=True),
    status_code=200,
    responses=problems(*WRITING),
    **operation("Take in what a terminal noted while it had no connection.", "上传离线签到"),
)
async def upload(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[UploadIn],
    idempotency_key: IdempotencyKey,
) -> Response[UploadOut]:
    await require_found(
        bank, actor_in(request), "attendance:record", of_sessions, {event.session for event in data.events}
    )
    events = [
        DeviceEvent(e.number, e.is_in, e.session, e.person, micros_in(e.stated_at, "stated_at"))
        for e in data.events
    ]
    # an event's own number is its key, whatever the upload's
    told = await desks_of(bank).attendance.upload(events, by_of(request), actor_in(request).client)
    return answered(UploadOut([_event_out(e, answer) for e, answer in zip(events, told, strict=True)]))


@post(
    "/",
    opt=needs("activities:plan"),
    responses=problems(*WRITING, *PLANNING),
    **operation("Put a project into the library.", "项目入库"),
)
async def open_project(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[ProjectIn],
    idempotency_key: IdempotencyKey,
) -> Response[Made]:
    made = await desks_of(bank).activities.open_project(
        data.name, data.brand, data.sector, by_of(request), _command(request, idempotency_key)
    )
    return answered(Made(done(made)), 201)


@post(
    "/",
    opt=needs("attendance:record", bounded=True),
    responses=problems(*WRITING, *PLANNING),
    **operation(
        "File a training, an insurance or a guardian's consent; nobody files one of their own.",
        "登记培训、保险或监护人同意",
    ),
)
async def file_paper(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[PaperIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    await require_at(bank, actor_in(request), "attendance:record", station=data.station, person=data.person)
    paper = Paper(data.person, data.kind, data.code, data.valid_from, data.valid_to)
    filed = await desks_of(bank).activities.file_paper(
        paper, by_of(request), _command(request, idempotency_key)
    )
    return _noted(filed, 201)


def _event_out(event: DeviceEvent, answer: Receipt | Refusal) -> EventOut:
    if isinstance(answer, Refusal):
        return EventOut(event.number, getattr(answer, "rule", answer.code), again=False)
    return EventOut(event.number, "", answer.replayed)


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
    stated = 0 if data.stated_at is None else micros_in(data.stated_at, "stated_at")
    return Shown(data.way, data.code, stated)


def micros_in(time: datetime, name: str) -> int:
    """A time of a body as microseconds UTC. Raises ProblemError if it is out of reason."""
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
    route_handlers=[upload, sign_up, session_code, check_in, check_out, write_down, submit_session],
    tags=["activities 活动"],
)
projects_router = Router("/projects", route_handlers=[open_project], tags=["activities 活动"])
papers_router = Router("/papers", route_handlers=[file_paper], tags=["activities 活动"])
