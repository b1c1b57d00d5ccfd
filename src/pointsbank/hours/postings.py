"""The accountant's page of the hours room: what a judged record, a release and a reversal post. Pure."""

from __future__ import annotations

import msgspec

from pointsbank.engine.commands import attach, request_digest
from pointsbank.hours.model import Judgement
from pointsbank.intake.lines import Place, line_row
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Change, Draft, Movement, Row
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund, point_lot

HOURS = frozenset(["hours"])
FIELD_SEPARATOR = "\x1f"


class Judged(msgspec.Struct, frozen=True):
    """A line of service hours with its verdict and what is needed to write it down."""

    place: Place
    fields: tuple[str, ...]
    judgement: Judgement
    start_minute: int = 0
    end_minute: int = 0
    volunteer: Volunteer | None = None
    """Known unless the verdict rests on nobody in particular."""
    version: int = 0
    """Version of the volunteer's subject on which the verdict rests."""
    policy: str = ""
    fund: str = ""
    available_on: str = ""
    """First day on which the points may be spent; empty if at once."""
    effective_at: int = 0
    salt: bytes = b""

    @property
    def record_id(self) -> str:
        return self.fields[0]

    @property
    def is_new(self) -> bool:
        """Whether the line takes its record id: well formed, and the first with it."""
        return self.judgement.verdict not in ("malformed", "duplicate", "conflict")


def record_draft(judged: Judged, client: str, actor: str) -> Draft:
    """What a judged line writes: always its verdict, a record if it takes the id, postings if it is accepted."""
    judgement, place = judged.judgement, judged.place
    accepted = judgement.verdict == "accepted"
    rows = [
        line_row(place, judged.record_id, judgement.verdict, judgement.minutes, judgement.points, posts=accepted)
    ]
    if judged.is_new:
        rows.append(_record_row(judged))
    subject = judged.volunteer.subject if judged.volunteer else ""
    draft = Draft(
        kind="earn" if accepted else "judge-record",
        key=f"{place.source}:{place.line}",
        client=client,
        request=request_digest("record", *judged.fields),
        effective_at=judged.effective_at,
        actor=actor,
        reads=((subject, judged.version),) if judged.is_new and subject else (),
        rows=tuple(rows),
    )
    return _with_postings(draft, judged) if accepted else draft


def _with_postings(draft: Draft, judged: Judged) -> Draft:
    volunteer, judgement = judged.volunteer, judged.judgement
    assert volunteer is not None
    category = judged.fields[4]
    movements = [Movement(f"category:{category}:given", volunteer.merit, MINUTE.code, judgement.minutes)]
    if judgement.points:
        wallet = volunteer.pending if judged.available_on else volunteer.wallet
        movements.append(
            Movement(Fund(judged.fund).issued, wallet, POINT.code, judgement.points, _lot(judged))
        )
    return msgspec.structs.replace(
        draft,
        movements=tuple(movements),
        place=judged.fields[5],
        metadata=(("policy", judged.policy), ("category", category), ("credited", judgement.creditable_minutes)),
        documents=(attach("service-record", judged.record_id, judged.salt, *judged.fields),),
        touches=(volunteer.subject,),
    )


def _lot(judged: Judged) -> str:
    expires_on = judged.judgement.expires_on
    assert expires_on is not None
    return point_lot(expires_on, Fund(judged.fund))


def _record_row(judged: Judged) -> Row:
    j, accepted = judged.judgement, judged.judgement.verdict == "accepted"
    if not accepted:
        state = "refused"
    else:
        state = "pending" if judged.available_on and j.points else "credited"
    return Row(
        "service_records",
        (
            judged.record_id,
            judged.fields[1],
            FIELD_SEPARATOR.join(judged.fields),
            j.verdict,
            state,
            j.day.isoformat() if j.day else "",
            judged.start_minute,
            judged.end_minute,
            j.minutes,
            j.creditable_minutes,
            j.points,
            judged.fields[4],
            judged.fields[5],
            judged.policy,
            _lot(judged) if accepted and j.points else "",
            judged.available_on,
            SEQUENCE if accepted else 0,
            0,
            judged.salt,
            RECORDED_AT,
        ),
    )


class PendingRecord(msgspec.Struct, frozen=True):
    """A record whose points stand on public notice."""

    record_id: str
    fields: tuple[str, ...]
    volunteer: Volunteer
    points: int
    lot: str
    available_on: str
    salt: bytes


def release_draft(record: PendingRecord, effective_at: int, client: str) -> Draft:
    """The notice has ended without objection: the points become available, in the lot that they have."""
    volunteer = record.volunteer
    return Draft(
        kind="release",
        key=f"release:{record.record_id}",
        client=client,
        request=request_digest("release", record.record_id),
        effective_at=effective_at,
        movements=(Movement(volunteer.pending, volunteer.wallet, POINT.code, record.points, record.lot),),
        actor="system",
        reason="notice-ended",
        documents=(attach("service-record", record.record_id, record.salt, *record.fields),),
        touches=(volunteer.subject,),
        changes=(
            Change("service_records", (record.record_id,), "pending", "credited", (("released_by", SEQUENCE),)),
        ),
    )


def reversal_drafts(
    record_id: str, state: str, sequence: int, released_by: int, volunteer: Volunteer, reason: str, *,
    effective_at: int, client: str, key: str, actor: str,
) -> list[Draft]:
    """Take a record back: first its release, if there was one, then the credit itself; all or nothing."""
    common = {"client": client, "effective_at": effective_at, "actor": actor, "reason": reason}
    drafts = []
    if released_by:
        drafts.append(
            Draft(
                kind="reversal",
                key=f"{key}:release",
                request=request_digest("reverse", record_id, "release", reason),
                reverses=released_by,
                **common,  # type: ignore[arg-type]
            )
        )
    drafts.append(
        Draft(
            kind="reversal",
            key=key,
            request=request_digest("reverse", record_id, reason),
            reverses=sequence,
            touches=(volunteer.subject,),
            changes=(Change("service_records", (record_id,), state, "reversed"),),
            **common,  # type: ignore[arg-type]
        )
    )
    return drafts
