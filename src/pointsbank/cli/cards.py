"""`pointsbank cards`: cards of volunteers. Two members of staff issue one; freezing takes one and holds at once."""

from __future__ import annotations

import sys

import click

from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.desk import at_desk, granted
from pointsbank.cli.terminal import as_coroutine, database_option, say
from pointsbank.people.acts import Act, kind_of
from pointsbank.people.cards import ISSUING


@click.group("cards")
def command() -> None:
    """Cards: issue, put another in its place, freeze. 卡。

    What a card holds is shown once, to who confirms it. The balance is the account's: a lost card loses nothing.
    """


@command.command("propose", short_help="Propose a card, or another in place of a lost one 提议办卡")
@click.argument("person_id")
@click.option("--unfreeze", is_flag=True, help="Propose that the frozen card opens again.")
@acting_options
@database_option
@as_coroutine
async def propose(person_id: str, unfreeze: bool, shown: Shown, database_url: str) -> None:
    """Propose a card for PERSON_ID. The card that the person has is dead at once. 提议办卡、补卡。"""
    async with at_desk(database_url, "people:propose", shown) as (desk, actor):
        act = granted(await desk.propose_card(actor, person_id, unfreezes=unfreeze))
    say(f"待另一人确认 / another confirms  {act.kind}  {act.id}")


@command.command("confirm", short_help="Confirm a card that another proposed 确认办卡")
@click.argument("person_id")
@click.argument("act_id")
@acting_options
@database_option
@as_coroutine
async def confirm(person_id: str, act_id: str, shown: Shown, database_url: str) -> None:
    """Confirm the card ACT_ID; prints what goes onto it, this once. 确认办卡，卡码只显示一次。"""
    async with at_desk(database_url, "people:confirm", shown) as (desk, actor):
        if await kind_of(desk.store, person_id, act_id) in ISSUING:
            issued = granted(await desk.confirm_card(actor, person_id, act_id))
            say(f"卡码，只显示这一次 / what the card holds, shown this once: {issued.token}")
            say(f"卡面号码 / printed number: {issued.number}")
            return
        act: Act = granted(await desk.confirm_act(actor, person_id, act_id))
    say(f"已确认 / confirmed  {act.kind}  {act.id}")


@command.command("freeze", short_help="Stop a card at once 冻结")
@click.argument("person_id", required=False)
@click.option("--number", is_flag=True, help="By the printed number, read from standard input.")
@acting_options
@database_option
@as_coroutine
async def freeze(person_id: str | None, number: bool, shown: Shown, database_url: str) -> None:
    """Stop the card of PERSON_ID, or the one whose printed number is on standard input. 立即冻结卡。"""
    if bool(person_id) == number:
        raise click.UsageError("给出人员编号，或 --number / give a person's id, or --number")
    async with at_desk(database_url, "people:freeze", shown) as (desk, actor):
        if person_id:
            granted(await desk.freeze_card(actor, person_id))
        else:
            person_id = granted(await desk.freeze_number(actor, sys.stdin.readline().strip()))
    say(f"已冻结，余额不变 / frozen, the balance stays  {person_id}")
