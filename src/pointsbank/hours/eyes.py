"""Who may look at records that others have made: the rules of four eyes over many records at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from pointsbank.activities.ports import By, Households
from pointsbank.engine.registry import Ledger
from pointsbank.hours.four_eyes import Ties, may_not_decide
from pointsbank.hours.trails import Filed, credited_since
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day

_DAY_MICROS: Final = 86_400 * 1_000_000


class Eyes:
    """Compares natural persons: who acts with all who have to do with a record, and with their households."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._households = households
        self._zone = policies.policies[-1].timezone

    async def forbidden(self, records: Iterable[Filed], by: By) -> str:
        """The rule that forbids this person to judge one of these records, empty if none does."""
        records = list(records)
        if not by.person:
            return "machine-source"
        people = sorted({record.person_id for record in records} | {by.person})
        today = city_day(self._ledger.writer.clock.now(), self._zone)
        days = {date.fromisoformat(record.day) for record in records} | {today}
        homes: dict[date, Any] = {
            day: await self._households.household_of(people, day) for day in sorted(days)
        }
        reach = max(policy.safeguards.reciprocal_days for policy in self._policies.policies)
        since = self._ledger.writer.clock.now() - reach * _DAY_MICROS
        credited = await self._ledger.database.read(credited_since, self._ledger.id, people, since)
        for record in records:
            day = date.fromisoformat(record.day)
            ties = Ties((homes[day], homes[today]), credited)
            rule = may_not_decide(by, record.line, ties, self._policies.in_force(day).safeguards)
            if rule:
                return rule
        return ""
