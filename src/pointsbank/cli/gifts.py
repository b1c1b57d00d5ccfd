"""`pointsbank gifts`: points that somebody gives to the household or to the fund. Two members of staff, and a delay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from pointsbank.access.model import Actor
from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.desk import at_desk, granted
from pointsbank.cli.terminal import as_coroutine, database_option, policies_for, say
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.hours.gift_desk import GiftDesk
from pointsbank.hours.giving import Gift
from pointsbank.ledger.refusals import Refusal

Act = Callable[[GiftDesk, Actor, Command], Awaitable[Gift | Refusal]]


@click.group("gifts")
def command() -> None:
    """Points that somebody gives away. 积分转赠。

    They go to the fund they came from, or to a member of the household, and to nobody else. One member of staff
    proposes it, the giver and the helpers are told, and after the delay another confirms it; anybody may stop it before.
    Thirty days after its delay a proposal lapses.
    """


@command.command("propose", short_help="Propose that somebody gives points 提议转赠")
@click.argument("giver")
@click.argument("points", type=click.IntRange(min=1))
@click.option(
    "--to", "taker", default="", help="Id of a member of the household; the fund without it. 受赠人"
)
@acting_options
@database_option
@as_coroutine
async def propose(giver: str, points: int, taker: str, shown: Shown, database_url: str) -> None:
    """Propose that GIVER (id) gives POINTS hundredths of a point; shows the id of the gift."""

    def act(desk: GiftDesk, actor: Actor, command: Command) -> Awaitable[Gift | Refusal]:
        return desk.propose(actor, giver, taker, points, command)

    await _carry_out(database_url, shown, act, "people:propose")


@command.command("confirm", short_help="Confirm what another proposed: the points move 确认")
@click.argument("giver")
@click.argument("gift")
@acting_options
@database_option
@as_coroutine
async def confirm(giver: str, gift: str, shown: Shown, database_url: str) -> None:
    """Confirm a gift after its delay."""

    def act(desk: GiftDesk, actor: Actor, command: Command) -> Awaitable[Gift | Refusal]:
        return desk.confirm(actor, giver, gift, command)

    await _carry_out(database_url, shown, act, "people:confirm")


@command.command("stop", short_help="Stop a gift that waits 中止")
@click.argument("giver")
@click.argument("gift")
@acting_options
@database_option
@as_coroutine
async def stop(giver: str, gift: str, shown: Shown, database_url: str) -> None:
    """Stop a gift that nobody has confirmed; one is enough."""

    def act(desk: GiftDesk, actor: Actor, command: Command) -> Awaitable[Gift | Refusal]:
        return desk.call_off(actor, giver, gift, command)

    await _carry_out(database_url, shown, act, "people:freeze")


@command.command("list", short_help="What somebody gave or is to give 转赠记录")
@click.argument("giver")
@acting_options
@database_option
@as_coroutine
async def list_(giver: str, shown: Shown, database_url: str) -> None:
    """The gifts of GIVER, newest first."""
    async with at_desk(database_url, "people:read", shown) as (desk, actor):
        found = granted(await GiftDesk(desk, await policies_for(desk.ledger)).of(actor, giver))
    for gift in found:
        say(_line(gift))


async def _carry_out(database_url: str, shown: Shown, act: Act, action: str) -> None:
    async with at_desk(database_url, action, shown) as (desk, actor):
        gifts = GiftDesk(desk, await policies_for(desk.ledger))
        gift = granted(await act(gifts, actor, Command("cli", f"gift:{new_id()}", actor.name)))
    say(_line(gift))


def _line(gift: Gift) -> str:
    return f"{gift.gift_id}\t{gift.state}\t{gift.points}\t{gift.taker or 'fund 基金'}"
