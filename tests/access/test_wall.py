"""The second wall: the role that serves can add to the journal and can change nothing in it."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.web.conftest import entry, running

from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk
from pointsbank.access.wall import holes
from pointsbank.cli.main import main
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import open_ledger
from pointsbank.store.database import Database
from pointsbank.store.schema import write_connection

from .office import open_office


def administer(url: str, *statements: str) -> None:
    async def run() -> None:
        database = Database(url)
        for statement in statements:
            await write_connection(database, lambda c, s=statement: c.execute(text(s)) and None)  # type: ignore[misc]
        await database.close()

    asyncio.run(run())


@pytest.fixture
def role(postgres_url: str) -> Iterator[tuple[str, str]]:
    """A role that may log in and nothing else, and the database's URL for it."""
    name = f"service_{uuid.uuid4().hex[:8]}"
    administer(postgres_url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    parts = urlsplit(postgres_url)
    host = parts.netloc.rpartition("@")[2]
    yield name, urlunsplit(parts._replace(netloc=f"{name}:x@{host}"))
    administer(postgres_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def admitted(postgres_url: str, name: str) -> None:
    result = CliRunner().invoke(main, ["db", "admit", name, "--database", postgres_url])
    assert result.exit_code == 0, result.output


async def found(url: str) -> list[str]:
    database = Database(url)
    try:
        return await database.read(holes)
    finally:
        await database.close()


def test_an_admitted_role_serves_and_cannot_change_the_journal(
    postgres_url: str, role: tuple[str, str]
) -> None:
    name, url = role
    admitted(postgres_url, name)
    admitted(postgres_url, name)

    async def serve() -> None:
        assert await found(url) == []
        async with running(url) as service:
            key = await service.key()
            posted = await service.post("/api/v1/journal-entries", entry(), key, "k")
            assert posted.status_code == 201, posted.text
        database = Database(url)
        async with open_office(database) as office:  # everything that access writes
            await office.enrol("ann")
            await office.log_in("ann")
            await office.add("cy")
            await office.give("cy", "cashier")
        for statement in (
            "UPDATE entries SET actor = 'x'",
            "DELETE FROM postings",
            "TRUNCATE batches",
            "ALTER TABLE entries DISABLE TRIGGER ALL",
            "DROP TABLE lots",
            "UPDATE alembic_version SET version_num = 'x'",
        ):
            with pytest.raises(DBAPIError):
                await write_connection(database, lambda c, s=statement: c.execute(text(s)) and None)  # type: ignore[misc]
        await database.close()

    asyncio.run(serve())


@pytest.mark.parametrize(
    ("statement", "hole"),
    [
        ("GRANT UPDATE ON entries TO {0}", "may UPDATE entries"),
        ("GRANT UPDATE (actor) ON entries TO {0}", "may UPDATE of columns entries"),
        ("GRANT DELETE ON postings TO {0}", "may DELETE postings"),
        ("GRANT TRUNCATE ON lots TO {0}", "may TRUNCATE lots"),
        ("GRANT TRIGGER ON batches TO {0}", "may TRIGGER batches"),
        ("ALTER TABLE counters OWNER TO {0}", "owns counters"),
        ("ALTER ROLE {0} SUPERUSER", "{0} is a superuser"),
    ],
)
def test_each_hole_is_named(postgres_url: str, role: tuple[str, str], statement: str, hole: str) -> None:
    name, url = role
    admitted(postgres_url, name)
    administer(postgres_url, statement.format(name))
    try:
        assert asyncio.run(found(url)) == [hole.format(name)]
    finally:
        administer(postgres_url, "ALTER TABLE counters OWNER TO CURRENT_USER")


def test_serve_refuses_a_role_that_could_rewrite_the_journal_once_there_is_staff(postgres_url: str) -> None:
    async def build() -> None:
        database = Database(postgres_url)
        async with open_ledger(database) as ledger:
            desk = StaffDesk(ledger, KeyRing(ledger, ledger.writer.clock))
            await desk.found(("ann", "bo"), Command("t", "f", "t"))
        await database.close()

    asyncio.run(build())
    result = CliRunner().invoke(main, ["serve", "--port", str(_free_port()), "--database", postgres_url])
    assert result.exit_code == 1
    assert "superuser" in result.output


def test_sqlite_has_no_such_wall(sqlite_url: str) -> None:
    assert asyncio.run(found(sqlite_url)) == []
    result = CliRunner().invoke(main, ["db", "admit", "x", "--database", sqlite_url])
    assert result.exit_code == 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
