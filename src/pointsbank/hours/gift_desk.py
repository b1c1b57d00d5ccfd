"""The desk where somebody gives points to the household or to the fund: two members of staff, a notice, a delay.

Whoever could make somebody's gifts alone could empty a wallet without forging an hour (ruling 8). So one proposes, the
giver at the phone on file and the helpers are told, anybody of the staff may stop it, and another confirms it once the
delay is over, within thirty days. Both must live together when it is proposed and still when it is confirmed, and the
taker may not come to hold more than the city allows.
"""

from __future__ import annotations

from functools import partial

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.giving import Gift, Giving
from pointsbank.hours.refusals import UnknownCase
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.links import outsider
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import PersonNotActive
from pointsbank.policy.book import PolicyBook


class GiftDesk:
    """Gifts of points at the desk for people."""

    def __init__(self, desk: PeopleDesk, policies: PolicyBook) -> None:
        self._desk = desk
        self._giving = Giving(desk.ledger, policies)

    async def propose(
        self, actor: Actor, giver: str, taker: str, points: int, command: Command
    ) -> Gift | Refusal:
        """Propose that `giver` gives points (hundredths) to `taker`, or to the fund if that is empty."""
        household = await self._desk.household_if_may(actor, "people:propose", giver)
        if isinstance(household, Refusal):
            return household
        refusal = outsider(actor.seen_as, (giver, taker), household) or await self._not_active(giver, taker)
        if refusal is not None:
            return refusal
        # who joins a household to be given its points waits as long as ruling 8 asks: no gift is proposed before
        ready_at = self._desk.store.clock.now() + self._desk.delay
        tell = partial(self._tell, giver, "gift-asked")
        return await self._giving.propose(giver, taker, points, ready_at, _by(actor), command, tell)

    async def confirm(self, actor: Actor, giver: str, gift_id: str, command: Command) -> Gift | Refusal:
        """Confirm what another proposed, when the delay is over: the points move."""
        household = await self._desk.household_if_may(actor, "people:confirm", giver)
        if isinstance(household, Refusal):
            return household
        gift = await self._giving.find(gift_id)
        if gift is None or gift.giver != giver:
            return UnknownCase(gift_id)
        concerned = (giver, gift.taker, gift.proposed_by)
        refusal = outsider(actor.seen_as, concerned, household) or await self._not_active(giver, gift.taker)
        if refusal is not None:
            return refusal
        # asked again beside the books: an account that is closed meanwhile would keep the points for good
        still = partial(self._not_active, giver, gift.taker)
        return await self._giving.give(gift, _by(actor), command, still)

    async def call_off(self, actor: Actor, giver: str, gift_id: str, command: Command) -> Gift | Refusal:
        """Stop a gift that waits; one is enough to protect somebody."""
        household = await self._desk.household_if_may(actor, "people:freeze", giver)
        if isinstance(household, Refusal):
            return household
        gift = await self._giving.find(gift_id)
        if gift is None or gift.giver != giver:
            return UnknownCase(gift_id)
        return await self._giving.call_off(gift, _by(actor), command)

    async def of(self, actor: Actor, giver: str) -> list[Gift] | Refusal:
        """The gifts of somebody, newest first."""
        household = await self._desk.household_if_may(actor, "people:read", giver)
        return household if isinstance(household, Refusal) else await self._giving.of(giver)

    async def _not_active(self, *people: str) -> PersonNotActive | None:
        for person in filter(None, people):
            state = await self._desk.registry.state(person)
            if state != "active":
                return PersonNotActive(person, state or "")
        return None

    async def _tell(self, giver: str, template: str) -> None:
        store = self._desk.store
        now = store.clock.now()
        await store.write(lambda c: tell_helpers(c, store.vault, giver, f"ward-{template}", now))
        await store.write(lambda c: enqueue(c, store.vault, giver, template, now))


def _by(actor: Actor) -> By:
    return By(actor.id, actor.seen_as)
