"""What somebody holds, where the city caps it: points to spend, points on notice, points that wait for their fund."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.hours.tables import service_records, unfunded_credits
from pointsbank.people.merged import groups
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.model import MINOR_UNITS_PER_POINT, Policy
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.tables import entries

CAPPED: Final = "capped"
"""What an entry says beside itself of the points that it did not credit: a cap on what people hold cut them."""

_WAITING: Final = "9999-12-31"
"""The last day of points that wait: whenever they are paid, they may be spent for some days."""


class Held:
    """Points that people hold by their last day, in hundredths, by id; carried forward record by record.

    What is past its last day is no longer held, whether the night's expiry has taken it yet or not.
    """

    def __init__(self) -> None:
        self._points: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def of(self, person: str, today: date) -> int:
        """What somebody holds today."""
        day = today.isoformat()
        return sum(points for last, points in self._points[person].items() if last >= day)

    def add(self, person: str, last_day: str, points: int) -> None:
        """Somebody holds more from now on."""
        self._points[person][last_day] += points

    def forget(self, people: Iterable[str]) -> None:
        """These are looked up anew."""
        for person in people:
            self._points.pop(person, None)

    def within(self, person: str, points: int, today: date, policy: Policy) -> int:
        """How much of what a record brings fits under the policy's cap; all of it where there is none."""
        cap = policy.limits.balance_cap_points * MINOR_UNITS_PER_POINT
        return min(points, max(0, cap - self.of(person, today))) if cap else points


def is_capped(policies: PolicyBook) -> bool:
    """Whether any policy caps what people hold: only then anybody asks what they do."""
    return any(policy.limits.balance_cap_points for policy in policies.policies)


def load_held(connection: Connection, ledger_id: int, people: Iterable[str], held: Held) -> None:
    """Look up what people hold, by the ids under which they go on, and remember it."""
    persons = [Volunteer(person) for person in set(people)]
    if not persons:
        return
    wallets = {path: p.id for p in persons for path in (p.wallet, p.pending)}
    for path, lots in lots_of(connection, ledger_id, list(wallets)).items():
        for lot in lots:
            held.add(wallets[path], lot.expires_on, lot.balance)
    owners = {p.id: p.id for p in persons}
    for one, ids in groups(connection, ledger_id, list(owners)).items():
        owners |= dict.fromkeys(ids, one)
    for person, points in _waiting(connection, ledger_id, owners).items():
        held.add(owners[person], _WAITING, points)


def capped_by(connection: Connection, ledger_id: int, sequences: Iterable[int]) -> dict[int, int]:
    """What the cap cut of the records that these entries accepted, in hundredths: the entries say so themselves."""
    t = entries.c
    rows = connection.execute(
        select(t.sequence, t.metadata).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.sequence, sequences), t.metadata > ""
        )
    )
    told = {int(sequence): msgspec.json.decode(metadata) for sequence, metadata in rows}
    return {sequence: int(metadata[CAPPED]) for sequence, metadata in told.items() if CAPPED in metadata}


def _waiting(connection: Connection, ledger_id: int, owners: Mapping[str, str]) -> dict[str, int]:
    """Points that wait for their fund, by the id under which their records were filed."""
    t, record = unfunded_credits.c, service_records.c
    joined = service_records.join(
        unfunded_credits, (t.ledger_id == record.ledger_id) & (t.record_id == record.record_id)
    )
    rows = fetched(
        connection,
        select(record.volunteer, func.sum(t.points).label("points"))
        .select_from(joined)
        .where(
            record.ledger_id == ledger_id,
            t.ledger_id == ledger_id,
            is_one_of(connection, record.volunteer, owners),
            t.state == "waiting",
        )
        .group_by(record.volunteer),
    )
    return {str(person): int(points) for person, points in rows}
