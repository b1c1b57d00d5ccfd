"""A replay that is killed with -9 ten times ends with exactly the expected result; once complete it changes nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from sqlalchemy import Connection, func, select

from pointsbank.store.database import Database
from pointsbank.store.tables import accounts, balances, entries, postings

DRIVER = Path(__file__).with_name("driver.py")
KILLS = 10


def start(folder: Path, out: Path, url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(folder), str(out), url], stdout=subprocess.PIPE, text=True
    )


def moments(dice: Random) -> Iterator[tuple[str, int, float]]:
    """After which step and line to kill, and how many seconds later: all steps, their ends, and between pages."""
    yield "opening", 1 + dice.randrange(3000), dice.random() * 0.2
    for _ in range(4):
        yield "hours", 1 + dice.randrange(60_000), dice.random() * 0.3
    yield "hours", 60_006, dice.random() * 0.05
    for _ in range(2):
        yield "redemptions", 1 + dice.randrange(7_900), dice.random() * 0.3
    yield "returns", 1 + dice.randrange(309), dice.random() * 0.02
    yield "expiry", 1, dice.random() * 0.02


ORDER = ("opening", "hours", "redemptions", "returns", "expiry")


def test_killed_ten_times_it_ends_as_expected_and_then_changes_nothing(
    harbin_quarter: Path, database_url: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("POINTSBANK_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"POINTSBANK_TEST_SEED={seed}")
    out = tmp_path / "out"
    plan = sorted(moments(Random(seed)), key=lambda moment: (ORDER.index(moment[0]), moment[1]))
    assert len(plan) == KILLS
    killed = 0
    for step, done, delay in plan:
        process = start(harbin_quarter, out, database_url)
        assert process.stdout is not None
        for line in process.stdout:
            told = line.split()
            if told[0] in ORDER and (ORDER.index(told[0]), int(told[1])) >= (ORDER.index(step), done):
                break
        time.sleep(delay)  # the moment itself is what is random here
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed == KILLS
    finish(harbin_quarter, out, database_url)
    assert_as_expected(harbin_quarter, out)
    assert finish(harbin_quarter, out, database_url).startswith("unchanged")
    assert_as_expected(harbin_quarter, out)
    asyncio.run(assert_books_fold(database_url))


def finish(folder: Path, out: Path, url: str) -> str:
    process = start(folder, out, url)
    told, _ = process.communicate()
    assert process.returncode == 0
    return told.splitlines()[-1]


def assert_as_expected(folder: Path, out: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    for key, value in expected.items():
        assert summary[key] == value, key
    assert sorted(summary) == sorted(expected)
    for source in ("hours", "redemptions", "returns"):
        name = f"verdicts-{source}.csv"
        assert (out / name).read_bytes() == (folder / name).read_bytes(), name


async def assert_books_fold(url: str) -> None:
    """Every balance is the sum of its postings, and no sequence number is missing."""
    database = Database(url)
    try:
        await database.read(_fold)
    finally:
        await database.close()


def _fold(connection: Connection) -> None:
    credit_normal = {
        row.account: row.type in ("liability", "equity", "income")
        for row in connection.execute(select(accounts.c.account, accounts.c.type))
    }
    folded: Counter[tuple[int, int]] = Counter()
    p = postings.c
    for debit, credit, lot, amount in connection.execute(
        select(p.debit_account, p.credit_account, p.lot, p.amount)
    ):
        folded[debit, lot] += -amount if credit_normal[debit] else amount
        folded[credit, lot] += amount if credit_normal[credit] else -amount
    b = balances.c
    held = {
        (account, lot): balance
        for account, lot, balance in connection.execute(select(b.account, b.lot, b.balance))
    }
    assert held == folded
    last, count = connection.execute(
        select(func.max(entries.c.sequence), func.count()).select_from(entries)
    ).one()
    assert last == count
