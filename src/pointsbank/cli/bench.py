"""`pointsbank bench`: the speed table."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("bench")
@click.option(
    "--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Every row in turn, so often."
)
@click.option("--quick", is_flag=True, help="Shorter runs: about a minute, for a first look.")
@click.option("--only", default="", help="Rows to run, by their letters, such as a,b,g.")
@click.option(
    "--postgres", "postgres_url", metavar="URL", help="A PostgreSQL server to measure on; its own without it."
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the figures here, too."
)
def command(rounds: int, quick: bool, only: str, postgres_url: str | None, json_file: Path | None) -> None:
    """Measure the bank against floors of the same machine in the same run. 性能。

    Every figure is a ratio: hand-written SQL, or an empty HTTP route, is the floor. Everything is durable:
    PostgreSQL with fsync and synchronous_commit on, SQLite with synchronous FULL.
    """
    from pointsbank.bench import run

    raise SystemExit(
        run(rounds=rounds, quick=quick, only=only, postgres_url=postgres_url, json_file=json_file)
    )
