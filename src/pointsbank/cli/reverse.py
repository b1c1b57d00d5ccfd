"""`pointsbank reverse`: take a posted entry back by its mirror image."""

from __future__ import annotations

import click

from pointsbank.cli.acting import Shown, acting_options, who_acts_on
from pointsbank.cli.terminal import (
    Ending,
    as_coroutine,
    database_option,
    ledger_named,
    ledger_option,
    opened,
    policies_for,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.hours.service import HoursService
from pointsbank.ledger.refusals import Refusal
from pointsbank.market.service import MarketService
from pointsbank.reversals import reverse, whereabouts


@click.command("reverse")
@click.argument("sequence", type=click.IntRange(min=1))
@click.option(
    "--reason", required=True, help="Why, as a short code such as wrong-volunteer; it stands in the journal."
)
@click.option("--key", help="Idempotency key: the same key again does not reverse twice.")
@acting_options
@ledger_option
@database_option
@as_coroutine
async def command(
    sequence: int, reason: str, key: str | None, shown: Shown, ledger_name: str, database_url: str
) -> None:
    """Reverse the entry with this SEQUENCE number. 冲正。

    A mirrored entry is posted that names the original; the original stays. Refused: an entry reversed before, a
    reversal, a basket with returns, a credit of which a lot no longer holds enough.
    """
    database = opened(database_url)
    try:
        async with ledger_named(database, ledger_name) as ledger:
            actor = await who_acts_on(ledger, "reverse", shown, whereabouts, [sequence])
            book = await policies_for(ledger)
            by = actor.name if actor.person else "operator"
            asked = Command("cli", key or f"reverse:{sequence}:{new_id()}", by)
            result = await reverse(
                ledger, HoursService(ledger, book), MarketService(ledger, book), sequence, reason, asked
            )
    finally:
        await database.close()
    if isinstance(result, Refusal):
        raise Ending("未冲正 / not reversed\n" + refusal_text(result))
    for receipt in result:
        say(f"已冲正，凭证号 {receipt.sequence} / reversed by entry {receipt.sequence}")
