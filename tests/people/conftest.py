"""A people store of the test's own, on each engine, with invented people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from tests.conftest import ENGINES

from pointsbank.engine.clock import FixedClock
from pointsbank.people.erasures import ErasureList
from pointsbank.people.identity import check_character
from pointsbank.people.master import MasterKeys, generate
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore

NOON = 1_795_320_000_000_000
"""2026-11-22 12:00 in Shanghai, microseconds UTC."""

LEDGER = 7
HOUR = 3_600_000_000
DAY = 24 * HOUR


def id_number(born: str, serial: int = 123, region: str = "230102") -> str:
    """A well formed identity number of nobody."""
    digits = f"{region}{born.replace('-', '')}{serial:03}"
    return digits + check_character(digits)


def somebody(**fields: object) -> NewPerson:
    given: dict[str, object] = {
        "name": "张小明",
        "phone": "13812345678",
        "volunteer_number": "V2301000001",
        "id_number": id_number("1990-05-17"),
    }
    return NewPerson(**(given | fields))  # type: ignore[arg-type]


def plain(name: str, born: date | None = None, role: str = "volunteer", phone: str = "") -> NewPerson:
    return NewPerson(name=name, born=born, role=role, phone=phone)  # type: ignore[arg-type]


async def put(registry: Registry, person: NewPerson) -> str:
    """Register somebody; the id."""
    outcome = await registry.register(person, "clerk")
    assert isinstance(outcome, Registered), outcome
    return outcome.person_id


@pytest.fixture
def keys() -> MasterKeys:
    return MasterKeys([generate()])


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def erasures(tmp_path: Path) -> ErasureList:
    return ErasureList(tmp_path / "outside" / "people.erasures")


@pytest.fixture(params=ENGINES)
def people_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a people store may be made; the test runs once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'people.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(
    people_url: str, keys: MasterKeys, clock: FixedClock, erasures: ErasureList
) -> AsyncIterator[PeopleStore]:
    """An open people store of the test's own."""
    store = PeopleStore(people_url, LEDGER, keys, erasures, clock=clock)
    await store.upgrade()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def registry(store: PeopleStore) -> Registry:
    return Registry(store)
