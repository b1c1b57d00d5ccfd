"""Verifying: another person looks at a submitted record, above limits two, and only then it earns.

Caps of day and year are used up here, in the order of acceptance; a record that was judged is never judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.model import HONOUR
from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import versions_of
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.aliases import loaded_for
from pointsbank.hours.debts import debts_of
from pointsbank.hours.four_eyes import Ties, may_not_verify
from pointsbank.hours.funding import funds_short, queue_subject, waiting_row
from pointsbank.hours.model import RecordFields, ServiceRecord
from pointsbank.hours.points import creditable_minutes, points_of
from pointsbank.hours.postings import HOURS, attached, category_account, credited
from pointsbank.hours.refusals import ReasonInvalid, TooManyLines
from pointsbank.hours.rules import parse_record
from pointsbank.hours.submission import above_limits, step_row
from pointsbank.hours.trails import Filed, Loaded, subjects_of
from pointsbank.intake.lines import effective_micros, filed_id, parts_of
from pointsbank.ledger.chart import MINUTE
from pointsbank.ledger.model import SEQUENCE, Change, Draft, Movement, Row
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.points.lots import Fund, point_lot
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import available_on, city_day, expires_on
from pointsbank.policy.model import Campaign, Policy

ATTEMPTS: Final = 20
REJECT_REASONS: Final = (
    "not-present",
    "wrong-times",
    "wrong-person",
    "not-volunteer-service",
    "misconduct",
    "other",
)
"""Why a verifier rejects a record."""

_DAY_MICROS: Final = 86_400 * 1_000_000
_HOUR_MICROS: Final = 3600 * 1_000_000

Verb = Literal["verify", "reject", "withdraw"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a record: its state now, or the refusal that left it as it was."""

    record_id: str
    state: str = ""
    points: int = 0
    available_on: str = ""
    sequence: int = 0
    unfunded: int = 0
    """Points that wait for the fund to have some again, in hundredths."""
    refusal: str = ""
    """`unknown-record`, `wrong-record-state`, or a rule of four eyes."""


class _Short(msgspec.Struct):
    """Where a fund does not reach: records that it has refused, funds for which others wait, versions of their queues."""

    unpaid: set[str]
    waited_for: frozenset[str]
    versions: dict[str, int]
    indebted: frozenset[str]
    """Whose points may not come free at once, for they owe something."""


class Verifying:
    """Verifies, rejects and withdraws submitted records, many at once."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone

    async def verify(self, ids: Sequence[str], by: By, command: Command) -> list[Outcome] | Refusal:
        """Verify records, in this order. Above limits the first person's word waits for a second person's."""
        return await self._act("verify", ids, "", by, command)

    async def reject(
        self, ids: Sequence[str], reason: str, by: By, command: Command
    ) -> list[Outcome] | Refusal:
        """Reject records: they earn nothing, and their time is free again."""
        if reason not in REJECT_REASONS:
            return ReasonInvalid(reason)
        return await self._act("reject", ids, reason, by, command)

    async def withdraw(self, ids: Sequence[str], by: By, command: Command) -> list[Outcome] | Refusal:
        """Take back records that one has submitted oneself, before anybody has verified them."""
        return await self._act("withdraw", ids, "", by, command)

    async def _act(
        self, verb: Verb, ids: Sequence[str], reason: str, by: By, command: Command
    ) -> list[Outcome] | Refusal:
        done: dict[str, Outcome] = {}
        wanted = list(dict.fromkeys(ids))
        unpaid: set[str] = set()
        for _ in range(ATTEMPTS):
            left = [id_ for id_ in wanted if id_ not in done]
            if not left:
                break
            now = self._ledger.writer.clock.now()
            since = now - self._reciprocal_days() * _DAY_MICROS
            loaded = await self._ledger.database.read(
                loaded_for, self._ledger.id, left, by.name, since, now - _HOUR_MICROS
            )
            refusal = self._too_many(loaded, len(left), verb)
            if refusal is not None:
                return refusal
            homes = await self._homes(loaded, by)
            short = await self._short(loaded, unpaid)
            drafts, outcomes = self._judge_all(verb, left, loaded, homes, reason, by, command, done, short)
            if drafts:
                self._land(await self._ledger.submit(drafts, HOURS), outcomes, unpaid, done)
        return [done.get(id_, Outcome(id_, refusal="stale-read")) for id_ in wanted]

    def _too_many(self, loaded: Loaded, lines: int, verb: Verb) -> Refusal | None:
        guard = self._policies.policies[-1].safeguards
        if verb != "verify" or not guard.lines_per_hour or loaded.acts + lines <= guard.lines_per_hour:
            return None
        waiting = sum(r.state in ("submitted", "checked") for r in loaded.records.values())
        return TooManyLines(guard.lines_per_hour, "hour") if waiting else None

    async def _homes(self, loaded: Loaded, by: By) -> dict[date, Any]:
        """Households on every day that counts, service dates and today."""
        people = [*loaded.people, *([by.person] if by.person else [])]
        days = {date.fromisoformat(r.day) for r in loaded.records.values()} | {self._today()}
        return {day: await self._households.household_of(people, day) for day in sorted(days)}

    async def _short(self, loaded: Loaded, unpaid: set[str]) -> _Short:
        """Which records only book merit: their fund has refused them, or others wait for it already."""
        funds = {record.fund for record in loaded.records.values()}
        at_once = any(not policy.public_notice_days for policy in self._policies.policies)
        people = {person.id for person in loaded.people.values()} if at_once else set[str]()
        waited_for, versions, indebted = await self._ledger.database.read(
            _queues, self._ledger.id, funds, people
        )
        return _Short(unpaid, waited_for, versions, indebted)

    def _judge_all(
        self,
        verb: Verb,
        ids: Sequence[str],
        loaded: Loaded,
        homes: dict[date, Any],
        reason: str,
        by: By,
        command: Command,
        done: dict[str, Outcome],
        short: _Short,
    ) -> tuple[list[Draft], list[Outcome]]:
        drafts: list[Draft] = []
        outcomes: list[Outcome] = []
        for id_ in ids:
            record = loaded.records.get(id_)
            if record is None:
                done[id_] = Outcome(id_, refusal="unknown-record")
                continue
            ties = Ties((homes[date.fromisoformat(record.day)], homes[self._today()]), loaded.credited)
            refusal = self._refused(verb, record, ties, by)
            if refusal:
                repeated = self._is_repetition(verb, record, by)
                done[id_] = (
                    self._as_it_stands(record) if repeated else Outcome(id_, record.state, refusal=refusal)
                )
                continue
            if verb == "verify":
                draft, outcome = self._verified(record, loaded, by, command, short)
            else:
                draft, outcome = self._ended(verb, record, loaded, reason, by, command)
            drafts.append(draft)
            outcomes.append(outcome)
            for subject in draft.touches:
                versions = short.versions if subject in short.versions else loaded.versions
                versions[subject] += 1
        return drafts, outcomes

    def _refused(self, verb: Verb, record: Filed, ties: Ties, by: By) -> str:
        if record.state not in ("submitted", "checked"):
            return "wrong-record-state"
        policy = self._policy(record)
        if verb == "withdraw":
            return "" if by.name == record.recorder else "not-the-recorder"
        return may_not_verify(by, record.line, ties, policy.safeguards)

    def _is_repetition(self, verb: Verb, record: Filed, by: By) -> bool:
        """Whether this person has taken this very step before: then the answer is where the record stands now."""
        steps = {"verify": ("verified", "approved"), "reject": ("rejected",), "withdraw": ("withdrawn",)}[
            verb
        ]
        return any(step.step in steps and step.person_id == by.name for step in record.steps)

    def _as_it_stands(self, record: Filed) -> Outcome:
        return Outcome(record.record_id, record.state, record.points, record.available_on, record.sequence)

    def _verified(
        self, record: Filed, loaded: Loaded, by: By, command: Command, short: _Short
    ) -> tuple[Draft, Outcome]:
        policy = self._policy(record)
        total = loaded.sums.most(
            record.activity_id, record.recorder, record.submitted_on, record.person_id, record.week
        )
        needs_two = record.level > 1 or above_limits(record.minutes, total, policy)
        if needs_two and record.state == "submitted":
            step = step_row(record.record_id, len(record.steps) + 1, "verified", by)
            change = Change("service_records", (record.record_id,), "submitted", "checked")
            draft = self._draft(
                "check-record", record, loaded, by, command, (step,), (change,), touching=True
            )
            return draft, Outcome(record.record_id, "checked")
        return self._credited(record, loaded, policy, by, command, short)

    def _credited(
        self, record: Filed, loaded: Loaded, policy: Policy, by: By, command: Command, short: _Short
    ) -> tuple[Draft, Outcome]:
        """The entry that books merit and points, and the record that goes on notice with it."""
        person = loaded.people[record.person_id]
        read, day = _service_record(record, policy), date.fromisoformat(record.day)
        campaign = policy.campaigns.get(record.campaign)
        rated = _under(policy, campaign) if campaign is not None else policy
        used = loaded.used
        creditable = creditable_minutes(
            read, rated, used_of_day=used[person.id, day], used_of_year=used[person.id, day.year]
        )
        points = points_of(read, creditable, rated)
        used[person.id, day] += creditable
        used[person.id, day.year] += creditable
        free_on = available_on(self._today(), policy, record.minutes) if policy.public_notice_days else None
        if free_on is None and points and person.id in short.indebted:
            free_on = self._today()  # a debt is paid when points come free, so these pass through the release
        text, state = (free_on.isoformat(), "pending") if free_on else ("", "credited")
        rows = [step_row(record.record_id, len(record.steps) + 1, _verified_as(record), by)]
        queue = queue_subject(record.fund)
        is_unfunded = bool(points) and (record.record_id in short.unpaid or record.fund in short.waited_for)
        if is_unfunded:
            rows.append(waiting_row(record, points, expires_on(day.year, policy)))
            short.waited_for |= {record.fund}
        unfunded, points = (points, 0) if is_unfunded else (0, points)
        lot = point_lot(expires_on(day.year, policy), Fund(record.fund)) if points else ""
        movements = [
            Movement(category_account(read.fields.category), person.merit, MINUTE.code, record.minutes)
        ]
        if points:
            movements += credited(person, points, lot, Fund(record.fund), at_once=free_on is None)
        change = Change(
            "service_records",
            (record.record_id,),
            record.state,
            state,
            (
                ("verdict", "accepted"),
                ("creditable", creditable),
                ("points", points),
                ("lot", lot),
                ("available_on", text),
                ("sequence", SEQUENCE),
            ),
        )
        base = self._draft("earn", record, loaded, by, command, tuple(rows), (change,), touching=True)
        draft = msgspec.structs.replace(
            base,
            reads=(*base.reads, (queue, short.versions[queue])),
            touches=(*base.touches, queue) if is_unfunded else base.touches,
            effective_at=effective_micros(read.session_end * 60, policy.timezone),
            movements=tuple(movements),
            place=filed_id(read.fields.station),
            metadata=(
                ("policy", policy.version),
                ("category", filed_id(read.fields.category)),
                ("credited", creditable),
            ),
            documents=(attached(record.record_id, record.salt, record.content),),
        )
        return draft, Outcome(record.record_id, state, points, text, unfunded=unfunded)

    def _ended(
        self, verb: Verb, record: Filed, loaded: Loaded, reason: str, by: By, command: Command
    ) -> tuple[Draft, Outcome]:
        """Rejected or withdrawn: the interval is free in this commit, and the attendance can be submitted again."""
        state = "rejected" if verb == "reject" else "withdrawn"
        changes = [Change("service_records", (record.record_id,), record.state, state)]
        if record.session_id and reason != "misconduct":
            changes.append(
                Change("attendances", (record.session_id, record.person_id), "submitted", "closed")
            )
        step = step_row(record.record_id, len(record.steps) + 1, state, by, reason)
        draft = self._draft(
            f"{verb}-record", record, loaded, by, command, (step,), tuple(changes), touching=True
        )
        return draft, Outcome(record.record_id, state)

    def _draft(
        self,
        kind: str,
        record: Filed,
        loaded: Loaded,
        by: By,
        command: Command,
        rows: tuple[Row, ...],
        changes: tuple[Change, ...],
        *,
        touching: bool,
    ) -> Draft:
        """Rests on the versions of the volunteer and of the limits' subjects; raises the volunteer's alone."""
        subjects = subjects_of(record, loaded.people)
        return Draft(
            kind,
            f"{kind}:{record.record_id}:{by.name}",
            command.client,
            request_digest(kind, record.record_id, by.name),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            reads=tuple((subject, loaded.versions[subject]) for subject in subjects),
            touches=subjects[:1] if touching else (),
            rows=rows,
            changes=changes,
        )

    def _land(
        self, results: list[Result], outcomes: Sequence[Outcome], unpaid: set[str], done: dict[str, Outcome]
    ) -> None:
        for outcome, result in zip(outcomes, results, strict=True):
            if isinstance(result, InsufficientBalance):
                unpaid.add(outcome.record_id)
            elif not isinstance(result, Refusal):
                done[outcome.record_id] = msgspec.structs.replace(outcome, sequence=result.sequence)
            elif not result.retry:
                done[outcome.record_id] = Outcome(outcome.record_id, refusal=result.code)

    def _reciprocal_days(self) -> int:
        return max(policy.safeguards.reciprocal_days for policy in self._policies.policies)

    def _policy(self, record: Filed) -> Policy:
        """The policy of the service date, whatever has come into force since."""
        return self._policies.in_force(date.fromisoformat(record.day))

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def _verified_as(record: Filed) -> str:
    return "approved" if record.state == "checked" else "verified"


def _queues(
    connection: Connection, ledger_id: int, funds: set[str], people: set[str]
) -> tuple[frozenset[str], dict[str, int], frozenset[str]]:
    """Funds for which something waits, the versions of all their queues, and who owes something."""
    subjects = [queue_subject(fund) for fund in funds]
    return (
        funds_short(connection, ledger_id, funds),
        versions_of(connection, ledger_id, subjects),
        frozenset(debts_of(connection, ledger_id, people)),
    )


def _service_record(record: Filed, policy: Policy) -> ServiceRecord:
    fields = RecordFields._make(parts_of(record.content))
    if not record.session_id and policy.safeguards.class_by_way:  # a line that came in was not measured
        fields = fields._replace(hour_class=HONOUR)
    read = parse_record(fields, policy)
    assert read is not None, "a record on file is well formed"
    return read


def _under(policy: Policy, campaign: Campaign) -> Policy:
    """The policy with the rules that the city has decided for a campaign."""
    classes = {
        name: msgspec.structs.replace(c, earns_points=c.earns_points or campaign.honour_earns_points)
        for name, c in policy.hour_classes.items()
    }
    caps = msgspec.structs.replace(policy.caps, activity_minutes=campaign.activity_minutes)
    return msgspec.structs.replace(policy, hour_classes=classes, caps=caps)
