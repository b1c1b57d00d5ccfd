"""`pointsbank staff`: the founding, accounts, roles. Every right takes two persons to give, one to take away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import click
import msgspec

from pointsbank.access.model import Actor
from pointsbank.access.pepper import make_pepper, pepper_path
from pointsbank.access.rights import rights
from pointsbank.access.ring import KeyRing
from pointsbank.access.roles import Granted, RoleDesk, RoleIn
from pointsbank.access.service import KeyDesk
from pointsbank.access.staff import Half, StaffDesk, is_login
from pointsbank.access.standing import RoleGrant
from pointsbank.cli.acting import HERE, logged_in, open_door
from pointsbank.cli.terminal import (
    CityDay,
    Ending,
    as_coroutine,
    database_option,
    opened,
    policies,
    policies_for,
    refusal_text,
    say,
)
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger, ledger_to_read, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.settings import settings_from


class Desks(msgspec.Struct, frozen=True):
    """What the verbs work with, and who acts."""

    ledger: Ledger
    staff: StaffDesk
    roles: RoleDesk
    keys: KeyDesk
    actor: Actor

    @property
    def command(self) -> Command:
        return Command(self.actor.client, f"cli:{new_id()}", self.actor.name)


@click.group("staff")
def command() -> None:
    """Staff: the first administrators, accounts, roles. 人员与角色。

    Every right takes two persons: one proposes, another confirms, neither for themselves. Taking away takes one. On
    SQLite stop the service first, or use its API: one process owns the file.
    """


acting = click.option("--login", required=True, help="Your login name; password and code are asked for.")


@command.command("bootstrap", short_help="Make the first two administrators, once 启用")
@click.option("--login", "logins", multiple=True, required=True, help="A login name; give it twice.")
@database_option
@as_coroutine
async def bootstrap(logins: tuple[str, ...], database_url: str) -> None:
    """Make the first two administrators, once. 启用人员管理。

    Each gets a code with which they enrol (`pointsbank staff enrol`) within three days. Keys made before become
    machine sources: from now on only persons give rights, and no verb changes the books without somebody's name.
    """
    if len(logins) != 2 or not all(map(is_login, logins)):
        raise Ending(
            "请用 --login 给出两个登录名（小写字母、数字、. _ -）。\n"
            "Give two login names with --login (small letters, digits, . _ -)."
        )
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger:
            desk = StaffDesk(ledger, KeyRing(ledger, ledger.writer.clock))
            path = pepper_path(database, settings_from().pepper)
            if path is None:
                raise Ending(
                    "PostgreSQL 须先设置 POINTSBANK_PEPPER（口令密钥文件的路径）。\n"
                    "On PostgreSQL set POINTSBANK_PEPPER first: where the secret of log-ins shall lie."
                )
            if not path.exists() and not await desk.is_founded():
                make_pepper(path)
                say(f"已生成口令密钥 {path}，请另行妥善备份 / the secret of log-ins; keep a copy elsewhere")
            made = await desk.found((logins[0], logins[1]), Command("cli", f"founding:{new_id()}", "shell"))
    finally:
        await database.close()
    if isinstance(made, Refusal):
        raise Ending(refusal_text(made))
    say("登记码只显示这一次，请分别交给本人 / each code is shown this once; hand each to its person:")
    for login, half in zip(logins, made, strict=True):
        say(f"  {login}  {half.person}  {half.code}")


@command.command("enrol", short_help="Set your password and second factor with a code 登记")
@click.argument("login")
@database_option
@as_coroutine
async def enrol(login: str, database_url: str) -> None:
    """Set your password and second factor with a code from two administrators, once. 登记密码与动态码。"""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger:
            ring = KeyRing(ledger, ledger.writer.clock)
            async with open_door(ledger, ring, StaffDesk(ledger, ring)) as door:
                code = click.prompt("登记码（两半以 - 相连）/ code, both halves joined by -", hide_input=True)
                password = click.prompt("新密码 / new password", hide_input=True, confirmation_prompt=True)
                asked = Command("enrolment", new_id(), "enrolment")
                uri = await door.enrol(login, code, password, HERE, asked)
    finally:
        await database.close()
    if isinstance(uri, Refusal):
        raise Ending(refusal_text(uri))
    say(
        "请把下面的地址加入验证器应用，只显示这一次 / add this to an authenticator app; it is shown this once:"
    )
    say(f"  {uri}")


@command.command("list", short_help="Staff with their roles 列出人员与角色")
@database_option
@as_coroutine
async def list_(database_url: str) -> None:
    """Staff with their roles and what waits for a second person. 列出人员与角色。"""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        ring = KeyRing(ledger, ledger.writer.clock)
        staff, roles, after = StaffDesk(ledger, ring), RoleDesk(ledger, ring, policies()), ""
        while page := await staff.accounts(after=after):
            for account in page:
                say(f"{account.login:<20}  {account.state:<7}  {account.person}")
                for grant in await roles.list(person=account.person):
                    say(f"    {_line(grant)}")
            after = page[-1].login
    finally:
        await database.close()


@command.command("add", short_help="Make an account, with half of its code 新建账号")
@click.argument("name")
@click.option("--person", default="", help="Id of the natural person; without it somebody new.")
@acting
@database_option
@as_coroutine
async def add(name: str, person: str, login: str, database_url: str) -> None:
    """Make the account NAME and show half of the code; another administrator confirms. 新建账号。"""
    if not is_login(name):
        raise Ending("登录名只用小写字母、数字和 . _ - / a login name has small letters, digits, . _ - only")
    async with _desks(database_url, login) as desks:
        _show_half(await desks.staff.add(desks.actor, name, desks.command, person))


@command.command("recover", short_help="Begin a new start for a lost password or code 重新登记")
@click.argument("person")
@acting
@database_option
@as_coroutine
async def recover(person: str, login: str, database_url: str) -> None:
    """Begin a new start for PERSON, who lost password or second factor. 为遗失凭据的人重新登记。"""
    async with _desks(database_url, login) as desks:
        _show_half(await desks.staff.begin_recovery(desks.actor, person, desks.command))


@command.command("confirm-enrolment", short_help="The other half of a code 确认登记")
@click.argument("enrolment")
@acting
@database_option
@as_coroutine
async def confirm_enrolment(enrolment: str, login: str, database_url: str) -> None:
    """Confirm ENROLMENT, begun by another administrator, and show the other half of its code. 确认登记。"""
    async with _desks(database_url, login) as desks:
        _show_half(await desks.staff.confirm_enrolment(desks.actor, enrolment, desks.command))


@command.command("close", short_help="Close an account, at once 关闭账号")
@click.argument("person")
@acting
@database_option
@as_coroutine
async def close(person: str, login: str, database_url: str) -> None:
    """Close the account of PERSON: roles, sessions and keys end at once. 关闭账号。"""
    async with _desks(database_url, login) as desks:
        verdict = await desks.staff.close_account(desks.actor, person, desks.command)
        if isinstance(verdict, Refusal):
            raise Ending(refusal_text(verdict))
    say(f"已关闭 {person} / closed")


@command.command("grant", short_help="Propose a role for somebody else 提议角色")
@click.argument("person")
@click.argument("role", type=click.Choice(sorted(rights().roles)))
@click.option("--place", default="", help="Id of the place; the whole city without it.")
@click.option("--from", "from_day", type=CityDay(), help="First day.  [default: today]")
@click.option("--to", "to_day", type=CityDay(), help="Last day; no end without it.")
@acting
@database_option
@as_coroutine
async def grant(
    person: str,
    role: str,
    place: str,
    from_day: date | None,
    to_day: date | None,
    login: str,
    database_url: str,
) -> None:
    """Propose ROLE for PERSON; it holds once somebody else has confirmed it. 提议角色。"""
    async with _desks(database_url, login) as desks:
        await policies_for(desks.ledger)  # it says for how long a role may run
        wanted = RoleIn(person, role, place, from_day, to_day)
        _show_grant(await desks.roles.propose(desks.actor, wanted, desks.command))


@command.command("confirm", short_help="Confirm a role that another proposed 确认角色")
@click.argument("grant_id")
@acting
@database_option
@as_coroutine
async def confirm(grant_id: str, login: str, database_url: str) -> None:
    """Confirm the role GRANT_ID, proposed by another person for a third. 确认角色。"""
    async with _desks(database_url, login) as desks:
        _show_grant(await desks.roles.confirm(desks.actor, grant_id, desks.command))


@command.command("revoke", short_help="Take a role away, at once 撤销角色")
@click.argument("grant_id")
@acting
@database_option
@as_coroutine
async def revoke(grant_id: str, login: str, database_url: str) -> None:
    """Take the role GRANT_ID away; the person's sessions end at once. 撤销角色。"""
    async with _desks(database_url, login) as desks:
        _show_grant(await desks.roles.revoke(desks.actor, grant_id, desks.command))


@command.command("confirm-key", short_help="Confirm an API key that another made 确认密钥")
@click.argument("key_id")
@acting
@database_option
@as_coroutine
async def confirm_key(key_id: str, login: str, database_url: str) -> None:
    """Confirm the API key KEY_ID that another person has made. 确认接口密钥。"""
    async with _desks(database_url, login) as desks:
        confirmed = await desks.keys.confirm(desks.actor, key_id, desks.command)
        if isinstance(confirmed, Refusal):
            raise Ending(refusal_text(confirmed))
    say(f"已确认 {key_id} / confirmed")


@asynccontextmanager
async def _desks(database_url: str, login: str) -> AsyncIterator[Desks]:
    """The desks, with the member of staff who acts at them logged in."""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger, _actor(ledger, login) as desks:
            yield desks
    finally:
        await database.close()


@asynccontextmanager
async def _actor(ledger: Ledger, login: str) -> AsyncIterator[Desks]:
    ring = KeyRing(ledger, ledger.writer.clock)
    staff = StaffDesk(ledger, ring)
    async with logged_in(ledger, ring, staff, login) as actor:
        yield Desks(ledger, staff, RoleDesk(ledger, ring, policies()), KeyDesk(ledger, ring), actor)


def _show_half(half: Half | Refusal) -> None:
    if isinstance(half, Refusal):
        raise Ending(refusal_text(half))
    say(f"登记 / enrolment {half.enrolment}   人员 / person {half.person}")
    say(f"半个登记码，只显示这一次 / half of the code, shown this once: {half.code}")


def _show_grant(granted: Granted | Refusal) -> None:
    if isinstance(granted, Refusal):
        raise Ending(refusal_text(granted))
    say(_line(granted.grant))


def _line(grant: RoleGrant) -> str:
    where = grant.place or "全市 / the city"
    return f"{grant.id}  {grant.state:<8}  {grant.role:<18}  {where}  {grant.from_day} – {grant.to_day}"
