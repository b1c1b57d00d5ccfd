"""`pointsbank statement`: what moved on an account, newest first, with the balance after each line."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click
import msgspec

from pointsbank.cli.balance import account_argument, holder_of
from pointsbank.cli.terminal import (
    CITY,
    CityDay,
    Ending,
    amount_text,
    as_coroutine,
    database_option,
    ledger_option,
    opened,
    say,
)
from pointsbank.readers.statements import StatementFilter, StatementLine, StatementPage, statement
from pointsbank.store.port import ledger_id_of


@click.command("statement")
@account_argument
@click.option("--kind", default="", help="Only entries of this kind, such as earn or basket.")
@click.option("--since", type=CityDay(), help="First effective date.")
@click.option("--until", type=CityDay(), help="Last effective date.")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Lines of the page."
)
@click.option("--cursor", default="", help="Where the next page begins, as the last page said.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@ledger_option
@database_option
@as_coroutine
async def command(
    account: str | None,
    number: bool,
    kind: str,
    since: date | None,
    until: date | None,
    limit: int,
    cursor: str,
    as_json: bool,
    ledger_name: str,
    database_url: str,
) -> None:
    """A page of an account's statement: its path, or a person's id or --number for the available points. 对账单。

    A number is asked for, or read from standard input: a command line is kept in histories and lists of processes.
    """
    database, ledger_id = opened(database_url), ledger_id_of(ledger_name)
    try:
        path = account or ""
        if number or ":" not in path:
            person, _ = await holder_of(database, ledger_name, database_url, account, number)
            path = f"volunteer:{person}:available"
        page = await database.read(
            statement,
            ledger_id,
            path,
            cursor=cursor,
            limit=limit,
            only=StatementFilter(kind=kind, first_date=since, last_date=until),
        )
    finally:
        await database.close()
    if not isinstance(page, StatementPage):
        raise Ending(f"查不到 {path} / cannot be told: {page}")
    if as_json:
        say(msgspec.json.encode(page).decode())
        return
    say(f"{page.account}  截至凭证 {page.sequence} / as of entry {page.sequence}")
    for line in page.lines:
        say(_text(line))
    if page.next:
        say(f"下一页 / next page: --cursor {page.next}")


def _text(line: StatementLine) -> str:
    when = datetime.fromtimestamp(line.effective_at // 1_000_000, UTC).astimezone(CITY)
    sign = "+" if line.amount > 0 else ""
    return (
        f"{when:%Y-%m-%d %H:%M}  {line.sequence:>9}  {line.kind:<9} "
        f"{sign + amount_text(line.commodity, line.amount):>14} {amount_text(line.commodity, line.total):>14}  "
        f"{line.lot}"
    )
