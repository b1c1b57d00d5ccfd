"""One's own hours: where each stands from check-in on, and an objection to one on notice."""

from __future__ import annotations

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.objections import Objection
from pointsbank.web.api.answers import answered
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
    found = await desks_of(bank).standings.account_of(person)
    return answered(StandingsOut(found.as_of, [standing_out(one) for one in found.hours], found.owed))


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


router = Router("/me", route_handlers=[records, object_to], tags=["me 本人"])
