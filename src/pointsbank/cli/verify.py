"""`pointsbank verify`: recompute everything, and name what does not hold."""

from __future__ import annotations

import click

from pointsbank.access.verifications import Verification, record_verification
from pointsbank.cli.terminal import (
    Ending,
    as_coroutine,
    database_option,
    ledger_option,
    opened,
    progress_bar,
    say,
)
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.registry import open_ledger
from pointsbank.store.port import ledger_id_of
from pointsbank.verify import UnknownLedger, render, verify


@click.command("verify")
@click.option("--since", "since_sequence", type=click.IntRange(min=1), help="Only from this entry on.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.option("--record", is_flag=True, help="Keep the outcome for the overview page (needs to write).")
@ledger_option
@database_option
@click.pass_context
def command(
    context: click.Context,
    since_sequence: int | None,
    as_json: bool,
    record: bool,
    ledger_name: str,
    database_url: str,
) -> None:
    """Recompute every invariant and name each row that does not hold. 核验。

    Balances are folded anew, every hash is computed again, gaps, keys, triggers and constraints are looked for: by
    code of its own, without changing anything, while the bank goes on. The exit code is 0 only if all holds.
    """
    context.exit(_run(since_sequence, as_json, record, ledger_name, database_url))


def _run(since_sequence: int | None, as_json: bool, record: bool, ledger_name: str, database_url: str) -> int:
    outcome: list[int] = []

    @as_coroutine
    async def run() -> None:
        database = opened(database_url)
        try:
            with progress_bar() as show:
                report = await verify(
                    database,
                    ledger_id_of(ledger_name),
                    since_sequence=since_sequence,
                    on_progress=lambda p: show(p.part, p.done, p.total),
                )
            if record:
                async with open_ledger(database, ledger_name) as ledger:
                    await record_verification(
                        ledger,
                        Verification(
                            SystemClock().now(),
                            report.from_sequence,
                            report.to_sequence,
                            report.checked.get("entries", 0),
                            report.total_findings,
                            int(report.seconds * 1000),
                        ),
                    )
        except UnknownLedger as error:
            raise Ending(str(error)) from error
        finally:
            await database.close()
        say(report.to_json() if as_json else render(report))
        outcome.append(report.exit_code)

    run()
    return outcome[0]
