"""`pointsbank people`: the people store. Names and numbers come from standard input, never from the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, get_args

import click
import msgspec

from pointsbank.cli.people_of import keys_of
from pointsbank.cli.terminal import CITY, PATIENT, Ending, as_coroutine, database_option, refusal_text, say
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.people import master, rotation
from pointsbank.people.closing import close_account, resume_closings
from pointsbank.people.consents import Consents
from pointsbank.people.export import export_own_data
from pointsbank.people.model import NewPerson, Purpose, Role
from pointsbank.people.registry import Registry, Shown
from pointsbank.people.sealing import INDEX_KINDS, IndexKind
from pointsbank.people.store import PeopleStore, people_store
from pointsbank.points.settling import no_points_left
from pointsbank.settings import Settings, settings_from
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

T = TypeVar("T")

acting_option = click.option(
    "--as", "acting", metavar="PERSON", required=True, help="Id of the member of staff who acts 经办人."
)


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
    store, _ = _store(database_url)
    try:
        await store.upgrade()
        await store.open()
    finally:
        await store.close()
    say(f"{store.database.public_url}：个人资料库已就绪 / the people store is ready")


@command.command("register", short_help="Put somebody on file, from a JSON object on stdin 登记")
@click.option("--role", type=click.Choice(get_args(Role)), default="volunteer", show_default=True)
@acting_option
@database_option
@as_coroutine
async def register(role: Role, acting: str, database_url: str) -> None:
    """Put somebody on file. 登记人员。

    Standard input is a JSON object with name, and where known phone, volunteer_number, id_number, born (YYYY-MM-DD).
    The first member of staff may register themselves: --role staff --as first.
    """
    try:
        given = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, str])
        person = msgspec.convert(given | {"role": role}, NewPerson)
    except msgspec.DecodeError as error:
        # the parser's message names fields and places, and no value
        raise Ending(f"标准输入须是一个 JSON 对象 / standard input must be a JSON object: {error}") from None
    async with _desk(database_url) as registry:
        if not (acting == "first" and role == "staff" and not await registry.has_staff()):
            await _require_staff(registry, acting)
        done = _granted(await registry.register(person, acting))
    say(f"已登记 / registered  {done.person_id}")
    for hint in done.hints:
        say(f"  请核对 / please compare  {hint.person_id}  {hint.reason}")


@command.command("find", short_help="Who has this whole number, read from stdin 查找")
@click.option("--by", "kind", type=click.Choice(INDEX_KINDS), required=True, help="Which number it is.")
@acting_option
@database_option
@as_coroutine
async def find(kind: IndexKind, acting: str, database_url: str) -> None:
    """Find people by a whole number, read from standard input. Counted, limited and logged. 按完整号码查找。"""
    number = sys.stdin.readline().strip()
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        found = _granted(await registry.find(kind, number, acting))
    for one in found:
        say(f"{one.person_id}  {one.state:<8}  {one.name}  {one.age_band}")
    if not found:
        say("没有找到 / nobody")


@command.command("show", short_help="A person, masked 查看")
@click.argument("person_id")
@click.option("--reason", default="", help="Why; needed for somebody under 18, and kept.")
@acting_option
@database_option
@as_coroutine
async def show(person_id: str, reason: str, acting: str, database_url: str) -> None:
    """Show a person, masked. Logged. 查看（脱敏）。"""
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        profile = _granted(await registry.profile(person_id, acting, reason=reason))
    for name, value in msgspec.structs.asdict(profile).items():
        say(f"{name:<18}{' '.join(value) if isinstance(value, tuple) else value}")


@command.command("unmask", short_help="One value in full, with a reason 查看完整信息")
@click.argument("person_id")
@click.argument("field", type=click.Choice(get_args(Shown)))
@click.option("--reason", required=True, help="Why; it is kept with who saw whom.")
@acting_option
@database_option
@as_coroutine
async def unmask(person_id: str, field: Shown, reason: str, acting: str, database_url: str) -> None:
    """Show one value in full. The reason is kept with who saw whom. 查看完整信息，须说明理由。"""
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        shown = _granted(await registry.unmask(person_id, field, acting, permitted=True, reason=reason))
    say(shown.value or "（未登记 / not on file）")


@command.command("freeze", short_help="Stop everything that somebody could do 冻结")
@click.argument("person_id")
@acting_option
@database_option
@as_coroutine
async def freeze(person_id: str, acting: str, database_url: str) -> None:
    """Stop at once everything that somebody could do, as after a lost card. 立即冻结。"""
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        refusal = await registry.freeze(person_id, acting)
    if refusal is not None:
        raise _ending(refusal)
    say(f"已冻结 / frozen  {person_id}")


@command.command("consent", short_help="Take a consent down, withdraw one, list them 同意")
@click.argument("person_id")
@click.option("--give", "purpose", type=click.Choice(get_args(Purpose)), help="What is consented to.")
@click.option("--wording", default="", help="Version of the text that was agreed to; needed with --give.")
@click.option("--given-by", default="", metavar="PERSON", help="The guardian who consents; else the person.")
@click.option("--withdraw", "consent_id", metavar="CONSENT", help="Id of the consent that ends now.")
@acting_option
@database_option
@as_coroutine
async def consent(
    person_id: str,
    purpose: Purpose | None,
    wording: str,
    given_by: str,
    consent_id: str | None,
    acting: str,
    database_url: str,
) -> None:
    """Take a consent down, withdraw one, and list them all. 同意的登记、撤回与查看。"""
    if purpose and not wording:
        raise click.UsageError("--give 须有 --wording / --give needs --wording")
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        desk = Consents(registry.store)
        if purpose:
            _granted(
                await desk.give(
                    person_id, purpose, wording=wording, given_by=given_by or person_id, taken_by=acting
                )
            )
        if consent_id:
            refusal = await desk.withdraw(person_id, consent_id, acting)
            if refusal is not None:
                raise _ending(refusal)
        for one in await desk.history(person_id):
            ended = f"撤回 withdrawn {_when(one.withdrawn_at)}" if one.withdrawn_at else "有效 standing"
            say(f"{one.id}  {one.purpose:<14}  {_when(one.given_at)}  {one.wording}  {ended}")


@command.command("export", short_help="All of one's own data as JSON 导出本人资料")
@click.argument("person_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@acting_option
@database_option
@as_coroutine
async def export(person_id: str, file: Path, acting: str, database_url: str) -> None:
    """Write all that the store knows of a person to FILE, readable by its owner only. 导出本人全部资料。"""
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        found = _granted(await export_own_data(registry.store, person_id, acting))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(found)
    say(f"已写入 / written  {file}")


@command.command("close", short_help="Close an account and forget the person 注销")
@click.argument("person_id")
@acting_option
@database_option
@as_coroutine
async def close(person_id: str, acting: str, database_url: str) -> None:
    """Close an account that holds no points, and forget the person. Run it again after an interruption. 注销账户。

    The books stay whole: they know a random id and nothing else. What was forgotten cannot be brought back.
    """
    database = Database(database_url)
    async with _desk(database_url) as registry:
        await _require_staff(registry, acting)
        try:
            async with open_ledger(database, limits=PATIENT) as ledger:
                settle = no_points_left(ledger)
                await resume_closings(registry.store, settle)
                done = _granted(
                    await close_account(registry.store, person_id, settle, by=acting, settlement="nothing")
                )
        finally:
            await database.close()
    say(f"已注销，资料已销毁 / closed and forgotten  {done.person_id}")


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
    store, settings = _store(database_url)
    try:
        await store.open()
        if not settings.master_key and not await rotation.outstanding(store):
            file = Path(settings.master_key_file)
            master.write_file(file, [master.generate(), *store.keys.all])
            await store.close()
            store, _ = _store(database_url)
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
    store, settings = _store(database_url)
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


def _store(database_url: str) -> tuple[PeopleStore, Settings]:
    settings = settings_from(database=database_url)
    held = keys_of(settings)
    if held.file is not None and not settings.master_key_file:
        settings = msgspec.structs.replace(settings, master_key_file=str(held.file))
    return people_store(settings, ledger_id_of(CITY_LEDGER), held), settings


@asynccontextmanager
async def _desk(database_url: str) -> AsyncIterator[Registry]:
    store, _ = _store(database_url)
    try:
        await store.open()
        yield Registry(store)
    finally:
        await store.close()


async def _require_staff(registry: Registry, acting: str) -> None:
    """Who acts must be an active member of staff on file. What they may is decided by their rights."""
    if not await registry.is_active_staff(acting):
        raise Ending(f"{acting} 不是在职工作人员 / is no active member of staff")


def _granted(outcome: T | Refusal) -> T:
    if isinstance(outcome, Refusal):
        raise _ending(outcome)
    return outcome


def _ending(refusal: Refusal) -> Ending:
    return Ending(refusal_text(refusal))


def _when(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(CITY):%Y-%m-%d %H:%M}"
