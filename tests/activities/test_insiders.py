"""What an insider tries, and what comes of it: never a point that could be spent."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace
from tests.activities.centre import (
    ADMIN,
    GUARDED,
    HEAD,
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
from tests.points.town import micros

from pointsbank.activities.attendance import Shown
from pointsbank.activities.evidence import EvidenceDesk
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By, RegisteredHouseholds
from pointsbank.activities.refusals import CheckInRefused
from pointsbank.engine.commands import Command
from pointsbank.hours.refusals import RecordRefused, TooManyLines
from pointsbank.hours.watched import WatchedSubmitting, WatchedVerifying
from pointsbank.ledger.chart import SHIPPED
from pointsbank.ledger.model import Movement, Receipt
from pointsbank.ledger.refusals import MovementNotAllowed
from pointsbank.places.model import OPEN_END, Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.store.database import Database


async def test_recorder_verifier_and_second_approver_are_three_people_and_none_is_the_volunteer(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02", "07:00", "23:59")
        centre.at("2026-03-03 00:00:00")
        second = await centre.attended(["V2"], "2026-03-03", "07:00", "23:59")
        first = (await centre.submit(session))["V1"]
        assert (first.minutes, first.level) == (1019, 1)
        limits = replace(GUARDED, second_level_line_minutes=600)
        assert limits.second_level_line_minutes < first.minutes
        cases = [
            (RECORDER, "verifier-is-recorder"),
            (By("a-second-account", RECORDER.person), "verifier-is-recorder"),
            (By("key-of-the-recorder", RECORDER.person), "verifier-is-recorder"),
            (centre.by("V1"), "verifier-is-beneficiary"),
            (By("key-of-a-machine", ""), "machine-source"),
        ]
        for by, rule in cases:
            [outcome] = await centre.verify(first.record_id, by=by)
            assert (outcome.refusal, outcome.state) == (rule, "submitted")
        own = await centre.submit(second, centre.by("V2"))
        assert own["V2"].verdict == "self_recorded"
        assert await centre.points("V1", pending=True) == await centre.points("V2", pending=True) == 0


async def test_who_wrote_the_times_down_verifies_nothing_of_it_whoever_submitted_it(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        centre.at("2026-03-02 11:00:00")
        times = micros("2026-03-02 09:00:00"), micros("2026-03-02 11:00:00")
        done(
            await centre.attendance.write_down(
                session, centre.id("V1"), *times, "paper-sheet", ADMIN, centre.key()
            )
        )
        line = (await centre.submit(session, RECORDER))["V1"]
        [outcome] = await centre.verify(line.record_id, by=ADMIN)
        assert outcome.refusal == "verifier-is-recorder"
        standing = await centre.standings.of_record(line.record_id)
        assert standing is not None
        assert [(s.step, s.person_id) for s in standing.steps] == [
            ("checked-in", ADMIN.person),
            ("checked-out", ADMIN.person),
            ("submitted", RECORDER.person),
        ]


async def test_what_a_machine_submits_two_people_verify(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], "2026-03-02")
        line = (await centre.submit(session, TERMINAL))["V1"]
        assert line.level == 2
        [checked] = await centre.verify(line.record_id)
        assert (checked.state, await centre.points("V1", pending=True)) == ("checked", 0)
        [approved] = await centre.verify(line.record_id, by=SECOND)
        assert (approved.state, approved.points) == ("pending", 2000)


async def test_above_the_limit_of_a_line_a_second_person_approves(database: Database) -> None:
    policy = guarded(guard=replace(GUARDED, second_level_line_minutes=180))
    async with open_centre(database, policy) as centre:
        session = await centre.attended(["V1"], "2026-03-02", "09:00", "12:00")
        line = (await centre.submit(session))["V1"]
        assert line.level == 2
        [checked] = await centre.verify(line.record_id)
        assert (checked.state, await centre.points("V1", pending=True)) == ("checked", 0)
        [again] = await centre.verify(line.record_id)
        assert again.state == "checked", "the same person again is a repetition, not a second person"
        [own] = await centre.verify(line.record_id, by=RECORDER)
        assert own.refusal == "verifier-is-recorder"
        [approved] = await centre.verify(line.record_id, by=SECOND)
        assert (approved.state, approved.points) == ("pending", 3000)
        standing = await centre.standings.of_record(line.record_id)
        assert standing is not None
        assert [step.step for step in standing.steps][-3:] == ["submitted", "verified", "approved"]
        await centre.holds()


async def test_sums_count_whatever_the_upload(database: Database) -> None:
    """Three hours each, limit seven: of an activity in two sessions and two uploads, all that is open needs two."""
    policy = guarded(guard=replace(GUARDED, second_level_sum_minutes=7 * 60))
    async with open_centre(database, policy) as centre:
        activity = await centre.activity("2026-03-02", first="07:00", last="20:00")
        early = await centre.attended(["V1"], "2026-03-02", "07:00", "10:00", activity=activity)
        late = await centre.attended(["V2", "V3"], "2026-03-02", "13:00", "16:00", activity=activity)
        first = (await centre.submit(early))["V1"]
        other = By("account-x", "person-x")
        rest = await centre.submit(late, other)
        assert (first.level, sorted(line.level for line in rest.values())) == (1, [1, 2])
        ids = [first.record_id, *(line.record_id for line in rest.values())]
        assert {outcome.state for outcome in await centre.verify(*ids)} == {"checked"}
        approved = await centre.verify(*ids, by=SECOND)
        assert {outcome.state for outcome in approved} == {"pending"}


async def test_the_sum_of_a_recorders_day_and_of_a_volunteers_week_count_too(database: Database) -> None:
    policy = guarded(guard=replace(GUARDED, second_level_sum_minutes=5 * 60))
    async with open_centre(database, policy) as centre:
        one = await centre.attended(["V1"], "2026-03-02", "07:00", "10:00")
        two = await centre.attended(["V2"], "2026-03-02", "11:00", "14:00")
        assert (await centre.submit(one))["V1"].level == 1
        assert (await centre.submit(two))["V2"].level == 2, "six hours by one recorder on one day"
        three = await centre.attended(["V1"], "2026-03-03", "07:00", "10:00")
        assert (await centre.submit(three, By("a", "person-y")))["V1"].level == 2, "six hours in one week"
        centre.at("2026-03-09 06:00:00")
        four = await centre.attended(["V1"], "2026-03-09", "07:00", "10:00")
        assert (await centre.submit(four, By("a", "person-y")))["V1"].level == 1, "another week"


async def test_nobody_of_the_volunteers_household_records_or_verifies(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        centre.homes.homes |= {
            centre.id("V1"): "home-1",
            RECORDER.person: "home-1",
            centre.id("V2"): "home-2",
        }
        outcomes = await centre.submit(session)
        assert {name: line.verdict for name, line in outcomes.items()} == {
            "V1": "same_household",
            "V2": "submitted",
        }
        centre.homes.homes[VERIFIER.person] = "home-2"
        [outcome] = await centre.verify(outcomes["V2"].record_id)
        assert outcome.refusal == "same-household"
        [outcome] = await centre.verify(outcomes["V2"].record_id, by=SECOND)
        assert outcome.state == "pending"


async def test_two_people_do_not_credit_each_other_within_the_policys_days(database: Database) -> None:
    async with open_centre(database) as centre:
        first = await centre.attended(["V1"], "2026-03-02")
        assert (await centre.submit(first, centre.by("V2")))["V1"].verdict == "submitted"
        second = await centre.attended(["V2"], "2026-03-03")
        assert (await centre.submit(second, centre.by("V1")))["V2"].verdict == "reciprocal"
        record = (await centre.submit(second))["V2"].record_id
        [outcome] = await centre.verify(record, by=centre.by("V1"))
        assert outcome.refusal == "reciprocal"
        centre.at("2026-04-07 06:00:00")
        later = await centre.attended(["V2"], "2026-04-07")
        assert (await centre.submit(later, centre.by("V1")))["V2"].verdict == "submitted", "after 30 days"


async def test_batches_and_hours_of_one_operator_have_limits(database: Database) -> None:
    policy = guarded(guard=replace(GUARDED, batch_lines=2, lines_per_hour=3))
    async with open_centre(database, policy) as centre:
        session = await centre.attended(["V1", "V2", "V3"], "2026-03-02")
        too_many = await centre.submitting.submit(session, RECORDER, centre.key())
        assert refused(too_many) == TooManyLines(2, "batch")
        await centre.submit(session, people=["V1", "V2"])
        await centre.submit(session, people=["V3"])
        fast = await centre.attended(["V1"], "2026-03-02", "11:05", "11:40")
        answer = await centre.submitting.submit(fast, RECORDER, centre.key())
        assert refused(answer) == TooManyLines(3, "hour")
        centre.at("2026-03-02 12:30:00")
        assert (await centre.submit(fast))["V1"].verdict == "submitted"


async def test_lines_of_files_count_for_the_hour_of_who_brings_them(database: Database) -> None:
    policy = guarded(guard=replace(GUARDED, lines_per_hour=2))
    async with open_centre(database, policy) as centre:
        activity = await centre.activity("2026-03-02", first="08:00", last="12:00")
        centre.at("2026-03-02 13:00:00")

        def lines(*names: str) -> list[tuple[int, tuple[str, ...]]]:
            times = ("2026-03-02 08:00", "2026-03-02 12:00")
            return [
                (
                    n,
                    (
                        f"L-{name}",
                        name,
                        activity,
                        "清雪",
                        "ENV",
                        "S1",
                        *times,
                        *times,
                        "荣誉",
                        "TEEN",
                        times[1],
                    ),
                )
                for n, name in enumerate(names)
            ]

        told = await centre.hours.submit("f1", lines("V1", "V2"), Command("t", "f1"), by=RECORDER)
        assert [v.verdict for v in told] == ["submitted", "submitted"]
        with pytest.raises(RecordRefused) as refusal:
            await centre.hours.submit("f2", lines("V3"), Command("t", "f2"), by=RECORDER)
        assert refusal.value.refusal == TooManyLines(2, "hour")
        [told_] = await centre.hours.submit("f3", lines("V3"), Command("t", "f3"), by=SECOND)
        assert told_.verdict == "submitted"


async def test_july_2025_an_administrator_types_in_five_hours_for_a_stranger(database: Database) -> None:
    """Every door of the room, with every hat that one person can put on: nothing becomes spendable."""
    async with open_centre(database) as centre:
        hats = [
            ADMIN,
            By("second-account", ADMIN.person),
            By("key-1", ADMIN.person),
            By("key-2", ADMIN.person, device="T9"),
            By("key-3-of-a-machine", ""),
        ]
        centre.at("2026-03-02 18:00:00")
        await _afterwards(centre, hats)
        await _by_sheet(centre, hats)
        await _with_a_real_activity(centre, hats)
        await _by_the_ledger(centre)
        async for _ in centre.hours.release(micros_day("2026-12-31")):
            pass
        assert await centre.points("V1") == 0
        assert await centre.points("V1", pending=True) == 0
        await centre.holds()


async def _afterwards(centre: Centre, hats: list[By]) -> None:
    """An activity for this morning, made up this evening."""
    plan = ActivityPlan(
        title="五小时",
        category="ENV",
        station="S1",
        starts_at=micros("2026-03-02 08:00:00"),
        ends_at=micros("2026-03-02 13:00:00"),
    )
    for hat in hats:
        proposed = await centre.activities.propose(plan, hat, centre.key())
        if not hat.person:
            assert refused(proposed).code == "four-eyes"
            continue
        activity = done(proposed)
        for other in hats:
            refused(await centre.activities.decide(activity, "", other, centre.key(), approve=True))
        late = refused(await centre.activities.decide(activity, "", HEAD, centre.key(), approve=True))
        assert late.code == "activity-started", "not even an honest second person can approve the past"
        times = SessionPlan(starts_at=plan.starts_at, ends_at=plan.ends_at, capacity=5)
        refused(await centre.activities.open_session(activity, times, hat, centre.key()))


async def _by_sheet(centre: Centre, hats: list[By]) -> None:
    """Five hours as a line of a file, of an activity of that name, as credit class."""
    for number, hat in enumerate(hats):
        line = (
            f"FAKE{number}", "V1", "A1", "五小时", "ENV", "S1", "2026-03-02 08:00", "2026-03-02 13:00",
            "2026-03-02 08:00", "2026-03-02 13:00", "信用", "V2", "2026-03-02 17:00",
        )  # fmt: skip
        hours = type(centre.hours)(centre.ledger, centre.policies, households=centre.homes)
        [told] = await hours.submit(f"file{number}", [(1, line)], Command("test", f"f{number}"), by=hat)
        assert (told.verdict, told.points) == ("unknown_activity", 0)


async def _with_a_real_activity(centre: Centre, hats: list[By]) -> None:
    """A stranger is put into a real session that took place: by hand, by card, by code; then submitted and verified."""
    centre.at("2026-03-03 06:00:00")
    session = await centre.session("2026-03-03", "08:00", "13:00")
    centre.at("2026-03-03 08:30:00")
    stranger = centre.id("V1")
    for hat in hats:
        came = await centre.attendance.check_in(
            session, stranger, Shown("session-code", "s.x.1.y"), hat, centre.key()
        )
        assert refused(came) == CheckInRefused("code-invalid")
        came = await centre.attendance.check_in(session, stranger, Shown("card"), hat, centre.key())
        refused(came)  # without a terminal no card; with one, nobody who has not signed up
    centre.at("2026-03-03 13:30:00")
    written = await centre.attendance.write_down(
        session, stranger, micros("2026-03-03 08:00:00"), micros("2026-03-03 13:00:00"), "came-unregistered", ADMIN,
        centre.key(),
    )  # fmt: skip
    done(written)
    assert (await centre.submit(session, ADMIN))["V1"].verdict == "evidence_missing"
    filed = await EvidenceDesk(centre.ledger).file(session, stranger, "photo", "IMG-1", ADMIN, centre.key())
    done(filed)  # a number that leads nowhere: the verifier asks for the photograph, or is deceived
    line = (await centre.submit(session, ADMIN))["V1"]
    assert line.verdict == "submitted"
    for hat in hats:
        [outcome] = await centre.verify(line.record_id, by=hat)
        assert outcome.refusal in ("verifier-is-recorder", "machine-source")
    [deceived] = await centre.verify(line.record_id)
    assert (deceived.state, deceived.points) == ("pending", 0), (
        "typed in is honour class: merit, and no points"
    )


async def _by_the_ledger(centre: Centre) -> None:
    """A plain entry into the wallet, from every room that is not the hours'."""
    from pointsbank.engine.commands import request_digest
    from pointsbank.ledger.model import Draft

    person = centre.people["V1"]
    for number, (kind, debit) in enumerate(
        (kind, debit)
        for kind in sorted({"memo", *(movement.entry for movement in SHIPPED.movements.values())})
        for debit in ("fund:city:issued", person.pending)
    ):
        draft = Draft(
            kind, f"side-door-{number}", "admin", request_digest("x"), 0,
            (Movement(debit, person.wallet, "POINT", 5000, "2027-12-31/city"),),
        )  # fmt: skip
        for rooms in map(
            frozenset, ({"journal"}, {"activities"}, {"market"}, {"funds"}, {"points"}, {"access"})
        ):
            [result] = await centre.ledger.submit([draft], rooms)
            assert isinstance(result, MovementNotAllowed)


def micros_day(text: str) -> date:

    return date.fromisoformat(text)


async def test_a_card_at_a_terminal_needs_a_sign_up(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        centre.at("2026-03-02 09:00:00")
        answer = await centre.attendance.check_in(
            session, centre.id("V1"), Shown("card"), TERMINAL, centre.key()
        )
        assert refused(answer) == CheckInRefused("not-signed-up")


async def test_who_lived_together_on_the_service_date_or_lives_together_on_the_day_of_the_act_does_not_act(
    database: Database,
) -> None:
    """Households as the register has them, day by day: each of the two days counts for itself, and no other."""
    async with open_centre(database) as centre:
        v1, v2, v3 = (centre.id(name) for name in ("V1", "V2", "V3"))
        places, start = PlacesService(centre.ledger), date(2026, 1, 1)
        terms = {
            "BEFORE": ((v1, start, date(2026, 3, 2)), (v2, start, date(2026, 3, 2))),
            "SERVED": ((v1, date(2026, 3, 2), date(2026, 3, 3)), (v2, date(2026, 3, 2), date(2026, 3, 3))),
            "LATER": ((v1, date(2026, 3, 6), OPEN_END), (v3, date(2026, 3, 6), OPEN_END)),
        }
        for code, members in terms.items():
            assert isinstance(
                await places.change(Opening(code, "household", "一户", "S1", start), centre.key()), Receipt
            )
            for person, first, until in members:
                joining = Joining(code, person, first, "member", until)
                assert isinstance(await places.change_membership(joining, centre.key()), Receipt)
        homes = RegisteredHouseholds(centre.ledger)
        centre.submitting = WatchedSubmitting(centre.ledger, centre.policies, homes)
        centre.verifying = WatchedVerifying(centre.ledger, centre.policies, homes)
        served = await centre.attended(["V1"], "2026-03-02")
        centre.at("2026-03-04 08:00:00")
        assert (await centre.submit(served, centre.by("V2")))["V1"].verdict == "same_household", (
            "on the service date, though no longer today"
        )
        record = (await centre.submit(served))["V1"].record_id
        second = await centre.attended(["V1"], "2026-03-05")
        assert (await centre.submit(second, centre.by("V2")))["V1"].verdict == "submitted", "neither day"
        centre.at("2026-03-06 08:00:00")
        [told] = await centre.verify(record, by=centre.by("V3"))
        assert told.refusal == "same-household", "today, though not on the service date"
        [told] = await centre.verify(record, by=SECOND)
        assert told.state == "pending"


async def test_what_one_person_verifies_within_an_hour_has_a_limit(database: Database) -> None:
    policy = guarded(guard=replace(GUARDED, lines_per_hour=2))
    async with open_centre(database, policy) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        other = await centre.attended(["V3"], "2026-03-02", "12:00", "13:00")
        ids = [line.record_id for line in (await centre.submit(session)).values()]
        third = (await centre.submit(other, SECOND))["V3"].record_id
        whole = await centre.verifying.verify([*ids, third], VERIFIER, centre.key())
        assert refused(whole) == TooManyLines(2, "hour")
        assert [told.state for told in await centre.verify(*ids)] == ["pending", "pending"]
        assert refused(await centre.verifying.verify([third], VERIFIER, centre.key())) == TooManyLines(
            2, "hour"
        )
        centre.at("2026-03-02 14:30:00")
        assert [told.state for told in await centre.verify(third)] == ["pending"]
