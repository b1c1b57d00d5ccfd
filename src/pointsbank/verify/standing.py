"""What stands beside the journal: the head, commits, accounts, lots, balances, keys, counters."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection

from pointsbank.ledger.invariants import expiry_of, lot_fits
from pointsbank.verify.chart import ChartReader
from pointsbank.verify.encoding import key_digest, ledger_number
from pointsbank.verify.report import Findings, span
from pointsbank.verify.source import Head, Row, Rows, Source, chunked, fetch, pages

CHUNK = 5000
"""Rows in one read transaction."""


class Start(NamedTuple):
    """One snapshot: the head, the newest of everything, and the counters."""

    head: Head
    newest: Row
    counters: dict[str, int]


def read_start(connection: Connection, ledger_id: int) -> Start | None:
    """The snapshot at which a verification begins; None if there is no such ledger."""
    heads = fetch(
        connection,
        "SELECT name, chart, sequence, posting, account, lot, recorded_at, batch, epoch FROM heads"
        " WHERE ledger_id = $1",
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
SELECT (SELECT max(sequence) FROM entries WHERE ledger_id = $1),
  (SELECT max(posting) FROM postings WHERE ledger_id = $1),
  (SELECT max(account) FROM accounts WHERE ledger_id = $1), (SELECT max(lot) FROM lots WHERE ledger_id = $1),
  b.batch, b.last_sequence, b.recorded_at
FROM (SELECT 1) AS one LEFT JOIN batches b
  ON b.ledger_id = $1 AND b.batch = (SELECT max(batch) FROM batches WHERE ledger_id = $1)
"""


async def check_accounts(source: Source, start: Start, chart: ChartReader | None, findings: Findings) -> int:
    """Every account: numbered without gap, of the kind of its path, with the chart's type and floor."""
    count, expected = 0, 1
    async for rows in pages(source, _ACCOUNTS, 0, start.head.account):
        for account, path, kind, account_type, floor, batch in rows:
            if account != expected:
                findings.add("account-gap", span("accounts", expected, account - 1))
            expected = account + 1
            if batch is None:
                findings.add("account-opened-at", f"accounts/{account}")
            if chart is not None:
                check_account(account, path, kind, account_type, floor, chart, findings)
        count += len(rows)
    if expected <= start.head.account:
        findings.add("account-gap", span("accounts", expected, start.head.account))
    return count


async def check_some_accounts(
    source: Source, accounts: list[int], chart: ChartReader | None, findings: Findings
) -> None:
    """The accounts that a part of the journal touched, against the chart."""
    for chunk in chunked(accounts if chart else [], CHUNK):
        for account, path, kind, account_type, floor in await source.read(_some_accounts, list(chunk)):
            assert chart is not None
            check_account(account, path, kind, account_type, floor, chart, findings)


def _some_accounts(connection: Connection, ledger_id: int, accounts: list[int]) -> Rows:
    return fetch(
        connection,
        "SELECT account, path, kind, type, floor FROM accounts"
        " WHERE ledger_id = $1 AND account = ANY($2::integer[])",
        ledger_id,
        accounts,
    )


def check_account(
    account: int,
    path: str,
    kind: str,
    account_type: str,
    floor: int | None,
    chart: ChartReader,
    findings: Findings,
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
                findings.add("lot-gap", span("lots", expected, lot - 1))
            expected = lot + 1
            if expires_on != expiry_of(code):
                findings.add("lot-expiry", place, expiry_of(code), expires_on)
            if has_lots is None:
                findings.add("lot-commodity", place, "", commodity)
            elif not lot_fits(bool(has_lots), code):
                findings.add("lot-not-allowed", place, "-", code)
        count += len(rows)
    if expected <= start.head.lot:
        findings.add("lot-gap", span("lots", expected, start.head.lot))
    found = {code: (scale, has_lots) for code, scale, has_lots in await source.read(_commodities)}
    for code, wanted in (chart.commodities if chart else {}).items():
        if found.get(code) != wanted:
            findings.add("commodity-differs", f"commodities/{code}", wanted, found.get(code, "-"))
    return count


def _commodities(connection: Connection, ledger_id: int) -> Rows:
    return fetch(
        connection, "SELECT commodity, scale, has_lots FROM commodities WHERE ledger_id = $1", ledger_id
    )


_LOTS = """
SELECT l.lot, l.commodity, l.code, l.expires_on, c.has_lots FROM lots l
LEFT JOIN commodities c ON c.ledger_id = $1 AND c.commodity = l.commodity
WHERE l.ledger_id = $1 AND l.lot > $2 AND l.lot <= $4 ORDER BY l.lot LIMIT $3
"""


async def check_keys(source: Source, entries: int, findings: Findings) -> int:
    """Every key once, across entries and documents (by ranges of digests); the digests of document keys."""
    cuts = min(256, max(1, entries // 20_000))
    bounds = [bytes([256 * i // cuts]) + bytes(15) for i in range(cuts)] + [b"\xff" * 17]
    for low, high in pairwise(bounds):
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
    rows = fetch(
        connection, "SELECT sequence FROM entries WHERE ledger_id = $1 AND key_digest = $2", ledger_id, digest
    )
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
