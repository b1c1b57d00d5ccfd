"""Submitting and verifying under the auditor's eyes: what four eyes, the clock or another hour refuses leaves a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pointsbank.activities.attempts import OVERLAP, Attempt, Attempts
from pointsbank.activities.ports import By, Households
from pointsbank.activities.refusals import ActivityNotApproved
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.hours.model import HoursVerdict
from pointsbank.hours.submission import LineOutcome, Submitting
from pointsbank.hours.trails import filed_records
from pointsbank.hours.verification import Outcome, Verifying
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook

OF_VERDICT: Final[Mapping[HoursVerdict, str]] = {
    "recorded_early": "before-its-end",
    "self_recorded": "recorder-is-beneficiary",
    "same_household": "same-household",
    "reciprocal": "reciprocal",
    "overlap": OVERLAP,
}
"""The rule that a refused line leaves a line under (H6, H7, H1)."""

_NO_RULES: Final = frozenset(
    {"", "unknown-record", "wrong-record-state", "not-the-recorder", "stale-read", "state-changed"}
)
"""Refusals of a verification that are no attempt of anybody."""


class WatchedSubmitting(Submitting):
    """Makes records of attendance, and notes who tried to make some that may not be."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        super().__init__(ledger, policies, households)
        self._attempts = Attempts(ledger, policies.policies[-1].timezone)

    async def submit(
        self,
        session_id: str,
        by: By,
        command: Command,
        *,
        people: Sequence[str] | None = None,
        reason: str = "",
    ) -> list[LineOutcome] | Refusal:
        """As `Submitting.submit`."""
        told = await super().submit(session_id, by, command, people=people, reason=reason)
        if isinstance(told, ActivityNotApproved):
            await self._attempts.note(by, [Attempt("not-approved", thing=told.id)])
        if not isinstance(told, Refusal):
            await self._attempts.note(by, _of_lines(told, session_id))
        return told


class WatchedVerifying(Verifying):
    """Verifies and rejects, and notes who tried it with records that are not theirs to judge."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        super().__init__(ledger, policies, households)
        self._attempts = Attempts(ledger, policies.policies[-1].timezone)

    async def verify(self, ids: Sequence[str], by: By, command: Command) -> list[Outcome] | Refusal:
        """As `Verifying.verify`."""
        return await self._noted(await super().verify(ids, by, command), by)

    async def reject(
        self, ids: Sequence[str], reason: str, by: By, command: Command
    ) -> list[Outcome] | Refusal:
        """As `Verifying.reject`."""
        return await self._noted(await super().reject(ids, reason, by, command), by)

    async def _noted(self, told: list[Outcome] | Refusal, by: By) -> list[Outcome] | Refusal:
        if isinstance(told, Refusal):
            return told
        refused = {one.record_id: one.refusal for one in told if one.refusal not in _NO_RULES}
        if refused:
            filed = await self._ledger.database.read(filed_records, self._ledger.id, sorted(refused))
            await self._attempts.note(
                by, [Attempt(refused[id_], record.person_id, id_) for id_, record in filed.items()]
            )
        return told


def _of_lines(lines: Iterable[LineOutcome], session_id: str) -> list[Attempt]:
    return [
        Attempt(OF_VERDICT[line.verdict], line.person_id, session_id)
        for line in lines
        if line.verdict in OF_VERDICT
    ]
