"""Failures at the door, counted before they happen: an attempt is written down first and taken back if it was good.

So a hundred attempts at a time count as a hundred. Accounts that do not exist are counted like those that do. What is
kept are HMACs under the pepper, no name and no address.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from sqlalchemy import Connection, TextClause, delete, select, text

from pointsbank.access.logins import throttles
from pointsbank.access.pepper import Pepper
from pointsbank.access.rights import LogInRules

MICROS_A_MINUTE = 60_000_000

_HERE: Final = "h:"


def limits_of(pepper: Pepper, rules: LogInRules, account: str, address: str) -> dict[str, int]:
    """What an attempt counts against, and how many failures each may have within the window."""
    a, b = account.encode(), address.encode()
    return {
        _HERE + pepper.derive("throttle here", a, b).hex(): rules.most_failures_here,
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
    names = list(limits)
    rows = connection.execute(
        _counted(len(names)), {**_numbered(names), "ledger": ledger_id, "now": now, "over": now - window}
    )
    counted = {subject: (failures, since) for subject, failures, since in rows}
    for place, (name, most) in enumerate(limits.items(), 1):
        failures, since = counted[name]
        if failures > most:
            _take_back(connection, ledger_id, names[place:], now)
            return int((since + window - now) // 1_000_000 + 1)
    return 0


def succeeded(connection: Connection, ledger_id: int, limits: Mapping[str, int], now: int) -> None:
    """The attempt was good: it counts against nobody, and this account starts afresh from this address."""
    _take_back(connection, ledger_id, list(limits), now)


def _take_back(connection: Connection, ledger_id: int, names: list[str], now: int) -> None:
    if names:
        values = {**_numbered(names), "ledger": ledger_id, "now": now}
        connection.execute(_taken_back(len(names)), values)


@cache
def _counted(size: int) -> TextClause:
    """A failure more for so many subjects; a window begins with its first failure.

    One statement for all of them, which takes the rows in the order in which it names them, as does the one below: two
    attempts wait for each other and never lock each other out.
    """
    return text(
        f"""
        INSERT INTO throttles (ledger_id, subject, failures, since) VALUES {_values(size, 1)}
        ON CONFLICT (ledger_id, subject) DO UPDATE SET
            failures = CASE WHEN throttles.since <= :over THEN 1 ELSE throttles.failures + 1 END,
            since = CASE WHEN throttles.since <= :over OR throttles.failures = 0
                THEN excluded.since ELSE throttles.since END
        RETURNING subject, failures, since
        """
    )


@cache
def _taken_back(size: int) -> TextClause:
    """A failure less for so many subjects, none any more for an account from an address."""
    return text(
        f"""
        INSERT INTO throttles (ledger_id, subject, failures, since) VALUES {_values(size, 0)}
        ON CONFLICT (ledger_id, subject) DO UPDATE SET
            failures = CASE WHEN throttles.subject LIKE '{_HERE}%' OR throttles.failures = 0
                THEN 0 ELSE throttles.failures - 1 END
        """
    )


def _values(size: int, failures: int) -> str:
    return ", ".join(f"(:ledger, :subject{number}, {failures}, :now)" for number in range(size))


def _numbered(names: list[str]) -> dict[str, str]:
    return {f"subject{number}": name for number, name in enumerate(names)}


def sweep(connection: Connection, ledger_id: int, now: int, window_minutes: int) -> None:
    """Forget windows of log-ins that are over; those of sent codes and of record sheets are longer and stay.

    What an attempt has in hand is left for another time: neither waits for the other.
    """
    t = throttles.c
    over = now - window_minutes * MICROS_A_MINUTE
    stays = t.subject.like("sent-%") | t.subject.like("sheet-%")
    old = select(t.subject).where(t.ledger_id == ledger_id, t.since <= over, ~stays)
    connection.execute(
        delete(throttles).where(
            t.ledger_id == ledger_id, t.subject.in_(old.with_for_update(skip_locked=True))
        )
    )


def sweep_sent(connection: Connection, ledger_id: int, now: int) -> None:
    """Forget what was sent more than a day ago."""
    t = throttles.c
    connection.execute(
        delete(throttles).where(
            t.ledger_id == ledger_id, t.since <= now - 24 * 60 * MICROS_A_MINUTE, t.subject.like("sent-%")
        )
    )
