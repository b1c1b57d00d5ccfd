"""One's own hours: where each stands from check-in on, an objection to one on notice; what moved; stars and honours."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.objections import Objection
from pointsbank.readers.statements import MAX_LINES, StatementFilter, statement
from pointsbank.web.api import recognition
from pointsbank.web.api.accounts import Statement, statement_out
from pointsbank.web.api.answers import answered, found
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import desks_of
from pointsbank.web.api.people_answers import done
from pointsbank.web.api.records import STEPS, ObjectionIn, RecordPath, StandingsOut, standing_out
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, own, visit_in
from pointsbank.web.problems import ProblemError
from pointsbank.web.validation import BankRequest


@get(
    "/records",
    opt=own("own:records"),
    responses=problems(*READING, "unknown-terminal", "log-in-closed"),
    **operation("Where every hour of one's own stands, or of the ward.", "本人时数的进度"),
)
async def records(bank: NamedDependency[Bank], request: BankRequest) -> Response[StandingsOut]:
    visit = visit_in(request)
    person = visit.ward or visit.person
    account = await desks_of(bank).standings.account_of(person)
    hours = [standing_out(one) for one in account.hours]
    return answered(StandingsOut(account.as_of, hours, account.owed))


@post(
    "/records/{record_id:str}/objection",
    opt=own("own:object"),
    responses=problems(*WRITING, *STEPS, "form-expired", "unknown-terminal", "log-in-closed"),
    **operation(
        "Object to a record of one's own, or of the ward, while it is on notice.", "对本人记录提出异议"
    ),
)
async def object_to(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: RecordPath,
    data: JSONBody[ObjectionIn],
    idempotency_key: IdempotencyKey,
) -> Response[Objection]:
    visit, actor, desks = visit_in(request), actor_in(request), desks_of(bank)
    mine = await desks.standings.of_person(visit.ward or visit.person)
    if record_id not in {one.record_id for one in mine}:
        raise ProblemError("unknown-record", id=record_id)
    command = Command(actor.client, idempotency_key, actor.name)
    case = await desks.objecting.object(record_id, data.reason, By(actor.id, visit.person), command)
    return answered(done(case), 201)


@get(
    "/statement",
    opt=own("own:records"),
    responses=problems(
        *READING, "unknown-terminal", "log-in-closed", "no-such-account", "question-invalid", "cursor-invalid"
    ),
    **operation("What moved on one's own available points, or the ward's, newest first.", "本人积分对账单"),
)
async def own_statement(
    bank: NamedDependency[Bank],
    request: BankRequest,
    cursor: Annotated[str, QueryParameter(max_length=64, description="`next` of the page before")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LINES)] = 50,
    kind: Annotated[str, QueryParameter(max_length=32, description="kind of entry")] = "",
) -> Response[Statement]:
    visit = visit_in(request)
    path = f"volunteer:{visit.ward or visit.person}:available"
    only = StatementFilter(kind)
    page = found(await bank.ask(statement, path, cursor=cursor, limit=limit, only=only))
    return answered(statement_out(page))


@get(
    "/recognition",
    opt=own("own:records"),
    responses=problems(*READING, "unknown-terminal", "log-in-closed"),
    **operation(
        "Where one stands in every scheme in force, and one's honours; or the ward.", "本人星级与荣誉"
    ),
)
async def own_recognition(
    bank: NamedDependency[Bank], request: BankRequest
) -> Response[recognition.StandingsOut]:
    visit = visit_in(request)
    return answered(await recognition.standings_of(bank, visit.ward or visit.person))


router = Router("/me", route_handlers=[records, own_statement, own_recognition, object_to], tags=["me 本人"])
