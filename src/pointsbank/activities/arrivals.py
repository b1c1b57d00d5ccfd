"""What must be known of somebody who comes or leaves: all who stand at the door in one moment are looked up together.

On a day when thousands come, a look-up for each would cost more than noting them. Who asks while a look-up is under way
is in the next one, so nobody is answered from before the question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.model import Attendance, Session
from pointsbank.activities.reading import rows_as
from pointsbank.activities.tables import activities, activity_sessions, attendances, sign_ups
from pointsbank.engine.registry import Ledger
from pointsbank.store.lists import fetched, is_one_of

AT_ONCE: Final = 256
"""Most people in one look-up."""

UNDER_WAY: Final = 2
"""Look-ups at a time: one is read while the people of the one before are being written down."""

Asked = tuple[str, str]
"""A session and a person, by their ids."""


class Arrival(msgspec.Struct, frozen=True):
    """A session, and what is on file of one person at it; `signed` is the state of the sign-up, None without one."""

    session: Session
    came: Attendance | None
    signed: str | None


class Arrivals:
    """Looks people up at the doors of sessions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[Asked, asyncio.Future[Arrival | None]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, session_id: str, person_id: str) -> Arrival | None:
        """A session and what is on file of somebody at it; None if there is no such session."""
        future: asyncio.Future[Arrival | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(((session_id, person_id), future))
        if len(self._tasks) < UNDER_WAY:
            self._tasks.add(asyncio.create_task(self._look_up_waiting()))
        return await future

    async def _look_up_waiting(self) -> None:
        try:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
                await self._look_up(some)
        finally:
            # in the same turn in which it stopped looking, or whoever comes now would wait for nobody
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)

    async def _look_up(self, some: list[tuple[Asked, asyncio.Future[Arrival | None]]]) -> None:
        try:
            found = await self._ledger.database.read(_arrivals, self._ledger.id, [asked for asked, _ in some])
        except Exception as error:  # who waits is told, each for himself
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        for asked, future in some:
            if not future.done():
                future.set_result(found.get(asked))


def _arrivals(connection: Connection, ledger_id: int, asked: Sequence[Asked]) -> dict[Asked, Arrival]:
    wanted = {session for session, _ in asked}
    people = {person for _, person in asked}
    s, a, t, u = activity_sessions.c, activities.c, attendances.c, sign_ups.c
    has_activity = (
        select(a.activity_id).where(a.ledger_id == ledger_id, a.activity_id == s.activity_id).exists()
    )
    found = rows_as(
        connection,
        Session,
        activity_sessions,
        s.ledger_id == ledger_id,
        is_one_of(connection, s.session_id, wanted),
        has_activity,
    )
    sessions = {session.session_id: session for session in found}
    came = rows_as(
        connection,
        Attendance,
        attendances,
        t.ledger_id == ledger_id,
        is_one_of(connection, t.session_id, wanted),
        is_one_of(connection, t.person_id, people),
    )
    there = {(attendance.session_id, attendance.person_id): attendance for attendance in came}
    signed = fetched(
        connection,
        select(u.session_id, u.person_id, u.state).where(
            u.ledger_id == ledger_id,
            is_one_of(connection, u.session_id, wanted),
            is_one_of(connection, u.person_id, people),
        ),
    )
    states = {(str(session), str(person)): str(state) for session, person, state in signed}
    return {
        one: Arrival(sessions[one[0]], there.get(one), states.get(one)) for one in asked if one[0] in sessions
    }
