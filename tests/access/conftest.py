"""The rooms' tables stand on the shared metadata before the first database is migrated."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import pointsbank.access.tables  # noqa: F401
from pointsbank.store.database import Database

from .bureau import Bureau, open_bureau


@pytest.fixture
async def bureau(database: Database, tmp_path: Path) -> AsyncIterator[Bureau]:
    """People, places and staff, once on each engine."""
    async with open_bureau(database, tmp_path) as bureau:
        yield bureau
