"""Every row in turn, round after round, then the figures; a table for people, JSON for machines."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from pointsbank.bench import figures, server
from pointsbank.bench.cells import Cells
from pointsbank.bench.rows import Row, chosen
from pointsbank.bench.worker import Done

WIDTH = 136
"""characters that the table needs; a narrower terminal wraps whole lines"""


class Outcome(msgspec.Struct):
    """What a run found. Rates are per second; ratios one a round."""

    postgres: str
    machine: str
    floor_client: str
    rates: dict[str, list[float]] = msgspec.field(default_factory=dict)
    ratios: dict[str, list[float]] = msgspec.field(default_factory=dict)
    latencies: dict[str, Done] = msgspec.field(default_factory=dict)
    figures: dict[str, str] = msgspec.field(default_factory=dict)


def measure_and_print(
    rounds: int, quick: bool, only: str, postgres_url: str | None, json_file: Path | None
) -> int:
    """What `run` does."""
    console = Console()
    console.width = max(console.width, WIDTH)
    try:
        rows, named = chosen(only)
    except ValueError as error:
        console.print(str(error), style="red")
        return 2
    if quick:
        rounds, named = 1, named if only else ()
    with (
        tempfile.TemporaryDirectory(prefix="pointsbank-bench-") as folder,
        server.postgres(postgres_url) as postgres,
    ):
        outcome = Outcome(
            postgres.version,
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "pgbench" if postgres.pgbench else "asyncpg in a process of its own",
        )
        cells = Cells(postgres, Path(folder), warm=0.5 if quick else 1.0, seconds=1.0 if quick else 3.0)
        try:
            for number in range(1, rounds + 1):
                _round(console, cells, rows, outcome, f"{number}/{rounds}")
            outcome.latencies = cells.latencies
            for name in named:
                _figure(console, cells, outcome, name)
        finally:
            cells.close()
    _print(console, rows, outcome)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    return 0 if all(median(outcome.ratios[row.letter]) >= row.at_least for row in rows) else 1


def _round(console: Console, cells: Cells, rows: tuple[Row, ...], outcome: Outcome, number: str) -> None:
    """Each cell once, a floor right before what stands on it."""
    rates: dict[str, float] = {}
    for row in rows:
        for cell in (row.floor, row.ours):
            if cell not in rates:
                rates[cell] = cells.measure(cell)
                outcome.rates.setdefault(cell, []).append(rates[cell])
                console.print(
                    f"  {number}  {cell:<18} {rates[cell]:>10,.0f} /s", style="dim", highlight=False
                )
        outcome.ratios.setdefault(row.letter, []).append(rates[row.ours] / rates[row.floor])


def _figure(console: Console, cells: Cells, outcome: Outcome, name: str) -> None:
    for title, value in figures.measure(name, cells).items():
        outcome.figures[title] = value
        console.print(f"  {title}: {value}", style="dim", highlight=False)


def _print(console: Console, rows: tuple[Row, ...], outcome: Outcome) -> None:
    table = Table(
        title="pointsbank bench", caption=f"PostgreSQL {outcome.postgres}; {outcome.machine}; {_HOW}"
    )
    for heading in ("row", "ours /s", "floor /s", "ratio: median (min–max)", "at least", "stretch", "met"):
        table.add_column(heading, justify="left" if heading == "row" else "right", no_wrap=True)
    for row in rows:
        ratios = outcome.ratios[row.letter]
        middle = median(ratios)
        table.add_row(
            f"{row.letter}  {row.title}",
            f"{median(outcome.rates[row.ours]):,.0f}",
            f"{median(outcome.rates[row.floor]):,.0f}",
            f"{middle:.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            f"{row.at_least:g}",
            f"{row.stretch:g}",
            "stretch" if middle >= row.stretch else "yes" if middle >= row.at_least else "[red]no[/red]",
        )
    console.print(table)
    for title, value in outcome.figures.items():
        console.print(f"{title}: {value}", highlight=False)


_HOW = "fsync and synchronous_commit on, SQLite synchronous FULL; see docs/performance.md"
