"""Merged registrations: the merit of one person, under all ids together, is that of the records that count."""

from __future__ import annotations

from sqlalchemy import Connection

from pointsbank.verify.source import fetch

MOST = 100_000
"""Merges that are in force: far above any city."""


def merged_groups(connection: Connection, ledger_id: int) -> list[list[str]]:
    """The ids of each person who has several, in order."""
    rows = fetch(
        connection,
        "SELECT old_id, into_id FROM merged_people WHERE ledger_id = $1 AND state = 'merged' LIMIT $2",
        ledger_id,
        MOST,
    )
    root = dict(rows)
    groups: dict[str, list[str]] = {}
    for old in sorted(root):
        into = root[old]
        while into in root:
            into = root[into]
        groups.setdefault(into, [into]).append(old)
    return [groups[into] for into in sorted(groups)]
