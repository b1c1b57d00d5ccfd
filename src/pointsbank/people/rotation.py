"""Master keys in use: rotated without a pause, retired when nothing is under them any more."""

from __future__ import annotations

from collections.abc import Callable

from pointsbank.people import vault
from pointsbank.people.refusals import MasterKeyInUse
from pointsbank.people.store import PeopleStore


async def rewrap_all(store: PeopleStore, on_progress: Callable[[int], None] = lambda done: None) -> int:
    """Wrap every key of every ledger under the current master key. How many were; may be stopped and run again."""
    done = 0
    while some := await store.write(lambda c: vault.rewrap(c, store.keys, store.clock.now())):
        done += some
        on_progress(done)
    return done


async def outstanding(store: PeopleStore) -> int:
    """How many keys a rotation that was interrupted has left under another master key than the current one."""
    return await store.read(lambda c: vault.under_other_keys(c, store.keys.current.id))


async def may_retire(store: PeopleStore, master_id: str) -> MasterKeyInUse | None:
    """Whether a master key may be thrown away. With it go all copies of the store from before the rotation."""
    return await store.read(lambda c: vault.may_retire(c, store.keys, master_id))
