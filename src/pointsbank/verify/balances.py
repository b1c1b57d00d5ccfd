"""Balance rows against the newest posting of their account and lot, and the trial balance over them."""

from __future__ import annotations

from sqlalchemy import Connection

from pointsbank.ledger.invariants import balances_even_out
from pointsbank.ledger.model import Side
from pointsbank.verify.chart import is_credit_normal
from pointsbank.verify.report import Findings
from pointsbank.verify.source import Rows, Source, chunked, fetch

CHUNK = 1000
"""Accounts compared in one statement."""


async def check_all(source: Source, findings: Findings) -> int:
    """Every balance row there is, a thousand accounts at a time. Returns how many rows."""
    count, after = 0, -(2**31)
    while True:
        accounts: list[int] = await source.read(_accounts_after, after)
        if not accounts:
            return count
        count += await check_accounts(source, accounts, findings)
        after = accounts[-1]


def _accounts_after(connection: Connection, ledger_id: int, after: int) -> list[int]:
    rows = fetch(
        connection,
        "SELECT DISTINCT account FROM balances WHERE ledger_id = $1 AND account > $2"
        " ORDER BY account LIMIT $3",
        ledger_id,
        after,
        CHUNK,
    )
    return [row[0] for row in rows]


async def check_accounts(source: Source, accounts: list[int], findings: Findings) -> int:
    """The balance rows of some accounts, each with its newest posting in the same statement."""
    count = 0
    for chunk in chunked(accounts, CHUNK):
        rows = await source.read(_with_newest, list(chunk))
        for account, lot, balance, version, posting, newest, newest_balance, newest_version in rows:
            place = f"balances/{account}/{lot}"
            if newest is None:
                findings.add("balance-extra", place, "", balance)
            elif (balance, version, posting) != (newest_balance, newest_version, newest):
                findings.add(
                    "balance-wrong",
                    place,
                    f"{newest_balance} (version {newest_version}, posting {newest})",
                    f"{balance} (version {version}, posting {posting})",
                )
        count += len(rows)
    return count


async def check_present(source: Source, pairs: list[tuple[int, int]], findings: Findings) -> None:
    """Each account and lot that postings moved has a balance row (it never goes away again)."""
    for chunk in chunked(sorted(pairs), CHUNK):
        rows = await source.read(_rows_of, sorted({account for account, _ in chunk}))
        present = {(row[0], row[1]) for row in rows}
        for account, lot in chunk:
            if (account, lot) not in present:
                findings.add("balance-missing", f"balances/{account}/{lot}")


async def check_trial_balance(source: Source, findings: Findings) -> int:
    """Per commodity, debit-normal accounts hold as much as credit-normal ones. One statement."""
    totals: dict[str, list[tuple[Side, int]]] = {}
    for commodity, account_type, total in await source.read(_totals):
        side = Side.CREDIT if is_credit_normal(account_type) else Side.DEBIT
        totals.setdefault(commodity, []).append((side, int(total)))
    for commodity, lines in totals.items():
        if not balances_even_out(lines):
            debit = sum(total for side, total in lines if side is Side.DEBIT)
            credit = sum(total for side, total in lines if side is Side.CREDIT)
            findings.add("trial-balance", f"commodities/{commodity}", f"debit {debit}", f"credit {credit}")
    return len(totals)


def _with_newest(connection: Connection, ledger_id: int, accounts: list[int]) -> Rows:
    return fetch(connection, _NEWEST, ledger_id, accounts)


def _rows_of(connection: Connection, ledger_id: int, accounts: list[int]) -> Rows:
    return fetch(
        connection,
        "SELECT account, lot FROM balances WHERE ledger_id = $1 AND account = ANY($2::integer[])",
        ledger_id,
        accounts,
    )


def _totals(connection: Connection, ledger_id: int) -> Rows:
    return fetch(connection, _TOTALS, ledger_id)


_NEWEST = """
SELECT b.account, b.lot, b.balance, b.version, b.posting, p.posting,
  CASE WHEN p.debit_account = b.account THEN p.debit_balance ELSE p.credit_balance END,
  CASE WHEN p.debit_account = b.account THEN p.debit_version ELSE p.credit_version END
FROM (
  SELECT account, lot, balance, version, posting,
    CASE WHEN coalesce(d, 0) > coalesce(c, 0) THEN d ELSE c END AS newest FROM (
    SELECT account, lot, balance, version, posting,
      (SELECT max(posting) FROM postings
        WHERE ledger_id = $1 AND debit_account = b.account AND lot = b.lot) AS d,
      (SELECT max(posting) FROM postings
        WHERE ledger_id = $1 AND credit_account = b.account AND lot = b.lot) AS c
    FROM balances b WHERE ledger_id = $1 AND account = ANY($2::integer[])
  ) AS sides
) AS b
LEFT JOIN postings p ON p.ledger_id = $1 AND p.posting = b.newest
"""

_TOTALS = """
SELECT l.commodity, a.type, sum(b.balance) FROM balances b
JOIN accounts a ON a.ledger_id = $1 AND a.account = b.account
JOIN lots l ON l.ledger_id = $1 AND l.lot = b.lot
WHERE b.ledger_id = $1 GROUP BY l.commodity, a.type
"""
