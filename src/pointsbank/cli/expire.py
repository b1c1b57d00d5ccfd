"""`pointsbank expire`: expired points leave the wallets by posted entries."""

from __future__ import annotations

from datetime import date

import click

from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    ledger_named,
    ledger_option,
    opened,
    policies_for,
    progress_bar,
    say,
)
from pointsbank.engine.clock import SystemClock
from pointsbank.points.service import ExpiryRefused, expire
from pointsbank.policy.calendar import city_day
from pointsbank.store.profile import profile_of


@click.command("expire")
@click.option(
    "--as-of", type=CityDay(), help="Take lots whose last day is before this one.  [default: today]"
)
@ledger_option
@database_option
@as_coroutine
async def command(as_of: date | None, ledger_name: str, database_url: str) -> None:
    """Take every expired lot out of the wallets. 积分到期处理。

    Run it every night; a spend posts what is due by itself, so the moment of the run never matters. It may be
    stopped and run again: no lot is taken twice. A day in the future is refused, except
    in the ledger of a replay.
    """
    database, taken = opened(database_url), 0
    try:
        async with ledger_named(database, ledger_name) as ledger:
            zone = (await policies_for(ledger)).policies[-1].timezone
            today = city_day(SystemClock().now(), zone)
            day = as_of or today
            if day > today and await database.read(profile_of, ledger.id) != "replay":
                raise Ending(
                    f"{day} 在将来，积分不能提前过期 / {day} is in the future: points do not expire early"
                )
            with progress_bar() as report:
                async for count in expire(ledger, day, zone):
                    taken += count
                    report("expire", taken, 0)
    except ExpiryRefused as error:
        raise Ending(
            f"未能全部处理，已过期 {taken:,} 个批次：{error}。请重新运行。\n"
            f"Not complete after {taken:,} lots: {error}. Run it again."
        ) from error
    finally:
        await database.close()
    say(f"{taken:,} 个批次已过期 / {taken:,} lots expired as of {day}")
