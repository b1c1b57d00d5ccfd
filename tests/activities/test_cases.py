"""The cases of service hours H1 to H20, each with the behaviour that is expected of it."""

from __future__ import annotations

from datetime import date
from typing import Any

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
    paper,
    refused,
)
from tests.points.town import book, followed_by, micros, open_town, record

from pointsbank.activities.attendance import Shown
from pointsbank.activities.evidence import EvidenceDesk
from pointsbank.activities.model import Activity, ActivityPlan, DeviceEvent, Paper, SessionPlan
from pointsbank.activities.ports import By
from pointsbank.activities.refusals import CheckInRefused, FourEyes, SignUpRefused
from pointsbank.activities.rules import Applicant, why_not
from pointsbank.engine.commands import Command
from pointsbank.hours.clawback import Clawing
from pointsbank.hours.objections import Objection
from pointsbank.hours.refusals import AppealTooLate, WrongState
from pointsbank.hours.rules import is_double
from pointsbank.hours.service import HoursService
from pointsbank.hours.trails import filed_records
from pointsbank.ledger.model import Receipt
from pointsbank.people.changes import Change, Changes
from pointsbank.people.directory import directory_of
from pointsbank.people.model import NewPerson
from pointsbank.people.registry import Registry
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.model import Campaign, CaseRules
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database


async def test_h1_of_two_overlapping_sessions_the_second_is_blocked_at_submit_and_one_may_follow_another(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        first = await centre.session("2026-03-02", "09:00", "11:00")
        second = await centre.session("2026-03-02", "10:00", "12:00")
        third = await centre.session("2026-03-02", "11:00", "12:00")
        for session in (first, second, third):
            done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 10:00:00")
        for session in (first, second):
            done(
                await centre.attendance.check_in(
                    session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()
                )
            )
        centre.at("2026-03-02 11:00:00")
        done(await centre.attendance.check_out(first, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
        done(await centre.attendance.check_in(third, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
        centre.at("2026-03-02 12:00:00")
        for session in (second, third):
            done(
                await centre.attendance.check_out(
                    session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()
                )
            )
        assert (await centre.submit(first))["V1"].verdict == "submitted"
        assert (await centre.submit(second))["V1"].verdict == "overlap"
        assert (await centre.submit(third))["V1"].verdict == "submitted", "it begins when the other ends"


async def test_h1_a_rejected_record_gives_its_interval_back(database: Database) -> None:
    async with open_centre(database) as centre:
        first, second = [await centre.session("2026-03-02", "09:00", "11:00") for _ in range(2)]
        for session in (first, second):
            done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        for at, meet in (("09:00", centre.attendance.check_in), ("11:00", centre.attendance.check_out)):
            centre.at(f"2026-03-02 {at}:00")
            for session in (first, second):
                done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
        taken = (await centre.submit(first))["V1"].record_id
        assert (await centre.submit(second))["V1"].verdict == "overlap"
        done(await centre.verifying.reject([taken], "wrong-person", VERIFIER, centre.key()))
        assert (await centre.submit(second))["V1"].verdict == "submitted"


async def test_h2_a_shift_over_midnight_belongs_to_the_day_on_which_it_starts(database: Database) -> None:
    async with open_centre(database) as centre:
        activity = done(
            await centre.activities.propose(
                ActivityPlan(
                    title="夜巡", category="ENV", station="S1",
                    starts_at=micros("2026-03-02 22:00:00"), ends_at=micros("2026-03-04 00:00:00"),
                ),
                RECORDER,
                centre.key(),
            )
        )  # fmt: skip
        done(await centre.activities.decide(activity, "", HEAD, centre.key(), approve=True))

        def plan(start: str, end: str) -> SessionPlan:
            return SessionPlan(starts_at=micros(start), ends_at=micros(end), capacity=5)

        for wrong in (
            plan("2026-03-03 02:00:00", "2026-03-02 22:00:00"),
            plan("2026-03-02 22:00:00", "2026-03-03 22:01:00"),
        ):
            answer = await centre.activities.open_session(activity, wrong, RECORDER, centre.key())
            assert refused(answer).code == "activity-invalid", "negative, or more than 24 hours"
        session = done(
            await centre.activities.open_session(
                activity, plan("2026-03-02 22:00:00", "2026-03-03 02:00:00"), RECORDER, centre.key()
            )
        )
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 22:00:00")
        done(
            await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        centre.at("2026-03-03 02:00:00")
        done(
            await centre.attendance.check_out(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        line = (await centre.submit(session))["V1"]
        standing = await centre.standings.of_record(line.record_id)
        assert standing is not None
        assert (standing.day, line.minutes) == ("2026-03-02", 240)


async def test_h3_a_forgotten_check_out_earns_no_end_and_is_closed_by_hand_as_honour(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 09:00:00")
        done(
            await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        centre.at("2026-03-02 12:01:00")
        late = await centre.attendance.check_out(
            session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()
        )
        assert refused(late) == CheckInRefused("outside-session")
        assert await centre.submit(session) == {}, "the line stays open"
        end = micros("2026-03-02 11:00:00")
        for wrong_end, reason, rule in (
            (end + 60_000_000, "forgot-check-out", "outside-session"),
            (end, "", "reason-missing"),
        ):
            answer = await centre.attendance.write_down(
                session, centre.id("V1"), 0, wrong_end, reason, RECORDER, centre.key()
            )
            assert refused(answer) == CheckInRefused(rule)
        done(
            await centre.attendance.write_down(
                session, centre.id("V1"), 0, end, "forgot-check-out", RECORDER, centre.key()
            )
        )
        line = (await centre.submit(session))["V1"]
        [outcome] = await centre.verify(line.record_id)
        assert (line.minutes, outcome.points, await centre.merit("V1")) == (120, 0, 120)


async def test_h4_who_came_unregistered_is_added_as_honour_and_needs_evidence_and_a_verifier(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        start, end = micros("2026-03-02 09:00:00"), micros("2026-03-02 11:00:00")
        early = await centre.attendance.write_down(
            session, centre.id("V1"), start, end, "came-unregistered", RECORDER, centre.key()
        )
        assert refused(early) == CheckInRefused("session-not-over")
        centre.at("2026-03-02 11:00:00")
        own = await centre.attendance.write_down(
            session, centre.id("V1"), start, end, "came-unregistered", centre.by("V1"), centre.key()
        )
        assert refused(own).code == "four-eyes"
        done(
            await centre.attendance.write_down(
                session, centre.id("V1"), start, end, "came-unregistered", RECORDER, centre.key()
            )
        )
        assert (await centre.submit(session))["V1"].verdict == "evidence_missing"
        desk = EvidenceDesk(centre.ledger)
        person = centre.id("V1")
        for by, rule in ((centre.by("V1"), "recorder-is-beneficiary"), (TERMINAL, "machine-source")):
            answer = await desk.file(session, person, "photo", "IMG-7", by, centre.key())
            assert refused(answer) == FourEyes(rule)
        for kind, reference in (("photo", ""), ("photo", "张小明在场"), ("hearsay", "1")):
            answer = await desk.file(session, person, kind, reference, RECORDER, centre.key())
            assert refused(answer) == CheckInRefused("reason-missing"), "a number, and no free text"
        done(await desk.file(session, person, "sheet", "2026/03/S1-17", RECORDER, centre.key()))
        twice = await desk.file(session, person, "photo", "IMG-7", RECORDER, centre.key())
        assert refused(twice).code == "document-exists", "it is not exchanged afterwards"
        line = (await centre.submit(session))["V1"]
        assert await centre.merit("V1") == 0, "nothing before it is verified"
        standing = await centre.standings.of_record(line.record_id)
        assert standing is not None
        assert [(s.step, s.person_id, s.reason) for s in standing.steps if s.step == "evidence"] == [
            ("evidence", RECORDER.person, "sheet:2026/03/S1-17")
        ], "who verifies sees where it is"
        [outcome] = await centre.verify(line.record_id)
        assert (outcome.state, outcome.points, await centre.merit("V1")) == ("pending", 0, 120)
        assert await centre.release(outcome.available_on) == 1
        await centre.holds()


async def test_h5_a_late_record_needs_a_reason_and_a_second_level_and_is_never_dated_back(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        centre.at("2026-03-16 23:00:00")
        in_time = await centre.submit(session, people=["V2"])
        assert (in_time["V2"].verdict, in_time["V2"].level) == ("submitted", 1)
        centre.at("2026-03-17 00:00:00")
        assert (await centre.submit(session, people=["V1"]))["V1"].verdict == "late_needs_reason"
        line = (await centre.submit(session, people=["V1"], reason="illness"))["V1"]
        assert (line.verdict, line.level) == ("submitted", 2)
        [checked] = await centre.verify(line.record_id)
        assert checked.state == "checked"
        [approved] = await centre.verify(line.record_id, by=SECOND)
        assert (approved.state, approved.available_on) == ("pending", "2026-03-21"), "notice from today on"


async def test_h5_without_late_approval_a_late_record_is_refused(database: Database) -> None:
    async with open_centre(database, guarded(guard=replace(GUARDED, late_approval=False))) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        centre.at("2026-03-17 08:00:00")
        assert (await centre.submit(session, reason="illness"))["V1"].verdict == "recorded_late"


async def test_h6_nothing_is_recorded_before_the_end_and_no_activity_is_made_afterwards(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 09:00:00")
        done(
            await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        centre.at("2026-03-02 10:59:00")
        done(
            await centre.attendance.check_out(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        assert (await centre.submit(session))["V1"].verdict == "recorded_early"
        centre.at("2026-03-02 11:00:00")
        assert (await centre.submit(session))["V1"].verdict == "submitted"
        past = ActivityPlan(
            title="x", category="ENV", station="S1",
            starts_at=micros("2026-03-02 08:00:00"), ends_at=micros("2026-03-02 10:00:00"),
        )  # fmt: skip
        activity = done(await centre.activities.propose(past, RECORDER, centre.key()))
        late = await centre.activities.decide(activity, "", HEAD, centre.key(), approve=True)
        assert refused(late).code == "activity-started"
        times = SessionPlan(starts_at=past.starts_at, ends_at=past.ends_at, capacity=1)
        answer = await centre.activities.open_session(activity, times, RECORDER, centre.key())
        assert refused(answer).code == "activity-not-approved"


async def test_h7_nobody_records_or_verifies_for_oneself_or_for_the_household(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        assert (await centre.submit(session, centre.by("V1")))["V1"].verdict == "self_recorded"
        centre.homes.homes |= {centre.id("V1"): "home", RECORDER.person: "home", VERIFIER.person: "home"}
        assert (await centre.submit(session))["V1"].verdict == "same_household"
        line = (await centre.submit(session, JUDGE))["V1"]
        for by, rule in ((JUDGE, "verifier-is-recorder"), (VERIFIER, "same-household")):
            [outcome] = await centre.verify(line.record_id, by=by)
            assert outcome.refusal == rule
        [outcome] = await centre.verify(line.record_id, by=SECOND)
        assert outcome.state == "pending"


async def test_h8_merit_keeps_the_real_minutes_points_are_cut_at_the_caps_and_the_cut_is_visible(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        ids = [
            await centre.credited("V1", "2026-03-02", start, end)
            for start, end in (("07:00", "12:00"), ("12:05", "16:05"), ("16:10", "18:10"))
        ]
        standings = [await centre.standings.of_record(id_) for id_ in ids]
        assert [(s.minutes, s.points, s.cut_minutes) for s in standings if s] == [
            (300, 4000, 60),
            (240, 4000, 0),
            (120, 0, 120),
        ]
        assert await centre.merit("V1") == 660


async def test_h8_caps_are_used_in_the_order_of_acceptance_and_a_reversal_gives_them_back(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        sessions = [
            await centre.attended(["V1"], "2026-03-02", start, end)
            for start, end in (("07:00", "11:00"), ("11:05", "15:05"), ("15:10", "19:10"))
        ]
        first, second, third = [(await centre.submit(session))["V1"].record_id for session in sessions]
        assert [o.points for o in await centre.verify(third, second)] == [4000, 4000]
        assert [o.points for o in await centre.verify(first)] == [0], "accepted last, whatever its time"
        done(await centre.objecting.object(third, "not-present", centre.by("V3"), centre.key()))
        done(await centre.objecting.decide(third, "confirmed", JUDGE, centre.key(), uphold=True))
        later = await centre.attended(["V1"], "2026-03-02", "19:15", "21:15")
        [outcome] = await centre.verify((await centre.submit(later))["V1"].record_id)
        assert outcome.points == 2000
        standing = await centre.standings.of_record(first)
        assert standing is not None
        assert standing.points == 0, "what was judged is never judged again"


async def test_h9_less_than_the_floor_of_the_session_earns_merit_and_no_points(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02", "09:00", "11:00")
        for name in ("V1", "V2"):
            done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
        for at, name in (("09:48", "V1"), ("09:49", "V2")):
            centre.at(f"2026-03-02 {at}:00")
            done(
                await centre.attendance.check_in(
                    session, centre.id(name), Shown("card"), TERMINAL, centre.key()
                )
            )
        centre.at("2026-03-02 11:00:00")
        for name in ("V1", "V2"):
            done(
                await centre.attendance.check_out(
                    session, centre.id(name), Shown("card"), TERMINAL, centre.key()
                )
            )
        lines = await centre.submit(session)
        outcomes = await centre.verify(lines["V1"].record_id, lines["V2"].record_id)
        assert [(o.points) for o in outcomes] == [1000, 0]
        assert (await centre.merit("V1"), await centre.merit("V2")) == (72, 71)


async def test_h10_misconduct_makes_the_hours_of_the_session_nothing_for_good(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        line = (await centre.submit(session))["V1"]
        done(await centre.verifying.reject([line.record_id], "misconduct", VERIFIER, centre.key()))
        again = (await centre.submit(session))["V1"]
        assert again.record_id == line.record_id, "the attendance is not open for another record"
        assert await centre.state(line.record_id) == "rejected"
        assert await centre.merit("V1") == 0


async def test_h10_the_volunteer_may_appeal_within_fifteen_days_and_somebody_else_decides(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        lines = await centre.submit(session)
        one, two = lines["V1"].record_id, lines["V2"].record_id
        done(await centre.verifying.reject([one, two], "misconduct", VERIFIER, centre.key()))
        for by in (centre.by("V2"), RECORDER, TERMINAL):
            answer = refused(await centre.appealing.appeal(one, by, centre.key()))
            assert answer == FourEyes("not-the-beneficiary")
        centre.at("2026-03-17 23:59:00")
        case = done(await centre.appealing.appeal(one, centre.by("V1"), centre.key()))
        assert (case.state, case.due_on) == ("open", "2026-03-31")
        assert done(await centre.appealing.appeal(one, centre.by("V1"), centre.key())) == case, "once"
        centre.at("2026-03-18 00:00:00")
        late = refused(await centre.appealing.appeal(two, centre.by("V2"), centre.key()))
        assert late == AppealTooLate(two, "2026-03-17")

        async def decide(by: By, *, uphold: bool = True) -> object:
            return await centre.appealing.decide(one, "not-proved", by, centre.key(), uphold=uphold)

        for by, rule in (
            (VERIFIER, "decider-took-away"),
            (RECORDER, "verifier-is-recorder"),
            (centre.by("V1"), "decider-is-objector"),
            (TERMINAL, "machine-source"),
        ):
            assert refused(await decide(by)) == FourEyes(rule)
        upheld = await decide(JUDGE)
        assert isinstance(upheld, Objection)
        assert (upheld.state, upheld.decided_by) == ("upheld", JUDGE.person)
        anew = (await centre.submit(session, reason="correction"))["V1"]
        assert (anew.verdict, anew.record_id == one) == ("submitted", False), "the attendance is open again"
        await centre.verify(anew.record_id)
        assert (await centre.state(one), await centre.state(two)) == ("rejected", "rejected")
        assert refused(await decide(JUDGE)) == WrongState(one, "rejected"), "it is decided"
        await centre.holds()


async def test_h10_of_other_reasons_there_is_no_appeal(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        record = (await centre.submit(session))["V1"].record_id
        assert refused(await centre.appealing.appeal(record, centre.by("V1"), centre.key())) == WrongState(
            record, "submitted"
        )
        done(await centre.verifying.reject([record], "wrong-person", VERIFIER, centre.key()))
        assert refused(await centre.appealing.appeal(record, centre.by("V1"), centre.key())) == WrongState(
            record, "rejected"
        )


async def test_h1_a_hand_over_of_some_minutes_is_policy(database: Database) -> None:
    lenient = replace(guarded(), cases=CaseRules(handover_minutes=10))
    for policy, told in ((guarded(), "overlap"), (lenient, "submitted")):
        async with open_centre(database, policy, name=told) as centre:
            first = await centre.session("2026-03-02", "09:00", "11:10")
            second = await centre.session("2026-03-02", "11:00", "13:00")
            for session in (first, second):
                done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
            for at, session, meet in (
                ("09:00", first, centre.attendance.check_in),
                ("11:00", second, centre.attendance.check_in),
                ("11:10", first, centre.attendance.check_out),
                ("13:00", second, centre.attendance.check_out),
            ):
                centre.at(f"2026-03-02 {at}:00")
                done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
            assert (await centre.submit(first))["V1"].verdict == "submitted"
            assert (await centre.submit(second))["V1"].verdict == told


@pytest.mark.parametrize(
    ("one", "other", "handover", "double"),
    [
        ((0, 60), (60, 120), 0, False),
        ((0, 60), (59, 120), 0, True),
        ((0, 60), (50, 120), 10, False),
        ((0, 60), (49, 120), 10, True),
        ((50, 120), (0, 60), 10, False),
        ((0, 60), (30, 35), 10, True),
        ((0, 60), (55, 60), 10, True),
        ((0, 5), (0, 60), 10, True),
    ],
)
def test_h1_a_hand_over_is_at_the_end_and_never_a_session_within_another(
    one: tuple[int, int], other: tuple[int, int], handover: int, double: bool
) -> None:
    assert is_double(one, other, handover) is double


async def test_h11_the_same_sheet_again_has_no_second_effect(database: Database) -> None:
    async with open_centre(database) as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        centre.at("2026-03-02 13:00:00")
        line = ("SHEET-1", "V1", activity, "清雪", "ENV", "S1", "2026-03-02 08:00", "2026-03-02 12:00",
                "2026-03-02 08:00", "2026-03-02 12:00", "信用", "V2", "2026-03-02 12:30")  # fmt: skip
        hours = HoursService(centre.ledger, centre.policies, households=centre.homes)

        async def bring(source: str) -> str:
            [told] = await hours.submit(source, [(1, line)], Command("test", source), by=RECORDER)
            return told.verdict

        assert [await bring("upload-1"), await bring("upload-1"), await bring("upload-2")] == [
            "submitted",
            "submitted",
            "duplicate",
        ]
        assert await centre.points("V1", pending=True) == 0
        for by, rule in ((RECORDER, "verifier-is-recorder"), (centre.by("V2"), "verifier-is-recorder")):
            [outcome] = await centre.verify("SHEET-1", by=by)
            assert outcome.refusal == rule, "who acted, and whom the paper names"
        [outcome] = await centre.verify("SHEET-1")
        assert (outcome.state, outcome.points, await centre.merit("V1")) == ("pending", 0, 240)
        await centre.holds()


async def test_a_sheet_that_names_an_unknown_recorder_needs_two_people(database: Database) -> None:
    async with open_centre(database) as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        centre.at("2026-03-02 13:00:00")
        line = ("SHEET-2", "V1", activity, "清雪", "ENV", "S1", "2026-03-02 08:00", "2026-03-02 12:00",
                "2026-03-02 08:00", "2026-03-02 12:00", "荣誉", "某人", "2026-03-02 12:30")  # fmt: skip
        [told] = await centre.hours.submit("machine", [(1, line)], Command("kiosk", "k"), by=By("kiosk", ""))
        assert told.verdict == "submitted"
        [outcome] = await centre.verify("SHEET-2")
        assert outcome.state == "checked"


async def test_h13_a_correction_is_a_reversal_and_a_new_record_and_both_stay_visible(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        record = await centre.credited("V1", "2026-03-02", "09:00", "11:00")
        assert await centre.release("2026-03-06") == 1
        times = micros("2026-03-02 09:30:00"), micros("2026-03-02 11:00:00")
        own = await centre.correcting.correct(record, *times, centre.by("V1"), centre.key())
        assert refused(own).code == "four-eyes"
        line = done(await centre.correcting.correct(record, *times, JUDGE, centre.key()))
        again = done(await centre.correcting.correct(record, *times, JUDGE, centre.key()))
        assert again.record_id == line.record_id
        assert (line.minutes, await centre.state(record)) == (90, "reversed")
        assert (await centre.merit("V1"), await centre.points("V1")) == (0, 0)
        [refused_] = await centre.verify(line.record_id, by=JUDGE)
        assert refused_.refusal == "verifier-is-recorder"
        [outcome] = await centre.verify(line.record_id)
        assert (outcome.state, outcome.points, await centre.merit("V1")) == ("pending", 1500, 90)
        seen = await centre.standings.of_person(centre.id("V1"))
        assert {s.record_id: s.state for s in seen} == {record: "reversed", line.record_id: "pending"}
        await centre.holds()


async def test_h13_a_correction_beyond_what_was_measured_is_typed_in_and_so_honour(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02", "09:00", "12:00")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-02 10:00:00")
        done(
            await centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        centre.at("2026-03-02 12:00:00")
        done(
            await centre.attendance.check_out(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
        )
        record = (await centre.submit(session))["V1"].record_id
        assert [o.points for o in await centre.verify(record)] == [2000]
        other = await centre.credited("V1", "2026-03-02", "12:05", "13:05")
        over = await centre.correcting.correct(
            other, micros("2026-03-02 11:00:00"), micros("2026-03-02 13:05:00"), JUDGE, centre.key()
        )
        assert not isinstance(over, WrongState), "clipped to its session, it overlaps nothing"
        line = done(
            await centre.correcting.correct(
                record, micros("2026-03-02 09:00:00"), micros("2026-03-02 12:00:00"), JUDGE, centre.key()
            )
        )
        [outcome] = await centre.verify(line.record_id)
        assert (line.minutes, outcome.points) == (180, 0)
        await centre.holds()


@pytest.mark.parametrize("category", ["TOUR", "PAID"])
async def test_h15_what_is_no_volunteer_service_has_no_category_that_credits_it(
    database: Database, category: str
) -> None:
    async with open_centre(database) as centre:
        plan = ActivityPlan(
            title="游学", category=category, station="S1",
            starts_at=micros("2026-03-03 08:00:00"), ends_at=micros("2026-03-03 10:00:00"),
        )  # fmt: skip
        answer = await centre.activities.propose(plan, RECORDER, centre.key())
        assert refused(answer).code == "activity-invalid"
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        centre.at("2026-03-02 13:00:00")
        at = ("2026-03-02 08:00", "2026-03-02 12:00")
        line = ("R1", "V1", activity, "游学", category, "S1", *at, *at, "信用", "V2", "2026-03-02 12:30")
        [told] = await centre.hours.submit("sheet", [(1, line)], Command("t", "sheet"), by=RECORDER)
        assert told.verdict == "unknown_category", "nor does a file bring it in"


async def test_h16_minors_need_age_companion_and_a_guardians_consent(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-03")
        dangerous = await centre.session("2026-03-03", minimum_age=18)
        child, teen = centre.id("CHILD"), centre.id("TEEN")

        async def sign(person: str, where: str = session, companion: str = "") -> str:
            answer = await centre.activities.sign_up(
                where, person, RECORDER, centre.key(), companion=companion
            )
            return answer.rule if isinstance(answer, SignUpRefused) else "signed"

        assert await sign(teen, dangerous) == "under-age"
        assert await sign(child) == "companion-missing"
        assert await sign(child, companion=teen) == "companion-missing", "a companion is an adult"
        assert await sign(child, companion=centre.id("V1")) == "consent-missing"
        assert await sign(teen) == "consent-missing"
        for person in (child, teen):
            done(await centre.activities.file_paper(paper(person, "consent"), RECORDER, centre.key()))
        assert await sign(child, companion=centre.id("V1")) == "signed"
        assert await sign(teen) == "signed"
        later = await centre.session("2026-03-04")
        done(await centre.activities.revoke_paper(teen, "consent", "", RECORDER, centre.key()))
        assert await sign(teen, later) == "consent-missing", "a withdrawn consent stops new acts"


async def written(centre: Centre, session: str, name: str, start: str = "09:00", end: str = "11:00") -> None:
    """Somebody's times are typed in from a sheet, without any sign-up."""
    times = micros(f"2026-03-02 {start}:00"), micros(f"2026-03-02 {end}:00")
    done(
        await centre.attendance.write_down(
            session, centre.id(name), *times, "paper-sheet", RECORDER, centre.key()
        )
    )


async def test_h16_who_was_only_written_down_is_asked_what_a_sign_up_asks(database: Database) -> None:
    async with open_centre(database) as centre:
        easy = await centre.session("2026-03-02")
        more: dict[str, Any] = {"minimum_age": 18, "training": "first-aid", "insured": True}
        hard = await centre.session("2026-03-02", "13:00", "15:00", **more)
        centre.at("2026-03-02 15:00:00")
        for name in ("CHILD", "TEEN", "V1"):
            await written(centre, easy, name)
        for name in ("TEEN", "V1"):
            await written(centre, hard, name, "13:00", "15:00")

        async def told(session: str, *people: str) -> list[str]:
            lines = await centre.submit(session, people=people)
            return [lines[name].verdict for name in people]

        async def file(name: str, kind: Any, code: str = "") -> None:
            done(
                await centre.activities.file_paper(paper(centre.id(name), kind, code), RECORDER, centre.key())
            )

        assert await told(easy, "CHILD", "TEEN", "V1") == [
            "companion_missing",
            "consent_missing",
            "submitted",
        ]
        assert await told(hard, "TEEN", "V1") == ["under_age", "training_missing"]
        await file("V1", "training", "first-aid")
        assert await told(hard, "V1") == ["insurance_missing"]
        await file("V1", "insurance", "2026")
        await file("TEEN", "consent")
        await file("CHILD", "consent")
        assert await told(hard, "TEEN", "V1") == ["under_age", "submitted"]
        assert await told(easy, "CHILD", "TEEN") == ["companion_missing", "submitted"]
        await centre.holds()


async def test_h16_lines_of_files_are_asked_too_and_who_signed_up_was_asked_then(database: Database) -> None:
    async with open_centre(database) as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        session = await centre.session("2026-03-02", activity=activity)
        done(await centre.activities.file_paper(paper(centre.id("CHILD"), "consent"), RECORDER, centre.key()))
        centre.at("2026-03-02 13:00:00")
        at = ("2026-03-02 08:00", "2026-03-02 12:00")

        async def told(record: str, name: str) -> str:
            line = (record, name, activity, "清雪", "ENV", "S1", *at, *at, "荣誉", "V2", "2026-03-02 12:30")
            [verdict] = await centre.hours.submit(record, [(1, line)], Command("t", record), by=JUDGE)
            return verdict.verdict

        assert await told("R1", "TEEN") == "consent_missing"
        assert await told("R2", "CHILD") == "companion_missing"
        assert await told("R3", "V1") == "submitted"
    async with open_centre(database, name="signed") as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        session = await centre.session("2026-03-02", activity=activity)
        child, adult = centre.id("CHILD"), centre.id("V1")
        done(await centre.activities.file_paper(paper(child, "consent"), RECORDER, centre.key()))
        done(await centre.activities.sign_up(session, child, RECORDER, centre.key(), companion=adult))
        centre.at("2026-03-02 13:00:00")
        assert await told("R2", "CHILD") == "submitted", "an adult came along"


DANGEROUS = ("EMERG", "PATROL")
AN_ACTIVITY = Activity(
    activity_id="a", project_id="", title="x", category="ENV", fund="", campaign="", station="S1", organiser="",
    starts_at=0, ends_at=1, minimum_age=0, training="", insured=0, proposed_by="", proposed_at=0, decided_by="",
    decided_at=0, reason="", state="approved",
)  # fmt: skip


@pytest.mark.parametrize("category", sorted(policies_at().policies[-1].categories))
@pytest.mark.parametrize(
    ("age", "companion", "consent", "told"),
    [
        (5, True, True, "under-age"),
        (6, True, True, ""),
        (9, False, True, "companion-missing"),
        (10, False, True, ""),
        (13, False, False, "consent-missing"),
        (14, False, False, ""),
        (17, False, False, ""),
        (18, False, False, ""),
    ],
)
def test_h16_the_shipped_policy_takes_nobody_under_6_and_minors_for_nothing_dangerous(
    category: str, age: int, companion: bool, consent: bool, told: str
) -> None:
    policy, day = policies_at().policies[-1], date(2026, 3, 2)
    papers = [Paper("x", "consent", "", date(2026, 1, 1), date(2026, 12, 31))] if consent else []
    adult = date(1980, 1, 1) if companion else None
    activity = replace(AN_ACTIVITY, category=category)
    expected = "under-age" if category in DANGEROUS and age < 18 else told
    for born in (
        date(2026 - age, 3, 2),
        date(2025 - age, 3, 3),
    ):  # just so old, and a day short of a year more
        assert why_not(Applicant(born, papers, adult), activity, day, policy) == expected


async def test_training_and_insurance_are_asked_for_where_the_activity_asks(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-03", training="first-aid", insured=True)
        person = centre.id("V1")

        async def sign() -> str:
            answer = await centre.activities.sign_up(session, person, RECORDER, centre.key())
            return answer.rule if isinstance(answer, SignUpRefused) else "signed"

        assert await sign() == "training-missing"
        own = await centre.activities.file_paper(
            paper(person, "training", "first-aid"), centre.by("V1"), centre.key()
        )
        assert refused(own).code == "four-eyes"
        done(
            await centre.activities.file_paper(paper(person, "training", "first-aid"), RECORDER, centre.key())
        )
        assert await sign() == "insurance-missing"
        done(await centre.activities.file_paper(paper(person, "insurance", "2026"), RECORDER, centre.key()))
        assert await sign() == "signed"


async def test_h18_what_a_terminal_noted_offline_is_taken_in_its_own_order_and_once(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        for name in ("V1", "V2"):
            done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
        centre.at("2026-03-02 15:00:00")
        nine, eleven = micros("2026-03-02 09:00:00"), micros("2026-03-02 11:00:00")
        events = [
            DeviceEvent(3, False, session, centre.id("V1"), eleven),
            DeviceEvent(1, True, session, centre.id("V1"), nine),
            DeviceEvent(2, True, session, centre.id("V2"), nine),
            DeviceEvent(4, False, session, centre.id("V2"), nine - 60_000_000),
            DeviceEvent(5, False, session, centre.id("V2"), eleven),
        ]
        first = await centre.attendance.upload(events, TERMINAL, "t1")
        rules = [answer.rule if isinstance(answer, CheckInRefused) else "" for answer in first]
        assert rules == ["", "", "", "clock-wrong", ""], "its clock may not run backwards"
        again = await centre.attendance.upload(events[:3], TERMINAL, "t1")
        assert [answer.replayed for answer in again if not isinstance(answer, CheckInRefused)] == [True] * 3
        lines = await centre.submit(session)
        assert {name: line.minutes for name, line in lines.items()} == {"V1": 120, "V2": 120}


async def test_h19_the_rate_of_the_service_date_applies_whatever_came_into_force_since(
    database: Database,
) -> None:
    old, new = guarded(), guarded(points_per_hour=20)
    parts = followed_by(
        ("2026-01-01", "2026-03-02", replace(old, name="old")),
        ("2026-03-03", "2027-12-31", replace(new, name="new")),
    )
    async with open_centre(database, *parts.policies) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        line = (await centre.submit(session))["V1"]
        centre.at("2026-03-05 08:00:00")
        [outcome] = await centre.verify(line.record_id)
        assert outcome.points == 2000
        await centre.holds()


async def test_h20_only_a_campaign_decided_by_the_city_makes_honour_hours_earn(database: Database) -> None:
    flood = Campaign("FLOOD", "抗洪", "哈文明委〔2026〕1号", True, 600)
    policy = replace(guarded(), campaigns={"FLOOD": flood})
    async with open_centre(database, policy) as centre:
        unknown = ActivityPlan(
            title="x", category="ENV", station="S1", campaign="WAR",
            starts_at=micros("2026-03-02 08:00:00"), ends_at=micros("2026-03-02 20:00:00"),
        )  # fmt: skip
        assert (
            refused(await centre.activities.propose(unknown, RECORDER, centre.key())).code
            == "activity-invalid"
        )
        points = []
        for campaign in ("", "FLOOD"):
            session = await centre.session("2026-03-02", "07:00", "12:00", campaign=campaign)
            points.append(session)
        centre.at("2026-03-02 12:00:00")
        told = []
        for name, session in zip(("V1", "V2"), points, strict=True):
            done(
                await centre.attendance.write_down(
                    session, centre.id(name), micros("2026-03-02 07:00:00"), micros("2026-03-02 12:00:00"),
                    "no-device", RECORDER, centre.key(),
                )
            )  # fmt: skip
            [outcome] = await centre.verify((await centre.submit(session))[name].record_id)
            told.append(outcome.points)
        assert told == [0, 5000], "five hours: the campaign's cap is ten"


async def test_with_the_safeguards_off_the_rules_of_a_data_set_are_untouched(database: Database) -> None:
    """The same lines as under the safeguards: accepted, and booked at once."""
    async with open_town(database, book()) as town:
        [told] = await town.hours.submit("f", [(1, record("R1", "V1", "2026-02-02"))], Command("t", "f"))
        assert (told.verdict, told.points) == ("accepted", 4000)
    assert date(2026, 2, 2).weekday() == 0


@pytest.mark.parametrize("how", ["withdrawn", "rejected", "objection", "reversed", "clawed-back"])
async def test_ruling_12_whatever_ends_a_record_frees_its_interval_in_that_commit(
    database: Database, how: str
) -> None:
    async with open_centre(database) as centre:
        activity = await centre.activity("2026-03-02", first="09:00", last="11:00")
        first = await centre.session("2026-03-02", "09:00", "11:00", activity=activity)
        second = await centre.session("2026-03-02", "09:00", "11:00")
        for session in (first, second):
            done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        for at, meet in (("09:00", centre.attendance.check_in), ("11:00", centre.attendance.check_out)):
            centre.at(f"2026-03-02 {at}:00")
            for session in (first, second):
                done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
        record = (await centre.submit(first))["V1"].record_id
        assert (await centre.submit(second))["V1"].verdict == "overlap"
        if how == "withdrawn":
            done(await centre.verifying.withdraw([record], RECORDER, centre.key()))
        elif how == "rejected":
            done(await centre.verifying.reject([record], "wrong-times", VERIFIER, centre.key()))
        else:
            await centre.verify(record)
            assert (await centre.submit(second))["V1"].verdict == "overlap", "pending, it holds its time"
        if how == "objection":
            done(await centre.objecting.object(record, "not-present", centre.by("V3"), centre.key()))
            assert (await centre.submit(second))["V1"].verdict == "overlap", "frozen, it holds its time"
            done(await centre.objecting.decide(record, "confirmed", JUDGE, centre.key(), uphold=True))
        elif how == "reversed":
            filed = await database.read(filed_records, centre.ledger.id, [record])
            assert isinstance(await centre.hours.reverse(filed[record].sequence, "x", centre.key()), list)
        elif how == "clawed-back":
            desk = Clawing(centre.ledger, centre.policies, centre.homes)
            case = done(await desk.propose(activity, "fake-activity", JUDGE, centre.key()))
            done(await desk.decide(case.case_id, HEAD, centre.key(), approve=True))
        assert (await centre.submit(second))["V1"].verdict == "submitted"
        await centre.holds()


async def test_h8_the_cap_of_the_year_cuts_points_and_never_merit(database: Database) -> None:
    caps = {"activity_minutes": 240, "day_minutes": 480, "year_minutes": 300}
    async with open_centre(database, guarded(caps=caps)) as centre:
        ids = [await centre.credited("V1", day, "08:00", "12:00") for day in ("2026-03-02", "2026-03-03")]
        standings = [await centre.standings.of_record(id_) for id_ in ids]
        assert [(s.minutes, s.points, s.cut_minutes) for s in standings if s] == [
            (240, 4000, 0),
            (240, 1000, 180),
        ]
        assert await centre.merit("V1") == 480
        centre.at("2027-01-04 06:00:00")
        next_year = await centre.credited("V1", "2027-01-04", "08:00", "12:00")
        told = await centre.standings.of_record(next_year)
        assert told is not None
        assert told.points == 4000, "another year"
        await centre.holds()


@pytest.mark.parametrize(("floor", "points"), [(60, 0), (50, 1000), (0, 1000)])
async def test_h9_whether_a_short_stay_earns_nothing_or_its_real_minutes_is_policy(
    database: Database, floor: int, points: int
) -> None:
    async with open_centre(database, guarded(participation_floor_percent=floor)) as centre:
        session = await centre.session("2026-03-02", "09:00", "11:00")
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        for at, meet in (("10:00", centre.attendance.check_in), ("11:00", centre.attendance.check_out)):
            centre.at(f"2026-03-02 {at}:00")
            done(await meet(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()))
        [told] = await centre.verify((await centre.submit(session))["V1"].record_id)
        assert (told.points, await centre.merit("V1")) == (points, 60), "half of the session"


async def test_h14_who_has_no_number_yet_earns_under_the_id_that_stays(database: Database) -> None:
    async with open_centre(database) as centre:
        directory = directory_of(centre.ledger)
        new = NewPerson(name="周一一", phone="13800000099", born=date(1980, 1, 1))
        [result] = await directory.enrol(centre.ledger, [new], "test", "test")
        assert isinstance(result, Receipt), result
        [person] = (await Registry(directory.store).person_ids("phone", ["13800000099"]))["13800000099"]
        centre.people["NEW"] = Volunteer(person)
        await centre.credited("NEW", "2026-03-02")
        desk = Changes(directory.store)
        change = await desk.propose_correction(person, "volunteer-number", "V2301000009", "clerk-1")
        assert isinstance(change, Change), change
        assert isinstance(await desk.confirm(person, change.id, "clerk-2"), Change)
        found = await directory.by_number(["V2301000009"])
        assert found["V2301000009"].id == person, "the account is the id, not the number"
        assert (await centre.points("NEW", pending=True), await centre.merit("NEW")) == (2000, 120)
        await centre.holds()


async def test_h20_a_campaign_has_a_cap_of_its_own(database: Database) -> None:
    flood = Campaign("FLOOD", "抗洪", "哈文明委〔2026〕1号", True, 600)
    caps = {"activity_minutes": 240, "day_minutes": 1440, "year_minutes": 30_000}
    async with open_centre(database, replace(guarded(caps=caps), campaigns={"FLOOD": flood})) as centre:
        session = await centre.session("2026-03-02", "07:00", "20:00", campaign="FLOOD")
        centre.at("2026-03-02 20:00:00")
        times = micros("2026-03-02 07:00:00"), micros("2026-03-02 20:00:00")
        done(
            await centre.attendance.write_down(
                session, centre.id("V1"), *times, "no-device", RECORDER, centre.key()
            )
        )
        [told] = await centre.verify((await centre.submit(session))["V1"].record_id)
        assert (told.points, await centre.merit("V1")) == (10_000, 780), "thirteen hours, of which ten count"
        await centre.holds()
