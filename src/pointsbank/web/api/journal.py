"""Journal entries: read them, post them through the generic door, reverse them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import Refusal
from pointsbank.readers import journal
from pointsbank.reversals import reverse, whereabouts
from pointsbank.web.api.answers import answered, found, replayed
from pointsbank.web.api.describe import (
    READING,
    REFUSALS,
    WRITING,
    IdempotencyKey,
    Limit,
    Sequence,
    operation,
    problems,
)
from pointsbank.web.api.shapes import (
    BulkIn,
    BulkOut,
    EntryIn,
    EntryOut,
    ReceiptOut,
    entry_out,
    receipt_out,
)
from pointsbank.web.bank import Bank
from pointsbank.web.bounds import require_found
from pointsbank.web.guard import actor_in, needs
from pointsbank.web.posting import post_bulk, post_entry
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

BULK_BYTES = 32 * 1024 * 1024


class EntryPage(msgspec.Struct, frozen=True):
    """Entries in order; `next` is the `after` of the next page, null at the end."""

    entries: list[EntryOut]
    next: int | None


class ReversalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an entry is taken back: a code, free of personal data."""

    reason: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z]{1,24}(-[a-z]{1,24}){0,3}$")]


class ReversalOut(msgspec.Struct, frozen=True):
    """The mirrored entries, the one of the entry asked for last."""

    receipts: list[ReceiptOut]


@get(
    "/",
    opt=needs("ledger:read"),
    responses=problems(*READING),
    **operation("Journal entries in order, with their postings.", "按号列出记账凭证"),
)
async def list_entries(
    bank: NamedDependency[Bank],
    after: Annotated[
        int, QueryParameter(ge=0, le=2**53, description="entries behind this sequence number")
    ] = 0,
    limit: Limit = 50,
) -> Response[EntryPage]:
    entries = await bank.ask(journal.entries_after, after, limit)
    following = entries[-1].sequence if len(entries) == limit else None
    return answered(EntryPage([entry_out(entry) for entry in entries], following))


@get(
    "/{sequence:int}",
    opt=needs("ledger:read"),
    responses=problems(*READING, "unknown-entry"),
    **operation("One journal entry.", "查一张记账凭证"),
)
async def get_entry(bank: NamedDependency[Bank], sequence: Sequence) -> Response[EntryOut]:
    # An entry never changes, so whoever has it may keep it.
    entry = found(await bank.ask(journal.entry, sequence))
    return Response(
        entry_out(entry),
        headers={"Cache-Control": "private, max-age=31536000, immutable"},
        media_type="application/json",
    )


@post(
    "/",
    opt=needs("journal:post"),
    responses=problems(*WRITING, *REFUSALS[:-1]),
    **operation("Post one entry, within the chart's open movements.", "记一张凭证（仅限科目表中开放的变动）"),
)
async def post_one(
    bank: NamedDependency[Bank],
    request: BankRequest,
    data: JSONBody[EntryIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReceiptOut]:
    receipt = await post_entry(bank, actor_in(request), idempotency_key, data)
    headers = {"Location": f"/api/v1/journal-entries/{receipt.sequence}", **replayed(receipt.replayed)}
    return answered(receipt_out(receipt), 201, headers)


@post(
    "/bulk",
    opt=needs("journal:post"),
    status_code=200,
    request_max_body_size=BULK_BYTES,
    responses=problems(*WRITING, "group-refused"),
    **operation(
        "Post up to 10,000 entries, all or none (atomic) or each by itself; each with its verdict."
        " Entry n has the idempotency key `<Idempotency-Key>/<n>`.",
        "批量记账，每张凭证各有判定",
    ),
)
async def post_many(
    bank: NamedDependency[Bank], request: BankRequest, data: JSONBody[BulkIn], idempotency_key: IdempotencyKey
) -> Response[BulkOut]:
    verdicts = await post_bulk(bank, actor_in(request), idempotency_key, data)
    return answered(verdicts, headers=replayed(verdicts.is_replayed))


@post(
    "/{sequence:int}/reversal",
    opt=needs("reverse", bounded=True),
    responses=problems(*WRITING, *REFUSALS[:-1]),
    **operation(
        "Reverse an entry into the same lots, through the room that posted it.",
        "冲正一张凭证（由原业务办理）",
    ),
)
async def reverse_entry(
    bank: NamedDependency[Bank],
    request: BankRequest,
    sequence: Sequence,
    data: JSONBody[ReversalIn],
    idempotency_key: IdempotencyKey,
) -> Response[ReversalOut]:
    actor = actor_in(request)
    await require_found(bank, actor, "reverse", whereabouts, [sequence])
    command = Command(actor.client, idempotency_key, actor.name)
    receipts = await reverse(bank.ledger, bank.hours, bank.market, sequence, data.reason, command)
    if isinstance(receipts, Refusal):
        raise refused(receipts)
    again = all(receipt.replayed for receipt in receipts)
    return answered(ReversalOut([receipt_out(receipt) for receipt in receipts]), 201, replayed(again))


router = Router(
    "/journal-entries",
    route_handlers=[list_entries, get_entry, post_one, post_many, reverse_entry],
    tags=["journal 记账凭证"],
)
