"""Verifying: another person looks at a submitted record, above limits two, and only then it earns.

Caps of day and year are used up here, in the order of acceptance; a record that was judged is never judged again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Literal

from sqlalchemy import Connection

from pointsbank.activities.ports import By, Households
from pointsbank.activities.reading import versions_of
from pointsbank.engine.collecting import collecting_for
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.acceptance import Act, Earning, Outcome, Short, accept, act_draft
from pointsbank.hours.aliases import loaded_for
from pointsbank.hours.debts import debts_of
from pointsbank.hours.filing import step_row
from pointsbank.hours.four_eyes import Ties, may_not_verify
from pointsbank.hours.funding import funds_short, queue_subject
from pointsbank.hours.holding import Held, is_capped, load_held
from pointsbank.hours.model import ServiceRecord
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import ReasonInvalid, TooManyLines
from pointsbank.hours.rules import parse_record
from pointsbank.hours.submission import above_limits
from pointsbank.hours.trails import Filed, Loaded, subjects_of
from pointsbank.intake.lines import parts_of
from pointsbank.ledger.model import Change, Draft
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.policy.model import Policy

ATTEMPTS: Final = 20
AT_A_TIME: Final = 64
"""Records judged in one go, a millisecond or two; then others get their turn, the writer above all."""

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
_NEVER: Final = 2**62
"""More minutes than any sum."""

Verb = Literal["verify", "reject", "withdraw"]


class Verifying:
    """Verifies, rejects and withdraws submitted records, many at once."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone
        self._is_capped = is_capped(policies)
        limits = {policy.safeguards.second_level_sum_minutes for policy in policies.policies} - {0}
        self._sums_from = min(limits, default=_NEVER)

    async def verify(self, ids: Sequence[str], by: By, command: Command) -> list[Outcome] | Refusal:
        """Verify records, in this order. Above limits the first person's word waits for a second person's."""
        with collecting_for(len(ids)):
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
                loaded_for, self._ledger.id, left, by.name, since, now - _HOUR_MICROS, self._sums_from
            )
            refusal = self._too_many(loaded, len(left), verb)
            if refusal is not None:
                return refusal
            homes = await self._homes(loaded, by)
            short = await self._short(loaded, unpaid)
            held = await self._held(loaded) if verb == "verify" and self._is_capped else None
            act = Act(by, command.client, now, self._today())
            drafts, outcomes = await self._judge_all(
                verb, left, loaded, homes, reason, act, done, short, held
            )
            if drafts:
                self._land(await self._ledger.submit(drafts, HOURS, brief=True), outcomes, unpaid, done)
        return [done.get(id_, Outcome(id_, refusal="stale-read")) for id_ in wanted]

    def _too_many(self, loaded: Loaded, lines: int, verb: Verb) -> Refusal | None:
        guard = self._policies.policies[-1].safeguards
        if verb != "verify" or not guard.lines_per_hour or loaded.acts + lines <= guard.lines_per_hour:
            return None
        waiting = sum(r.state in ("submitted", "checked") for r in loaded.records.values())
        return TooManyLines(guard.lines_per_hour, "hour") if waiting else None

    async def _homes(self, loaded: Loaded, by: By) -> dict[date, Mapping[str, str]]:
        """Households on every day that counts, service dates and today; of days when who acts has none, nobody's."""
        days = {date.fromisoformat(day) for day in {r.day for r in loaded.records.values()}} | {self._today()}
        homes: dict[date, Mapping[str, str]] = {}
        for day in sorted(days):
            own = await self._households.household_of([by.person], day) if by.person else {}
            homes[day] = await self._households.household_of([*loaded.people, by.person], day) if own else own
        return homes

    async def _short(self, loaded: Loaded, unpaid: set[str]) -> Short:
        """Which records only book merit: their fund has refused them, or others wait for it already."""
        funds = {record.fund for record in loaded.records.values()}
        at_once = any(not policy.public_notice_days for policy in self._policies.policies)
        people = {person.id for person in loaded.people.values()} if at_once else set[str]()
        return Short(unpaid, *await self._ledger.database.read(queues, self._ledger.id, funds, people))

    async def _held(self, loaded: Loaded) -> Held:
        """What people hold, if anything caps it. Whoever adds to it raises their version, so a later word is stale."""
        held = Held()
        people = {person.id for person in loaded.people.values()}
        await self._ledger.database.read(load_held, self._ledger.id, people, held)
        return held

    async def _judge_all(
        self,
        verb: Verb,
        ids: Sequence[str],
        loaded: Loaded,
        homes: Mapping[date, Mapping[str, str]],
        reason: str,
        act: Act,
        done: dict[str, Outcome],
        short: Short,
        held: Held | None,
    ) -> tuple[list[Draft | Earning], list[Outcome]]:
        drafts: list[Draft | Earning] = []
        outcomes: list[Outcome] = []
        ties = {
            day.isoformat(): Ties((homes_of_day, homes[act.today]), loaded.credited)
            for day, homes_of_day in homes.items()
        }
        for at, id_ in enumerate(ids, 1):
            if at % AT_A_TIME == 0:
                await asyncio.sleep(0)
            record = loaded.records.get(id_)
            if record is None:
                done[id_] = Outcome(id_, refusal="unknown-record")
                continue
            refusal = self._refused(verb, record, ties[record.day], act.by)
            if refusal:
                repeated = self._is_repetition(verb, record, act.by)
                done[id_] = (
                    self._as_it_stands(record) if repeated else Outcome(id_, record.state, refusal=refusal)
                )
                continue
            if verb == "verify":
                draft, outcome = self._verified(record, loaded, act, short, held)
            else:
                draft, outcome = self._ended(verb, record, loaded, reason, act)
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
        self, record: Filed, loaded: Loaded, act: Act, short: Short, held: Held | None
    ) -> tuple[Draft | Earning, Outcome]:
        policy = self._policy(record)
        total = loaded.sums.most(
            record.activity_id, record.recorder, record.submitted_on, record.person_id, record.week
        )
        needs_two = record.level > 1 or above_limits(record.minutes, total, policy)
        reads = self._reads(record, loaded)
        if needs_two and record.state == "submitted":
            step = step_row(record.record_id, len(record.steps) + 1, "verified", act.by)
            change = Change("service_records", (record.record_id,), "submitted", "checked")
            touched = tuple(subject for subject, _ in reads[:1])
            draft = act_draft(
                "check-record", record.record_id, reads, act, (step,), (change,), touches=touched
            )
            return draft, Outcome(record.record_id, "checked")
        person, used, day = loaded.people[record.person_id], loaded.used, date.fromisoformat(record.day)
        so_far = (used[person.id, day], used[person.id, day.year])
        entry, outcome, creditable = accept(
            record, _service_record(record, policy), person, policy, so_far, reads, act, short, held
        )
        used[person.id, day] += creditable
        used[person.id, day.year] += creditable
        return entry, outcome

    def _ended(
        self, verb: Verb, record: Filed, loaded: Loaded, reason: str, act: Act
    ) -> tuple[Draft, Outcome]:
        """Rejected or withdrawn: the interval is free in this commit, and the attendance can be submitted again."""
        state = "rejected" if verb == "reject" else "withdrawn"
        changes = [Change("service_records", (record.record_id,), record.state, state)]
        if record.session_id and reason != "misconduct":
            changes.append(
                Change("attendances", (record.session_id, record.person_id), "submitted", "closed")
            )
        step = step_row(record.record_id, len(record.steps) + 1, state, act.by, reason)
        reads = self._reads(record, loaded)
        draft = act_draft(
            f"{verb}-record",
            record.record_id,
            reads,
            act,
            (step,),
            tuple(changes),
            touches=tuple(subject for subject, _ in reads[:1]),
        )
        return draft, Outcome(record.record_id, state)

    def _reads(self, record: Filed, loaded: Loaded) -> tuple[tuple[str, int], ...]:
        """The subjects on which a step rests, the volunteer's first."""
        versions = loaded.versions
        return tuple([(subject, versions[subject]) for subject in subjects_of(record, loaded.people)])

    def _land(
        self, results: list[Result], outcomes: Sequence[Outcome], unpaid: set[str], done: dict[str, Outcome]
    ) -> None:
        for outcome, result in zip(outcomes, results, strict=True):
            if isinstance(result, InsufficientBalance):
                unpaid.add(outcome.record_id)
            elif not isinstance(result, Refusal):
                o = outcome
                done[o.record_id] = Outcome(
                    o.record_id, o.state, o.points, o.available_on, result.sequence, o.unfunded, o.capped
                )
            elif not result.retry:
                done[outcome.record_id] = Outcome(outcome.record_id, refusal=result.code)

    def _reciprocal_days(self) -> int:
        return max(policy.safeguards.reciprocal_days for policy in self._policies.policies)

    def _policy(self, record: Filed) -> Policy:
        """The policy of the service date, whatever has come into force since."""
        return self._policies.in_force(date.fromisoformat(record.day))

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def queues(
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
    read = parse_record(parts_of(record.content), policy)
    assert read is not None, "a record on file is well formed"
    return read


__all__ = ["REJECT_REASONS", "Outcome", "Verifying", "queues"]
