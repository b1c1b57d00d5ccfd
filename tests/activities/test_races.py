"""Overlaps are blocked by the writer: whoever submits from wherever, each interval has one record."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from tests.activities.centre import RECORDER, SECOND, TERMINAL, VERIFIER, Centre, done, guarded, open_centre
from tests.canaries import python_path
from tests.points.town import micros

from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import SessionPlan
from pointsbank.activities.ports import By
from pointsbank.activities.refusals import SessionFull
from pointsbank.hours.objections import Objecting
from pointsbank.hours.submission import Submitting
from pointsbank.hours.verification import Verifying
from pointsbank.ledger.refusals import Refusal
from pointsbank.store.database import Database

ROOT = Path(__file__).parents[2]


async def overlapping_sessions(
    centre: Centre, times: list[tuple[str, str, str]], each: int
) -> dict[str, tuple[str, str, str]]:
    """So many sessions at each time, all attended by V1; gives the time of each session."""
    sessions: dict[str, tuple[str, str, str]] = {}
    day = times[0][0]
    activity = await centre.activity(day, first="07:00", last="20:00")
    for time in times:
        for _ in range(each):
            plan = SessionPlan(
                starts_at=micros(f"{time[0]} {time[1]}:00"),
                ends_at=micros(f"{time[0]} {time[2]}:00"),
                capacity=5,
            )
            session = done(await centre.activities.open_session(activity, plan, RECORDER, centre.key()))
            done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
            sessions[session] = time
    for start in sorted({time[1] for time in times}):
        centre.at(f"{day} {start}:00")
        await asyncio.gather(*(
            centre.attendance.check_in(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
            for session, time in sessions.items() if time[1] == start
        ))  # fmt: skip
        end = next(time[2] for time in times if time[1] == start)
        centre.at(f"{day} {end}:00")
        await asyncio.gather(*(
            centre.attendance.check_out(session, centre.id("V1"), Shown("card"), TERMINAL, centre.key())
            for session, time in sessions.items() if time[1] == start
        ))  # fmt: skip
    return sessions


TIMES = [("2026-03-02", "08:00", "10:00"), ("2026-03-02", "10:00", "12:00"), ("2026-03-02", "13:00", "15:00"),
         ("2026-03-02", "16:00", "18:00")]  # fmt: skip


async def test_of_200_overlapping_submits_in_two_processes_exactly_one_is_taken_per_interval(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    async with open_centre(database) as centre:
        sessions = await overlapping_sessions(centre, TIMES, 50)
    assert len(sessions) == 200
    names = list(sessions)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.activities.submitting_process", postgres_url, f"p{n}", *names[n::2],
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": python_path()},
        )
        for n in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0], (
        answers[0][1][-2000:] + answers[1][1][-2000:]
    )
    told = dict(line.split() for out, _ in answers for line in out.decode().splitlines())
    assert len(told) == 200
    taken = Counter(sessions[session] for session, verdict in told.items() if verdict == "submitted")
    assert taken == dict.fromkeys(TIMES, 1)
    assert Counter(told.values()) == {"submitted": 4, "overlap": 196}
    await database.close()


async def test_of_overlapping_submits_of_many_tasks_exactly_one_is_taken_per_interval(
    database: Database,
) -> None:
    async with open_centre(database, guarded()) as centre:
        sessions = await overlapping_sessions(centre, TIMES[:2], 10)
        services = [Submitting(centre.ledger, centre.policies, centre.homes) for _ in range(4)]

        async def one(number: int, session: str) -> tuple[str, str]:
            by = By("account", f"person-{number % 5}")
            [outcome] = done(await services[number % 4].submit(session, by, centre.key()))
            return session, outcome.verdict

        told = dict(await asyncio.gather(*(one(n, session) for n, session in enumerate(sessions))))
        taken = Counter(sessions[session] for session, verdict in told.items() if verdict == "submitted")
        assert taken == dict.fromkeys(TIMES[:2], 1)


async def test_the_last_place_goes_to_one_person(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02", capacity=1)
        rooms = [
            type(centre.activities)(centre.ledger, centre.policies, centre.activities._places) for _ in "123"
        ]
        told = await asyncio.gather(*(
            room.sign_up(session, centre.id(name), RECORDER, centre.key())
            for room, name in zip(rooms, ("V1", "V2", "V3"), strict=True)
        ))  # fmt: skip
        assert sorted(type(answer).__name__ for answer in told) == ["Receipt", "SessionFull", "SessionFull"]
        winner = ("V1", "V2", "V3")[next(n for n, a in enumerate(told) if not isinstance(a, Refusal))]
        done(await centre.activities.withdraw(session, centre.id(winner), RECORDER, centre.key()))
        done(await centre.activities.sign_up(session, centre.id(winner), RECORDER, centre.key()))
        full = await centre.activities.sign_up(
            session, centre.id("V3" if winner != "V3" else "V1"), RECORDER, centre.key()
        )
        assert full == SessionFull(1)


async def test_two_verifiers_at_a_time_credit_once_and_caps_hold(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = []
        for start, end in (("07:00", "11:00"), ("11:05", "15:05"), ("15:10", "19:10")):
            session = await centre.attended(["V1"], "2026-03-02", start, end)
            ids.append((await centre.submit(session))["V1"].record_id)
        desks = [Verifying(centre.ledger, centre.policies, centre.homes) for _ in range(2)]
        told = await asyncio.gather(*(
            desk.verify(ids, by, centre.key()) for desk, by in zip(desks, (VERIFIER, SECOND), strict=True)
        ))  # fmt: skip
        assert await centre.merit("V1") == 720
        assert await centre.points("V1", pending=True) == 8000, "480 minutes a day"
        states = [outcome.refusal for answer in told for outcome in done(answer)]
        assert Counter(states) == {"": 3, "wrong-record-state": 3}
        await centre.holds()


async def test_release_and_objection_at_a_time_end_as_if_one_had_come_first(database: Database) -> None:
    async with open_centre(database) as centre:
        days = [f"2026-03-{day:02}" for day in (2, 3, 4)]
        records = [await centre.credited("V1", day) for day in days]
        desks = [Objecting(centre.ledger, centre.policies, centre.homes) for _ in records]

        async def release() -> int:
            return await centre.release("2026-03-20")

        told = await asyncio.gather(
            release(),
            *(
                desk.object(record, "not-present", centre.by("V3"), centre.key())
                for desk, record in zip(desks, records, strict=True)
            ),
        )
        frozen = sum(not isinstance(answer, Refusal) for answer in told[1:])
        assert told[0] + frozen == 3
        assert await centre.points("V1") == 2000 * int(told[0])
        assert await centre.points("V1", pending=True) == 2000 * frozen
