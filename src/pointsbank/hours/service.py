"""The verbs of the hours room: judge records and book them, release what has been on notice, take back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.context import HoursDesk
from pointsbank.hours.model import Judgement
from pointsbank.hours.postings import (
    FIELD_SEPARATOR,
    HOURS,
    Judged,
    PendingRecord,
    record_draft,
    release_draft,
    reversal_drafts,
)
from pointsbank.hours.rules import judge_record, parse_record
from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import LineVerdict, Place, verdicts_at
from pointsbank.ledger.model import Draft, OpenAccount, Receipt
from pointsbank.ledger.refusals import Refusal, UnknownEntry
from pointsbank.people import volunteers
from pointsbank.places.stations import stations
from pointsbank.points.lots import Fund, fund_opening
from pointsbank.policy.book import NoPolicyError, PolicyBook
from pointsbank.policy.calendar import (
    available_on,
    city_day,
    city_to_utc_micros,
    day_of_minute,
)
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Policy

Line = tuple[int, tuple[str, ...]]
"""The number of a line in its source, and its normalised fields."""

ATTEMPTS = 5
_MALFORMED = Judgement("malformed")


class RecordRefused(Exception):
    """The ledger refused what the rules accepted (a fund without budget, say): nothing of the line was written."""

    def __init__(self, line: int, refusal: Refusal) -> None:
        super().__init__(f"line {line}: {refusal.code}")
        self.line = line
        self.refusal = refusal


class HoursService:
    """Judges service records in the order in which they come and books those that count.

    A line's number of tries is bounded; what it was judged on is guarded by the volunteer's version, so two
    uploads at a time end as if one had come after the other.
    """

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._policies = policies
        self._desk: HoursDesk | None = None

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

        Lines of this source that have a verdict already are answered with it. Raises RecordRefused, WriterError.
        """
        known = await self._ledger.database.read(
            verdicts_at, self._ledger.id, source, [number for number, _ in lines]
        )
        verdicts = dict(known)
        left = [line for line in lines if line[0] not in known]
        for _ in range(ATTEMPTS):
            if not left:
                break
            left = await self._try(source, left, command, verdicts)
        if left:
            raise RecordRefused(left[0][0], self._last_refusal)
        return [verdicts[number] for number, _ in lines]

    async def preview(self, source: str, lines: Sequence[Line]) -> list[LineVerdict]:
        """What `submit` would say, lines before these included in the judgement; nothing is written."""
        desk = await self._load_desk([fields for _, fields in lines])
        now = self._ledger.writer.clock.now()
        judged = [self._judge(desk, Place(source, number), fields, now) for number, fields in lines]
        return [
            LineVerdict(j.place.line, j.record_id, j.judgement.verdict, j.judgement.minutes, j.judgement.points)
            for j in judged
        ]

    async def _try(
        self, source: str, lines: Sequence[Line], command: Command, verdicts: dict[int, LineVerdict]
    ) -> list[Line]:
        """One try; returns the lines that must be judged again because something moved."""
        desk = await self._load_desk([fields for _, fields in lines])
        now = self._ledger.writer.clock.now()
        judged = [self._judge(desk, Place(source, number), fields, now) for number, fields in lines]
        results = await self._ledger.submit(
            [record_draft(j, command.client, command.actor) for j in judged], HOURS
        )
        again: list[Line] = []
        for line, j, result in zip(lines, judged, results, strict=True):
            if isinstance(result, Receipt):
                verdicts[line[0]] = LineVerdict(
                    line[0], j.record_id, j.judgement.verdict, j.judgement.minutes, j.judgement.points,
                    result.sequence,
                )
            elif result.retry:
                self._last_refusal = result
                again.append(line)
            else:
                self._desk = None
                raise RecordRefused(line[0], result)
        if again:
            self._desk = None
        return again

    async def _load_desk(self, lines: Iterable[tuple[str, ...]]) -> HoursDesk:
        desk = self._desk
        if desk is None or len(desk.contents) > 200_000:
            known_stations = await self._ledger.database.read(stations, self._ledger.id)
            desk = self._desk = HoursDesk(known_stations)
        ids, numbers = desk.lacks(lines)
        if ids or numbers:
            await self._ledger.database.read(desk.load, self._ledger.id, ids, numbers)
        return desk

    def _judge(self, desk: HoursDesk, place: Place, fields: tuple[str, ...], now: int) -> Judged:
        policy = self._policy_for(fields)
        record = parse_record(fields, policy) if policy else None
        if policy is None or record is None:
            return Judged(place, fields or ("",), _MALFORMED)
        judgement = judge_record(record, desk, policy)
        if judgement.verdict in ("duplicate", "conflict"):
            return Judged(place, fields, judgement)
        volunteer = desk.people[fields[1]]
        version = desk.versions[fields[1]] if volunteer else 0
        desk.take(fields, judgement, record.start, record.end)
        accepted = judgement.verdict == "accepted"
        notice = accepted and judgement.points and policy.public_notice_days
        return Judged(
            place, fields, judgement, record.start, record.end, volunteer, version, policy.version,
            policy.fund.code,
            available_on(city_day(now, policy.timezone), policy).isoformat() if notice else "",
            city_to_utc_micros(record.session_end * 60, policy.timezone),
            new_salt(),
        )

    def _policy_for(self, fields: tuple[str, ...]) -> Policy | None:
        """The policy in force on the service date; None if the line has no such date or no policy covers it."""
        policies = self._policies.policies
        if len(policies) == 1 and policies[0].valid_from == date.min:
            return policies[0]
        record = parse_record(fields, policies[-1])
        if record is None:
            return None
        try:
            return self._policies.in_force(day_of_minute(record.session_start))
        except NoPolicyError:
            return None

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
