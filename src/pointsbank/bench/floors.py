"""The floors: the least that a transfer can cost on each engine, without keys, hashes or running balances.

A transfer of a floor is one entry row, two rows of sides with an index on (account, entry), two balance updates.
F1 posts one in a call of a PL/pgSQL function, driven by pgbench (a C client, so that the client is no limit;
without pgbench by asyncpg connections in a process of their own). F2 posts arrays, FS does executemany in SQLite.
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from pointsbank.bench.server import Server
from pointsbank.bench.town import ACCOUNTS
from pointsbank.store import sqlite

SCHEMA = f"""
CREATE TABLE floor_accounts (account bigint PRIMARY KEY, balance bigint NOT NULL, version bigint NOT NULL)
  WITH (fillfactor = 70);
CREATE TABLE floor_entries (entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recorded_at timestamptz NOT NULL DEFAULT now(), kind text NOT NULL);
CREATE TABLE floor_sides (account bigint NOT NULL, entry bigint NOT NULL, amount bigint NOT NULL);
CREATE INDEX floor_sides_account ON floor_sides (account, entry);
INSERT INTO floor_accounts SELECT n, 0, 0 FROM generate_series(1, {ACCOUNTS}) n;

CREATE FUNCTION floor_post(source bigint, target bigint, points bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
  -- the smaller account first, so that two calls never wait for each other
  IF source < target THEN
    UPDATE floor_accounts SET balance = balance - points, version = version + 1 WHERE account = source;
    UPDATE floor_accounts SET balance = balance + points, version = version + 1 WHERE account = target;
  ELSE
    UPDATE floor_accounts SET balance = balance + points, version = version + 1 WHERE account = target;
    UPDATE floor_accounts SET balance = balance - points, version = version + 1 WHERE account = source;
  END IF;
  INSERT INTO floor_entries (kind) VALUES ('transfer') RETURNING entry INTO number;
  INSERT INTO floor_sides VALUES (source, number, -points), (target, number, points);
  RETURN number;
END $$;

CREATE FUNCTION floor_post_many(sources bigint[], targets bigint[], points bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE first bigint;
BEGIN
  WITH made AS (
    INSERT INTO floor_entries (kind) SELECT 'transfer' FROM generate_series(1, cardinality(sources))
    RETURNING entry
  ) SELECT min(entry) INTO first FROM made;
  INSERT INTO floor_sides
    SELECT source, first + i - 1, -p
    FROM unnest(sources, targets, points) WITH ORDINALITY AS x(source, target, p, i)
    UNION ALL
    SELECT target, first + i - 1, p
    FROM unnest(sources, targets, points) WITH ORDINALITY AS x(source, target, p, i);
  UPDATE floor_accounts f SET balance = balance + x.change, version = version + x.times
  FROM (
    SELECT account, sum(p)::bigint AS change, count(*) AS times FROM (
      SELECT source AS account, -p AS p FROM unnest(sources, points) AS x(source, p)
      UNION ALL SELECT target, p FROM unnest(targets, points) AS x(target, p)
    ) sides GROUP BY account
  ) x WHERE f.account = x.account;
  RETURN first;
END $$;
"""

_SCRIPTS = {
    "hot": f"\\set b random(2, {ACCOUNTS})\nSELECT floor_post(1, :b, 5);\n",
    "spread": f"\\set a random(1, {ACCOUNTS})\n\\set b 1 + (:a + random(0, {ACCOUNTS - 2})) % {ACCOUNTS}\n"
    "SELECT floor_post(:a, :b, 5);\n",
}


class Floor(msgspec.Struct, frozen=True):
    """What the floor process of Python is to do."""

    kind: str
    where: str
    mode: str = "spread"
    clients: int = 1
    batch: int = 8000
    warm: float = 1.0
    seconds: float = 3.0


async def make_schema(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        await connection.execute("VACUUM ANALYZE floor_accounts")
    finally:
        await connection.close()


def one_call_per_transfer(
    server: Server, url: str, mode: str, clients: int, warm: float, seconds: float
) -> float:
    """F1: transfers per second of `clients` connections, each with one call per transfer."""
    if server.pgbench is None:
        return in_process(Floor("calls", url, mode, clients, warm=warm, seconds=seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_SCRIPTS[mode])
        script.flush()
        rate = 0.0
        for span in (warm, seconds):
            answer = subprocess.run(  # noqa: S603 - our own arguments
                [
                    server.pgbench,
                    "-n",
                    "-M",
                    "prepared",
                    "-c",
                    str(clients),
                    "-j",
                    "1",
                    "-T",
                    str(max(1, round(span))),
                    "-f",
                    script.name,
                    url,
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            found = re.search(r"tps = ([\d.]+) \(without", answer)
            assert found is not None, answer
            rate = float(found[1])
        return rate


def in_process(floor: Floor) -> float:
    """Run a floor in a Python process of its own."""
    answer = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pointsbank.bench.floors", msgspec.json.encode(floor).decode()],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(answer.stdout)


def _pairs(mode: str, many: int) -> tuple[list[int], list[int]]:
    pick = random.random
    targets = [2 + int(pick() * (ACCOUNTS - 1)) for _ in range(many)]
    if mode == "hot":
        return [1] * many, targets
    return [1 + (target + int(pick() * (ACCOUNTS - 1))) % ACCOUNTS for target in targets], targets


async def _calls(floor: Floor) -> float:
    connections = [await asyncpg.connect(floor.where) for _ in range(floor.clients)]
    statements = [await c.prepare("SELECT floor_post($1, $2, $3)") for c in connections]
    done = 0

    async def call_until(statement: asyncpg.prepared_stmt.PreparedStatement, stop: float) -> None:
        nonlocal done
        while time.perf_counter() < stop:
            (source,), (target,) = _pairs(floor.mode, 1)
            await statement.fetchval(source, target, 5)
            done += 1

    rate = 0.0
    for span in (floor.warm, floor.seconds):
        done, started = 0, time.perf_counter()
        await asyncio.gather(*(call_until(s, started + span) for s in statements))
        rate = done / (time.perf_counter() - started)
    for c in connections:
        await c.close()
    return rate


async def _arrays(floor: Floor) -> float:
    """F2: one call with arrays per batch, on one connection."""
    connection = await asyncpg.connect(floor.where)
    statement = await connection.prepare("SELECT floor_post_many($1, $2, $3)")
    points = [5] * floor.batch
    rate = 0.0
    for span in (floor.warm, floor.seconds):
        done, started = 0, time.perf_counter()
        while time.perf_counter() < started + span:
            await statement.fetchval(*_pairs(floor.mode, floor.batch), points)
            done += floor.batch
        rate = done / (time.perf_counter() - started)
    await connection.close()
    return rate


def _executemany(floor: Floor) -> float:
    """FS: executemany into a fresh SQLite file with the pragmas of our store."""
    path = Path(floor.where)
    path.unlink(missing_ok=True)
    connection = sqlite.connect(path)
    for statement in (
        """CREATE TABLE accounts
           (account INTEGER PRIMARY KEY, balance INTEGER NOT NULL, version INTEGER NOT NULL)""",
        "CREATE TABLE entries (entry INTEGER PRIMARY KEY, kind TEXT NOT NULL)",
        """CREATE TABLE sides (account INTEGER NOT NULL, entry INTEGER NOT NULL, amount INTEGER NOT NULL,
           PRIMARY KEY (account, entry)) WITHOUT ROWID""",
        "BEGIN",
        f"""INSERT INTO accounts
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
           SELECT i, 0, 0 FROM n""",
        "COMMIT",
    ):
        connection.execute(statement)
    entry, rate = 0, 0.0
    for span in (floor.warm, floor.seconds):
        done, started = 0, time.perf_counter()
        while time.perf_counter() < started + span:
            sources, targets = _pairs(floor.mode, floor.batch)
            numbers = range(entry + 1, entry + floor.batch + 1)
            entry += floor.batch
            sides: list[tuple[int, int, int]] = []
            changes: list[tuple[int, int]] = []
            for number, source, target in zip(numbers, sources, targets, strict=True):
                sides += ((source, number, -5), (target, number, 5))
                changes += ((-5, source), (5, target))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries VALUES (?, 'transfer')", [(n,) for n in numbers])
            connection.executemany("INSERT INTO sides VALUES (?, ?, ?)", sides)
            connection.executemany(
                "UPDATE accounts SET balance = balance + ?, version = version + 1 WHERE account = ?", changes
            )
            connection.execute("COMMIT")
            done += floor.batch
        rate = done / (time.perf_counter() - started)
    connection.close()
    return rate


def _run(floor: Floor) -> float:
    if floor.kind == "calls":
        return uvloop.run(_calls(floor))
    if floor.kind == "arrays":
        return uvloop.run(_arrays(floor))
    return _executemany(floor)


if __name__ == "__main__":
    sys.stdout.write(f"{_run(msgspec.json.decode(sys.argv[1], type=Floor))}\n")
