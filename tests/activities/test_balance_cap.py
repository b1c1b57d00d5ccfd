"""A cap on what people hold: what a record brings beyond it is not credited and shown so; its hours count whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date

from msgspec.structs import replace
from tests.activities.centre import JUDGE, SECOND, VERIFIER, Centre, done, guarded, open_centre
from tests.activities.test_clawback import spend, with_shop
from tests.activities.test_merging import merge
from tests.points.town import Town, book, micros, open_town, policy, record

from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.funding import Funding
from pointsbank.hours.holding import Held
from pointsbank.hours.service import HoursService
from pointsbank.hours.trails import Loaded
from pointsbank.hours.verification import Outcome, Verifying
from pointsbank.policy.model import Limits, Policy
from pointsbank.readers.journal import JournalEntry, entry
from pointsbank.store.database import Database
from pointsbank.verify import verify

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04")


def capped(points: int, the: Policy | None = None) -> Policy:
    """The centre's policy with a cap of so many points."""
    return replace(the or guarded(), limits=Limits(balance_cap_points=points))


async def waiting(centre: Centre, days: Sequence[str] = DAYS) -> list[str]:
    """Records of V1 of two hours, worth 20 points each, that wait for a verifier."""
    return [(await centre.submit(await centre.attended(["V1"], day)))["V1"].record_id for day in days]


def told(outcomes: Sequence[Outcome]) -> list[tuple[int, int]]:
    """Points credited and points cut, record by record."""
    return [(outcome.points, outcome.capped) for outcome in outcomes]


async def cut_of(centre: Centre, outcome: Outcome) -> object:
    """What the entry of a record says of the points that it did not credit."""
    found = await centre.ledger.database.read(entry, centre.ledger.id, outcome.sequence)
    assert isinstance(found, JournalEntry)
    return json.loads(found.metadata).get("capped")


async def test_what_a_record_brings_beyond_the_cap_is_not_credited_and_shown_and_merit_is_whole(
    database: Database,
) -> None:
    async with open_centre(database, capped(30)) as centre:
        ids = await waiting(centre)
        outcomes = await centre.verify(*ids)
        assert told(outcomes) == [(2000, 0), (1000, 1000), (0, 2000)], "two of one batch rest on each other"
        assert (await centre.points("V1", pending=True), await centre.merit("V1")) == (3000, 360)
        shown = [await centre.standings.of_record(id_) for id_ in ids]
        assert [(s.state, s.points, s.capped) for s in shown if s] == [
            ("pending", 2000, 0), ("pending", 1000, 1000), ("pending", 0, 2000),
        ]  # fmt: skip
        assert [await cut_of(centre, outcome) for outcome in outcomes] == [None, 1000, 2000]
        assert await centre.release("2026-03-31") == 3
        assert await centre.points("V1") == 3000
        assert told(await centre.verify(*ids)) == [(2000, 0), (1000, 0), (0, 0)], "nothing is rated again"
        await centre.holds()


async def test_what_is_spent_makes_room_for_later_records_and_not_for_earlier_ones(
    database: Database,
) -> None:
    async with open_centre(database, capped(30, with_shop())) as centre:
        await centre.verify(*await waiting(centre))
        await centre.release("2026-03-31")
        await spend(centre, "V1", 2500)
        assert await centre.points("V1") == 500
        centre.at("2026-03-09 06:00:00")
        assert told(await centre.verify(*await waiting(centre, ["2026-03-10"]))) == [(2000, 0)]
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (500, 2000)
        await centre.holds()


async def test_two_verifiers_at_one_moment_do_not_credit_beyond_the_cap(database: Database) -> None:
    async with open_centre(database, capped(30)) as centre:
        ids = await waiting(centre)
        desks = [Verifying(centre.ledger, centre.policies, centre.homes) for _ in ids]
        found = await asyncio.gather(*(
            desk.verify([id_], by, centre.key())
            for desk, id_, by in zip(desks, ids, (VERIFIER, SECOND, VERIFIER), strict=True)
        ))  # fmt: skip
        outcomes = [outcome for answer in found for outcome in done(answer)]
        assert sorted(told(outcomes)) == [(0, 2000), (1000, 1000), (2000, 0)]
        by_sequence = sorted(outcomes, key=lambda outcome: outcome.sequence)
        assert [outcome.points for outcome in by_sequence] == [2000, 1000, 0], "in the order of the entries"
        await centre.holds()


class Overtaken(Verifying):
    """Between its look at what people hold and its entry, somebody else verifies a record."""

    other: str = ""
    looks: int = 0

    async def _held(self, loaded: Loaded) -> Held:
        held = await super()._held(loaded)
        self.looks += 1
        if self.other:
            other, self.other = self.other, ""
            rival = Verifying(self._ledger, self._policies, self._households)
            [outcome] = done(await rival.verify([other], SECOND, Command("rival", other)))
            assert outcome.points == 2000
        return held


async def test_a_word_that_rests_on_a_stale_look_is_judged_again(database: Database) -> None:
    async with open_centre(database, capped(30)) as centre:
        mine, other = await waiting(centre, DAYS[:2])
        desk = Overtaken(centre.ledger, centre.policies, centre.homes)
        desk.other = other
        assert told(done(await desk.verify([mine], VERIFIER, centre.key()))) == [(1000, 1000)]
        assert desk.looks == 2
        assert await centre.points("V1", pending=True) == 3000
        await centre.holds()


async def test_points_that_wait_for_their_fund_are_held_and_paid_without_another_cut(
    database: Database,
) -> None:
    small = guarded(fund={"code": "city", "budget_points": 20})
    async with open_centre(database, capped(30, small)) as centre:
        [first] = await centre.verify(
            (await centre.submit(await centre.attended(["V2"], DAYS[0], "06:30", "08:30")))["V2"].record_id
        )
        outcomes = await centre.verify(*await waiting(centre))
        assert [(o.points, o.unfunded, o.capped) for o in outcomes] == [
            (0, 2000, 0), (0, 1000, 1000), (0, 0, 2000),
        ]  # fmt: skip
        done(await centre.objecting.object(first.record_id, "not-present", centre.by("TEEN"), centre.key()))
        done(await centre.objecting.decide(first.record_id, "confirmed", JUDGE, centre.key(), uphold=True))
        assert await Funding(centre.ledger, centre.policies).pay("city", centre.key()) == 1
        assert await centre.points("V1", pending=True) == 2000
        [later] = await centre.verify(*await waiting(centre, ["2026-03-09"]))
        assert (later.points, later.unfunded, later.capped) == (0, 0, 2000)
        await centre.holds()


async def test_a_correction_is_judged_under_the_cap_when_it_is_accepted(database: Database) -> None:
    async with open_centre(database, capped(30)) as centre:
        first, second = await waiting(centre, DAYS[:2])
        assert told(await centre.verify(first, second)) == [(2000, 0), (1000, 1000)]
        line = done(
            await centre.correcting.correct(
                first, micros(f"{DAYS[0]} 09:00:00"), micros(f"{DAYS[0]} 10:30:00"), JUDGE, centre.key()
            )
        )
        assert told(await centre.verify(line.record_id)) == [(1500, 0)]
        assert await centre.points("V1", pending=True) == 2500, "what was cut of the second stays cut"
        await centre.holds()


async def test_ids_of_one_person_share_the_cap_with_what_waits_for_a_fund_under_the_old_one(
    database: Database,
) -> None:
    small = guarded(fund={"code": "city", "budget_points": 20})
    async with open_centre(database, capped(50, small)) as centre:
        first, second = await centre.verify(*await waiting(centre, DAYS[:2]))
        assert (first.points, second.unfunded) == (2000, 2000)
        [old] = await waiting(centre, DAYS[2:])
        session = await centre.attended(["V2"], "2026-03-05")
        new = (await centre.submit(session))["V2"].record_id
        assert await merge(centre, "V1", "V2") is None
        outcomes = await centre.verify(old, new)
        assert [(o.unfunded, o.capped) for o in outcomes] == [(1000, 1000), (0, 2000)]
        await centre.holds()


def test_what_is_past_its_last_day_is_not_held_though_the_expiry_has_not_run() -> None:
    held, rules = Held(), capped(30)
    held.add("a", "2026-12-31", 2500)
    held.add("a", "2027-12-31", 100)
    assert held.within("a", 2000, date(2026, 12, 31), rules) == 400
    assert held.within("a", 2000, date(2027, 1, 1), rules) == 2000
    held.add("a", "2027-12-31", 5000)
    assert held.within("a", 2000, date(2027, 1, 1), rules) == 0, "more than the cap, by goods brought back"
    assert held.within("b", 2000, date(2026, 12, 31), rules) == 2000
    assert held.within("a", 2000, date(2027, 1, 1), guarded()) == 2000


def lines(town: Town, *days: str) -> list[tuple[int, tuple[str, ...]]]:
    """Records of V1 of four hours, worth 40 points each."""
    return [(n, record(f"{day}/{n}", "V1", day)) for n, day in enumerate(days, 1)]


async def test_lines_that_a_machine_accepts_are_cut_in_order_within_a_batch_and_after_it(
    database: Database,
) -> None:
    async with open_town(database, book(capped(100, policy()))) as town:
        batch = lines(town, "2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05")
        got = await town.hours.submit("file", batch, Command("test", "file"))
        assert [(v.verdict, v.points) for v in got] == [
            ("accepted", 4000), ("accepted", 4000), ("accepted", 2000), ("accepted", 0),
        ]  # fmt: skip
        again = await town.hours.submit("file", batch, Command("test", "file"))
        assert again == got
        await town.stock("RICE", 1)
        assert (await town.sell("V1", "2026-03-02 12:00:00", ("RICE", 1))).judgement.verdict == "accepted"
        [later] = await town.hours.submit("more", lines(town, "2026-02-06"), Command("test", "more"))
        assert later.points == 2000, "the desk remembered what is no longer so, and looked again"
        assert sum((await town.lots("V1")).values()) == 10_000
        assert (await verify(town.ledger.database, town.ledger.name)).findings == ()


async def test_chunks_that_are_judged_while_others_are_written_are_cut_in_order(database: Database) -> None:
    async with open_town(database, book(capped(100, policy()))) as town:
        whole = lines(town, *(f"2026-02-{day:02}" for day in range(2, 9)))
        got = [
            verdict.points
            async for chunk in town.hours.submit_all(
                "file", [whole[:2], whole[2:3], whole[3:5], whole[5:]], Command("test", "file")
            )
            for verdict in chunk
        ]
        assert got == [4000, 4000, 2000, 0, 0, 0, 0]
        assert sum((await town.lots("V1")).values()) == 10_000


async def test_without_a_cap_nobody_asks_what_people_hold(database: Database) -> None:
    async with open_town(database) as town:
        desk = town.hours._fresh_desk()
        assert desk.held is None
        machine, verifying = By("verifier", ""), Verifying(town.ledger, town.policies, _Nobody())
        verifying._held = _never  # type: ignore[method-assign]
        waits = HoursService(town.ledger, town.policies, verifier=None)
        await waits.submit("file", lines(town, "2026-02-02"), Command("test", "file"))
        [outcome] = done(await verifying.verify(["2026-02-02/1"], machine, Command("verifier", "now")))
        assert (outcome.points, outcome.capped) == (4000, 0)


class _Nobody:
    """Nobody lives with anybody."""

    async def household_of(self, person_ids: object, day: date) -> dict[str, str]:
        return {}


async def _never(loaded: Loaded) -> Held:
    raise AssertionError("nothing caps what people hold")
