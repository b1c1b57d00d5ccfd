"""The people store of a benchmark: beside the books, under a key that everybody knows, for invented people."""

from __future__ import annotations

from typing import Final

from pointsbank.people.master import KEY_BYTES, MasterKeys, key_of
from pointsbank.people.store import PeopleStore, people_store
from pointsbank.settings import Settings

KEY: Final = key_of(bytes(KEY_BYTES))


def people_at(url: str, ledger_id: int) -> PeopleStore:
    """The people store of a ledger, not open."""
    return people_store(Settings(database=url), ledger_id, MasterKeys([KEY]))
