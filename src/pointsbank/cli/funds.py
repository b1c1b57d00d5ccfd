"""`pointsbank funds`: what the funds stand for, and their budgets, each change by two people."""

from __future__ import annotations

from typing import Any

import click

from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.activities import acting_desks, granted
from pointsbank.cli.terminal import (
    as_coroutine,
    database_option,
    opened,
    points_text,
    policies_for,
    policies_to_read,
    say,
)
from pointsbank.engine.registry import ledger_to_read
from pointsbank.funds.postings import BudgetChange
from pointsbank.funds.reading import funds
from pointsbank.funds.service import Budgets, changes_of
from pointsbank.policy.calendar import city_day


class Points(click.ParamType[int]):
    """Points with at most two decimals, as hundredths."""

    name = "points"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).removeprefix("+")
        whole, dot, part = text.removeprefix("-").partition(".")
        if not (whole.isascii() and whole.isdigit()) or (dot and not (part.isdigit() and len(part) <= 2)):
            self.fail(f"{value} 不是积分数 / is no number of points such as 1000 or -20.50", param, ctx)
        hundredths = int(whole) * 100 + int((part + "00")[:2])
        return -hundredths if text.startswith("-") else hundredths


@click.group("funds")
def command() -> None:
    """Funds: who stands for the points, and how many. 基金。

    A budget is proposed by one person and decided by another; it never falls below what is issued. The first budget of a
    new code opens a fund.
    """


@command.command("list", short_help="Budget, issued, promised, burn rate, queue 概况")
@database_option
@as_coroutine
async def list_funds(database_url: str) -> None:
    """Every fund: budget, issued, free, outstanding and its worth, points a day, and what waits for it."""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        policy = (await policies_to_read(ledger)).policies[-1]
        today = city_day(ledger.writer.clock.now(), policy.timezone)
        found = await database.read(funds, ledger.id, today, policy.timezone, policy.fen_per_point)
    finally:
        await database.close()
    say(
        "fund\tbudget\tissued\tfree\toutstanding\tyuan\towed\tlost\tissued/day 30 90\tspent/day 30 90\twaiting"
    )
    for fund in found:
        yuan = (
            "" if fund.liability_fen is None else f"{fund.liability_fen // 100}.{fund.liability_fen % 100:02}"
        )
        figures = (fund.issued, fund.outstanding, fund.owed, fund.lost, *fund.issued_a_day, *fund.spent_a_day)
        issued, outstanding, owed, lost, *a_day = map(points_text, figures)
        budget = "-" if fund.budget is None else points_text(fund.budget)
        free = "-" if fund.free is None else points_text(fund.free)
        say(
            f"{fund.fund}\t{budget}\t{issued}\t{free}\t{outstanding}\t{yuan}\t{owed}\t{lost}\t"
            f"{a_day[0]} {a_day[1]}\t{a_day[2]} {a_day[3]}\t{fund.waiting} ({points_text(fund.unfunded)})"
        )


@command.command("changes", short_help="Changes of budgets 预算调整记录")
@click.argument("fund", default="")
@database_option
@as_coroutine
async def changes(fund: str, database_url: str) -> None:
    """Changes of budgets, the newest first: of one fund, or of all."""
    database = opened(database_url)
    try:
        found = await database.read(changes_of, ledger_to_read(database).id, fund)
    finally:
        await database.close()
    for change in found:
        _say(change)


@command.command("propose", short_help="Propose to raise or cut a budget 申请调整")
@click.argument("fund")
@click.argument("points", type=Points())
@click.option("--document", default="", help="Number of the city's decision.")
@acting_options
@database_option
@as_coroutine
async def propose(fund: str, points: int, document: str, shown: Shown, database_url: str) -> None:
    """Propose to raise a budget by POINTS; after `--`, below 0, to cut it. The first one opens the fund."""
    async with acting_desks(database_url, shown, "funds:manage") as (desks, by, asked):
        desk = Budgets(desks.ledger, await policies_for(desks.ledger))
        _say(granted(await desk.propose(fund, points, by, asked, document_no=document)))


@command.command("decide", short_help="Decide a proposed change 审定")
@click.argument("change")
@click.option("--approve/--refuse", required=True, default=None, help="What is decided.")
@acting_options
@database_option
@as_coroutine
async def decide(change: str, approve: bool, shown: Shown, database_url: str) -> None:
    """Decide a change that another person proposed; a raise then pays what waits for the fund."""
    async with acting_desks(database_url, shown, "funds:manage") as (desks, by, asked):
        desk = Budgets(desks.ledger, await policies_for(desks.ledger))
        _say(granted(await desk.decide(change, by, asked, approve=approve)))


def _say(change: BudgetChange) -> None:
    decided = f"\t{change.decided_by}" if change.decided_by else ""
    say(
        f"{change.change_id}\t{change.fund}\t{points_text(change.points)}\t{change.state}\t{change.document_no}\t"
        f"{change.proposed_by}{decided}"
    )
