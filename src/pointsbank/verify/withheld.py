"""Points withheld of records on notice: what is noted with a record is what postings took of it, and not more than it has.

An entry that takes hours back moves points from notice to their fund: of the record itself, and of others that stand on
notice. The second part is noted record by record, and each of those brings so much less at its release.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from sqlalchemy import Connection

from pointsbank.verify.scope import Scope
from pointsbank.verify.source import Rows, fetch

LINES: Final = 1000
"""Lines of cases, or notes, looked at in one transaction."""

TABLES: Final = frozenset(["withheld_points", "clawback_lines", "service_records"])


async def check_withheld(scope: Scope) -> dict[str, int]:
    """What is noted as withheld is what the entries took, lot by lot, and what the release then left out."""
    if not scope.tables >= TABLES or "wallet-pending" not in scope.kinds:
        return {}
    after = ""
    while lines := await scope.source.read(_lines, after, scope.since, scope.head):
        for line in lines:
            if line.noted != line.moved:
                scope.findings.add(
                    "withheld-amounts", f"clawback/{line.id}", dict(line.moved), dict(line.noted)
                )
        after = lines[-1].id
    count, note = 0, ("", "")
    while notes := await scope.source.read(_notes, note, scope.since, scope.head):
        for line_id, record_id, sequence, taken_by in notes:
            if taken_by != sequence:
                place = f"service-record/{record_id}"
                scope.findings.add(
                    "withheld-entry", place, f"entry {taken_by or 0}", f"entry {sequence}, {line_id}"
                )
        records = sorted({row[1] for row in notes})
        for record in await scope.source.read(_records, records):
            place, rest = f"service-record/{record.id}", record.points - record.withheld
            if rest < 0:
                scope.findings.add("withheld-record", place, f"at most {record.points}", record.withheld)
            elif record.released_by and record.released != rest:
                scope.findings.add(
                    "withheld-record", place, f"released {rest}", f"released {record.released}"
                )
        count += len(notes)
        note = (notes[-1][0], notes[-1][1])
    return {"withheld points": count}


class _Line(NamedTuple):
    """A record that was taken back: what its entry took of others on notice, and what is noted of that, by lot."""

    id: str
    moved: Counter[str]
    noted: Counter[str]


def _lines(connection: Connection, ledger_id: int, after: str, since: int, head: int) -> list[_Line]:
    lines = fetch(connection, _DONE, ledger_id, after, since, head, LINES)
    ids, sequences = [row[0] for row in lines], sorted({row[2] for row in lines})
    moved: dict[int, Counter[str]] = {}
    for sequence, to, lot, amount in _off_notice(connection, ledger_id, sequences):
        if to == "fund-issued":
            moved.setdefault(sequence, Counter())[lot] += int(amount)
    # what stood on notice of the record itself, and of what was paid for it later, goes back and is no note
    own_records = {record: row[2] for row in lines for record in (row[1], f"{row[1]}+fund")}
    for record, lot, points, withheld in fetch(connection, _OWN, ledger_id, sorted(own_records)):
        if points != withheld:
            moved.setdefault(own_records[record], Counter())[lot] -= points - int(withheld)
    noted: dict[str, Counter[str]] = {}
    for line_id, lot, points in fetch(connection, _NOTED, ledger_id, ids):
        noted.setdefault(line_id, Counter())[lot] += int(points)
    return [
        _Line(row[0], _without_nothing(moved.get(row[2])), _without_nothing(noted.get(row[0])))
        for row in lines
    ]


def _without_nothing(figures: Counter[str] | None) -> Counter[str]:
    return Counter({lot: amount for lot, amount in sorted((figures or {}).items()) if amount})


def _notes(connection: Connection, ledger_id: int, after: tuple[str, str], since: int, head: int) -> Rows:
    return fetch(connection, _NOTES, ledger_id, *after, since, head, LINES)


class _Record(NamedTuple):
    """A record of which something was withheld, and what its release made available."""

    id: str
    points: int
    withheld: int
    released_by: int
    released: int


def _records(connection: Connection, ledger_id: int, record_ids: list[str]) -> list[_Record]:
    rows = fetch(connection, _RECORDS, ledger_id, record_ids)
    released: Counter[int] = Counter()
    for sequence, to, _, amount in _off_notice(connection, ledger_id, sorted({row[3] for row in rows} - {0})):
        if to == "wallet":
            released[sequence] += int(amount)
    return [_Record(row[0], row[1], int(row[2]), row[3], released[row[3]]) for row in rows]


def _off_notice(connection: Connection, ledger_id: int, sequences: list[int]) -> Rows:
    """What entries moved from notice: (sequence, kind of the account that got it, lot, points)."""
    entries = fetch(connection, _ENTRIES, ledger_id, sequences)
    numbers = sorted({first + n for first, count in entries for n in range(count)})
    return fetch(connection, _OFF_NOTICE, ledger_id, numbers)


_DONE: Final = """
SELECT line_id, record_id, sequence FROM clawback_lines
WHERE ledger_id = $1 AND line_id > $2 AND state = 'done' AND sequence > $3 AND sequence <= $4
ORDER BY line_id LIMIT $5
"""

_ENTRIES: Final = """
SELECT first_posting, postings FROM entries WHERE ledger_id = $1 AND sequence = ANY($2::bigint[])
"""

_OFF_NOTICE: Final = """
SELECT p.sequence, c.kind, l.code, sum(p.amount) FROM postings p
JOIN lots l ON l.ledger_id = $1 AND l.lot = p.lot
JOIN accounts d ON d.ledger_id = $1 AND d.account = p.debit_account
JOIN accounts c ON c.ledger_id = $1 AND c.account = p.credit_account
WHERE p.ledger_id = $1 AND p.posting = ANY($2::bigint[]) AND l.commodity = 'POINT' AND d.kind = 'wallet-pending'
GROUP BY p.sequence, c.kind, l.code
"""

_OWN: Final = """
SELECT r.record_id, r.lot, r.points, COALESCE((
  SELECT sum(w.points) FROM withheld_points w WHERE w.ledger_id = $1 AND w.record_id = r.record_id), 0)
FROM service_records r
WHERE r.ledger_id = $1 AND r.record_id = ANY($2::text[]) AND r.state = 'clawed-back'
  AND r.available_on <> '' AND r.released_by = 0
"""

_NOTED: Final = """
SELECT w.line_id, COALESCE(r.lot, ''), sum(w.points) FROM withheld_points w
LEFT JOIN service_records r ON r.ledger_id = $1 AND r.record_id = w.record_id
WHERE w.ledger_id = $1 AND w.line_id = ANY($2::text[]) GROUP BY w.line_id, COALESCE(r.lot, '')
"""

_NOTES: Final = """
SELECT w.line_id, w.record_id, w.sequence, c.sequence FROM withheld_points w
LEFT JOIN clawback_lines c ON c.ledger_id = $1 AND c.line_id = w.line_id AND c.state = 'done'
WHERE w.ledger_id = $1 AND (w.line_id, w.record_id) > ($2, $3) AND w.sequence > $4 AND w.sequence <= $5
ORDER BY w.line_id, w.record_id LIMIT $6
"""

_RECORDS: Final = """
SELECT r.record_id, r.points, sum(w.points), r.released_by
FROM withheld_points w JOIN service_records r ON r.ledger_id = $1 AND r.record_id = w.record_id
WHERE w.ledger_id = $1 AND w.record_id = ANY($2::text[]) GROUP BY r.record_id, r.points, r.released_by
"""
