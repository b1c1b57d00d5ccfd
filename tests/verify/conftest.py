"""A town's ledger, built once on each engine through the writer."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.databases import administer, copy, url_of
from tests.verify.town import Town, build_town

from pointsbank.store.database import Database
from pointsbank.verify import run
from pointsbank.verify.schema import check_schema


@pytest.fixture(autouse=True)
def schemas_looked_through_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others may take for known is looked at here."""
    monkeypatch.setattr(run, "check_schema", check_schema)


def _build(url: str) -> Town:
    async def run() -> Town:
        database = Database(url)
        try:
            return await build_town(database)
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.fixture(scope="session")
def sqlite_town(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Town]:
    """URL of the town's SQLite file, for tests that leave it as it is."""
    path = tmp_path_factory.mktemp("town") / "town.db"
    shutil.copy(sqlite_template, path)
    url = f"sqlite:///{path}"
    return url, _build(url)


@pytest.fixture(scope="session")
def postgres_town(postgres_template: tuple[str, str]) -> Iterator[tuple[str, Town]]:
    """URL of the town's PostgreSQL database, for tests that leave it as it is."""
    server, template = postgres_template
    name = f"pb_town_{uuid.uuid4().hex[:8]}"
    copy(server, template, name)
    url = url_of(server, name)
    yield url, _build(url)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=("sqlite", "postgresql"))
def town_file(request: pytest.FixtureRequest) -> tuple[str, Town]:
    """URL of the town's database, and what was posted; the test runs once on each engine."""
    built: tuple[str, Town] = request.getfixturevalue(
        "sqlite_town" if request.param == "sqlite" else "postgres_town"
    )
    return built


@pytest.fixture
def town(town_file: tuple[str, Town]) -> Town:
    return town_file[1]


@pytest.fixture
async def books(town_file: tuple[str, Town]) -> AsyncIterator[Database]:
    """The town's database, for reading."""
    database = Database(town_file[0])
    yield database
    await database.close()
