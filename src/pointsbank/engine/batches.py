"""What goes through the writer: groups of drafts as callers hand them over, and the batches that become of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from pointsbank.ledger.books import Accepted, Books, Head, Savepoint
from pointsbank.ledger.decide import Verdict, decide
from pointsbank.ledger.model import Draft, Intent, Receipt
from pointsbank.ledger.refusals import GroupRefused, Refusal
from pointsbank.proof.encoding import leaf_of_accepted
from pointsbank.store.columns import Writing
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


def drafted(wanted: Iterable[Draft | Intent]) -> list[Draft]:
    """Drafts, and those of intents."""
    return [one if isinstance(one, Draft) else one.draft() for one in wanted]


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


def decide_group(books: Books, group: Group, ledger_id: int, now: int, writing: Writing) -> None:
    """Decide a group's drafts on the books, one after the other, and gather what they write; all-or-nothing groups
    leave no trace if one of them is refused."""
    rooms = group.rooms
    savepoint = Savepoint(books, group.drafts) if group.atomic else None
    accepted: list[Accepted] = []
    verdicts: list[Verdict] = []
    for draft in group.drafts:
        verdict = decide(books, draft, rooms, now)
        if type(verdict) is Accepted:
            verdict.leaf = leaf_of_accepted(ledger_id, verdict)
            books.apply(verdict)
            accepted.append(verdict)
        elif savepoint is not None and isinstance(verdict, Refusal):
            savepoint.restore()
            accepted.clear()
            position = len(verdicts)
            verdicts = [GroupRefused(position, verdict.code) for _ in group.drafts]
            verdicts[position] = verdict
            break
        verdicts.append(verdict)
    writing.add(accepted)
    group.verdicts = verdicts


def rests_on_a_word(groups: list[Group]) -> bool:
    """Whether an all-or-nothing group was refused after drafts whose word was taken.

    Nothing of them is written, so no guard of the store will tell whether it was true.
    """
    return any(type(group.verdicts[0]) is GroupRefused for group in groups if group.verdicts)
