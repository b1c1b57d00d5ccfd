"""Master keys in use: rotated without a pause, retired when nothing is under them any more."""

from __future__ import annotations

from collections.abc import Callable

from pointsbank.people.refusals import MasterKeyInUse
from pointsbank.people.store import PeopleStore


async def rewrap_all(store: PeopleStore, on_progress: Callable[[int], None] = lambda done: None) -> int:
    """Wrap every person's key under the current master key. How many were; it may be stopped and run again."""
    done = 0
    while True:
        now = store.clock.now()
        some = await store.write(lambda c, now=now: store.vault.rewrap(c, now))  # type: ignore[misc]
        if not some:
            return done
        done += some
        on_progress(done)


async def may_retire(store: PeopleStore, master_id: str) -> MasterKeyInUse | None:
    """Whether a master key may be thrown away. With it go all copies of the store from before the rotation."""
    return await store.read(lambda c: store.vault.may_retire(c, master_id))
