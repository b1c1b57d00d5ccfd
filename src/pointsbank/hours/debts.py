"""Debts: points that somebody has spent and should not have earned. New credits pay them, in part, as they come free.

A debt is paid in the commit that makes points available, by an entry of its own; nobody can spend in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection

from pointsbank.engine.commands import request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.postings import HOURS, PendingRecord, release_draft
from pointsbank.hours.taking_back import debt_account, uncovered_account, withheld_subject
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import Draft, Movement, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import HeldLot, accounts_at, lots_of
from pointsbank.policy.calendar import start_of_day

ATTEMPTS: Final = 10


class DueRecord(PendingRecord, frozen=True):
    """A record whose notice has ended; its points are those of which nothing was withheld."""

    withheld: int = 0
    """How often something was."""


def guarded_release(record: DueRecord, effective_at: int, client: str) -> Draft:
    """The release of a record, refused as stale if something was taken of it meanwhile."""
    read = (withheld_subject(record.record_id), record.withheld)
    return msgspec.structs.replace(release_draft(record, effective_at, client), reads=(read,))


class ReleaseRefused(Exception):
    """The ledger refused, again and again, to release a record of somebody who owes something; others are booked."""

    def __init__(self, record_id: str, refusal: Refusal) -> None:
        super().__init__(f"{record_id}: {refusal.code}")
        self.refusal = refusal


def debts_of(connection: Connection, ledger_id: int, person_ids: Iterable[str]) -> dict[str, list[HeldLot]]:
    """What people owe, lot by lot, the first-expiring first; who owes nothing is not listed."""
    accounts = {debt_account(person): person for person in person_ids}
    if not accounts or not accounts_at(connection, ledger_id, list(accounts)):
        return {}  # who never owed anything has no such account
    held = lots_of(connection, ledger_id, list(accounts))
    return {accounts[path]: lots for path, lots in held.items()}


def payments(debts: Sequence[HeldLot], wallet: str, debt: str, amount: int, lot: str) -> tuple[Movement, ...]:
    """The movements by which `amount` of one lot of a wallet pays debts, as far as there are debts."""
    movements: list[Movement] = []
    for owed in debts:
        paid = min(amount, owed.balance)
        if paid:
            amount -= paid
            movements.append(Movement(wallet, owed.fund.issued, POINT.code, paid, lot))
            movements.append(Movement(uncovered_account(owed.fund), debt, POINT.code, paid, owed.lot))
    return tuple(movements)


def repayment(
    record: DueRecord, debts: Sequence[HeldLot], percent: int, effective_at: int, client: str
) -> Draft | None:
    """The entry by which a record's points pay a debt; None if nothing is to be paid."""
    person: Volunteer = record.volunteer
    amount = record.points * percent // 100
    movements = payments(debts, person.wallet, debt_account(person.id), amount, record.lot)
    if not movements:
        return None
    return Draft(
        "repay",
        f"repay:{record.record_id}",
        client,
        request_digest("repay", record.record_id),
        effective_at,
        movements,
        "system",
        reason="debt",
        touches=(person.subject,),
    )


def apart(page: Sequence[DueRecord], debts: Mapping[str, object]) -> tuple[list[DueRecord], list[DueRecord]]:
    """Records of people without debts, and of those who have some."""
    return (
        [record for record in page if record.volunteer.id not in debts],
        [record for record in page if record.volunteer.id in debts],
    )


async def release_indebted(
    ledger: Ledger, records: Iterable[DueRecord], percent: int, zone: str, client: str, not_before: date
) -> int:
    """Release records of people who owe something, each together with what it pays; gives how many.

    Nothing is dated before `not_before`.

    Raises ReleaseRefused if the ledger does not take one.
    """
    count = 0
    for record in records:
        refusal: Refusal | None = None
        for _ in range(ATTEMPTS):
            debts = await ledger.database.read(debts_of, ledger.id, [record.volunteer.id])
            at = start_of_day(max(date.fromisoformat(record.available_on), not_before), zone)
            paid = repayment(record, debts.get(record.volunteer.id, ()), percent, at, client)
            drafts = [guarded_release(record, at, client), *([paid] if paid else [])]
            results = await ledger.submit(drafts, HOURS, atomic=True)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            refusal = refusals[0] if refusals else None
            if refusal is None:
                count += isinstance(results[0], Receipt) and not results[0].replayed
                break
            # somebody else has released or reversed it, or taken some of it: the next run finds what is left
            if refusal.code in ("state-changed", "stale-read"):
                refusal = None
                break
        if refusal is not None:
            raise ReleaseRefused(record.record_id, refusal)
    return count
