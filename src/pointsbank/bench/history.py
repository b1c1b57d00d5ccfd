"""A history of ten million transfers by set-based SQL, to measure reads on: to post it would take too long.

Transfer i debits the hot account and credits wallet 2 + (i mod W), always the same amount, so every version,
running balance and balance row follows from i, and all invariants of the postings hold. The leaves are not hashes
of anything.
"""

from __future__ import annotations

import asyncio

import asyncpg

from pointsbank.bench.town import ACCOUNTS
from pointsbank.store import sqlite
from pointsbank.store.database import Database
from pointsbank.store.triggers import create_triggers, drop_triggers

TRANSFERS = 10_000_000
AMOUNT = 5

_TURN = "((i - 1) / {wallets} + 1)"
"""The how-manieth credit of its wallet transfer i is; both engines divide integers downwards."""

_ENTRY = """INSERT INTO entries (ledger_id, sequence, effective_at, recorded_at, reverses, first_posting, postings,
    kind, client, key, key_digest, request, actor, place, reason, metadata, documents, leaf)
    SELECT {ledger}, i, 1795000000000000 + i, 1795000000000000 + i, 0, i, 1, 'transfer',
    'bench', 'h' || i, {digest}, {request}, '', '', '', '', '', {leaf} FROM {numbers}"""
_POSTING = """INSERT INTO postings (ledger_id, posting, sequence, debit_account, credit_account, lot, amount,
    debit_version, credit_version, debit_balance, credit_balance, debit_total, credit_total)
    SELECT {ledger}, i, i, 1, 2 + (i - 1) % {wallets}, 1, {amount},
    i, {turn}, -{amount} * i, {amount} * {turn}, -{amount} * i, {amount} * {turn} FROM {numbers}"""
_BALANCE = """INSERT INTO balances (ledger_id, account, lot, balance, version, posting)
    SELECT {ledger}, 1 + i, 1, {amount} * ({transfers} / {wallets}), {transfers} / {wallets},
    {transfers} - {wallets} + i FROM {each_wallet}
    UNION ALL SELECT {ledger}, 1, 1, -{amount} * {transfers}, {transfers}, {transfers}"""
_HEAD = """UPDATE heads SET sequence = {transfers}, posting = {transfers}, batch = batch + 1,
    recorded_at = 1795000000000000 + {transfers} WHERE ledger_id = {ledger}"""
_BATCH = """INSERT INTO batches (ledger_id, batch, epoch, token, last_sequence, recorded_at)
    SELECT ledger_id, batch, epoch, {request}, sequence, recorded_at FROM heads WHERE ledger_id = {ledger}"""


def write(url: str, ledger: int, transfers: int = TRANSFERS, wallets: int = ACCOUNTS - 1) -> None:
    """Put this history in the place of a town's postings. `transfers` is rounded to whole turns of wallets."""
    transfers = transfers // wallets * wallets
    database = Database(url)
    if database.dialect == "sqlite":
        _write_sqlite(database, ledger, transfers, wallets)
    else:
        asyncio.run(_write_postgresql(database.url, ledger, transfers, wallets))


def _statements(ledger: int, transfers: int, wallets: int, **dialect: str) -> list[str]:
    return [
        statement.format(
            ledger=ledger,
            transfers=transfers,
            wallets=wallets,
            amount=AMOUNT,
            turn=_TURN.format(wallets=wallets),
            **dialect,
        )
        for statement in (_ENTRY, _POSTING, _BALANCE, _HEAD, _BATCH)
    ]


async def _write_postgresql(url: str, ledger: int, transfers: int, wallets: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in drop_triggers("postgresql"):
            await connection.execute(statement)
        await connection.execute("TRUNCATE entries, postings, balances, batches")
        for statement in _statements(
            ledger,
            transfers,
            wallets,
            numbers=f"generate_series(1, {transfers}::bigint) AS i",
            each_wallet=f"generate_series(1, {wallets}) AS i",
            digest="decode(md5('h' || i), 'hex')",
            request="decode(repeat('00', 16), 'hex')",
            leaf="decode(repeat('00', 32), 'hex')",
        ):
            await connection.execute(statement)
        for statement in create_triggers("postgresql"):
            await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _write_sqlite(database: Database, ledger: int, transfers: int, wallets: int) -> None:
    connection = sqlite.connect(database.path)
    try:
        for statement in drop_triggers("sqlite"):
            connection.execute(statement)
        for table in ("entries", "postings", "balances", "batches"):
            connection.execute(f"DELETE FROM {table}")
        series = (
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n)"
        )
        connection.execute("BEGIN")
        for statement in _statements(
            ledger,
            transfers,
            wallets,
            numbers=series.format(transfers),
            each_wallet=series.format(wallets),
            # in order, so that ten million of them are an index written once and not a random one
            digest="unhex(printf('%032x', i))",
            request="zeroblob(16)",
            leaf="zeroblob(32)",
        ):
            connection.execute(statement)
        connection.execute("COMMIT")
        for statement in create_triggers("sqlite"):
            connection.execute(statement)
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
