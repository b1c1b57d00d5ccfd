"""A fund that has run out: merit is booked, points wait in order and are paid when there is money; no overdraft."""

from __future__ import annotations

from tests.activities.centre import JUDGE, Centre, done, guarded, open_centre
from tests.points.town import micros

from pointsbank.hours.funding import Funding
from pointsbank.hours.trails import filed_records
from pointsbank.policy.model import Policy
from pointsbank.store.database import Database

DAY = "2026-03-02"


def small_fund(points: int, notice_days: int = 3) -> Policy:
    return guarded(notice_days=notice_days, fund={"code": "city", "budget_points": points})


async def _verified(centre: Centre, *names: str) -> dict[str, str]:
    session = await centre.attended(names, DAY)
    ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
    await centre.verify(*(ids[name] for name in names))
    return ids


async def test_h17_of_an_exhausted_fund_merit_is_booked_and_points_wait_and_are_shown(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(50)) as centre:
        ids = await _verified(centre, "V1", "V2", "V3")
        told = [await centre.standings.of_record(ids[name]) for name in ("V1", "V2", "V3")]
        assert [(s.state, s.points, s.unfunded) for s in told if s] == [
            ("pending", 2000, 0),
            ("pending", 2000, 0),
            ("pending", 0, 2000),
        ]
        assert [await centre.merit(name) for name in ("V1", "V2", "V3")] == [120, 120, 120]
        [waiting] = await Funding(centre.ledger, centre.policies).waiting("city")
        assert (waiting.record_id, waiting.points, waiting.expires_on) == (ids["V3"], 2000, "2027-12-31")
        assert await Funding(centre.ledger, centre.policies).pay("city", centre.key()) == 0
        await centre.holds()


async def test_h17_what_waits_is_paid_in_order_as_whole_credits_and_nobody_overtakes(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(30)) as centre:
        ids = await _verified(centre, "V1", "V2")
        later = await centre.attended(["V3"], DAY, "11:05", "11:35")
        small = (await centre.submit(later))["V3"].record_id
        [outcome] = await centre.verify(small)
        assert (outcome.points, outcome.unfunded) == (0, 500), (
            "ten points are left, but somebody waits already"
        )
        funding = Funding(centre.ledger, centre.policies)
        assert [w.record_id for w in await funding.waiting("city")] == [ids["V2"], small]
        assert await funding.pay("city", centre.key()) == 0, (
            "the first does not fit, and the second does not overtake"
        )
        done(await centre.objecting.object(ids["V1"], "not-present", centre.by("TEEN"), centre.key()))
        done(await centre.objecting.decide(ids["V1"], "confirmed", JUDGE, centre.key(), uphold=True))
        assert await funding.pay("city", centre.key()) == 2
        assert await funding.pay("city", centre.key()) == 0
        assert [await centre.points(name, pending=True) for name in ("V2", "V3")] == [2000, 500]
        await centre.holds()
        await centre.release("2026-03-06")
        assert [await centre.points(name) for name in ("V2", "V3")] == [2000, 500], (
            "the notice ran while they waited"
        )
        await centre.holds()


async def test_h17_a_reversal_drops_what_waits_and_takes_back_what_was_paid(database: Database) -> None:
    async with open_centre(database, small_fund(40)) as centre:
        ids = await _verified(centre, "V1", "V2", "V3")
        funding = Funding(centre.ledger, centre.policies)

        async def take_back(name: str) -> None:
            done(await centre.objecting.object(ids[name], "not-present", centre.by("TEEN"), centre.key()))
            done(await centre.objecting.decide(ids[name], "confirmed", JUDGE, centre.key(), uphold=True))

        await take_back("V1")
        assert await funding.pay("city", centre.key()) == 1
        assert await centre.points("V3", pending=True) == 2000
        await take_back("V3")
        assert (await centre.points("V3", pending=True), await centre.merit("V3")) == (0, 0)
        await centre.holds()


async def test_h17_what_waits_is_dropped_with_its_record(database: Database) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await _verified(centre, "V1", "V2")
        line = done(
            await centre.correcting.correct(
                ids["V2"], micros(f"{DAY} 09:00:00"), micros(f"{DAY} 10:00:00"), JUDGE, centre.key()
            )
        )
        funding = Funding(centre.ledger, centre.policies)
        assert await funding.waiting("city") == []
        [outcome] = await centre.verify(line.record_id)
        assert (outcome.points, outcome.unfunded) == (0, 0), "half of the session is below the floor"
        await centre.holds()


async def test_without_notice_what_is_paid_later_is_spendable_at_once(database: Database) -> None:
    async with open_centre(database, small_fund(20, notice_days=0)) as centre:
        ids = await _verified(centre, "V1", "V2")
        await _reverse(centre, ids["V1"])
        assert await Funding(centre.ledger, centre.policies).pay("city", centre.key()) == 1
        assert await centre.points("V2") == 2000
        await centre.holds()


async def _reverse(centre: Centre, record_id: str) -> None:
    found = await centre.ledger.database.read(filed_records, centre.ledger.id, [record_id])
    receipts = await centre.hours.reverse(found[record_id].sequence, "wrong", centre.key())
    assert isinstance(receipts, list)


async def test_h17_points_that_expired_while_they_waited_may_be_spent_for_ninety_days_and_that_is_shown(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await _verified(centre, "V1", "V2")
        waiting = await centre.standings.of_record(ids["V2"])
        assert waiting is not None
        assert (waiting.unfunded, waiting.expires_on) == (2000, "2027-12-31")
        await centre.release("2026-03-06")
        await _reverse(centre, ids["V1"])
        centre.at("2028-02-01 08:00:00")
        assert await Funding(centre.ledger, centre.policies).pay("city", centre.key()) == 1
        paid = await centre.standings.of_record(ids["V2"])
        assert paid is not None
        assert (paid.unfunded, paid.expires_on) == (0, "2028-05-01"), "ninety days from the payment"
        assert await centre.points("V2") == 2000
        await centre.holds()
