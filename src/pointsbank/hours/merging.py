"""Two registrations of one person in the books: their hours may not overlap, then all that the old one has moves.

The register (people/merging.py) sees to it that two members of staff decide; it calls `MergePostings.post` with the key
of their decision, and again with the same key if it was interrupted. What was posted before is not changed: it moves by
one visible entry, and moves back by another.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command, attach, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.booked import booked_of
from pointsbank.hours.filing import step_row
from pointsbank.hours.merge_facts import Holdings, MergeFacts, Span, is_undone, merge_facts, undo_facts
from pointsbank.hours.model import BOOKED, HOLDING
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import UnknownCase
from pointsbank.hours.rules import is_double
from pointsbank.hours.taking_back import Line, clawback_draft, debt_account, done_row
from pointsbank.ledger.chart import MINUTE, POINT
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Change, Draft, Movement, OpenAccount, Row
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day

ATTEMPTS: Final = 20
CLIENT: Final = "merging"
REASON: Final = "double-registration"


class MergePostings:
    """Moves the books of a merge. `by` confirmed the decision."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, by: By) -> None:
        self._ledger = ledger
        self._zone = policies.policies[-1].timezone
        self._handover = policies.policies[-1].cases.handover_minutes
        self._by = by

    async def post(self, old_id: str, into_id: str, key: str) -> Refusal | None:
        """Move what `old_id` has to `into_id`, or back for a key that begins with `unmerge:`; None when it is done."""
        if key.startswith("unmerge:"):
            return await self._undo(old_id, key)
        refusal: Refusal = UnknownCase(key)
        tries = ATTEMPTS
        while tries:
            facts = await self._ledger.database.read(merge_facts, self._ledger.id, old_id, into_id, key)
            if facts is None:
                return UnknownCase(old_id)
            if facts.is_done:
                return None
            double = later_of_overlaps(facts.spans, facts.old_ids, self._handover)
            draft = await self._take_back(double, key) if double else self._merge(facts, key)
            result = (await self._ledger.submit([draft], HOURS))[0] if draft is not None else None
            if isinstance(result, Refusal):
                refusal = result
                if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                    return refusal
                tries -= 1
            elif not double:
                return None
        return refusal

    async def _take_back(self, span: Span, key: str) -> Draft | None:
        """The later of two records of one time does not count: nobody served twice."""
        found = await self._ledger.database.read(booked_of, self._ledger.id, span.record_id)
        if found is None or found.record.state not in HOLDING:
            return None
        record, today, command = found.record, self._today(), self._command()
        step = "clawed-back" if record.state in BOOKED else "rejected"
        row = step_row(record.record_id, len(record.steps) + 1, step, self._by, REASON)
        if record.state not in BOOKED:
            return Draft(
                "reject-record",
                f"{key}:{record.record_id}",
                CLIENT,
                request_digest("reject-record", record.record_id, key),
                self._now(),
                actor=self._by.name,
                place=self._by.place,
                touches=(found.person.subject,),
                rows=(row,),
                changes=(Change("service_records", (record.record_id,), record.state, "rejected"),),
            )
        line = Line(key, record.record_id, record.person_id, guilty=False, decided_by=self._by.name)
        back, salt = found.back(guilty=False, today=today), new_salt()
        return clawback_draft(
            line,
            back,
            found.person,
            found.version,
            salt=salt,
            effective_at=start_of_day(today, self._zone),
            command=command,
            actor=self._by.name,
            place=self._by.place,
            reason=REASON,
            rows=(row, done_row(line, back, record.minutes, salt)),
            changes=found.ended,
        )

    def _merge(self, facts: MergeFacts, key: str) -> Draft:
        old, into, content, salt = facts.old, facts.into, facts.content(key), new_salt()
        movements = transfers(old, into, facts.holdings)
        row = Row(
            "merged_people",
            (key, old.id, into.id, content, SEQUENCE if movements else 0, 0, salt, RECORDED_AT, "merged"),
        )
        debts = (OpenAccount(debt_account(into.id)),) if facts.holdings.debts else ()
        return Draft(
            "merge",
            key,
            CLIENT,
            request_digest("merge", old.id, into.id),
            start_of_day(self._today(), self._zone),
            movements,
            self._by.name,
            self._by.place,
            REASON,
            documents=(attach("merge", key, salt, content),) if movements else (),
            opens=debts,
            reads=facts.versions,
            touches=tuple(subject for subject, _ in facts.versions),
            rows=(row,),
        )

    async def _undo(self, old_id: str, key: str) -> Refusal | None:
        refusal: Refusal = UnknownCase(key)
        for _ in range(ATTEMPTS):
            today = self._today()
            facts = await self._ledger.database.read(undo_facts, self._ledger.id, old_id, today)
            if facts is None:
                done = await self._ledger.database.read(is_undone, self._ledger.id, old_id)
                return None if done else UnknownCase(old_id)
            if facts.missing:
                wallet, asked = facts.into.wallet, sum(facts.holdings.available.values()) + facts.missing
                return InsufficientBalance(wallet, POINT.code, "", asked - facts.missing, 0, asked)
            movements = transfers(facts.into, facts.old, facts.holdings)
            changed = Change(
                "merged_people",
                (facts.merge_id,),
                "merged",
                "undone",
                (("undone_by", SEQUENCE),) if movements else (),
            )
            draft = Draft(
                "unmerge",
                key,
                CLIENT,
                request_digest("unmerge", old_id, facts.into.id),
                start_of_day(today, self._zone),
                movements,
                self._by.name,
                self._by.place,
                REASON,
                documents=(attach("merge", facts.merge_id, facts.salt, facts.content),) if movements else (),
                opens=(OpenAccount(debt_account(old_id)),) if facts.holdings.debts else (),
                reads=facts.versions,
                touches=tuple(subject for subject, _ in facts.versions),
                changes=(changed,),
            )
            result = (await self._ledger.submit([draft], HOURS))[0]
            if not isinstance(result, Refusal):
                return None
            refusal = result
            if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                break
        return refusal

    def _command(self) -> Command:
        return Command(CLIENT, "", self._by.name, self._by.place)

    def _now(self) -> int:
        return self._ledger.writer.clock.now()

    def _today(self) -> date:
        return city_day(self._now(), self._zone)


def later_of_overlaps(spans: Iterable[Span], old_ids: frozenset[str], handover: int = 0) -> Span | None:
    """The first record, in the order in which they were filed, whose time an earlier one of the other id holds."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.filed_at, s.start, s.record_id)):
        for other in kept:
            is_of_other = (span.person_id in old_ids) != (other.person_id in old_ids)
            if is_of_other and is_double((span.start, span.end), (other.start, other.end), handover):
                return span
        kept.append(span)
    return None


def transfers(giver: Volunteer, taker: Volunteer, what: Holdings) -> tuple[Movement, ...]:
    """The movements by which merit, points lot by lot, and debts go from one id to the other."""
    merit = (Movement(giver.merit, taker.merit, MINUTE.code, what.merit),) if what.merit else ()
    points = [
        Movement(one, other, POINT.code, amount, lot)
        for one, other, held in (
            (giver.pending, taker.pending, what.pending),
            (giver.wallet, taker.wallet, what.available),
            (debt_account(taker.id), debt_account(giver.id), what.debts),  # who owes it is debited
        )
        for lot, amount in sorted(held.items())
        if amount
    ]
    return (*merit, *points)
