"""What stands beside the journal: the head, commits, accounts, lots, balances, keys, counters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from sqlalchemy import Connection

from pointsbank.ledger.invariants import expiry_of, lot_fits
from pointsbank.verify.chart import ChartReader
from pointsbank.verify.encoding import key_digest, ledger_number
from pointsbank.verify.report import Findings
from pointsbank.verify.source import Row, Rows, Source, chunked, fetch

CHUNK = 5000


class Head(NamedTuple):
    """The head row as it stood when the verification began."""

    name: str
    chart: str
    sequence: int
    posting: int
    account: int
    lot: int
    recorded_at: int
    batch: int
    epoch: int


class Start(NamedTuple):
    """One snapshot: the head, the newest of everything, and the counters."""

    head: Head
    newest: Row
    counters: dict[str, int]


def read_start(connection: Connection, ledger_id: int) -> Start | None:
    """The snapshot at which a verification begins; None if there is no such ledger."""
    heads = fetch(
        connection,
        "SELECT name, chart, sequence, posting, account, lot, recorded_at, batch, epoch FROM heads WHERE ledger_id = $1",
        ledger_id,
    )
    if not heads:
        return None
    counters = fetch(connection, "SELECT counter, value FROM counters WHERE ledger_id = $1", ledger_id)
    return Start(Head(*heads[0]), fetch(connection, _NEWEST, ledger_id)[0], dict(counters))


def check_head(start: Start, ledger_id: int, chart: ChartReader | None, findings: Findings) -> None:
    """The head against the newest row of each table, in one snapshot."""
    head, newest = start.head, start.newest
    if ledger_number(head.name) != ledger_id:
        findings.add("ledger-name", "heads", ledger_number(head.name), ledger_id)
    if chart is None or chart.name != head.chart:
        findings.add("chart-unknown", "heads", chart.name if chart else "", head.chart)
    said = (head.sequence, head.posting, head.account, head.lot, head.batch)
    for what, expected, found in zip(_NUMBERED, newest, said, strict=False):
        if (expected or 0) != found:
            findings.add(f"head-{what}", "heads", expected or 0, found)
    last_sequence, recorded_at = newest[5], newest[6]
    if newest[4] and last_sequence != head.sequence:
        findings.add("head-sequence", "heads", last_sequence, head.sequence)
    if newest[4] and recorded_at != head.recorded_at:
        findings.add("head-recorded-at", "heads", recorded_at, head.recorded_at)


_NUMBERED = ("sequence", "posting", "account", "lot", "batch")

_NEWEST = """
SELECT (SELECT max(sequence) FROM entries WHERE ledger_id = $1), (SELECT max(posting) FROM postings WHERE ledger_id = $1),
  (SELECT max(account) FROM accounts WHERE ledger_id = $1), (SELECT max(lot) FROM lots WHERE ledger_id = $1),
  b.batch, b.last_sequence, b.recorded_at
FROM (SELECT 1) AS one LEFT JOIN batches b
  ON b.ledger_id = $1 AND b.batch = (SELECT max(batch) FROM batches WHERE ledger_id = $1)
"""


async def pages(source: Source, statement: str, after: object, *args: object) -> AsyncIterator[Rows]:
    """Rows of a statement by keyset, the key in their first column, each page in a transaction of its own."""
    while True:
        rows: Rows = await source.read(_page, statement, after, args)
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        after = rows[-1][0]


def _page(connection: Connection, ledger_id: int, statement: str, after: object, args: tuple[object, ...]) -> Rows:
    return fetch(connection, statement, ledger_id, after, CHUNK, *args)


async def check_batches(source: Source, start: Start, first: int, findings: Findings) -> int:
    """Commits in their order, from batch `first`: no gap, nothing runs backwards, entries have their times."""
    count, expected, before = 0, first, (0, 0, 0)
    earlier = 0  # the last sequence two batches back: tells which of two neighbours is the wrong one
    async for rows in pages(source, _BATCHES, first - 1, start.head.batch):
        for batch, epoch, last, recorded_at, last_time, first_time in rows:
            place = f"batches/{batch}"
            if batch != expected:
                findings.add("batch-gap", _span("batches", expected, batch - 1))
            expected = batch + 1
            if last < before[0] and last < earlier:
                findings.add("batch-order", place, f"last sequence >= {before[0]}", last)
            elif last < before[0]:
                findings.add("batch-order", f"batches/{batch - 1}", f"last sequence <= {last}", before[0])
            if recorded_at < before[1] or epoch < before[2] or epoch > start.head.epoch:
                findings.add("batch-order", place, f"time >= {before[1]}, epoch >= {before[2]}",
                             f"time {recorded_at}, epoch {epoch}")
            if last and last_time is None:
                findings.add("batch-entry", place, "", last)
            elif last > before[0] and recorded_at != last_time:
                findings.add("batch-time", place, recorded_at, last_time)
            elif last > before[0] and first_time is not None and first_time != recorded_at:
                findings.add("batch-time", place, recorded_at, first_time)
            earlier, before = before[0], (last, recorded_at, epoch)
        count += len(rows)
    if expected <= start.head.batch:
        findings.add("batch-gap", _span("batches", expected, start.head.batch))
    return count


def _span(table: str, first: int, last: int) -> str:
    return f"{table}/{first}" if first == last else f"{table}/{first}..{last}"


# The first and the last entry of a batch: as times never run backwards, those between have the same one.
_BATCHES = """
SELECT b.batch, b.epoch, b.last_sequence, b.recorded_at, e.recorded_at, f.recorded_at FROM batches b
LEFT JOIN entries e ON e.ledger_id = $1 AND e.sequence = b.last_sequence
LEFT JOIN batches a ON a.ledger_id = $1 AND a.batch = b.batch - 1
LEFT JOIN entries f ON f.ledger_id = $1 AND f.sequence = a.last_sequence + 1 AND a.last_sequence < b.last_sequence
WHERE b.ledger_id = $1 AND b.batch > $2 AND b.batch <= $4 ORDER BY b.batch LIMIT $3
"""


async def check_accounts(source: Source, start: Start, chart: ChartReader | None, findings: Findings) -> int:
    """Every account: numbered without gap, of the kind of its path, with the chart's type and floor."""
    count, expected = 0, 1
    async for rows in pages(source, _ACCOUNTS, 0, start.head.account):
        for account, path, kind, account_type, floor, batch in rows:
            if account != expected:
                findings.add("account-gap", _span("accounts", expected, account - 1))
            expected = account + 1
            if batch is None:
                findings.add("account-opened-at", f"accounts/{account}")
            if chart is not None:
                check_account(account, path, kind, account_type, floor, chart, findings)
        count += len(rows)
    if expected <= start.head.account:
        findings.add("account-gap", _span("accounts", expected, start.head.account))
    return count


async def check_some_accounts(
    source: Source, accounts: list[int], chart: ChartReader | None, findings: Findings
) -> None:
    """The accounts that a part of the journal touched, against the chart."""
    for chunk in chunked(accounts if chart else [], CHUNK):
        for row in await source.read(_accounts, list(chunk)):
            assert chart is not None
            check_account(*row, chart=chart, findings=findings)


def _accounts(connection: Connection, ledger_id: int, accounts: list[int]) -> Rows:
    return fetch(
        connection,
        "SELECT account, path, kind, type, floor FROM accounts WHERE ledger_id = $1 AND account = ANY($2::integer[])",
        ledger_id, accounts,
    )


def check_account(
    account: int, path: str, kind: str, account_type: str, floor: int | None, chart: ChartReader, findings: Findings
) -> None:
    """One account against the chart."""
    place, wanted = f"accounts/{account}", chart.kind_of(path)
    if wanted is None or wanted.name != kind:
        findings.add("account-kind", place, wanted.name if wanted else "", f"{kind} ({path})")
    wanted = chart.kinds.get(kind)
    if wanted is None:
        return
    if wanted.type != account_type:
        findings.add("account-type", place, wanted.type, account_type)
    if (wanted.floor == "zero" and floor != 0) or (wanted.floor == "none" and floor is not None):
        findings.add("account-floor", place, 0 if wanted.floor == "zero" else "none", floor)


_ACCOUNTS = """
SELECT a.account, a.path, a.kind, a.type, a.floor,
  (SELECT b.batch FROM batches b WHERE b.ledger_id = $1 AND b.recorded_at = a.opened_at LIMIT 1)
FROM accounts a WHERE a.ledger_id = $1 AND a.account > $2 AND a.account <= $4 ORDER BY a.account LIMIT $3
"""


async def check_lots(source: Source, start: Start, chart: ChartReader | None, findings: Findings) -> int:
    """Every lot and every commodity: the name tells the date, and a commodity without lots has only `-`."""
    count, expected = 0, 1
    async for rows in pages(source, _LOTS, 0, start.head.lot):
        for lot, commodity, code, expires_on, has_lots in rows:
            place = f"lots/{lot}"
            if lot != expected:
                findings.add("lot-gap", _span("lots", expected, lot - 1))
            expected = lot + 1
            if expires_on != expiry_of(code):
                findings.add("lot-expiry", place, expiry_of(code), expires_on)
            if has_lots is None:
                findings.add("lot-commodity", place, "", commodity)
            elif not lot_fits(bool(has_lots), code):
                findings.add("lot-not-allowed", place, "-", code)
        count += len(rows)
    if expected <= start.head.lot:
        findings.add("lot-gap", _span("lots", expected, start.head.lot))
    found = {code: (scale, has_lots) for code, scale, has_lots in await source.read(_commodities)}
    for code, wanted in (chart.commodities if chart else {}).items():
        if found.get(code) != wanted:
            findings.add("commodity-differs", f"commodities/{code}", wanted, found.get(code, "-"))
    return count


def _commodities(connection: Connection, ledger_id: int) -> Rows:
    return fetch(connection, "SELECT commodity, scale, has_lots FROM commodities WHERE ledger_id = $1", ledger_id)


_LOTS = """
SELECT l.lot, l.commodity, l.code, l.expires_on, c.has_lots FROM lots l
LEFT JOIN commodities c ON c.ledger_id = $1 AND c.commodity = l.commodity
WHERE l.ledger_id = $1 AND l.lot > $2 AND l.lot <= $4 ORDER BY l.lot LIMIT $3
"""


async def check_keys(source: Source, entries: int, findings: Findings) -> int:
    """Every key once, across entries and documents; digests of document keys. The digest space is cut into ranges."""
    cuts = min(256, max(1, entries // 20_000))
    bounds = [bytes([256 * i // cuts]) + bytes(15) for i in range(cuts)] + [b"\xff" * 17]
    for low, high in zip(bounds, bounds[1:], strict=False):
        for digest, _ in await source.read(_keys_used_twice, low, high):
            for place in await source.read(_users_of_key, digest):
                findings.add("key-duplicate", place)
    count = 0
    async for rows in pages(source, _DOCUMENT_KEYS, b""):
        for digest, client, key, request, batch in rows:
            place = f"document_keys/{digest.hex()}"
            if digest != key_digest(client, key):
                findings.add("document-key-digest", place, key_digest(client, key), digest)
            if len(request) != 16:
                findings.add("document-key-request", place, 16, len(request))
            if batch is None:
                findings.add("document-key-time", place)
        count += len(rows)
    return count


def _keys_used_twice(connection: Connection, ledger_id: int, low: bytes, high: bytes) -> Rows:
    return fetch(connection, _TWICE, ledger_id, low, high)


def _users_of_key(connection: Connection, ledger_id: int, digest: bytes) -> list[str]:
    rows = fetch(connection, "SELECT sequence FROM entries WHERE ledger_id = $1 AND key_digest = $2", ledger_id, digest)
    return [f"entries/{row[0]}" for row in rows]


_TWICE = """
SELECT key_digest, count(*) FROM (
  SELECT key_digest FROM entries WHERE ledger_id = $1 AND key_digest >= $2 AND key_digest < $3
  UNION ALL SELECT key_digest FROM document_keys WHERE ledger_id = $1 AND key_digest >= $2 AND key_digest < $3
) AS used GROUP BY key_digest HAVING count(*) > 1
"""

_DOCUMENT_KEYS = """
SELECT k.key_digest, k.client, k.key, k.request,
  (SELECT b.batch FROM batches b WHERE b.ledger_id = $1 AND b.recorded_at = k.recorded_at LIMIT 1)
FROM document_keys k WHERE k.ledger_id = $1 AND k.key_digest > $2 ORDER BY k.key_digest LIMIT $3
"""


def check_counters(start: Start, used: dict[str, int], from_the_start: bool, findings: Findings) -> int:
    """Each counter stands at the last number that an entry used."""
    for counter, last in used.items():
        if start.counters.get(counter) != last:
            findings.add("counter-value", f"counters/{counter}", last, start.counters.get(counter, "-"))
    if from_the_start:
        for counter in sorted(start.counters.keys() - used.keys()):
            findings.add("counter-value", f"counters/{counter}", "-", start.counters[counter])
    return len(start.counters)


def batch_of(connection: Connection, ledger_id: int, sequence: int) -> int:
    """The first batch that may hold entries after `sequence`."""
    rows = fetch(
        connection,
        "SELECT b.batch FROM entries e JOIN batches b ON b.ledger_id = $1 AND b.recorded_at >= e.recorded_at"
        " WHERE e.ledger_id = $1 AND e.sequence = $2 ORDER BY b.recorded_at, b.last_sequence, b.batch LIMIT 1",
        ledger_id, sequence,
    )
    return int(rows[0][0]) if rows else 1
