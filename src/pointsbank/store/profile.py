"""What a ledger is for: its first journal entry says it, once and for all."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, select

from pointsbank.store.tables import entries

Profile = Literal["live", "replay"]
"""`live`: real people's points. `replay`: a data set that is played through, a demo; only here may safeguards be off."""

OPENING: Final = "open-ledger"
"""The kind of the entry that opens a ledger; no other entry may come before it."""


def profile_of(connection: Connection, ledger_id: int) -> Profile | None:
    """The ledger's profile; None while it has no entry. Books that began without an opening entry are live."""
    found = connection.execute(
        select(entries.c.kind, entries.c.metadata).where(
            entries.c.ledger_id == ledger_id, entries.c.sequence == 1
        )
    ).one_or_none()
    if found is None:
        return None
    kind, metadata = found
    is_replay = kind == OPENING and msgspec.json.decode(metadata or "{}").get("profile") == "replay"
    return "replay" if is_replay else "live"
