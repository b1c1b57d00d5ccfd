"""`pointsbank awaiting`: what waits for whom. Records for a verifier, objections and appeals for who decides them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from pointsbank.access.model import Actor
from pointsbank.activities.ports import By
from pointsbank.cli.acting import Shown, acting_options, who_acts
from pointsbank.cli.people_of import people_of
from pointsbank.cli.terminal import as_coroutine, database_option, opened, policies_for, say
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.hours.awaiting import MOST, Reader
from pointsbank.people.registry import Registry
from pointsbank.web.api.awaiting import case_cursor, cases_for, record_cursor, records_for


@click.group("awaiting")
def command() -> None:
    """What waits for whom. 待办清单。

    A record that was submitted waits for another person to verify it, an objection or an appeal for somebody who had no
    hand in the record. By law each has a last day, ten working days on. Everybody sees what lies at their own places.
    """


@command.command("verification", short_help="Records that wait for a verifier 待核验")
@click.option("--activity", default="", help="Only records of the activity with this id.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most lines.")
@acting_options
@database_option
@as_coroutine
async def verification(activity: str, limit: int, shown: Shown, database_url: str) -> None:
    """Records that wait for a verifier at your places, the longest waiting first.

    Each line: record, last day by law, how many people must look at it, what it waits for, service day, station, minutes,
    volunteer (masked), who recorded it, activity, flags, and, after 不可 / not you, the rule by which you may not verify it.

    Flags: late; night, submitted between 0 and 5 o'clock; honour, typed in; large, above the limits of one person's word.
    """
    async with _reading(database_url, shown, "hours:verify") as (ledger, actor, reader, registry):
        left, after = limit, ""
        while left:
            page = min(left, MOST)
            found = await ledger.database.read(records_for, ledger.id, actor, reader, activity, after, page)
            names = await registry.masked_names({id_ for one in found for id_ in (one.person, one.recorder)})
            for one in found:
                say("\t".join((
                    one.record_id, one.due_on, str(one.level), one.next_step, one.day, one.station,
                    f"{one.minutes} min", names.get(one.person, one.person), names.get(one.recorder, one.recorder),
                    one.activity, ",".join(one.flags), _forbidden(one.may_not),
                )))  # fmt: skip
            left, following = left - len(found), record_cursor(found, page)
            if following is None:
                return
            after = following


@command.command("decision", short_help="Objections and appeals to be decided 待裁定")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most lines.")
@acting_options
@database_option
@as_coroutine
async def decision(limit: int, shown: Shown, database_url: str) -> None:
    """Objections and appeals at your places on which somebody must decide, by their last day: what went up comes first.

    Each line: record, last day by law, open or escalated, objection or appeal, why, service day, station, volunteer
    (masked), activity, and, after 不可 / not you, the rule by which you may not decide it.
    """
    async with _reading(database_url, shown, "hours:decide") as (ledger, actor, reader, registry):
        left, after = limit, ""
        while left:
            page = min(left, MOST)
            found = await ledger.database.read(cases_for, ledger.id, actor, reader, after, page)
            names = await registry.masked_names({one.person for one in found})
            for one in found:
                say("\t".join((
                    one.record_id, one.due_on, one.state, one.kind, one.reason, one.day, one.station,
                    names.get(one.person, one.person), one.activity, _forbidden(one.may_not),
                )))  # fmt: skip
            left, following = left - len(found), case_cursor(found, page)
            if following is None:
                return
            after = following


def _forbidden(rule: str) -> str:
    return f"不可 / not you: {rule}" if rule else ""


@asynccontextmanager
async def _reading(
    database_url: str, shown: Shown, action: str
) -> AsyncIterator[tuple[Ledger, Actor, Reader, Registry]]:
    """The books, who asks, and the register of people for masked names."""
    database = opened(database_url)
    try:
        async with open_ledger(database) as ledger, people_of(ledger, database_url) as directory:
            actor = await who_acts(ledger, action, shown, bounded=True)
            by = By(actor.id, actor.person, "" if actor.person else actor.id)
            reader = Reader(by, await policies_for(ledger), ledger.writer.clock.now())
            yield ledger, actor, reader, Registry(directory.store)
    finally:
        await database.close()
