"""Why the ledger says no: a closed list, in order of precedence. Each has a heading in docs/errors.md.

`retry` tells a caller whether the same command may succeed later without being changed.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Refusal(msgspec.Struct, frozen=True, tag_field="code"):
    """A typed verdict with what the user needs to know."""

    retry: ClassVar[bool] = False

    @property
    def code(self) -> str:
        return str(self.__struct_config__.tag)


class KeyConflict(Refusal, frozen=True, tag="idempotency-conflict"):
    """The key was consumed by another request."""

    key: str


class InvalidDraft(Refusal, frozen=True, tag="invalid-draft"):
    """The draft is not well formed: what is wrong with it."""

    problem: str


class StaleRead(Refusal, frozen=True, tag="stale-read"):
    """Something that the command had read has changed since: the command must run again."""

    retry: ClassVar[bool] = True
    subject: str
    expected: int
    found: int


class StateChanged(Refusal, frozen=True, tag="state-changed"):
    """A document is no longer in the state that the command builds on."""

    retry: ClassVar[bool] = True
    table: str
    key: str
    expected: str
    found: str


class DocumentExists(Refusal, frozen=True, tag="document-exists"):
    """A document with this number is on file already."""

    retry: ClassVar[bool] = True
    table: str
    key: str


class UnknownCommodity(Refusal, frozen=True, tag="unknown-commodity"):
    commodity: str


class CommodityDiffers(Refusal, frozen=True, tag="commodity-differs"):
    """The commodity exists with another scale or another use of lots."""

    commodity: str


class UnknownAccount(Refusal, frozen=True, tag="unknown-account"):
    account: str


class AccountDiffers(Refusal, frozen=True, tag="account-differs"):
    """The account is open with another floor."""

    account: str
    floor: int | None


class UnknownEntry(Refusal, frozen=True, tag="unknown-entry"):
    sequence: int


class AlreadyReversed(Refusal, frozen=True, tag="already-reversed"):
    sequence: int
    reversed_by: int


class NotReversible(Refusal, frozen=True, tag="not-reversible"):
    """A reversal cannot be reversed, and some kinds only by the room that posts them."""

    sequence: int
    kind: str


class MovementNotAllowed(Refusal, frozen=True, tag="movement-not-allowed"):
    """The chart has no such movement for this entry kind, or not for this caller."""

    debit: str
    credit: str
    commodity: str
    kind: str


class DocumentMissing(Refusal, frozen=True, tag="document-missing"):
    """The movement must carry a document of this kind."""

    kind: str
    document: str


class LotRequired(Refusal, frozen=True, tag="lot-required"):
    """The lot must be named: neither side of the movement tells which lots to take."""

    commodity: str


class InsufficientBalance(Refusal, frozen=True, tag="insufficient-balance"):
    """The account would fall under its floor. Amounts in minor units; `available` is the balance above the floor."""

    account: str
    commodity: str
    lot: str
    balance: int
    floor: int
    required: int

    @property
    def available(self) -> int:
        return self.balance - self.floor


class AmountOutOfRange(Refusal, frozen=True, tag="amount-out-of-range"):
    account: str
    amount: int


class GroupRefused(Refusal, frozen=True, tag="group-refused"):
    """Another draft of the same all-or-nothing group was refused."""

    position: int
    cause: str


PRECEDENCE: tuple[type[Refusal], ...] = (
    KeyConflict,
    InvalidDraft,
    StaleRead,
    StateChanged,
    DocumentExists,
    CommodityDiffers,
    AccountDiffers,
    UnknownEntry,
    AlreadyReversed,
    NotReversible,
    UnknownCommodity,
    UnknownAccount,
    MovementNotAllowed,
    DocumentMissing,
    LotRequired,
    AmountOutOfRange,
    InsufficientBalance,
    GroupRefused,
)
