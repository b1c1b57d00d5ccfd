"""Recognition over HTTP: schemes, where somebody stands, frozen lists of a year, honours, totals of groups.

People and groups are named by their ids. Merit alone counts; points play no part.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta
from sqlalchemy import Connection

from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.places.tree import places_by_id, places_on
from pointsbank.recognition.barred import barred_until
from pointsbank.recognition.figures import best_groups, lifetime_minutes, year_minutes
from pointsbank.recognition.scheme import Scheme, SchemeBook, load_schemes, shipped_schemes
from pointsbank.recognition.service import (
    MOST_WANTED,
    CandidateList,
    Honour,
    Recognition,
    honours_of,
    list_of,
)
from pointsbank.recognition.totals import group_minutes
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, Limit, operation, problems
from pointsbank.web.api.place_shapes import Person, PlaceCode
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_at, today
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

T = TypeVar("T")

GroupKind = Literal["household", "team", "village", "unit"]
Kind = Literal["person", "household", "team", "village", "unit"]
Year = Annotated[int, Meta(ge=2000, le=2999)]
YearAsked = Annotated[int, QueryParameter(ge=2000, le=2999, description="calendar year of service")]
PersonId = Annotated[str, PathParameter(min_length=36, max_length=36, pattern="^[0-9a-f-]+$")]
ListId = Annotated[str, PathParameter(min_length=1, max_length=64, pattern="^[0-9a-f-]+$")]
Words = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern="^[^\\u0000-\\u001f\\u007f\\u0085\\u2028\\u2029\\ud800-\\udfff]*$",
    ),
]
GUARDED: Final = ("idempotency-conflict", "stale-read", "state-changed", "document-exists", "invalid-draft")


class LevelOut(msgspec.Struct, frozen=True):
    """A step of a scheme, reached with so many merit minutes."""

    code: str
    name: str
    minutes: int


class SchemeOut(msgspec.Struct, frozen=True):
    """A scheme: which minutes count (lifetime, year, cycle), and what they lead to."""

    name: str
    title: str
    title_en: str
    basis: str
    valid_from: date
    valid_to: date
    levels: list[LevelOut]


class SchemesOut(msgspec.Struct, frozen=True):
    """The schemes of the city."""

    schemes: list[SchemeOut]


class StandingOut(msgspec.Struct, frozen=True):
    """Where a person stands in a scheme; `next_minutes` is what is lacking to the next level, 0 at the top."""

    scheme: str
    title: str
    level: str
    level_name: str
    minutes: int
    cycles: int
    next_minutes: int


class StandingsOut(msgspec.Struct, frozen=True):
    """Where a person stands in every scheme in force, and the honours, as of a sequence number."""

    as_of: int
    standings: list[StandingOut]
    honours: list[Honour]
    barred_until: date | None
    """until this day on no candidate list, because of false hours"""


class FreezeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list of a year to draw up: the `size` people, or groups of a kind, with the most minutes."""

    scheme: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9-]+$")]
    year: Year
    size: Annotated[int, Meta(ge=1, le=MOST_WANTED)] = 100
    of: Kind = "person"


class CandidateOut(msgspec.Struct, frozen=True):
    """A line of a list. Equal minutes share a rank; `tied` marks those who share the last place."""

    subject: str
    rank: int
    minutes: int
    tied: bool
    level: str


class ListOut(msgspec.Struct, frozen=True):
    """A frozen list, a page at a time; `next` is the `after` of the next page, null at the end."""

    id: str
    scheme: str
    year: int
    wanted: int
    as_of: int
    found: int
    candidates: list[CandidateOut]
    next: int | None


class HonourIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An honour as a decision granted it. `subject` is a person's or a group's id."""

    subject: Person
    title: Words
    granted_on: date
    granted_by: Words
    document_no: Words


class RevocationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The decision that revokes an honour."""

    decided_on: date
    decided_by: Words
    document_no: Words


class Noted(msgspec.Struct, frozen=True):
    """It is done and durable."""

    id: str


class HonoursOut(msgspec.Struct, frozen=True):
    """Honours and revocations of a subject, in the order of their dates."""

    honours: list[Honour]


class GroupTotal(msgspec.Struct, frozen=True):
    """Merit minutes of a group in a year, by membership on the date of service."""

    code: str
    name: str
    year: int
    minutes: int
    people: int
    as_of: int


class GroupLine(msgspec.Struct, frozen=True):
    """A group with its minutes of a year."""

    code: str
    name: str
    minutes: int


class GroupsOut(msgspec.Struct, frozen=True):
    """The groups of a kind with the most minutes of a year, the most first; all of a tie at the end."""

    as_of: int
    groups: list[GroupLine]


@get(
    "/schemes",
    opt=needs("recognition:read"),
    responses=problems(*READING),
    **operation("The schemes of stars and yearly prizes.", "星级与年度表彰方案"),
)
async def list_schemes() -> Response[SchemesOut]:
    return answered(SchemesOut([_scheme_out(scheme) for scheme in _schemes().schemes]))


@get(
    "/standings/{person_id:str}",
    opt=needs("recognition:read", bounded=True),
    responses=problems(*READING),
    **operation("Where somebody stands in every scheme in force, and the honours.", "查某人的星级与荣誉"),
)
async def standing(
    bank: NamedDependency[Bank], request: BankRequest, person_id: PersonId
) -> Response[StandingsOut]:
    await require_at(bank, actor_in(request), "recognition:read", person=person_id)
    return answered(await standings_of(bank, person_id))


async def standings_of(bank: Bank, person_id: str) -> StandingsOut:
    """Where somebody stands in every scheme in force, and the honours, from one snapshot."""
    day = today(bank)
    policy = bank.policies.protecting(day)
    as_of, (lifetime, this_year, honours, until) = await bank.as_of(
        _merits, person_id, day, policy.cases.false_hours_bar_years, policy.timezone
    )
    standings = [
        _standing_out(scheme, this_year if scheme.basis == "year" else lifetime)
        for scheme in _schemes().schemes
        if scheme.valid_from <= day <= scheme.valid_to
    ]
    return StandingsOut(as_of, standings, honours, until)


@post(
    "/lists",
    opt=needs("recognition:decide"),
    responses=problems(*WRITING, *GUARDED, "year-still-open", "unknown-scheme"),
    **operation("Draw up the list of a year that is over; it never changes afterwards.", "生成年度名单"),
)
async def freeze(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[FreezeIn],
    idempotency_key: IdempotencyKey,
) -> Response[ListOut]:
    scheme = _schemes().in_force(data.scheme, date(data.year, 12, 31))
    if scheme is None:
        raise ProblemError("unknown-scheme", scheme=data.scheme, year=data.year)
    command = _command(request, idempotency_key)
    made = _done(await _desk(bank).freeze(scheme, data.year, data.size, command, kind=data.of))
    return answered(_list_out(made, 0, 100), 201, {"Location": f"/api/v1/recognition/lists/{made.id}"})


@get(
    "/lists/{list_id:str}",
    opt=needs("recognition:read"),
    responses=problems(*READING, "not-found"),
    **operation("A frozen list.", "查一份名单"),
)
async def get_list(
    bank: NamedDependency[Bank],
    list_id: ListId,
    after: Annotated[
        int, QueryParameter(ge=0, le=10 * MOST_WANTED, description="lines before this page")
    ] = 0,
    limit: Limit = 100,
) -> Response[ListOut]:
    found = await bank.ask(list_of, list_id)
    if found is None:
        raise ProblemError("not-found")
    return answered(_list_out(found, after, limit))


@post(
    "/honours",
    opt=needs("recognition:decide"),
    responses=problems(*WRITING, *GUARDED),
    **operation("Keep an honour with the number of the decision that granted it.", "登记荣誉"),
)
async def record_honour(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[HonourIn],
    idempotency_key: IdempotencyKey,
) -> Response[HonoursOut]:
    receipt = _done(
        await _desk(bank).record_honour(
            data.subject,
            data.title,
            data.granted_on,
            data.granted_by,
            data.document_no,
            _command(request, idempotency_key),
        )
    )
    return await _honours(bank, data.subject, receipt, 201)


@post(
    "/honours/{honour_id:str}/revocation",
    opt=needs("recognition:decide"),
    status_code=200,
    responses=problems(*WRITING, *GUARDED, "unknown-honour"),
    **operation("Revoke an honour by a new record that names it; both stay.", "撤销荣誉"),
)
async def revoke_honour(
    bank: NamedDependency[Bank],
    request: BankRequest,
    honour_id: ListId,
    data: JSONBody[RevocationIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    receipt = _done(
        await _desk(bank).revoke(
            honour_id, data.decided_on, data.decided_by, data.document_no, _command(request, idempotency_key)
        )
    )
    return answered(Noted(honour_id), headers=replayed(receipt.replayed))


@get(
    "/honours/of/{subject:str}",
    opt=needs("recognition:read", bounded=True),
    responses=problems(*READING),
    **operation("Honours and revocations of a person or group.", "查荣誉"),
)
async def list_honours(
    bank: NamedDependency[Bank], request: BankRequest, subject: PersonId
) -> Response[HonoursOut]:
    await require_at(bank, actor_in(request), "recognition:read", place=subject, person=subject)
    return await _honours(bank, subject)


@get(
    "/groups",
    opt=needs("recognition:read"),
    responses=problems(*READING),
    **operation("The groups of a kind with the most minutes of a year.", "各类组织的年度服务时长"),
)
async def list_groups(
    bank: NamedDependency[Bank],
    kind: Annotated[GroupKind, QueryParameter(description="which groups")],
    year: YearAsked,
    limit: Limit = 100,
) -> Response[GroupsOut]:
    as_of, best = await bank.as_of(best_groups, kind, year, limit)
    known = await bank.ask(places_by_id, [group for group, _ in best], today(bank))
    lines = [
        GroupLine(known[group].code, known[group].name, minutes) for group, minutes in best if group in known
    ]
    return answered(GroupsOut(as_of, lines))


@get(
    "/groups/{code:str}",
    opt=needs("recognition:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation(
        "Minutes of one group in a year, by membership on the date of service.", "某组织的年度服务时长"
    ),
)
async def group_total(
    bank: NamedDependency[Bank], request: BankRequest, code: PlaceCode, year: YearAsked
) -> Response[GroupTotal]:
    await require_at(bank, actor_in(request), "recognition:read", station=code)
    known = await bank.ask(places_on, [code], today(bank)) if code.isprintable() else {}
    if code not in known:
        raise ProblemError("not-found")
    as_of, (minutes, people) = await bank.as_of(group_minutes, known[code].id, year)
    return answered(GroupTotal(code, known[code].name, year, minutes, people, as_of))


def _merits(
    connection: Connection, ledger_id: int, person_id: str, day: date, bar_years: int, zone: str
) -> tuple[int, int, list[Honour], date | None]:
    """Minutes of a lifetime and of a year, the honours, and until when the person is barred, from one snapshot."""
    lifetime = lifetime_minutes(connection, ledger_id, [person_id])[person_id]
    this_year = year_minutes(connection, ledger_id, day.year, [person_id])[person_id]
    honours = honours_of(connection, ledger_id, person_id)
    return lifetime, this_year, honours, barred_until(connection, ledger_id, person_id, day, bar_years, zone)


async def _honours(
    bank: Bank, subject: str, receipt: Receipt | None = None, status: int = 200
) -> Response[HonoursOut]:
    headers = replayed(receipt.replayed) if receipt else {}
    return answered(HonoursOut(await bank.ask(honours_of, subject)), status, headers)


@lru_cache(maxsize=1)
def _schemes() -> SchemeBook:
    return load_schemes(shipped_schemes())


def _desk(bank: Bank) -> Recognition:
    policy = bank.policies.protecting(today(bank))
    return Recognition(bank.ledger, policy.timezone, policy.cases.false_hours_bar_years)


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


def _done(result: T | Refusal) -> T:
    if isinstance(result, Refusal):
        raise refused(result)
    return result


def _scheme_out(scheme: Scheme) -> SchemeOut:
    return SchemeOut(
        scheme.name,
        scheme.title,
        scheme.title_en,
        scheme.basis,
        scheme.valid_from,
        scheme.valid_to,
        [LevelOut(level.code, level.name, level.minutes) for level in scheme.levels],
    )


def _standing_out(scheme: Scheme, minutes: int) -> StandingOut:
    found = scheme.standing(minutes)
    code, name = (found.level.code, found.level.name) if found.level else ("", "")
    return StandingOut(scheme.name, scheme.title, code, name, minutes, found.cycles, found.next_minutes)


def _list_out(made: CandidateList, after: int, limit: int) -> ListOut:
    page = made.candidates[after : after + limit]
    following = after + limit if after + limit < len(made.candidates) else None
    lines = [CandidateOut(c.subject, c.rank, c.minutes, c.tied, c.level) for c in page]
    return ListOut(
        made.id, made.scheme, made.year, made.wanted, made.as_of, len(made.candidates), lines, following
    )


router = Router(
    "/recognition",
    route_handlers=[
        list_schemes,
        standing,
        freeze,
        get_list,
        record_honour,
        revoke_honour,
        list_honours,
        list_groups,
        group_total,
    ],
    tags=["recognition 表彰"],
)
