"""What `verify` said last, kept for the people who look at the overview. The books themselves are not
asked again."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from sqlalchemy import Connection, select

from pointsbank.access.service import ROOM
from pointsbank.access.tables import verifications
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal


class Verification(msgspec.Struct, frozen=True):
    """One run of `verify`: up to which sequence, how many entries, how many findings (0: all invariants
    hold)."""

    finished_at: int
    from_sequence: int
    to_sequence: int
    entries: int
    findings: int
    milliseconds: int
    program: str = ""

    @property
    def holds(self) -> bool:
        return self.findings == 0


async def record_verification(ledger: Ledger, run: Verification) -> Receipt | Refusal:
    """Keep the result of a run, through the writer."""
    key = f"verification {run.finished_at}"
    row = Row("verifications", msgspec.structs.astuple(run))
    draft = Draft("access", key, "verify", sha256(key.encode()).digest()[:16], run.finished_at, rows=(row,))
    return (await ledger.submit([draft], ROOM))[0]


def latest_verification(connection: Connection, ledger_id: int) -> Verification | None:
    """The newest run on file."""
    row = connection.execute(
        select(*list(verifications.c)[1:])
        .where(verifications.c.ledger_id == ledger_id)
        .order_by(verifications.c.finished_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Verification(*row)
