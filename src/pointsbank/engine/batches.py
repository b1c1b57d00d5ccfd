"""What goes through the writer: groups of drafts as callers hand them over, and the batches that become of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from pointsbank.ledger.books import Accepted, Head
from pointsbank.ledger.decide import Verdict
from pointsbank.ledger.model import Draft, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal
from pointsbank.store.port import Batch


class Group(msgspec.Struct, eq=False):
    """Drafts that one caller handed over together, and the future that answers."""

    drafts: Sequence[Draft]
    rooms: frozenset[str]
    atomic: bool
    future: asyncio.Future[list[Receipt | Refusal]]
    since: float
    brief: bool = False
    verdicts: list[Verdict] = []


class Bug(Exception):
    """Deciding a group raised: it fails, the others are decided again."""

    def __init__(self, group: Group, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.group = group
        self.cause = cause


class Decided(msgspec.Struct):
    groups: list[Group]
    head: Head  # where the ledger was when the groups were decided
    batch: Batch | None

    @property
    def accepted(self) -> Sequence[Accepted]:
        return self.batch.accepted if self.batch else ()


def rests_on_a_word(groups: list[Group]) -> bool:
    """Whether an all-or-nothing group was refused after drafts whose word was taken.

    Nothing of them is written, so no guard of the store will tell whether it was true.
    """
    return any(type(group.verdicts[0]) is GroupRefused for group in groups if group.verdicts)
