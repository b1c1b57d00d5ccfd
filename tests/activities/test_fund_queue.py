"""Ruling 13: a fund's queue is paid strictly by sequence, whole credits, and nobody overtakes, whatever is objected to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, select
from tests.activities.centre import HEAD, JUDGE, Centre, done, open_centre, refused
from tests.activities.test_clawback import debt, decided, false_activity, holds, spend, with_shop
from tests.activities.test_funds import small_fund
from tests.canaries import python_path
from tests.funds.test_budgets import changed, desk, proposed, state

from pointsbank.engine.commands import Command
from pointsbank.hours.debts import guarded_release
from pointsbank.hours.funding import Funding, Waiting, supplement_of
from pointsbank.hours.merging import MergePostings
from pointsbank.hours.objections import Objecting, Objection
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import HoursUnderWay, WrongState
from pointsbank.hours.releasing import pending_records
from pointsbank.hours.settling import SettlePostings
from pointsbank.hours.tables import service_records, unfunded_credits
from pointsbank.hours.taking_back import loss_account
from pointsbank.ledger.model import Draft
from pointsbank.ledger.refusals import Refusal
from pointsbank.points.lots import Fund
from pointsbank.readers.journal import entries_after
from pointsbank.store.database import Database
from pointsbank.verify import verify

ROOT = Path(__file__).parents[2]
DAY = "2026-03-02"
NAMES = ("V1", "V2", "V3")


async def queue(centre: Centre, *names: str) -> dict[str, str]:
    """Records of two hours, 20 points each, verified in this order."""
    session = await centre.attended(names, DAY)
    ids = {name: line.record_id for name, line in (await centre.submit(session)).items()}
    await centre.verify(*(ids[name] for name in names))
    return ids


async def objected(centre: Centre, record_id: str, by: str = "TEEN") -> None:
    done(await centre.objecting.object(record_id, "not-present", centre.by(by), centre.key()))


async def ruled(centre: Centre, record_id: str, *, uphold: bool) -> Objection:
    return done(await centre.objecting.decide(record_id, "confirmed", JUDGE, centre.key(), uphold=uphold))


async def told(centre: Centre, record_id: str) -> tuple[str, int, int]:
    """What the volunteer sees: state, points, points that wait."""
    standing = await centre.standings.of_record(record_id)
    assert standing is not None
    return standing.state, standing.points, standing.unfunded


def funding(centre: Centre) -> Funding:
    return Funding(centre.ledger, centre.policies)


def _states(connection: Connection, ledger_id: int) -> dict[str, str]:
    t = service_records.c
    rows = connection.execute(select(t.record_id, t.state).where(t.ledger_id == ledger_id))
    return {str(record_id): str(state) for record_id, state in rows}


def _credits(connection: Connection, ledger_id: int) -> list[Waiting]:
    t = unfunded_credits.c
    rows = connection.execute(
        select(t.record_id, t.fund, t.points, t.expires_on, t.queued, t.paid, t.state)
        .where(t.ledger_id == ledger_id)
        .order_by(t.queued)
    )
    return [Waiting(*row) for row in rows]


async def states(centre: Centre) -> dict[str, str]:
    return await centre.ledger.database.read(_states, centre.ledger.id)


async def test_ruling_13_a_frozen_line_is_paid_in_its_turn_and_what_is_paid_stays_frozen(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        assert await told(centre, ids["V2"]) == ("objected", 0, 2000)
        await changed(centre, 2000)  # enough for one: the frozen line is the first
        assert [await centre.points(name, pending=True) for name in NAMES] == [2000, 2000, 0]
        assert (await states(centre))[supplement_of(ids["V2"])] == "objected"
        assert await told(centre, ids["V2"]) == ("objected", 2000, 0), "paid, and frozen"
        assert await told(centre, ids["V3"]) == ("pending", 0, 2000), "nobody overtakes"
        centre.at("2026-04-01 08:00:00")
        assert await centre.objecting.escalate(date(2026, 4, 1)) == 1
        await centre.release("2026-04-01")
        assert [await centre.points(name) for name in NAMES] == [2000, 0, 0], "frozen, nothing is released"
        await centre.holds()


async def test_ruling_13_rejected_the_frozen_payment_goes_on_with_its_line_and_nothing_is_dated_back(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        centre.at("2026-03-10 08:00:00")  # the notice has ended meanwhile
        await ruled(centre, ids["V2"], uphold=False)
        assert (await states(centre))[supplement_of(ids["V2"])] == "pending"
        centre.at("2026-03-11 01:00:00")
        await centre.release("2026-03-11")
        assert await centre.points("V2") == 2000
        assert await told(centre, ids["V2"]) == ("credited", 2000, 0)
        entries = await database.read(entries_after, centre.ledger.id, 0, limit=1000)
        released = [entry for entry in entries if entry.kind == "release"][-1]
        assert released.effective_at >= max(
            entry.effective_at for entry in entries if entry.kind == "budget"
        ), "released on the day of the run, not on the day on which the notice had ended"
        await centre.holds()


async def test_ruling_13_rejected_before_the_notice_ends_it_is_released_on_its_due_day(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        await ruled(centre, ids["V2"], uphold=False)
        await centre.release("2026-03-05")
        assert await centre.points("V2") == 0
        await centre.release("2026-03-06")
        assert await centre.points("V2") == 2000
        await centre.holds()


async def test_ruling_13_upheld_record_and_frozen_payment_are_reversed_and_the_next_line_is_paid(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        await ruled(centre, ids["V2"], uphold=True)
        now = await states(centre)
        assert (now[ids["V2"]], now[supplement_of(ids["V2"])]) == ("reversed", "reversed")
        assert (await centre.points("V2", pending=True), await centre.merit("V2")) == (0, 0)
        assert (await state(centre)).free == 2000, "the fund has its points back"
        assert await funding(centre).pay("city", centre.key()) == 1
        assert await told(centre, ids["V3"]) == ("pending", 2000, 0)
        await centre.holds()


@pytest.mark.parametrize("uphold", [True, False])
async def test_ruling_13_an_objection_after_the_payment_freezes_the_payment_too(
    database: Database, uphold: bool
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await changed(centre, 2000)
        await objected(centre, ids["V2"])
        assert (await states(centre))[supplement_of(ids["V2"])] == "objected"
        await centre.release("2026-03-20")
        assert (await centre.points("V2"), await centre.points("V2", pending=True)) == (0, 2000)
        await ruled(centre, ids["V2"], uphold=uphold)
        await centre.release("2026-03-20")
        assert await centre.points("V2") == (0 if uphold else 2000)
        await centre.holds()


async def test_ruling_13_a_frozen_line_is_objected_to_again_after_it_was_paid(database: Database) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await ruled(centre, ids["V2"], uphold=False)
        await changed(centre, 2000)
        await objected(centre, ids["V2"], by="V3")
        assert (await states(centre))[supplement_of(ids["V2"])] == "objected"
        await ruled(centre, ids["V2"], uphold=True)
        assert (await state(centre)).issued == 2000
        await centre.holds()


class _WhenLooked(Funding):
    """A run during which something happens between the look at the first line and its payment."""

    def __init__(self, centre: Centre, what: object) -> None:
        super().__init__(centre.ledger, centre.policies)
        self.what = what

    async def _look(self, record_id: str) -> object:  # type: ignore[override]
        facts = await super()._look(record_id)
        what, self.what = self.what, None
        if what is not None:
            await what  # type: ignore[misc]
        return facts


class _BeforeObjecting(Objecting):
    """A desk at which something happens between the look at the record and the objection."""

    what: object = None

    async def _objection(self, *args: object) -> Draft:  # type: ignore[override]
        draft = await super()._objection(*args)  # type: ignore[arg-type]
        what, self.what = self.what, None
        if what is not None:
            await what  # type: ignore[misc]
        return draft


async def test_ruling_13_an_objection_between_the_look_and_the_payment_freezes_and_nobody_overtakes(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, "V1", "V2")
        await centre.verify(*(await _next_day(centre, "V3")))
        await objected(centre, ids["V1"])
        await ruled(centre, ids["V1"], uphold=True)  # so the fund has enough for one
        run = _WhenLooked(centre, objected(centre, ids["V2"]))
        assert await run.pay("city", centre.key()) == 1
        assert (await states(centre))[supplement_of(ids["V2"])] == "objected"
        assert [await centre.points(name, pending=True) for name in ("V2", "V3")] == [2000, 0]
        await centre.holds()


async def _next_day(centre: Centre, *names: str) -> list[str]:
    centre.at("2026-03-03 06:00:00")
    session = await centre.attended(names, "2026-03-03")
    return [line.record_id for line in (await centre.submit(session)).values()]


@pytest.mark.parametrize("uphold", [True, False])
async def test_ruling_13_a_decision_between_the_look_and_the_payment_is_looked_at_anew(
    database: Database, uphold: bool
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V1"])
        await objected(centre, ids["V2"])
        await ruled(centre, ids["V1"], uphold=True)
        run = _WhenLooked(centre, ruled(centre, ids["V2"], uphold=uphold))
        assert await run.pay("city", centre.key()) == 1
        paid = ["V3"] if uphold else ["V2"]
        assert [n for n in NAMES if await centre.points(n, pending=True)] == paid
        assert (await states(centre)).get(supplement_of(ids["V2"])) == (None if uphold else "pending")
        await centre.release("2026-03-20")
        assert [n for n in NAMES if await centre.points(n)] == paid
        await centre.holds()


async def test_ruling_13_a_payment_between_the_look_and_the_objection_is_frozen_with_its_line(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        room = _BeforeObjecting(centre.ledger, centre.policies, centre.homes)
        room.what = changed(centre, 2000)
        done(await room.object(ids["V2"], "not-present", centre.by("TEEN"), centre.key()))
        now = await states(centre)
        assert (now[ids["V2"]], now[supplement_of(ids["V2"])]) == ("objected", "objected")
        await centre.release("2026-03-20")
        assert await centre.points("V2") == 0
        await centre.holds()


async def test_ruling_13_two_runs_at_once_pay_each_line_once_and_in_order(database: Database) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        change = await proposed(centre, 4000)
        others = [Funding(centre.ledger, centre.policies) for _ in range(3)]
        answers = await asyncio.gather(
            desk(centre).decide(change.change_id, HEAD, centre.key(), approve=True),
            *(other.pay("city", Command(f"run-{n}", "")) for n, other in enumerate(others)),
        )
        done(answers[0])
        await funding(centre).pay("city", centre.key())
        paid = await database.read(_credits, centre.ledger.id)
        assert [credit.state for credit in paid] == ["paid", "paid"]
        assert paid[0].paid < paid[1].paid
        assert [await centre.points(name, pending=True) for name in NAMES] == [2000] * 3
        await centre.holds()


async def test_ruling_13_a_case_takes_back_a_frozen_line_with_what_was_paid_for_it(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        activity, ids = await false_activity(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        await decided(centre, activity, "V2")
        now = await states(centre)
        assert {now[one] for one in (*ids.values(), supplement_of(ids["V2"]))} == {"clawed-back"}
        assert [await centre.points(name, pending=True) for name in NAMES] == [0, 0, 0]
        assert [credit.state for credit in await database.read(_credits, centre.ledger.id)] == [
            "paid",
            "dropped",
        ]
        assert (await state(centre)).issued == 0
        await centre.holds()


async def test_ruling_13_a_frozen_payment_is_not_taken_for_other_hours(database: Database) -> None:
    async with open_centre(database, with_shop(fund={"code": "city", "budget_points": 20})) as centre:
        activity, _ = await false_activity(centre, "V1")
        [later] = await _next_day(centre, "V1")
        await centre.verify(later)
        await centre.release("2026-03-06")
        centre.at("2026-03-06 08:00:00")
        await spend(centre, "V1", 2000)
        await objected(centre, later)
        await changed(centre, 2000)
        await decided(centre, activity, "V1")
        assert (await debt(centre, "V1"), await centre.points("V1", pending=True)) == (2000, 2000)
        await ruled(centre, later, uphold=False)
        centre.at("2026-03-09 08:00:00")
        await centre.release("2026-03-09")
        assert (await debt(centre, "V1"), await centre.points("V1")) == (1000, 1000), (
            "it pays as it comes free"
        )
        await centre.holds()


async def test_ruling_13_a_merge_takes_a_frozen_payment_along_and_its_undoing_brings_it_back(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        await queue(centre, "V1")
        [frozen] = await _next_day(centre, "V2")
        await centre.verify(frozen)
        await objected(centre, frozen)
        assert await _merged(centre, "merge:1") is None
        await changed(centre, 2000)
        assert await centre.points("V1", pending=True) == 4000
        assert await _merged(centre, "unmerge:2") is None
        assert [await centre.points(name, pending=True) for name in ("V1", "V2")] == [2000, 2000]
        await ruled(centre, frozen, uphold=False)
        await centre.release("2026-03-20")
        assert [await centre.points(name) for name in ("V1", "V2")] == [2000, 2000]
        await centre.holds()


async def test_ruling_13_a_merge_between_the_look_and_the_payment_pays_to_the_id_that_goes_on(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, "V1")
        [waiting] = await _next_day(centre, "V2")
        await centre.verify(waiting)
        await objected(centre, ids["V1"])
        await ruled(centre, ids["V1"], uphold=True)
        run = _WhenLooked(centre, _merged(centre, "merge:1"))
        assert await run.pay("city", centre.key()) == 1
        assert [await centre.points(name, pending=True) for name in ("V1", "V2")] == [2000, 0]
        await centre.release("2026-03-20")
        assert await centre.points("V1") == 2000
        await centre.holds()


async def test_ruling_13_upheld_after_a_merge_the_frozen_payment_goes_back_from_where_it_stands(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        await queue(centre, "V1")
        [frozen] = await _next_day(centre, "V2")
        await centre.verify(frozen)
        await objected(centre, frozen)
        await changed(centre, 2000)
        assert await _merged(centre, "merge:1") is None
        await ruled(centre, frozen, uphold=True)
        assert await centre.points("V1", pending=True) == 2000
        assert (await state(centre)).issued == 2000
        await centre.holds()


async def _merged(centre: Centre, key: str) -> Refusal | None:
    """V2 turns out to be V1, or not after all."""
    desk_ = MergePostings(centre.ledger, centre.policies, HEAD)
    return await desk_.post(centre.id("V2"), centre.id("V1"), key)


async def test_ruling_13_an_account_is_not_closed_while_a_payment_is_frozen(database: Database) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        closing = SettlePostings(centre.ledger, centre.policies, HEAD)
        assert refused(await closing.settle(centre.id("V2"), "donate", "close:1")) == HoursUnderWay(1)
        await ruled(centre, ids["V2"], uphold=False)
        assert refused(await closing.settle(centre.id("V2"), "donate", "close:1")) == HoursUnderWay(1)
        await centre.release("2026-03-20")
        assert await closing.settle(centre.id("V2"), "donate", "close:1") is None
        await centre.holds()


@pytest.mark.parametrize("spent", [0, 1500])
async def test_ruling_13_upheld_after_a_run_that_stopped_the_payment_goes_back_from_where_it_stands(
    database: Database, spent: int
) -> None:
    """A run of releases stopped between a record and its supplement; what was spent meanwhile is the fund's loss."""
    async with open_centre(database, with_shop(fund={"code": "city", "budget_points": 20})) as centre:
        ids = await queue(centre, *NAMES)
        await changed(centre, 2000)
        centre.at("2026-03-06 08:00:00")
        due = await database.read(pending_records, centre.ledger.id, date(2026, 3, 6))
        [supplement] = [one for one in due if one.record_id == supplement_of(ids["V2"])]
        [released] = await centre.ledger.submit([guarded_release(supplement, centre.clock.now(), "t")], HOURS)
        assert not isinstance(released, Refusal), released
        await objected(centre, ids["V2"])
        if spent:
            await spend(centre, "V2", spent)
        await ruled(centre, ids["V2"], uphold=True)
        assert (await centre.points("V2"), await centre.merit("V2")) == (0, 0)
        assert await holds(centre, loss_account(Fund("city"))) == spent
        assert await centre.state(ids["V2"]) == ("clawed-back" if spent else "reversed")
        await centre.holds()


async def test_an_account_is_not_closed_while_a_late_payment_stands_on_notice_for_itself(
    database: Database,
) -> None:
    """Of somebody who owes something, what is paid for a record that is free already passes through the notice."""
    async with open_centre(database, with_shop(fund={"code": "city", "budget_points": 20})) as centre:
        activity, _ = await false_activity(centre, "V1")
        [later] = await _next_day(centre, "V1")
        await centre.verify(later)
        await centre.release("2026-03-06")
        centre.at("2026-03-06 08:00:00")
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        centre.at("2026-03-09 08:00:00")
        await centre.release("2026-03-09")
        await changed(centre, 2000)
        now = await states(centre)
        assert (now[later], now[supplement_of(later)]) == ("credited", "pending")
        closing = SettlePostings(centre.ledger, centre.policies, HEAD)
        assert refused(await closing.settle(centre.id("V1"), "donate", "close:1")) == HoursUnderWay(1)
        await centre.release("2026-03-10")
        assert (await debt(centre, "V1"), await centre.points("V1")) == (1000, 1000)
        assert await closing.settle(centre.id("V1"), "donate", "close:1") is None
        await centre.holds()


async def test_a_frozen_record_is_reversed_or_corrected_by_nobody_but_the_decision(
    database: Database,
) -> None:
    async with open_centre(database, small_fund(20)) as centre:
        ids = await queue(centre, *NAMES)
        await objected(centre, ids["V2"])
        await changed(centre, 2000)
        [credit, _] = await database.read(_credits, centre.ledger.id)
        answer = await centre.hours.reverse(credit.paid, "wrong", centre.key())
        assert answer == WrongState(supplement_of(ids["V2"]), "objected")
        await centre.holds()


SEEDS = [int(os.environ["POINTSBANK_TEST_SEED"])] if "POINTSBANK_TEST_SEED" in os.environ else [1, 2, 3, 4]


@pytest.mark.parametrize("seed", SEEDS)
async def test_ruling_13_whatever_the_order_of_objections_decisions_and_money_the_same_is_paid_in_order(
    database: Database, seed: int
) -> None:
    """The sum paid is what it would be if nobody had objected, without what was upheld."""
    dice = Random(seed)
    async with open_centre(database, small_fund(50, notice_days=5)) as centre:
        lines = await _lines(centre, dice)
        budget, upheld = 5000, set[str]()

        async def decide(record_id: str) -> None:
            uphold = dice.random() < 0.5
            await ruled(centre, record_id, uphold=uphold)
            upheld.update([record_id] * uphold)

        for step in range(24):
            now = await states(centre)
            on_notice = [one for one in lines if now[one] == "pending"]
            frozen = [one for one in lines if now[one] == "objected"]
            match dice.choice(["object", "object", "decide", "money", "pay", "day"]):
                case "object" if on_notice:
                    await objected(centre, dice.choice(on_notice))
                case "decide" if frozen:
                    await decide(dice.choice(frozen))
                case "money":
                    more = dice.choice([500, 1000, 1500])
                    budget += more
                    await changed(centre, more)
                case "pay":
                    await funding(centre).pay("city", centre.key())
                case "day" if step % 3 == 0:
                    centre.clock.time += 86_400 * 1_000_000
                    today = centre.objecting._today()
                    await centre.objecting.escalate(today)
                    await centre.release(today.isoformat())
            await _sound(centre)
        for one in [
            one for one, kept in (await states(centre)).items() if kept == "objected" and one in lines
        ]:
            await decide(one)
        await funding(centre).pay("city", centre.key())
        await _sound(centre)
        # what a fund pays depends on its budget and on the queue alone
        payments = await database.read(_credits, centre.ledger.id)
        queued = {credit.record_id: credit.points for credit in payments}
        left = budget - sum(lines[one] for one in lines if one not in queued and one not in upheld)
        expected = []
        for record_id, points in queued.items():
            if record_id not in upheld:
                if points > left:
                    break
                left -= points
                expected.append(record_id)
        now = await states(centre)
        assert [one for one in queued if now.get(supplement_of(one), "reversed") != "reversed"] == expected
        await changed(centre, 1_000_000)
        assert (await state(centre)).issued == sum(lines[one] for one in lines if one not in upheld)
        centre.clock.time += 40 * 86_400 * 1_000_000
        await centre.release((centre.objecting._today() + timedelta(days=1)).isoformat())
        for name in NAMES:
            mine = [one for one in lines if one not in upheld and (await _name(centre, one)) == name]
            assert await centre.points(name) == sum(lines[one] for one in mine)
        await centre.holds()


async def _lines(centre: Centre, dice: Random) -> dict[str, int]:
    """Records with what each earns, verified in the order of a shuffle."""
    lines: dict[str, int] = {}
    for start, end, points in (("07:00", "09:00", 2000), ("09:10", "09:40", 500), ("10:00", "11:00", 1000)):
        session = await centre.attended(NAMES, DAY, start, end)
        lines |= {line.record_id: points for line in (await centre.submit(session)).values()}
    order = list(lines)
    dice.shuffle(order)
    await centre.verify(*order)
    return lines


async def _name(centre: Centre, record_id: str) -> str:
    found = await centre.ledger.database.read(_owner, centre.ledger.id, record_id)
    return centre.name(found)


def _owner(connection: Connection, ledger_id: int, record_id: str) -> str:
    t = service_records.c
    query = select(t.volunteer).where(t.ledger_id == ledger_id, t.record_id == record_id)
    return str(connection.execute(query).scalar_one())


async def _sound(centre: Centre) -> None:
    """Nobody was paid before an earlier line that still waits; what is paid is frozen while its line is; books hold."""
    payments = [
        c for c in await centre.ledger.database.read(_credits, centre.ledger.id) if c.state != "dropped"
    ]
    order = [credit.state for credit in payments]
    assert order == sorted(order), "paid before waiting"
    paid = [credit.paid for credit in payments if credit.state == "paid"]
    assert paid == sorted(paid)
    now = await states(centre)
    for credit in payments:
        if credit.state == "paid":
            assert now[supplement_of(credit.record_id)] == now[credit.record_id]
    await centre.holds()


async def _twelve_lines(database_url: str) -> tuple[str, int]:
    """A fund that could pay one of twelve records, one of them frozen; the raise that is proposed, and the ledger."""
    database = Database(database_url)
    async with open_centre(database, small_fund(20)) as centre:
        ids = list((await queue(centre, *NAMES)).values())
        for day in ("2026-03-03", "2026-03-04", "2026-03-05"):
            centre.at(f"{day} 06:00:00")
            session = await centre.attended(NAMES, day)
            more = [line.record_id for line in (await centre.submit(session)).values()]
            await centre.verify(*more)
            ids += more
        await objected(centre, ids[4])
        change = await proposed(centre, 1_000_000)
        ledger_id = centre.ledger.id
    await database.close()
    return change.change_id, ledger_id


async def _paying(database_url: str, change: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.activities.paying_process", database_url, change,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip


async def _looked_at(database_url: str, ledger_id: int) -> list[Waiting]:
    """The queue, in its order; the books hold."""
    database = Database(database_url)
    found = await database.read(_credits, ledger_id)
    assert (await verify(database, "centre")).findings == ()
    await database.close()
    return found


async def test_ruling_13_a_run_that_is_killed_between_lines_leaves_none_overtaken_and_is_carried_on(
    database_url: str,
) -> None:
    change, ledger_id = await _twelve_lines(database_url)
    order: list[str] = []
    for kill_after in (2, 4, None):
        process = await _paying(database_url, change)
        assert process.stdout is not None
        told = []
        while line := (await process.stdout.readline()).decode().strip():
            told.append(line)
            if len(told) == kill_after:
                process.send_signal(signal.SIGKILL)
                break
        assert await process.wait() == (0 if kill_after is None else -signal.SIGKILL)
        order = [credit.state for credit in await _looked_at(database_url, ledger_id)]
        assert order == sorted(order), "paid before waiting"
        assert order.count("paid") >= len(told)
    assert order == ["paid"] * 11


async def test_ruling_13_two_processes_pay_each_line_once_and_in_order(postgres_url: str) -> None:
    change, ledger_id = await _twelve_lines(postgres_url)
    processes = [await _paying(postgres_url, change) for _ in range(2)]
    await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    payments = await _looked_at(postgres_url, ledger_id)
    assert [payment.state for payment in payments] == ["paid"] * 11
    assert [payment.paid for payment in payments] == sorted({payment.paid for payment in payments})
