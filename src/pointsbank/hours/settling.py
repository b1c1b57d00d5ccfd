"""Settling an account that is closed: debts first, then the points go to the fund or to the household.

People/closing.py sees to the two members of staff and to the delay, and calls this with one key, again after an
interruption; when nothing is left there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By
from pointsbank.activities.reading import versions_of
from pointsbank.engine.commands import request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.aliases import people_of
from pointsbank.hours.debts import debts_of, payments
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import DebtLeft, HoursUnderWay, NoHousehold, UnknownCase
from pointsbank.hours.tables import record_trails, service_records, unfunded_credits
from pointsbank.hours.taking_back import debt_account, loss_account
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import Draft, Movement, OpenAccount
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.closing import Settlement
from pointsbank.people.merged import groups as ids_of
from pointsbank.people.refusals import PointsLeft
from pointsbank.people.volunteers import Volunteer
from pointsbank.places.membership import groups_of, members_of
from pointsbank.points.lots import POINTS, HeldLot, expiry, lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day
from pointsbank.store.lists import is_one_of

ATTEMPTS: Final = 20
CLIENT: Final = "closing"

_UNDER_WAY: Final = ("submitted", "checked", "pending", "objected")


class SettlePostings:
    """Settles accounts in the books. `by` has confirmed it."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, by: By) -> None:
        self._ledger = ledger
        self._zone = policies.policies[-1].timezone
        self._by = by

    async def settle(self, person_id: str, settlement: Settlement, key: str) -> Refusal | None:
        """Empty an account by postings; None when nothing is left. Refused while hours of it are under way."""
        refusal: Refusal = UnknownCase(person_id)
        for _ in range(ATTEMPTS):
            today = self._today()
            facts = await self._ledger.database.read(_facts, self._ledger.id, person_id, today)
            if facts is None:  # never had accounts
                return None
            if facts.under_way:
                return HoursUnderWay(facts.under_way)
            if facts.expired:
                at = start_of_day(today, self._zone)
                await self._ledger.submit([expiry(lot, today, at, CLIENT) for lot in facts.expired], POINTS)
                continue
            if not facts.held and not facts.debts:
                return None
            asked = _asked(facts, settlement)
            if isinstance(asked, Refusal):
                return asked
            movements, opens = asked
            draft = Draft(
                "settle",
                key,
                CLIENT,
                request_digest("settle", person_id, settlement),
                start_of_day(today, self._zone),
                movements,
                self._by.name,
                self._by.place,
                "account-closed",
                opens=opens,
                reads=((facts.person.subject, facts.version),),
                touches=(facts.person.subject,),
            )
            [result] = await self._ledger.submit([draft], HOURS)
            if not isinstance(result, Refusal):
                return None
            refusal = result
            if not refusal.retry and refusal.code != "insufficient-balance":
                break
        return refusal

    def _today(self) -> date:
        return city_day(self._ledger.writer.clock.now(), self._zone)


class _Facts(msgspec.Struct, frozen=True):
    """An account as it is closed, from one snapshot."""

    person: Volunteer
    version: int
    held: list[HeldLot]
    expired: list[HeldLot]
    debts: list[HeldLot]
    under_way: int
    heirs: list[Volunteer]
    """The others of the household who have accounts."""


def _asked(
    facts: _Facts, settlement: Settlement
) -> tuple[tuple[Movement, ...], tuple[OpenAccount, ...]] | Refusal:
    """The movements of a settlement, or why it cannot be."""
    if settlement == "nothing":  # one member of staff alone moves no points and forgives no debt
        if facts.held:
            return PointsLeft(POINT.code, sum(lot.balance for lot in facts.held))
        return DebtLeft(sum(lot.balance for lot in facts.debts))
    if settlement == "household" and len(facts.heirs) != 1:
        return NoHousehold(len(facts.heirs))
    movements: list[Movement] = []
    debts, debt = {lot.lot: lot for lot in facts.debts}, debt_account(facts.person.id)
    for lot in facts.held:
        paid = payments(list(debts.values()), facts.person.wallet, debt, lot.balance, lot.lot)
        movements += paid
        for movement in paid[1::2]:  # of each pair the second one lowers the debt
            owed = debts[movement.lot]
            debts[movement.lot] = msgspec.structs.replace(owed, balance=owed.balance - movement.amount)
        rest = lot.balance - sum(movement.amount for movement in paid[::2])
        if rest:
            heir = facts.heirs[0].wallet if settlement == "household" else lot.fund.issued
            movements.append(Movement(facts.person.wallet, heir, POINT.code, rest, lot.lot))
    lost = [lot for lot in debts.values() if lot.balance]
    movements += [Movement(loss_account(lot.fund), debt, POINT.code, lot.balance, lot.lot) for lot in lost]
    return tuple(movements), tuple(OpenAccount(loss_account(lot.fund)) for lot in lost)


def _facts(connection: Connection, ledger_id: int, person_id: str, today: date) -> _Facts | None:
    person = people_of(connection, ledger_id, [person_id]).get(person_id)
    if person is None:
        return None
    ids = ids_of(connection, ledger_id, [person.id]).get(person.id, frozenset((person.id,)))
    held = lots_of(connection, ledger_id, [person.wallet]).get(person.wallet, [])
    return _Facts(
        person,
        versions_of(connection, ledger_id, [person.subject])[person.subject],
        [lot for lot in held if lot.expires_on >= today.isoformat()],
        [lot for lot in held if lot.expires_on < today.isoformat()],
        debts_of(connection, ledger_id, [person.id]).get(person.id, []),
        _under_way(connection, ledger_id, ids),
        _heirs(connection, ledger_id, person.id, today),
    )


def _under_way(connection: Connection, ledger_id: int, ids: frozenset[str]) -> int:
    """Records that wait for somebody, or points that wait for their fund."""
    record, trail, waiting = service_records.c, record_trails.c, unfunded_credits.c
    is_unfunded = (
        select(waiting.record_id)
        .where(
            waiting.ledger_id == record.ledger_id,
            waiting.record_id == record.record_id,
            waiting.state == "waiting",
        )
        .exists()
    )
    rows = connection.execute(
        select(record.record_id)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(
            trail.ledger_id == ledger_id,
            is_one_of(connection, trail.person_id, ids),
            record.state.in_(_UNDER_WAY) | is_unfunded,
        )
    ).all()
    return len(rows)


def _heirs(connection: Connection, ledger_id: int, person_id: str, today: date) -> list[Volunteer]:
    members = living_with(connection, ledger_id, [person_id], today)
    found = people_of(connection, ledger_id, sorted(members - {person_id}))
    return [found[one] for one in sorted(found) if found[one].id != person_id]


def living_with(
    connection: Connection, ledger_id: int, person_ids: Iterable[str], day: date
) -> frozenset[str]:
    """Everybody of the households of these people on a day, themselves included if they have one."""
    groups = groups_of(connection, ledger_id, list(person_ids), day)
    households = {group for found in groups.values() for kind, group in found if kind == "household"}
    return frozenset(
        member.person_id for group in households for member in members_of(connection, ledger_id, group, day)
    )
