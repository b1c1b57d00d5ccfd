"""Places and groups over HTTP: the tree of any day, a place with its history, and the changes of both.

Every change has a day from which it holds; without one it is today in the city.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from sqlalchemy import Connection

from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.places import membership, tree
from pointsbank.places.model import (
    MAX_CODE,
    OPEN_END,
    Act,
    Closing,
    Joining,
    Kind,
    Leaving,
    MemberAct,
    Merging,
    Moving,
    Opening,
    PlaceHistory,
    PlaceOnDay,
    Renaming,
    Transfer,
)
from pointsbank.places.service import PlacesService
from pointsbank.web import bounds
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, Limit, operation, problems
from pointsbank.web.api.place_rosters import submit_roster
from pointsbank.web.api.place_shapes import (
    GUARDED,
    TEXT,
    After,
    ClosingIn,
    JoiningIn,
    LeavingIn,
    MemberLine,
    MemberPage,
    MergingIn,
    MovingIn,
    OnDay,
    OpeningIn,
    PlaceCode,
    PlaceOut,
    PlacePage,
    RenamingIn,
    member_line,
    place_line,
    term_out,
)
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import acts_on_places, require_at, require_each
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.posting import request_of
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

CHANGING: Final = (
    *GUARDED,
    "place-malformed",
    "unknown-place",
    "place-not-open",
    "later-change",
    "nothing-changes",
)
JOINING: Final = (
    *GUARDED,
    "place-malformed",
    "unknown-place",
    "not-a-group",
    "place-not-open",
    "already-member",
    "in-another-household",
    "household-needs-two",
    "not-a-member",
)


# Reading


@get(
    "/",
    opt=needs("places:read", bounded=True),
    responses=problems(*READING),
    **operation(
        "Open places of a day, all, of a kind, or right under one, as far as the reader may see them; so a page may be"
        " short.",
        "列出某日开放的地点与组织",
    ),
)
async def list_places(
    bank: NamedDependency[Bank],
    request: BankRequest,
    on: OnDay = None,
    kind: Annotated[Kind | None, QueryParameter(description="only places of this kind")] = None,
    parent: Annotated[
        str | None,
        QueryParameter(max_length=MAX_CODE, pattern=TEXT, description="only those right under this code"),
    ] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response[PlacePage]:
    day = on or _service(bank).today()
    if parent is not None:
        found = await bank.ask(tree.children, parent, day, kind=kind or "", after=after, limit=limit)
    else:
        found = await bank.ask(tree.page, day, kind=kind or "", after=after, limit=limit)
    following = found[-1].code if len(found) == limit else None
    acts = [bounds.Act(place=place.id) for place in found]
    seen = await bounds.may_at(bank, actor_in(request), "places:read", acts)
    lines = [place_line(place) for place, is_seen in zip(found, seen, strict=True) if is_seen]
    return answered(PlacePage(day, lines, following))


@get(
    "/{code:str}",
    opt=needs("places:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("A place on a day, what stands above it, and its history.", "查看地点及其沿革"),
)
async def get_place(
    bank: NamedDependency[Bank], request: BankRequest, code: PlaceCode, on: OnDay = None
) -> Response[PlaceOut]:
    await require_at(bank, actor_in(request), "places:read", station=code)
    return answered(await _place(bank, code, on or _service(bank).today()))


@get(
    "/{code:str}/members",
    opt=needs("places:manage", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("Who belongs to a group on a day, by person id.", "某日的组织成员"),
)
async def list_members(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    on: OnDay = None,
    after: Annotated[str, QueryParameter(max_length=36, pattern="^[0-9a-f-]*$")] = "",
    limit: Limit = 100,
) -> Response[MemberPage]:
    await require_at(bank, actor_in(request), "places:manage", station=code)
    day = on or _service(bank).today()
    group = await _place(bank, code, day)
    found = await bank.ask(membership.members_of, group.id, day, after=after, limit=limit)
    following = found[-1].person_id if len(found) == limit else None
    return answered(MemberPage(day, [member_line(m) for m in found], following))


# Changing


@post(
    "/",
    opt=needs("places:manage", bounded=True),
    responses=problems(
        *WRITING, *CHANGING, "unknown-sector", "wrong-parent", "place-exists", "place-too-deep"
    ),
    **operation("Open a place from a day on; a station gets the accounts of its shop.", "开设地点或组织"),
)
async def open_place(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[OpeningIn],
    idempotency_key: IdempotencyKey,
) -> Response[PlaceOut]:
    day = data.day or _service(bank).today()
    act = Opening(data.code, data.kind, data.name, data.parent, day, data.sector)
    place, again = await _change(bank, request, idempotency_key, act, data)
    return answered(place, 201, {"Location": f"/api/v1/places/{data.code}", **replayed(again)})


@post(
    "/{code:str}/rename",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *CHANGING),
    **operation("Give a place another name from a day on.", "更名"),
)
async def rename_place(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[RenamingIn],
    idempotency_key: IdempotencyKey,
) -> Response[PlaceOut]:
    act = Renaming(code, data.name, data.day or _service(bank).today())
    place, again = await _change(bank, request, idempotency_key, act, data)
    return answered(place, headers=replayed(again))


@post(
    "/{code:str}/move",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *CHANGING, "wrong-parent", "place-cycle", "place-too-deep"),
    **operation("Put a place, with all below it, under another from a day on.", "迁移到另一上级"),
)
async def move_place(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[MovingIn],
    idempotency_key: IdempotencyKey,
) -> Response[PlaceOut]:
    act = Moving(code, data.parent, data.day or _service(bank).today())
    place, again = await _change(bank, request, idempotency_key, act, data)
    return answered(place, headers=replayed(again))


@post(
    "/{code:str}/close",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *CHANGING, "place-in-use"),
    **operation("Close a place from a day on; memberships end with it.", "关闭"),
)
async def close_place(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[ClosingIn],
    idempotency_key: IdempotencyKey,
) -> Response[PlaceOut]:
    act = Closing(code, data.day or _service(bank).today())
    place, again = await _change(bank, request, idempotency_key, act, data)
    return answered(place, headers=replayed(again))


@post(
    "/{code:str}/merge",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *CHANGING, "wrong-successor", "place-in-use"),
    **operation("Close a place into another of its kind, which takes its members over.", "并入另一处"),
)
async def merge_place(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[MergingIn],
    idempotency_key: IdempotencyKey,
) -> Response[PlaceOut]:
    act = Merging(code, data.into, data.day or _service(bank).today())
    place, again = await _change(bank, request, idempotency_key, act, data)
    return answered(place, headers=replayed(again))


@post(
    "/{code:str}/members",
    opt=needs("places:manage", bounded=True),
    responses=problems(*WRITING, *JOINING),
    **operation("Make somebody a member of a group from a day on.", "加入组织"),
)
async def join_group(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[JoiningIn],
    idempotency_key: IdempotencyKey,
) -> Response[MemberLine]:
    day = data.day or _service(bank).today()
    act = Joining(code, data.person, day, data.role, data.until or OPEN_END)
    again = await _change_membership(bank, request, idempotency_key, act, data)
    return answered(MemberLine(data.person, data.role, day, data.until), 201, replayed(again))


@post(
    "/{code:str}/members/leave",
    opt=needs("places:manage", bounded=True),
    status_code=200,
    responses=problems(*WRITING, *JOINING),
    **operation(
        "End a membership on a day; perhaps for another group, or neither.", "退出组织，或转入另一组织"
    ),
)
async def leave_group(
    bank: NamedDependency[Bank],
    request: BankRequest,
    code: PlaceCode,
    data: JSONBody[LeavingIn],
    idempotency_key: IdempotencyKey,
) -> Response[list[MemberLine]]:
    day = data.day or _service(bank).today()
    act: MemberAct = Leaving(code, data.person, day)
    if data.into:
        act = Transfer(code, data.into, data.person, day, data.role)
    again = await _change_membership(bank, request, idempotency_key, act, data)
    mine = await bank.ask(membership.memberships_of, data.person)
    return answered([member_line(m) for m in mine], headers=replayed(again))


def _service(bank: Bank) -> PlacesService:
    return PlacesService(bank.ledger, bank.policies.policies[-1].timezone)


async def _change(
    bank: Bank, request: BankRequest, key: str, act: Act, body: object
) -> tuple[PlaceOut, bool]:
    actor = actor_in(request)
    if not act.code.isprintable():
        raise ProblemError("unknown-place", place=act.code)
    await require_each(bank, actor, "places:manage", acts_on_places(act))
    asked = request_of("POST", request.url.path, body)
    result = await _service(bank).change(act, Command(actor.client, key, actor.name), asked)
    if isinstance(result, Refusal):
        raise refused(result)
    return await _place(bank, act.code, act.day), result.replayed


async def _change_membership(
    bank: Bank, request: BankRequest, key: str, act: MemberAct, body: object
) -> bool:
    actor = actor_in(request)
    if not act.group.isprintable():
        raise ProblemError("unknown-place", place=act.group)
    await require_each(bank, actor, "places:manage", acts_on_places(act))
    asked = request_of("POST", request.url.path, body)
    result = await _service(bank).change_membership(act, Command(actor.client, key, actor.name), asked)
    if isinstance(result, Refusal):
        raise refused(result)
    return result.replayed


async def _place(bank: Bank, code: str, day: date) -> PlaceOut:
    found = await bank.ask(_with_above, code, day) if code.isprintable() else None
    if found is None:
        raise ProblemError("not-found")
    history, above = found
    term = history.on(day)
    return PlaceOut(
        history.code,
        history.id,
        history.kind,
        day,
        None if term is None else term_out(term),
        [place_line(p) for p in above],
        [term_out(term) for term in history.terms],
    )


def _with_above(
    connection: Connection, ledger_id: int, code: str, day: date
) -> tuple[PlaceHistory, list[PlaceOnDay]] | None:
    history = tree.history(connection, ledger_id, code)
    if history is None:
        return None
    line = tree.ancestors(connection, ledger_id, history.id, day)[1:]
    above = tree.places_by_id(connection, ledger_id, line, day)
    return history, [above[id_] for id_ in line]


router = Router(
    "/places",
    route_handlers=[
        list_places,
        get_place,
        list_members,
        open_place,
        submit_roster,
        rename_place,
        move_place,
        close_place,
        merge_place,
        join_group,
        leave_group,
    ],
    tags=["places 地点与组织"],
)
