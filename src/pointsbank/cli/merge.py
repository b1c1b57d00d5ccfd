"""`pointsbank merge`: two registrations turn out to be one person. Two members of staff, and two undo it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import click

from pointsbank.activities.ports import By
from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.activities import acting_desks, granted, register_of
from pointsbank.cli.terminal import CITY, Ending, as_coroutine, database_option, policies, say
from pointsbank.hours.merging import MergePostings
from pointsbank.hours.settling import living_with
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.changes import Change
from pointsbank.people.merging import Merging

Act = Callable[[Merging, By, frozenset[str], MergePostings], Awaitable[Change | Refusal]]


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

    async def act(desk: Merging, by: By, household: frozenset[str], books: MergePostings) -> Change | Refusal:
        return await desk.propose(old, into, by.name, household=household)

    await _carry_out(database_url, shown, (old, into), act)


@command.command("undo", short_help="Propose to undo a merge 提议撤销合并")
@click.argument("old")
@acting_options
@database_option
@as_coroutine
async def undo(old: str, shown: Shown, database_url: str) -> None:
    """Propose that a merged id is a person of its own again; gives the id of the proposal."""

    async def act(desk: Merging, by: By, household: frozenset[str], books: MergePostings) -> Change | Refusal:
        return await desk.propose_undoing(old, by.name, household=household)

    await _carry_out(database_url, shown, (old,), act)


@command.command("confirm", short_help="Confirm what another proposed, and move the books 确认")
@click.argument("old")
@click.argument("change")
@acting_options
@database_option
@as_coroutine
async def confirm(old: str, change: str, shown: Shown, database_url: str) -> None:
    """Confirm a merge, or the undoing of one: the books move first. Run it again after an interruption."""

    async def act(desk: Merging, by: By, household: frozenset[str], books: MergePostings) -> Change | Refusal:
        return await desk.confirm(old, change, by.name, books.post, household=household)

    await _carry_out(database_url, shown, (old,), act, "people:confirm")


async def _carry_out(
    database_url: str, shown: Shown, people: tuple[str, ...], act: Act, scope: str = "people:propose"
) -> None:
    async with _desk(database_url, shown, people, scope) as (desk, by, household, books):
        change = granted(await act(desk, by, household, books))
    say(f"{change.id}\t{change.kind}\t{change.state}\t{change.person_id}")


@asynccontextmanager
async def _desk(
    database_url: str, shown: Shown, people: tuple[str, ...], scope: str
) -> AsyncIterator[tuple[Merging, By, frozenset[str], MergePostings]]:
    """The desk of merges, who acts, who lives with the people concerned, and the books."""
    async with (
        acting_desks(database_url, shown, scope) as (desks, by, _),
        register_of(database_url) as register,
    ):
        if not by.person:
            raise Ending("合并须由登录的工作人员办理 / a merge is done by members of staff who are logged in")
        if register is None:
            raise Ending("没有个人资料库 / there is no people store")
        ledger = desks.ledger
        today = datetime.now(CITY).date()
        household = await ledger.database.read(living_with, ledger.id, people, today)
        yield Merging(register.store), by, household, MergePostings(ledger, policies(), by)
