"""Funds: budgets are changed by two, never below what is issued; what a fund has promised, and how fast it goes."""

from __future__ import annotations

from datetime import date

from msgspec.structs import replace
from tests.activities.centre import HEAD, JUDGE, Centre, done, guarded, open_centre, refused

from pointsbank.access.refusals import ReservedKind
from pointsbank.activities.ports import By
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command
from pointsbank.funds.postings import ROOM, BudgetChange, budget_draft
from pointsbank.funds.reading import FundState, funds
from pointsbank.funds.refusals import (
    BudgetBelowIssued,
    BudgetChangeDecided,
    FundWithoutEnd,
    UnknownBudgetChange,
    UnknownFund,
)
from pointsbank.funds.service import Budgets, changes_of
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import FundQueueStopped
from pointsbank.ledger.chart import GENERIC_ROOM, SHIPPED
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import MovementNotAllowed
from pointsbank.policy.model import Policy
from pointsbank.store.database import Database
from pointsbank.web.posting import reserved_kinds

ZONE = "Asia/Shanghai"


def with_budget(points: int) -> Policy:
    return guarded(fund={"code": "city", "budget_points": points})


def desk(centre: Centre) -> Budgets:
    return Budgets(centre.ledger, centre.policies)


async def proposed(centre: Centre, points: int, fund: str = "city", by: By = JUDGE) -> BudgetChange:
    return done(await desk(centre).propose(fund, points, by, centre.key(), document_no="哈志发〔2026〕7号"))


async def changed(centre: Centre, points: int, fund: str = "city") -> BudgetChange:
    change = await proposed(centre, points, fund)
    return done(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True))


async def state(centre: Centre, day: str = "2026-03-02", fund: str = "city") -> FundState:
    found = await centre.ledger.database.read(funds, centre.ledger.id, date.fromisoformat(day), ZONE, 10)
    return next(one for one in found if one.fund == fund)


async def test_a_budget_is_changed_by_two_natural_persons_and_by_an_entry(database: Database) -> None:
    async with open_centre(database, with_budget(50)) as centre:
        change = await proposed(centre, 10_000)
        assert (await state(centre)).budget == 5000, "nothing by one alone"
        for by, rule in (
            (JUDGE, "decider-is-proposer"),
            (By("second-account", JUDGE.person), "decider-is-proposer"),
            (By("key-1", ""), "machine-source"),
        ):
            answer = refused(await desk(centre).decide(change.change_id, by, centre.key(), approve=True))
            assert answer == FourEyes(rule)
        assert refused(await desk(centre).propose("city", 1, By("key-1", ""), centre.key())) == FourEyes(
            "machine-source"
        )
        approved = done(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True))
        assert (approved.state, approved.decided_by, approved.sequence > 0) == ("approved", HEAD.person, True)
        assert (await state(centre)).budget == 15_000
        again = done(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True))
        assert again == approved, "decided again, nothing is granted twice"
        assert (await state(centre)).budget == 15_000
        late = refused(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=False))
        assert late == BudgetChangeDecided(change.change_id, "approved")
        await centre.holds()


async def test_a_refused_change_changes_nothing(database: Database) -> None:
    async with open_centre(database, with_budget(50)) as centre:
        change = await proposed(centre, 10_000)
        told = done(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=False))
        assert (told.state, told.sequence) == ("refused", 0)
        assert (await state(centre)).budget == 5000
        assert refused(await desk(centre).decide("nothing", HEAD, centre.key(), approve=True)) == (
            UnknownBudgetChange("nothing")
        )
        found = await database.read(changes_of, centre.ledger.id, "city")
        assert [one.change_id for one in found] == [change.change_id]


async def test_a_budget_never_falls_below_what_is_issued(database: Database) -> None:
    async with open_centre(database, with_budget(50)) as centre:
        await centre.credited("V1", "2026-03-02")  # 20 points
        change = await proposed(centre, -3001)
        answer = refused(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True))
        assert answer == BudgetBelowIssued("city", 3000, 3001)
        await changed(centre, -3000)
        now = await state(centre)
        assert (now.budget, now.issued, now.free) == (2000, 2000, 0)
        await changed(centre, 100)
        assert (await state(centre)).free == 100
        await centre.holds()


async def test_what_the_ledger_does_not_take_stops_the_queue_and_the_raise_stands(database: Database) -> None:
    async with open_centre(database, with_budget(20)) as centre:
        session = await centre.attended(["V1", "V2", "V3"], "2026-03-02")
        ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
        await centre.verify(*(ids[name] for name in ("V1", "V2", "V3")))
        command = centre.key()
        other = Draft("propose-budget", f"pay:{ids['V3']}", command.client, b"another request.", 0)
        done((await centre.ledger.submit([replace(other, touches=("anything",))], ROOM))[0])
        change = await proposed(centre, 4000)
        answer = refused(await desk(centre).decide(change.change_id, HEAD, command, approve=True))
        assert answer == FundQueueStopped("city", ids["V3"], "idempotency-conflict")
        now = await state(centre)
        assert (now.budget, now.waiting, now.free) == (6000, 1, 2000), "raised, and paid up to there"
        again = done(
            await desk(centre).decide(change.change_id, HEAD, Command("another", "again"), approve=True)
        )
        assert (again.state, (await state(centre)).waiting) == ("approved", 0), (
            "decided again, the rest is paid"
        )
        assert [await centre.points(name, pending=True) for name in ids] == [2000] * 3
        await centre.holds()


async def test_h17_raising_a_budget_pays_what_waits_in_order(database: Database) -> None:
    async with open_centre(database, with_budget(20)) as centre:
        session = await centre.attended(["V1", "V2", "V3"], "2026-03-02")
        ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
        await centre.verify(*ids.values())
        short = await state(centre)
        assert (short.waiting, short.unfunded, short.free) == (2, 4000, 0)
        await changed(centre, 2500)
        paid = await state(centre)
        assert (paid.waiting, paid.unfunded, paid.free) == (1, 2000, 500)
        await changed(centre, 1500)
        assert [await centre.points(name, pending=True) for name in ("V1", "V2", "V3")] == [2000] * 3
        assert (await state(centre)).waiting == 0
        await centre.holds()


async def test_the_first_budget_opens_a_fund_and_a_fund_without_end_has_none_to_cut(
    database: Database,
) -> None:
    async with open_centre(database, guarded()) as centre:
        assert refused(await desk(centre).propose("city", -5, JUDGE, centre.key())) == FundWithoutEnd("city")
        assert refused(await desk(centre).propose("ice", -5, JUDGE, centre.key())) == UnknownFund("ice")
        assert refused(await desk(centre).propose("no good", 5, JUDGE, centre.key())) == UnknownFund(
            "no good"
        )
        opened = await changed(centre, 3000, "ice")
        assert (opened.state, opened.sequence) == ("approved", 0)
        now = await state(centre, fund="ice")
        assert (now.budget, now.issued, now.free) == (3000, 0, 3000)
        await centre.credited("V1", "2026-03-02", fund="ice")
        now = await state(centre, fund="ice")
        assert (now.issued, now.outstanding, now.liability_fen) == (2000, 2000, 200)
        assert (await state(centre)).outstanding == 0, "of another fund nothing"
        await changed(centre, 1000, "ice")
        assert (await state(centre, fund="ice")).budget == 4000
        await centre.holds()


async def test_a_fund_that_was_opened_without_a_budget_is_given_one_by_two(database: Database) -> None:
    async with open_centre(database, guarded()) as centre:
        await centre.credited("V1", "2026-03-02")
        assert (await state(centre)).budget is None
        low = await proposed(centre, 1999)
        answer = refused(await desk(centre).decide(low.change_id, HEAD, centre.key(), approve=True))
        assert answer == BudgetBelowIssued("city", 0, 1)
        assert (await state(centre)).budget is None
        change = await proposed(centre, 3000)
        answer = refused(await desk(centre).decide(change.change_id, JUDGE, centre.key(), approve=True))
        assert answer == FourEyes("decider-is-proposer")
        second = await proposed(centre, 9000)
        given = done(await desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True))
        assert (given.points, given.sequence > 0) == (3000, True)
        now = await state(centre)
        assert (now.budget, now.issued, now.free, now.outstanding) == (3000, 2000, 1000, 2000)
        record = await centre.credited("V2", "2026-03-03")
        waiting = await state(centre)
        assert (waiting.waiting, waiting.unfunded, waiting.issued) == (1, 2000, 2000), "it ends where it says"
        assert await centre.state(record) == "pending"
        done(await desk(centre).decide(second.change_id, HEAD, centre.key(), approve=True))
        now = await state(centre)
        assert (now.budget, now.issued, now.waiting) == (12_000, 4000, 0), (
            "from now on a change like any other"
        )
        await changed(centre, -8000)
        assert (await state(centre)).free == 0
        await centre.holds()


async def test_what_a_fund_has_promised_and_how_fast_it_goes(database: Database) -> None:
    async with open_centre(database, with_budget(10_000), now="2026-01-05 06:00:00") as centre:
        await centre.credited("V1", "2026-01-05")
        centre.at("2026-03-02 06:00:00")
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        await centre.verify(*[line.record_id for line in (await centre.submit(session)).values()])
        now = await state(centre, "2026-03-03")
        assert (now.issued, now.outstanding, now.liability_fen) == (6000, 6000, 600)
        assert now.issued_a_day == (4000 // 30, 6000 // 90)
        await changed(centre, 100_000)
        assert (await state(centre, "2026-03-03")).issued_a_day == (4000 // 30, 6000 // 90), (
            "a budget is not issued"
        )
        without = await centre.ledger.database.read(funds, centre.ledger.id, date(2026, 3, 3), ZONE, None)
        assert without[0].liability_fen is None


async def test_no_generic_door_and_no_other_room_moves_a_budget(database: Database) -> None:
    assert reserved_kinds(SHIPPED)["budget"] == "funds"
    assert ReservedKind.__struct_config__.tag == "reserved-kind"
    async with open_centre(database, with_budget(50)) as centre:
        change = await proposed(centre, 10_000)
        draft = budget_draft(change, b"s" * 16, HEAD.person, "", centre.clock.now(), centre.key())
        for rooms in (frozenset({GENERIC_ROOM}), HOURS):
            [answer] = await centre.ledger.submit([draft], rooms)
            assert isinstance(answer, MovementNotAllowed)
        assert (await state(centre)).budget == 5000
