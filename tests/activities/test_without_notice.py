"""Ruling 4 for a notice of 0 days: issue and release are one entry, and a debt still takes its part."""

from __future__ import annotations

from tests.activities.centre import Centre, guarded, open_centre
from tests.activities.test_clawback import debt, decided, false_activity, holds, spend, with_shop
from tests.activities.test_merging import newest

from pointsbank.hours.booked import booked_of
from pointsbank.hours.taking_back import loss_account
from pointsbank.ledger.model import Receipt
from pointsbank.points.lots import Fund
from pointsbank.store.database import Database

DAY = "2026-03-02"


async def sequence(centre: Centre, record_id: str) -> int:
    found = await centre.ledger.database.read(booked_of, centre.ledger.id, record_id)
    assert found is not None
    return found.record.sequence


async def test_without_a_notice_issue_and_release_are_one_entry(database: Database) -> None:
    async with open_centre(database, guarded(notice_days=0)) as centre:
        record = await centre.credited("V1", DAY)
        entry = await newest(centre, "earn")
        person = centre.people["V1"]
        assert [(p.debit, p.credit, p.amount) for p in entry.postings if p.commodity == "POINT"] == [
            ("fund:city:issued", person.pending, 2000),
            (person.pending, person.wallet, 2000),
        ]
        assert len({p.lot for p in entry.postings if p.commodity == "POINT"}) == 1, (
            "the final lot from pending on"
        )
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (2000, 0)
        assert await centre.state(record) == "credited"
        assert await centre.release("2026-03-10") == 0
        await centre.holds()


async def test_without_a_notice_a_reversal_takes_both_steps_back(database: Database) -> None:
    async with open_centre(database, guarded(notice_days=0)) as centre:
        record = await centre.credited("V1", DAY)
        receipts = await centre.hours.reverse(await sequence(centre, record), "wrong", centre.key())
        assert isinstance(receipts, list)
        assert all(isinstance(receipt, Receipt) for receipt in receipts)
        assert (await centre.points("V1"), await centre.merit("V1")) == (0, 0)
        await centre.holds()


async def test_without_a_notice_who_owes_pays_when_the_points_are_released(database: Database) -> None:
    async with open_centre(database, with_shop(notice_days=0)) as centre:
        activity, _ = await false_activity(centre, "V1", "V2")
        await spend(centre, "V1", 2000)
        await spend(centre, "V2", 2000)
        await decided(centre, activity, "V1")
        assert (await debt(centre, "V1"), await holds(centre, loss_account(Fund("city")))) == (2000, 2000)
        centre.at("2026-03-09 08:00:00")
        session = await centre.attended(["V1", "V2"], "2026-03-09")
        lines = await centre.submit(session)
        told = {centre.name(o.record_id.split(".")[1]): o for o in await centre.verify(
            *[line.record_id for line in lines.values()])}  # fmt: skip
        assert (told["V1"].state, told["V1"].available_on) == ("pending", "2026-03-09")
        assert told["V2"].state == "credited", "who owes nothing waits for nothing"
        assert await centre.release("2026-03-09") == 1
        assert (await centre.points("V1"), await debt(centre, "V1")) == (1000, 1000)
        await centre.holds()
