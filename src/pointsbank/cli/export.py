"""`pointsbank export`: the journal for the tools that accountants trust."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Literal

import click

from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    ledger_option,
    opened,
    progress_bar,
    stderr,
)
from pointsbank.export import ExportError, export_journal
from pointsbank.store.port import ledger_id_of


@click.command("export")
@click.argument("format", type=click.Choice(["hledger", "beancount", "csv"]))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: standard output]",
)
@click.option("--since", type=CityDay(), help="First effective date.")
@click.option("--until", type=CityDay(), help="Last effective date.")
@ledger_option
@database_option
@as_coroutine
async def command(
    format: Literal["hledger", "beancount", "csv"],  # noqa: A002 - the word on the command line
    out: Path | None,
    since: date | None,
    until: date | None,
    ledger_name: str,
    database_url: str,
) -> None:
    """Write the journal as hledger, beancount or CSV. 导出账簿。

    `hledger check --strict` and `bean-check` accept what comes out, and their balances are ours: docs/export.md.
    It works while the bank serves, up to the entry that is the newest when it begins.
    """
    database = opened(database_url)
    part = out.with_name(out.name + ".part") if out else None
    try:
        with progress_bar() as report:
            if part is None or out is None:
                sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
                done = await export_journal(
                    database,
                    ledger_id_of(ledger_name),
                    format,
                    sys.stdout,
                    since=since,
                    until=until,
                    on_progress=lambda d, t: report("export", d, t),
                )
            else:
                with part.open("w", encoding="utf-8", newline="") as file:
                    done = await export_journal(
                        database,
                        ledger_id_of(ledger_name),
                        format,
                        file,
                        since=since,
                        until=until,
                        on_progress=lambda d, t: report("export", d, t),
                    )
                part.replace(out)
    except ExportError as error:
        raise Ending(str(error)) from error
    finally:
        await database.close()
    stderr.print(f"{done.entries:,} 笔凭证 / entries, {done.postings:,} 笔分录 / postings", highlight=False)
