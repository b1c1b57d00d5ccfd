"""What must hold beyond the ledger's own rules: one function a rule, one line in `CHECKS`.

Each check reads pages in short transactions; one page is one snapshot, so it holds while the writer goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from pointsbank.verify.documents import check_documents
from pointsbank.verify.merges import merged_groups
from pointsbank.verify.policies import check_policies
from pointsbank.verify.scope import Scope
from pointsbank.verify.source import Rows, fetch
from pointsbank.verify.withheld import check_withheld

Check = Callable[[Scope], Awaitable[dict[str, int]]]

VOLUNTEERS = 1000
"""Volunteers looked at in one transaction."""


async def check_volunteers(scope: Scope) -> dict[str, int]:
    """Points of each volunteer add up by movement; merit minutes are the records that count.

    Credited − taken back + put back by returns = pending + available + spent + expired (design rule 4, 5).
    """
    if not {"wallet", "merit"} <= scope.kinds:
        return {}
    count = 0
    with_records = {"volunteers", "service_records"} <= scope.tables
    merged = await scope.source.read(merged_groups) if "merged_people" in scope.tables else []
    shared = {person for group in merged for person in group}
    async for people in _volunteers(scope):
        accounts = {
            number: (person, what) for person, whats in people.items() for what, number in whats.items()
        }
        folded: _Folded = await scope.source.read(
            _fold, sorted(accounts), sorted(people) if with_records else []
        )
        for person in people:
            _check_points(person, people[person], folded, scope)
            _check_merit(person, people[person], folded, scope, with_records and person not in shared)
        count += len(people)
    if with_records:
        await _check_groups(scope, merged)
    return {"volunteers": count}


async def _check_groups(scope: Scope, merged: Sequence[Sequence[str]]) -> None:
    """Who was merged has one merit: that of the records under all ids."""
    for group in merged:
        people = _by_person(await scope.source.read(_paths_of, list(group)))
        accounts = sorted(number for whats in people.values() for number in whats.values())
        folded: _Folded = await scope.source.read(_fold, accounts, sorted(people))
        merit = sum(folded.balances.get((whats.get("merit", 0), "MINUTE"), 0) for whats in people.values())
        recorded = sum(folded.records.get(person, 0) for person in people)
        if merit != recorded:
            scope.findings.add("volunteer-merit", f"volunteer:{group[0]}", f"records {recorded}", merit)


class _Folded(NamedTuple):
    """One snapshot of some volunteers."""

    moved: dict[tuple[int, str], dict[str, int]]
    """Net credits by (account, commodity) and kind of the account on the other side."""
    balances: dict[tuple[int, str], int]
    records: dict[str, int]
    """Minutes of the service records that count, by volunteer."""


_POINT_SOURCES = frozenset(["fund-issued", "station-redeemed", "fund-expired", "wallet", "wallet-pending"])


def _check_points(person: str, accounts: dict[str, int], folded: _Folded, scope: Scope) -> None:
    place, net = f"volunteer:{person}", dict.fromkeys(_POINT_SOURCES, 0)
    standing = 0
    for what in ("pending", "available"):
        key = (accounts.get(what, 0), "POINT")
        standing += folded.balances.get(key, 0)
        for kind, amount in folded.moved.get(key, {}).items():
            if kind not in _POINT_SOURCES:
                scope.findings.add("volunteer-movement", place, ", ".join(sorted(_POINT_SOURCES)), kind)
            net[kind] = net.get(kind, 0) + amount
    # from pending to available it comes to nothing; what is left came from another id, or went there
    moved = net["wallet"] + net["wallet-pending"]
    credited, spent, expired = net["fund-issued"] + moved, -net["station-redeemed"], -net["fund-expired"]
    if credited != standing + spent + expired or min(credited, spent, expired) < 0:
        scope.findings.add(
            "volunteer-points", place, f"credited {credited} - spent {spent} - expired {expired}", standing
        )


def _check_merit(
    person: str, accounts: dict[str, int], folded: _Folded, scope: Scope, with_records: bool
) -> None:
    key = (accounts.get("merit", 0), "MINUTE")
    place, moved = f"volunteer:{person}", folded.moved.get(key, {})
    for kind in moved.keys() - {"service-given", "merit"}:
        scope.findings.add("volunteer-movement", place, "service-given", kind)
    balance, given = folded.balances.get(key, 0), moved.get("service-given", 0) + moved.get("merit", 0)
    recorded = folded.records.get(person, 0) if with_records else given
    if not balance == given == recorded:
        scope.findings.add("volunteer-merit", place, f"postings {given}, records {recorded}", balance)


def _fold(connection: Connection, ledger_id: int, accounts: list[int], people: list[str]) -> _Folded:
    moved: dict[tuple[int, str], dict[str, int]] = {}
    for statement, sign in ((_CREDITED, 1), (_DEBITED, -1)):
        for account, commodity, kind, amount in fetch(connection, statement, ledger_id, accounts):
            by_kind = moved.setdefault((account, commodity), {})
            by_kind[kind] = by_kind.get(kind, 0) + sign * int(amount)
    balances = {(row[0], row[1]): int(row[2]) for row in fetch(connection, _BALANCES, ledger_id, accounts)}
    records = (
        {row[0]: int(row[1]) for row in fetch(connection, _MINUTES, ledger_id, people)} if people else {}
    )
    return _Folded(moved, balances, records)


async def _volunteers(scope: Scope) -> Any:
    """Volunteers with the numbers of their accounts by what they are for, a page at a time.

    Of a part of the journal only those whom it touches; one who comes up in two pages is looked at twice.
    """
    if not scope.since:
        after = 0
        while True:
            people, after = await scope.source.read(_people_after, after)
            if not people:
                return
            yield _by_person(await scope.source.read(_paths_of, people))
    else:
        first = scope.since
        while first < scope.head:
            ids = await scope.source.read(_people_between, first, first + VOLUNTEERS)
            if ids:
                yield _by_person(await scope.source.read(_paths_of, ids))
            first += VOLUNTEERS


def _by_person(rows: Iterable[Sequence[Any]]) -> dict[str, dict[str, int]]:
    people: dict[str, dict[str, int]] = {}
    for path, number in rows:
        _, person, what = path.split(":", 2)
        people.setdefault(person, {})[what] = number
    return people


def _people_after(connection: Connection, ledger_id: int, after: int) -> tuple[list[str], int]:
    rows = fetch(connection, _VOLUNTEERS, ledger_id, after, VOLUNTEERS * 3)
    return sorted({row[0].split(":")[1] for row in rows}), rows[-1][1] if rows else after


def _people_between(connection: Connection, ledger_id: int, first: int, last: int) -> list[str]:
    """Whom the entries after `first`, up to `last`, touch."""
    lowest, highest = fetch(connection, _SPAN, ledger_id, first, last)[0]
    if lowest is None:
        return []
    accounts = {number for row in fetch(connection, _MOVED, ledger_id, lowest, highest) for number in row}
    return sorted({row[0].split(":")[1] for row in fetch(connection, _OWNERS, ledger_id, sorted(accounts))})


def _paths_of(connection: Connection, ledger_id: int, people: list[str]) -> Rows:
    paths = [f"volunteer:{person}:{what}" for person in people for what in ("available", "merit", "pending")]
    return fetch(
        connection,
        "SELECT path, account FROM accounts WHERE ledger_id = $1 AND path = ANY($2::text[])",
        ledger_id,
        paths,
    )


_VOLUNTEERS = """
SELECT path, account FROM accounts
WHERE ledger_id = $1 AND account > $2 AND kind IN ('wallet', 'wallet-pending', 'merit')
ORDER BY account LIMIT $3
"""

_CREDITED = """
SELECT p.credit_account, l.commodity, o.kind, sum(p.amount) FROM postings p /*+ postings_credit_idx */
JOIN accounts o ON o.ledger_id = $1 AND o.account = p.debit_account
JOIN lots l ON l.ledger_id = $1 AND l.lot = p.lot
WHERE p.ledger_id = $1 AND p.credit_account = ANY($2::integer[])
GROUP BY p.credit_account, l.commodity, o.kind
"""

_DEBITED = """
SELECT p.debit_account, l.commodity, o.kind, sum(p.amount) FROM postings p /*+ postings_debit_idx */
JOIN accounts o ON o.ledger_id = $1 AND o.account = p.credit_account
JOIN lots l ON l.ledger_id = $1 AND l.lot = p.lot
WHERE p.ledger_id = $1 AND p.debit_account = ANY($2::integer[]) GROUP BY p.debit_account, l.commodity, o.kind
"""

_BALANCES = """
SELECT b.account, l.commodity, sum(b.balance) FROM balances b
JOIN lots l ON l.ledger_id = $1 AND l.lot = b.lot
WHERE b.ledger_id = $1 AND b.account = ANY($2::integer[]) GROUP BY b.account, l.commodity
"""

_MINUTES = """
SELECT r.volunteer, sum(r.minutes) FROM service_records r /*+ service_records_volunteer_idx */
WHERE r.ledger_id = $1 AND r.volunteer = ANY($2::text[]) AND r.state IN ('pending', 'objected', 'credited')
GROUP BY r.volunteer
"""

_SPAN = """
SELECT min(first_posting), max(first_posting + postings - 1) FROM entries
WHERE ledger_id = $1 AND sequence > $2 AND sequence <= $3
"""

_MOVED = """
SELECT DISTINCT debit_account, credit_account FROM postings
WHERE ledger_id = $1 AND posting >= $2 AND posting <= $3
"""

_OWNERS = """
SELECT path FROM accounts WHERE ledger_id = $1 AND account = ANY($2::integer[])
  AND kind IN ('wallet', 'wallet-pending', 'merit')
"""

CHECKS: Final[tuple[Check, ...]] = (
    check_volunteers,
    check_documents,
    check_withheld,
    check_policies,
)
"""The list: a new rule is a function here or in a file beside this one, and a line."""
