"""`pointsbank sheets`: service record sheets. People are named by their ids; a name to check comes from standard input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

import click
from msgspec.structs import replace

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.cli.acting import HERE, Shown, acting_options, who_acts
from pointsbank.cli.people_of import people_of
from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    opened,
    policies_for,
    policies_to_read,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of
from pointsbank.record_sheets.model import REASONS, Sheet, SheetOrder
from pointsbank.record_sheets.opening import open_sheets
from pointsbank.record_sheets.reading import Opening
from pointsbank.record_sheets.refusals import UnknownSheet
from pointsbank.record_sheets.service import RecordSheets
from pointsbank.record_sheets.signing import key_path, make_key
from pointsbank.settings import settings_from
from pointsbank.web.bounds import Act
from pointsbank.web.whereabouts import attended

T = TypeVar("T")


@click.group("sheets")
def command() -> None:
    """Service record sheets: issue, print, withdraw, check. 服务记录单。

    A sheet states the merit of a period as the books hold it. It is printed on demand and kept nowhere.
    """


@command.command("issue", short_help="Issue a sheet 出具")
@click.argument("person")
@click.option("--issuer", required=True, metavar="CODE", help="Code of the place that issues it.")
@click.option("--from", "first", type=CityDay(), required=True, help="First day of the period.")
@click.option("--to", "last", type=CityDay(), required=True, help="Last day of the period.")
@click.option("--replaces", default="", metavar="ID", help="The sheet in whose place it comes.")
@click.option("--reason", default="", help="Why; needed for somebody under 18, and kept.")
@click.option("--key", help="Idempotency key: the same key again gives the same sheet.")
@acting_options
@database_option
@as_coroutine
async def issue(
    person: str,
    issuer: str,
    first: date,
    last: date,
    replaces: str,
    reason: str,
    key: str | None,
    shown: Shown,
    database_url: str,
) -> None:
    """Issue a sheet for the person with this id, with the issuer's next number. 出具服务记录单。"""
    async with _desk(database_url) as (ledger, desk):
        actor = await who_acts(ledger, "sheets:issue", shown, Act(station=issuer, person=person))
        order = SheetOrder(person_id=person, issuer=issuer, first=first, last=last, replaces=replaces)
        asked = Command("cli", key or f"sheet:{new_id()}", actor.name)
        _show(_granted(await desk.issue(order, asked, await _opening(ledger, actor, person, reason))))


@command.command("show", short_help="A sheet, without a name 查看")
@click.argument("sheet_id")
@database_option
@as_coroutine
async def show(sheet_id: str, database_url: str) -> None:
    """Show a sheet by its id, without anybody's name. 查看服务记录单。"""
    async with _desk(database_url) as (_, desk):
        _show(await _sheet(desk, sheet_id))


@command.command("list", short_help="The sheets of a person 列出")
@click.argument("person")
@database_option
@as_coroutine
async def list_sheets(person: str, database_url: str) -> None:
    """List the sheets of the person with this id, newest first. 列出某人的服务记录单。"""
    async with _desk(database_url) as (_, desk):
        for sheet in await desk.of_person(person):
            say(
                f"{sheet.sheet_id}  {sheet.number}  {sheet.from_day}..{sheet.to_day}  {sheet.minutes:,} min  {sheet.state}"
            )


@command.command("withdraw", short_help="Withdraw a sheet 撤回")
@click.argument("sheet_id")
@click.option("--reason", type=click.Choice(REASONS), required=True)
@acting_options
@database_option
@as_coroutine
async def withdraw(sheet_id: str, reason: str, shown: Shown, database_url: str) -> None:
    """Withdraw a sheet: its public page says so from now on. 撤回服务记录单。"""
    async with _desk(database_url) as (ledger, desk):
        sheet = await _sheet(desk, sheet_id)
        act = Act(place=sheet.issuer, person=sheet.person_id)
        actor = await who_acts(ledger, "sheets:withdraw", shown, act)
        asked = Command("cli", f"withdraw-sheet:{sheet_id}:{reason}", actor.name)
        _show(_granted(await desk.withdraw(sheet_id, reason, asked)))


@command.command("pdf", short_help="Print a sheet to a PDF file 打印")
@click.argument("sheet_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reason", default="", help="Why; needed for somebody under 18, and kept.")
@acting_options
@database_option
@as_coroutine
async def pdf(sheet_id: str, file: Path, reason: str, shown: Shown, database_url: str) -> None:
    """Print a sheet as PDF, with the name. It is written down who printed it. 打印服务记录单。"""
    async with _desk(database_url) as (ledger, desk):
        sheet = await _sheet(desk, sheet_id)
        act = Act(place=sheet.issuer, person=sheet.person_id)
        actor = await who_acts(ledger, "sheets:issue", shown, act)
        opening = await _opening(ledger, actor, sheet.person_id, reason)
        printed = _granted(await desk.print(sheet_id, opening))
    await asyncio.to_thread(file.write_bytes, printed.pdf)
    say(f"{printed.number}  {file}")


@command.command("check", short_help="What the public page says 核验")
@click.option(
    "--name", "with_name", is_flag=True, help="Also check a name: the second line of standard input."
)
@database_option
@as_coroutine
async def check(with_name: bool, database_url: str) -> None:
    """Say what the public page says of a token, read from standard input. Counted like there. 核验。"""
    token = sys.stdin.readline().strip()
    async with _desk(database_url) as (_, desk):
        found = _granted(await desk.look(token, HERE))
        say(
            f"{found.number}  {found.issuer}  {found.from_day}..{found.to_day}  {found.minutes:,} min  {found.state}"
        )
        if with_name:
            say(_granted(await desk.check_name(token, sys.stdin.readline().strip(), HERE)))


@command.command("make-key", short_help="Make the key that signs sheets 生成签名密钥")
@database_option
def make_signing_key(database_url: str) -> None:
    """Make the key that signs sheets, in the file of the settings. 生成签名密钥。"""
    path = key_path(replace(settings_from(), database=database_url))
    if path is None:
        raise Ending("请设置 POINTSBANK_SHEET_KEY / set POINTSBANK_SHEET_KEY to the file for the key")
    try:
        [key] = make_key(path).public_keys
    except FileExistsError:
        raise Ending(f"{path} 已存在，不会覆盖 / is there already and stays as it is") from None
    say(f"{path}\n{key.id}\n{key.pem}".rstrip())


@asynccontextmanager
async def _desk(database_url: str) -> AsyncIterator[tuple[Ledger, RecordSheets]]:
    settings = replace(settings_from(), database=database_url)
    database = opened(database_url)
    try:
        async with (
            open_ledger(database, CITY_LEDGER) as ledger,
            people_of(ledger, database_url) as people,
            open_sheets(
                settings, ledger, people.store, (await policies_to_read(ledger)).policies[-1].timezone
            ) as desk,
        ):
            yield ledger, desk
    finally:
        await database.close()


async def _opening(ledger: Ledger, actor: Actor, person: str, reason: str) -> Opening:
    """Who makes or opens a sheet, with the right to minors' profiles of this moment."""
    desk = PeopleDesk(ledger, directory_of(ledger).store, await policies_for(ledger), seen=attended)
    return Opening(actor.person or actor.id, reason, await desk.may_open_minors(actor, person))


async def _sheet(desk: RecordSheets, sheet_id: str) -> Sheet:
    return _granted(await desk.sheet(sheet_id) or UnknownSheet())


def _granted(result: T | Refusal) -> T:
    if isinstance(result, Refusal):
        raise Ending(refusal_text(result))
    return result


def _show(sheet: Sheet) -> None:
    say(f"{sheet.sheet_id}  {sheet.number}  {sheet.state}")
    say(
        f"  {sheet.issuer_name}  {sheet.from_day}..{sheet.to_day}  {sheet.minutes:,} min  {sheet.records} 条 records"
    )
    say(f"  凭证 entry {sheet.as_of}  核验至 answers until {sheet.expires_on}")
