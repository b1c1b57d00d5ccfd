"""What the verbs about people, cards and terminals share: the people store, the desk, and who acts at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from pointsbank.access.logins import LoginStore
from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.activities.ports import By
from pointsbank.cli.acting import Shown, who_acts
from pointsbank.cli.people_of import keys_of, people_of
from pointsbank.cli.terminal import PATIENT, Ending, opened, policies_for, refusal_text
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.closing import Settle
from pointsbank.people.store import PeopleStore, people_store
from pointsbank.settings import Settings, settings_from
from pointsbank.store.port import ledger_id_of
from pointsbank.web.closings import settle_and_forget
from pointsbank.web.own_books import own_books
from pointsbank.web.whereabouts import attended

T = TypeVar("T")


def store_of(database_url: str) -> tuple[PeopleStore, Settings]:
    """The people store of the settings, not yet open, and the settings with the file of its master key."""
    settings = settings_from(database=database_url)
    held = keys_of(settings)
    if held.file is not None and not settings.master_key_file:
        settings = msgspec.structs.replace(settings, master_key_file=str(held.file))
    return people_store(settings, ledger_id_of(CITY_LEDGER), held), settings


@asynccontextmanager
async def at_desk(database_url: str, action: str, shown: Shown) -> AsyncIterator[tuple[PeopleDesk, Actor]]:
    """The desk for people and who acts at it, as the log-in or the key shows. Ends the verb with a sentence if not."""
    database = opened(database_url)
    try:
        async with open_ledger(database, limits=PATIENT) as ledger, people_of(ledger, database_url) as people:
            actor = await who_acts(ledger, action, shown, bounded=True)
            books = await policies_for(ledger)
            yield PeopleDesk(ledger, people.store, books, seen=attended, books=own_books), actor
    finally:
        await database.close()


@asynccontextmanager
async def settling(desk: PeopleDesk, actor: Actor) -> AsyncIterator[Settle]:
    """What closes an account: the same as behind the service's door, so sessions, PINs and cards go too."""
    logins = LoginStore(desk.ledger.database)
    try:
        await logins.open()
        by = By(actor.id, actor.person)
        book = await policies_for(desk.ledger)
        yield settle_and_forget(desk.ledger, book, desk.store, logins, by)
    finally:
        await logins.close()


def granted(outcome: T | Refusal) -> T:
    """The outcome. Ends the verb with a sentence if it is a refusal."""
    if isinstance(outcome, Refusal):
        raise Ending(refusal_text(outcome))
    return outcome
