"""V6: points go to the household or back to the fund, lot by lot, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.activities.centre import HEAD, SECOND, VERIFIER, Centre, done, open_centre, refused
from tests.activities.test_clawback import FUND, debt, decided, false_activity, holds, spend, with_shop
from tests.activities.test_settling import live_together
from tests.verify.uncommitted import close_engines, uncommitted

from pointsbank.activities.ports import By
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command
from pointsbank.hours.giving import Gift, Giving
from pointsbank.hours.refusals import BalanceCap, DebtLeft, GiftDecided, GiftWaits, NotOfHousehold
from pointsbank.ledger.refusals import AmountOutOfRange, InsufficientBalance, KeyConflict, Refusal
from pointsbank.points.lots import lots_of
from pointsbank.policy.model import Limits, Policy
from pointsbank.store.database import Database
from pointsbank.verify import verify


def giving(centre: Centre) -> Giving:
    return Giving(centre.ledger, centre.policies)


async def proposed(centre: Centre, giver: str, taker: str, points: int) -> Gift | Refusal:
    other = centre.id(taker) if taker else ""
    return await giving(centre).propose(centre.id(giver), other, points, 0, SECOND, centre.key("gift"))


async def given(centre: Centre, giver: str, taker: str, points: int) -> Gift | Refusal:
    gift = done(await proposed(centre, giver, taker, points))
    return await giving(centre).give(gift, HEAD, centre.key("give"))


async def earned(centre: Centre, name: str, *days: str) -> None:
    for day in days:
        centre.at(f"{day} 06:00:00")
        await centre.credited(name, day)
    await centre.release("2026-03-31")


async def test_v6_points_go_to_the_household_or_to_the_fund_and_to_no_stranger(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre, "V1", "2026-03-02")
        merit = await centre.merit("V1")
        assert refused(await proposed(centre, "V1", "V2", 500)) == NotOfHousehold(centre.id("V2"))
        await live_together(centre, "V1", "V2")
        assert refused(await proposed(centre, "V1", "V3", 500)) == NotOfHousehold(centre.id("V3"))
        assert refused(await proposed(centre, "V1", "V1", 500)) == NotOfHousehold(centre.id("V1"))
        gift = done(await given(centre, "V1", "V2", 500))
        assert (gift.state, gift.proposed_by, gift.decided_by) == ("given", SECOND.person, HEAD.person)
        assert (await centre.points("V1"), await centre.points("V2")) == (1500, 500)
        lots = {}
        for name in ("V1", "V2"):
            wallet = centre.people[name].wallet
            [lot] = (await centre.ledger.database.read(lots_of, centre.ledger.id, [wallet]))[wallet]
            lots[name] = (lot.lot, lot.expires_on, lot.fund)
        assert lots["V1"] == lots["V2"], "fund and last day stay what they were"
        issued = await holds(centre, FUND.issued)
        done(await given(centre, "V1", "", 400))
        assert await centre.points("V1") == 1100
        assert await holds(centre, FUND.issued) == issued + 400, "the fund may issue them again"
        done(await given(centre, "V2", "", 500)), "what was given may be given on"
        assert await centre.merit("V1") == merit, "merit is nobody else's"
        await centre.holds()


async def test_v6_nobody_gives_more_than_there_is_or_before_a_debt_is_paid(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        few = refused(await proposed(centre, "V1", "", 2001))
        assert isinstance(few, InsufficientBalance)
        assert (few.available, few.required) == (2000, 2001)
        for wrong in (0, -5):
            assert isinstance(await proposed(centre, "V1", "", wrong), AmountOutOfRange)
        gift = done(await proposed(centre, "V1", "", 2000))
        await spend(centre, "V1", 500)
        assert isinstance(await giving(centre).give(gift, HEAD, centre.key()), InsufficientBalance)
        await spend(centre, "V1", 1500)
        centre.at("2026-03-09 08:00:00")
        await decided(centre, activity, "V1")
        assert await debt(centre, "V1") == 2000
        await earned(centre, "V1", "2026-03-10")
        owed = await debt(centre, "V1")
        assert owed
        assert refused(await proposed(centre, "V1", "", 100)) == DebtLeft(owed)
        assert refused(await giving(centre).give(gift, HEAD, centre.key())) == DebtLeft(owed)
        await centre.holds()


async def test_v6_no_gift_moves_before_its_time_or_by_the_word_of_whom_it_concerns(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre, "V1", "2026-03-02")
        desk, giver, later = giving(centre), centre.id("V1"), centre.clock.now() + 1
        waits = done(await desk.propose(giver, "", 700, later, SECOND, centre.key("early")))
        assert await desk.give(waits, HEAD, centre.key()) == GiftWaits(later)
        gift = done(await proposed(centre, "V1", "", 700))
        for by in (SECOND, By("V1", giver)):
            assert await desk.give(gift, by, centre.key()) == FourEyes("decider-is-proposer")
        assert await centre.points("V1") == 2000


async def test_v6_a_gift_is_given_once_whoever_confirms_at_the_same_moment(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre, "V1", "2026-03-02")
        command = centre.key("gift")
        desk, giver = giving(centre), centre.id("V1")
        gift = done(await desk.propose(giver, "", 700, 5, SECOND, command))
        assert done(await desk.propose(giver, "", 700, 9, SECOND, command)) == gift, "the same command again"
        assert isinstance(await desk.propose(giver, "", 800, 5, SECOND, command), KeyConflict)
        told = await asyncio.gather(*(desk.give(gift, by, centre.key()) for by in (HEAD, VERIFIER, HEAD)))
        assert {one.decided_by for one in told if isinstance(one, Gift)} <= {HEAD.person, VERIFIER.person}
        assert await centre.points("V1") == 1300
        winner = done(await desk.find(gift.gift_id) or refused(None))
        loser = VERIFIER if winner.decided_by == HEAD.person else HEAD
        assert await desk.give(gift, loser, centre.key()) == GiftDecided(gift.gift_id, "given")
        assert await desk.call_off(winner, HEAD, centre.key()) == GiftDecided(gift.gift_id, "given")
        other = done(await proposed(centre, "V1", "", 100))
        stopped = done(await desk.call_off(other, VERIFIER, centre.key()))
        assert (stopped.state, stopped.sequence) == ("called-off", 0)
        assert await desk.give(other, HEAD, centre.key()) == GiftDecided(other.gift_id, "called-off")
        assert [one.state for one in await desk.of(giver)].count("given") == 1
        await centre.holds()


async def test_v6_a_gift_that_nobody_confirmed_lapses_thirty_days_after_its_delay(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre, "V1", "2026-03-02")
        desk, giver, ready = giving(centre), centre.id("V1"), centre.clock.now() + 1
        names = ("in time", "late", "stopped")
        gifts = [done(await desk.propose(giver, "", 500, ready, SECOND, Command("t", n))) for n in names]
        in_time, late, stopped = gifts
        assert late.lapses_at == ready + 30 * 86_400 * 1_000_000
        centre.clock.time = late.lapses_at - 1
        assert done(await desk.give(in_time, HEAD, centre.key())).state == "given"
        assert done(await desk.call_off(stopped, HEAD, centre.key())).state == "called-off"
        centre.clock.time = late.lapses_at
        assert await desk.give(late, HEAD, centre.key()) == GiftDecided(late.gift_id, "lapsed")
        found = done(await desk.find(late.gift_id) or refused(None))
        assert (found.state, found.decided_by, found.sequence) == ("lapsed", "", 0)
        assert await desk.call_off(found, HEAD, centre.key()) == GiftDecided(late.gift_id, "lapsed")
        again = done(await desk.propose(giver, "", 500, ready, SECOND, Command("t", "late")))
        assert again.state == "lapsed", "the same command again is no new gift"
        assert sorted(one.state for one in await desk.of(giver)) == ["called-off", "given", "lapsed"]
        assert await centre.points("V1") == 1500
        await centre.holds()


def capped(points: int) -> Policy:
    return replace(with_shop(), limits=Limits(balance_cap_points=points))


async def test_v6_no_gift_lifts_its_taker_over_what_one_may_hold(database: Database) -> None:
    """The cap is 30 points. What stands on notice is held too; the fund may be given anything."""
    async with open_centre(database, capped(30)) as centre:
        await earned(centre, "V1", "2026-03-02")
        await live_together(centre, "V1", "V2")
        centre.at("2026-04-01 06:00:00")
        first = done(await proposed(centre, "V1", "V2", 2000))
        await centre.credited("V2", "2026-04-01")
        assert await centre.points("V2", pending=True) == 2000
        assert await giving(centre).give(first, HEAD, centre.key()) == BalanceCap(1000)
        assert refused(await proposed(centre, "V1", "V2", 1001)) == BalanceCap(1000)
        assert done(await given(centre, "V1", "V2", 1000)).state == "given"
        assert refused(await proposed(centre, "V1", "V2", 1)) == BalanceCap(0)
        assert done(await given(centre, "V1", "", 1000)).state == "given"
        assert (await centre.points("V1"), await centre.points("V2")) == (0, 1000)
        await centre.holds()


class Overtaken(Giving):
    """Between the look at the books and the posting, somebody is faster."""

    faster: Callable[[], Awaitable[object]] | None = None
    looks = 0

    async def _facts(self, giver: str, taker: str) -> Any:
        found = await super()._facts(giver, taker)
        self.looks += 1
        if self.faster is not None:
            faster, self.faster = self.faster, None
            await faster()
        return found


async def test_v6_a_gift_is_judged_again_when_its_taker_is_credited_or_given_points_meanwhile(
    database: Database,
) -> None:
    async with open_centre(database, capped(30)) as centre:
        await earned(centre, "V1", "2026-03-02")
        await earned(centre, "V3", "2026-03-03")
        await live_together(centre, "V1", "V2", "V3")
        centre.at("2026-03-04 06:00:00")
        record = (await centre.submit(await centre.attended(["V2"], "2026-03-04")))["V2"].record_id
        mine, small, other = [
            done(await proposed(centre, giver, "V2", points))
            for giver, points in (("V1", 1500), ("V1", 1000), ("V3", 2000))
        ]
        for gift, faster, room in (
            (mine, lambda: giving(centre).give(other, HEAD, centre.key()), 1000),
            (small, lambda: centre.verify(record), 0),
        ):
            desk = Overtaken(centre.ledger, centre.policies)
            desk.faster = faster
            assert await desk.give(gift, HEAD, centre.key()) == BalanceCap(room)
            assert desk.looks == 2
        assert (await centre.points("V2"), await centre.points("V2", pending=True)) == (2000, 1000)
        await centre.holds()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("points = points + 1", "document-amounts"),
        ("content = content || 'x'", "document-digest"),
        ("sequence = sequence - 1", "document-entry"),
    ],
)
async def test_v6_a_gift_that_was_changed_afterwards_is_found(
    database: Database, change: str, named: str
) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre, "V1", "2026-03-02")
        done(await given(centre, "V1", "", 700))
        assert (await verify(centre.ledger.database, centre.ledger.name)).findings == ()
    async with uncommitted(database.url) as books:
        await books.execute(f"UPDATE gifts SET {change}")
        found = (await verify(books, "centre")).findings
    await close_engines()
    assert named in {finding.code for finding in found}, found
