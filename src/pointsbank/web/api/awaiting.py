"""What waits for whom, over HTTP: records for a verifier, objections and appeals for somebody who decides them.

Each reader sees what lies at the reader's places, as the table of rights bounds the act itself; people are masked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime
from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from sqlalchemy import Connection

from pointsbank.access.authorize import authorize
from pointsbank.access.model import Actor
from pointsbank.hours.awaiting import (
    AwaitingCase,
    AwaitingRecord,
    Reader,
    awaiting_decision,
    awaiting_verification,
    stations_awaiting,
    stations_of_cases,
)
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, Limit, operation, problems
from pointsbank.web.api.desks import by_actor
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, resources_of
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest

AfterRecord = Annotated[
    str,
    QueryParameter(
        max_length=220, pattern="^([0-9]{1,17}:[!-~]{1,200})?$", description="`next` of the last page"
    ),
]
AfterCase = Annotated[
    str,
    QueryParameter(
        max_length=220,
        pattern="^([0-9]{4}-[0-9]{2}-[0-9]{2}:[!-~]{1,200})?$",
        description="`next` of the last page",
    ),
]
OfActivity = Annotated[
    str, QueryParameter(max_length=64, pattern="^[A-Za-z0-9._-]*$", description="only of this activity")
]


class AwaitingRecordOut(msgspec.Struct, frozen=True):
    """A record that waits for a verifier. `level` is how many people must look at it, `next_step` what it waits for.

    `flags`: late, night (submitted at night), honour (typed in), large (above the limits of one person's word).
    `may_not` is the rule of four eyes by which the reader may not verify it, empty if none forbids it. `recorder` is a
    person's id, or `machine:…`. `name` and `recorder_name` are masked, and empty where no name is on file.
    """

    record_id: str
    activity_id: str
    activity: str
    session_id: str
    station: str
    day: str
    minutes: int
    hour_class: str
    person: str
    name: str
    recorder: str
    recorder_name: str
    submitted_at: datetime
    state: str
    next_step: str
    level: int
    due_on: str
    flags: list[str]
    may_not: str


class AwaitingRecordsOut(msgspec.Struct, frozen=True):
    """Records that wait for a verifier, the longest waiting first, as of a sequence number."""

    as_of: int
    records: list[AwaitingRecordOut]
    following: str | None = msgspec.field(name="next")


class AwaitingCaseOut(msgspec.Struct, frozen=True):
    """An objection or an appeal on which somebody must decide by `due_on`; `state`: open, or escalated once it went up.

    `may_not` is the rule of four eyes by which the reader may not decide it, empty if none forbids it. Names are masked.
    """

    record_id: str
    number: int
    kind: str
    reason: str
    objector: str
    objector_name: str
    opened_at: datetime
    state: str
    due_on: str
    activity_id: str
    activity: str
    station: str
    day: str
    minutes: int
    person: str
    name: str
    recorder: str
    recorder_name: str
    may_not: str


class AwaitingCasesOut(msgspec.Struct, frozen=True):
    """Undecided objections and appeals by their last day, those that went up first, as of a sequence number."""

    as_of: int
    cases: list[AwaitingCaseOut]
    following: str | None = msgspec.field(name="next")


@get(
    "/awaiting-verification",
    opt=needs("hours:verify", bounded=True),
    responses=problems(*READING),
    **operation(
        "Records that wait for a verifier at the reader's places, the longest waiting first.",
        "待核验的服务记录",
    ),
)
async def list_awaiting_verification(
    bank: NamedDependency[Bank],
    request: BankRequest,
    activity: OfActivity = "",
    after: AfterRecord = "",
    limit: Limit = 100,
) -> Response[AwaitingRecordsOut]:
    actor = actor_in(request)
    reader = _reader(bank, actor)
    as_of, found = await bank.as_of(records_for, actor, reader, activity, after, limit)
    names = await _names(bank, actor, ((one.person, one.recorder) for one in found))
    told = [record_out(one, names) for one in found]
    return answered(AwaitingRecordsOut(as_of, told, record_cursor(found, limit)))


@get(
    "/awaiting-decision",
    opt=needs("hours:decide", bounded=True),
    responses=problems(*READING),
    **operation(
        "Undecided objections and appeals at the reader's places, by their last day for the decision.",
        "待裁定的异议与申诉",
    ),
)
async def list_awaiting_decision(
    bank: NamedDependency[Bank], request: BankRequest, after: AfterCase = "", limit: Limit = 100
) -> Response[AwaitingCasesOut]:
    actor = actor_in(request)
    reader = _reader(bank, actor)
    as_of, found = await bank.as_of(cases_for, actor, reader, after, limit)
    names = await _names(bank, actor, ((one.person, one.recorder, one.objector) for one in found))
    told = [case_out(one, names) for one in found]
    return answered(AwaitingCasesOut(as_of, told, case_cursor(found, limit)))


def records_for(
    connection: Connection,
    ledger_id: int,
    actor: Actor,
    reader: Reader,
    activity: str = "",
    after: str = "",
    limit: int = 100,
) -> list[AwaitingRecord]:
    """Records that wait for a verifier where this actor may verify, from one snapshot; `after` is a page's `next`."""
    stations = _reached(connection, ledger_id, actor, "hours:verify", stations_awaiting, reader.today)
    at, _, record_id = after.partition(":")
    keyset = (int(at), record_id) if at else (-1, "")
    return awaiting_verification(
        connection, ledger_id, reader, stations, activity=activity, after=keyset, limit=limit
    )


def cases_for(
    connection: Connection, ledger_id: int, actor: Actor, reader: Reader, after: str = "", limit: int = 100
) -> list[AwaitingCase]:
    """Undecided cases where this actor may decide, from one snapshot; `after` is a page's `next`."""
    stations = _reached(connection, ledger_id, actor, "hours:decide", stations_of_cases, reader.today)
    due_on, _, record_id = after.partition(":")
    return awaiting_decision(connection, ledger_id, reader, stations, after=(due_on, record_id), limit=limit)


def record_cursor(found: list[AwaitingRecord], limit: int) -> str | None:
    """`next` of a page: None if it is the last one."""
    return f"{found[-1].submitted_at}:{found[-1].record_id}" if len(found) == limit else None


def case_cursor(found: list[AwaitingCase], limit: int) -> str | None:
    """`next` of a page: None if it is the last one."""
    return f"{found[-1].due_on}:{found[-1].record_id}" if len(found) == limit else None


def _reached(
    connection: Connection,
    ledger_id: int,
    actor: Actor,
    action: str,
    stations: Callable[[Connection, int], list[str]],
    day: date,
) -> list[str]:
    """Those of the stations at which the actor may do this: the tree is that of today, as at the act itself."""
    codes = stations(connection, ledger_id)
    is_everywhere = not actor.person or authorize(actor, action) is None  # a machine was judged at the door
    if is_everywhere:
        return codes
    acts = [Act(code) for code in codes]
    known = resources_of(connection, ledger_id, acts, actor.person, day)
    return [act.station for act in acts if authorize(actor, action, known[act]) is None]


async def _names(bank: Bank, actor: Actor, people: Iterable[Collection[str]]) -> dict[str, str]:
    """Masked names by id, for a natural person; a device at which nobody is logged in sees nobody's name."""
    ids = {one for some in people for one in some}
    return await bank.people.registry.masked_names(ids) if actor.person and ids else {}


def _reader(bank: Bank, actor: Actor) -> Reader:
    return Reader(by_actor(actor), bank.policies, bank.clock.now())


def record_out(one: AwaitingRecord, names: dict[str, str]) -> AwaitingRecordOut:
    """A record as it is answered."""
    return AwaitingRecordOut(
        one.record_id, one.activity_id, one.activity, one.session_id, one.station, one.day, one.minutes,
        one.hour_class, one.person, names.get(one.person, ""), one.recorder, names.get(one.recorder, ""),
        when(one.submitted_at), one.state, one.next_step, one.level, one.due_on, list(one.flags), one.may_not,
    )  # fmt: skip


def case_out(one: AwaitingCase, names: dict[str, str]) -> AwaitingCaseOut:
    """A case as it is answered."""
    return AwaitingCaseOut(
        one.record_id, one.number, one.kind, one.reason, one.objector, names.get(one.objector, ""),
        when(one.opened_at), one.state, one.due_on, one.activity_id, one.activity, one.station, one.day,
        one.minutes, one.person, names.get(one.person, ""), one.recorder, names.get(one.recorder, ""), one.may_not,
    )  # fmt: skip


router = Router(
    "/records",
    route_handlers=[list_awaiting_verification, list_awaiting_decision],
    tags=["hours 服务时长"],
)
