"""Hours of an activity that turn out to be false, also after their points were spent.

One person proposes which records shall not count and who is guilty, another decides; then each record is taken back by
an entry of its own. The points are not made good by the innocent: what they have spent is the fund's loss.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By, Households
from pointsbank.activities.refusals import FourEyes, UnknownActivity
from pointsbank.activities.service import made_by
from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.booked import Booked, booked_of
from pointsbank.hours.case_tables import clawback_cases, clawback_lines
from pointsbank.hours.eyes import Eyes
from pointsbank.hours.filing import step_row
from pointsbank.hours.model import BOOKED, HOLDING
from pointsbank.hours.objections import objections_to
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import ReasonInvalid, TooManyLines, UnknownCase, WrongState
from pointsbank.hours.tables import record_trails, service_records
from pointsbank.hours.taking_back import (
    Line,
    clawback_draft,
    done_change,
    waiting_row,
)
from pointsbank.hours.trails import Filed, filed_records
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.refusals import UnknownPerson
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.store.lists import fetched, is_one_of

ATTEMPTS: Final = 20
MOST_LINES: Final = 1000
"""Records of one case; a larger activity takes several."""
CLAWBACK_REASONS: Final = (
    "fake-activity",
    "not-present",
    "wrong-person",
    "not-volunteer-service",
    "misconduct",
)


class CaseLine(msgspec.Struct, frozen=True):
    """A record of a case and what became of it; points in hundredths, 0 while it waits."""

    record_id: str
    person_id: str
    guilty: int
    minutes: int
    points: int
    taken: int
    owed: int
    lost: int
    sequence: int
    state: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Records that shall not count, and who says so. `state`: proposed, decided, refused."""

    case_id: str
    activity_id: str
    reason: str
    document_no: str
    proposed_by: str
    proposed_at: int
    decided_by: str
    decided_at: int
    state: str
    lines: tuple[CaseLine, ...] = ()


class Clawing:
    """Proposes, decides and carries out that records of an activity do not count."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._eyes = Eyes(ledger, policies, households)
        self._zone = policies.policies[-1].timezone

    async def propose(
        self,
        activity_id: str,
        reason: str,
        by: By,
        command: Command,
        *,
        guilty: Collection[str] = (),
        records: Sequence[str] | None = None,
        document_no: str = "",
    ) -> Case | Refusal:
        """Propose that the records of an activity, or those named, do not count; `guilty` are people's ids.

        Nothing is moved before another person has decided.
        """
        if reason not in CLAWBACK_REASONS:
            return ReasonInvalid(reason)
        found = await self._ledger.database.read(_of_activity, self._ledger.id, activity_id, records)
        if not found:
            return UnknownActivity(activity_id)
        if len(found) > MOST_LINES:
            return TooManyLines(MOST_LINES, "case")
        forbidden = await self._eyes.forbidden(found, by)
        if forbidden:
            return FourEyes(forbidden)
        case_id, asked = made_by(command, "clawback"), sorted(guilty)
        strangers = set(asked) - {record.person_id for record in found}
        if strangers:  # a slip of the pen would make the fund bear what somebody guilty owes
            return UnknownPerson(min(strangers))
        lines = [
            Line(case_id, record.record_id, record.person_id, record.person_id in asked, "")
            for record in found
        ]
        case = Row(
            "clawback_cases",
            (case_id, activity_id, reason, document_no, by.name, RECORDED_AT, "", 0, "proposed"),
        )
        digest = request_digest(
            "propose-clawback",
            activity_id,
            reason,
            document_no,
            by.name,
            ",".join(asked),
            ",".join(records or ()),
        )
        draft = self._draft("propose-clawback", command.key, digest, by, command)
        draft = msgspec.structs.replace(
            draft, rows=(case, *[waiting_row(line, new_salt()) for line in lines])
        )
        result = (await self._ledger.submit([draft], HOURS))[0]
        return result if isinstance(result, Refusal) else await self._case(case_id)

    async def decide(self, case_id: str, by: By, command: Command, *, approve: bool) -> Case | Refusal:
        """Decide a proposed case as a second person; approved, it is carried out at once.

        Who decides neither proposed it nor recorded, verified or earned one of its records, nor lives with who did.
        """
        case = await self.case(case_id)
        if isinstance(case, Refusal):
            return case
        wanted = "decided" if approve else "refused"
        if case.state != "proposed":
            if case.state != wanted or case.decided_by != by.name:
                return WrongState(case_id, case.state)
            return await self._finished(case_id, command) if approve else case
        if by.name == case.proposed_by:
            return FourEyes("decider-is-proposer")
        records = await self._ledger.database.read(
            filed_records, self._ledger.id, [line.record_id for line in case.lines]
        )
        forbidden = await self._eyes.forbidden(records.values(), by)
        if forbidden:
            return FourEyes(forbidden)
        digest = request_digest("decide-clawback", case_id, wanted, by.name)
        values = (("decided_by", by.name), ("decided_at", RECORDED_AT))
        draft = msgspec.structs.replace(
            self._draft("decide-clawback", f"decide-clawback:{case_id}:{by.name}", digest, by, command),
            changes=(Change("clawback_cases", (case_id,), "proposed", wanted, values),),
        )
        result = (await self._ledger.submit([draft], HOURS))[0]
        if isinstance(result, Refusal):
            return result
        return await self._finished(case_id, command) if approve else await self._case(case_id)

    async def carry_out(self, case_id: str, command: Command) -> int | Refusal:
        """Take back what is still waiting of a decided case; gives how many records. May be stopped and run again."""
        case = await self.case(case_id)
        if isinstance(case, Refusal):
            return case
        if case.state != "decided":
            return WrongState(case_id, case.state)
        count = 0
        for line in case.lines:
            if line.state == "waiting":
                result = await self._take_back(case, line, command)
                if isinstance(result, Refusal):
                    return result
                count += result
        return count

    async def case(self, case_id: str) -> Case | UnknownCase:
        """A case with its lines."""
        found = await self._ledger.database.read(case_of, self._ledger.id, case_id)
        return UnknownCase(case_id) if found is None else found

    async def _case(self, case_id: str) -> Case:
        case = await self.case(case_id)
        assert isinstance(case, Case), "it was written this moment"
        return case

    async def _finished(self, case_id: str, command: Command) -> Case | Refusal:
        done = await self.carry_out(case_id, command)
        return done if isinstance(done, Refusal) else await self._case(case_id)

    async def _take_back(self, case: Case, line: CaseLine, command: Command) -> int | Refusal:
        """One record, by an entry of its own; 0 if it has ended otherwise meanwhile."""
        by = By(case.decided_by, case.decided_by)
        refusal: Refusal = UnknownCase(case.case_id)
        for _ in range(ATTEMPTS):
            found = await self._ledger.database.read(booked_of, self._ledger.id, line.record_id)
            draft = self._drop(case, line, by, command) if found is None else None
            if found is not None and found.record.state in BOOKED:
                draft = await self._back(case, line, found, by, command)
            elif found is not None and found.record.state in HOLDING:
                draft = self._reject(case, line, found.record, by, command)
            elif draft is None:
                draft = self._drop(case, line, by, command)
            result = (await self._ledger.submit([draft], HOURS))[0]
            if not isinstance(result, Refusal):
                return int(draft.kind != "drop-clawback")
            refusal = result
            # what was moved since the snapshot is looked at anew; a floor that was met is such a move, too
            if not refusal.retry and refusal.code not in ("state-changed", "insufficient-balance"):
                break
        return refusal

    async def _back(self, case: Case, line: CaseLine, found: Booked, by: By, command: Command) -> Draft:
        today = self._today()
        decided = Line(
            case.case_id, line.record_id, line.person_id, bool(line.guilty), f"{case.proposed_by},{by.name}"
        )
        back = found.back(guilty=decided.guilty, today=today)
        salt, ended = await self._ledger.database.read(_salt_and_case, self._ledger.id, decided)
        if ended is not None:
            values = (("decided_by", by.name), ("decided_at", RECORDED_AT), ("decision", case.reason))
            ended = msgspec.structs.replace(ended, values=values)
        return clawback_draft(
            decided,
            back,
            found.person,
            found.version,
            salt=salt,
            effective_at=start_of_day(today, self._zone),
            command=command,
            actor=by.name,
            place=by.place,
            reason=case.reason,
            rows=(_step(found.record, "clawed-back", by, case.reason),),
            changes=(
                *found.ended,
                *((ended,) if ended is not None else ()),
                done_change(decided, back, found.record.minutes),
            ),
        )

    def _reject(self, case: Case, line: CaseLine, record: Filed, by: By, command: Command) -> Draft:
        """What nobody has verified yet is rejected for good: its attendance is not open for another record."""
        digest = request_digest("reject-record", record.record_id, case.case_id)
        draft = self._draft(
            "reject-record", f"clawback:{case.case_id}.{record.record_id}", digest, by, command
        )
        return msgspec.structs.replace(
            draft,
            rows=(_step(record, "rejected", by, case.reason),),
            touches=(f"volunteer:{record.person_id}",),
            changes=(
                Change("service_records", (record.record_id,), record.state, "rejected"),
                _dropped(case, line),
            ),
        )

    def _drop(self, case: Case, line: CaseLine, by: By, command: Command) -> Draft:
        key = f"drop-clawback:{case.case_id}.{line.record_id}"
        draft = self._draft(
            "drop-clawback", key, request_digest("drop-clawback", line.record_id), by, command
        )
        return msgspec.structs.replace(draft, changes=(_dropped(case, line),))

    def _draft(self, kind: str, key: str, digest: bytes, by: By, command: Command) -> Draft:
        now = self._ledger.writer.clock.now()
        return Draft(kind, key, command.client, digest, now, actor=by.name, place=by.place)

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


def case_of(connection: Connection, ledger_id: int, case_id: str) -> Case | None:
    """A case with its lines, by record."""
    t, line = clawback_cases.c, clawback_lines.c
    names = Case.__struct_fields__[:-1]
    rows = fetched(
        connection,
        select(*(t[name] for name in names)).where(t.ledger_id == ledger_id, t.case_id == case_id),
    )
    if not rows:
        return None
    lines = fetched(
        connection,
        select(*(line[name] for name in CaseLine.__struct_fields__)).where(
            line.ledger_id == ledger_id, line.case_id == case_id
        ),
    )
    values: list[Any] = list(rows[0])
    return Case(
        **dict(zip(names, values, strict=True)),
        lines=tuple(CaseLine(*row) for row in sorted(lines, key=lambda row: str(row[0]))),
    )


def cases(connection: Connection, ledger_id: int, state: str = "", limit: int = 200) -> list[Case]:
    """Cases without their lines, the newest first; of one state, or all."""
    t = clawback_cases.c
    names = Case.__struct_fields__[:-1]
    query = select(*(t[name] for name in names)).where(t.ledger_id == ledger_id)
    if state:
        query = query.where(t.state == state)
    rows = connection.execute(query.order_by(t.proposed_at.desc(), t.case_id).limit(limit))
    return [Case(**dict(zip(names, row, strict=True))) for row in rows]


def _of_activity(
    connection: Connection, ledger_id: int, activity_id: str, records: Sequence[str] | None
) -> list[Filed]:
    """Records of an activity that hold their time, by id."""
    trail, record = record_trails.c, service_records.c
    query = (
        select(trail.record_id)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, trail.activity_id == activity_id, record.state.in_(HOLDING))
        .order_by(trail.record_id)
        .limit(MOST_LINES + 1)
    )
    if records is not None:
        query = query.where(is_one_of(connection, trail.record_id, records))
    ids = list(connection.scalars(query))
    found = filed_records(connection, ledger_id, ids)
    return [found[id_] for id_ in ids]


def _salt_and_case(connection: Connection, ledger_id: int, line: Line) -> tuple[bytes, Change | None]:
    """The salt of a line, and the end of the open objection to its record, if there is one."""
    t = clawback_lines.c
    salt = connection.execute(
        select(t.salt).where(t.ledger_id == ledger_id, t.line_id == line.id)
    ).scalar_one()
    open_ = [
        c for c in objections_to(connection, ledger_id, line.record_id) if c.state in ("open", "escalated")
    ]
    ended = (
        Change("objections", (line.record_id, open_[0].number), open_[0].state, "upheld") if open_ else None
    )
    return bytes(salt), ended


def _step(record: Filed, step: str, by: By, reason: str) -> Row:
    return step_row(record.record_id, len(record.steps) + 1, step, by, reason)


def _dropped(case: Case, line: CaseLine) -> Change:
    return Change("clawback_lines", (f"{case.case_id}.{line.record_id}",), "waiting", "dropped")
