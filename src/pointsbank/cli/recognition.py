"""`pointsbank recognition`: stars and prizes from merit, candidate lists of a year, honours."""

from __future__ import annotations

from datetime import date

import click

from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    ledger_named,
    opened,
    policies_for,
    policies_to_read,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import CITY_LEDGER, Ledger, ledger_to_read
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day
from pointsbank.recognition.figures import lifetime_minutes, year_minutes
from pointsbank.recognition.scheme import Scheme, load_schemes, shipped_schemes
from pointsbank.recognition.service import KINDS, MOST_WANTED, CandidateList, Recognition, honours_of, list_of

DECIDE = "recognition:decide"


@click.group("recognition")
def command() -> None:
    """Stars, prizes and honours, from merit minutes and never from points. 星级与表彰。

    People and groups are named by their ids. An honour gives no points by itself.
    """


@command.command("standing", short_help="Where somebody stands in every scheme 查星级")
@click.argument("person")
@database_option
@as_coroutine
async def standing(person: str, database_url: str) -> None:
    """Where the person with this id stands in every scheme in force, and their honours. 查星级与荣誉。"""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        today = _today(ledger, await policies_to_read(ledger))
        lifetime = (await database.read(lifetime_minutes, ledger.id, [person]))[person]
        this_year = (await database.read(year_minutes, ledger.id, today.year, [person]))[person]
        granted = await database.read(honours_of, ledger.id, person)
    finally:
        await database.close()
    for scheme in load_schemes(shipped_schemes()).schemes:
        if scheme.valid_from <= today <= scheme.valid_to:
            minutes = this_year if scheme.basis == "year" else lifetime
            found = scheme.standing(minutes)
            level = found.level.name if found.level else "—"
            say(f"{scheme.title}  {level}  {minutes:,} min  还差 to the next {found.next_minutes:,} min")
    for honour in granted:
        say(f"{honour.granted_on}  {honour.title}  {honour.granted_by}  {honour.document_no}  {honour.state}")


@command.command("freeze", short_help="Draw up the candidate list of a year 生成名单")
@click.argument("year", type=click.IntRange(2000, 2999))
@click.option("--scheme", "scheme_name", required=True, help="Name of the scheme whose levels are shown.")
@click.option("--size", type=click.IntRange(1, MOST_WANTED), default=100, show_default=True)
@click.option("--of", "kind", type=click.Choice(KINDS), default="person", show_default=True)
@click.option("--key", help="Idempotency key: the same key again gives the same list.")
@acting_options
@database_option
@as_coroutine
async def freeze(
    year: int, scheme_name: str, size: int, kind: str, key: str | None, shown: Shown, database_url: str
) -> None:
    """Draw up the list of a year that is over: those with the most minutes, all of a tie at the end. 生成年度名单。

    The list never changes afterwards. Refused while a record of the year stands on public notice.
    """
    database = opened(database_url)
    try:
        async with ledger_named(database, CITY_LEDGER) as ledger:
            actor = await who_acts(ledger, DECIDE, shown)
            asked = Command("cli", key or f"list:{new_id()}", actor.name)
            made = await (await _desk(ledger)).freeze(
                _scheme(scheme_name, year), year, size, asked, kind=kind
            )
    finally:
        await database.close()
    if isinstance(made, Refusal):
        raise Ending(refusal_text(made))
    say(f"名单 list {made.id}  凭证号 as of entry {made.as_of}")
    _show(made)


@command.command("list", short_help="A frozen list 查名单")
@click.argument("list_id")
@database_option
@as_coroutine
async def list_(list_id: str, database_url: str) -> None:
    """Show a list as it was frozen. 查看已生成的名单。"""
    database = opened(database_url)
    try:
        found = await database.read(list_of, ledger_to_read(database).id, list_id)
    finally:
        await database.close()
    if found is None:
        raise Ending(f"没有名单 {list_id} / there is no list {list_id}")
    _show(found)


@command.command("honour", short_help="Keep an honour that was decided 登记荣誉")
@click.argument("subject")
@click.option("--title", required=True, help="Name of the honour.")
@click.option("--on", "day", type=CityDay(), required=True, help="Day of the decision.")
@click.option("--granted-by", required=True, help="Who granted it.")
@click.option("--document", "document_no", required=True, help="Number of the decision.")
@acting_options
@database_option
@as_coroutine
async def honour(
    subject: str, title: str, day: date, granted_by: str, document_no: str, shown: Shown, database_url: str
) -> None:
    """Keep an honour of a person or group (by id), with the number of the decision that granted it. 登记荣誉。"""
    database = opened(database_url)
    try:
        async with ledger_named(database, CITY_LEDGER) as ledger:
            actor = await who_acts(ledger, DECIDE, shown)
            asked = Command("cli", f"honour:{new_id()}", actor.name)
            done = await (await _desk(ledger)).record_honour(
                subject, title, day, granted_by, document_no, asked
            )
    finally:
        await database.close()
    if isinstance(done, Refusal):
        raise Ending(refusal_text(done))
    say("已登记 / on file")


@command.command("revoke", short_help="Revoke an honour by a new record 撤销荣誉")
@click.argument("honour_id")
@click.option("--on", "day", type=CityDay(), required=True, help="Day of the decision.")
@click.option("--decided-by", required=True, help="Who decided it.")
@click.option("--document", "document_no", required=True, help="Number of the decision.")
@acting_options
@database_option
@as_coroutine
async def revoke(
    honour_id: str, day: date, decided_by: str, document_no: str, shown: Shown, database_url: str
) -> None:
    """Revoke an honour by a new record that names it; both stay visible. 撤销荣誉。"""
    database = opened(database_url)
    try:
        async with ledger_named(database, CITY_LEDGER) as ledger:
            actor = await who_acts(ledger, DECIDE, shown)
            asked = Command("cli", f"revoke-honour:{new_id()}", actor.name)
            done = await (await _desk(ledger)).revoke(honour_id, day, decided_by, document_no, asked)
    finally:
        await database.close()
    if isinstance(done, Refusal):
        raise Ending(refusal_text(done))
    say("已撤销 / revoked")


def _show(made: CandidateList) -> None:
    for one in made.candidates:
        say(f"{one.rank:>6}  {one.subject}  {one.minutes:>9,} min  {one.level}{'  并列 tied' * one.tied}")


def _today(ledger: Ledger, book: PolicyBook) -> date:
    return city_day(ledger.writer.clock.now(), book.policies[-1].timezone)


async def _desk(ledger: Ledger) -> Recognition:
    book = await policies_for(ledger)
    policy = book.protecting(_today(ledger, book))
    return Recognition(ledger, policy.timezone, policy.cases.false_hours_bar_years)


def _scheme(name: str, year: int) -> Scheme:
    found = load_schemes(shipped_schemes()).in_force(name, date(year, 12, 31))
    if found is None:
        raise Ending(f"{year} 年没有名为 {name} 的方案 / no scheme {name} is in force in {year}")
    return found
