"""Closing an account and merging two, for every door: what the books do, and that nothing is left at the doors."""

from __future__ import annotations

from pointsbank.access.leaving import forget_means
from pointsbank.access.logins import LoginStore
from pointsbank.access.merge_desk import Posting
from pointsbank.access.model import Actor
from pointsbank.activities.ports import By
from pointsbank.engine.registry import Ledger
from pointsbank.hours.merging import MergePostings
from pointsbank.hours.settling import SettlePostings
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.aliases import aliases
from pointsbank.people.closing import Settle, Settlement
from pointsbank.people.merging import Post
from pointsbank.people.store import PeopleStore
from pointsbank.policy.book import PolicyBook


def settle_and_forget(
    ledger: Ledger, policies: PolicyBook, people: PeopleStore, logins: LoginStore, by: By
) -> Settle:
    """Settles by postings; then no session, no PIN and no count is left of who is forgotten."""
    postings = SettlePostings(ledger, policies, by)

    async def settle(person_id: str, settlement: Settlement, key: str) -> Refusal | None:
        refusal = await postings.settle(person_id, settlement, key)
        if refusal is None:
            merged = await people.read(lambda c: aliases(c, ledger.id, person_id))
            await forget_means(logins, ledger.id, [person_id, *merged])
        return refusal

    return settle


def merging_by(ledger: Ledger, policies: PolicyBook) -> Posting:
    """Moves the books of a merge in the name of who confirms it."""

    def post(actor: Actor) -> Post:
        return MergePostings(ledger, policies, By(actor.id, actor.person)).post

    return post
