"""What is printed beside the ratios: sizes, and the time of long reads on a million and ten million postings."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import asyncpg
import uvloop

from pointsbank.bench import history
from pointsbank.bench.cells import BULK, Cells
from pointsbank.bench.service import BANK
from pointsbank.bench.town import CHART, HOT, ROOM, transfers, wallet
from pointsbank.engine.registry import open_ledger
from pointsbank.engine.writer import Limits
from pointsbank.readers.statements import statement
from pointsbank.readers.trial_balance import trial_balance
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of
from pointsbank.verify import verify

ENTRIES_MEASURED = 200_000
MILLION = 1_000_000
PAGES = 50


def measure(name: str, cells: Cells) -> dict[str, str]:
    """The lines of one figure."""
    return _FIGURES[name](cells)


def _bytes(cells: Cells) -> dict[str, str]:
    """Table and index bytes that a transfer leaves, and WAL that it writes, in bulk and one by one."""
    url = cells.town_database()
    before, wal_before = asyncio.run(_size(url))
    uvloop.run(_post(url, ENTRIES_MEASURED))
    after, wal_after = asyncio.run(_size(url))
    file = cells.sqlite_file()
    size = file.stat().st_size
    uvloop.run(
        _post(f"sqlite:///{file}", ENTRIES_MEASURED)
    )  # closing the last connection moves the WAL into the file
    return {
        "bytes per transfer, PostgreSQL": f"{(after - before) / ENTRIES_MEASURED:,.0f} in tables, indexes, "
        f"{(wal_after - wal_before) / ENTRIES_MEASURED:,.0f} of WAL",
        "bytes per transfer, SQLite": f"{(file.stat().st_size - size) / ENTRIES_MEASURED:,.0f}",
    }


async def _size(url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            """SELECT pg_database_size(current_database()),
            pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"""
        )
    finally:
        await connection.close()
    return row[0], row[1]


async def _post(url: str, transfers_wanted: int) -> None:
    database = Database(url)
    async with open_ledger(database, "bench", CHART, limits=Limits(batch=BULK, patience=120)) as ledger:
        next_transfer = transfers("spread", f"m{time.time_ns()}")
        for _ in range(0, transfers_wanted, BULK):
            await ledger.submit([next_transfer() for _ in range(BULK)], ROOM)
    await database.close()


def _verify(cells: Cells) -> dict[str, str]:
    """A full verification of a million entries that the writer posted, on both engines."""
    found = {}
    for engine, url in (
        ("PostgreSQL", cells.town_database()),
        ("SQLite", f"sqlite:///{cells.sqlite_file()}"),
    ):
        uvloop.run(_post(url, MILLION))
        seconds, holds = uvloop.run(_verified(url))
        found[f"verify of a million entries, {engine}"] = f"{seconds:.1f} s" + (
            "" if holds else ", AND IT FAILED"
        )
    return found


async def _verified(url: str) -> tuple[float, bool]:
    database = Database(url)
    started = time.perf_counter()
    report = await verify(database, ledger_id_of("bench"), chart=CHART)
    took = time.perf_counter() - started
    await database.close()
    return took, report.exit_code == 0


def _reads(cells: Cells) -> dict[str, str]:
    """Reads on ten million postings, a history written by one set-based statement a table."""
    found = {}
    urls = {"PostgreSQL": cells.town_database(), "SQLite": f"sqlite:///{cells.sqlite_file()}"}
    for engine, url in urls.items():
        started = time.perf_counter()
        history.write(url, ledger_id_of("bench"))
        loaded = time.perf_counter() - started
        balance, hot_page, wallet_page = uvloop.run(_read(url))
        found[f"at 10 million postings, {engine}"] = (
            f"trial balance {balance * 1000:.1f} ms, statement page of the hot account {hot_page * 1000:.1f}, "
            f"of a wallet {wallet_page * 1000:.1f} (loaded in {loaded:.0f} s)"
        )
    return found


async def _read(url: str) -> tuple[float, float, float]:
    """Median seconds of a trial balance and of two statement pages."""
    database = Database(url)
    ledger = ledger_id_of("bench")

    async def timed(query: Callable[..., object], *arguments: object) -> float:
        spent = []
        for _ in range(PAGES):
            started = time.perf_counter()
            await database.read(query, *arguments)
            spent.append(time.perf_counter() - started)
        return median(spent)

    seconds = (
        await timed(trial_balance, ledger),
        await timed(statement, ledger, HOT),
        await timed(statement, ledger, wallet(77)),
    )
    await database.close()
    return seconds


def _replay(cells: Cells) -> dict[str, str]:
    """Seconds of `pointsbank replay` for the quarter that the repository keeps."""
    archive = next((p for p in Path(__file__).parents[3].glob("tests/data/*quarter*.tar.xz")), None)
    if archive is None:
        return {"replay of the quarter": "not measured: no data set in tests/data beside the sources"}
    with tarfile.open(archive) as packed:
        packed.extractall(cells.folder, filter="data")
    data = next(path.parent for path in cells.folder.rglob("policy.json"))
    found = {}
    for engine, url in (
        ("SQLite", f"sqlite:///{cells.folder / 'replay.db'}"),
        ("PostgreSQL", cells.server.database("bench_replay")),
    ):
        started = time.perf_counter()
        subprocess.run(  # noqa: S603 - our own arguments
            [
                sys.executable,
                *BANK,
                "replay",
                str(data),
                "--out",
                str(cells.folder / "out"),
                "--database",
                url,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found[f"replay of the quarter, {engine}"] = f"{time.perf_counter() - started:.1f} s"
    cells.server.drop("bench_replay")
    return found


def _memory(cells: Cells) -> dict[str, str]:
    if not cells.resident:
        cells.measure("http entry")
    return {"resident memory of serve after the load": f"{cells.resident:,.0f} MB"}


_FIGURES: dict[str, Callable[[Cells], dict[str, str]]] = {
    "bytes": _bytes,
    "verify": _verify,
    "reads": _reads,
    "replay": _replay,
    "memory": _memory,
}
