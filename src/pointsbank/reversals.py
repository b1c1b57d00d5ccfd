"""Reversal of any entry: finds the room whose entry it is and asks it; nobody reverses past a room's own rules."""

from __future__ import annotations

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.service import HoursService
from pointsbank.ledger.chart import GENERIC_ROOM
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import NotReversible, Refusal, UnknownEntry
from pointsbank.market.service import MarketService
from pointsbank.policy.book import PolicyBook
from pointsbank.readers.journal import entry as read_entry


async def reverse(
    ledger: Ledger, policies: PolicyBook, sequence: int, reason: str, command: Command
) -> list[Receipt] | Refusal:
    """Reverse the entry with this sequence number; gives the receipts of what was posted, or why not."""
    entry = await ledger.database.read(read_entry, ledger.id, sequence)
    if isinstance(entry, UnknownEntry):
        return entry
    room = ledger.writer.chart.reversible.get(entry.kind)
    if room == "hours":
        return await HoursService(ledger, policies).reverse(sequence, reason, command)
    if room == "market":
        return await MarketService(ledger, policies).reverse(sequence, reason, command)
    if room == GENERIC_ROOM:
        [result] = await ledger.submit([_mirror(ledger, sequence, reason, command)], frozenset([GENERIC_ROOM]))
        return result if isinstance(result, Refusal) else [result]
    return NotReversible(sequence, entry.kind)


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
