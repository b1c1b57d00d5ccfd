"""What waits for whom: records for a verifier, objections and appeals for who decides them; marked, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from msgspec.structs import replace
from sqlalchemy import Connection
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
from tests.points.town import micros
from tests.readers.test_plans import analyse, faults, statements_of

from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.ports import By
from pointsbank.engine.commands import Command
from pointsbank.hours.awaiting import (
    AwaitingCase,
    AwaitingRecord,
    Reader,
    awaiting_decision,
    awaiting_verification,
    stations_awaiting,
    stations_of_cases,
)
from pointsbank.hours.postings import HOURS
from pointsbank.ledger.model import Draft, Receipt, Row
from pointsbank.places.model import Joining, Opening
from pointsbank.places.service import PlacesService
from pointsbank.store.database import Database

DAY = "2026-03-02"
BOTH = ("S1", "S2")


def reader(centre: Centre, by: By = VERIFIER) -> Reader:
    return Reader(by, centre.policies, centre.clock.now())


async def to_verify(
    centre: Centre, by: By = VERIFIER, stations: tuple[str, ...] = BOTH, **more: object
) -> list[AwaitingRecord]:
    return await centre.ledger.database.read(
        awaiting_verification, centre.ledger.id, reader(centre, by), stations, **more
    )


async def to_decide(
    centre: Centre, by: By = JUDGE, stations: tuple[str, ...] = BOTH, **more: object
) -> list[AwaitingCase]:
    return await centre.ledger.database.read(
        awaiting_decision, centre.ledger.id, reader(centre, by), stations, **more
    )


async def submitted(centre: Centre, *names: str, day: str = DAY, **more: object) -> dict[str, str]:
    session = await centre.attended(names, day, **more)  # type: ignore[arg-type]
    return {name: line.record_id for name, line in (await centre.submit(session)).items()}


async def elsewhere(centre: Centre, name: str, day: str) -> str:
    """A record of one person at the other station."""
    starts, ends = micros(f"{day} 09:00:00"), micros(f"{day} 11:00:00")
    plan = ActivityPlan(title="清雪", category="ENV", station="S2", starts_at=starts, ends_at=ends)
    activity = done(await centre.activities.propose(plan, RECORDER, centre.key()))
    done(await centre.activities.decide(activity, "", HEAD, centre.key(), approve=True))
    times = SessionPlan(starts_at=starts, ends_at=ends, capacity=5)
    session = done(await centre.activities.open_session(activity, times, RECORDER, centre.key()))
    done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
    for at, act in (("09:00", centre.attendance.check_in), ("11:00", centre.attendance.check_out)):
        centre.at(f"{day} {at}:00")
        done(await act(session, centre.id(name), Shown("card"), TERMINAL, centre.key()))
    return (await centre.submit(session))[name].record_id


async def test_what_was_submitted_waits_for_a_verifier_the_longest_waiting_first(database: Database) -> None:
    async with open_centre(database) as centre:
        first = await submitted(centre, "V1")
        centre.at("2026-03-03 06:00:00")
        later = await submitted(centre, "V2", "V3", day="2026-03-03")
        found = await to_verify(centre)
        assert [one.record_id for one in found] == [first["V1"], *sorted(later.values())]
        [one, *_] = found
        assert (one.person, one.recorder, one.station, one.day, one.minutes, one.activity) == (
            centre.id("V1"),
            RECORDER.person,
            "S1",
            DAY,
            120,
            "清雪",
        )
        assert (one.state, one.next_step, one.level, one.flags, one.may_not) == (
            "submitted",
            "verification",
            1,
            (),
            "",
        )
        for line in found:
            standing = await centre.standings.of_record(line.record_id)
            assert standing is not None
            assert (line.due_on, line.next_step) == (standing.due_on, standing.next_step), (
                "as the volunteer sees"
            )
        assert await database.read(stations_awaiting, centre.ledger.id) == ["S1"]


async def test_what_was_verified_rejected_or_withdrawn_waits_no_longer(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1", "V2", "V3")
        await centre.verify(ids["V1"])
        done(await centre.verifying.reject([ids["V2"]], "not-present", VERIFIER, centre.key()))
        done(await centre.verifying.withdraw([ids["V3"]], RECORDER, centre.key()))
        assert await to_verify(centre) == []
        assert await database.read(stations_awaiting, centre.ledger.id) == []


async def test_a_record_above_the_limits_waits_for_a_second_person_from_the_day_of_the_first_word(
    database: Database,
) -> None:
    async with open_centre(database, guarded(guard=replace(GUARDED, second_level_line_minutes=60))) as centre:
        ids = await submitted(centre, "V1")
        [one] = await to_verify(centre)
        assert (one.level, one.flags, one.due_on) == (2, ("large",), "2026-03-16")
        centre.at("2026-03-04 08:00:00")
        await centre.verify(ids["V1"])
        [one] = await to_verify(centre)
        assert (one.state, one.next_step, one.due_on, one.may_not) == (
            "checked",
            "second-approval",
            "2026-03-18",
            "approver-is-verifier",
        )
        assert [other.may_not for other in await to_verify(centre, SECOND)] == [""]


async def test_pages_are_bounded_and_the_cursor_goes_on_where_a_page_ended(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1", "V2", "V3")
        centre.at("2026-03-03 06:00:00")
        ids |= {
            f"{name} later": id_ for name, id_ in (await submitted(centre, "V1", day="2026-03-03")).items()
        }
        seen, after = [], (-1, "")
        while page := await to_verify(centre, after=after, limit=2):
            assert len(page) <= 2
            seen += [one.record_id for one in page]
            after = (page[-1].submitted_at, page[-1].record_id)
            if len(seen) == 2:  # verified meanwhile: nothing is skipped and nothing comes twice
                await centre.verify(seen[-1])
        assert sorted(seen) == sorted(ids.values())


async def test_the_list_is_of_some_stations_and_of_one_activity(database: Database) -> None:
    async with open_centre(database) as centre:
        here = await submitted(centre, "V1")
        centre.at("2026-03-03 06:00:00")
        there = await elsewhere(centre, "V2", "2026-03-03")
        assert await database.read(stations_awaiting, centre.ledger.id) == ["S1", "S2"]
        assert [one.record_id for one in await to_verify(centre, stations=("S2",))] == [there]
        assert await to_verify(centre, stations=()) == []
        [one] = await to_verify(centre, stations=("S1",))
        assert one.record_id == here["V1"]
        assert [o.record_id for o in await to_verify(centre, activity=one.activity_id)] == [here["V1"]]
        assert await to_verify(centre, stations=("S2",), activity=one.activity_id) == []


async def test_what_four_eyes_forbid_is_marked_with_the_rule_and_not_hidden(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1")
        atlas = PlacesService(centre.ledger)
        household = Opening("H1", "household", "一户", "S1", date(2020, 1, 1))
        answers = [await atlas.change(household, Command("t", "H1"))]
        answers += [
            await atlas.change_membership(
                Joining("H1", one, date(2020, 1, 1)), Command("t", one), by_two=True
            )
            for one in (centre.id("V1"), centre.id("V2"))
        ]
        assert all(isinstance(answer, Receipt) for answer in answers), answers
        centre.homes.homes = {centre.id("V1"): "H1", centre.id("V2"): "H1"}
        for by, rule in (
            (RECORDER, "verifier-is-recorder"),
            (By("a second account", RECORDER.person), "verifier-is-recorder"),
            (centre.by("V1"), "verifier-is-beneficiary"),
            (centre.by("V2"), "same-household"),
            (By("key-1", ""), "machine-source"),
            (VERIFIER, ""),
        ):
            [one] = await to_verify(centre, by)
            assert one.may_not == rule
            [outcome] = done(await centre.verifying.verify([ids["V1"]], by, centre.key()))
            assert outcome.refusal == rule, "the list says what the act would say"


async def test_who_was_credited_by_the_volunteer_lately_is_marked(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.attended(["V1"], DAY)
        done(await centre.submitting.submit(session, centre.by("V2"), centre.key()))
        centre.at("2026-03-03 06:00:00")
        ids = await submitted(centre, "V2", day="2026-03-03")
        found = {one.record_id: one.may_not for one in await to_verify(centre, centre.by("V1"))}
        assert found[ids["V2"]] == "reciprocal"


async def test_flags_name_what_is_late_typed_in_and_submitted_at_night(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session(DAY)
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        centre.at("2026-03-25 03:00:00")
        times = micros(f"{DAY} 09:00:00"), micros(f"{DAY} 11:00:00")
        done(
            await centre.attendance.write_down(
                session, centre.id("V1"), *times, "paper-sheet", RECORDER, centre.key()
            )
        )
        await centre.submit(session, reason="sheet-came-late")
        [one] = await to_verify(centre)
        assert (one.flags, one.level) == (("late", "night", "honour"), 2)


async def test_open_objections_stand_by_their_last_day_and_what_went_up_first(database: Database) -> None:
    async with open_centre(database, guarded(notice_days=30)) as centre:
        ids = await submitted(centre, "V1", "V2")
        await centre.verify(*ids.values())
        done(await centre.objecting.object(ids["V2"], "not-present", centre.by("V3"), centre.key()))
        centre.at("2026-03-17 08:00:00")
        assert await centre.objecting.escalate(date(2026, 3, 17)) == 1
        done(await centre.objecting.object(ids["V1"], "wrong-times", centre.by("V3"), centre.key()))
        found = await to_decide(centre)
        assert [(one.record_id, one.state, one.due_on, one.kind, one.reason) for one in found] == [
            (ids["V2"], "escalated", "2026-03-16", "objection", "not-present"),
            (ids["V1"], "open", "2026-03-31", "objection", "wrong-times"),
        ]
        assert {one.objector for one in found} == {centre.id("V3")}
        assert await database.read(stations_of_cases, centre.ledger.id) == ["S1"]
        assert await to_decide(centre, stations=("S2",)) == []
        [first] = await to_decide(centre, limit=1)
        [second] = await to_decide(centre, after=(first.due_on, first.record_id))
        assert second.record_id == ids["V1"]
        done(await centre.objecting.decide(ids["V2"], "not-proved", JUDGE, centre.key(), uphold=False))
        assert [one.record_id for one in await to_decide(centre)] == [ids["V1"]]


async def test_who_recorded_verified_objected_or_earned_is_marked_as_not_allowed_to_decide(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1")
        await centre.verify(ids["V1"])
        done(await centre.objecting.object(ids["V1"], "not-present", centre.by("V3"), centre.key()))
        for by, rule in (
            (RECORDER, "verifier-is-recorder"),
            (VERIFIER, "approver-is-verifier"),
            (centre.by("V3"), "decider-is-objector"),
            (centre.by("V1"), "verifier-is-beneficiary"),
            (By("key-1", ""), "machine-source"),
            (JUDGE, ""),
        ):
            assert [one.may_not for one in await to_decide(centre, by)] == [rule]


async def test_an_appeal_waits_with_the_objections_and_who_took_the_hours_away_is_marked(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1")
        done(await centre.verifying.reject([ids["V1"]], "misconduct", VERIFIER, centre.key()))
        done(await centre.appealing.appeal(ids["V1"], centre.by("V1"), centre.key()))
        [one] = await to_decide(centre)
        assert (one.kind, one.record_id, one.may_not) == ("appeal", ids["V1"], "")
        assert [o.may_not for o in await to_decide(centre, VERIFIER)] == ["decider-took-away"]


QUESTIONS: dict[str, Callable[[Connection, int, Reader], object]] = {
    "stations with records": lambda c, ledger, _: stations_awaiting(c, ledger),
    "records of stations": lambda c, ledger, reader: awaiting_verification(c, ledger, reader, BOTH),
    "records of an activity": lambda c, ledger, reader: awaiting_verification(
        c, ledger, reader, BOTH, activity="a1"
    ),
    "next records": lambda c, ledger, reader: awaiting_verification(c, ledger, reader, BOTH, after=(9, "a")),
    "stations with cases": lambda c, ledger, _: stations_of_cases(c, ledger),
    "cases of stations": lambda c, ledger, reader: awaiting_decision(c, ledger, reader, BOTH),
}
TABLES = {"service_records", "record_trails", "record_steps", "objections", "memberships"}


async def test_the_lists_read_no_more_when_the_history_grows_and_ask_no_more_for_longer_pages(
    database: Database,
) -> None:
    async with open_centre(database) as centre:
        ids = await submitted(centre, "V1", "V2", "V3")
        await centre.verify(ids["V3"])
        done(await centre.objecting.object(ids["V3"], "not-present", centre.by("TEEN"), centre.key()))
        if database.dialect == "postgresql":
            await _history(centre, 3000)
            await analyse(database)
        asks = reader(centre)
        for name, question in QUESTIONS.items():
            wrong = await database.read(
                faults, centre.ledger.id, lambda c, ledger, q=question: q(c, ledger, asks), TABLES
            )
            assert not wrong, (name, wrong)

        def asked(limit: int) -> Callable[[Connection, int], int]:
            return lambda c, ledger: len(
                statements_of(
                    c, ledger, lambda c, ledger: awaiting_verification(c, ledger, asks, BOTH, limit=limit)
                )
            )

        assert await database.read(asked(1), centre.ledger.id) == await database.read(
            asked(100), centre.ledger.id
        )


async def _history(centre: Centre, records: int) -> None:
    """Records that ended long ago."""
    person = "somebody else"

    def old(n: int) -> tuple[Row, ...]:
        times = ("2025-01-01", n, n + 1, 1, 0, 0, "ENV", f"S{n % 50}", "", "", "2025-01-02")
        values = (f"old {n}", person, "", "accepted", "credited", *times, 0, 0, b"", n, b"", b"")
        trail = (
            f"old {n}",
            person,
            f"a{n % 100}",
            "",
            "city",
            "",
            f"r{n % 100}",
            "",
            n,
            "2025-01-01",
            "2024-12-30",
        )
        case = (f"old {n}", 1, "other", "x", n, "2025-01-15", "y", n, "not-proved", "rejected")
        return (
            Row("service_records", values),
            Row("record_trails", (*trail, 1, 1, 0, "", "")),
            Row("record_steps", (f"old {n}", 1, "submitted", f"r{n % 100}", n, "", "", ""), key_length=2),
            Row("objections", case, key_length=2),
        )

    for at in range(0, records, 500):
        rows = tuple(row for n in range(at, at + 500) for row in old(n))
        draft = Draft("import-history", f"history {at}", "t", bytes(16), 0, rows=rows)
        [result] = await centre.ledger.submit([draft], HOURS)
        assert isinstance(result, Receipt), result
