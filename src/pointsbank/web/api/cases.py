"""Hours that do not count, and samples of closed batches, over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.hours.clawback import MOST_LINES, Case, Clawing
from pointsbank.hours.sampling import Batch, Sample, Sampling
from pointsbank.web.api.activities import PathId, done
from pointsbank.web.api.activity_shapes import Id, Reason
from pointsbank.web.api.answers import answered
from pointsbank.web.api.describe import READING, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of, desks_of
from pointsbank.web.api.funds import ApprovalIn, DocumentNo
from pointsbank.web.api.records import STEPS, RecordId
from pointsbank.web.bank import Bank
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.validation import BankRequest

Recorder = Annotated[str, Meta(min_length=1, max_length=100, pattern="^[A-Za-z0-9:._-]+$")]
CASES: Final = (*STEPS, "unknown-case", "unknown-activity", "unknown-person")
SAMPLES: Final = ("idempotency-conflict", "invalid-draft", "four-eyes", "reason-invalid", "unknown-case",
                  "unknown-record", "wrong-record-state", "batch-open")  # fmt: skip


class ClawbackIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records of an activity that shall not count: all, or those named. `guilty` owe what they have spent."""

    activity: Id
    reason: Reason
    guilty: Annotated[list[Id], Meta(max_length=MOST_LINES)] = []
    records: Annotated[list[RecordId], Meta(min_length=1, max_length=MOST_LINES)] | None = None
    document_no: DocumentNo = ""


class SampleIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The batch: who submitted it, and on which day."""

    recorder: Recorder
    day: date


class OutcomeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a sampled record: confirmed, wrong-times, not-present, no-evidence."""

    record: RecordId
    outcome: Reason


class BatchesOut(msgspec.Struct, frozen=True):
    """Closed batches for which nobody has drawn yet, the oldest first."""

    batches: list[Batch]


@post(
    "/clawbacks",
    opt=needs("cases:manage"),
    responses=problems(*WRITING, *CASES),
    **operation("Propose that records of an activity do not count; another person decides.", "提议追回"),
)
async def propose(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[ClawbackIn],
    idempotency_key: IdempotencyKey,
) -> Response[Case]:
    case = await _clawing(bank).propose(
        data.activity,
        data.reason,
        by_of(request),
        _command(request, idempotency_key),
        guilty=data.guilty,
        records=data.records,
        document_no=data.document_no,
    )
    return answered(done(case), 201)


@post(
    "/clawbacks/{case_id:str}/decision",
    opt=needs("cases:manage"),
    status_code=200,
    responses=problems(*WRITING, *CASES),
    **operation(
        "Decide a case as a second person; approved, it is carried out, also if it was stopped.", "审定追回"
    ),
)
async def decide(
    bank: NamedDependency[Bank],
    request: BankRequest,
    case_id: PathId,
    data: JSONBody[ApprovalIn],
    idempotency_key: IdempotencyKey,
) -> Response[Case]:
    case = await _clawing(bank).decide(
        case_id, by_of(request), _command(request, idempotency_key), approve=data.approve
    )
    return answered(done(case))


@get(
    "/clawbacks/{case_id:str}",
    opt=needs("cases:read"),
    responses=problems(*READING, "unknown-case"),
    **operation("A case with what became of each record.", "查一个追回案件"),
)
async def get_case(bank: NamedDependency[Bank], case_id: PathId) -> Response[Case]:
    return answered(done(await _clawing(bank).case(case_id)))


@get(
    "/samples",
    opt=needs("cases:read"),
    responses=problems(*READING),
    **operation("Closed batches from a day on that nobody has drawn a sample of.", "待抽查批次"),
)
async def waiting(
    bank: NamedDependency[Bank],
    since: Annotated[date, QueryParameter(description="batches from this day on")],
) -> Response[BatchesOut]:
    return answered(BatchesOut(await _sampling(bank).waiting(since)))


@post(
    "/samples",
    opt=needs("cases:manage"),
    responses=problems(*WRITING, *SAMPLES),
    **operation("Draw the sample of a closed batch, once.", "抽取样本"),
)
async def draw(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[SampleIn],
    idempotency_key: IdempotencyKey,
) -> Response[Sample]:
    sample = await _sampling(bank).draw(
        data.recorder, data.day, by_of(request), _command(request, idempotency_key)
    )
    return answered(done(sample), 201)


@get(
    "/samples/{sample_id:str}",
    opt=needs("cases:read"),
    responses=problems(*READING, "unknown-case"),
    **operation("A sample with its seed, its records and their outcomes.", "查一个样本"),
)
async def get_sample(bank: NamedDependency[Bank], sample_id: PathId) -> Response[Sample]:
    return answered(done(await _sampling(bank).sample(sample_id)))


@post(
    "/samples/{sample_id:str}/outcomes",
    opt=needs("cases:manage"),
    status_code=200,
    responses=problems(*WRITING, *SAMPLES),
    **operation("Note what became of a sampled record.", "登记抽查结果"),
)
async def note(
    bank: NamedDependency[Bank],
    request: BankRequest,
    sample_id: PathId,
    data: JSONBody[OutcomeIn],
    idempotency_key: IdempotencyKey,
) -> Response[Sample]:
    sample = await _sampling(bank).note(
        sample_id, data.record, data.outcome, by_of(request), _command(request, idempotency_key)
    )
    return answered(done(sample))


def _clawing(bank: Bank) -> Clawing:
    return desks_of(bank).clawing


def _sampling(bank: Bank) -> Sampling:
    return desks_of(bank).sampling


def _command(request: BankRequest, key: str) -> Command:
    actor = actor_in(request)
    return Command(actor.client, key, actor.name)


router = Router(
    "/",
    route_handlers=[propose, decide, get_case, waiting, draw, get_sample, note],
    tags=["cases 案件与抽查"],
)
