"""`pointsbank merge`: two registrations turn out to be one person. Two members of staff, and two undo it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from pointsbank.access.merge_desk import MergeDesk
from pointsbank.access.model import Actor
from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.desk import at_desk, granted
from pointsbank.cli.terminal import as_coroutine, database_option, policies_for, say
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.changes import Change
from pointsbank.web.closings import merging_by

Act = Callable[[MergeDesk, Actor], Awaitable[Change | Refusal]]


@click.group("merge")
def command() -> None:
    """Two registrations of one person become one. 合并重复登记。

    One member of staff proposes it and another confirms it. Then overlapping hours of the two are taken back, and merit,
    points and debts of the old id move by one visible entry; the old id goes on as an alias. Undoing is an entry, too.
    """


@command.command("propose", short_help="Propose that two ids are one person 提议合并")
@click.argument("old")
@click.argument("into")
@acting_options
@database_option
@as_coroutine
async def propose(old: str, into: str, shown: Shown, database_url: str) -> None:
    """Propose that OLD and INTO are one person, who goes on as INTO; gives the id of the proposal."""

    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.propose(actor, old, into)

    await _carry_out(database_url, shown, act)


@command.command("undo", short_help="Propose to undo a merge 提议撤销合并")
@click.argument("old")
@acting_options
@database_option
@as_coroutine
async def undo(old: str, shown: Shown, database_url: str) -> None:
    """Propose that a merged id is a person of its own again; gives the id of the proposal."""

    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.propose_undoing(actor, old)

    await _carry_out(database_url, shown, act)


@command.command("confirm", short_help="Confirm what another proposed, and move the books 确认")
@click.argument("old")
@click.argument("change")
@acting_options
@database_option
@as_coroutine
async def confirm(old: str, change: str, shown: Shown, database_url: str) -> None:
    """Confirm a merge, or the undoing of one: the books move first. Run it again after an interruption."""

    def act(desk: MergeDesk, actor: Actor) -> Awaitable[Change | Refusal]:
        return desk.confirm(actor, old, change)

    await _carry_out(database_url, shown, act, "people:confirm")


async def _carry_out(database_url: str, shown: Shown, act: Act, action: str = "people:propose") -> None:
    async with at_desk(database_url, action, shown) as (desk, actor):
        merges = MergeDesk(desk, merging_by(desk.ledger, await policies_for(desk.ledger)))
        change = granted(await act(merges, actor))
    say(f"{change.id}\t{change.kind}\t{change.state}\t{change.person_id}")
