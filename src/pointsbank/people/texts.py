"""Texts of other rooms that concern somebody, sealed under that person's key: remarks, raw lines, reports.

The room keeps the sealed bytes with its document. When the person is forgotten nobody can open them any more.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from sqlalchemy import Connection

from pointsbank.people.sealing import associated_data, derive
from pointsbank.people.store import PeopleStore


async def seal_texts(store: PeopleStore, texts: Sequence[tuple[str, str, str]]) -> list[bytes | None]:
    """Seal texts (person id, what it is, text). `what` names the one place where it belongs: it opens nowhere else.

    None for a person who is not on file: then the text must not be kept.
    """

    def work(connection: Connection) -> list[bytes | None]:
        keys = store.vault.keys_of(connection, (person_id for person_id, _, _ in texts))
        return [
            store.vault.seal(keys[person_id], f"text {what}", value) if person_id in keys else None
            for person_id, what, value in texts
        ]

    return await store.read(work)


async def open_texts(store: PeopleStore, texts: Sequence[tuple[str, str, bytes]]) -> list[str | None]:
    """The texts (person id, what it is, sealed bytes) in plain; None where the person is forgotten.

    Raises SealBroken for a text that was changed, or belongs elsewhere.
    """

    def work(connection: Connection) -> list[str | None]:
        keys = store.vault.keys_of(connection, (person_id for person_id, _, _ in texts))
        return [
            store.vault.open(keys[person_id], f"text {what}", sealed) if person_id in keys else None
            for person_id, what, sealed in texts
        ]

    return await store.read(work)


async def mac_of(store: PeopleStore, person_id: str, purpose: str, *parts: str) -> bytes | None:
    """A MAC over texts (a salt, a name) under a key of this person and purpose; None if the person is forgotten.

    It proves a match later without keeping what is matched, and cannot be matched after the account is closed.
    """
    keys = await store.read(lambda c: store.vault.keys_of(c, [person_id]))
    if person_id not in keys:
        return None
    return hmac.digest(derive(keys[person_id].secret, f"mac {purpose}"), associated_data(parts), "sha256")
