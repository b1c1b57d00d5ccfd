"""The desk where two registrations of one person become one: two members of staff, with rights over both of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.aliases import survivors
from pointsbank.people.changes import Change
from pointsbank.people.merging import Merging, Post

Posting = Callable[[Actor], Post]
"""Moves the books for who confirms; the room of hours knows how."""


class MergeDesk:
    """Proposes and confirms merges and their undoing at the desk for people."""

    def __init__(self, desk: PeopleDesk, posting: Posting) -> None:
        self._desk = desk
        self._posting = posting
        self._merging = Merging(desk.store, delay=desk.delay)

    async def propose(self, actor: Actor, old_id: str, into_id: str) -> Change | Refusal:
        """Propose that two ids are one person, who goes on as `into_id`."""
        household = await self._household(actor, "people:propose", (old_id, into_id))
        if isinstance(household, Refusal):
            return household
        return await self._merging.propose(old_id, into_id, _by(actor), household=household)

    async def propose_undoing(self, actor: Actor, old_id: str) -> Change | Refusal:
        """Propose that a merged id is a person of its own again."""
        into_id = (await survivors(self._desk.store, [old_id])).get(old_id, old_id)
        household = await self._household(actor, "people:propose", (old_id, into_id))
        if isinstance(household, Refusal):
            return household
        return await self._merging.propose_undoing(old_id, _by(actor), household=household)

    async def confirm(self, actor: Actor, old_id: str, change_id: str) -> Change | Refusal:
        """Confirm what another proposed: the books move first. The same again goes on, or changes nothing."""
        into_id = await self._merging.other_of(old_id, change_id)
        household = await self._household(actor, "people:confirm", (old_id, into_id or old_id))
        if isinstance(household, Refusal):
            return household
        post = self._posting(actor)
        return await self._merging.confirm(old_id, change_id, _by(actor), post, household=household)

    async def _household(
        self, actor: Actor, action: Literal["people:propose", "people:confirm"], ids: Sequence[str]
    ) -> frozenset[str] | Refusal:
        """Everybody of the households of both, if the actor may do this with both."""
        found: frozenset[str] = frozenset()
        for person_id in dict.fromkeys(ids):
            household = await self._desk.household_if_may(actor, action, person_id)
            if isinstance(household, Refusal):
                return household
            found |= household
        return found


def _by(actor: Actor) -> str:
    return actor.person or actor.id
