"""Evidence over HTTP: what shows that somebody was there who is written down without a check-in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.activities.evidence import REFERENCE, EvidenceDesk, EvidenceKind
from pointsbank.engine.commands import Command
from pointsbank.hours.whereabouts import of_sessions
from pointsbank.web.api.activities import PathId, done
from pointsbank.web.api.activity_shapes import Id, Noted
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of
from pointsbank.web.api.shapes import when
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_found
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest


class EvidenceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the evidence is: its sort and the number under which it is kept, no free text."""

    person: Id
    kind: EvidenceKind
    reference: Annotated[str, Meta(pattern=f"^{REFERENCE}$")]


@post(
    "/{session_id:str}/evidence",
    opt=needs("hours:submit", bounded=True),
    responses=problems(
        *WRITING,
        "idempotency-conflict",
        "invalid-draft",
        "document-exists",
        "unknown-activity",
        "four-eyes",
        "check-in-refused",
    ),
    **operation("File what shows that somebody was there; once, and not for oneself.", "登记到场凭据"),
)
async def file_evidence(
    bank: NamedDependency[Bank],
    request: BankRequest,
    session_id: PathId,
    data: JSONBody[EvidenceIn],
    idempotency_key: IdempotencyKey,
) -> Response[Noted]:
    actor = actor_in(request)
    await require_found(bank, actor, "hours:submit", of_sessions, [session_id], person=data.person)
    command = Command(actor.client, idempotency_key, actor.name)
    receipt = done(
        await EvidenceDesk(bank.ledger).file(
            session_id, data.person, data.kind, data.reference, by_of(request), command
        )
    )
    return answered(Noted(when(receipt.recorded_at)), 201, replayed(receipt.replayed))


router = Router("/activity-sessions", route_handlers=[file_evidence], tags=["activities 活动"])
