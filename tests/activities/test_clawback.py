"""Hours that turn out to be false after their points were spent: debts of the guilty, losses of the fund."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from msgspec.structs import replace
from tests.activities.centre import (
    HEAD,
    JUDGE,
    RECORDER,
    SECOND,
    VERIFIER,
    Centre,
    done,
    guarded,
    open_centre,
    refused,
)
from tests.points.town import SHANGHAI, basket

from pointsbank.activities.ports import By
from pointsbank.activities.refusals import FourEyes
from pointsbank.hours.clawback import Case, Clawing, case_of
from pointsbank.hours.debts import guarded_release
from pointsbank.hours.funding import Funding
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import WrongState
from pointsbank.hours.releasing import pending_records
from pointsbank.hours.taking_back import debt_account, loss_account, uncovered_account
from pointsbank.hours.trails import filed_records
from pointsbank.hours.withheld import is_withheld
from pointsbank.ledger.model import Receipt
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.refusals import UnknownPerson
from pointsbank.places.stations import stations
from pointsbank.points.lots import Fund, lots_of
from pointsbank.policy.calendar import city_second, second_text
from pointsbank.policy.model import CaseRules, Policy
from pointsbank.readers.balances import AccountBalance, balance
from pointsbank.recognition.figures import year_minutes
from pointsbank.store.database import Database

FUND = Fund("city")
PEN = {"sku": "PEN", "ean13": "2000000000008", "name": "笔", "price_points": 5, "monthly_limit": None,
       "opening_stock": 0}  # fmt: skip


def with_shop(**changes: object) -> Policy:
    """The centre's policy, and a shop that sells pens at five points."""
    return guarded(goods=[PEN], **changes)  # type: ignore[arg-type]


def clawing(centre: Centre) -> Clawing:
    return Clawing(centre.ledger, centre.policies, centre.homes)


async def holds(centre: Centre, path: str) -> int:
    found = await centre.ledger.database.read(balance, centre.ledger.id, path)
    return found.total("POINT") if isinstance(found, AccountBalance) else 0


async def debt(centre: Centre, name: str) -> int:
    return await holds(centre, debt_account(centre.id(name)))


async def stock(centre: Centre, pieces: int) -> None:
    """Pens on the shelf of the shop."""
    station = (await centre.ledger.database.read(stations, centre.ledger.id, ["S1"]))["S1"]
    command = centre.key("shelf")
    delivery = Delivery(command.key, station, "donor", (("PEN", pieces),))
    [filled] = await MarketService(centre.ledger, centre.policies).receive([(delivery, command)])
    assert isinstance(filled, Receipt), filled


async def sell(centre: Centre, name: str, pieces: int) -> int:
    """The shop sells pens at five points; how many were sold: all, or none."""
    command = centre.key("basket")
    at = second_text(city_second(centre.clock.now(), SHANGHAI))
    market = MarketService(centre.ledger, centre.policies)
    sale = await market.sell(basket(command.key, name, at, ("PEN", pieces)), command)
    return pieces if sale.receipt is not None else 0


async def spend(centre: Centre, name: str, amount: int) -> None:
    """So many points (hundredths) are spent in the shop, first-expiring first."""
    await stock(centre, amount // 500)
    assert await sell(centre, name, amount // 500) == amount // 500


async def false_activity(centre: Centre, *names: str, day: str = "2026-03-02") -> tuple[str, dict[str, str]]:
    """An activity of two hours whose records are verified; its id, and its records by name."""
    activity = await centre.activity(day, first="09:00", last="11:00")
    session = await centre.attended(names, day, activity=activity)
    ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
    await centre.verify(*(ids[name] for name in names))
    return activity, ids


async def decided(centre: Centre, activity: str, *guilty: str) -> Case:
    case = done(
        await clawing(centre).propose(
            activity, "fake-activity", JUDGE, centre.key(), guilty=[centre.id(name) for name in guilty]
        )
    )
    return done(await clawing(centre).decide(case.case_id, HEAD, centre.key(), approve=True))


def line_of(centre: Centre, case: Case, name: str) -> tuple[int, int, int, int]:
    [line] = [line for line in case.lines if line.person_id == centre.id(name)]
    return line.points, line.taken, line.owed, line.lost


async def test_h12_a_false_activity_is_taken_back_after_its_points_were_spent(database: Database) -> None:
    """What is there goes back, the rest is a debt of the guilty and a loss of the fund for the innocent."""
    async with open_centre(database, with_shop()) as centre:
        activity, ids = await false_activity(centre, "V1", "V2", "V3")
        await centre.release("2026-03-06")
        for name, spent in (("V1", 1500), ("V2", 1500)):
            await spend(centre, name, spent)
        case = await decided(centre, activity, "V1")
        assert case.state == "decided"
        assert line_of(centre, case, "V1") == (2000, 500, 1500, 0), "guilty: a debt"
        assert line_of(centre, case, "V2") == (2000, 500, 0, 1500), "innocent: the fund bears it"
        assert line_of(centre, case, "V3") == (2000, 2000, 0, 0), "had spent nothing"
        assert [await centre.points(name) for name in ("V1", "V2", "V3")] == [0, 0, 0]
        assert [await centre.merit(name) for name in ("V1", "V2", "V3")] == [0, 0, 0], "merit goes for both"
        assert [await debt(centre, name) for name in ("V1", "V2", "V3")] == [1500, 0, 0]
        assert await holds(centre, loss_account(FUND)) == 1500
        assert await holds(centre, uncovered_account(FUND)) == 3000
        assert await holds(centre, FUND.issued) == -3000, "issued, spent and not got back"
        assert {await centre.state(id_) for id_ in ids.values()} == {"clawed-back"}
        people = [centre.id(name) for name in ids]
        year = await database.read(year_minutes, centre.ledger.id, 2026, people)
        assert set(year.values()) == {0}, "stars and lists count what is left"
        await centre.holds()


async def test_h12_first_what_is_on_notice_then_the_same_lot_then_others_as_they_expire(
    database: Database,
) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        await centre.credited("V1", "2025-03-03")
        await centre.release("2025-03-10")
        centre.at("2026-03-02 06:00:00")
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-09")
        centre.at("2026-03-09 08:00:00")
        # the lot of 2025 expires first and goes first in the shop: 1500 of it are spent, 500 of it are left
        await spend(centre, "V1", 1500)
        later = await centre.attended(["V1"], "2026-03-09")
        other = (await centre.submit(later))["V1"].record_id
        await centre.verify(other)
        case = await decided(centre, activity)
        assert line_of(centre, case, "V1") == (2000, 2000, 0, 0)
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (2500, 0)
        wallet = centre.people["V1"].wallet
        held = (await database.read(lots_of, centre.ledger.id, [wallet]))[wallet]
        assert [(lot.lot, lot.balance) for lot in held] == [
            ("2026-12-31/city", 500),
            ("2027-12-31/city", 2000),
        ], "what stood on notice was enough"
        await centre.holds()


async def on_notice(centre: Centre, name: str, day: str, *spans: tuple[str, str]) -> list[str]:
    """Verified records of one person on a day."""
    records = []
    for start, end in spans:
        session = await centre.attended([name], day, start, end)
        records.append((await centre.submit(session))[name].record_id)
        await centre.verify(records[-1])
    return records


HOUR, TWO, THREE = ("09:00", "10:00"), ("10:30", "12:30"), ("13:00", "16:00")
"""An hour brings ten points."""


async def test_h12_ruling_13_everybody_answers_first_with_what_stands_on_notice_of_other_records(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1", "V2")
        await centre.release("2026-03-06")
        for name in ("V1", "V2"):
            await spend(centre, name, 1500)
        mine = await on_notice(centre, "V1", "2026-03-06", HOUR, TWO)
        theirs = await on_notice(centre, "V2", "2026-03-09", HOUR)
        case = await decided(centre, activity, "V1")
        assert line_of(centre, case, "V1") == (2000, 2000, 0, 0)
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (500, 1000)
        assert await debt(centre, "V1") == 0
        assert line_of(centre, case, "V2") == (2000, 1500, 0, 500), (
            "the innocent too: the fund bears the rest"
        )
        assert (await centre.points("V2"), await centre.points("V2", pending=True)) == (0, 0)
        assert [await centre.state(record) for record in (*mine, *theirs)] == ["pending"] * 3
        told = [await centre.standings.of_record(record) for record in mine]
        assert sum(one.points for one in told if one is not None) == 1000, "and the volunteer sees it"
        await centre.holds()
        await centre.release("2026-04-01")
        assert [await centre.state(record) for record in mine] == ["credited"] * 2
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (1500, 0)
        assert await centre.merit("V1") == 180, "the hours of the other records stay"
        for record in mine:
            filed = (await database.read(filed_records, centre.ledger.id, [record]))[record]
            answer = await centre.hours.reverse(filed.sequence, "mistake", centre.key())
            if await database.read(is_withheld, centre.ledger.id, record):
                assert answer == WrongState(record, "withheld"), "its entry has no mirror any more"
        await centre.holds()


async def test_h12_ruling_13_notice_then_the_same_lot_then_others_then_a_debt(database: Database) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        await centre.credited("V1", "2025-03-03", "09:00", "10:00")  # 1000 that expire in 2026
        await centre.release("2025-03-10")
        centre.at("2026-03-02 06:00:00")
        activity = await centre.activity("2026-03-02", first="09:00", last="14:00")
        session = await centre.attended(["V1"], "2026-03-02", "09:00", "14:00", activity=activity)
        record = (await centre.submit(session))["V1"].record_id
        await centre.verify(record)
        await centre.release("2026-03-20")
        centre.at("2026-03-20 08:00:00")
        earned = await centre.points("V1") - 1000
        await spend(centre, "V1", earned - 500)  # the 1000 of 2025 go first
        [other] = await on_notice(centre, "V1", "2026-03-20", HOUR)
        case = await decided(centre, activity, "V1")
        points = line_of(centre, case, "V1")[0]
        assert points == earned
        assert line_of(centre, case, "V1") == (earned, 2500, earned - 2500, 0)
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (0, 0)
        assert await debt(centre, "V1") == earned - 2500
        await centre.release("2026-04-20")
        assert await centre.state(other) == "credited", "released, with nothing left of it"
        assert (await centre.points("V1"), await debt(centre, "V1")) == (0, earned - 2500)
        await centre.holds()


async def test_h12_a_release_that_was_prepared_before_takes_nothing_that_was_taken_meanwhile(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await on_notice(centre, "V1", "2026-03-06", HOUR, TWO)
        page = await database.read(pending_records, centre.ledger.id, date(2026, 4, 1))
        assert sorted(record.points for record in page) == [1000, 2000]
        await decided(centre, activity, "V1")
        drafts = [guarded_release(record, 0, "late") for record in page]
        results = await centre.ledger.submit(drafts, HOURS)
        assert sorted(getattr(result, "code", "released") for result in results) in (
            ["stale-read", "stale-read"],
            ["released", "stale-read"],
        )
        await centre.release("2026-04-01")
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (1000, 0)
        await centre.holds()


async def test_h12_a_record_of_which_something_was_taken_can_be_objected_to_and_taken_back_itself(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 1000)
        [objected] = await on_notice(centre, "V1", "2026-03-06", THREE)  # 3000, of which 2000 are taken
        frozen_before = await centre.points("V1", pending=True)
        case = await decided(centre, activity, "V1")
        assert line_of(centre, case, "V1") == (2000, 2000, 0, 0)
        assert (frozen_before, await centre.points("V1", pending=True)) == (3000, 1000)
        done(await centre.objecting.object(objected, "not-present", centre.by("TEEN"), centre.key()))
        upheld = await centre.objecting.decide(objected, "not-proved", JUDGE, centre.key(), uphold=True)
        assert done(upheld).state == "upheld"
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (1000, 0)
        assert await centre.state(objected) == "clawed-back"
        assert await centre.merit("V1") == 0
        await centre.holds()


async def test_h12_what_somebody_objected_to_is_frozen_for_the_guilty_too(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        [objected] = await on_notice(centre, "V1", "2026-03-06", TWO)
        done(await centre.objecting.object(objected, "not-present", centre.by("TEEN"), centre.key()))
        case = await decided(centre, activity, "V1")
        assert line_of(centre, case, "V1") == (2000, 0, 2000, 0)
        assert await centre.points("V1", pending=True) == 2000
        await centre.holds()


async def test_h12_of_other_lots_the_first_expiring_goes_first(database: Database) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        await centre.credited("V1", "2025-03-03")
        activity, _ = await false_activity(centre, "V1", day="2025-03-04")
        await centre.release("2025-03-12")
        centre.at("2026-03-02 06:00:00")
        await centre.credited("V1", "2026-03-02")
        await centre.release("2026-03-09")
        await spend(centre, "V1", 3000)  # of the 4000 that expire in 2026
        case = await decided(centre, activity)
        assert line_of(centre, case, "V1") == (2000, 2000, 0, 0)
        held = await database.read(lots_of, centre.ledger.id, [centre.people["V1"].wallet])
        assert [(lot.lot, lot.balance) for lot in held[centre.people["V1"].wallet]] == [
            ("2027-12-31/city", 1000)
        ]
        await centre.holds()


async def test_h12_what_stands_on_notice_or_waits_for_its_fund_is_taken_back_too(database: Database) -> None:
    small = guarded(fund={"code": "city", "budget_points": 20})
    async with open_centre(database, small) as centre:
        activity, ids = await false_activity(centre, "V1", "V2")
        waiting = [w.record_id for w in await Funding(centre.ledger, centre.policies).waiting("city")]
        assert waiting == [ids["V2"]]
        objected = ids["V1"]
        done(await centre.objecting.object(objected, "not-present", centre.by("TEEN"), centre.key()))
        case = await decided(centre, activity, "V1")
        assert line_of(centre, case, "V1") == (2000, 2000, 0, 0)
        assert line_of(centre, case, "V2") == (0, 0, 0, 0)
        assert await Funding(centre.ledger, centre.policies).waiting("city") == []
        [objection] = await centre.objecting.cases(objected)
        assert objection.state == "upheld"
        assert [await centre.merit(name) for name in ("V1", "V2")] == [0, 0]
        await centre.holds()


async def test_h12_guilt_is_a_decision_of_two_who_have_nothing_to_do_with_the_records(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        activity, _ = await false_activity(centre, "V1")
        desk = clawing(centre)

        async def proposed_by(by: By) -> str:
            return rule_of(await desk.propose(activity, "fake-activity", by, centre.key()))

        assert await proposed_by(RECORDER) == "verifier-is-recorder"
        assert await proposed_by(VERIFIER) == "approver-is-verifier"
        assert await proposed_by(centre.by("V1")) == "verifier-is-beneficiary"
        assert await proposed_by(By("key-1", "")) == "machine-source"
        centre.homes.homes = {SECOND.person: "H1", centre.id("V1"): "H1"}
        assert await proposed_by(SECOND) == "same-household"
        case = done(await desk.propose(activity, "fake-activity", JUDGE, centre.key()))
        assert (case.state, case.lines[0].state) == ("proposed", "waiting")
        for by, rule in ((JUDGE, "decider-is-proposer"), (VERIFIER, "approver-is-verifier")):
            answer = await desk.decide(case.case_id, by, centre.key(), approve=True)
            assert rule_of(answer) == rule
        other_account = By("account-judge-2", JUDGE.person)
        assert rule_of(await desk.decide(case.case_id, other_account, centre.key(), approve=True)) == (
            "decider-is-proposer"
        ), "people are compared, not accounts"
        assert await desk.carry_out(case.case_id, centre.key()) == WrongState(case.case_id, "proposed")
        assert await centre.merit("V1") == 120, "nothing was moved by one alone"
        again = done(await desk.decide(case.case_id, HEAD, centre.key(), approve=False))
        assert again.state == "refused"
        assert await centre.merit("V1") == 120


def rule_of(answer: object) -> str:
    refusal = refused(answer)
    assert isinstance(refusal, FourEyes), refusal
    return refusal.rule


async def test_h12_only_who_earned_one_of_the_records_can_be_guilty_of_it(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        guilty = [centre.id("V1"), centre.id("V2")]
        answer = refused(
            await clawing(centre).propose(activity, "fake-activity", JUDGE, centre.key(), guilty=guilty)
        )
        assert answer == UnknownPerson(centre.id("V2")), "a slip of the pen makes nobody innocent"


async def test_h12_records_that_nobody_has_verified_are_rejected_and_nothing_is_done_twice(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity = await centre.activity("2026-03-02", first="09:00", last="11:00")
        session = await centre.attended(["V1", "V2"], "2026-03-02", activity=activity)
        ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
        await centre.verify(ids["V1"])
        case = await decided(centre, activity)
        assert [await centre.state(ids[name]) for name in ("V1", "V2")] == ["clawed-back", "rejected"]
        assert await clawing(centre).carry_out(case.case_id, centre.key()) == 0
        again = done(await clawing(centre).decide(case.case_id, HEAD, centre.key(), approve=True))
        assert again == case
        filed = await database.read(filed_records, centre.ledger.id, [ids["V1"]])
        answer = await centre.hours.reverse(filed[ids["V1"]].sequence, "again", centre.key())
        assert answer == WrongState(ids["V1"], "clawed-back"), "its entry is not reversed once more"
        session_again = (await centre.submit(session))["V1"]
        assert session_again.record_id == ids["V1"], "the attendance is not open for another record"
        await centre.holds()


async def test_a_debt_is_paid_by_at_most_half_of_each_new_credit_as_it_comes_free(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        assert await debt(centre, "V1") == 2000
        centre.at("2026-03-09 08:00:00")
        await centre.credited("V1", "2026-03-09")
        assert (await centre.points("V1", pending=True), await debt(centre, "V1")) == (2000, 2000)
        assert await centre.release("2026-03-13") == 1
        assert (await centre.points("V1"), await debt(centre, "V1")) == (1000, 1000)
        assert await centre.merit("V1") == 120, "merit is not touched by a debt"
        assert await centre.release("2026-03-13") == 0
        centre.at("2026-03-16 08:00:00")
        await centre.credited("V1", "2026-03-16", "09:00", "13:00")
        await centre.release("2026-03-20")
        assert (await centre.points("V1"), await debt(centre, "V1")) == (4000, 0), "no more than the debt"
        assert await holds(centre, uncovered_account(FUND)) == 0
        assert await holds(centre, FUND.issued) == -6000, "2000 spent, 4000 in the wallet"
        await centre.holds()


@pytest.mark.parametrize(("percent", "left"), [(0, 2000), (50, 1000), (100, 0)])
async def test_how_much_of_a_credit_pays_a_debt_is_policy(
    database: Database, percent: int, left: int
) -> None:
    policy = replace(with_shop(), cases=CaseRules(debt_percent=percent))
    async with open_centre(database, policy) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        centre.at("2026-03-09 08:00:00")
        await centre.credited("V1", "2026-03-09")
        await centre.release("2026-03-13")
        assert await centre.points("V1") == left
        await centre.holds()


async def test_a_case_says_what_became_of_every_record(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, ids = await false_activity(centre, "V1", "V2")
        case = await decided(centre, activity, "V1")
        found = await database.read(case_of, centre.ledger.id, case.case_id)
        assert found == case
        assert [(line.record_id, line.state) for line in case.lines] == sorted(
            (id_, "done") for id_ in ids.values()
        )
        assert all(line.sequence for line in case.lines)


async def test_h12_what_is_spent_while_it_is_taken_back_is_neither_lost_nor_taken_twice(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1", "V2")
        await centre.release("2026-03-06")
        desk = clawing(centre)
        proposed = done(
            await desk.propose(
                activity, "fake-activity", JUDGE, centre.key(), guilty=[centre.id("V1"), centre.id("V2")]
            )
        )
        await stock(centre, 8)
        told = await asyncio.gather(
            desk.decide(proposed.case_id, HEAD, centre.key(), approve=True),
            *[sell(centre, name, 1) for name in ("V1", "V2") for _ in range(4)],
            desk.decide(proposed.case_id, HEAD, centre.key(), approve=True),
        )
        sold = {"V1": sum(told[1:5]), "V2": sum(told[5:9])}  # type: ignore[arg-type]
        case = done(await desk.decide(proposed.case_id, HEAD, centre.key(), approve=True))
        for name, pieces in sold.items():
            points, taken, owed, lost = line_of(centre, case, name)
            assert (points, taken, owed, lost) == (2000, 2000 - 500 * pieces, 500 * pieces, 0)
            assert await centre.points(name) == 0
            assert await debt(centre, name) == 500 * pieces
        await centre.holds()
