"""What an auditor should look at: late records, people who credit each other, and days too long to be true."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.hours.model import HOLDING
from pointsbank.hours.tables import record_steps, record_trails, service_records
from pointsbank.hours.trails import ACTS

LONG_DAY_MINUTES: Final = 16 * 60
"""Nobody serves longer than this on one day."""


class Risk(msgspec.Struct, frozen=True):
    """Something worth a look. `people` are ids; `minutes` where a length of time is what is odd."""

    kind: Literal["late", "mutual", "long-day"]
    record_id: str
    day: str
    people: tuple[str, ...]
    minutes: int = 0


def risks(
    connection: Connection, ledger_id: int, since: str, since_micros: int, limit: int = 500
) -> list[Risk]:
    """The lists together, for service days from `since` (YYYY-MM-DD) and acts from `since_micros` (UTC) on."""
    return [
        *late_records(connection, ledger_id, since, limit),
        *mutual_pairs(connection, ledger_id, since_micros, limit),
        *long_days(connection, ledger_id, since, limit),
    ]


def late_records(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """Records that came after the deadline, with who recorded them."""
    record, trail = service_records.c, record_trails.c
    rows = connection.execute(
        select(record.record_id, record.day, trail.recorder, trail.person_id, record.minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, trail.late == 1, record.day >= since)
        .order_by(record.day, record.record_id)
        .limit(limit)
    )
    return [
        Risk("late", id_, day, (recorder, person), minutes) for id_, day, recorder, person, minutes in rows
    ]


def mutual_pairs(connection: Connection, ledger_id: int, since: int, limit: int = 500) -> list[Risk]:
    """Pairs of people of whom each has recorded or verified for the other since `since` (microseconds UTC)."""
    step, trail = record_steps.c, record_trails.c
    acts = (
        select(step.person_id.label("actor"), trail.person_id.label("beneficiary"))
        .select_from(
            record_steps.join(
                record_trails, (trail.ledger_id == step.ledger_id) & (trail.record_id == step.record_id)
            )
        )
        .where(step.ledger_id == ledger_id, step.at >= since, step.step.in_(ACTS))
        .distinct()
        .cte("acts")
    )
    back = acts.alias("back")
    rows = connection.execute(
        select(acts.c.actor, acts.c.beneficiary)
        .join(back, (back.c.actor == acts.c.beneficiary) & (back.c.beneficiary == acts.c.actor))
        .where(acts.c.actor < acts.c.beneficiary)
        .order_by(acts.c.actor, acts.c.beneficiary)
        .limit(limit)
    )
    return [Risk("mutual", "", "", (one, other)) for one, other in rows]


def long_days(connection: Connection, ledger_id: int, since: str, limit: int = 500) -> list[Risk]:
    """People with more minutes on one day than anybody serves."""
    record, trail = service_records.c, record_trails.c
    minutes = func.sum(record.minutes)
    rows = connection.execute(
        select(trail.person_id, record.day, minutes)
        .select_from(
            record_trails.join(
                service_records, (record.ledger_id == trail.ledger_id) & (record.record_id == trail.record_id)
            )
        )
        .where(trail.ledger_id == ledger_id, record.day >= since, record.state.in_(HOLDING))
        .group_by(trail.person_id, record.day)
        .having(minutes > LONG_DAY_MINUTES)
        .order_by(record.day, trail.person_id)
        .limit(limit)
    )
    return [Risk("long-day", "", day, (person,), int(total)) for person, day, total in rows]
