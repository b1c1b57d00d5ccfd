"""Failures at the door, counted before they happen: an attempt is written down first and taken back if it was good.

So a hundred attempts at a time count as a hundred. Accounts that do not exist are counted like those that do. What is
kept are HMACs under the pepper, no name and no address.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, case, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from pointsbank.access.logins import throttles
from pointsbank.access.pepper import Pepper
from pointsbank.access.rights import LogInRules

MICROS_A_MINUTE = 60_000_000


def limits_of(pepper: Pepper, rules: LogInRules, account: str, address: str) -> dict[str, int]:
    """What an attempt counts against, and how many failures each may have within the window."""
    a, b = account.encode(), address.encode()
    return {
        "h:" + pepper.derive("throttle here", a, b).hex(): rules.most_failures_here,
        "a:" + pepper.derive("throttle account", a).hex(): rules.most_failures_account,
        "n:" + pepper.derive("throttle address", b).hex(): rules.most_failures_address,
    }


def attempt(
    connection: Connection, ledger_id: int, limits: Mapping[str, int], now: int, window_minutes: int
) -> int:
    """Count an attempt; the seconds to wait if it is one too many, else 0.

    What is shut from one address is not counted against the account, so nobody shuts it for others that way.
    """
    window = window_minutes * MICROS_A_MINUTE
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    t = throttles.c
    for name, most in limits.items():
        is_over = t.since <= now - window
        counted = insert(throttles).values(ledger_id=ledger_id, subject=name, failures=1, since=now)
        counted = counted.on_conflict_do_update(
            index_elements=[t.ledger_id, t.subject],
            set_={
                "failures": case((is_over, 1), else_=t.failures + 1),
                "since": case((is_over, now), else_=t.since),
            },
        )
        failures, since = connection.execute(counted.returning(t.failures, t.since)).one()
        if failures > most:
            return int((since + window - now) // 1_000_000 + 1)
    return 0


def succeeded(connection: Connection, ledger_id: int, limits: Mapping[str, int]) -> None:
    """The attempt was good: it counts against nobody, and this account starts afresh from this address."""
    t = throttles.c
    here = [name for name in limits if name.startswith("h:")]
    connection.execute(delete(throttles).where(t.ledger_id == ledger_id, t.subject.in_(here)))
    others = sorted(set(limits) - set(here))
    connection.execute(
        update(throttles)
        .where(t.ledger_id == ledger_id, t.subject.in_(others), t.failures > 0)
        .values(failures=t.failures - 1)
    )


def sweep(connection: Connection, ledger_id: int, now: int, window_minutes: int) -> None:
    """Forget windows of log-ins that are over; those of sent codes and of record sheets are longer and stay."""
    t = throttles.c
    over = now - window_minutes * MICROS_A_MINUTE
    stays = t.subject.like("sent-%") | t.subject.like("sheet-%")
    connection.execute(delete(throttles).where(t.ledger_id == ledger_id, t.since <= over, ~stays))


def sweep_sent(connection: Connection, ledger_id: int, now: int) -> None:
    """Forget what was sent more than a day ago."""
    t = throttles.c
    connection.execute(
        delete(throttles).where(
            t.ledger_id == ledger_id, t.since <= now - 24 * 60 * MICROS_A_MINUTE, t.subject.like("sent-%")
        )
    )
