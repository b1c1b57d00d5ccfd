"""The first entry of a ledger says whether it is live or a replay's, and that never changes."""

from __future__ import annotations

import asyncio

import pytest

from pointsbank.engine.opening import ROOM, WrongProfile, _opening, admit, opened_as, require_profile
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.chart import GENERIC_ROOM
from pointsbank.ledger.model import Draft, Movement, OpenAccount, Receipt
from pointsbank.ledger.refusals import MovementNotAllowed
from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database
from pointsbank.store.profile import profile_of

MEMO = Draft(
    "memo", "m", "tests", b"a request of 16.", 0,
    movements=(Movement("memo:a", "memo:b", "CNY", 1),),
    opens=(OpenAccount("memo:a"), OpenAccount("memo:b")),
)  # fmt: skip


async def test_a_new_ledger_gets_the_profile_that_is_asked_for_in_its_first_entry(database: Database) -> None:
    for name, profile in (("a", "live"), ("b", "replay")):
        async with open_ledger(database, name) as ledger:
            assert await opened_as(ledger, profile) == profile  # type: ignore[arg-type]
            assert await database.read(profile_of, ledger.id) == profile
            assert (await ledger.writer.store.head()).sequence == 1


async def test_a_profile_is_for_good(database: Database) -> None:
    async with open_ledger(database, "a") as ledger:
        await require_profile(ledger, "replay")
        with pytest.raises(WrongProfile):
            await require_profile(ledger, "live")
        assert await opened_as(ledger, "live") == "replay"
        assert (await ledger.writer.store.head()).sequence == 1


async def test_two_who_open_at_a_time_end_with_one_profile(database: Database) -> None:
    async with open_ledger(database, "a") as ledger:
        first, second = await asyncio.gather(opened_as(ledger, "replay"), opened_as(ledger, "live"))
        assert first == second
        assert (await ledger.writer.store.head()).sequence == 1


async def test_books_that_began_without_an_opening_are_live_and_cannot_be_opened_later(
    database: Database,
) -> None:
    async with open_ledger(database, "a") as ledger:
        [posted] = await ledger.submit([MEMO], frozenset([GENERIC_ROOM]))
        assert isinstance(posted, Receipt)
        assert await database.read(profile_of, ledger.id) == "live"
        [refused] = await ledger.submit([_opening("replay", 0)], ROOM)
        assert isinstance(refused, MovementNotAllowed)
        with pytest.raises(WrongProfile):
            await require_profile(ledger, "replay")


async def test_a_live_ledger_takes_no_policy_with_a_safeguard_off_and_names_each(database: Database) -> None:
    guarded, unguarded = policies_at(), policies_at().without_safeguards()
    async with open_ledger(database, "a") as ledger:
        with pytest.raises(PolicyErrors) as refused:
            await admit(ledger, unguarded)
        assert await database.read(profile_of, ledger.id) is None
        named = {error.path.rpartition(".")[2] for error in refused.value.errors}
        assert named >= {
            "separate_verification", "activity_approval", "sign_up", "training", "insurance", "class_by_way",
            "recording_evidence", "household", "companion_below_age", "consent_below_age", "reciprocal_days",
            "batch_lines", "lines_per_hour", "second_level_line_minutes", "second_level_sum_minutes",
            "card_day_points", "redeem_with_guardian_below_age",
        }  # fmt: skip
        assert await admit(ledger, guarded) == "live"
        with pytest.raises(PolicyErrors):
            await admit(ledger, unguarded)
    async with open_ledger(database, "b") as ledger:
        await require_profile(ledger, "replay")
        assert await admit(ledger, unguarded) == "replay"
        assert await admit(ledger, guarded) == "replay"


def test_the_shipped_policy_has_nothing_off_that_protects() -> None:
    assert [path for policy in policies_at().policies for path in policy.switched_off()] == []
