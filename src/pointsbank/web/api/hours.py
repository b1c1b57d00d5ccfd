"""Service hours: submit records in batches, each with its verdict; look a record up again."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final, cast

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command
from pointsbank.hours.explain import SHORT_CHINESE, SHORT_ENGLISH
from pointsbank.hours.model import HoursVerdict, RecordFields
from pointsbank.hours.refusals import RecordRefused
from pointsbank.hours.tables import service_records
from pointsbank.hours.whereabouts import of_records
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of
from pointsbank.web.api.answers import answered, replayed
from pointsbank.web.api.describe import READING, REFUSALS, WRITING, IdempotencyKey, operation, problems
from pointsbank.web.api.desks import by_of
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import Act, require_each, require_found
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.posting import request_of
from pointsbank.web.problems import ProblemError, refused
from pointsbank.web.validation import BankRequest

MAX_RECORDS: Final = 10_000
BODY_BYTES: Final = 16 * 1024 * 1024

Field = Annotated[str, Meta(max_length=200, pattern="^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$")]


class ServiceRecordIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service record as it was written down; times are local, `YYYY-MM-DD HH:MM`."""

    record_id: Field
    volunteer: Field
    activity: Field
    activity_name: Field
    category: Field
    station: Field
    session_start: Field
    session_end: Field
    check_in: Field
    check_out: Field
    hour_class: Field
    recorded_by: Field
    recorded_at: Field


class HoursIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records, judged in the order in which they stand. `reason`, a code, for lines that come after the deadline."""

    records: Annotated[tuple[ServiceRecordIn, ...], Meta(min_length=1, max_length=MAX_RECORDS)]
    reason: Annotated[str, Meta(max_length=64, pattern="^[a-z0-9-]*$")] = ""


class HoursVerdictOut(msgspec.Struct, frozen=True):
    """The verdict on a record, in a code and in words. Minutes of merit; points in hundredths."""

    position: int
    record_id: str
    verdict: str
    verdict_zh: str
    verdict_en: str
    minutes: int
    points: int
    sequence: int


class HoursOut(msgspec.Struct, frozen=True):
    """Verdicts in the order of the records. `accepted` counts those booked, or waiting for a verifier."""

    accepted: int
    verdicts: list[HoursVerdictOut]


class ServiceRecordOut(msgspec.Struct, frozen=True):
    """A record on file: the verdict that took its id, and where it stands (refused, submitted,
    checked, pending, objected, credited, rejected, withdrawn, reversed). `volunteer` is empty if nobody
    had the number, or the account is closed."""

    record_id: str
    volunteer: str
    verdict: str
    verdict_zh: str
    verdict_en: str
    state: str
    day: str
    minutes: int
    points: int
    available_on: str
    policy: str
    sequence: int


@post(
    "/",
    opt=needs("hours:submit", bounded=True),
    status_code=200,
    request_max_body_size=BODY_BYTES,
    responses=problems(*WRITING, *REFUSALS[:-1], "too-many-lines", "reason-invalid"),
    **operation(
        "Submit service records; each is judged by the policy, booked if accepted, and keeps its verdict.",
        "提交服务时长记录，逐条给出判定",
    ),
)
async def submit_records(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[HoursIn],
    idempotency_key: IdempotencyKey,
) -> Response[HoursOut]:
    await require_each(
        bank, actor_in(request), "hours:submit", [Act(record.station.strip()) for record in data.records]
    )
    actor = actor_in(request)
    plain = request_of("POST", request.scope["path"], data)
    digest = directory_of(bank.ledger).request("hours", plain.hex())  # the request is about people
    # The key is taken by a document-only draft first: a batch is judged line by line and may span several
    # commits,
    # so a repetition of the same key goes on where it stopped, and another request under it is a conflict.
    claim = Draft("submit-hours", idempotency_key, actor.client, digest, bank.clock.now(), actor=actor.name)
    claimed = (await bank.ledger.submit([claim], frozenset()))[0]
    if isinstance(claimed, Refusal):
        raise refused(claimed)
    source = "api:" + sha256(f"{actor.client}\0{idempotency_key}".encode()).hexdigest()[:32]
    lines = [(position, tuple(_normalised(record))) for position, record in enumerate(data.records)]
    try:
        verdicts = await bank.hours.submit(
            source,
            lines,
            Command(actor.client, idempotency_key, actor.name),
            by=by_of(request),
            reason=data.reason,
        )
    except RecordRefused as error:
        raise ProblemError(
            error.refusal.code, **msgspec.structs.asdict(error.refusal), position=error.line
        ) from error
    told = [
        HoursVerdictOut(v.line, v.id, v.verdict, *in_words(v.verdict), v.minutes, v.points, v.sequence)
        for v in verdicts
    ]
    accepted = sum(v.verdict in ("accepted", "submitted") for v in verdicts)
    return answered(HoursOut(accepted, told), headers=replayed(claimed.replayed))


@get(
    "/{record_id:str}",
    opt=needs("hours:read", bounded=True),
    responses=problems(*READING, "not-found"),
    **operation("One service record with the verdict that took its id.", "查一条服务时长记录"),
)
async def get_record(
    bank: NamedDependency[Bank],
    request: BankRequest,
    record_id: Annotated[str, PathParameter(min_length=1, max_length=200)],
) -> Response[ServiceRecordOut]:
    await require_found(
        bank, actor_in(request), "hours:read", of_records, [record_id] if record_id.isprintable() else []
    )
    record = await bank.ask(_record, record_id) if record_id.isprintable() else None
    if record is None:
        raise ProblemError("not-found")
    asked = [record.volunteer] if record.volunteer else []
    numbers = (
        await directory_of(bank.ledger).numbers(asked, actor_in(request).name, "record") if asked else {}
    )
    return answered(msgspec.structs.replace(record, volunteer=numbers.get(record.volunteer, "")))


def _normalised(record: ServiceRecordIn) -> RecordFields:
    return RecordFields(*(field.strip() for field in msgspec.structs.astuple(record)))


def _record(connection: Connection, ledger_id: int, record_id: str) -> ServiceRecordOut | None:
    t = service_records.c
    row = connection.execute(
        select(
            t.record_id,
            t.volunteer,
            t.verdict,
            t.state,
            t.day,
            t.minutes,
            t.points,
            t.available_on,
            t.policy,
            t.sequence,
        ).where(t.ledger_id == ledger_id, t.record_id == record_id)
    ).one_or_none()
    if row is None:
        return None
    zh, en = in_words(row.verdict)
    return ServiceRecordOut(**row._mapping, verdict_zh=zh, verdict_en=en)


def in_words(verdict: str) -> tuple[str, str]:
    """A verdict as people say it, in Chinese and English."""
    known = cast(HoursVerdict, verdict)
    return SHORT_CHINESE.get(known, verdict), SHORT_ENGLISH.get(known, verdict)


router = Router("/hours", route_handlers=[submit_records, get_record], tags=["hours 服务时长"])
