"""`pointsbank places`: the city's places and groups from day to day, one at a time or from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import date
from itertools import islice
from pathlib import Path

import click
from sqlalchemy import Connection

from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.people_of import number_typed, people_of
from pointsbank.cli.terminal import (
    PATIENT,
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    opened,
    progress_bar,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger, ledger_to_read, open_ledger
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.sheets import Sheet, SheetLine, file_digest, open_sheet
from pointsbank.ledger.model import Receipt
from pointsbank.places import membership, tree
from pointsbank.places.model import (
    KIND_NAMES,
    KINDS,
    OPEN_END,
    ROLES,
    SINCE_EVER,
    Act,
    Closing,
    Joining,
    Leaving,
    MemberAct,
    Merging,
    Moving,
    Opening,
    PlaceHistory,
    PlaceOnDay,
    Renaming,
)
from pointsbank.places.service import PlacesService
from pointsbank.rosters.members import by_volunteer_number
from pointsbank.rosters.report import WORDS, report_path, write_report
from pointsbank.rosters.service import MembersRoster, PlacesRoster, RosterRefused, RosterService
from pointsbank.store.database import Database
from pointsbank.web.bounds import acts_on_places

CHUNK = 500
CLIENT = "cli"
MANAGE = "places:manage"


@click.group("places")
def command() -> None:
    """Places and groups: centres, stations, corps, teams, households, from day to day. 地点与组织。

    Every change has a day from which it holds; what was before stays on file. To change something on SQLite, stop
    the service first, or use its API: one process owns the file.
    """


def _from_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--from", "day", type=CityDay(), help="First day on which it holds.  [default: today]"
    )(function)


def _on_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--on", "day", type=CityDay(), help="As of this day.  [default: today]")(function)


# Looking


@command.command("list", short_help="Open places of a day 列出地点")
@click.option("--kind", type=click.Choice(KINDS), help="Only places of this kind.")
@_on_option
@database_option
@as_coroutine
async def list_(kind: str | None, day: date | None, database_url: str) -> None:
    """Open places of a day by code: kind, name, and the code above. 列出地点。"""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        on, after = day or PlacesService(ledger).today(), ""
        while page := await database.read(tree.page, ledger.id, on, kind=kind or "", after=after):
            for place in page:
                say(f"{place.code:<16}  {place.kind:<13}  {place.parent or '—':<16}  {place.name}")
            after = page[-1].code
    finally:
        await database.close()


@command.command("show", short_help="A place on a day, and its history 查看地点")
@click.argument("code")
@_on_option
@database_option
@as_coroutine
async def show(code: str, day: date | None, database_url: str) -> None:
    """What a place is on a day, what is above and below it, and all its terms. 查看地点。"""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        on = day or PlacesService(ledger).today()
        found = await database.read(_shown, ledger.id, code, on)
    finally:
        await database.close()
    if found is None:
        raise Ending(f"没有地点 {code} / there is no place {code}")
    history, above, below = found
    term = history.on(on)
    kind = f"{KIND_NAMES.get(history.kind, '')} {history.kind}"
    say(f"{code}  {kind}  {term.name if term else '—'}")
    if term is None:
        say(f"  {on} 尚未开设 / not opened yet on {on}")
    else:
        state = "开放 open" if term.is_open else "已关闭 closed"
        say(f"  {on} {state}" + (f" → {term.successor}" if term.successor else ""))
        if above:
            say("  上级 above: " + " › ".join(f"{place.code} {place.name}" for place in above))
        say(f"  下级 below: {len(below):,}" + ("+" if len(below) == tree.PAGE else ""))
    say("  历史 history:")
    for t in history.terms:
        first = "…" if t.from_day == SINCE_EVER else str(t.from_day)
        last = "…" if t.to_day == OPEN_END else str(t.to_day)
        after = f" → {t.successor}" if t.successor else ""
        say(f"    {first:<10} – {last:<10}  {t.state:<6}  {t.parent or '—':<16}  {t.name}{after}")


def _shown(
    connection: Connection, ledger_id: int, code: str, day: date
) -> tuple[PlaceHistory, list[PlaceOnDay], list[PlaceOnDay]] | None:
    history = tree.history(connection, ledger_id, code)
    if history is None:
        return None
    line = tree.ancestors(connection, ledger_id, history.id, day)[1:]
    above = tree.places_by_id(connection, ledger_id, line, day)
    below = tree.children(connection, ledger_id, code, day)
    return history, [above[id_] for id_ in line], below


@command.command("members", short_help="Who belongs to a group on a day 组织成员")
@click.argument("code")
@_on_option
@database_option
@as_coroutine
async def members(code: str, day: date | None, database_url: str) -> None:
    """The members of a group on a day, by person id, with their role. 组织成员。

    Names stand elsewhere: here are ids, and the days from which and up to which they belong.
    """
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        on, after = day or PlacesService(ledger).today(), ""
        history = await database.read(tree.history, ledger.id, code)
        if history is None:
            raise Ending(f"没有地点 {code} / there is no place {code}")
        while page := await database.read(membership.members_of, ledger.id, history.id, on, after=after):
            for m in page:
                last = "…" if m.to_day == OPEN_END else str(m.to_day)
                say(f"{m.person_id}  {m.role:<6}  {m.from_day} – {last}")
            after = page[-1].person_id
    finally:
        await database.close()


# One change


@command.command("open", short_help="Open a place 开设")
@click.argument("code")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("--under", "parent", default="", help="Code of the place above; none for the top.")
@click.option("--sector", default="", help="Sector of a corps or unit, from config/sectors.toml.")
@_from_option
@acting_options
@database_option
@as_coroutine
async def open_(
    code: str,
    kind: str,
    name: str,
    parent: str,
    sector: str,
    day: date | None,
    shown: Shown,
    database_url: str,
) -> None:
    """Open a place of KIND under another; a station gets the accounts of its shop. 开设。"""
    await _change(database_url, shown, day, lambda on: Opening(code, kind, name, parent, on, sector))


@command.command("rename", short_help="Give a place another name 更名")
@click.argument("code")
@click.argument("name")
@_from_option
@acting_options
@database_option
@as_coroutine
async def rename(code: str, name: str, day: date | None, shown: Shown, database_url: str) -> None:
    """Give a place another name from a day on; before it, the old one stays. 更名。"""
    await _change(database_url, shown, day, lambda on: Renaming(code, name, on))


@command.command("move", short_help="Put a place under another 迁移")
@click.argument("code")
@click.option("--under", "parent", required=True, help="Code of the new place above; '' for the top.")
@_from_option
@acting_options
@database_option
@as_coroutine
async def move(code: str, parent: str, day: date | None, shown: Shown, database_url: str) -> None:
    """Put a place, with all below it, under another from a day on; history keeps the old one. 迁移。"""
    await _change(database_url, shown, day, lambda on: Moving(code, parent, on))


@command.command("close", short_help="Close a place 关闭")
@click.argument("code")
@_from_option
@acting_options
@database_option
@as_coroutine
async def close(code: str, day: date | None, shown: Shown, database_url: str) -> None:
    """Close a place: the day is the first on which it is closed. Memberships end with it. 关闭。"""
    await _change(database_url, shown, day, lambda on: Closing(code, on))


@command.command("merge", short_help="Close a place into another 合并")
@click.argument("code")
@click.option("--into", required=True, help="Code of the place, of the same kind, that goes on.")
@_from_option
@acting_options
@database_option
@as_coroutine
async def merge(code: str, into: str, day: date | None, shown: Shown, database_url: str) -> None:
    """Close a place into another of its kind, which takes its members over. 合并。"""
    await _change(database_url, shown, day, lambda on: Merging(code, into, on))


@command.command("join", short_help="Make a volunteer a member of a group 加入组织")
@click.argument("group")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@_from_option
@acting_options
@database_option
@as_coroutine
async def join(group: str, role: str, day: date | None, shown: Shown, database_url: str) -> None:
    """Make a volunteer a member of a team, household, village or unit. 加入组织。

    The volunteer's number is asked for, or read from standard input.
    """
    await _change_membership(database_url, shown, day, lambda on, id_: Joining(group, id_, on, role))


@command.command("leave", short_help="End a membership 退出组织")
@click.argument("group")
@_from_option
@acting_options
@database_option
@as_coroutine
async def leave(group: str, day: date | None, shown: Shown, database_url: str) -> None:
    """End a membership: the day is the first on which the volunteer is no member any more. 退出组织。

    The volunteer's number is asked for, or read from standard input.
    """
    await _change_membership(database_url, shown, day, lambda on, id_: Leaving(group, id_, on))


@command.command("settle", short_help="Take up what was planned for today 到日生效")
@acting_options
@database_option
@as_coroutine
async def settle(shown: Shown, database_url: str) -> None:
    """Bring the look-ups that know no date to the state of today. 到日生效。

    For the nightly run: a closing or a name that was entered for a later day is taken up when the day has come.
    """
    database = opened(database_url)
    try:
        async with open_ledger(database, limits=PATIENT) as ledger:
            actor = await who_acts(ledger, MANAGE, shown)
            settled = await PlacesService(ledger).settle(Command(CLIENT, "settle", actor.name))
    finally:
        await database.close()
    say(f"{settled:,} 处已生效 / places brought up to date")


async def _change(database_url: str, shown: Shown, day: date | None, act: Callable[[date], Act]) -> None:
    database = opened(database_url)
    try:
        async with open_ledger(database, limits=PATIENT) as ledger:
            service = PlacesService(ledger)
            asked = act(day or service.today())
            actor = await who_acts(ledger, MANAGE, shown, *acts_on_places(asked))
            result = await service.change(asked, Command(CLIENT, f"place:{new_id()}", actor.name))
    finally:
        await database.close()
    if not isinstance(result, Receipt):
        raise Ending(refusal_text(result))
    say(f"已登记 {asked.code}，自 {asked.day} 起 / on file from {asked.day}")


async def _change_membership(
    database_url: str, shown: Shown, day: date | None, act: Callable[[date, str], MemberAct]
) -> None:
    number = number_typed()
    database = opened(database_url)
    try:
        async with open_ledger(database, limits=PATIENT) as ledger:
            service = PlacesService(ledger)
            async with people_of(ledger, database_url):
                found = await by_volunteer_number(ledger, [number])
            if number not in found:
                raise Ending("没有登记这个志愿者编号 / nobody is registered under this number")
            asked = act(day or service.today(), found[number])
            actor = await who_acts(ledger, MANAGE, shown, *acts_on_places(asked))
            command_ = Command(CLIENT, f"membership:{new_id()}", actor.name)
            result = await service.change_membership(asked, command_)
    finally:
        await database.close()
    if not isinstance(result, Receipt):
        raise Ending(refusal_text(result))
    say(f"已登记 {asked.group}，自 {asked.day} 起 / on file from {asked.day}")


# A file


@command.command("import", short_help="Places or memberships from a file 导入")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--members", "is_members", is_flag=True, help="The file lists memberships, not places.")
@click.option("--dry-run", is_flag=True, help="Judge every line and write the report, but change nothing.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report goes.  [default: beside FILE]",
)
@click.option(
    "--encoding", type=click.Choice(["utf-8", "gb18030"]), help="If the encoding cannot be told by itself."
)
@acting_options
@database_option
@as_coroutine
async def import_(
    file: Path,
    is_members: bool,
    dry_run: bool,
    report_file: Path | None,
    encoding: str | None,
    shown: Shown,
    database_url: str,
) -> None:
    """Places, or with --members who belongs to which group, from FILE (CSV or XLSX). 导入。

    \b
    places       编码,类型,名称,上级编码[,生效日期][,操作][,行业][,并入]
    memberships  组织编码,志愿者编号[,加入日期][,退出日期][,角色]

    A place stands before what is below it. Every line keeps its verdict, and the report says it in words. An import
    that was stopped goes on when it is started again.
    """
    database = opened(database_url)
    digest = file_digest(file)
    where = report_file or report_path(file, digest)
    if dry_run:
        where = where.with_name(f"{where.stem}-dry-run{where.suffix}")
    try:
        async with _ledger(database, dry_run=dry_run) as ledger, _people(ledger, database_url, is_members):
            by = "" if dry_run else (await who_acts(ledger, MANAGE, shown)).name
            roster = MembersRoster(ledger) if is_members else PlacesRoster(ledger)
            service = RosterService(ledger, roster)
            source = f"{roster.name}:{digest[:40]}"
            with open_sheet(file, roster.form, encoding=encoding) as sheet, progress_bar() as progress:
                total = sheet.check()
                verdicts: list[str] = []
                if dry_run:
                    verdicts = await service.preview(source, list(sheet))
                else:
                    for chunk in _chunks(sheet):
                        verdicts += await service.submit(source, chunk, Command("import", source, by))
                        progress(roster.name, len(verdicts), total)
                write_report(where, zip(sheet, verdicts, strict=True))
    except SheetError as error:
        raise Ending(str(error)) from error
    except RosterRefused as error:
        raise Ending(
            f"第 {error.line} 行无法登记：{error.refusal.code}。之前的各行已登记，排除原因后重新运行即可继续。\n"
            f"Line {error.line} cannot be entered: {error.refusal.code}. Lines before it are; run again to go on."
        ) from error
    finally:
        await database.close()
    say("试算，未登记 / dry run, nothing was changed" if dry_run else "导入完成 / import complete")
    for verdict, count in Counter(verdicts).most_common():
        say(f"  {count:>9,}  {WORDS[verdict][0]}  {verdict}")
    say(f"  每一行的说明 / every line explained: {where}")


def _people(ledger: Ledger, database_url: str, are_needed: bool) -> AbstractAsyncContextManager[object]:
    return people_of(ledger, database_url) if are_needed else nullcontext()


@asynccontextmanager
async def _ledger(database: Database, *, dry_run: bool) -> AsyncIterator[Ledger]:
    """The city's ledger; a dry run only reads, so that it works beside a service that owns the file."""
    if dry_run:
        yield ledger_to_read(database)
        return
    async with open_ledger(database, limits=PATIENT) as ledger:
        yield ledger


def _chunks(sheet: Sheet) -> Iterator[list[SheetLine]]:
    lines = sheet.lines()
    while chunk := list(islice(lines, CHUNK)):
        yield chunk
