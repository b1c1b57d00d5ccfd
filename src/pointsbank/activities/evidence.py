"""What shows that somebody was there: filed for who is written down without any check-in, for the verifier to look at."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from pointsbank.activities.ports import By
from pointsbank.activities.reading import session_of, volunteers_by_id
from pointsbank.activities.refusals import CheckInRefused, FourEyes, UnknownActivity
from pointsbank.activities.service import ACTIVITIES
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal

EvidenceKind = Literal["sheet", "photo", "order", "witness", "other"]
"""A signed paper sheet, a photograph, a beneficiary's order, somebody who saw it, something else."""

KINDS: Final = get_args(EvidenceKind)

REFERENCE: Final = "[A-Za-z0-9][A-Za-z0-9._/-]{0,63}"
"""A number: in free text there could be a name."""

_LONG_NUMBER: Final = re.compile(r"[0-9]{9}")
"""So many digits in a row may be a telephone's, an identity card's or a volunteer's."""


class EvidenceDesk:
    """Files where the evidence for somebody's attendance is kept. Nobody files it for themselves."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def file(
        self, session_id: str, person_id: str, kind: str, reference: str, by: By, command: Command
    ) -> Receipt | Refusal:
        """File evidence, once for a person in a session. `reference` is its number where it is kept, no free text."""
        if not by.person:
            return FourEyes("machine-source")
        if by.person == person_id:
            return FourEyes("recorder-is-beneficiary")
        if kind not in KINDS or not re.fullmatch(REFERENCE, reference) or _LONG_NUMBER.search(reference):
            return CheckInRefused("reason-missing")
        read, ledger_id = self._ledger.database.read, self._ledger.id
        if await read(session_of, ledger_id, session_id) is None:
            return UnknownActivity(session_id)
        if not await read(volunteers_by_id, ledger_id, [person_id]):
            return CheckInRefused("unknown-volunteer")
        values = (session_id, person_id, kind, reference, by.name, RECORDED_AT)
        draft = Draft(
            "file-evidence",
            command.key,
            command.client,
            request_digest("file-evidence", session_id, person_id, kind, reference),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            rows=(Row("evidence", values, key_length=2),),
        )
        return (await self._ledger.submit([draft], ACTIVITIES))[0]
