"""Ledgers of tests that are opened with their people: a people store beside the books, with a key for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec.structs import replace

from pointsbank.engine.clock import Clock
from pointsbank.engine.registry import CITY_LEDGER, Ledger, open_ledger
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.directory import directory_of, with_people
from pointsbank.people.master import master_keys
from pointsbank.people.model import NewPerson
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.people.store import PeopleStore, people_store
from pointsbank.people.volunteers import Volunteer
from pointsbank.settings import Settings
from pointsbank.store.database import Database

MASTER_KEY: Final = "pbm1.c8a85f7d35c90577.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
"""A key that everybody knows; it protects invented people."""


def settings_for(url: str, **more: Any) -> Settings:
    """Settings of a service or verb on a test's books."""
    folder = Path(Database(url).path).parent if url.startswith("sqlite") else None
    return Settings(
        **({"database": url, "master_key": MASTER_KEY, "erasures": _erasures(url, folder)} | more)
    )


_OUTSIDE: Final = TemporaryDirectory(prefix="pointsbank-tests-")
"""Where erasure lists of PostgreSQL stores are, for as long as the tests run."""


def _erasures(url: str, folder: Path | None) -> str:
    if folder is not None:
        return ""
    return f"{_OUTSIDE.name}/{url.rpartition('/')[2].partition('?')[0]}.erasures"


def store_of(url: str, ledger_id: int, clock: Clock | None = None) -> PeopleStore:
    """The people store of a ledger, not open yet."""
    settings = settings_for(url)
    return people_store(settings, ledger_id, master_keys(settings), clock=clock)


@asynccontextmanager
async def open_peopled(
    database: Database,
    name: str = CITY_LEDGER,
    *,
    clock: Clock | None = None,
    people: PeopleStore | None = None,
    **more: Any,
) -> AsyncIterator[Ledger]:
    """A ledger with its people, in a store of the test's choice or the one beside the books."""
    async with (
        open_ledger(database, name, clock=clock, **more) as ledger,
        with_people(ledger, people or store_of(database.url, ledger.id, clock)),
    ):
        yield ledger


async def enrol(
    ledger: Ledger, born: Mapping[str, date], names: Mapping[str, str] | None = None
) -> dict[str, Volunteer]:
    """Register volunteers by number and birth date, some with a name; enrolling somebody again changes nothing."""
    people = [
        NewPerson(name=(names or {}).get(number, ""), volunteer_number=number, born=day)
        for number, day in born.items()
    ]
    for result in await directory_of(ledger).enrol(ledger, people, "test", "test"):
        assert not isinstance(result, Refusal | PersonDataInvalid), result
    return await volunteers_named(ledger, *born)


async def volunteers_named(ledger: Ledger, *numbers: str) -> dict[str, Volunteer]:
    """Volunteers by number, as a room keeps them: without birth date and key."""
    found = await directory_of(ledger).by_number(numbers)
    return {number: replace(person, born=None, key=None) for number, person in found.items()}
