"""Appeals: hours were taken away for conduct, and the volunteer asks somebody else to look again, within the days.

Upheld, the attendance is open once more, and whoever records submits it anew; nothing that was decided is undone.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.ports import By, Households
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.eyes import Eyes
from pointsbank.hours.filing import step_row
from pointsbank.hours.objections import DECISION_REASONS, UNDECIDED, Objection, objections_to
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import AppealTooLate, ReasonInvalid, UnknownRecord, WrongState
from pointsbank.hours.trails import Filed, Step, filed_records
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Row
from pointsbank.ledger.refusals import DocumentExists, Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, working_days_after

APPEAL: Final = "appeal"
"""The reason of such a case among the objections."""
CONDUCT: Final = "misconduct"
TAKEN: Final = ("rejected", "objection-upheld", "clawed-back")
"""Steps that take hours away."""
_ENDED: Final = ("rejected", "reversed", "clawed-back")


class Appealing:
    """Takes appeals and decides them."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._eyes = Eyes(ledger, policies, households)
        self._zone = policies.policies[-1].timezone

    async def appeal(self, record_id: str, by: By, command: Command) -> Objection | Refusal:
        """Appeal as the volunteer whose hours were taken away for conduct. Once, within the policy's days."""
        found = await self._ledger.database.read(_record_with_cases, self._ledger.id, record_id)
        if found is None:
            return UnknownRecord(record_id)
        record, cases = found
        if not by.person or by.person != record.person_id:
            return FourEyes("not-the-beneficiary")
        earlier = [case for case in cases if case.reason == APPEAL]
        if earlier:
            return earlier[-1]
        taken = _taken(record)
        if record.state not in _ENDED or taken is None:
            return WrongState(record_id, record.state)
        policy = self._policies.in_force(date.fromisoformat(record.day))
        last = city_day(taken.at, self._zone) + timedelta(days=policy.cases.appeal_days)
        if self._today() > last:
            return AppealTooLate(record_id, last.isoformat())
        number = len(cases) + 1
        due = working_days_after(self._today(), policy.safeguards.decision_working_days, policy)
        case = Row(
            "objections",
            (record_id, number, APPEAL, by.name, RECORDED_AT, due.isoformat(), "", 0, "", "open"),
            key_length=2,
        )
        draft = self._draft("appeal", f"appeal:{record_id}:{number}", (record_id, by.name), by, command)
        step = step_row(record_id, len(record.steps) + 1, "appealed", by, APPEAL)
        [result] = await self._ledger.submit([msgspec.structs.replace(draft, rows=(case, step))], HOURS)
        if isinstance(result, Refusal) and not isinstance(result, DocumentExists):
            return result
        return (await self._ledger.database.read(objections_to, self._ledger.id, record_id))[-1]

    async def decide(
        self, record_id: str, reason: str, by: By, command: Command, *, uphold: bool
    ) -> Objection | Refusal:
        """Decide an appeal as somebody who neither recorded, verified, appealed nor took the hours away."""
        if reason not in DECISION_REASONS:
            return ReasonInvalid(reason)
        found = await self._ledger.database.read(_record_with_cases, self._ledger.id, record_id)
        if found is None:
            return UnknownRecord(record_id)
        record, cases = found
        open_ = [case for case in cases if case.reason == APPEAL and case.state in UNDECIDED]
        if not open_:
            return WrongState(record_id, record.state)
        if by.person in {step.person_id for step in record.steps if step.step in TAKEN}:
            return FourEyes("decider-took-away")
        forbidden = await self._eyes.forbidden([record], by)
        if forbidden:
            return FourEyes(forbidden)
        case, state = open_[-1], "upheld" if uphold else "rejected"
        values = (("decided_by", by.name), ("decided_at", RECORDED_AT), ("decision", reason))
        changes = [Change("objections", (record_id, case.number), case.state, state, values)]
        if uphold and record.session_id:
            key = (record.session_id, record.person_id)
            changes.append(Change("attendances", key, "submitted", "closed"))
        draft = self._draft(
            "decide-appeal",
            f"decide-appeal:{record_id}:{case.number}:{by.name}",
            (record_id, state, reason, by.name),
            by,
            command,
        )
        step = step_row(record_id, len(record.steps) + 1, f"appeal-{state}", by, reason)
        draft = msgspec.structs.replace(draft, rows=(step,), changes=tuple(changes))
        [result] = await self._ledger.submit([draft], HOURS)
        if isinstance(result, Refusal):
            return result
        return (await self._ledger.database.read(objections_to, self._ledger.id, record_id))[-1]

    def _draft(self, kind: str, key: str, asked: tuple[str, ...], by: By, command: Command) -> Draft:
        now = self._ledger.writer.clock.now()
        digest = request_digest(kind, *asked)
        return Draft(kind, key, command.client, digest, now, actor=by.name, place=by.place)

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def _taken(record: Filed) -> Step | None:
    """The step that took the hours away for conduct, if one did."""
    return next((s for s in reversed(record.steps) if s.step in TAKEN and s.reason == CONDUCT), None)


def _record_with_cases(
    connection: Connection, ledger_id: int, record_id: str
) -> tuple[Filed, list[Objection]] | None:
    record = filed_records(connection, ledger_id, [record_id]).get(record_id)
    return None if record is None else (record, objections_to(connection, ledger_id, record_id))
