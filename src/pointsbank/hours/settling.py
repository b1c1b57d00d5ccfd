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
from pointsbank.hours.funding import supplement_of
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import DebtLeft, HoursUnderWay, NoHousehold, UnknownCase
from pointsbank.hours.tables import record_trails, service_records, unfunded_credits
from pointsbank.hours.taking_back import debt_account, loss_account
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import Draft, Movement, OpenAccount
from pointsbank.ledger.refusals import GroupRefused, Refusal
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
            drafts = self._drafts(facts, asked, settlement, key, start_of_day(today, self._zone))
            results = await self._ledger.submit(drafts, HOURS, atomic=True)
            refusals = [r for r in results if isinstance(r, Refusal) and not isinstance(r, GroupRefused)]
            if not refusals:
                return None
            refusal = refusals[0]
            if not refusal.retry and refusal.code != "insufficient-balance":
                break
        return refusal

    def _drafts(
        self, facts: _Facts, asked: _Asked, settlement: Settlement, key: str, effective_at: int
    ) -> list[Draft]:
        """The entry that pays the debts, then the one that empties the account: both or neither."""
        person, drafts = facts.person, list[Draft]()
        # what the heir gets counts against a cap on what people hold, so a word on the heir is judged anew
        heirs = [heir.subject for heir in facts.heirs] if settlement == "household" else []
        for kind, its_key, movements, opens in (
            ("repay", f"{key}:repay", asked.paid, asked.opens),
            ("settle", key, asked.given, ()),
        ):
            if movements:
                drafts.append(
                    Draft(
                        kind,
                        its_key,
                        CLIENT,
                        request_digest(kind, person.id, settlement),
                        effective_at,
                        movements,
                        self._by.name,
                        self._by.place,
                        "account-closed",
                        opens=opens,
                        reads=((person.subject, facts.version + len(drafts)),),
                        touches=(person.subject, *heirs) if kind == "settle" else (person.subject,),
                    )
                )
        return drafts

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


class _Asked(msgspec.Struct, frozen=True):
    """The movements of a settlement: those that pay debts or give them up, and those that give the rest away."""

    paid: tuple[Movement, ...]
    given: tuple[Movement, ...]
    opens: tuple[OpenAccount, ...]


def _asked(facts: _Facts, settlement: Settlement) -> _Asked | Refusal:
    """What a settlement moves, or why it cannot be."""
    if settlement == "nothing":  # one member of staff alone moves no points and forgives no debt
        if facts.held:
            return PointsLeft(POINT.code, sum(lot.balance for lot in facts.held))
        return DebtLeft(sum(lot.balance for lot in facts.debts))
    if settlement == "household" and len(facts.heirs) != 1:
        return NoHousehold(len(facts.heirs))
    paid: list[Movement] = []
    given: list[Movement] = []
    debts, debt = {lot.lot: lot for lot in facts.debts}, debt_account(facts.person.id)
    for lot in facts.held:
        pays = payments(list(debts.values()), facts.person.wallet, debt, lot.balance, lot.lot)
        paid += pays
        for movement in pays[1::2]:  # of each pair the second one lowers the debt
            owed = debts[movement.lot]
            debts[movement.lot] = msgspec.structs.replace(owed, balance=owed.balance - movement.amount)
        rest = lot.balance - sum(movement.amount for movement in pays[::2])
        if rest:
            heir = facts.heirs[0].wallet if settlement == "household" else lot.fund.issued
            given.append(Movement(facts.person.wallet, heir, POINT.code, rest, lot.lot))
    lost = [lot for lot in debts.values() if lot.balance]
    paid += [Movement(loss_account(lot.fund), debt, POINT.code, lot.balance, lot.lot) for lot in lost]
    return _Asked(tuple(paid), tuple(given), tuple(OpenAccount(loss_account(lot.fund)) for lot in lost))


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
    # what was paid later for a record that is free already has no trail, and may stand on notice for itself
    later = connection.execute(
        select(record.record_id).where(
            record.ledger_id == ledger_id,
            is_one_of(connection, record.volunteer, ids),
            record.state.in_(("pending", "objected")),
        )
    ).all()
    own = supplement_of("")
    return len({row.record_id.removesuffix(own) for row in (*rows, *later)})


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
