"""Staff accounts, enrolments and role grants: every right takes two persons to give, one to take away."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from pointsbank.access.roles import MINORS_DESK, Granted, RoleIn
from pointsbank.access.staff import LOGIN, Half
from pointsbank.access.standing import Account, RoleGrant
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import NEVER_EXPIRES, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, Limit, operation, problems
from pointsbank.web.api.sessions import set_credentials
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, may_at
from pointsbank.web.guard import actor_in, person
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[0-9A-Za-z-]+$")]
PathId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern="^[0-9A-Za-z-]+$")]
After = Annotated[str, QueryParameter(max_length=64, pattern="^[0-9A-Za-z._-]*$")]

COMMAND = (
    *WRITING,
    "form-expired",
    "step-up-required",
    "idempotency-conflict",
    "stale-read",
    "state-changed",
    "document-exists",
)


class StaffIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to make. `login` is an id, nobody's real name; `person` is empty for somebody new."""

    login: Annotated[str, Meta(pattern=LOGIN)]
    person: Annotated[str, Meta(max_length=64, pattern="^[0-9A-Za-z-]*$")] = ""


class HalfOut(msgspec.Struct, frozen=True):
    """Half of an enrolment's code, this once; null when the command is repeated. The person needs both halves."""

    enrolment: str
    person: str
    half: str | None


class StaffOut(msgspec.Struct, frozen=True):
    """A member of staff."""

    person: str
    login: str
    created_by: str
    created_at: datetime
    state: str


class StaffPage(msgspec.Struct, frozen=True):
    """Staff in the order of their login names; `next` is the `after` of the next page, null at the end."""

    staff: list[StaffOut]
    next: str | None


class GrantIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role to give. Without a place it holds in the whole city, without days from today on."""

    person: Id
    role: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z-]+$")]
    place: Annotated[str, Meta(max_length=64, pattern="^[0-9A-Za-z-]*$")] = ""
    from_day: date | None = None
    to_day: date | None = None


class MinorsGrantIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom minors' profiles shall open, at a place and below it, until when at the latest."""

    person: Id
    to_day: date
    place: Annotated[str, Meta(max_length=64, pattern="^[0-9A-Za-z-]*$")] = ""
    from_day: date | None = None


class GrantOut(msgspec.Struct, frozen=True):
    """A role of a person at a place and below it (empty: the city), from day to day; `to_day` null for no end."""

    id: str
    person: str
    role: str
    place: str
    from_day: str
    to_day: str | None
    proposed_by: str
    confirmed_by: str
    revoked_by: str
    state: str


class GrantPage(msgspec.Struct, frozen=True):
    """Role grants in the order of their ids; `next` is the `after` of the next page, null at the end."""

    grants: list[GrantOut]
    next: str | None


class DoneOut(msgspec.Struct, frozen=True):
    """It is done and durable."""

    person: str


@get(
    "/",
    opt=person("staff:read"),
    responses=problems(*READING),
    **operation("Staff accounts.", "列出工作人员"),
)
async def list_staff(
    bank: NamedDependency[Bank], after: After = "", limit: Limit = 100
) -> Response[StaffPage]:
    accounts = await bank.staff.accounts(after=after, limit=limit)
    following = accounts[-1].login if len(accounts) == limit else None
    return answered(StaffPage([_staff_out(account) for account in accounts], following))


@post(
    "/",
    opt=person("staff:manage", bounded=True),
    responses=problems(*COMMAND, "login-taken"),
    **operation(
        "Make an account; gives half of the code with which the person enrols.",
        "新建工作人员账号（须另一人确认）",
    ),
)
async def add_staff(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[StaffIn],
    idempotency_key: IdempotencyKey,
) -> Response[HalfOut]:
    actor = actor_in(request)
    half = await bank.staff.add(actor, data.login, _command(request, idempotency_key), data.person)
    return _half(half)


@post(
    "/{person_id:str}/recovery",
    opt=person("staff:manage", bounded=True),
    responses=problems(*COMMAND, "own-role", "unknown-staff"),
    **operation(
        "Begin a new start for somebody who lost password or second factor; gives half of a code.",
        "为遗失凭据的人办理重新登记（须另一人确认）",
    ),
)
async def recover_staff(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PathId, idempotency_key: IdempotencyKey
) -> Response[HalfOut]:
    actor = actor_in(request)
    return _half(await bank.staff.begin_recovery(actor, person_id, _command(request, idempotency_key)))


@delete(
    "/{person_id:str}",
    opt=person("staff:manage", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-staff", "last-administrators"),
    **operation("Close an account at once: roles, sessions and keys end.", "关闭账号，立即生效"),
)
async def close_staff(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PathId, idempotency_key: IdempotencyKey
) -> Response[DoneOut]:
    actor = actor_in(request)
    return _done(
        person_id, await bank.staff.close_account(actor, person_id, _command(request, idempotency_key))
    )


@delete(
    "/{person_id:str}/sessions",
    opt=person("staff:manage", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-staff"),
    **operation("End every session of somebody, at once.", "结束某人的全部登录"),
)
async def end_staff_sessions(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PathId, idempotency_key: IdempotencyKey
) -> Response[DoneOut]:
    actor = actor_in(request)
    return _done(
        person_id, await bank.staff.end_sessions(actor, person_id, _command(request, idempotency_key))
    )


@post(
    "/{enrolment_id:str}/confirmation",
    opt=person("staff:manage", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-enrolment", "unknown-staff", "own-role", "second-person-needed"),
    **operation(
        "Confirm an enrolment that another administrator began; gives the other half of the code.",
        "确认另一位管理员办理的登记",
    ),
)
async def confirm_enrolment(
    bank: NamedDependency[Bank], request: BankRequest, enrolment_id: PathId, idempotency_key: IdempotencyKey
) -> Response[HalfOut]:
    actor = actor_in(request)
    half = await bank.staff.confirm_enrolment(actor, enrolment_id, _command(request, idempotency_key))
    return _half(half, 200)


@get(
    "/",
    opt=person("staff:read", bounded=True),
    responses=problems(*READING),
    **operation(
        "Role grants of everybody, or of one person, at places that the reader may see; so a page may be short.",
        "列出角色",
    ),
)
async def list_grants(
    bank: NamedDependency[Bank],
    request: BankRequest,
    after: After = "",
    limit: Limit = 100,
    of: Annotated[
        str, QueryParameter(max_length=64, pattern="^[0-9A-Za-z-]*$", description="a person's id")
    ] = "",
) -> Response[GrantPage]:
    grants = await bank.roles.list(after=after, limit=limit, person=of)
    following = grants[-1].id if len(grants) == limit else None
    acts = [Act(place=grant.place) for grant in grants]
    seen = await may_at(bank, actor_in(request), "staff:read", acts)
    lines = [_grant_out(grant) for grant, is_seen in zip(grants, seen, strict=True) if is_seen]
    return answered(GrantPage(lines, following))


@post(
    "/",
    opt=person("roles:propose", bounded=True),
    responses=problems(
        *COMMAND, "unknown-role", "unknown-role-place", "own-role", "role-days", "unknown-staff"
    ),
    **operation(
        "Propose a role for somebody else; another person must confirm it.", "提议角色（须另一人确认）"
    ),
)
async def propose_role(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[GrantIn],
    idempotency_key: IdempotencyKey,
) -> Response[GrantOut]:
    wanted = RoleIn(data.person, data.role, data.place, data.from_day, data.to_day)
    granted = await bank.roles.propose(actor_in(request), wanted, _command(request, idempotency_key))
    return _granted(granted, 201)


@post(
    "/minors-desk",
    opt=person("roles:minors", bounded=True),
    responses=problems(*COMMAND, "unknown-role-place", "own-role", "role-days", "unknown-staff"),
    **operation(
        "Propose the right to open minors' profiles, for at most 90 days; another person must confirm it.",
        "提议打开未成年人档案的权限（最长 90 天，须另一人确认）",
    ),
)
async def propose_minors_desk(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[MinorsGrantIn],
    idempotency_key: IdempotencyKey,
) -> Response[GrantOut]:
    wanted = RoleIn(data.person, MINORS_DESK, data.place, data.from_day, data.to_day)
    granted = await bank.roles.propose(actor_in(request), wanted, _command(request, idempotency_key))
    return _granted(granted, 201)


@post(
    "/{grant_id:str}/confirmation",
    opt=person("roles:confirm", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-grant", "own-role", "second-person-needed", "unknown-staff"),
    **operation("Confirm a role that another person proposed for a third.", "确认他人提议的角色"),
)
async def confirm_role(
    bank: NamedDependency[Bank], request: BankRequest, grant_id: PathId, idempotency_key: IdempotencyKey
) -> Response[GrantOut]:
    granted = await bank.roles.confirm(actor_in(request), grant_id, _command(request, idempotency_key))
    return _granted(granted, 200)


@delete(
    "/{grant_id:str}",
    opt=person("roles:revoke", bounded=True),
    status_code=200,
    responses=problems(*COMMAND, "unknown-grant", "last-administrators"),
    **operation("Take a role away at once; the person's sessions end.", "撤销角色，立即生效"),
)
async def revoke_role(
    bank: NamedDependency[Bank], request: BankRequest, grant_id: PathId, idempotency_key: IdempotencyKey
) -> Response[GrantOut]:
    granted = await bank.roles.revoke(actor_in(request), grant_id, _command(request, idempotency_key))
    return _granted(granted, 200)


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


def _half(half: Half | Refusal, status: int = 201) -> Response[HalfOut]:
    if isinstance(half, Refusal):
        raise refused(half)
    return answered(HalfOut(half.enrolment, half.person, half.code), status, replayed(half.code is None))


def _done(person_id: str, verdict: Receipt | Refusal) -> Response[DoneOut]:
    if isinstance(verdict, Refusal):
        raise refused(verdict)
    return answered(DoneOut(person_id), headers=replayed(verdict.replayed))


def _granted(granted: Granted | Refusal, status: int) -> Response[GrantOut]:
    if isinstance(granted, Refusal):
        raise refused(granted)
    return answered(_grant_out(granted.grant), status, replayed(granted.is_replayed))


def _staff_out(account: Account) -> StaffOut:
    return StaffOut(
        account.person, account.login, account.created_by, when(account.created_at), account.state
    )


def _grant_out(grant: RoleGrant) -> GrantOut:
    return GrantOut(
        grant.id,
        grant.person,
        grant.role,
        grant.place,
        grant.from_day,
        None if grant.to_day == NEVER_EXPIRES else grant.to_day,
        grant.proposed_by,
        grant.confirmed_by,
        grant.revoked_by,
        grant.state,
    )


TAGS = ["staff 人员"]

routers = (
    Router(
        "/staff",
        route_handlers=[
            list_staff, add_staff, recover_staff, close_staff, end_staff_sessions, set_credentials
        ],
        tags=TAGS,
    ),
    Router("/enrolments", route_handlers=[confirm_enrolment], tags=TAGS),
    Router(
        "/role-grants",
        route_handlers=[list_grants, propose_role, propose_minors_desk, confirm_role, revoke_role],
        tags=TAGS,
    ),
)  # fmt: skip
