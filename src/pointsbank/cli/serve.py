"""`pointsbank serve`: the API under /api/v1 and the pages, until it is told to stop."""

from __future__ import annotations

import click

from pointsbank.access.oidc import OidcError
from pointsbank.access.pepper import PepperError
from pointsbank.access.policies import admit_policies
from pointsbank.access.ring import KeyRing
from pointsbank.access.senders import SenderError, sender_of
from pointsbank.access.staff import StaffDesk
from pointsbank.access.wall import holes
from pointsbank.app import city_log_in, open_log_ins, run
from pointsbank.cli.terminal import (
    Ending,
    as_coroutine,
    database_option,
    name_unimplemented,
    opened,
    policies,
)
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.people.directory import with_people
from pointsbank.people.master import master_keys
from pointsbank.people.store import demo_key_path, people_store, upgrade_people
from pointsbank.policy.load import PolicyErrors
from pointsbank.settings import Settings, SettingsError, settings_from
from pointsbank.store.database import DatabaseUrlError
from pointsbank.store.port import StoreError
from pointsbank.store.schema import SchemaOutOfDate, require_current


@click.command("serve")
@database_option
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8000]")
@click.option("--policy", help="Policy folder or file; the program's own without it.")
@click.option(
    "--writer",
    type=click.Choice(["here", "apart"]),
    help="Where the ledger is written: in this process, or in one of its own on a second core.  [default: here]",
)
@click.option(
    "--demo", is_flag=True, default=None, help="The books hold invented people: open the account pages."
)
def command(
    database_url: str,
    host: str | None,
    port: int | None,
    policy: str | None,
    writer: str | None,
    demo: bool | None,
) -> None:
    """Serve the API and the pages. 启动服务。

    The database must be up to date (`pointsbank db upgrade`). A SQLite file is owned by this process while it
    serves; on PostgreSQL several may serve the same books. Stop it with Ctrl-C or SIGTERM: it finishes what it has.
    """
    try:
        settings = settings_from(
            database=database_url, host=host, port=port, policy=policy, writer=writer, demo=demo
        )
        name_unimplemented(policies(settings.policy))
        _look(settings)
        run(settings)
    except (
        SettingsError, DatabaseUrlError, PepperError, PolicyErrors, StoreError, SchemaOutOfDate, SenderError, OidcError,
    ) as error:  # fmt: skip
        raise Ending(str(error)) from error


@as_coroutine
async def _look(settings: Settings) -> None:
    """Open the books once before the server does: what is wrong with them ends here, with a sentence."""
    database = opened(settings.database)
    try:
        await database.read(require_current)
        async with open_ledger(database, settings.ledger) as ledger:
            ring = KeyRing(ledger, ledger.writer.clock)
            staff = StaffDesk(ledger, ring)
            await _look_at_people(settings, ledger)
            async with open_log_ins(settings, ledger, ring, staff) as door:
                city_log_in(settings, ledger, door, ledger.writer.clock)
            sender_of(settings)
            await admit_policies(ledger, policies(settings.policy))
            found = await database.read(holes) if await staff.is_founded() else []
            if found:
                raise Ending(
                    "账簿已启用人员管理，服务不能以可改动账簿的数据库角色运行（见 docs/security.md）：\n"
                    "The ledger has staff, so the service does not run as a role that could rewrite the journal"
                    " (docs/security.md): " + "; ".join(found[:8])
                )
    finally:
        await database.close()


async def _look_at_people(settings: Settings, ledger: Ledger) -> None:
    """Open the people store once: without a master key, or behind the program, nothing is served."""
    keys = master_keys(settings, demo_key_path(settings))
    if settings.demo:
        await upgrade_people(settings)
    async with with_people(ledger, people_store(settings, ledger.id, keys)):
        pass
