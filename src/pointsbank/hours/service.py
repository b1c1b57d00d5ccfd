"""The verbs of the hours room: judge records and book them, release what has been on notice, take back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.context import HoursDesk
from pointsbank.hours.model import HOURS_VERDICTS, Judgement, ServiceRecord
from pointsbank.hours.postings import (
    HOURS,
    Judged,
    PendingRecord,
    category_account,
    record_draft,
    release_draft,
    reversal_drafts,
)
from pointsbank.hours.rules import judge_record, parse_record
from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import LineVerdict, Place, effective_micros, verdicts_at
from pointsbank.ledger.model import Draft, OpenAccount, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal, UnknownEntry
from pointsbank.people import volunteers
from pointsbank.points.lots import Fund, fund_opening
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import (
    available_on,
    city_day,
    city_to_utc_micros,
    day_of_minute,
    local_minute,
)
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Policy

Line = tuple[int, tuple[str, ...]]
"""The number of a line in its source, and its normalised fields."""

ATTEMPTS = 10
DESK_SIZE = 50_000
"""Records that a desk remembers before it is left for a fresh one."""

_MALFORMED = Judgement("malformed")
_TAKES_NO_ID = frozenset(HOURS_VERDICTS[:3])


class RecordRefused(Exception):
    """The ledger refused what the rules accepted (a fund without budget, say): nothing of the line was written."""

    def __init__(self, line: int, refusal: Refusal) -> None:
        super().__init__(f"line {line}: {refusal.code}")
        self.line = line
        self.refusal = refusal


class _Flight(msgspec.Struct):
    """Lines that were judged and handed to the ledger, all or none."""

    lines: Sequence[Line]
    judged: list[Judged]
    future: asyncio.Future[list[Result]]


class HoursService:
    """Judges service records in the order in which they come and books those that count.

    Lines that come together are booked together or not at all, and what they were judged on is guarded by the
    versions of their volunteers: two uploads at a time end as if one had come after the other.
    """

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._policies = policies
        self._longest_session = 60 * max(policy.session_max_hours for policy in policies.policies)
        self._desk: HoursDesk | None = None
        """What is remembered between two calls. Who works at it takes it away, so that nobody else judges on it."""
        self._preview_desk = HoursDesk(self._longest_session)

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

    async def submit(self, source: str, lines: Sequence[Line], command: Command) -> list[LineVerdict]:
        """Judge and book lines of a source, in their order; each gets its verdict and keeps it.

        Lines of this source that have a verdict already are answered with it. If the ledger refuses a line, those
        before it are booked, it and those after it are not. Raises RecordRefused, WriterError.
        """
        verdicts = await self._on_file(source, lines)
        left = [line for line in lines if line[0] not in verdicts]
        desk, self._desk = self._desk, None
        for _ in range(ATTEMPTS):
            if not left:
                self._desk = desk
                return [verdicts[number] for number, _ in lines]
            if desk is None or desk.size > DESK_SIZE:
                desk = HoursDesk(self._longest_session)
            flight = await self._send(desk, source, left, command)
            refused = await self._land(flight, source, verdicts)
            if refused is not None:
                line, refusal = refused
                if not refusal.retry:
                    await self.submit(source, left[: left.index(line)], command)
                    raise RecordRefused(line[0], refusal)
                desk = None
                verdicts |= await self._on_file(source, left)
            left = [line for line in left if line[0] not in verdicts]
        assert refused is not None
        raise RecordRefused(refused[0][0], refused[1])

    async def submit_all(
        self, source: str, chunks: Iterable[Sequence[Line]], command: Command
    ) -> AsyncIterator[list[LineVerdict]]:
        """Like `submit` for chunk after chunk: the next is judged while the last is being written.

        For a ledger into which nobody else brings hours meanwhile, such as that of a replay.
        """
        desk = HoursDesk(self._longest_session)
        flights: list[_Flight] = []
        for chunk in chunks:
            verdicts = await self._on_file(source, chunk)
            lines = [line for line in chunk if line[0] not in verdicts]
            if desk.size > DESK_SIZE or (flights and desk.goes_back(desk.lacks(self._well_formed(lines)))):
                async for done in self._land_all(flights, source, command):
                    yield done
                desk = HoursDesk(self._longest_session)
            flights.append(await self._send(desk, source, lines, command))
            if len(flights) > 1:
                landed: dict[int, LineVerdict] = {}
                if await self._land(flights[0], source, landed) is None:
                    yield [landed[number] for number, _ in flights.pop(0).lines]
                else:
                    async for done in self._land_all(flights, source, command):
                        yield done
                    desk = HoursDesk(self._longest_session)
        async for done in self._land_all(flights, source, command):
            yield done

    async def _land_all(
        self, flights: list[_Flight], source: str, command: Command
    ) -> AsyncIterator[list[LineVerdict]]:
        """Wait for all that is under way; what the ledger found moved is judged again, in order."""
        for flight in flights:
            await asyncio.wait([flight.future])
        while flights:
            yield await self.submit(source, flights[0].lines, command)
            flights.pop(0)

    async def release(self, as_of: date, client: str = "release") -> AsyncIterator[int]:
        """Post the points whose notice has ended by `as_of` to their wallets; yields how many, page by page.

        Idempotent and resumable: a record is released by a guarded change of its state.
        """
        zone = self._policies.policies[-1].timezone
        after = ("", "")
        while True:
            page = await self._ledger.database.read(pending_records, self._ledger.id, as_of, after)
            if not page:
                return
            drafts = [
                release_draft(record, _start_of_day(date.fromisoformat(record.available_on), zone), client)
                for record in page
            ]
            results = await self._ledger.submit(drafts, HOURS)
            yield sum(isinstance(result, Receipt) and not result.replayed for result in results)
            after = (page[-1].available_on, page[-1].record_id)

    async def reverse(self, sequence: int, reason: str, command: Command) -> list[Receipt] | Refusal:
        """Take a credited record back: points out of the lot they went to, minutes out of the merit.

        Refused if a lot no longer holds enough, if the entry is no credit, or was reversed before.
        """
        found = await self._ledger.database.read(_record_of_entry, self._ledger.id, sequence)
        if found is None:
            return UnknownEntry(sequence)
        record_id, number, state, released_by, policy_zone = *found, self._policies.policies[-1].timezone
        people = await self._ledger.database.read(volunteers.by_number, self._ledger.id, [number])
        now = self._ledger.writer.clock.now()
        drafts = reversal_drafts(
            record_id, state, sequence, released_by, people[number], reason,
            effective_at=_start_of_day(city_day(now, policy_zone), policy_zone),
            client=command.client, key=command.key, actor=command.actor,
        )
        results = await self._ledger.submit(drafts, HOURS, atomic=True)
        self._desk = None
        refusals = [result for result in results if isinstance(result, Refusal) and result.code != "group-refused"]
        return refusals[0] if refusals else [r for r in results if isinstance(r, Receipt)]


def _category_opening(policy: Policy, client: str) -> Draft:
    return Draft(
        kind="open-categories",
        key=f"categories:{policy.version}",
        client=client,
        request=request_digest("open-categories", policy.version),
        effective_at=0,
        opens=tuple(OpenAccount(f"category:{code}:given") for code in policy.categories),
    )


def _start_of_day(day: date, zone: str) -> int:
    return city_to_utc_micros((day.toordinal() - date(1970, 1, 1).toordinal()) * 86_400, zone)


def pending_records(
    connection: Connection, ledger_id: int, as_of: date, after: tuple[str, str] = ("", ""), limit: int = 500
) -> list[PendingRecord]:
    """Records whose notice has ended by `as_of`, by date and record id, a page at a time."""
    t = service_records.c
    day, record_id = after
    rows = connection.execute(
        select(t.record_id, t.fields, t.volunteer, t.points, t.lot, t.available_on, t.salt)
        .where(
            t.ledger_id == ledger_id,
            t.state == "pending",
            t.available_on <= as_of.isoformat(),
            (t.available_on > day) | ((t.available_on == day) & (t.record_id > record_id)),
        )
        .order_by(t.available_on, t.record_id)
        .limit(limit)
    ).all()
    people = volunteers.by_number(connection, ledger_id, {row[2] for row in rows})
    return [
        PendingRecord(
            row[0], tuple(row[1].split(FIELD_SEPARATOR)), people[row[2]], row[3], row[4], row[5], bytes(row[6])
        )
        for row in rows
    ]


def _record_of_entry(
    connection: Connection, ledger_id: int, sequence: int
) -> tuple[str, str, str, int] | None:
    t = service_records.c
    row = connection.execute(
        select(t.record_id, t.volunteer, t.state, t.released_by).where(
            t.ledger_id == ledger_id, t.sequence == sequence, t.sequence > 0
        )
    ).first()
    return tuple(row) if row else None  # type: ignore[return-value]
