"""The verbs of the hours room: judge records and book them, release what has been on notice, take back."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from pointsbank.activities.ports import By, Households, RegisteredHouseholds
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.pipeline import AHEAD, landed
from pointsbank.engine.receipts import cause_of, receipt_of_entry
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.context import HoursDesk
from pointsbank.hours.filing import step_row
from pointsbank.hours.funding import reversed_with, supplement_reversals
from pointsbank.hours.holding import Held, is_capped
from pointsbank.hours.line_verdicts import accepted_since
from pointsbank.hours.model import RecordFields
from pointsbank.hours.postings import (
    HOURS,
    Judged,
    category_account,
    record_drafts,
    reversal_drafts,
)
from pointsbank.hours.refusals import ReasonInvalid, RecordRefused, WrongState
from pointsbank.hours.releasing import releases
from pointsbank.hours.rules import REFUSED, parse_record
from pointsbank.hours.sheets import Sheet, Sheets
from pointsbank.hours.submission import LATE_REASONS
from pointsbank.hours.taking_back import withheld_subject
from pointsbank.hours.trails import record_of_entry
from pointsbank.hours.verification import Verifying
from pointsbank.hours.withheld import is_withheld
from pointsbank.intake.lines import LineVerdict, Place, verdicts_at
from pointsbank.ledger.model import Draft, OpenAccount, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal, UnknownEntry
from pointsbank.people.directory import directory_of
from pointsbank.people.merged import was_merged
from pointsbank.people.sealing import NONCE_BYTES
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import Fund, fund_opening
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import (
    city_day,
    day_of_minute,
    local_minute,
    start_of_day,
)
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Policy
from pointsbank.readers.journal import entry_by_key

Line = tuple[int, tuple[str, ...]]
"""The number of a line in its source, and its normalised fields."""

ATTEMPTS = 10
DESK_SIZE = 50_000
"""Records that a desk remembers before it is left for a fresh one."""

SALT_BYTES, RANDOM_BYTES = 16, 16 + NONCE_BYTES


MACHINE_VERIFIER: Final = By("verifier", "")
"""Accepts records where a policy wants no person for it, which only a replay's ledger has."""


class _Flight(msgspec.Struct):
    """Lines that were judged and handed to the ledger. A line may write two drafts, one after the other."""

    lines: Sequence[Line]
    judged: list[Judged]
    drafts: list[int]
    """Of each draft, the position of its line."""
    future: asyncio.Future[list[Result]]


class HoursService:
    """Judges service records in the order in which they come and books those that count.

    Lines that come together are booked together or not at all, and what they were judged on is guarded by the
    versions of their volunteers: two uploads at a time end as if one had come after the other.
    """

    def __init__(
        self,
        ledger: Ledger,
        policies: PolicyBook,
        *,
        brings_own_time: bool = False,
        households: Households | None = None,
        verifier: By | None = MACHINE_VERIFIER,
    ) -> None:
        """`brings_own_time`: a replay's files may be of any time; elsewhere nobody records before it is so late.

        Under a policy with separate verification nothing is booked here: records wait, see `hours.verification`.
        Under any other the machine `verifier` accepts each record in the commit of its submission; without one they
        wait too.
        """
        self._ledger = ledger
        self._policies = policies
        self._verifier = verifier
        households = households or RegisteredHouseholds(ledger)
        self._sheets = Sheets(ledger, policies, households, verifier, brings_own_time=brings_own_time)
        self._verifying = Verifying(ledger, policies, households)
        free = [policy for policy in policies.policies if not policy.safeguards.separate_verification]
        self._unattended = (
            frozenset(policy.version for policy in free) if verifier is not None else frozenset()
        )
        self._longest_session = 60 * max(policy.session_max_hours for policy in policies.policies)
        self._desk: HoursDesk | None = None
        """What is remembered between two calls. Who works at it takes it away, so that nobody else judges on it."""
        self._preview_desk: HoursDesk | None = None

    def _fresh_desk(self) -> HoursDesk:
        held = Held() if self._unattended and is_capped(self._policies) else None
        return HoursDesk(self._longest_session, directory_of(self._ledger), held)

    async def open_accounts(self, client: str = "system") -> None:
        """Open the accounts of the policies' funds and categories; those that are open stay as they are."""
        drafts = []
        for policy in self._policies.policies:
            budget = policy.fund.budget_points
            minor = None if budget is None else budget * MINOR_UNITS_PER_POINT
            drafts.append(fund_opening(Fund(policy.fund.code), minor, client))
            drafts.append(_category_opening(policy, client))
        for result in await self._ledger.submit(drafts, HOURS):
            if isinstance(result, Refusal):
                raise RecordRefused(0, result)

    async def submit(
        self, source: str, lines: Sequence[Line], command: Command, *, by: By | None = None, reason: str = ""
    ) -> list[LineVerdict]:
        """Judge and book lines of a source, in their order; each gets its verdict and keeps it.

        `by` is who records; without it a machine source of the command's client does. `reason` is why lines come
        after the deadline.

        Lines of this source that have a verdict already are answered with it. If the ledger refuses a line, those
        before it are booked, it and those after it are not. Raises RecordRefused, WriterError.
        """
        verdicts = await self._on_file(source, lines, finishing=True)
        desk, self._desk = self._desk, None
        for _ in range(ATTEMPTS):
            left = [line for line in lines if line[0] not in verdicts]
            if not left:
                break
            if desk is None or desk.size > DESK_SIZE:
                desk = self._fresh_desk()
            refused = await self._land(
                await self._send(desk, source, left, command, by=by, reason=reason), source, verdicts
            )
            if refused is None:
                break
            line, refusal = refused
            if not refusal.retry:
                await self.submit(source, left[: left.index(line)], command, by=by, reason=reason)
                raise RecordRefused(line[0], refusal)
            desk = None
            verdicts |= await self._on_file(source, left, finishing=True)
        else:
            raise RecordRefused(line[0], refusal)
        self._desk = desk
        return [verdicts[number] for number, _ in lines]

    async def submit_all(
        self, source: str, chunks: Iterable[Sequence[Line]], command: Command, *, by: By | None = None
    ) -> AsyncIterator[list[LineVerdict]]:
        """Like `submit` for chunk after chunk: the next are judged while the last are being written.

        For lines without a verdict, in a ledger into which nobody else brings hours meanwhile, such as that of a
        replay: what this call has sent is not all or nothing. Yields the verdicts, chunk by chunk.
        """
        desk = self._fresh_desk()
        flying: deque[_Flight] = deque()
        for chunk in chunks:
            lines = list(chunk)
            if desk.size > DESK_SIZE or desk.goes_back(_well_formed(lines)):
                while flying:
                    for verdicts in await self._settle(flying, source, command, by):
                        yield verdicts
                desk = self._fresh_desk()
            flying.append(await self._send(desk, source, lines, command, atomic=False, by=by))
            if len(flying) > AHEAD:
                for verdicts in await self._settle(flying, source, command, by):
                    yield verdicts
                if not flying:  # all were judged anew, and the desk remembers what did not come about
                    desk = self._fresh_desk()
        while flying:
            for verdicts in await self._settle(flying, source, command, by):
                yield verdicts

    async def preview(self, source: str, lines: Sequence[Line]) -> list[LineVerdict]:
        """What `submit` would say, lines before these included in the judgement; nothing is written."""
        desk = self._preview_desk = self._preview_desk or self._fresh_desk()
        await self._load(desk, lines)
        known = await self._on_file(source, lines)
        new = [line for line in lines if line[0] not in known]
        sheet = await self._sheet(desk, new, By("preview", ""), "")
        judged = self._judge_all(desk, source, new, sheet)
        told = known | {j.place.line: _verdict(j) for j in judged}
        return [told[number] for number, _ in lines]

    async def _on_file(
        self, source: str, lines: Sequence[Line], *, finishing: bool = False
    ) -> dict[int, LineVerdict]:
        """The verdicts that these lines have already.

        `finishing`: what was submitted and could not be accepted in the same commit is verified now.
        """
        ids = {number: fields[0] if fields else "" for number, fields in lines}
        read, ledger_id = self._ledger.database.read, self._ledger.id
        found = await read(verdicts_at, ledger_id, source, list(ids))
        if self._unattended:
            told, waiting = await read(accepted_since, ledger_id, found, self._unattended)
            if finishing and waiting and self._verifier is not None:
                await self._verifying.verify(waiting, self._verifier, Command(self._verifier.id, source))
                told, _ = await read(accepted_since, ledger_id, found, self._unattended)
            found = told
        # a malformed line is filed under no id
        return {
            n: known if known.id else msgspec.structs.replace(known, id=ids[n]) for n, known in found.items()
        }

    async def _load(self, desk: HoursDesk, lines: Sequence[Line]) -> None:
        await desk.make_ready(self._ledger, list(_well_formed(lines)))

    async def _send(
        self,
        desk: HoursDesk,
        source: str,
        lines: Sequence[Line],
        command: Command,
        *,
        atomic: bool = True,
        by: By | None = None,
        reason: str = "",
    ) -> _Flight:
        """Judge lines at a desk and hand them to the ledger."""
        await self._load(desk, lines)
        by = by or By(command.actor.removeprefix("key:") or command.client, "")
        sheet = await self._sheet(desk, lines, by, reason)
        judged = self._judge_all(desk, source, lines, sheet)
        of_lines = [record_drafts(j, command.client, command.actor) for j in judged]
        owners = [at for at, drafts in enumerate(of_lines) for _ in drafts]
        drafts = [draft for drafts in of_lines for draft in drafts]
        return _Flight(lines, judged, owners, self._ledger.submit(drafts, HOURS, atomic=atomic))

    async def _sheet(self, desk: HoursDesk, lines: Sequence[Line], by: By, reason: str) -> Sheet:
        """What lines are judged on besides the rules."""
        if reason and reason not in LATE_REASONS:  # it stays with the record: a code, no free text
            raise RecordRefused(lines[0][0], ReasonInvalid(reason))
        refusal = await self._sheets.too_many(len(lines), by)
        if refusal is not None:
            raise RecordRefused(lines[0][0], refusal)
        return await self._sheets.begin([fields for _, fields in lines], desk, by, reason)

    def _judge_all(self, desk: HoursDesk, source: str, lines: Sequence[Line], sheet: Sheet) -> list[Judged]:
        now = self._ledger.writer.clock.now()
        drawn = os.urandom(RANDOM_BYTES * len(lines))
        chance = (drawn[at : at + RANDOM_BYTES] for at in range(0, len(drawn), RANDOM_BYTES))
        return [
            self._judge(desk, Place(source, number), fields, now, next(chance), sheet)
            for number, fields in lines
        ]

    async def _land(
        self, flight: _Flight, source: str, verdicts: dict[int, LineVerdict]
    ) -> tuple[Line, Refusal] | None:
        """Wait for the ledger and note the verdicts that it booked, or the line that it refused, and why."""
        results = await flight.future
        replayed: list[Line] = []
        for at, result in zip(flight.drafts, results, strict=True):
            line = flight.lines[at]
            if isinstance(result, GroupRefused):
                return flight.lines[flight.drafts[result.position]], cause_of(results, result)
            if isinstance(result, Refusal):
                return line, result
            verdicts[line[0]] = _verdict(flight.judged[at], result.sequence)
            if result.replayed:
                replayed.append(line)
        if replayed:  # booked by another call at the same time, whose verdicts stand
            verdicts |= await self._on_file(source, replayed, finishing=True)
        return None

    async def _settle(
        self, flying: deque[_Flight], source: str, command: Command, by: By | None
    ) -> list[list[LineVerdict]]:
        """The verdicts of the oldest flight.

        If the ledger refuses it, the others were judged on what did not come about: all are judged anew, in order.
        """
        verdicts: dict[int, LineVerdict] = {}
        oldest = flying.popleft()
        if await self._land(oldest, source, verdicts) is None:
            return [[verdicts[number] for number, _ in oldest.lines]]
        again = [oldest, *flying]
        flying.clear()
        await asyncio.wait([flight.future for flight in again])
        return [await self.submit(source, flight.lines, command, by=by) for flight in again]

    def _judge(
        self,
        desk: HoursDesk,
        place: Place,
        fields: tuple[str, ...],
        now: int,
        dice: bytes,
        sheet: Sheet,
    ) -> Judged:
        salt, nonce = dice[:SALT_BYTES], dice[SALT_BYTES:]
        policy, request = self._policy_for(fields), desk.fingerprint(fields)
        record = parse_record(fields, policy) if policy else None
        if policy is None or record is None:
            return Judged(place, fields or ("",), REFUSED["malformed"], request=request)
        return sheet.judge(place, record, policy, now, salt, nonce, request)

    def _policy_for(self, fields: tuple[str, ...]) -> Policy | None:
        """The policy in force on the service date; None if the line has no such date or no policy covers it."""
        policies = self._policies.policies
        if len(policies) == 1 and policies[0].valid_from == date.min and policies[0].valid_to == date.max:
            return policies[0]
        start = local_minute(fields[6]) if len(fields) > 6 else None
        if start is None:
            return None
        try:
            return self._policies.in_force(day_of_minute(start))
        except NoPolicyError:
            return None

    async def release(self, as_of: date, client: str = "release") -> AsyncIterator[int]:
        """Post the points whose notice has ended by `as_of` to their wallets; yields how many, page by page.

        Idempotent and resumable: a record is released by a guarded change of its state.
        """
        async for released in landed(releases(self._ledger, self._policies, as_of, client)):
            yield released

    async def reverse(self, sequence: int, reason: str, command: Command) -> list[Receipt] | Refusal:
        """Take a credited record back: points out of the lot they went to, minutes out of the merit.

        Refused if a lot no longer holds enough, if the entry is no credit, or was reversed before.
        """
        refusal: Refusal = UnknownEntry(sequence)
        for _ in range(ATTEMPTS):
            found = await self._ledger.database.read(record_of_entry, self._ledger.id, sequence)
            if found is None:
                return UnknownEntry(sequence)
            record_id, person_id, state, released_by, steps = found
            if state in ("objected", "clawed-back"):  # whoever decides the objection reverses it, or not
                return WrongState(record_id, state)
            if await self._ledger.database.read(was_merged, self._ledger.id, person_id):
                return WrongState(record_id, "merged")  # its points moved: a clawback finds them
            if await self._ledger.database.read(is_withheld, self._ledger.id, record_id):
                return WrongState(record_id, "withheld")  # other hours took of it: no mirror fits
            person = Volunteer(person_id)
            zone = self._policies.policies[-1].timezone
            drafts = reversal_drafts(
                record_id,
                state,
                sequence,
                released_by,
                person,
                reason,
                effective_at=start_of_day(city_day(self._ledger.writer.clock.now(), zone), zone),
                client=command.client,
                key=command.key,
                actor=command.actor,
            )
            dropped, supplement = await self._ledger.database.read(reversed_with, self._ledger.id, record_id)
            if supplement is not None:  # what was paid for it later goes back with it
                drafts = [
                    *supplement_reversals(
                        record_id,
                        supplement,
                        person,
                        reason,
                        effective_at=drafts[-1].effective_at,
                        client=command.client,
                        key=f"{command.key}:fund",
                        actor=command.actor,
                    ),
                    *drafts,
                ]
            if dropped:
                drafts[-1] = msgspec.structs.replace(drafts[-1], changes=(*drafts[-1].changes, *dropped))
            if steps:
                step = step_row(record_id, steps + 1, "reversed", By(command.actor, command.actor), reason)
                drafts[-1] = msgspec.structs.replace(drafts[-1], rows=(step,))
            read = ((withheld_subject(record_id), 0),)
            drafts[-1] = msgspec.structs.replace(drafts[-1], reads=(*drafts[-1].reads, *read))
            results = await self._ledger.submit(drafts, HOURS, atomic=True)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            if not refusals:
                return [r for r in results if isinstance(r, Receipt)]
            refusal = refusals[0]
            if not refusal.retry:
                break
        return await self._earlier(drafts, command) or refusal

    async def _earlier(self, drafts: Sequence[Draft], command: Command) -> list[Receipt] | None:
        """The receipts of these drafts if an earlier command with their keys has posted them all."""
        read, ledger_id = self._ledger.database.read, self._ledger.id
        found = [await read(entry_by_key, ledger_id, command.client, draft.key) for draft in drafts]
        posted = [
            e for e, draft in zip(found, drafts, strict=True) if e is not None and e.request == draft.request
        ]
        return [receipt_of_entry(entry) for entry in posted] if len(posted) == len(drafts) else None


def _well_formed(lines: Iterable[Line]) -> Iterable[RecordFields]:
    """The lines that have 13 fields and a date of service: others are malformed, whatever is on file."""
    return (
        RecordFields._make(fields)
        for _, fields in lines
        if len(fields) == len(RecordFields._fields) and local_minute(fields[6]) is not None
    )


def _verdict(judged: Judged, sequence: int = 0) -> LineVerdict:
    j, waiting = judged.judgement, judged.waiting
    if waiting is not None and waiting.entry is not None:
        return LineVerdict(
            judged.place.line, judged.record_id, "accepted", j.minutes, waiting.points, sequence
        )
    return LineVerdict(judged.place.line, judged.record_id, j.verdict, j.minutes, j.points, sequence)


def _category_opening(policy: Policy, client: str) -> Draft:
    return Draft(
        kind="open-categories",
        key=f"categories:{policy.version}",
        client=client,
        request=request_digest("open-categories", policy.version),
        effective_at=0,
        opens=tuple(OpenAccount(category_account(code)) for code in policy.categories),
    )
