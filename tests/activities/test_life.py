"""The life of an hour: planned, attended, submitted, verified by somebody else, on notice, and then spendable."""

from __future__ import annotations

from datetime import date

from tests.activities.centre import (
    ADMIN,
    HEAD,
    JUDGE,
    RECORDER,
    SECOND,
    TERMINAL,
    VERIFIER,
    Centre,
    done,
    guarded,
    open_centre,
    refused,
)
from tests.activities.test_clawback import decided, false_activity, spend, with_shop
from tests.points.town import micros

from pointsbank.activities.ports import By
from pointsbank.hours.refusals import WrongState
from pointsbank.policy.calendar import city_day
from pointsbank.readers.journal import entries_after
from pointsbank.store.database import Database


async def test_an_hour_becomes_spendable_after_two_people_and_the_notice(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        outcome = (await centre.submit(session))["V1"]
        assert (outcome.verdict, outcome.minutes, outcome.level) == ("submitted", 120, 1)
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (0, 0)
        [verified] = await centre.verify(outcome.record_id)
        # verified on Monday; three whole working days of notice, free on Friday
        assert (verified.state, verified.points, verified.available_on) == ("pending", 2000, "2026-03-06")
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (0, 2000)
        assert await centre.merit("V1") == 120
        assert await centre.release("2026-03-05") == 0
        assert await centre.release("2026-03-06") == 1
        assert await centre.release("2026-03-06") == 0
        assert (await centre.points("V1"), await centre.points("V1", pending=True)) == (2000, 0)
        standing = await centre.standings.of_record(outcome.record_id)
        assert standing is not None
        assert [(s.step, s.person_id) for s in standing.steps] == [
            ("checked-in", TERMINAL.name),
            ("checked-out", TERMINAL.name),
            ("submitted", RECORDER.person),
            ("verified", VERIFIER.person),
        ]
        await centre.holds()


async def test_every_step_again_changes_nothing(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        first = await centre.submit(session)
        again = await centre.submit(session)
        assert {n: o.record_id for n, o in again.items()} == {n: o.record_id for n, o in first.items()}
        ids = [outcome.record_id for outcome in first.values()]
        verified = await centre.verify(*ids)
        assert [(o.state, o.points, o.sequence) for o in await centre.verify(*ids)] == [
            (o.state, o.points, o.sequence) for o in verified
        ]
        assert await centre.merit("V1") == 120


async def test_a_rejected_record_earns_nothing_and_its_time_is_free(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        record = (await centre.submit(session))["V1"].record_id
        [gone] = done(await centre.verifying.reject([record], "wrong-times", VERIFIER, centre.key()))
        assert gone.state == "rejected"
        [late] = await centre.verify(record, by=SECOND)
        assert late.refusal == "wrong-record-state"
        assert await centre.points("V1", pending=True) == 0
        again = (await centre.submit(session))["V1"]
        assert again.verdict == "submitted"
        assert again.record_id != record


async def test_only_the_recorder_withdraws_and_only_before_it_is_verified(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        record = (await centre.submit(session))["V1"].record_id
        [kept] = done(await centre.verifying.withdraw([record], VERIFIER, centre.key()))
        assert kept.refusal == "not-the-recorder"
        [gone] = done(await centre.verifying.withdraw([record], RECORDER, centre.key()))
        assert gone.state == "withdrawn"
        record = (await centre.submit(session))["V1"].record_id
        await centre.verify(record)
        [stays] = done(await centre.verifying.withdraw([record], RECORDER, centre.key()))
        assert stays.refusal == "wrong-record-state"


async def test_an_objection_freezes_one_line_and_a_rejected_one_lets_it_go_on(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        ids = {name: o.record_id for name, o in (await centre.submit(session)).items()}
        await centre.verify(*ids.values())
        case = done(await centre.objecting.object(ids["V1"], "not-present", centre.by("V3"), centre.key()))
        assert (case.state, case.due_on) == ("open", "2026-03-16")
        twice = refused(
            await centre.objecting.object(ids["V1"], "wrong-times", centre.by("TEEN"), centre.key())
        )
        assert isinstance(twice, WrongState), "one open objection a line"
        assert await centre.release("2026-03-06") == 1
        assert (await centre.points("V1"), await centre.points("V2")) == (0, 2000)
        for by, rule in (
            (RECORDER, "verifier-is-recorder"),
            (VERIFIER, "approver-is-verifier"),
            (centre.by("V3"), "decider-is-objector"),
            (centre.by("V1"), "verifier-is-beneficiary"),
            (By("key-7", ""), "machine-source"),
        ):
            answer = await centre.objecting.decide(ids["V1"], "not-proved", by, centre.key(), uphold=False)
            assert refused(answer).rule == rule  # type: ignore[attr-defined]
        centre.at("2026-03-09 08:00:00")
        closed = done(
            await centre.objecting.decide(ids["V1"], "not-proved", JUDGE, centre.key(), uphold=False)
        )
        assert (closed.state, closed.decided_by) == ("rejected", JUDGE.person)
        assert await centre.release("2026-03-09") == 0, "nothing is released with a date in the past"
        assert await centre.release("2026-03-10") == 1
        assert await centre.points("V1") == 2000
        await centre.holds()


async def test_an_upheld_objection_takes_the_credit_back_and_frees_the_time(database: Database) -> None:
    async with open_centre(database) as centre:
        record = await centre.credited("V1", "2026-03-02")
        done(await centre.objecting.object(record, "not-present", centre.by("V3"), centre.key()))
        case = done(await centre.objecting.decide(record, "confirmed", JUDGE, centre.key(), uphold=True))
        assert case.state == "upheld"
        again = done(await centre.objecting.decide(record, "confirmed", JUDGE, centre.key(), uphold=True))
        assert again == case
        assert (await centre.merit("V1"), await centre.points("V1", pending=True)) == (0, 0)
        assert await centre.state(record) == "reversed"
        assert await centre.release("2026-04-01") == 0
        await centre.holds()


async def test_release_against_objection_is_decided_by_who_commits_first(database: Database) -> None:
    async with open_centre(database) as centre:
        record = await centre.credited("V1", "2026-03-02")
        assert await centre.release("2026-03-06") == 1
        late = refused(await centre.objecting.object(record, "not-present", centre.by("V3"), centre.key()))
        assert late == WrongState(record, "credited")


async def test_an_objection_that_nobody_decides_in_time_goes_up(database: Database) -> None:
    async with open_centre(database) as centre:
        record = await centre.credited("V1", "2026-03-02")
        done(await centre.objecting.object(record, "not-present", centre.by("V3"), centre.key()))
        assert await centre.objecting.escalate(date(2026, 3, 16)) == 0
        assert await centre.objecting.escalate(date(2026, 3, 17)) == 1
        assert await centre.objecting.escalate(date(2026, 3, 17)) == 0
        [case] = await centre.objecting.cases(record)
        assert case.state == "escalated"
        closed = done(await centre.objecting.decide(record, "not-proved", JUDGE, centre.key(), uphold=False))
        assert closed.state == "rejected"


async def test_a_volunteer_sees_where_each_hour_stands_and_the_latest_date_by_law(database: Database) -> None:
    async with open_centre(database) as centre:
        first = await centre.attended(["V1"], "2026-03-02")
        second = await centre.session("2026-03-03")
        done(await centre.activities.sign_up(second, centre.id("V1"), RECORDER, centre.key()))
        [attended] = await centre.standings.of_person(centre.id("V1"))
        # ten working days after Monday, 2 March
        assert (attended.state, attended.next_step, attended.due_on) == (
            "attended",
            "submission",
            "2026-03-16",
        )
        record = (await centre.submit(first))["V1"].record_id
        [waiting] = await centre.standings.of_person(centre.id("V1"))
        assert (waiting.state, waiting.next_step, waiting.due_on) == (
            "submitted",
            "verification",
            "2026-03-16",
        )
        await centre.verify(record)
        [noticed] = await centre.standings.of_person(centre.id("V1"))
        assert (noticed.state, noticed.next_step, noticed.due_on) == ("pending", "release", "2026-03-06")


async def test_long_records_stand_longer_on_notice(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02", "08:00", "16:00")
        ids = [o.record_id for o in (await centre.submit(session)).values()]
        verified = await centre.verify(*ids)
        assert {o.available_on for o in verified} == {"2026-03-10"}, "8 hours: five working days"


async def test_without_notice_points_are_spendable_when_verified(database: Database) -> None:
    async with open_centre(database, guarded(notice_days=0)) as centre:
        record = await centre.credited("V1", "2026-03-02")
        assert (await centre.state(record), await centre.points("V1")) == ("credited", 2000)
        await centre.holds()


async def test_nobody_approves_an_activity_of_their_own_and_only_from_above(database: Database) -> None:
    from pointsbank.activities.model import ActivityPlan

    async with open_centre(database) as centre:
        plan = ActivityPlan(
            title="清雪",
            category="ENV",
            station="S1",
            starts_at=micros("2026-03-03 09:00:00"),
            ends_at=micros("2026-03-03 11:00:00"),
        )
        activity = done(await centre.activities.propose(plan, RECORDER, centre.key()))
        cases = [
            (By("another-account", RECORDER.person), "approver-is-proposer"),
            (By("key-1", ""), "machine-source"),
            (By("a", "person-x", place="S1"), "approver-is-not-above"),
            (By("a", "person-x", place="S2"), "approver-is-not-above"),
        ]
        for by, rule in cases:
            answer = refused(await centre.activities.decide(activity, "", by, centre.key(), approve=True))
            assert answer.rule == rule  # type: ignore[attr-defined]
        above = By("a", "person-x", place="B1")
        done(await centre.activities.decide(activity, "", above, centre.key(), approve=True))
        found = await centre.activities.activity(activity)
        assert found is not None
        assert (found.state, found.decided_by) == ("approved", "person-x")
        assert ADMIN != HEAD


async def test_ruling_4_a_release_that_comes_late_is_dated_on_its_own_day_and_never_back(
    database: Database,
) -> None:
    """Free on Friday, 6 March; the job runs on the 6th for one record, and three weeks late for the others."""
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1", "V2")
        centre.at("2026-03-06 07:00:00")
        await centre.release("2026-03-06")
        assert await effective_days(centre) == ["2026-03-06"] * 2
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")  # from now on V1 owes, and pays in the commit of the release
        centre.at("2026-03-09 06:00:00")
        await centre.verify(
            *[
                line.record_id
                for line in (await centre.submit(await centre.attended(["V1", "V3"], "2026-03-09"))).values()
            ]
        )
        centre.at("2026-04-02 09:00:00")
        assert await centre.release("2026-04-02") == 2
        assert (await effective_days(centre))[2:] == ["2026-04-02"] * 2
        assert (await centre.points("V3"), await centre.points("V1")) == (2000, 1000)
        await centre.holds()


async def effective_days(centre: Centre) -> list[str]:
    """The days on which releases took effect, in the order of the entries."""
    found = await centre.ledger.database.read(entries_after, centre.ledger.id, 0, limit=1000)
    zone = centre.policies.policies[-1].timezone
    return [city_day(entry.effective_at, zone).isoformat() for entry in found if entry.kind == "release"]


async def test_each_step_says_who_when_where_and_on_which_device(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        by = By("account-x", "person-x", device="desk-7", place="S1")
        record = (await centre.submit(session, by))["V1"].record_id
        centre.at("2026-03-02 15:30:00")
        verifier = By("account-y", "person-y", device="desk-8", place="B1")
        await centre.verify(record, by=verifier)
        standing = await centre.standings.of_record(record)
        assert standing is not None
        told = [(s.step, s.person_id, s.place, s.device, s.at) for s in standing.steps]
        assert told == [
            ("checked-in", "machine:terminal-1", "", "T1", micros("2026-03-02 09:00:00")),
            ("checked-out", "machine:terminal-1", "", "T1", micros("2026-03-02 11:00:00")),
            ("submitted", "person-x", "S1", "desk-7", micros("2026-03-02 11:00:00")),
            ("verified", "person-y", "B1", "desk-8", micros("2026-03-02 15:30:00")),
        ]
