"""`pointsbank balance`: what an account or a volunteer holds, now or at an earlier moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

import click
import msgspec

from pointsbank.cli.people_of import number_typed, people_of
from pointsbank.cli.terminal import (
    CITY,
    Ending,
    amount_text,
    as_coroutine,
    database_option,
    ledger_option,
    opened,
    policies_to_read,
    refusal_text,
    say,
)
from pointsbank.engine.registry import ledger_to_read
from pointsbank.people.directory import NUMBER
from pointsbank.people.identity import masked_number
from pointsbank.people.model import SearchLimits
from pointsbank.people.refusals import SearchLimitReached
from pointsbank.people.registry import Registry
from pointsbank.people.volunteers import registered
from pointsbank.policy.calendar import city_day
from pointsbank.readers.balances import AccountBalance, Wallet, balance, wallet
from pointsbank.replay.dataset import is_replay
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

T = TypeVar("T")

SHELL: Final = "operator"
"""Who looks at the machine itself without a log-in, as who-saw-whom names them."""

_PERSON_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def account_argument(command: Callable[..., T]) -> Callable[..., T]:
    """An account's path or a person's id, or `--number`: the same for every verb that looks at an account."""
    with_number = click.option(
        "--number", is_flag=True, help="The volunteer whose number is on standard input."
    )(command)
    return click.argument("account", metavar="[PATH|PERSON_ID]", required=False)(with_number)


@click.command("balance")
@account_argument
@click.option("--at-sequence", type=click.IntRange(min=0), help="As of this entry.")
@click.option(
    "--at-time",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]),
    help="As of this moment of recording, city time.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@ledger_option
@database_option
@as_coroutine
async def command(
    account: str | None,
    number: bool,
    at_sequence: int | None,
    at_time: datetime | None,
    as_json: bool,
    ledger_name: str,
    database_url: str,
) -> None:
    """What an account holds: its path, or a person's id or --number for a volunteer's whole wallet. 余额。

    A number is asked for, or read from standard input: a command line is kept in histories and lists of processes.
    Every answer names the entry that it is as of. Of a time it is the last entry recorded at or before it.
    """
    moment = None if at_time is None else int(at_time.replace(tzinfo=CITY).timestamp()) * 1_000_000
    database, ledger_id = opened(database_url), ledger_id_of(ledger_name)
    try:
        path, person, shown = account or "", "", ""
        if number or ":" not in path:
            person, shown = await holder_of(database, ledger_name, database_url, account, number)
            path = f"volunteer:{person}:available"
        answer: object
        if person and at_sequence is None and moment is None:
            answer = await database.read(wallet, ledger_id, person)
        else:
            answer = await database.read(balance, ledger_id, path, sequence=at_sequence, recorded_at=moment)
    finally:
        await database.close()
    if not isinstance(answer, AccountBalance | Wallet):
        raise Ending(f"查不到 {path} / cannot be told: {answer}")
    if as_json:
        say(msgspec.json.encode(answer).decode())
    elif isinstance(answer, Wallet):
        _show_wallet(shown, answer)
    else:
        _show_account(answer)


async def holder_of(
    database: Database, ledger_name: str, database_url: str, account: str | None, by_number: bool
) -> tuple[str, str]:
    """The id of who was named by id or by a number on standard input, and how a screen names them.

    A number is counted and logged as a search of the shell's. Raises UsageError for a number on the command line, and
    Ending if nobody has the number or too many were asked for.
    """
    if by_number == bool(account):
        raise click.UsageError(
            "给出账户路径或人员编号，或 --number / give a path or a person's id, or --number"
        )
    if account is not None:
        if not _PERSON_ID.fullmatch(account):
            raise click.UsageError(
                "志愿者编号不写在命令行上：请用 --number，再输入编号\n"
                "A volunteer number does not stand on a command line: use --number and type it, "
                "or give it on standard input"
            )
        return account, account
    number = number_typed()
    ledger = ledger_to_read(database, ledger_name)
    async with people_of(ledger, database_url, exact=is_replay(ledger_name)) as directory:
        book = await policies_to_read(ledger)
        rules = book.protecting(city_day(directory.store.clock.now(), book.policies[-1].timezone)).people
        limits = SearchLimits(rules.searches_hour, rules.searches_day)
        searched = await Registry(directory.store, limits=limits).find(NUMBER, number, SHELL)
        if isinstance(searched, SearchLimitReached):
            raise Ending(refusal_text(searched))
        found = await directory.by_number([number])
        ours = await database.read(registered, ledger.id, [person.id for person in found.values()])
    if number not in found or found[number].id not in ours:
        raise Ending("没有这个编号的志愿者 / nobody has this volunteer number")
    return found[number].id, masked_number(number)


def _show_wallet(holder: str, wallet: Wallet) -> None:
    say(f"志愿者 {holder}  截至凭证 {wallet.sequence} / as of entry {wallet.sequence}")
    say(f"  可用 available      {amount_text('POINT', wallet.available):>14}")
    say(f"  公示中 pending      {amount_text('POINT', wallet.pending):>14}")
    say(f"  冻结 held           {amount_text('POINT', wallet.held):>14}")
    if wallet.expiring_on:
        say(f"  {wallet.expiring_on} 到期 expiring {amount_text('POINT', wallet.expiring):>12}")
    say(f"  服务时长 merit      {wallet.merit_minutes:>10,} 分钟 min")


def _show_account(answer: AccountBalance) -> None:
    say(f"{answer.account}  截至凭证 {answer.sequence} / as of entry {answer.sequence}")
    for held in answer.commodities:
        say(f"  {held.commodity:<12} {amount_text(held.commodity, held.total):>16}")
        for lot in held.lots:
            if lot.lot != "-":
                say(f"    {lot.lot:<30} {amount_text(held.commodity, lot.balance):>16}")
