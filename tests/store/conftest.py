"""A populated ledger on each engine: as migrated today, and after a migration that rebuilds its tables."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import administer, copy, url_of
from tests.store.raw import RawBooks, populate

from pointsbank.store import schema
from pointsbank.store.database import Database

REBUILD = '''"""Rebuilds every table of the ledger, as a later migration may have to."""

from alembic import op

from pointsbank.store.tables import metadata
from pointsbank.store.triggers import drop_triggers

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None

LEDGER = {tables!r}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in drop_triggers("postgresql"):
            op.execute(statement)
        return
    for name in LEDGER:
        with op.batch_alter_table(name, recreate="always", copy_from=metadata.tables[name]):
            pass


def downgrade() -> None:
    pass
'''


def rebuild(url: str, folder: Path, tables: tuple[str, ...]) -> None:
    """Upgrade a database by one throw-away migration that takes every trigger with it."""
    head = schema.latest_revision()
    scripts = folder / "migrations"
    shutil.copytree(schema.migrations_folder(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "9999_rebuild.py").write_text(REBUILD.format(head=head, tables=tables), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "migrations_folder", lambda: scripts)
        asyncio.run(schema.upgrade(Database(url)))


@pytest.fixture(scope="module", params=["sqlite", "sqlite-rebuilt", "postgresql", "postgresql-rebuilt"])
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawBooks]:
    """A populated ledger that the tests of one module share: what they try is refused or rolled back."""
    engine, _, rebuilt = request.param.partition("-")
    folder = tmp_path_factory.mktemp("raw")
    drop: tuple[str, str] | None = None
    if engine == "sqlite":
        url = f"sqlite:///{folder / 'books.db'}"
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "books.db")
    else:
        server, template = request.getfixturevalue("postgres_template")
        name = f"pb_{uuid.uuid4().hex[:12]}"
        copy(server, template, name)
        url = url_of(server, name)
        drop = server, f"DROP DATABASE {name} WITH (FORCE)"
    asyncio.run(populate(url))
    if rebuilt:
        from pointsbank.store.tables import JOURNAL

        rebuild(url, folder, (*JOURNAL, "accounts", "balances", "heads", "subjects", "counters"))
    books = RawBooks(url)
    yield books
    books.close()
    if drop:
        administer(*drop)
