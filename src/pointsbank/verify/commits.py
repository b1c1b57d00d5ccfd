"""Commits: one row each in `batches`, without gap, and the entries of each with its time."""

from __future__ import annotations

from sqlalchemy import Connection

from pointsbank.verify.report import Findings, span
from pointsbank.verify.source import Head, Source, fetch, pages


async def check_batches(source: Source, head: Head, first: int, findings: Findings) -> int:
    """Commits in their order, from batch `first`: no gap, nothing runs backwards, entries share times."""
    count, expected, before = 0, first, (0, 0, 0)
    earlier = 0  # the last sequence two batches back: tells which of two neighbours is the wrong one
    async for rows in pages(source, _BATCHES, first - 1, head.batch):
        for batch, epoch, last, recorded_at, last_time, first_time in rows:
            place = f"batches/{batch}"
            if batch != expected:
                findings.add("batch-gap", span("batches", expected, batch - 1))
            expected = batch + 1
            if last < before[0] and last < earlier:
                findings.add("batch-order", place, f"last sequence >= {before[0]}", last)
            elif last < before[0]:
                findings.add("batch-order", f"batches/{batch - 1}", f"last sequence <= {last}", before[0])
            if recorded_at < before[1] or epoch < before[2] or epoch > head.epoch:
                findings.add(
                    "batch-order",
                    place,
                    f"time >= {before[1]}, epoch >= {before[2]}",
                    f"time {recorded_at}, epoch {epoch}",
                )
            if last and last_time is None:
                findings.add("batch-entry", place, "", last)
            elif last > before[0] and recorded_at != last_time:
                findings.add("batch-time", place, recorded_at, last_time)
            elif last > before[0] and first_time is not None and first_time != recorded_at:
                findings.add("batch-time", place, recorded_at, first_time)
            earlier, before = before[0], (last, recorded_at, epoch)
        count += len(rows)
    if expected <= head.batch:
        findings.add("batch-gap", span("batches", expected, head.batch))
    return count


# The first and the last entry of a batch: as times never run backwards, those between have the same one.
_BATCHES = """
SELECT b.batch, b.epoch, b.last_sequence, b.recorded_at, e.recorded_at, f.recorded_at FROM batches b
LEFT JOIN entries e ON e.ledger_id = $1 AND e.sequence = b.last_sequence
LEFT JOIN batches a ON a.ledger_id = $1 AND a.batch = b.batch - 1
LEFT JOIN entries f ON f.ledger_id = $1 AND f.sequence = a.last_sequence + 1
  AND a.last_sequence < b.last_sequence
WHERE b.ledger_id = $1 AND b.batch > $2 AND b.batch <= $4 ORDER BY b.batch LIMIT $3
"""


def batch_of(connection: Connection, ledger_id: int, sequence: int) -> int:
    """The first batch that may hold entries after `sequence`."""
    rows = fetch(
        connection,
        "SELECT b.batch FROM entries e JOIN batches b ON b.ledger_id = $1 AND b.recorded_at >= e.recorded_at"
        " WHERE e.ledger_id = $1 AND e.sequence = $2"
        " ORDER BY b.recorded_at, b.last_sequence, b.batch LIMIT 1",
        ledger_id,
        sequence,
    )
    return int(rows[0][0]) if rows else 1
