"""The public notice has ended: points become available, page by page, and pay what somebody owes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, select

from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.hours.debts import DueRecord, apart, debts_of, guarded_release, release_indebted
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import RecordRefused
from pointsbank.hours.tables import service_records
from pointsbank.hours.withheld import withheld_of
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.merged import resolved
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import HeldLot
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.policy.model import Policy
from pointsbank.store.lists import fetched, in_hex


async def releases(
    ledger: Ledger, policies: PolicyBook, as_of: date, client: str
) -> AsyncIterator[asyncio.Future[int]]:
    """Hand over what is due by `as_of`, a page at a time; each future says how many records were released."""
    policy, after = policies.policies[-1], ("", "")
    # a job that comes late dates nothing back; a replay lives through days that are long past
    is_live = policy.safeguards.recording_evidence == "server"
    today = city_day(ledger.writer.clock.now(), policy.timezone)
    not_before = today if is_live else date.min
    while page := await ledger.database.read(pending_records, ledger.id, as_of, after):
        debts = await ledger.database.read(debts_of, ledger.id, {record.volunteer.id for record in page})
        yield asyncio.create_task(_release_page(ledger, policy, page, debts, client, not_before))
        after = (page[-1].available_on, page[-1].record_id)


async def _release_page(
    ledger: Ledger,
    policy: Policy,
    page: Sequence[DueRecord],
    debts: Mapping[str, Sequence[HeldLot]],
    client: str,
    not_before: date,
) -> int:
    """Release records of one page; of people who owe something each with what it pays."""
    zone = policy.timezone
    free, indebted = apart(page, debts)
    drafts = [
        guarded_release(
            record, start_of_day(max(date.fromisoformat(record.available_on), not_before), zone), client
        )
        for record in free
    ]
    released = _released(await ledger.submit(drafts, HOURS, brief=True)) if drafts else 0
    if indebted:
        released += await release_indebted(
            ledger, indebted, policy.cases.debt_percent, zone, client, not_before
        )
    return released


def _released(results: Sequence[Result]) -> int:
    """How many records were released; one that somebody else released or reversed meanwhile is no fault.

    Nor is one of which something was taken meanwhile: the next run releases what is left of it.
    """
    for result in results:
        if isinstance(result, Refusal) and result.code not in ("state-changed", "stale-read"):
            raise RecordRefused(0, result)
    return sum(isinstance(result, Receipt) and not result.replayed for result in results)


def pending_records(
    connection: Connection, ledger_id: int, as_of: date, after: tuple[str, str] = ("", ""), limit: int = 1000
) -> list[DueRecord]:
    """Records whose notice has ended by `as_of`, by date and record id, a page at a time."""
    t = service_records.c
    day, record_id = after
    found = fetched(
        connection,
        select(
            t.record_id,
            t.fields,
            t.volunteer,
            t.points,
            t.lot,
            t.available_on,
            in_hex(connection.dialect.name, t.salt),
        )
        .where(
            t.ledger_id == ledger_id,
            t.state == "pending",
            t.available_on <= as_of.isoformat(),
            (t.available_on > day) | ((t.available_on == day) & (t.record_id > record_id)),
        )
        .order_by(t.available_on, t.record_id)
        .limit(limit),
    )
    rows = sorted(found, key=lambda row: (row[5], row[0]))
    people = resolved(connection, ledger_id, {row[2]: Volunteer(row[2]) for row in rows})
    withheld = withheld_of(connection, ledger_id, {row[0] for row in rows})
    return [
        DueRecord(
            row[0], row[1], people[row[2]], row[3] - points, row[4], row[5], bytes.fromhex(row[6]), times
        )
        for row in rows
        for points, times in (withheld.get(row[0], (0, 0)),)
    ]
