"""What goes in and out over HTTP: the ledger's nouns with the limits of the door.

Amounts are integers in minor units of their commodity (hundredths of a point, minutes, pieces). Times are
RFC 3339, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pointsbank.ledger.model import MAX_AMOUNT, MAX_POSTINGS, JournalEntry, Movement, Posting, Receipt
from pointsbank.web.problems import Problem

MAX_BULK = 10_000

Path = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern="^[A-Za-z0-9._:-]+$",
        description="path of an account / 账户路径",
    ),
]
Kind = Annotated[
    str, Meta(min_length=1, max_length=32, pattern="^[a-z][a-z0-9-]*$", description="kind of entry")
]
Code = Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9._:-]*$")]
CommodityCode = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._:-]+$")]
LotCode = Annotated[
    str,
    Meta(max_length=96, pattern="^[A-Za-z0-9._:/-]*$", description="lot; empty: first-expiring first / 批次"),
]
Amount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT, description="minor units")]
MetaName = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z][a-z0-9_-]*$")]
MetaNumber = Annotated[int, Meta(ge=-(2**53), le=2**53)]
MetaText = Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9._:-]*$")]


class MovementIn(Movement, frozen=True, forbid_unknown_fields=True):
    """One movement: debit this account, credit that one."""

    debit: Path
    credit: Path
    commodity: CommodityCode
    amount: Amount
    lot: LotCode = ""


class EntryIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journal entry to post. `opens` lists accounts to open first, if the generic route may."""

    kind: Kind
    movements: Annotated[tuple[MovementIn, ...], Meta(min_length=1, max_length=MAX_POSTINGS)]
    opens: Annotated[tuple[Path, ...], Meta(max_length=MAX_POSTINGS)] = ()
    place: Code = ""
    reason: Code = ""
    metadata: Annotated[dict[MetaName, MetaNumber | MetaText], Meta(max_length=16)] = {}


class BulkIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries to post together: all or none with `atomic`, else each by itself."""

    entries: Annotated[tuple[EntryIn, ...], Meta(min_length=1, max_length=MAX_BULK)]
    atomic: bool = False


class ReceiptOut(msgspec.Struct, frozen=True):
    """What was posted: the entry's sequence number, its leaf hash, its postings with running balances."""

    sequence: int
    recorded_at: datetime
    key: str
    leaf: str
    postings: tuple[Posting, ...]


class BulkVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one entry of a bulk: posted (its sequence number and leaf), or why not."""

    position: int
    posted: bool
    sequence: int = 0
    leaf: str = ""
    replayed: bool = False
    problem: Problem | None = None


class BulkOut(msgspec.Struct, frozen=True):
    """The verdicts of a bulk, in the order of its entries."""

    posted: int
    refused: int
    verdicts: list[BulkVerdict]

    @property
    def is_replayed(self) -> bool:
        """Whether everything that stands posted was posted by an earlier command with this key."""
        return self.posted > 0 and all(verdict.replayed for verdict in self.verdicts if verdict.posted)


class EntryOut(msgspec.Struct, frozen=True):
    """A journal entry as the books hold it; `reverses` is 0 for an entry that reverses nothing."""

    sequence: int
    kind: str
    effective_at: datetime
    recorded_at: datetime
    client: str
    key: str
    request: str
    actor: str
    place: str
    reason: str
    reverses: int
    metadata: dict[str, int | str]
    documents: list[str]
    leaf: str
    postings: tuple[Posting, ...]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def when(micros: int) -> datetime:
    """Microseconds UTC as a time."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(time: datetime) -> int:
    """A time as microseconds UTC."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def receipt_out(receipt: Receipt) -> ReceiptOut:
    return ReceiptOut(
        receipt.sequence, when(receipt.recorded_at), receipt.key, receipt.leaf.hex(), receipt.postings
    )


def entry_out(entry: JournalEntry) -> EntryOut:
    metadata: dict[str, Any] = msgspec.json.decode(entry.metadata) if entry.metadata else {}
    return EntryOut(
        entry.sequence,
        entry.kind,
        when(entry.effective_at),
        when(entry.recorded_at),
        entry.client,
        entry.key,
        entry.request.hex(),
        entry.actor,
        entry.place,
        entry.reason,
        entry.reverses,
        metadata,
        entry.documents.split("\n") if entry.documents else [],
        entry.leaf.hex(),
        entry.postings,
    )
