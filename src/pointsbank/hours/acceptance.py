"""What accepting a submitted record books, on what it rests, and what it guards. Pure."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import NamedTuple

import msgspec

from pointsbank.activities.model import HONOUR
from pointsbank.activities.ports import By
from pointsbank.engine.commands import content_digest, request_digest
from pointsbank.hours.filing import step_row
from pointsbank.hours.funding import queue_subject, waiting_row
from pointsbank.hours.holding import CAPPED, Held
from pointsbank.hours.model import ServiceRecord
from pointsbank.hours.points import creditable_minutes, points_of
from pointsbank.hours.postings import RECORD, category_account, credited
from pointsbank.hours.trails import Filed
from pointsbank.intake.lines import effective_micros, filed_id
from pointsbank.ledger.chart import MINUTE
from pointsbank.ledger.model import SEQUENCE, Attachment, Change, Draft, Movement, Row
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund, point_lot
from pointsbank.policy.calendar import available_on, expires_on
from pointsbank.policy.model import Campaign, Policy

Reads = tuple[tuple[str, int], ...]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a record: its state now, or the refusal that left it as it was."""

    record_id: str
    state: str = ""
    points: int = 0
    available_on: str = ""
    sequence: int = 0
    unfunded: int = 0
    """Points that wait for the fund to have some again, in hundredths."""
    capped: int = 0
    """Points that were not credited because the person holds as many as one may, in hundredths."""
    refusal: str = ""
    """`unknown-record`, `wrong-record-state`, or a rule of four eyes."""


class Short(msgspec.Struct):
    """Where a fund does not reach: records that it has refused, funds for which others wait, versions of their queues."""

    unpaid: set[str]
    waited_for: frozenset[str]
    versions: dict[str, int]
    indebted: frozenset[str]
    """Whose points may not come free at once, for they owe something."""


class Act(msgspec.Struct):
    """Who looks at records, through which client, and when (microseconds UTC, and the city's day)."""

    by: By
    client: str
    at: int
    today: date
    name: str = ""
    free: dict[tuple[str, bool], date] = {}
    """First days on which points may be spent, as far as they were asked for: by policy, and of long records."""

    def __post_init__(self) -> None:
        self.name = self.by.name

    def free_on(self, minutes: int, policy: Policy) -> date | None:
        """First day on which points of a record accepted now may be spent; None if that is at once."""
        if not policy.public_notice_days:
            return None
        long = policy.safeguards.long_line_minutes
        notice = (policy.digest, bool(long) and minutes >= long)
        found = self.free.get(notice)
        if found is None:
            found = self.free[notice] = available_on(self.today, policy, minutes)
        return found


class Earning(msgspec.Struct, frozen=True, gc=False):
    """The entry that an accepted record becomes: what it books, on what it rests, and what it guards."""

    record_id: str
    before: str
    state: str
    step: str
    steps: int
    """How many the record has had."""
    by: By
    client: str
    person: str
    category: str
    minutes: int
    creditable: int
    points: int
    """That are credited now, in hundredths."""
    capped: int
    fund: str
    lot: str
    available_on: str
    policy: str
    station: str
    effective_at: int
    digest: bytes
    """Of the record, as its proof."""
    reads: Reads
    waiting: tuple[Row, ...] = ()
    """The document of points that wait for the fund."""

    @property
    def touches(self) -> tuple[str, ...]:
        """The subjects whose versions it raises, the volunteer's first."""
        own = self.reads[0][0]
        return (own, queue_subject(self.fund)) if self.waiting else (own,)

    def draft(self) -> Draft:
        """The draft of the entry."""
        record_id, name = self.record_id, self.by.name
        person, fund, category = Volunteer(self.person), Fund(self.fund), filed_id(self.category)
        movements: tuple[Movement, ...] = (
            Movement(category_account(self.category), person.merit, MINUTE.code, self.minutes),
        )
        if self.points:
            at_once = not self.available_on
            movements += credited(person, self.points, self.lot, fund, at_once=at_once)
        return Draft(
            "earn",
            f"earn:{record_id}:{name}",
            self.client,
            request_digest("earn", record_id, name),
            self.effective_at,
            movements,
            name,
            filed_id(self.station),
            metadata=(
                ("policy", self.policy),
                ("category", category),
                ("credited", self.creditable),
                *(((CAPPED, self.capped),) if self.capped else ()),
            ),
            documents=(Attachment(RECORD, record_id, self.digest),),
            reads=self.reads,
            touches=self.touches,
            rows=(step_row(record_id, self.steps + 1, self.step, self.by), *self.waiting),
            changes=(
                Change(
                    "service_records",
                    (record_id,),
                    self.before,
                    self.state,
                    (
                        ("verdict", "accepted"),
                        ("creditable", self.creditable),
                        ("points", self.points),
                        ("lot", self.lot if self.points else ""),
                        ("available_on", self.available_on),
                        ("sequence", SEQUENCE),
                    ),
                ),
            ),
        )


class Acceptance(NamedTuple):
    """The entry that a record becomes, what is answered, and the minutes that it uses up of the caps."""

    entry: Earning
    outcome: Outcome
    creditable: int


def accept(
    record: Filed,
    read: ServiceRecord,
    person: Volunteer,
    policy: Policy,
    used: tuple[int, int],
    reads: Reads,
    act: Act,
    short: Short,
    held: Held | None,
) -> Acceptance:
    """The entry that books merit and points, and the record that goes on notice with it.

    `used` are minutes of the day and of the year; `reads` the versions on which all this rests, the volunteer's first.
    `held` is what people hold, which goes up by what this record brings; None where nothing caps it.
    """
    record_id, day = record.record_id, date.fromisoformat(record.day)
    read = _rated(read, record, policy)
    campaign = policy.campaigns.get(record.campaign) if record.campaign else None
    rated = _under(policy, campaign) if campaign is not None else policy
    creditable = creditable_minutes(read, rated, used_of_day=used[0], used_of_year=used[1])
    earned = points = points_of(read, creditable, rated)
    expires = expires_on(day.year, policy)
    if held is not None:
        points = held.within(person.id, earned, act.today, policy)
        held.add(person.id, expires.isoformat(), points)
    capped = earned - points  # merit is booked whole, and the minutes use up the caps of day and year
    free_on = act.free_on(record.minutes, policy)
    if free_on is None and points and person.id in short.indebted:
        free_on = act.today  # a debt is paid when points come free, so these pass through the release
    text, state = (free_on.isoformat(), "pending") if free_on else ("", "credited")
    queue, unfunded = queue_subject(record.fund), 0
    waiting: tuple[Row, ...] = ()
    if points and (record_id in short.unpaid or record.fund in short.waited_for):
        waiting = (waiting_row(record, points, expires),)
        short.waited_for |= {record.fund}
        unfunded, points = points, 0
    entry = Earning(
        record_id,
        record.state,
        state,
        "approved" if record.state == "checked" else "verified",
        len(record.steps),
        act.by,
        act.client,
        person.id,
        read.fields.category,
        record.minutes,
        creditable,
        points,
        capped,
        record.fund,
        _lot(expires, record.fund),
        text,
        policy.version,
        read.fields.station,
        effective_micros(read.session_end * 60, policy.timezone),
        content_digest(record.salt, record.content),
        (*reads, (queue, short.versions[queue])),
        waiting,
    )
    return Acceptance(
        entry, Outcome(record_id, state, points, text, unfunded=unfunded, capped=capped), creditable
    )


@lru_cache(maxsize=1024)
def _lot(expires: date, fund: str) -> str:
    return point_lot(expires, Fund(fund))


def act_draft(
    kind: str,
    record_id: str,
    reads: Reads,
    act: Act,
    rows: tuple[Row, ...],
    changes: tuple[Change, ...],
    *,
    touches: tuple[str, ...],
) -> Draft:
    """What somebody does with a record. Rests on the versions of the volunteer and of the limits' subjects."""
    name = act.name
    return Draft(
        kind,
        f"{kind}:{record_id}:{name}",
        act.client,
        request_digest(kind, record_id, name),
        act.at,
        actor=name,
        place=act.by.place,
        reads=reads,
        touches=touches,
        rows=rows,
        changes=changes,
    )


def _rated(read: ServiceRecord, record: Filed, policy: Policy) -> ServiceRecord:
    """The record with the class of hours that counts: a line that came in was not measured."""
    if record.session_id or not policy.safeguards.class_by_way or read.fields.hour_class == HONOUR:
        return read
    return msgspec.structs.replace(read, fields=read.fields._replace(hour_class=HONOUR))


def _under(policy: Policy, campaign: Campaign) -> Policy:
    """The policy with the rules that the city has decided for a campaign."""
    classes = {
        name: msgspec.structs.replace(c, earns_points=c.earns_points or campaign.honour_earns_points)
        for name, c in policy.hour_classes.items()
    }
    caps = msgspec.structs.replace(policy.caps, activity_minutes=campaign.activity_minutes)
    return msgspec.structs.replace(policy, hour_classes=classes, caps=caps)
