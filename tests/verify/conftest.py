"""A town's ledger for each test: built once on each engine through the writer, copied for every test."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from pointsbank.store.database import Database

from .town import Town, build_town


def _administer(server: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def _url(server: str, name: str) -> str:
    base, question, options = server.partition("?")
    return base.rsplit("/", 1)[0] + "/" + name + question + options


def _build(url: str) -> Town:
    async def run() -> Town:
        database = Database(url)
        try:
            return await build_town(database)
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.fixture(scope="session")
def sqlite_town(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Town]:
    """The town's SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("town") / "town.db"
    shutil.copy(sqlite_template, path)
    return path, _build(f"sqlite:///{path}")


@pytest.fixture(scope="session")
def postgres_town(postgres_template: tuple[str, str]) -> Iterator[tuple[str, str, Town]]:
    """The server, the name of the town's database, to be copied."""
    server, template = postgres_template
    name = f"pb_town_{uuid.uuid4().hex[:8]}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server, name, _build(_url(server, name))
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_copy(sqlite_town: tuple[Path, Town], tmp_path: Path) -> tuple[str, Town]:
    path, town = sqlite_town
    shutil.copy(path, tmp_path / "books.db")
    return f"sqlite:///{tmp_path / 'books.db'}", town


@pytest.fixture
def postgres_copy(postgres_town: tuple[str, str, Town]) -> Iterator[tuple[str, Town]]:
    server, template, town = postgres_town
    name = f"pb_{uuid.uuid4().hex[:12]}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _url(server, name), town
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=("sqlite", "postgresql"))
def town_copy(request: pytest.FixtureRequest) -> tuple[str, Town]:
    """URL of a copy of the town of the test's own; the test runs once on each engine."""
    copy: tuple[str, Town] = request.getfixturevalue(
        "sqlite_copy" if request.param == "sqlite" else "postgres_copy"
    )
    return copy


@pytest.fixture
def town(town_copy: tuple[str, Town]) -> Town:
    return town_copy[1]


@pytest.fixture
async def books(town_copy: tuple[str, Town]) -> AsyncIterator[Database]:
    """The town's database, a copy of the test's own."""
    database = Database(town_copy[0])
    yield database
    await database.close()
