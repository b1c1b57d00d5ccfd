"""Policies over HTTP: which ones rule, and a change of them, which one person proposes and another decides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from pointsbank.access.policies import PolicyChange, changes_of_policies, digest_of
from pointsbank.access.refusals import PolicyInvalid
from pointsbank.engine.commands import Command
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors, parse_policy
from pointsbank.web.api.activities import done
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, IdempotencyKey, operation, problems
from pointsbank.web.api.funds import ApprovalIn, DocumentNo
from pointsbank.web.api.shapes import when
from pointsbank.web.api.staff import COMMAND, PathId
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, person
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

BODY_BYTES: Final = 4 * 1024 * 1024


class PolicyFileIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as it stands in its dated TOML file."""

    name: Annotated[str, Meta(pattern="^[0-9A-Za-z._-]{1,60}[.]toml$")]
    text: Annotated[str, Meta(max_length=200_000)]


class PoliciesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole book that shall rule, file by file, and the number of the city's decision."""

    files: Annotated[list[PolicyFileIn], Meta(min_length=1, max_length=50)]
    document_no: DocumentNo = ""


class PolicyChangeOut(msgspec.Struct, frozen=True):
    """A book that was proposed: `digest` tells it, `policies` are its versions with their days.

    `state`: proposed, approved, refused. Of the approved ones that with the highest `number` rules.
    """

    id: str
    digest: str
    policies: list[str]
    document_no: str
    number: int
    proposed_by: str
    proposed_at: datetime
    decided_by: str
    decided_at: datetime | None
    state: str


class PoliciesOut(msgspec.Struct, frozen=True):
    """The digest of the book with which this service works, and the changes, the newest first."""

    digest: str
    changes: list[PolicyChangeOut]


@get(
    "/",
    opt=person("policies:read"),
    responses=problems(*READING),
    **operation("Which policies rule, and what was proposed.", "现行规则与变更记录"),
)
async def list_policies(bank: NamedDependency[Bank]) -> Response[PoliciesOut]:
    changes = await bank.ask(changes_of_policies)
    return answered(PoliciesOut(digest_of(bank.policies), [_out(change) for change in changes]))


@post(
    "/changes",
    opt=person("policies:manage"),
    request_max_body_size=BODY_BYTES,
    responses=problems(*COMMAND, "policy-invalid"),
    **operation(
        "Propose the policies that shall rule; another person decides.", "提出规则变更（须另一人审定）"
    ),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[PoliciesIn],
    idempotency_key: IdempotencyKey,
) -> Response[PolicyChangeOut]:
    try:
        book = PolicyBook([parse_policy(file.text, file.name) for file in data.files])
    except PolicyErrors as errors:
        raise refused(PolicyInvalid(str(errors))) from errors
    made = await bank.rules.propose(
        actor_in(request), book, _command(request, idempotency_key), document_no=data.document_no
    )
    return answered(_out(done(made)), 201)


@post(
    "/changes/{change_id:str}/decision",
    opt=person("policies:manage"),
    status_code=200,
    responses=problems(*COMMAND, "unknown-policy-change", "policy-change-decided", "second-person-needed"),
    **operation(
        "Decide on policies that another person proposed; approved, they rule from the next start on.",
        "审定规则变更",
    ),
)
async def decide(
    bank: NamedDependency[Bank],
    request: BankRequest,
    change_id: PathId,
    data: JSONBody[ApprovalIn],
    idempotency_key: IdempotencyKey,
) -> Response[PolicyChangeOut]:
    command = _command(request, idempotency_key)
    return answered(
        _out(done(await bank.rules.decide(actor_in(request), change_id, command, approve=data.approve)))
    )


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


def _out(change: PolicyChange) -> PolicyChangeOut:
    return PolicyChangeOut(
        change.change_id,
        change.digest,
        change.versions.splitlines(),
        change.document_no,
        change.number,
        change.proposed_by,
        when(change.proposed_at),
        change.decided_by,
        when(change.decided_at) if change.decided_at else None,
        change.state,
    )


router = Router("/policies", route_handlers=[list_policies, propose, decide], tags=["policies 规则"])
