"""`pointsbank keys`: API keys. The key's text is shown once; only its hash is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from pointsbank.access.model import SCOPES
from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.terminal import Ending, as_coroutine, database_option, opened, refusal_text, say
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import ledger_to_read, open_ledger
from pointsbank.ledger.model import Receipt


@click.group("keys")
def command() -> None:
    """API keys: issue, list, revoke. 接口密钥。

    In a ledger with staff a key belongs to a machine source and opens nothing before a second person has
    confirmed it (`pointsbank staff confirm-key`). To issue or revoke one on SQLite, stop the service first, or
    use its API: one process owns the file.
    """


@command.command("issue", short_help="Make a key and show it, once 签发密钥")
@click.option(
    "--for", "holder", required=True, help="Who the key speaks for, such as a terminal's or a system's id."
)
@click.option("--label", default="", help="A note to tell keys apart.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(sorted(SCOPES)),
    help="What the key may do; give it more than once.",
)
@click.option(
    "--days",
    type=click.IntRange(min=1, max=3660),
    default=365,
    show_default=True,
    help="How long it is good.",
)
@acting_options
@database_option
@as_coroutine
async def issue(
    holder: str, label: str, scopes: tuple[str, ...], days: int, shown: Shown, database_url: str
) -> None:
    """Make a key and show it, once. 签发密钥。"""
    database = opened(database_url)
    expires = datetime.now(UTC) + timedelta(days=days)
    try:
        async with open_ledger(database) as ledger:
            actor = await who_acts(ledger, "keys:manage", shown)
            desk = KeyDesk(ledger, KeyRing(ledger, SystemClock()))
            issued = await desk.issue(
                holder,
                label,
                scopes,
                int(expires.timestamp()) * 1_000_000,
                Command("cli", f"key:{new_id()}", actor.name if actor.person else "operator"),
                actor=actor,
            )
    finally:
        await database.close()
    if not isinstance(issued, IssuedKey):
        raise Ending("未签发 / not issued\n" + refusal_text(issued))
    say("密钥只显示这一次，请立即保存 / the key is shown this once, keep it now:")
    say(f"  {issued.token}")
    if issued.key.state == "proposed":
        say(f"须由另一人确认 / another person confirms it: pointsbank staff confirm-key {issued.key.id}")


@command.command("list", short_help="List keys, without their text 列出密钥")
@database_option
@as_coroutine
async def list_(database_url: str) -> None:
    """List keys, without their text. 列出密钥。"""
    database = opened(database_url)
    try:
        ledger = ledger_to_read(database)
        desk = KeyDesk(ledger, KeyRing(ledger, SystemClock()))
        after = ""
        while page := await desk.list(after=after):
            for key in page:
                scopes = " ".join(sorted(key.scopes))
                say(f"{key.id}  {key.state:<8}  {key.client:<20}  {scopes}  {key.label}")
            after = page[-1].id
    finally:
        await database.close()


@command.command("revoke", short_help="Make a key useless from now on 吊销密钥")
@click.argument("key_id")
@acting_options
@database_option
@as_coroutine
async def revoke(key_id: str, shown: Shown, database_url: str) -> None:
    """Make a key useless from now on. 吊销密钥。"""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger:
            actor = await who_acts(ledger, "keys:manage", shown)
            desk = KeyDesk(ledger, KeyRing(ledger, SystemClock()))
            by = actor.name if actor.person else "operator"
            result = await desk.revoke(key_id, Command("cli", f"revoke:{key_id}:{new_id()}", by), actor=actor)
    finally:
        await database.close()
    if not isinstance(result, Receipt):
        raise Ending("未吊销 / not revoked\n" + refusal_text(result))
    say(f"已吊销 {key_id} / revoked")
