"""Logging in as staff, fresh codes, one's own sessions and one's own keys.

The session travels in a cookie that no script can read. With every command the browser sends the answer's `csrf` back
as `X-CSRF-Token`. None of this is a command of the books: a repeated log-in is a new one, so there is no key for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from pointsbank.access.log_in import LogIns, OpenedSession
from pointsbank.access.model import NEVER, Scope
from pointsbank.access.passwords import PasswordsBusy
from pointsbank.access.sessions import form_token
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.answers import NO_STORE, answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, nothing_follows, operation, problems
from pointsbank.web.api.keys import IssuedKeyOut, key_out
from pointsbank.web.api.shapes import micros, when
from pointsbank.web.bank import Bank
from pointsbank.web.guard import PUBLIC, actor_in, person, require_own_page, staff_cookie, staff_token
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

Secret = Annotated[str, Meta(max_length=200)]
DOOR = (
    "bad-request",
    "malformed-json",
    "invalid-request",
    "unsupported-media-type",
    "payload-too-large",
    "form-expired",
    "too-many-attempts",
    "log-in-closed",
    "overloaded",
    "internal-error",
)


class LogInIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Login name, password, and the six digits of the authenticator app."""

    login: Secret
    password: Secret
    code: Secret


class CodeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The six digits that the authenticator app shows now."""

    code: Secret


class PasswordIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password that one has, and the one that one wants."""

    current: Secret
    new: Secret


class CredentialsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both halves of the code, joined by a hyphen, and the password that one chooses."""

    login: Secret
    code: Secret
    password: Secret


class CredentialsOut(msgspec.Struct, frozen=True):
    """What an authenticator app reads, this once."""

    authenticator: str


class OpenedOut(msgspec.Struct, frozen=True):
    """A session. `csrf` goes back as `X-CSRF-Token` with every command; the session itself is in the cookie."""

    id: str
    person: str
    expires_at: datetime
    csrf: str


class SessionOut(msgspec.Struct, frozen=True):
    """One of one's own sessions; `is_current` is the one that asks."""

    id: str
    opened_at: datetime
    touched_at: datetime
    expires_at: datetime
    is_current: bool


class SessionsOut(msgspec.Struct, frozen=True):
    """One's own sessions, newest first."""

    sessions: list[SessionOut]


class OwnKeyIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of one's own. `client` is what it is for: idempotency keys belong to it."""

    client: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9._-]*$")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


SessionId = Annotated[
    str, PathParameter(min_length=1, max_length=64, description="a session's id, or `current`")
]


@post(
    "/",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "log-in-refused"),
    **operation("Log in as staff: password and code. The session comes as a cookie.", "工作人员登录"),
)
async def log_in(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[LogInIn]
) -> Response[OpenedOut]:
    require_own_page(request)
    door = door_of(bank)
    try:
        before = staff_token(bank, request)
        opened = await door.log_in(data.login, data.password, data.code, address_of(request), before)
    except PasswordsBusy as busy:
        raise ProblemError("overloaded") from busy
    return opened_session(bank, opened)


@post(
    "/step-up",
    opt=person("sessions:own"),
    responses=problems(*DOOR, *READING, "code-refused", "unknown-session"),
    **operation(
        "Show a fresh code: for some minutes the session may do what matters.", "提交动态码，再次验证"
    ),
)
async def step_up(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[CodeIn]
) -> Response[OpenedOut]:
    token = staff_token(bank, request)
    return opened_session(bank, await door_of(bank).step_up(token, data.code, address_of(request)))


@post(
    "/password",
    opt=person("password:own"),
    responses=problems(
        *DOOR, *READING, "step-up-required", "log-in-refused", "unknown-session", "weak-password"
    ),
    **operation("Change one's own password; other sessions end.", "修改自己的密码（其他登录随即结束）"),
)
async def change_password(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[PasswordIn]
) -> Response[OpenedOut]:
    token = staff_token(bank, request)
    try:
        opened = await door_of(bank).change_password(token, data.current, data.new, address_of(request))
    except PasswordsBusy as busy:
        raise ProblemError("overloaded") from busy
    return opened_session(bank, opened)


@get(
    "/",
    opt=person("sessions:own"),
    responses=problems(*READING, "log-in-closed"),
    **operation("One's own sessions.", "列出自己的登录"),
)
async def list_sessions(bank: NamedDependency[Bank], request: BankRequest) -> Response[SessionsOut]:
    actor = actor_in(request)
    lines = await door_of(bank).list(actor.person)
    return answered(
        SessionsOut(
            [
                SessionOut(
                    line.id,
                    when(line.opened_at),
                    when(line.touched_at),
                    when(line.expires_at),
                    line.id == actor.session,
                )
                for line in lines
            ]
        )
    )


@delete(
    "/{session_id:str}",
    opt=person("sessions:own"),
    status_code=204,
    responses={
        **nothing_follows(),
        **problems(*READING, "form-expired", "step-up-required", "log-in-closed", "unknown-session"),
    },
    **operation(
        "Log out (`current`), or end another session of one's own.", "退出登录，或结束自己的另一个登录"
    ),
)
async def end_session(
    bank: NamedDependency[Bank], request: BankRequest, session_id: SessionId
) -> Response[None]:
    actor = actor_in(request)
    wanted = actor.session if session_id == "current" else session_id
    if wanted != actor.session and not actor.is_stepped_up:
        raise ProblemError("step-up-required", action="sessions:own")
    ended = await door_of(bank).end(actor.person, wanted) if wanted.isprintable() else None
    if ended is not None:
        raise refused(ended)
    cookies = [_cookie(bank, "", 0)] if wanted == actor.session else []
    return Response(None, status_code=204, headers=NO_STORE, cookies=cookies)


@post(
    "/keys",
    opt=person("keys:own"),
    responses=problems(
        *WRITING, "form-expired", "step-up-required", "expired-already", "idempotency-conflict",
        "document-exists", "stale-read",
    ),
    **operation(
        "Make a key of one's own, bounded by one's roles; another person must confirm it.",
        "申请自己的接口密钥（须另一人确认）",
    ),
)  # fmt: skip
async def make_own_key(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[OwnKeyIn],
    idempotency_key: IdempotencyKey,
) -> Response[IssuedKeyOut]:
    actor = actor_in(request)
    expires_at = NEVER if data.expires_at is None else max(micros(data.expires_at), 1)
    command = Command(actor.client, idempotency_key, actor.name)
    issued = await bank.keys.issue(
        data.client, "", set(data.scopes), expires_at, command, actor=actor, owner="person"
    )
    if isinstance(issued, Refusal):
        raise refused(issued)
    return answered(IssuedKeyOut(key_out(issued.key), issued.token), 201, replayed(issued.token is None))


@post(
    "/credentials",
    opt=PUBLIC,
    security=[],
    responses=problems(*DOOR, "unknown-enrolment", "weak-password"),
    **operation(
        "Set one's password and second factor with a code from two administrators, once.",
        "凭两位管理员给的登记码设置密码和动态码",
    ),
)
async def set_credentials(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[CredentialsIn]
) -> Response[CredentialsOut]:
    require_own_page(request)
    command = Command("enrolment", new_id(), "enrolment")
    try:
        uri = await door_of(bank).enrol(data.login, data.code, data.password, address_of(request), command)
    except PasswordsBusy as busy:
        raise ProblemError("overloaded") from busy
    if isinstance(uri, Refusal):
        raise refused(uri)
    return answered(CredentialsOut(uri), 201)


def door_of(bank: Bank) -> LogIns:
    """The door for staff. Raises ProblemError without the secret that log-ins need."""
    if bank.log_ins is None:
        raise ProblemError("log-in-closed")
    return bank.log_ins


def address_of(request: BankRequest) -> str:
    """From where somebody asks."""
    return request.client.host if request.client is not None else ""


def opened_session(bank: Bank, opened: OpenedSession | Refusal) -> Response[OpenedOut]:
    """An opened session as an answer with its cookie, or the refusal raised."""
    if isinstance(opened, Refusal):
        raise refused(opened)
    seconds = max((opened.expires_at - bank.clock.now()) // 1_000_000, 0)
    out = OpenedOut(opened.session, opened.person, when(opened.expires_at), form_token(opened.token))
    return Response(
        out,
        status_code=201,
        headers=NO_STORE,
        cookies=[_cookie(bank, opened.token, seconds)],
        media_type="application/json",
    )


def _cookie(bank: Bank, value: str, seconds: int) -> Cookie:
    return Cookie(
        staff_cookie(bank),
        value=value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=bank.settings.secure_cookies,
    )


router = Router(
    "/sessions",
    route_handlers=[log_in, step_up, change_password, list_sessions, end_session, make_own_key],
    tags=["staff 人员"],
)
