"""Failures at the door, counted before they happen: an attempt is written down first and taken back if it was good.

So a hundred attempts at a time count as a hundred. Accounts that do not exist are counted like those that do. What is
kept are HMACs under the pepper, no name and no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, TextClause, delete, select, text

from pointsbank.access.logins import throttles
from pointsbank.access.pepper import Pepper
from pointsbank.access.rights import LogInRules

MICROS_A_MINUTE = 60_000_000

_HERE: Final = "h:"

_LEDGER: Final = "CAST(:ledger AS integer)"
_NOW: Final = "CAST(:now AS bigint)"
"""In a SELECT, PostgreSQL takes what it is not told for text."""


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
    values = values_of(ledger_id, limits, now, window_minutes)
    if connection.dialect.name == "postgresql":
        return wait_of(connection.execute(_asked(len(limits)), values).all(), limits, now, window_minutes)
    return _one_by_one(connection, values, limits, now, window_minutes)


def _one_by_one(
    connection: Connection, values: dict[str, int | str], limits: Mapping[str, int], now: int, minutes: int
) -> int:
    for number in range(len(limits)):
        wait = wait_of(connection.execute(_counted(number), values).all(), limits, now, minutes)
        if wait:
            return wait
    return 0


def wait_of(
    counted: Iterable[Sequence[Any]], limits: Mapping[str, int], now: int, window_minutes: int
) -> int:
    """The seconds to wait for subjects that were counted: rows of subject, failures, and when the window began."""
    over = [since for subject, failures, since, *_ in counted if failures > limits[subject]]
    return int((over[0] + window_minutes * MICROS_A_MINUTE - now) // 1_000_000 + 1) if over else 0


def values_of(
    ledger_id: int, limits: Mapping[str, int], now: int, window_minutes: int
) -> dict[str, int | str]:
    """What the statements that count are asked with."""
    values: dict[str, int | str] = {
        "ledger": ledger_id, "now": now, "over": now - window_minutes * MICROS_A_MINUTE,
    }  # fmt: skip
    for number, (name, most) in enumerate(limits.items()):
        values |= {f"subject{number}": name, f"most{number}": most}
    return values


def succeeded(connection: Connection, ledger_id: int, limits: Mapping[str, int], now: int) -> None:
    """The attempt was good: it counts against nobody, and this account starts afresh from this address."""
    values = {f"subject{number}": name for number, name in enumerate(limits)}
    connection.execute(_taken_back(len(limits)), {**values, "ledger": ledger_id, "now": now})


_FAILURE_MORE: Final = """
    ON CONFLICT (ledger_id, subject) DO UPDATE SET
        failures = CASE WHEN throttles.since <= :over THEN 1 ELSE throttles.failures + 1 END,
        since = CASE WHEN throttles.since <= :over OR throttles.failures = 0
            THEN excluded.since ELSE throttles.since END
    RETURNING subject, failures, since"""


@cache
def _counted(number: int) -> TextClause:
    """A failure more for the subject of this number; a window begins with its first failure."""
    values = f"(:ledger, :subject{number}, 1, :now)"
    return text(
        f"INSERT INTO throttles (ledger_id, subject, failures, since) VALUES {values} {_FAILURE_MORE}"
    )


@cache
def counted_in_turn(size: int) -> str:
    """Parts of a statement of PostgreSQL that count so many subjects, each if the one before is not shut.

    `counted` has their rows. Each rests on the one before, so that rows are taken in the order in which the subjects are
    named, as `taken_back` takes them: two attempts wait for each other and never lock each other out.
    """
    parts = list[str]()
    for number in range(size):
        before = (
            f" FROM counted{number - 1} WHERE failures <= CAST(:most{number - 1} AS bigint)" if number else ""
        )
        values = f"SELECT {_LEDGER}, :subject{number}, 1, {_NOW}{before}"
        parts.append(
            f"counted{number} AS (INSERT INTO throttles (ledger_id, subject, failures, since) {values} {_FAILURE_MORE})"
        )
    each = " UNION ALL ".join(f"SELECT subject, failures, since FROM counted{n}" for n in range(size))
    return f"{', '.join(parts)}, counted AS ({each})"


@cache
def _asked(size: int) -> TextClause:
    return text(f"WITH {counted_in_turn(size)} SELECT subject, failures, since FROM counted")


@cache
def taken_back(size: int, only_if: str = "") -> str:
    """A failure less for so many subjects, none any more for an account from an address; `only_if` there are rows of it."""
    given = f" WHERE EXISTS (SELECT 1 FROM {only_if})" if only_if else " WHERE true"
    rows = " UNION ALL ".join(f"SELECT {_LEDGER}, :subject{n}, 0, {_NOW}{given}" for n in range(size))
    return f"""
        INSERT INTO throttles (ledger_id, subject, failures, since) {rows}
        ON CONFLICT (ledger_id, subject) DO UPDATE SET
            failures = CASE WHEN throttles.subject LIKE '{_HERE}%' OR throttles.failures = 0
                THEN 0 ELSE throttles.failures - 1 END
        """


@cache
def _taken_back(size: int) -> TextClause:
    return text(taken_back(size))


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
