"""`pointsbank policy`: a policy is checked before it comes into force, and two people say that it may rule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from pointsbank.access.model import Actor
from pointsbank.access.policies import PolicyChange, PolicyDesk, changes_of_policies, digest_of
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk
from pointsbank.cli.acting import logged_in
from pointsbank.cli.terminal import (
    Ending,
    as_coroutine,
    database_option,
    name_unimplemented,
    opened,
    policies,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import ledger_to_read, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.load import PolicyErrors


@click.group("policy")
def command() -> None:
    """Policies: the rates, caps, deadlines, prices and limits of the programme. 规则。

    In a ledger with staff, changed policies rule only after one policy owner has proposed them and another has approved
    them; until then the service does not start with them, and no verb works by them.
    """


acting = click.option("--login", required=True, help="Your login name; password and code are asked for.")


@command.command("check", short_help="Name every error of a file or folder 检查规则")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
def check(path: Path | None) -> None:
    """Check a policy file or a folder of dated policies, and name every error. 检查规则。"""
    try:
        book = policies(str(path) if path else "")
    except PolicyErrors as error:
        raise Ending(str(error)) from error
    name_unimplemented(book)
    for policy in book.policies:
        say(f"{policy.version}  {policy.valid_from} – {policy.valid_to}  {policy.city}")
        say(
            f"  {len(policy.categories)} 类服务 / categories, {len(policy.goods)} 种商品 / goods, "
            f"公示 {policy.public_notice_days} 个工作日 / working days of notice"
        )
    say(f"摘要 / digest {digest_of(book)}")


@command.command("propose", short_help="Propose that policies rule 提出规则变更")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--document", default="", help="Number of the city's decision.")
@acting
@database_option
@as_coroutine
async def propose(path: Path | None, document: str, login: str, database_url: str) -> None:
    """Propose that the policies at PATH, a file or folder, rule; without PATH those of the settings."""
    book = policies(str(path) if path else "")
    async with _desk(database_url, login) as (desk, actor, asked):
        _say(await desk.propose(actor, book, asked, document_no=document))


@command.command("decide", short_help="Decide on proposed policies 审定规则变更")
@click.argument("change")
@click.option("--approve/--refuse", required=True, default=None, help="What is decided.")
@acting
@database_option
@as_coroutine
async def decide(change: str, approve: bool, login: str, database_url: str) -> None:
    """Decide on policies that another person proposed. Compare the digest with that of `pointsbank policy check`."""
    async with _desk(database_url, login) as (desk, actor, asked):
        _say(await desk.decide(actor, change, asked, approve=approve))


@command.command("changes", short_help="Which policies rule, and what was proposed 规则变更记录")
@database_option
@as_coroutine
async def changes(database_url: str) -> None:
    """What was proposed, the newest first; of the approved ones that with the highest number rules."""
    database = opened(database_url)
    try:
        found = await database.read(changes_of_policies, ledger_to_read(database).id)
    finally:
        await database.close()
    for change in found:
        _say(change)


@asynccontextmanager
async def _desk(database_url: str, login: str) -> AsyncIterator[tuple[PolicyDesk, Actor, Command]]:
    """The desk, with the member of staff who acts at it logged in."""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger:
            ring = KeyRing(ledger, ledger.writer.clock)
            async with logged_in(ledger, ring, StaffDesk(ledger, ring), login) as actor:
                asked = Command(actor.client, f"cli:{new_id()}", actor.name)
                yield PolicyDesk(ledger, ring), actor, asked
    finally:
        await database.close()


def _say(change: PolicyChange | Refusal) -> None:
    if isinstance(change, Refusal):
        raise Ending(refusal_text(change))
    decided = f"\t{change.decided_by}" if change.decided_by else ""
    say(
        f"{change.change_id}\t{change.state}\t{change.number}\t{change.document_no}\t{change.proposed_by}{decided}"
    )
    say(f"  摘要 / digest {change.digest}")
    for version in change.versions.splitlines():
        say(f"  {version}")
