"""What the doors for people have in common: the desk, a command that is carried out once, outcomes as answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.activities.ports import By
from pointsbank.ledger.refusals import KeyConflict, Refusal
from pointsbank.people.closing import Settle
from pointsbank.people.remembering import AlreadyDone, KeyUsed, RememberingStore
from pointsbank.web.api.describe import READING, WRITING
from pointsbank.web.bank import Bank
from pointsbank.web.closings import settle_and_forget
from pointsbank.web.guard import actor_in
from pointsbank.web.problems import refused
from pointsbank.web.validation import BankRequest

T = TypeVar("T")
A = TypeVar("A")

ASKING: Final = (
    *READING, "bad-request", "malformed-json", "payload-too-large", "unsupported-media-type", "form-expired",
    "step-up-required",
)  # fmt: skip
"""Problems of a question whose body is personal, so that it is put with POST."""

COMMAND: Final = (
    *WRITING, "form-expired", "step-up-required", "idempotency-conflict", "person-not-active",
    "unknown-person", "two-persons-needed",
)  # fmt: skip


def desk_of(bank: Bank) -> PeopleDesk:
    """The desk for people."""
    return bank.people


def done(outcome: T | Refusal) -> T:
    """The outcome, or the refusal raised as what ends the request."""
    if isinstance(outcome, Refusal):
        raise refused(outcome)
    return outcome


async def once(
    bank: Bank,
    request: BankRequest,
    key: str,
    kind: type[A],
    asked: tuple[str, ...],
    act: Callable[[PeopleDesk], Awaitable[T | Refusal]],
) -> tuple[T | A, bool]:
    """Carry a command out once under its key; the first answer and whether this is a repetition. May raise ProblemError.

    `kind` is the type of the answer, by which a repetition is read back.
    """
    desk = desk_of(bank)
    client = actor_in(request).client
    path = f"{request.scope['method']} {request.scope['path']}"
    store = RememberingStore(desk.store, client, key, path, *asked)
    try:
        return done(await act(desk.under(store))), False
    except AlreadyDone as earlier:
        return msgspec.json.decode(earlier.answer, type=kind), True
    except KeyUsed:
        raise refused(KeyConflict(key)) from None


def settling(bank: Bank, actor: Actor) -> Settle:
    """Settles an account by postings: what two have confirmed is given away; alone, only what holds nothing."""
    by = By(actor.id, actor.person)
    return settle_and_forget(bank.ledger, bank.policies, bank.people.store, bank.logins, by)


def look(bank: Bank) -> None:
    """There may be messages to send."""
    if bank.outbox is not None:
        bank.outbox.look()
