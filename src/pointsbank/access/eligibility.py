"""What somebody who stands at a terminal may redeem there today: said before the goods are taken from the shelf."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from pointsbank.access.logins import LoginStore, card_days
from pointsbank.people.registry import Registry
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, completed_years

_HUNDREDTHS = 100


class Eligibility(msgspec.Struct, frozen=True):
    """`needs_guardian`: a guardian must stand there too. `left_today`: hundredths left of the day, None for no limit."""

    needs_guardian: bool
    left_today: int | None


async def eligibility(
    registry: Registry, logins: LoginStore, policies: PolicyBook, person: str, zone: str
) -> Eligibility:
    """What the counter's rules of today leave to somebody."""
    today = city_day(registry.store.clock.now(), zone)
    rules = policies.protecting(today).counter
    born = (await registry.birth_dates([person])).get(person)
    is_young = born is not None and completed_years(born, today) < rules.guardian_below_age
    if not rules.card_day_points:
        return Eligibility(is_young, None)
    taken = await logins.run(_taken, registry.store.ledger_id, person, today.isoformat())
    return Eligibility(is_young, max(rules.card_day_points * _HUNDREDTHS - taken, 0))


def _taken(connection: Connection, ledger_id: int, person: str, day: str) -> int:
    d = card_days.c
    query = select(d.points).where(d.ledger_id == ledger_id, d.person_id == person, d.day == day)
    return int(connection.execute(query).scalar() or 0)
