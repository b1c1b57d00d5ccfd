"""The auditor's lists: late records, people who credit each other, days too long to be true."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from msgspec.structs import replace
from tests.activities.centre import (
    GUARDED,
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
)
from tests.points.town import SHANGHAI, micros

from pointsbank.activities import attempts
from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import SessionPlan
from pointsbank.activities.refusals import ActivityStarted, CheckInRefused
from pointsbank.hours import risks as odd
from pointsbank.hours.awaiting import Reader, awaiting_verification
from pointsbank.hours.clawback import Clawing
from pointsbank.hours.risks import Overlap, Risk, overlaps, risks, two_places
from pointsbank.hours.sampling import Sampling
from pointsbank.hours.trails import filed_records
from pointsbank.policy.model import SAFEGUARDS_OFF
from pointsbank.store.database import Database


async def test_h5_late_records_mutual_credits_and_long_days_stand_on_the_auditors_list(
    database: Database,
) -> None:
    policy = guarded(guard=replace(GUARDED, reciprocal_days=0))
    async with open_centre(database, policy) as centre:
        one = await centre.attended(["V1"], "2026-03-02", "07:00", "12:00")
        two = await centre.attended(["V1"], "2026-03-02", "12:05", "23:55")
        three = await centre.attended(["V2"], "2026-03-03")
        await centre.submit(one, centre.by("V2"))
        await centre.submit(two)
        await centre.submit(three, centre.by("V1"))
        late = await centre.attended(["V3"], "2026-03-04")
        centre.at("2026-04-01 08:00:00")
        record = (await centre.submit(late, reason="illness"))["V3"].record_id
        found = await database.read(risks, centre.ledger.id, SHANGHAI, "2026-03-01", 0)
        assert [(risk.kind, risk.record_id, set(risk.people)) for risk in found] == [
            ("late", record, {RECORDER.person, centre.id("V3")}),
            ("mutual", "", {centre.id("V1"), centre.id("V2")}),
            ("long-day", "", {centre.id("V1")}),
        ]
        assert found[2].minutes == 300 + 710
        assert (
            await database.read(risks, centre.ledger.id, SHANGHAI, "2026-03-05", centre.clock.time + 1) == []
        )


async def kinds(centre: Centre, since: str = "2026-01-01") -> dict[str, Risk]:
    """What stands on the lists, by kind."""
    found = await centre.ledger.database.read(risks, centre.ledger.id, SHANGHAI, since, 0)
    return {risk.kind: risk for risk in found}


async def written_down(centre: Centre, names: list[str]) -> str:
    """A session of which a recorder writes everybody down with the same times; at its end."""
    session = await centre.session("2026-03-02", "09:00", "11:00")
    for name in names:
        done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
    centre.at("2026-03-02 11:00:00")
    times = micros("2026-03-02 09:00:00"), micros("2026-03-02 11:00:00")
    for name in names:
        done(
            await centre.attendance.write_down(
                session, centre.id(name), *times, "paper-sheet", RECORDER, centre.key()
            )
        )
    return session


async def test_much_that_one_person_typed_in_and_times_of_one_instant_stand_on_the_list(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "HONOUR_MINUTES", 240)
    monkeypatch.setattr(odd, "SAME_TIMES", 2)
    async with open_centre(database) as centre:
        session = await written_down(centre, ["V1", "V2"])
        await centre.submit(session)
        found = await kinds(centre)
        assert (found["honour-recorder"].people, found["honour-recorder"].minutes) == (
            (RECORDER.person,),
            240,
        )
        assert (found["same-times"].record_id, found["same-times"].people) == (session, (RECORDER.person,))
        monkeypatch.setattr(odd, "HONOUR_MINUTES", 241)
        monkeypatch.setattr(odd, "SAME_TIMES", 3)
        assert not {"honour-recorder", "same-times"} & (await kinds(centre)).keys()


async def test_records_of_the_night_stand_on_the_list(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        await centre.submit(session, people=["V1"])
        assert "night" not in await kinds(centre)
        centre.at("2026-03-03 03:30:00")
        record = (await centre.submit(session, people=["V2"]))["V2"].record_id
        risk = (await kinds(centre))["night"]
        assert (risk.record_id, risk.day, set(risk.people)) == (
            record,
            "2026-03-03",
            {RECORDER.person, centre.id("V2")},
        )


@pytest.mark.parametrize(
    ("zone", "at", "is_night"),
    [
        # half an hour beside the whole hours: 03:29 in Kolkata is 05:59 in Shanghai
        ("Asia/Kolkata", "2026-03-03 05:59:00", True),
        ("Asia/Kolkata", "2026-03-03 03:30:00", True),
        ("Asia/Kolkata", "2026-03-03 02:00:00", False),
        # 04:30 in Paris before its summer time, 05:30 within it
        ("Europe/Paris", "2026-03-20 11:30:00", True),
        ("Europe/Paris", "2026-04-10 11:30:00", False),
        ("Europe/Paris", "2026-04-10 06:30:00", True),
        ("Europe/Paris", "2026-04-10 03:30:00", False),
    ],
)
async def test_the_night_is_that_of_the_city_wherever_it_lies(
    database: Database, zone: str, at: str, is_night: bool
) -> None:
    """Times are given by the clock of Shanghai, which the centre's is set by."""
    policy = guarded(timezone=zone)
    async with open_centre(database, policy) as centre:
        session = await centre.attended(["V1"], "2026-03-02", "14:00", "16:00")
        centre.at(at)
        record = (await centre.submit(session, reason="illness"))["V1"].record_id
        found = await database.read(odd.night_records, centre.ledger.id, zone, 0)
        assert [risk.record_id for risk in found] == [record] * is_night
        told = await database.read(
            awaiting_verification,
            centre.ledger.id,
            Reader(VERIFIER, centre.policies, centre.clock.now()),
            ("S1",),
        )
        assert [(one.record_id, "night" in one.flags) for one in told] == [(record, is_night)]


async def in_two_places(centre: Centre) -> tuple[str, str]:
    """The sessions of two activities, clearing snow and helping the old, both attended by V1, an hour of them at once."""
    first = await centre.session("2026-03-02", "09:00", "11:00", title="清雪")
    second = await centre.session("2026-03-02", "10:00", "12:00", title="助老")
    for session in (first, second):
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
    for session, at, meet in (
        (first, "09:00", centre.attendance.check_in),
        (second, "10:00", centre.attendance.check_in),
        (first, "11:00", centre.attendance.check_out),
        (second, "12:00", centre.attendance.check_out),
    ):
        centre.at(f"2026-03-02 {at}:00")
        done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
    return first, second


async def test_the_day_of_a_refused_line_and_the_minutes_of_an_overlap_are_the_citys(
    database: Database,
) -> None:
    """Honolulu is ten hours behind UTC: eighteen behind Shanghai, by whose clock the centre is set."""
    zone = "Pacific/Honolulu"
    async with open_centre(database, guarded(timezone=zone)) as centre:
        first, second = await in_two_places(centre)
        record = (await centre.submit(first))["V1"].record_id
        assert (await centre.submit(second))["V1"].verdict == "overlap"
        assert await database.read(overlaps, centre.ledger.id, zone, 0) == [
            Overlap(centre.id("V1"), "2026-03-01", "S1", second, "助老", record, "清雪"),
        ]
    async with open_centre(database, guarded(guard=SAFEGUARDS_OFF, timezone=zone), name="another") as centre:
        day = "2026-03-01"
        shift = (f"{day} 08:00", f"{day} 10:00", f"{day} 08:00", f"{day} 10:00")
        line = ("R1", "V1", "A1", "清雪", "ENV", "S1", *shift, "信用", "V1", f"{day} 11:00")
        [told] = await centre.hours.submit("sheet", [(1, line)], centre.key())
        assert told.verdict == "self_recorded"
        [risk] = await database.read(odd.lines_refused, centre.ledger.id, zone, 0)
        assert risk.day == "2026-03-01"


async def test_two_places_within_minutes_stand_on_the_list(database: Database) -> None:
    async with open_centre(database) as centre:
        first = await centre.session("2026-03-02", "09:00", "10:00")
        near, later = [
            await _at_the_other_station(centre, start, end)
            for start, end in (("10:05", "11:00"), ("12:00", "13:00"))
        ]
        records = {}
        for session, start, end in (
            (first, "09:00", "10:00"),
            (near, "10:05", "11:00"),
            (later, "12:00", "13:00"),
        ):
            done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
            for at, meet in ((start, centre.attendance.check_in), (end, centre.attendance.check_out)):
                centre.at(f"2026-03-02 {at}:00")
                done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
            records[session] = (await centre.submit(session))["V1"].record_id
        found = await database.read(two_places, centre.ledger.id, "2026-01-01")
        assert [(risk.record_id, risk.minutes) for risk in found] == [(records[near], 5)]


async def _at_the_other_station(centre: Centre, start: str, end: str) -> str:
    activity = await centre.activity("2026-03-02", first=start, last=end)
    plan = SessionPlan(
        starts_at=micros(f"2026-03-02 {start}:00"),
        ends_at=micros(f"2026-03-02 {end}:00"),
        capacity=5,
        station="S2",
    )
    return done(await centre.activities.open_session(activity, plan, RECORDER, centre.key()))


async def test_h12_what_was_taken_back_failed_a_sample_or_fills_a_year_stands_on_the_list(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "MOST_OF_A_YEAR", 120)
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        record = (await centre.submit(session))["V1"].record_id
        await centre.verify(record)
        risk = (await kinds(centre))["long-year"]
        assert (risk.people, risk.day, risk.minutes) == ((centre.id("V1"),), "2026", 120)
        centre.at("2026-03-03 08:00:00")
        sampling = Sampling(centre.ledger, centre.policies, centre.homes)
        sample = done(await sampling.draw(RECORDER.person, date(2026, 3, 2), JUDGE, centre.key()))
        assert "sample" not in await kinds(centre)
        done(await sampling.note(sample.sample_id, record, "not-present", JUDGE, centre.key()))
        assert (await kinds(centre))["sample"].record_id == record
        activity = (await database.read(filed_records, centre.ledger.id, [record]))[record].activity_id
        clawing = Clawing(centre.ledger, centre.policies, centre.homes)
        case = done(await clawing.propose(activity, "fake-activity", JUDGE, centre.key()))
        assert "clawback" not in await kinds(centre), "proposed is not decided"
        done(await clawing.decide(case.case_id, HEAD, centre.key(), approve=True))
        risk = (await kinds(centre))["clawback"]
        assert (risk.record_id, risk.people) == (activity, (JUDGE.person, HEAD.person))
        assert "long-year" not in await kinds(centre)


async def refused(centre: Centre) -> list[tuple[str, str, tuple[str, ...], int]]:
    """What stands on the lists of what was refused: kind, rule, people, times."""
    found = await centre.ledger.database.read(risks, centre.ledger.id, SHANGHAI, "2026-01-01", 0)
    return sorted((r.kind, r.rule, r.people, r.times) for r in found if r.kind.startswith("refused"))


async def test_h6_what_comes_before_the_end_or_after_the_fact_leaves_one_line_a_day(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        session = await centre.session("2026-03-02", activity=activity)
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 09:00:00")
        done(
            await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        centre.at("2026-03-02 10:00:00")
        done(
            await centre.attendance.check_out(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        assert (await centre.submit(session))["V1"].verdict == "recorded_early"
        assert await refused(centre) == [
            ("refused-early", "before-its-end", (RECORDER.person, centre.id("V1")), 1)
        ]
        times = micros("2026-03-02 09:00:00"), micros("2026-03-02 11:00:00")
        written = await centre.attendance.write_down(
            session, centre.id("V1"), *times, "paper-sheet", RECORDER, centre.key()
        )
        assert written == CheckInRefused("session-not-over")
        plan = SessionPlan(starts_at=times[0], ends_at=times[1], capacity=5, station="")
        late = await centre.activities.open_session(activity, plan, RECORDER, centre.key())
        assert late == ActivityStarted(activity)
        assert await refused(centre) == [
            ("refused-early", "after-its-start", (RECORDER.person,), 1),
            ("refused-early", "before-its-end", (RECORDER.person, centre.id("V1")), 2),
        ]
        centre.at("2026-03-03 09:00:00")
        assert await centre.activities.open_session(activity, plan, RECORDER, centre.key()) == late
        assert [times for *_, times in await refused(centre)] == [1, 1, 2], "another day, another line"
        await centre.holds()


async def test_h7_what_four_eyes_refuse_leaves_one_line_with_how_often(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_TIMES", 3)
    async with open_centre(database, homes={"person-verifier": "H1"}) as centre:
        centre.homes.homes[centre.id("V2")] = "H1"
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        for _ in range(2):
            lines = await centre.submit(session, centre.by("V1"), people=["V1"])
            assert lines["V1"].verdict == "self_recorded"
        record = (await centre.submit(session))["V2"].record_id
        for _ in range(5):
            [told] = await centre.verify(record, by=RECORDER)
            assert told.refusal == "verifier-is-recorder"
        [told] = done(await centre.verifying.reject([record], "not-present", VERIFIER, centre.key()))
        assert told.refusal == "same-household"
        me, other = centre.id("V1"), centre.id("V2")
        assert await refused(centre) == [
            ("refused-four-eyes", "recorder-is-beneficiary", (me, me), 2),
            ("refused-four-eyes", "same-household", (VERIFIER.person, other), 1),
            ("refused-four-eyes", "verifier-is-recorder", (RECORDER.person, other), 3),
        ], "what is tried on and on is counted up to a point"
        await centre.verify(record, by=SECOND)
        assert len(await refused(centre)) == 3, "what is allowed leaves no line"


async def test_h7_a_line_that_is_noted_by_many_at_once_is_one_line(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        await asyncio.gather(*(centre.submit(session, centre.by("V1")) for _ in range(4)))
        assert [times for *_, times in await refused(centre)] == [4]


async def test_h1_the_verifier_of_an_overlap_sees_the_names_of_both_activities(database: Database) -> None:
    async with open_centre(database) as centre:
        first, second = await in_two_places(centre)
        record = (await centre.submit(first))["V1"].record_id
        blocked = (await centre.submit(second))["V1"]
        assert blocked.verdict == "overlap"
        assert "清雪" not in repr(blocked), "not to who submits"
        found = await database.read(overlaps, centre.ledger.id, SHANGHAI, 0)
        assert found == [
            Overlap(centre.id("V1"), "2026-03-02", "S1", second, "助老", record, "清雪"),
        ]
        assert [kind for kind, *_ in await refused(centre)] == ["refused-overlap"]
        assert await database.read(overlaps, centre.ledger.id, SHANGHAI, centre.clock.time + 1) == []


async def test_h6_h7_lines_of_files_that_were_refused_stand_on_the_list(database: Database) -> None:
    async with open_centre(database, guarded(guard=SAFEGUARDS_OFF)) as centre:
        day = "2026-03-01"
        shift = (f"{day} 08:00", f"{day} 10:00", f"{day} 08:00", f"{day} 10:00")
        lines = [
            (1, ("R1", "V1", "A1", "清雪", "ENV", "S1", *shift, "信用", "V1", f"{day} 11:00")),
            (2, ("R2", "V1", "A1", "清雪", "ENV", "S1", *shift, "信用", "OP", f"{day} 09:00")),
        ]
        told = await centre.hours.submit("sheet", lines, centre.key())
        assert [verdict.verdict for verdict in told] == ["self_recorded", "recorded_early"]
        assert await refused(centre) == [
            ("refused-line", "before-its-end", (centre.id("V1"),), 1),
            ("refused-line", "recorder-is-beneficiary", (centre.id("V1"),), 1),
        ]
