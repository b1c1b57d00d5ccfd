"""Brings a roster in, line by line: each line keeps its verdict, and an import that was stopped goes on.

Lines are planned in their order on one reading and guarded by what was read; the verdict of a line is written in
the commit of what it changed, so that no line counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.intake.forms import Form
from pointsbank.intake.lines import Place, line_row, verdicts_at
from pointsbank.intake.sheets import SheetLine
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.places.atlas import Atlas, Plan
from pointsbank.places.joining import plan_membership
from pointsbank.places.loading import atlas_for, member_atlas_for
from pointsbank.places.model import Act, MemberAct
from pointsbank.places.planning import plan
from pointsbank.places.service import PlacesService, draft_of
from pointsbank.places.stations import PLACES
from pointsbank.rosters import members, places
from pointsbank.rosters.members import MEMBERS_FORM, Finder, by_volunteer_number, number_of_line
from pointsbank.rosters.places import PLACES_FORM

ROOMS: Final = PLACES
ATTEMPTS: Final = 10
"""How often lines are planned anew when somebody else was faster."""

ACCEPTED: Final = "accepted"
MALFORMED: Final = "malformed"
UNKNOWN_VOLUNTEER: Final = "unknown-volunteer"

A = TypeVar("A", bound=msgspec.Struct)


class RosterRefused(Exception):
    """The ledger refused what the rules accepted: nothing of the line was written."""

    def __init__(self, line: int, refusal: Refusal) -> None:
        super().__init__(f"line {line}: {refusal.code}")
        self.line = line
        self.refusal = refusal


class Roster(Protocol):
    """A sort of sheet: its columns, and how its lines become plans."""

    form: Form
    name: str

    async def acts(self, lines: Sequence[SheetLine]) -> list[Any]:
        """What each line asks for: an act, or the verdict (a text) of a line that asks for nothing."""
        ...

    def load(self, connection: Connection, ledger_id: int, acts: Sequence[Any]) -> Atlas: ...
    def work_out(self, atlas: Atlas, act: Any) -> Plan | Refusal: ...


class PlacesRoster:
    """Places and what becomes of them."""

    form = PLACES_FORM
    name = "places"

    def __init__(self, ledger: Ledger) -> None:
        self._today: date = PlacesService(ledger).today()

    async def acts(self, lines: Sequence[SheetLine]) -> list[Act | str]:
        return [places.act_of_line(line.fields) or MALFORMED for line in lines]

    def load(self, connection: Connection, ledger_id: int, acts: Sequence[Act]) -> Atlas:
        return atlas_for(connection, ledger_id, acts)

    def work_out(self, atlas: Atlas, act: Act) -> Plan | Refusal:
        return plan(atlas, act, self._today)


class MembersRoster:
    """Who belongs to which group, by volunteer number in the file and by person id in the books."""

    form = MEMBERS_FORM
    name = "members"

    def __init__(self, ledger: Ledger, find: Finder = by_volunteer_number) -> None:
        self._ledger = ledger
        self._find = find

    async def acts(self, lines: Sequence[SheetLine]) -> list[MemberAct | str]:
        numbers = {number for line in lines if (number := number_of_line(line.fields))}
        found = await self._find(self._ledger, numbers)
        return [_member_act(line, found) for line in lines]

    def load(self, connection: Connection, ledger_id: int, acts: Sequence[MemberAct]) -> Atlas:
        return member_atlas_for(connection, ledger_id, acts)

    def work_out(self, atlas: Atlas, act: MemberAct) -> Plan | Refusal:
        return plan_membership(atlas, act)


def _member_act(line: SheetLine, found: Mapping[str, str]) -> MemberAct | str:
    number = number_of_line(line.fields)
    if number is None:
        return MALFORMED
    if number not in found:
        return UNKNOWN_VOLUNTEER
    return members.act_of_line(line.fields, found[number]) or MALFORMED


class RosterService:
    """Judges and books the lines of rosters of one ledger."""

    def __init__(self, ledger: Ledger, roster: Roster) -> None:
        self._ledger = ledger
        self._roster = roster

    async def submit(self, source: str, lines: Sequence[SheetLine], command: Command) -> list[str]:
        """The verdict of each line: `accepted`, or the code of why not.

        Lines of this source that have a verdict already are answered with it. Raises RosterRefused, WriterError.
        """
        verdicts = await self._on_file(source, lines)
        fruitless = 0
        while left := [line for line in lines if line.line_no not in verdicts]:
            landed, refused = await self._land(source, left, command)
            verdicts |= landed
            if landed and refused is None:
                continue
            # somebody else was faster: with these very lines, or with what they were planned on
            verdicts |= await self._on_file(source, left)
            fruitless = 0 if landed else fruitless + 1
            if refused is not None and (not refused.refusal.retry or fruitless == ATTEMPTS):
                raise refused
        return [verdicts[line.line_no] for line in lines]

    async def preview(self, source: str, lines: Sequence[SheetLine]) -> list[str]:
        """The verdicts that these lines, all of the file, would get; nothing is written."""
        verdicts = await self._on_file(source, lines)
        left = [line for line in lines if line.line_no not in verdicts]
        acts, atlas = await self._read(left)
        for line, act in zip(left, acts, strict=True):
            verdict: str | Plan = _judged(self._roster.work_out, atlas, act)
            if isinstance(verdict, Plan):
                atlas.apply(verdict)
                verdict = ACCEPTED
            verdicts[line.line_no] = verdict
        return [verdicts[line.line_no] for line in lines]

    async def _land(
        self, source: str, lines: Sequence[SheetLine], command: Command
    ) -> tuple[dict[int, str], RosterRefused | None]:
        """Plan lines and book them; what has landed, and what was refused before the rest could.

        A line that another import of the same file has booked is not among what has landed: its verdict is on file.
        """
        acts, atlas = await self._read(lines)
        drafts: list[Draft] = []
        outcomes: list[str] = []
        written: set[tuple[str, tuple[int | str, ...]]] = set()
        for line, act in zip(lines, acts, strict=True):
            judged = _judged(self._roster.work_out, atlas, act)
            if isinstance(judged, Plan):
                if any((change.table, change.key) in written for change in judged.changes):
                    break  # what an earlier line wrote must be on file before it can be guarded
                atlas.apply(judged)
                written |= {(row.table, row.key) for row in judged.rows}
            outcomes.append(ACCEPTED if isinstance(judged, Plan) else judged)
            drafts.append(_draft(source, line, judged, command))
        landed: dict[int, str] = {}
        results = await self._ledger.submit(drafts, ROOMS)
        for line, outcome, result in zip(lines, outcomes, results, strict=False):
            if not isinstance(result, Receipt):
                return landed, RosterRefused(line.line_no, result)
            if not result.replayed:
                landed[line.line_no] = outcome
        return landed, None

    async def _read(self, lines: Sequence[SheetLine]) -> tuple[list[Any], Atlas]:
        acts = await self._roster.acts(lines)
        wanted = [act for act in acts if not isinstance(act, str)]
        return acts, await self._ledger.database.read(self._roster.load, self._ledger.id, wanted)

    async def _on_file(self, source: str, lines: Sequence[SheetLine]) -> dict[int, str]:
        numbers = [line.line_no for line in lines]
        found = await self._ledger.database.read(verdicts_at, self._ledger.id, source, numbers)
        return {number: known.verdict for number, known in found.items()}


def _judged(work_out: Callable[[Atlas, Any], Plan | Refusal], atlas: Atlas, act: Any) -> Plan | str:
    """The plan of a line, or the verdict that ends it."""
    if isinstance(act, str):
        return act
    planned = work_out(atlas, act)
    return planned.code if isinstance(planned, Refusal) else planned


def _draft(source: str, line: SheetLine, judged: Plan | str, command: Command) -> Draft:
    """The line's draft. Its key and request name the line, not what is in it: that may be about a person.

    For the same reason only a line that was accepted is filed under its code: who knows what stands in the others.
    """
    if isinstance(judged, Plan):
        planned, row = judged, line_row(Place(source, line.line_no), line.fields[0], ACCEPTED)
    else:
        planned, row = Plan("roster-line"), line_row(Place(source, line.line_no), "", judged)
    own = Command(command.client, f"{source}:{line.line_no}", command.actor, command.place)
    return draft_of(planned, own, request_digest(source, str(line.line_no)), (row,))
