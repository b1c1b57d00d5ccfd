"""An import that is killed with -9 again and again ends as if it had run once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from sqlalchemy import Connection, func, select

from pointsbank.intake.tables import intake_lines
from pointsbank.places.tables import place_terms, places
from pointsbank.store.database import Database
from pointsbank.store.tables import accounts

DRIVER = Path(__file__).with_name("driver.py")
STATIONS = 1000
KILLS = 5


def roster(folder: Path) -> Path:
    """A city, ten centres, and stations of which every tenth is renamed later in the file."""
    lines = ["编码,类型,名称,上级编码,生效日期,操作", "HRB,市,哈尔滨市,,2019-01-01,"]
    lines += [f"C{n},中心,中心 {n},HRB,2019-01-01," for n in range(10)]
    for n in range(STATIONS):
        lines.append(f"S{n},站,站 {n},C{n % 10},2020-01-01,")
        if n % 10 == 9:
            lines.append(f"S{n - 5},,新站 {n - 5},,2021-01-01,更名")
    path = folder / "places.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def start(file: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(DRIVER), str(file), url], stdout=subprocess.PIPE, text=True)


def test_killed_again_and_again_every_line_counts_once(database_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("POINTSBANK_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"POINTSBANK_TEST_SEED={seed}")
    dice = Random(seed)
    file = roster(tmp_path)
    killed = 0
    for moment in sorted(dice.randrange(STATIONS) for _ in range(KILLS)):
        process = start(file, database_url)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= moment:
                break
        time.sleep(dice.random() * 0.01)  # the moment itself is what is random here
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed == KILLS
    for _ in range(2):
        process = start(file, database_url)
        told, _ = process.communicate()
        assert process.returncode == 0
        assert told
        assert asyncio.run(_counted(database_url)) == {
            "places": 1 + 10 + STATIONS,
            "place_terms": 1 + 10 + STATIONS + STATIONS // 10,
            "accounts": 3 * STATIONS,
            "intake_lines": 1 + 10 + STATIONS + STATIONS // 10,
            "verdicts": {"accepted"},
        }


async def _counted(url: str) -> dict[str, object]:
    database = Database(url)
    found = await database.read(_count)
    await database.close()
    return found


def _count(connection: Connection) -> dict[str, object]:
    found: dict[str, object] = {
        table.name: connection.scalar(select(func.count()).select_from(table))
        for table in (places, place_terms, accounts, intake_lines)
    }
    found["verdicts"] = set(connection.scalars(select(intake_lines.c.verdict).distinct()))
    return found
