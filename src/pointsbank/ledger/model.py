"""The nouns of the ledger: what a caller drafts, what the books record, what comes back as a receipt.

Amounts are integers in minor units of their commodity; times are integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Protocol

import msgspec

NO_LOT: Final = "-"
NEVER_EXPIRES: Final = "9999-12-31"

MAX_AMOUNT: Final = 10**15
"""Largest amount of one posting and largest magnitude of a balance: far above any city, far below 2**63."""

MAX_POSTINGS: Final = 1000
"""Most movements of one entry, so that one entry never stalls the queue behind it."""

MAX_NAME: Final = 255
"""Most characters of a key, a lot, a subject, a counter or another name that an index holds."""


class Side(IntEnum):
    """The normal side of an account: the side on which its balance is counted."""

    DEBIT = 0
    CREDIT = 1


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of small immutable values."""


class Commodity(Value, frozen=True):
    """What is counted, with a fixed scale (decimals). A commodity without lots has the one lot `-`."""

    code: str
    scale: int
    has_lots: bool


class OpenAccount(Value, frozen=True):
    """Open an account if it is not open yet. Only accounts of a budget kind bring a floor of their own."""

    path: str
    floor: int | None = None


class Movement(Value, frozen=True):
    """One intended posting. An empty lot asks the ledger to take the first-expiring lots first."""

    debit: str
    credit: str
    commodity: str
    amount: int
    lot: str = ""


class Attachment(Value, frozen=True):
    """A document that an entry carries: its kind, its id, and H(salt || canonical immutable part)."""

    kind: str
    id: str
    digest: bytes


class Marker(Value, frozen=True):
    """Stands in a document row for a value known only when the draft is accepted."""

    name: str
    counter: str = ""


SEQUENCE: Final = Marker("sequence")
RECORDED_AT: Final = Marker("recorded_at")


def number_of(counter: str) -> Marker:
    """The number that the named counter gives to this draft (a receipt number of a terminal)."""
    return Marker("number", counter)


Cell = int | str | bytes | None | Marker


class Row(Value, frozen=True):
    """A document row to insert: the table's name and its values in the order of the table's columns,
    without the leading ledger_id. The first `key_length` values and ledger_id are the primary key.

    `state` is the one among the values, named for documents that a later draft of the same batch may change."""

    table: str
    values: tuple[Cell, ...]
    key_length: int = 1
    state: str = ""

    @property
    def key(self) -> tuple[int | str, ...]:
        return self.values[: self.key_length]  # type: ignore[return-value]


class Change(Value, frozen=True):
    """A guarded change of a document's state: applied only if the state is still `old`."""

    table: str
    key: tuple[int | str, ...]
    old: str
    new: str
    values: tuple[tuple[str, Cell], ...] = ()


class Draft(Value, frozen=True):
    """What a caller asks of the ledger: postings, documents and preconditions, all or nothing.

    `request` is a digest of the command as the caller gave it: the same key with another request is a conflict.
    `reads` lists (subject, version) that must not have moved; `touches` lists subjects whose version goes up.
    """

    kind: str
    key: str
    client: str
    request: bytes
    effective_at: int
    movements: tuple[Movement, ...] = ()
    actor: str = ""
    place: str = ""
    reason: str = ""
    reverses: int = 0
    metadata: tuple[tuple[str, int | str], ...] = ()
    documents: tuple[Attachment, ...] = ()
    commodities: tuple[Commodity, ...] = ()
    opens: tuple[OpenAccount, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    touches: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def posts(self) -> bool:
        """Whether an accepted draft becomes a journal entry; a document-only draft gets no sequence number."""
        return bool(self.movements or self.reverses)


class Intent(Protocol):
    """What a room wants to be drafted. It says so in few words, for drafts are large to hand to another process."""

    def draft(self) -> Draft:
        """The draft itself: the same each time, whatever the books say."""
        ...


class Posting(Value, frozen=True):
    """One recorded movement with both sides' versions and running balances (each on its account's normal side).

    `debit_balance` / `credit_balance` are of the posting's lot; `…_total` of all lots of the commodity.
    """

    number: int
    sequence: int
    debit: str
    credit: str
    commodity: str
    lot: str
    amount: int
    debit_version: int
    credit_version: int
    debit_balance: int
    credit_balance: int
    debit_total: int
    credit_total: int


class JournalEntry(Value, frozen=True):
    """An atomic group of postings as the journal holds it."""

    sequence: int
    kind: str
    client: str
    key: str
    request: bytes
    effective_at: int
    recorded_at: int
    actor: str
    place: str
    reason: str
    reverses: int
    metadata: str
    documents: str
    first_posting: int
    postings: tuple[Posting, ...]
    leaf: bytes = b""


class Receipt(Value, frozen=True):
    """The answer to an accepted draft. `sequence` is 0 for a document-only draft."""

    sequence: int
    recorded_at: int
    key: str
    leaf: bytes = b""
    postings: tuple[Posting, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    replayed: bool = False


def canonical_metadata(metadata: tuple[tuple[str, int | str], ...] | Mapping[str, int | str]) -> str:
    """Metadata as canonical text: a JSON object, keys sorted, no blanks; empty metadata is the empty text."""
    if not metadata:
        return ""
    return msgspec.json.encode(dict(metadata), order="sorted").decode()


def canonical_documents(documents: tuple[Attachment, ...]) -> str:
    """The documents of an entry as canonical text: one `kind/id/digest-in-hex` a line, in the order given."""
    return "\n".join(f"{d.kind}/{d.id}/{d.digest.hex()}" for d in documents)


def lot_expiry(lot: str) -> str:
    """Expiry (or best-before) date of a lot as YYYY-MM-DD; a lot without one sorts last.

    A lot is named `<date>/<source>`, its source being a fund or a donor, so the name says all that the books know.
    """
    return lot[:10] if len(lot) >= 10 and lot[4] == "-" and lot[7] == "-" else NEVER_EXPIRES


def lot_name(expires_on: str, source: str) -> str:
    """Name of the lot of `source` that expires on `expires_on` (YYYY-MM-DD, or `never`)."""
    return f"{expires_on}/{source}"
