"""`pointsbank demo`: a whole invented city to try things in."""

from __future__ import annotations

import click

from pointsbank.app import run
from pointsbank.cli.people_of import keys_of
from pointsbank.cli.terminal import Ending, as_coroutine, database_option, progress_bar, say
from pointsbank.demo import DemoRefused, DemoSummary, demo_credentials, load_demo
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.people.store import people_store, upgrade_people
from pointsbank.settings import settings_from
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of
from pointsbank.store.schema import upgrade


@click.command("demo")
@click.option("--volunteers", type=click.IntRange(100, 5_000_000), default=20_000, show_default=True)
@click.option("--records", type=click.IntRange(min=0), help="Service records.  [default: 5 a volunteer]")
@click.option(
    "--baskets", type=click.IntRange(min=0), help="Baskets of goods.  [default: 3 for 4 volunteers]"
)
@click.option("--serve", is_flag=True, help="Serve the city when it is loaded.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8000]")
@database_option
def command(
    volunteers: int,
    records: int | None,
    baskets: int | None,
    serve: bool,
    host: str | None,
    port: int | None,
    database_url: str,
) -> None:
    """Load the demo city: Harbin's places, invented people, real rules. 演示城市。

    18 centres, 303 sub-centres, 2,930 stations, 4,107 teams; hours, baskets and returns through the same doors as
    in a real city. It may be stopped and started again; a loaded city is left as it is.
    """
    _load(volunteers, records, baskets, database_url, host, port)
    if serve:
        run(settings_from(database=database_url, host=host, port=port, demo=True))


@as_coroutine
async def _load(
    volunteers: int,
    records: int | None,
    baskets: int | None,
    database_url: str,
    host: str | None,
    port: int | None,
) -> None:
    settings = settings_from(database=database_url, host=host, port=port, demo=True)
    database = Database(database_url)
    try:
        await upgrade(database)
        await upgrade_people(settings)
        people = people_store(settings, ledger_id_of(CITY_LEDGER), keys_of(settings))
        with progress_bar() as report:
            summary = await load_demo(
                database, people, volunteers=volunteers, records=records, baskets=baskets, on_progress=report
            )
        credentials = summary.credentials
        if summary.already_loaded:
            async with open_ledger(database) as ledger:
                credentials = await demo_credentials(ledger)
    except DemoRefused as error:
        raise Ending(str(error)) from error
    finally:
        await database.close()
    _say(summary, database)
    say(f"\n  网址 address   http://{settings.host}:{settings.port}/")
    say("  密钥 keys, shown this once:")
    for credential in credentials:
        say(f"    {credential.role:<10} {credential.token}  {credential.label}")


def _say(summary: DemoSummary, database: Database) -> None:
    if summary.already_loaded:
        say(f"演示城市已在 {database.public_url} / the demo city is there already")
    else:
        say(f"演示城市已装入 {database.public_url} / the demo city is loaded")
    for line in summary.lines():
        say(f"  {line}")
