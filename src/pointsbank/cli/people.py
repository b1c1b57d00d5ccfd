"""`pointsbank people`: the people store. Names and numbers come from standard input, never from the command line."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast, get_args

import click
import msgspec

from pointsbank.access.people_desk import ChangeKind
from pointsbank.cli.acting import Shown, acting_options
from pointsbank.cli.desk import at_desk, granted, settling, store_of
from pointsbank.cli.terminal import CITY, Ending, as_coroutine, database_option, refusal_text, say
from pointsbank.ledger.refusals import Refusal
from pointsbank.people import master, rotation
from pointsbank.people.acts import Act
from pointsbank.people.changes import Change
from pointsbank.people.closing import resume_closings
from pointsbank.people.links import Link, LinkKind
from pointsbank.people.model import NewPerson, Purpose, Role
from pointsbank.people.refusals import ClosingWaits, UnknownChange
from pointsbank.people.registry import Shown as Shows
from pointsbank.people.sealing import INDEX_KINDS, IndexKind
from pointsbank.record_sheets.passbook import set_passbook
from pointsbank.record_sheets.rules import rules_at
from pointsbank.settings import settings_from
from pointsbank.web.passbooks import passbook_of

CHANGES = get_args(ChangeKind)


@click.group("people")
def command() -> None:
    """People: registered, found, shown masked, forgotten. 人员资料。

    Personal data lie in a store of their own (people.db beside the books, or the schema `people`), encrypted for each
    person. Names and numbers are read from standard input: a command line stays in histories and process lists.
    """


@command.command("upgrade", short_help="Make the people store, or bring it up to date 建库、升级")
@database_option
@as_coroutine
async def upgrade(database_url: str) -> None:
    """Make the people store, or bring its schema up to date. 建立或升级个人资料库。"""
    store, _ = store_of(database_url)
    try:
        await store.upgrade()
        await store.open()
    finally:
        await store.close()
    say(f"{store.database.public_url}：个人资料库已就绪 / the people store is ready")


@command.command("register", short_help="Put somebody on file, from a JSON object on stdin 登记")
@click.option(
    "--role", type=click.Choice(("volunteer", "guardian", "helper")), default="volunteer", show_default=True
)
@click.option(
    "--place", default="", metavar="PLACE", help="Id of the place where it is done; empty: the city."
)
@acting_options
@database_option
@as_coroutine
async def register(role: Role, place: str, shown: Shown, database_url: str) -> None:
    """Put somebody on file. 登记人员。

    Standard input is a JSON object with name, and where known phone, volunteer_number, id_number, born (YYYY-MM-DD).
    With --login, password and code come first, a line each.
    """
    async with at_desk(database_url, "people:register", shown) as (desk, actor):
        try:
            given = msgspec.json.decode(sys.stdin.read(), type=dict[str, str])
            person = msgspec.convert(given | {"role": role}, NewPerson)
        except msgspec.DecodeError as error:
            # the parser's message names fields and places, and no value
            raise Ending(
                f"标准输入须是一个 JSON 对象 / standard input must be a JSON object: {error}"
            ) from None
        done = granted(await desk.register(actor, person, place))
    say(f"已登记 / registered  {done.person_id}")
    for hint in done.hints:
        say(f"  请核对 / please compare  {hint.person_id}  {hint.reason}")


@command.command("find", short_help="Who has this whole number, read from stdin 查找")
@click.option("--by", "kind", type=click.Choice(INDEX_KINDS), required=True, help="Which number it is.")
@acting_options
@database_option
@as_coroutine
async def find(kind: IndexKind, shown: Shown, database_url: str) -> None:
    """Find people by a whole number, read from standard input. Counted, limited and logged. 按完整号码查找。"""
    async with at_desk(database_url, "people:read", shown) as (desk, actor):
        found = granted(await desk.find(actor, kind, sys.stdin.readline().strip()))
    for one in found:
        say(f"{one.person_id}  {one.state:<8}  {one.name}  {one.age_band}")
    if not found:
        say("没有找到 / nobody")


@command.command("show", short_help="A person, masked 查看")
@click.argument("person_id")
@click.option("--reason", default="", help="Why; needed for somebody under 18, and kept.")
@acting_options
@database_option
@as_coroutine
async def show(person_id: str, reason: str, shown: Shown, database_url: str) -> None:
    """Show a person, masked. Logged. 查看（脱敏）。"""
    async with at_desk(database_url, "people:read", shown) as (desk, actor):
        profile = granted(await desk.profile(actor, person_id, reason))
    for name, value in msgspec.structs.asdict(profile).items():
        say(f"{name:<18}{' '.join(value) if isinstance(value, tuple) else value}")


@command.command("passbook", short_help="A passbook to print, as PDF 打印存折")
@click.argument("person_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reason", default="", help="Why; needed for somebody under 18, and kept.")
@acting_options
@database_option
@as_coroutine
async def passbook(person_id: str, file: Path, reason: str, shown: Shown, database_url: str) -> None:
    """Write a passbook of a person, masked, to FILE: what there is and what moved lately. 打印积分存折。"""
    async with at_desk(database_url, "people:read", shown) as (desk, actor):
        book = granted(await passbook_of(desk, actor, person_id, reason))
    settings = settings_from(database=database_url)
    page = granted(set_passbook(book, rules_at(settings.record_sheets).fonts, settings.fonts))
    _write_new(file, page)
    say(f"已写入 / written  {file}")


@command.command("unmask", short_help="One value in full, with a reason 查看完整信息")
@click.argument("person_id")
@click.argument("field", type=click.Choice(get_args(Shows)))
@click.option("--reason", required=True, help="Why; it is kept with who saw whom.")
@acting_options
@database_option
@as_coroutine
async def unmask(person_id: str, field: Shows, reason: str, shown: Shown, database_url: str) -> None:
    """Show one value in full. The reason is kept with who saw whom. 查看完整信息，须说明理由。"""
    async with at_desk(database_url, "people:unmask", shown) as (desk, actor):
        revealed = granted(await desk.unmask(actor, person_id, field, reason))
    say(revealed.value or "（未登记 / not on file）")


@command.command("freeze", short_help="Stop everything that somebody could do 冻结")
@click.argument("person_id")
@acting_options
@database_option
@as_coroutine
async def freeze(person_id: str, shown: Shown, database_url: str) -> None:
    """Stop at once everything that somebody could do, as after a lost card. 立即冻结。"""
    async with at_desk(database_url, "people:freeze", shown) as (desk, actor):
        granted(await desk.freeze(actor, person_id))
    say(f"已冻结 / frozen  {person_id}")


@command.command("consent", short_help="Take a consent down, withdraw one, list them 同意")
@click.argument("person_id")
@click.option("--give", "purpose", type=click.Choice(get_args(Purpose)), help="What is consented to.")
@click.option("--wording", default="", help="Version of the text that was agreed to; needed with --give.")
@click.option("--given-by", default="", metavar="PERSON", help="The guardian who consents; else the person.")
@click.option("--withdraw", "consent_id", metavar="CONSENT", help="Id of the consent that ends now.")
@acting_options
@database_option
@as_coroutine
async def consent(
    person_id: str,
    purpose: Purpose | None,
    wording: str,
    given_by: str,
    consent_id: str | None,
    shown: Shown,
    database_url: str,
) -> None:
    """Take a consent down, withdraw one, and list them all. 同意的登记、撤回与查看。"""
    if purpose and not wording:
        raise click.UsageError("--give 须有 --wording / --give needs --wording")
    async with at_desk(database_url, "people:register", shown) as (desk, actor):
        if purpose:
            granted(await desk.consent(actor, person_id, purpose, wording, given_by))
        if consent_id:
            granted(await desk.withdraw(actor, person_id, consent_id))
        for one in granted(await desk.consents(actor, person_id)):
            ended = f"撤回 withdrawn {_when(one.withdrawn_at)}" if one.withdrawn_at else "有效 standing"
            say(f"{one.id}  {one.purpose:<14}  {_when(one.given_at)}  {one.wording}  {ended}")


@command.command("export", short_help="All of one's own data as JSON 导出本人资料")
@click.argument("person_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reason", required=True, help="Why; it is kept with who saw whom.")
@acting_options
@database_option
@as_coroutine
async def export(person_id: str, file: Path, reason: str, shown: Shown, database_url: str) -> None:
    """Write all that the bank knows of a person to FILE, readable by its owner only. 导出本人全部资料。"""
    async with at_desk(database_url, "people:unmask", shown) as (desk, actor):
        found = granted(await desk.export(actor, person_id, reason))
    _write_new(file, found)
    say(f"已写入 / written  {file}")


def _write_new(file: Path, content: bytes) -> None:
    """A new file that its owner alone reads."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)


@command.command("propose", short_help="Propose what takes two members of staff 提议")
@click.argument("person_id")
@click.argument("kind", type=click.Choice((*CHANGES, "guardian", "helper", "pin-reset", "household")))
@click.option("--holder", default="", metavar="PERSON", help="The guardian or helper.")
@click.option("--household", default="", metavar="CODE", help="The household to join.")
@click.option("--leave", is_flag=True, help="Leave the household instead of joining it.")
@acting_options
@database_option
@as_coroutine
async def propose(
    person_id: str, kind: str, holder: str, household: str, leave: bool, shown: Shown, database_url: str
) -> None:
    """Propose what could rob somebody; another member of staff confirms it. 提议须两人办理的事项。

    A new phone, a corrected value, or the evidence for a guardian or helper is a line on standard input.
    """
    async with at_desk(database_url, "people:propose", shown) as (desk, actor):
        if kind == "pin-reset":
            made: Link | Change | Act = granted(await desk.propose_pin(actor, person_id))
        elif kind == "household":
            made = granted(await desk.propose_household(actor, person_id, household, leaves=leave))
        elif kind in ("guardian", "helper"):
            evidence = sys.stdin.readline().strip()
            made = granted(await desk.propose_link(actor, person_id, cast(LinkKind, kind), holder, evidence))
        else:
            value = "" if kind == "unfreeze" else sys.stdin.readline().strip()
            made = granted(await desk.propose_change(actor, person_id, cast(ChangeKind, kind), value))
    say(f"待另一人确认 / another confirms  {kind}  {made.id}")


@command.command("confirm", short_help="Confirm what another member of staff proposed 确认")
@click.argument("person_id")
@click.argument("proposal_id")
@acting_options
@database_option
@as_coroutine
async def confirm(person_id: str, proposal_id: str, shown: Shown, database_url: str) -> None:
    """Confirm the proposal PROPOSAL_ID of another member of staff. 确认他人提议的事项。"""
    async with at_desk(database_url, "people:confirm", shown) as (desk, actor):
        done: Link | Change | Act | Refusal = await desk.confirm_act(actor, person_id, proposal_id)
        if isinstance(done, UnknownChange):
            done = await desk.confirm_change(actor, person_id, proposal_id)
        if isinstance(done, UnknownChange):
            done = await desk.confirm_link(actor, person_id, proposal_id)
        if isinstance(done, Refusal):
            raise _ending(done)
        effective_at = done.effective_at
    when = f"，生效 / effective {_when(effective_at)}" if effective_at else ""
    say(f"已确认 / confirmed  {proposal_id}{when}")


@command.command("close", short_help="Close an account and forget the person 注销")
@click.argument("person_id")
@click.option("--give", type=click.Choice(("donate", "household")), help="Propose it, and where points go.")
@click.option("--confirm", "act_id", default="", metavar="ACT", help="Confirm what another proposed.")
@click.option("--call-off", is_flag=True, help="Call off a closing that still waits.")
@acting_options
@database_option
@as_coroutine
async def close(
    person_id: str,
    give: Literal["donate", "household"] | None,
    act_id: str,
    call_off: bool,
    shown: Shown,
    database_url: str,
) -> None:
    """Close an account, and forget the person. Run it again after an interruption. 注销账户。

    An account that holds no points closes at once. Where points go to the fund or to the household, one proposes (--give),
    another confirms (--confirm) and confirms again after the delay. Sessions, PIN and card end with the account. The
    books stay whole: they know a random id and nothing else. What was forgotten cannot be brought back.
    """
    if sum((give is not None, bool(act_id), call_off)) > 1:
        raise click.UsageError("--give、--confirm、--call-off 只能有一个 / only one of them")
    action = "people:propose" if give else "people:freeze" if call_off else "people:close"
    async with at_desk(database_url, action, shown) as (desk, actor):
        if give:
            act = granted(await desk.propose_closing(actor, person_id, give))
            say(f"待另一人确认 / another confirms  closing  {act.id}")
            return
        if call_off:
            granted(await desk.call_closing_off(actor, person_id))
            say(f"已中止注销 / called off  {person_id}")
            return
        async with settling(desk, actor) as settle:
            await resume_closings(desk.store, settle)
            if act_id:
                done = await desk.confirm_closing(actor, person_id, act_id, settle)
            else:
                done = await desk.ask_closing(actor, person_id, "nothing", settle)
    if isinstance(done, ClosingWaits):
        say(f"已确认，等待至 / confirmed, waits till {_when(done.settles_at)}  {person_id}")
        return
    say(f"已注销，资料已销毁 / closed and forgotten  {granted(done).person_id}")


@command.group("keys")
def keys() -> None:
    """Master keys: generate, rotate, retire. 主密钥。

    The master key is never in a database and belongs in no backup of one. Whoever has it and the people store can read
    everybody's data; whoever loses it has lost them.
    """


@keys.command("generate", short_help="Make a key file of mode 0600 生成主密钥")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def generate(file: Path) -> None:
    """Make FILE with a fresh master key, readable by its owner only. 生成主密钥文件。"""
    if file.exists():
        raise Ending(f"{file} 已存在，不会覆盖 / exists and is not overwritten")
    file.parent.mkdir(parents=True, exist_ok=True)
    key = master.generate()
    master.write_file(file, [key])
    say(f"已生成主密钥 {key.id} / made master key {key.id}")
    say(f"请设置 / now set  POINTSBANK_MASTER_KEY_FILE={file.absolute()}")


@keys.command("rotate", short_help="A new master key, everybody's keys under it 轮换")
@database_option
@as_coroutine
async def rotate(database_url: str) -> None:
    """Put a new master key before the old one and wrap everybody's keys under it. 轮换主密钥。

    An interrupted rotation is finished first, without a new key. With keys from the environment, put the new key there
    before the old one and run this.
    """
    store, settings = store_of(database_url)
    try:
        await store.open()
        if not settings.master_key and not await rotation.outstanding(store):
            file = Path(settings.master_key_file)
            master.write_file(file, [master.generate(), *store.keys.all])
            await store.close()
            store, _ = store_of(database_url)
            await store.open()
        done = await rotation.rewrap_all(store)
        current = store.keys.current.id
    finally:
        await store.close()
    say(f"现用主密钥 {current}，重新包裹 {done} 把 / current master key {current}, {done} keys wrapped anew")


@keys.command("retire", short_help="Throw an old master key away 停用旧主密钥")
@click.argument("key_id")
@database_option
@as_coroutine
async def retire(key_id: str, database_url: str) -> None:
    """Take an old master key out of the key file, if nothing is under it any more. 停用旧主密钥。

    Copies of the people store from before the rotation cannot be read after that: neither by us nor by a thief.
    """
    store, settings = store_of(database_url)
    try:
        await store.open()
        refusal = await rotation.may_retire(store, key_id)
        left = [key for key in store.keys.all if key.id != key_id]
    finally:
        await store.close()
    if refusal is not None:
        raise _ending(refusal)
    if len(left) == len(store.keys.all):
        raise Ending(f"没有主密钥 {key_id} / there is no master key {key_id}")
    if settings.master_key:
        say(f"可以从环境变量中删去 {key_id} / {key_id} may be removed from the environment")
        return
    master.write_file(Path(settings.master_key_file), left)
    say(f"已停用 {key_id} / retired")


def _ending(refusal: Refusal) -> Ending:
    return Ending(refusal_text(refusal))


def _when(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(CITY):%Y-%m-%d %H:%M}"
