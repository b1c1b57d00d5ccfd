"""Closing an account in the books: debts first, then to the fund or the household; nothing by one alone."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace
from sqlalchemy import Connection, select
from tests.activities.centre import HEAD, VERIFIER, Centre, done, open_centre, refused
from tests.activities.test_clawback import FUND, debt, decided, false_activity, holds, spend, with_shop

from pointsbank.hours.holding import Held
from pointsbank.hours.refusals import DebtLeft, HoursUnderWay, NoHousehold
from pointsbank.hours.settling import SettlePostings
from pointsbank.hours.taking_back import loss_account, uncovered_account
from pointsbank.hours.trails import Loaded
from pointsbank.hours.verification import Verifying
from pointsbank.ledger.chart import SHIPPED
from pointsbank.ledger.model import Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.closing import Settlement
from pointsbank.people.refusals import PointsLeft
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.policy.model import Limits
from pointsbank.store.database import Database
from pointsbank.store.tables import entries


async def settle(centre: Centre, name: str, settlement: Settlement, key: str = "close:1") -> Refusal | None:
    desk = SettlePostings(centre.ledger, centre.policies, HEAD)
    return await desk.settle(centre.id(name), settlement, key)


async def earned(centre: Centre, name: str = "V1") -> None:
    await centre.credited(name, "2026-03-02")
    await centre.release("2026-03-06")


async def test_points_are_donated_to_the_fund_which_may_issue_them_again(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre)
        assert await settle(centre, "V1", "donate") is None
        assert (await centre.points("V1"), await centre.merit("V1")) == (0, 120), "merit stays"
        assert await holds(centre, FUND.issued) == 0
        assert await settle(centre, "V1", "donate") is None, "asked again, there is nothing to do"
        await centre.holds()


async def test_one_alone_moves_no_points_and_forgives_no_debt(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1", "V2")
        await centre.release("2026-03-06")
        assert refused(await settle(centre, "V2", "nothing")) == PointsLeft("POINT", 2000)
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        assert refused(await settle(centre, "V1", "nothing")) == DebtLeft(2000)
        assert await debt(centre, "V1") == 2000
        assert await settle(centre, "V3", "nothing") is None, "there was nothing"


async def test_a_debt_is_paid_first_and_the_rest_of_it_is_the_funds_loss(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        centre.at("2026-03-09 08:00:00")
        await centre.credited("V1", "2026-03-09", "09:00", "10:00")
        await centre.release("2026-03-13")
        assert (await centre.points("V1"), await debt(centre, "V1")) == (500, 1500)
        assert await settle(centre, "V1", "donate") is None
        assert (await centre.points("V1"), await debt(centre, "V1")) == (0, 0)
        assert await holds(centre, loss_account(FUND)) == 1000
        assert await holds(centre, uncovered_account(FUND)) == 1000
        await centre.holds()


async def test_what_is_left_after_a_debt_is_donated(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 500)
        centre.at("2026-03-09 08:00:00")
        await decided(centre, activity, "V1")
        assert await debt(centre, "V1") == 500
        await centre.credited("V1", "2026-03-09")
        await centre.release("2026-03-13")
        assert (await centre.points("V1"), await debt(centre, "V1")) == (1500, 0)
        assert await settle(centre, "V1", "donate") is None
        assert await holds(centre, FUND.issued) == -500, "what was spent stays issued"
        await centre.holds()


async def test_nothing_is_settled_while_hours_are_under_way(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await centre.credited("V1", "2026-03-02")
        assert refused(await settle(centre, "V1", "donate")) == HoursUnderWay(1)
        await centre.release("2026-03-06")
        assert await settle(centre, "V1", "donate") is None


async def test_points_go_to_the_one_other_of_the_household(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre)
        assert refused(await settle(centre, "V1", "household")) == NoHousehold(0)
        await live_together(centre, "V1", "V2")
        assert await settle(centre, "V1", "household") is None
        assert (await centre.points("V1"), await centre.points("V2")) == (0, 2000)
        await centre.holds()
        await live_together(centre, "V3", "TEEN", "CHILD")
        centre.at("2026-03-09 06:00:00")
        await centre.credited("V3", "2026-03-09")
        await centre.release("2026-03-16")
        assert refused(await settle(centre, "V3", "household")) == NoHousehold(2), (
            "who of them is not ours to say"
        )


async def live_together(centre: Centre, *names: str) -> None:
    """These people are a household from the first day of the test's year on."""
    places, code = PlacesService(centre.ledger), f"HOME-{names[0]}"
    start = date(2026, 1, 1)
    opened = await places.change(Opening(code, "household", "一户", "S1", start), centre.key())
    assert isinstance(opened, Receipt), opened
    for name in names:
        joined = await places.change_membership(Joining(code, centre.id(name), start), centre.key())
        assert isinstance(joined, Receipt), joined


async def test_expired_points_expire_and_are_not_given_away(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await earned(centre)
        centre.at("2028-01-01 08:00:00")
        assert await settle(centre, "V1", "donate") is None
        assert await holds(centre, FUND.expired) == 2000
        assert await holds(centre, FUND.issued) == -2000
        await centre.holds()


def test_a_debt_falls_by_payment_alone_and_moves_only_from_one_id_of_a_person_to_the_other() -> None:
    ways = {(m.entry, m.debit) for m in SHIPPED.movements.values() if m.credit == "recovery"}
    assert ways == {
        ("repay", "fund-uncovered"),
        ("repay", "fund-loss"),
        ("merge", "recovery"),
        ("unmerge", "recovery"),
    }
    assert not {"repay", "merge", "unmerge", "settle", "clawback"} & set(SHIPPED.reversible), (
        "nor by a mirror"
    )


async def test_closing_pays_the_debt_by_an_entry_of_its_own_and_settles_by_another(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 500)
        await centre.credited("V1", "2026-03-09")
        await centre.release("2026-03-16")
        await spend(centre, "V1", 2500)
        await decided(centre, activity, "V1")
        owed = await debt(centre, "V1")
        await centre.credited("V1", "2026-03-16")
        await centre.release("2026-03-23")
        left, wallet = await debt(centre, "V1"), await centre.points("V1")
        assert (owed, left, wallet) == (1000, 0, 1000)
        assert await settle(centre, "V1", "donate") is None
        assert await closing_entries(centre) == {"settle"}, "nothing was owed any more"


async def test_what_is_owed_at_the_end_is_paid_or_lost_by_one_entry(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        first, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await decided(centre, first, "V1")
        await centre.credited("V1", "2026-03-09")
        await centre.release("2026-03-16")
        assert (await debt(centre, "V1"), await centre.points("V1")) == (1000, 1000)
        await spend(centre, "V1", 500)
        assert await settle(centre, "V1", "donate") is None
        assert (await debt(centre, "V1"), await centre.points("V1")) == (0, 0)
        assert await holds(centre, loss_account(FUND)) == 500
        assert await closing_entries(centre) == {"repay"}, "all that was left went to the debt"
        assert await settle(centre, "V1", "donate") is None, "asked again, there is nothing to do"
        await centre.holds()


async def closing_entries(centre: Centre) -> set[str]:
    """Kinds of the entries that closed accounts."""

    def kinds(connection: Connection) -> set[str]:
        query = select(entries.c.kind).where(entries.c.reason == "account-closed")
        return set(connection.scalars(query))

    return await centre.ledger.database.read(kinds)


async def test_a_record_of_the_heir_that_is_accepted_while_the_share_comes_is_judged_after_it(
    database: Database,
) -> None:
    """The cap is 30 points: the share of 20 leaves room for 10 of the record's 20."""
    capped = replace(with_shop(), limits=Limits(balance_cap_points=30))
    async with open_centre(database, capped) as centre:
        await earned(centre)
        await live_together(centre, "V1", "V2")
        session = await centre.attended(["V2"], "2026-03-09")
        record = (await centre.submit(session))["V2"].record_id

        class Slow(Verifying):
            """Looks at what is held, and then somebody else is faster."""

            async def _held(self, loaded: Loaded) -> Held:
                seen = await super()._held(loaded)
                assert await settle(centre, "V1", "household") is None
                return seen

        desk = Slow(centre.ledger, centre.policies, centre.homes)
        [outcome] = done(await desk.verify([record], VERIFIER, centre.key()))
        assert (outcome.points, outcome.capped) == (1000, 1000)
        assert (await centre.points("V2"), await centre.points("V2", pending=True)) == (2000, 1000)
        await centre.holds()
