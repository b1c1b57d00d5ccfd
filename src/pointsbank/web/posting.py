"""Posting through the generic door: a request becomes a draft, the writer's answer an answer.

The room is set here and nowhere else: whatever a request says, only the chart's open movements are within
reach.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import msgspec

from pointsbank.access.model import Actor
from pointsbank.access.refusals import ReservedKind
from pointsbank.ledger.chart import GENERIC_ROOM, Chart
from pointsbank.ledger.model import Draft, OpenAccount, Receipt
from pointsbank.ledger.refusals import GroupRefused, MovementNotAllowed, Refusal
from pointsbank.web.api.shapes import BulkIn, BulkOut, BulkVerdict, EntryIn
from pointsbank.web.bank import Bank
from pointsbank.web.problems import FieldError, ProblemError, facts_of, problem_of_refusal, refused

ROOMS = frozenset({GENERIC_ROOM})
ENTRIES_PATH = "/api/v1/journal-entries"
BULK_PATH = "/api/v1/journal-entries/bulk"
MAX_BULK_KEY = 249
"""An entry of a bulk has the key `<Idempotency-Key>/<position>`, which must fit into 255 characters."""

_canonical = msgspec.json.Encoder(order="deterministic").encode


def request_of(method: str, path: str, body: object) -> bytes:
    """The 16 bytes by which two requests under one key are told apart: method, path and canonical body."""
    return sha256(f"{method}\n{path}\n".encode() + _canonical(body)).digest()[:16]


async def post_entry(bank: Bank, actor: Actor, key: str, entry: EntryIn) -> Receipt:
    """Post one entry. Raises ProblemError if it is refused, WriterError if the writer cannot answer."""
    draft = _draft(bank, actor, key, entry, request_of("POST", ENTRIES_PATH, entry))
    if isinstance(draft, Refusal):
        raise refused(draft)
    result = (await bank.ledger.submit([draft], ROOMS))[0]
    if isinstance(result, Refusal):
        raise refused(result)
    return result


async def post_bulk(bank: Bank, actor: Actor, key: str, bulk: BulkIn) -> BulkOut:
    """Post many entries, each with its verdict. With `atomic` a refusal of one raises ProblemError."""
    if len(key) > MAX_BULK_KEY:
        fault = FieldError(
            "header", "Idempotency-Key", f"Expected at most {MAX_BULK_KEY} characters for a bulk"
        )
        raise ProblemError("invalid-request", errors=[fault], count=1)
    results: list[Receipt | Refusal | None] = [None] * len(bulk.entries)
    drafts: list[Draft] = []
    positions: list[int] = []
    for position, entry in enumerate(bulk.entries):
        draft = _draft(bank, actor, f"{key}/{position}", entry, request_of("POST", BULK_PATH, entry))
        if isinstance(draft, Draft):
            drafts.append(draft)
            positions.append(position)
        elif bulk.atomic:
            raise _group_refused(position, draft)
        else:
            results[position] = draft
    if drafts:
        for position, result in zip(
            positions, await bank.ledger.submit(drafts, ROOMS, atomic=bulk.atomic), strict=True
        ):
            if bulk.atomic and isinstance(result, Refusal) and not isinstance(result, GroupRefused):
                raise _group_refused(position, result)
            results[position] = result
    verdicts = [_verdict(position, result) for position, result in enumerate(results)]
    posted = sum(verdict.posted for verdict in verdicts)
    return BulkOut(posted, len(verdicts) - posted, verdicts)


def _group_refused(position: int, cause: Refusal) -> ProblemError:
    return ProblemError("group-refused", position=position, cause=cause.code, refusal=facts_of(cause))


def _verdict(position: int, result: Receipt | Refusal | None) -> BulkVerdict:
    if isinstance(result, Receipt):
        return BulkVerdict(position, True, result.sequence, result.leaf.hex(), result.replayed)
    assert result is not None
    return BulkVerdict(position, False, problem=problem_of_refusal(result))


def _draft(bank: Bank, actor: Actor, key: str, entry: EntryIn, request: bytes) -> Draft | Refusal:
    reserved = reserved_kinds(bank.chart).get(entry.kind)
    if reserved is not None:
        return ReservedKind(entry.kind, reserved)
    for path in entry.opens:
        kind = bank.chart.kind_of(path)
        if kind is None or kind.name not in open_kinds(bank.chart):
            return MovementNotAllowed(path, path, "", entry.kind)
    return Draft(
        entry.kind,
        key,
        actor.client,
        request,
        bank.clock.now(),
        entry.movements,
        actor.name,
        entry.place,
        entry.reason,
        0,
        tuple(entry.metadata.items()),
        opens=tuple(map(OpenAccount, entry.opens)),
    )


@lru_cache(maxsize=8)
def open_kinds(chart: Chart) -> frozenset[str]:
    """The kinds of account that the generic door may open: those that its movements touch."""
    return frozenset(
        kind
        for movement in chart.movements.values()
        if movement.open
        for kind in (movement.debit, movement.credit)
    )


@lru_cache(maxsize=8)
def reserved_kinds(chart: Chart) -> dict[str, str]:
    """Kinds of entry that only their own room posts, each with the room: among them every credit and release."""
    return {
        movement.entry: movement.room
        for movement in chart.movements.values()
        if movement.entry not in {m.entry for m in chart.movements.values() if m.open}
    }
