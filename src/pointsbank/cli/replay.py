"""`pointsbank replay`: a city's data set through the bank, with exactly the right result or a reason why not."""

from __future__ import annotations

from pathlib import Path

import click

from pointsbank.cli.people_of import keys_of
from pointsbank.cli.terminal import Ending, as_coroutine, database_option, progress_bar, say
from pointsbank.hours.refusals import RecordRefused
from pointsbank.market.service import MarketRefused
from pointsbank.people.store import people_store, upgrade_people
from pointsbank.replay.dataset import DatasetError
from pointsbank.replay.run import ReplayRefused, replay
from pointsbank.settings import settings_from
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade


@click.command("replay")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results."
)
@database_option
@as_coroutine
async def command(folder: Path, out: Path, database_url: str) -> None:
    """Run the data set in DIR through the bank and write summary.json and the verdict files. 重放数据集。

    A replay has a ledger of its own in the database, named by the SHA-256 of its input files, so nothing else is
    touched. It can be stopped at any moment, even by force, and goes on where it was; once complete, running it
    again changes nothing. The format is described in tests/data/README.md.
    """
    database = Database(database_url)
    try:
        settings = settings_from(database=database_url)
        await upgrade(database)
        await upgrade_people(settings)
        keys = keys_of(settings, invented=True)
        with progress_bar() as report:
            outcome = await replay(
                folder, out, database, lambda ledger_id: people_store(settings, ledger_id, keys), report
            )
    except DatasetError as error:
        raise Ending(str(error)) from error
    except (ReplayRefused, RecordRefused, MarketRefused) as error:
        raise Ending(f"账本不接受 / the ledger does not take it: {error}") from error
    finally:
        await database.close()
    if outcome.changed:
        say(
            f"完成：{outcome.sequence:,} 笔凭证，结果在 {out} / done: {outcome.sequence:,} entries, results in {out}"
        )
    else:
        say(f"先前已完成，账簿没有变化，结果在 {out} / complete before, nothing changed; results in {out}")
