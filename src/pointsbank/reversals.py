"""Reversal of any entry: finds the room whose entry it is and asks it; nobody reverses past a room's own rules."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.refusals import ReasonInvalid
from pointsbank.hours.service import HoursService
from pointsbank.hours.tables import service_records
from pointsbank.hours.whereabouts import Whereabouts, of_records
from pointsbank.ledger.chart import GENERIC_ROOM
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import NotReversible, Refusal, UnknownEntry
from pointsbank.market.service import MarketService
from pointsbank.market.tables import receipts, returns
from pointsbank.readers.journal import entry as read_entry
from pointsbank.store.lists import is_one_of

REASON: Final = re.compile(r"[a-z]{1,24}(-[a-z]{1,24}){0,3}")
"""Words with hyphens, such as typing-error. No digits: nobody's number is a reason."""


async def reverse(
    ledger: Ledger, hours: HoursService, market: MarketService, sequence: int, reason: str, command: Command
) -> list[Receipt] | Refusal:
    """Reverse the entry with this sequence number; gives the receipts of what was posted, or why not.

    The reason stands in the journal for good, so it is a code: what is to be told of people stands in documents.
    """
    if not REASON.fullmatch(reason):
        return ReasonInvalid(reason)
    entry = await ledger.database.read(read_entry, ledger.id, sequence)
    if isinstance(entry, UnknownEntry):
        return entry
    result: list[Receipt] | Refusal
    room = ledger.writer.chart.reversible.get(entry.kind)
    if room is not None and (
        room == GENERIC_ROOM or entry.kind == "receive"
    ):  # nothing but the posting changes
        mirror = _mirror(ledger, sequence, reason, command)
        [answer] = await ledger.submit([mirror], frozenset([room]))
        result = answer if isinstance(answer, Refusal) else [answer]
    elif room == "hours":
        result = await hours.reverse(sequence, reason, command)
    elif room == "market":
        result = await market.reverse(sequence, reason, command)
    else:
        result = NotReversible(sequence, entry.kind)
    # The entry is there, but its room has no verb for it: a release goes back with its record.
    return NotReversible(sequence, entry.kind) if isinstance(result, UnknownEntry) else result


def whereabouts(connection: Connection, ledger_id: int, sequences: Collection[int]) -> list[Whereabouts]:
    """At which station an entry was made, and whom it credits or serves: records, baskets and returns."""
    record, receipt, back = service_records.c, receipts.c, returns.c
    served = connection.execute(
        select(record.record_id).where(
            record.ledger_id == ledger_id, is_one_of(connection, record.sequence, sequences)
        )
    ).scalars()
    sold = (
        select(receipt.reference)
        .where(receipt.ledger_id == ledger_id, is_one_of(connection, receipt.sequence, sequences))
        .union(
            select(back.receipt).where(
                back.ledger_id == ledger_id, is_one_of(connection, back.sequence, sequences)
            )
        )
    )
    rows = connection.execute(
        select(receipt.reference, receipt.station, receipt.volunteer).where(
            receipt.ledger_id == ledger_id, receipt.reference.in_(sold)
        )
    )
    return [
        *of_records(connection, ledger_id, list(served)),
        *(Whereabouts(reference, station, person or "") for reference, station, person in rows),
    ]


def _mirror(ledger: Ledger, sequence: int, reason: str, command: Command) -> Draft:
    return Draft(
        kind="reversal",
        key=command.key,
        client=command.client,
        request=request_digest("reverse", str(sequence), reason),
        effective_at=ledger.writer.clock.now(),
        actor=command.actor,
        reason=reason,
        reverses=sequence,
    )
