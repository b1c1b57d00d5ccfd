"""`pointsbank terminals`: devices at which card and PIN open something. Two persons make one, one takes it away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from pointsbank.access.model import Actor
from pointsbank.access.pins import Pins
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk
from pointsbank.access.terminals import Terminal, TerminalDesk
from pointsbank.cli.acting import logged_in, open_door
from pointsbank.cli.desk import granted
from pointsbank.cli.terminal import as_coroutine, database_option, opened, say
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger, open_ledger


@click.group("terminals")
def command() -> None:
    """Terminals: propose, confirm, revoke, start again. 终端。

    A terminal by itself may do nothing: it says where a card is read, in front of a member of staff who is logged in.
    """


acting = click.option("--login", required=True, help="Your login name; password and code are asked for.")


@command.command("propose", short_help="Propose a terminal for a place 提议终端")
@click.argument("place")
@click.argument("label")
@acting
@database_option
@as_coroutine
async def propose(place: str, label: str, login: str, database_url: str) -> None:
    """Propose a terminal for the place with the id PLACE; another person confirms it. 提议终端。"""
    async with _desk(database_url, login) as (desk, actor, _):
        made = granted(await desk.propose(actor, place, label, _command(actor)))
    say(_line(made))


@command.command("confirm", short_help="Confirm a terminal that another proposed 确认终端")
@click.argument("terminal_id")
@acting
@database_option
@as_coroutine
async def confirm(terminal_id: str, login: str, database_url: str) -> None:
    """Confirm TERMINAL_ID; prints the code with which its device enrols, once. 确认终端，得到登记码。"""
    async with _desk(database_url, login) as (desk, actor, _):
        made = granted(await desk.confirm(actor, terminal_id, _command(actor)))
    say(_line(made.terminal))
    say(f"登记码，只显示这一次 / the device's code, shown this once: {made.code}")


@command.command("revoke", short_help="Make a terminal useless at once 撤销终端")
@click.argument("terminal_id")
@acting
@database_option
@as_coroutine
async def revoke(terminal_id: str, login: str, database_url: str) -> None:
    """Make TERMINAL_ID useless from now on. 撤销终端，立即生效。"""
    async with _desk(database_url, login) as (desk, actor, _):
        granted(await desk.revoke(actor, terminal_id, _command(actor)))
    say(f"已撤销 / revoked  {terminal_id}")


@command.command("restart", short_help="Start a terminal again that failed PINs have stopped 恢复终端")
@click.argument("terminal_id")
@acting
@database_option
@as_coroutine
async def restart(terminal_id: str, login: str, database_url: str) -> None:
    """Start TERMINAL_ID again after the PINs of many cards failed there. 检查后恢复停用的终端。"""
    async with _desk(database_url, login) as (desk, actor, ledger):
        granted(await desk.may_restart(actor, terminal_id))
        ring = KeyRing(ledger, ledger.writer.clock)
        async with open_door(ledger, ring, StaffDesk(ledger, ring)) as door:
            pins = Pins(ledger.id, door.store, door.passwords, door.pepper, ledger.writer.clock)
            await pins.restart(terminal_id)
    say(f"已恢复 / started again  {terminal_id}")


@command.command("list", short_help="Terminals with their places 列出终端")
@acting
@database_option
@as_coroutine
async def list_(login: str, database_url: str) -> None:
    """List terminals with their places and states. 列出终端。"""
    async with _desk(database_url, login) as (desk, actor, _):
        granted(await desk.may_list(actor))
        after = ""
        while page := await desk.list(after=after):
            for one in page:
                say(_line(one))
            after = page[-1].id


@asynccontextmanager
async def _desk(database_url: str, login: str) -> AsyncIterator[tuple[TerminalDesk, Actor, Ledger]]:
    """The desk, with the member of staff who acts at it logged in."""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger:
            ring = KeyRing(ledger, ledger.writer.clock)
            async with logged_in(ledger, ring, StaffDesk(ledger, ring), login) as actor:
                yield TerminalDesk(ledger, ring), actor, ledger
    finally:
        await database.close()


def _command(actor: Actor) -> Command:
    return Command(actor.client, f"cli:{new_id()}", actor.name)


def _line(terminal: Terminal) -> str:
    return f"{terminal.id}  {terminal.state:<9}  {terminal.place}  {terminal.label}"
