"""`pointsbank db`: upgrade, check, back up and restore the database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import Connection, select

from pointsbank.access.wall import ROLE, let_in
from pointsbank.cli.terminal import CITY, Ending, as_coroutine, database_option, opened, progress_bar, say
from pointsbank.people.store import upgrade_people
from pointsbank.settings import settings_from
from pointsbank.store import backup as backups
from pointsbank.store.backup import BackupError
from pointsbank.store.database import Database
from pointsbank.store.schema import (
    current_revision,
    latest_revision,
    missing_triggers,
    require_current,
    upgrade,
    write_connection,
)
from pointsbank.store.tables import heads
from pointsbank.verify import render, verify


@click.group("db")
def command() -> None:
    """The database: upgrade, check, back up, restore. 数据库。"""


@command.command("upgrade", short_help="Bring the schema up to date 升级结构")
@database_option
@as_coroutine
async def upgrade_(database_url: str) -> None:
    """Bring the schemas of the books and of the people store up to date; create the files if there are none. 升级结构。"""
    database = Database(database_url)
    try:
        await upgrade(database)
        await upgrade_people(settings_from(database=database_url))
    finally:
        await database.close()
    say(f"{database.public_url}：结构为 {latest_revision()} / schema at {latest_revision()}")


@command.command("check", short_help="Is the schema current, does every trigger stand? 检查结构")
@database_option
@as_coroutine
async def check(database_url: str) -> None:
    """Check that the schema is current and every refusing trigger stands. 检查结构。"""
    database = opened(database_url)
    try:
        await database.read(require_current)
        missing = await database.read(missing_triggers)
        ledgers = await database.read(_ledgers)
        revision = await database.read(current_revision)
    finally:
        await database.close()
    if missing:
        raise Ending("缺少触发器 / missing triggers: " + ", ".join(missing))
    say(f"{database.public_url}：结构 {revision}，触发器齐全 / schema {revision}, all triggers stand")
    for name, chart, sequence in ledgers:
        say(f"  {name}  {chart}  {sequence:,} 笔凭证 / entries")


def _ledgers(connection: Connection) -> list[tuple[str, str, int]]:
    rows = connection.execute(select(heads.c.name, heads.c.chart, heads.c.sequence).order_by(heads.c.name))
    return [(name, chart, sequence) for name, chart, sequence in rows]


@command.command("admit", short_help="What the service's own role needs on PostgreSQL 服务角色")
@click.argument("role")
@database_option
@as_coroutine
async def admit(role: str, database_url: str) -> None:
    """Give ROLE, under which the service runs, what it needs and no more. 服务角色授权。

    PostgreSQL only, with the URL of the tables' owner, after each upgrade. The role may read the journal and add to it,
    never change it; `serve` refuses to run as another one once the ledger has staff.
    """
    database = opened(database_url)
    if database.dialect != "postgresql" or not ROLE.fullmatch(role):
        raise Ending(
            "只用于 PostgreSQL，角色名用小写字母、数字和 _ / PostgreSQL only; a role has small letters, digits, _"
        )
    try:
        await write_connection(database, lambda connection: let_in(connection, role))
    finally:
        await database.close()
    say(f"已授权 {role} / {role} may serve")


@command.command("backup", short_help="All books to one file, while the bank goes on 备份")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@database_option
@as_coroutine
async def backup(file: Path | None, database_url: str) -> None:
    """Back up all books to FILE while the bank goes on. 备份。

    One consistent snapshot in one file that both engines can restore.  [default: pointsbank-DATE.backup]
    """
    database = opened(database_url)
    where = file or Path(f"pointsbank-{datetime.now(CITY):%Y%m%d-%H%M%S}.backup")
    if where.exists():
        raise Ending(f"{where} 已存在，不会覆盖 / exists and is not overwritten")
    try:
        with progress_bar() as report:
            manifest = await backups.back_up(database, where, report)
    except BackupError as error:
        raise Ending(str(error)) from error
    finally:
        await database.close()
    say(f"已备份到 {where} / backed up to {where}")
    for ledger in manifest.ledgers:
        say(f"  {ledger.name}  {ledger.sequence:,} 笔凭证 / entries")


@command.command("restore", short_help="A backup into an empty database, verified 恢复")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_option
@as_coroutine
async def restore(file: Path, database_url: str) -> None:
    """Restore FILE into an empty database, verify it, and only then call it done. 恢复。

    A SQLite file gets its name only when the verification holds.
    """
    database = Database(database_url)
    target = database
    if database.dialect == "sqlite":
        if database.path.exists():
            raise Ending(f"{database.path} 已存在，不会覆盖 / exists and is not overwritten")
        target = Database(f"sqlite:///{database.path}.part")
        _remove(target.path)
    try:
        with progress_bar() as report:
            manifest = await backups.restore(file, target, report)
            for ledger in manifest.ledgers:
                outcome = await verify(
                    target, ledger.ledger_id, on_progress=lambda p: report(p.part, p.done, p.total)
                )
                if not outcome.holds or outcome.to_sequence != ledger.sequence:
                    say(render(outcome))
                    raise Ending(
                        "恢复的账簿未通过核验，恢复没有完成；目标数据库请整个删除。\n"
                        "The restored books do not verify: the restore is not done. Drop the target database."
                    )
        await target.close()
        if target is not database:
            target.path.replace(database.path)
    except BackupError as error:
        raise Ending(str(error)) from error
    finally:
        await target.close()
        if target is not database:
            _remove(target.path)
    say(f"已恢复到 {database.public_url}，核验通过 / restored and verified")
    for ledger in manifest.ledgers:
        say(f"  {ledger.name}  {ledger.sequence:,} 笔凭证 / entries")


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
