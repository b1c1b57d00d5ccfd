"""The journal a chunk at a time: entries, their postings, what is needed to judge them, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import Connection

from pointsbank.verify.fold import Anchors, read_anchors
from pointsbank.verify.names import Names
from pointsbank.verify.source import Row, Rows, fetch

CHUNK: Final = 5000
"""Entries in one read transaction."""

MOST_POSTINGS: Final = 25_000
"""Postings in one read transaction, if its entries are large."""


class Place(NamedTuple):
    """How far the walk has come: the last sequence, the last posting, the last entry's recorded_at."""

    sequence: int
    posting: int
    recorded_at: int


class Chunk(NamedTuple):
    """What one read transaction brought."""

    entries: Rows
    postings: Rows
    last_posting: int
    targets: dict[int, tuple[Row, Rows]]
    """Entries that reversals of this chunk name: (sequence, kind, reverses, …), and their postings."""
    reversed_twice: dict[int, int]
    keys_used_twice: list[int]
    anchors: Anchors


def read_chunk(
    connection: Connection,
    ledger_id: int,
    place: Place,
    head: Place,
    names: Names,
    lacks: Callable[[Rows], list[int]],
    size: int = CHUNK,
    *,
    look_up_keys: bool = False,
) -> Chunk:
    """The next entries with their postings. No entries: the journal is at its end."""
    entries = _cut(fetch(connection, _ENTRIES, ledger_id, place.sequence, head.sequence, size), place.posting)
    last_posting = _last_posting(connection, ledger_id, entries, place, head)
    postings = fetch(connection, _POSTINGS, ledger_id, place.posting, last_posting)
    names.load(connection, ledger_id, postings)
    reversals = sorted({e[3] for e in entries if e[3]})
    return Chunk(
        entries,
        postings,
        last_posting,
        _targets(connection, ledger_id, reversals) if reversals else {},
        dict(fetch(connection, _TWICE, ledger_id, reversals)) if reversals else {},
        [row[0] for row in fetch(connection, _KEYS, ledger_id, entries[0][0], entries[-1][0])]
        if look_up_keys and entries
        else [],
        read_anchors(connection, ledger_id, lacks(postings), place.posting),
    )


def _cut(entries: Rows, posting: int) -> Rows:
    """Fewer entries if they are large: a chunk's memory is bounded."""
    count = 0
    for i, entry in enumerate(entries):
        count += entry[5]
        if count > MOST_POSTINGS and i:
            return entries[:i]
    return entries


def _last_posting(connection: Connection, ledger_id: int, entries: Rows, place: Place, head: Place) -> int:
    """The last posting of these entries. If their own figures do not add up, it is looked for."""
    if not entries:
        return min(head.posting, place.posting + MOST_POSTINGS)
    last, count = entries[-1], sum(e[5] for e in entries)
    if last[4] + last[5] - 1 == place.posting + count:
        return int(place.posting + count)
    found = fetch(
        connection,
        "SELECT max(posting) FROM postings"
        " WHERE ledger_id = $1 AND posting > $2 AND posting <= $3 AND sequence <= $4",
        ledger_id,
        place.posting,
        min(head.posting, place.posting + count + MOST_POSTINGS),
        last[0],
    )[0][0]
    return int(found or place.posting)


def _targets(connection: Connection, ledger_id: int, sequences: list[int]) -> dict[int, tuple[Row, Rows]]:
    targets: dict[int, tuple[Row, Rows]] = {
        row[0]: (row, []) for row in fetch(connection, _TARGETS, ledger_id, sequences)
    }
    entry_of = {number: row[0] for row, _ in targets.values() for number in range(row[3], row[3] + row[4])}
    if entry_of:
        for number, *line in fetch(connection, _TARGET_POSTINGS, ledger_id, sorted(entry_of)):
            targets[entry_of[number]][1].append(tuple(line))
    return targets


_ENTRIES = """
SELECT sequence, effective_at, recorded_at, reverses, first_posting, postings, kind, client,
  key, key_digest, request,  actor, place, reason, metadata, documents, leaf
FROM entries WHERE ledger_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4
"""

_POSTINGS = """
SELECT posting, sequence, debit_account, credit_account, lot, amount, debit_version, credit_version,
  debit_balance, credit_balance, debit_total, credit_total
FROM postings WHERE ledger_id = $1 AND posting > $2 AND posting <= $3 ORDER BY posting
"""

_TARGETS = """
SELECT sequence, kind, reverses, first_posting, postings FROM entries
WHERE ledger_id = $1 AND sequence = ANY($2::bigint[])
"""

_TARGET_POSTINGS = """
SELECT posting, debit_account, credit_account, lot, amount FROM postings
WHERE ledger_id = $1 AND posting = ANY($2::bigint[]) ORDER BY posting
"""

_TWICE = """
SELECT reverses, count(*) FROM entries
WHERE ledger_id = $1 AND reverses > 0 AND reverses = ANY($2::bigint[]) GROUP BY reverses HAVING count(*) > 1
"""

_KEYS = """
SELECT e.sequence FROM entries e WHERE e.ledger_id = $1 AND e.sequence >= $2 AND e.sequence <= $3 AND (
  EXISTS (SELECT 1 FROM document_keys k WHERE k.ledger_id = $1 AND k.key_digest = e.key_digest)
  OR EXISTS (SELECT 1 FROM entries f WHERE f.ledger_id = $1 AND f.key_digest = e.key_digest
    AND f.sequence <> e.sequence))
"""
