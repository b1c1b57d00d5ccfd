"""The speed table: ratios against floors that are measured in turn, in the same run, on the same machine."""

from __future__ import annotations

from pathlib import Path


def run(
    rounds: int = 3,
    quick: bool = False,
    only: str = "",
    postgres_url: str | None = None,
    json_file: Path | None = None,
) -> int:
    """Measure and print the table; 0 if every row met its "at least", 1 if not, 2 if `only` names no row.

    `quick` measures one round of short runs: a first look of a minute or two, with wide swings. `only` names
    rows by letter and figures by name, between commas. Without `postgres_url` a server is started for the run.
    """
    from pointsbank.bench.table import (
        measure_and_print,  # what is imported here a measuring process would load, too
    )

    return measure_and_print(rounds, quick, only, postgres_url, json_file)
