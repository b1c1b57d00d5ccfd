"""The people of a ledger, for verbs that are given volunteer numbers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
import msgspec

from pointsbank.engine.registry import Ledger
from pointsbank.people.directory import Directory, with_people
from pointsbank.people.master import MasterKeys, master_keys
from pointsbank.people.store import demo_key_path, people_store, upgrade_people
from pointsbank.settings import Settings, settings_from


@asynccontextmanager
async def people_of(
    ledger: Ledger, database_url: str, *, exact: bool = False, remembers: bool = False, invented: bool = False
) -> AsyncIterator[Directory]:
    """Open the people store beside the books, for as long as the verb runs. Raises MasterKeyError without a key.

    With `invented` people, those of a demo or a replay, a store and a key are made if there are none.
    """
    settings = settings_from(database=database_url)
    keys = keys_of(settings, invented=invented)
    if invented:
        await upgrade_people(settings)
    store = people_store(settings, ledger.id, keys, clock=ledger.writer.clock)
    async with with_people(ledger, store, exact=exact, remembers=remembers) as directory:
        yield directory


def keys_of(settings: Settings, *, invented: bool = False) -> MasterKeys:
    """The master keys of the settings; beside books that a demo or a replay made, the key that it made."""
    made = demo_key_path(settings)
    if invented or made.exists():
        settings = msgspec.structs.replace(settings, demo=True)
    return master_keys(settings, made)


def number_typed() -> str:
    """A volunteer number, asked for or read from standard input: command lines are kept in histories and lists."""
    if sys.stdin.isatty():
        return str(click.prompt("志愿者编号 / volunteer number", err=True)).strip()
    return sys.stdin.readline().strip()
