"""`pointsbank release`: points whose public notice has ended become available."""

from __future__ import annotations

from datetime import date

import click

from pointsbank.access.policies import admit_policies
from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    ledger_named,
    ledger_option,
    opened,
    policies,
    progress_bar,
    say,
)
from pointsbank.engine.clock import SystemClock
from pointsbank.hours.service import HoursService
from pointsbank.policy.calendar import city_day


@click.command("release")
@click.option("--as-of", type=CityDay(), help="Release what may be spent from this day on.  [default: today]")
@ledger_option
@database_option
@as_coroutine
async def command(as_of: date | None, ledger_name: str, database_url: str) -> None:
    """Post points whose public notice has ended to the wallets. 公示期满，积分入账。

    Run it every morning. It may be stopped and run again at any time: nothing is released twice. A day
    in the future is refused, except in the ledger of a replay.
    """
    book = policies()
    today = city_day(SystemClock().now(), book.policies[-1].timezone)
    day = as_of or today
    database = opened(database_url)
    try:
        async with ledger_named(database, ledger_name) as ledger:
            if await admit_policies(ledger, book) != "replay" and day > today:
                raise Ending(
                    f"{day} 在将来，公示期不能提前结束 / {day} is in the future: a notice does not end early"
                )
            released = 0
            with progress_bar() as report:
                async for count in HoursService(ledger, book).release(day):
                    released += count
                    report("release", released, 0)
    finally:
        await database.close()
    say(f"{released:,} 条记录的积分已入账 / points of {released:,} records released as of {day}")
