"""The first entry of a ledger says whether it is live or a replay's."""

from __future__ import annotations

from typing import Final

from pointsbank.engine.commands import request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Commodity, Draft, Movement, OpenAccount
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.store.port import LedgerMismatch
from pointsbank.store.profile import OPENING, Profile, profile_of

ROOM: Final = frozenset(["opening"])
BOOKS: Final = Commodity("LEDGER", scale=0, has_lots=False)


class WrongProfile(LedgerMismatch):
    """The ledger is live where a replay's is asked for, or the other way round."""


async def opened_as(ledger: Ledger, profile: Profile) -> Profile:
    """The profile of a ledger; one without any entry gets this one, for good.

    Raises LedgerMismatch if the ledger's chart knows no opening, WriterError.
    """
    found = await ledger.database.read(profile_of, ledger.id)
    if found is None:
        [result] = await ledger.submit([_opening(profile, ledger.writer.clock.now())], ROOM)
        # somebody else may have opened it meanwhile, as something else
        found = await ledger.database.read(profile_of, ledger.id)
        if found is None:
            assert isinstance(result, Refusal)
            raise LedgerMismatch(f"the ledger {ledger.name} cannot be opened: {result.code}")
    return found


async def require_profile(ledger: Ledger, profile: Profile) -> None:
    """Open a ledger as this, or make sure that it is this. Raises WrongProfile."""
    found = await opened_as(ledger, profile)
    if found != profile:
        raise WrongProfile(
            f"账本 {ledger.name} 的性质是 {found}，不是 {profile}，且不可更改。请换一个账本或数据库。"
            f" The ledger {ledger.name} is {found}, not {profile}, for good. Use another ledger or database."
        )


async def admit(ledger: Ledger, book: PolicyBook) -> Profile:
    """The profile of a ledger in which these policies are to rule; a ledger without any entry is opened as live.

    Raises PolicyErrors, naming each, if a safeguard is off and the ledger is not a replay's.
    """
    found = await ledger.database.read(profile_of, ledger.id)
    if found != "replay":
        book.require_safeguards()
    return found or await opened_as(ledger, "live")


def _opening(profile: Profile, now: int) -> Draft:
    """A memorandum of one ledger opened. The journal begins with it, so nothing can be put before it later."""
    opened, this = "books:opened", f"books:{profile}"
    return Draft(
        OPENING,
        "open-ledger",
        "system",
        request_digest(OPENING, profile),
        effective_at=now,
        movements=(Movement(opened, this, BOOKS.code, 1),),
        metadata=(("profile", profile),),
        commodities=(BOOKS,),
        opens=(OpenAccount(opened), OpenAccount(this)),
    )
