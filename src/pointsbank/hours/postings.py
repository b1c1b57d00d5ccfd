"""The accountant's page of the hours room: what a judged record, a release and a reversal post. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

import msgspec

from pointsbank.engine.commands import attach, request_digest
from pointsbank.hours.model import Judgement, RecordFields
from pointsbank.intake.lines import Place, filed_id, kept_text, line_row, parts_of
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Attachment, Change, Draft, Movement, Row
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund

HOURS = frozenset(["hours"])

RECORD = "service-record"
"""The kind of document that a service record is in the journal."""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The rows of a record that waits, and the limits' subjects with the versions on which its level rests."""

    rows: tuple[Row, ...]
    limits: tuple[tuple[str, int], ...]
    entry: Draft | None = None
    """What accepts it in the same commit, where a machine may do that, and the points that it brings."""
    points: int = 0


class Judged(msgspec.Struct, frozen=True, gc=False):
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
    effective_at: int = 0
    salt: bytes = b""
    request: bytes = b""
    """Keyed hash of the line as it came in: what a repetition is told by."""
    sealed: bytes = b""
    """What documents do not show of it, or all of a refused line, under the key of the person."""
    waiting: Waiting | None = None
    """What a record brings along that waits to be verified."""

    @property
    def record_id(self) -> str:
        return self.fields[0]

    @property
    def is_new(self) -> bool:
        """Whether the line takes its record id: well formed, and the first with it."""
        return self.judgement.verdict not in ("malformed", "duplicate", "conflict")


@lru_cache(maxsize=1024)
def category_account(code: str) -> str:
    """The account of the service given in a category. A code that is no word of a path stands there by its digest."""
    if not re.fullmatch(r"[-_.]*[A-Za-z0-9][-_.A-Za-z0-9]*", code) or len(code) > 64:
        code = "x-" + sha256(code.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"category:{code}:given"


def record_drafts(judged: Judged, client: str, actor: str) -> tuple[Draft, ...]:
    """What a judged line writes: always its verdict; a record if it takes the id; what accepts that record, if it is."""
    place, fields, volunteer = judged.place, judged.fields, judged.volunteer
    verdict, request = judged.judgement.verdict, judged.request
    key = f"{place.source}:{place.line}"
    if judged.waiting is not None:
        assert volunteer is not None
        guarded = ((volunteer.subject, judged.version), *judged.waiting.limits)
        submitted = Draft(
            "submit-record",
            key,
            client,
            request,
            judged.effective_at,
            actor=actor,
            place=filed_id(fields[5]),
            reads=guarded,
            touches=tuple([subject for subject, _ in guarded]),
            rows=(line_row(place, fields[0], verdict, judged.judgement.minutes), *judged.waiting.rows),
        )
        entry = judged.waiting.entry
        return (submitted,) if entry is None else (submitted, entry)
    # what is no record may have anything in the place of its id
    row = line_row(place, "" if verdict == "malformed" else fields[0], verdict)
    judge = Draft(
        "judge-record",
        key,
        client,
        request,
        judged.effective_at,
        actor=actor,
        reads=((volunteer.subject, judged.version),) if judged.is_new and volunteer else (),
        rows=(row, _refused_row(judged)) if judged.is_new else (row,),
    )
    return (judge,)


def shown_fields(
    fields: RecordFields, person_id: str, activity_name: str = "", stated: str = ""
) -> RecordFields:
    """A record's fields as documents show them: ids for people, no free text."""
    return fields._replace(
        volunteer=person_id, activity_name=activity_name or fields.activity, recorded_by=stated or "-"
    )


def hidden_text(fields: tuple[str, ...], *, refused: bool) -> str:
    """What of a line is sealed: all of a refused one, else what `shown_fields` leaves out."""
    return kept_text(fields if refused else (fields[1], fields[3], fields[11]))


def own_words(text: str) -> list[str]:
    """What was sealed of a line, for whom it is about: all but who wrote it down, for that is somebody else."""
    words = parts_of(text)
    writer = 2 if len(words) == 3 else RecordFields._fields.index("recorded_by")
    return [word for place, word in enumerate(words) if place != writer]


def credited(person: Volunteer, points: int, lot: str, fund: Fund, *, at_once: bool) -> tuple[Movement, ...]:
    """A fund's points come on notice; without a notice they are released in the same entry."""
    issued = Movement(fund.issued, person.pending, POINT.code, points, lot)
    if not at_once:
        return (issued,)
    return issued, Movement(person.pending, person.wallet, POINT.code, points, lot)


def attached(record_id: str, salt: bytes, content: str) -> Attachment:
    """The proof of a service record: H(salt || its `fields` as the document keeps them)."""
    return attach(RECORD, record_id, salt, content)


def _refused_row(judged: Judged) -> Row:
    """The document of a line that took its id and earns nothing."""
    verdict = judged.judgement.verdict
    # words of a line that is no known person's, or names no known place, may be about anybody
    known = verdict not in ("unknown_volunteer", "unknown_station", "unknown_category")
    return Row(
        "service_records",
        (
            filed_id(judged.fields[0]),
            judged.volunteer.id if judged.volunteer else "",
            "",
            verdict,
            "refused",
            "",
            judged.start_minute,
            judged.end_minute,
            0,
            0,
            0,
            filed_id(judged.fields[4]) if known else "",
            filed_id(judged.fields[5]) if known else "",
            judged.policy,
            "",
            "",
            0,
            0,
            judged.salt,
            RECORDED_AT,
            judged.request,
            judged.sealed,
        ),
    )


class PendingRecord(msgspec.Struct, frozen=True):
    """A record whose points stand on public notice."""

    record_id: str
    content: str
    """The 13 fields as the document shows them."""
    volunteer: Volunteer
    points: int
    lot: str
    available_on: str
    salt: bytes


def release_draft(record: PendingRecord, effective_at: int, client: str) -> Draft:
    """The notice has ended without objection: the points become available, in the lot that they have.

    A record without points stands on notice like any other; its release posts nothing.
    """
    volunteer = record.volunteer
    movement = Movement(volunteer.pending, volunteer.wallet, POINT.code, record.points or 1, record.lot)
    return Draft(
        kind="release",
        key=f"release:{record.record_id}",
        client=client,
        request=request_digest("release", record.record_id),
        effective_at=effective_at,
        movements=(movement,) if record.points else (),
        actor="system",
        reason="notice-ended",
        documents=(attached(record.record_id, record.salt, record.content),) if record.points else (),
        touches=(volunteer.subject,),
        changes=(
            Change(
                "service_records", (record.record_id,), "pending", "credited", (("released_by", SEQUENCE),)
            ),
        ),
    )


def reversal_drafts(
    record_id: str,
    state: str,
    sequence: int,
    released_by: int,
    volunteer: Volunteer,
    reason: str,
    *,
    effective_at: int,
    client: str,
    key: str,
    actor: str,
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
