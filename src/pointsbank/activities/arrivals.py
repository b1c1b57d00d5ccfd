"""What must be known of somebody who comes or leaves: all who stand at the door in one moment are looked up together.

On a day when thousands come, a look-up for each would cost more than noting them. Who asks while a look-up is under way
is in the next one, so nobody is answered from before the question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, select

from pointsbank.activities.model import Session, Way
from pointsbank.activities.tables import activities, activity_sessions, attendances, sign_ups
from pointsbank.engine.registry import Ledger
from pointsbank.store.questions import LEDGER, OneOf, Question

TOGETHER, AT_ONCE = 16, 256
"""People in one look-up: so many at least if they are there, so many at most. Half of those who wait are looked up while
the other half is written down."""

UNDER_WAY: Final = 2
"""Look-ups at a time: one is read while the people of the one before are being written down."""

Asked = tuple[str, str]
"""A session and a person, by their ids."""


class Came(msgspec.Struct, frozen=True):
    """That somebody came, when and how it was shown; `state` is that of the attendance."""

    state: str
    in_at: int
    in_way: Way


class Arrival(msgspec.Struct, frozen=True):
    """A session, and what is on file of one person at it; `signed` is the state of the sign-up, None without one."""

    session: Session
    came: Came | None
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
                share = min(len(self._waiting), max(TOGETHER, len(self._waiting) // UNDER_WAY), AT_ONCE)
                some = [self._waiting.popleft() for _ in range(share)]
                await self._look_up(some)
        finally:
            # in the same turn in which it stopped looking, or whoever comes now would wait for nobody
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)

    async def _look_up(self, some: list[tuple[Asked, asyncio.Future[Arrival | None]]]) -> None:
        try:
            asked_now = [asked for asked, _ in some]
            found = await self._ledger.database.read_one(_arrivals, self._ledger.id, asked_now)
        except Exception as error:  # who waits is told, each for himself
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        for asked, future in some:
            if not future.done():
                future.set_result(found.get(asked))


_NAMES = Session.__struct_fields__


def _written(one_of: OneOf) -> Select[Any]:
    asked = one_of.pairs("session", "person")
    s, a, t, u = activity_sessions.c, activities.c, attendances.c, sign_ups.c
    joined = (
        asked.join(activity_sessions, (s.ledger_id == LEDGER) & (s.session_id == asked.c.session))
        .join(activities, (a.ledger_id == LEDGER) & (a.activity_id == s.activity_id))
        .outerjoin(
            attendances,
            (t.ledger_id == LEDGER) & (t.session_id == asked.c.session) & (t.person_id == asked.c.person),
        )
        .outerjoin(
            sign_ups,
            (u.ledger_id == LEDGER) & (u.session_id == asked.c.session) & (u.person_id == asked.c.person),
        )
    )
    return select(
        asked.c.person,
        t.state.label("came"),
        t.in_at,
        t.in_way,
        u.state.label("signed"),
        *(activity_sessions.c[name].label(f"session_{name}") for name in _NAMES),
    ).select_from(joined)


_ARRIVALS = Question(_written)
"""In one statement: each look-up more would be another way to the database and back."""


def _arrivals(connection: Connection, ledger_id: int, asked: Sequence[Asked]) -> dict[Asked, Arrival]:
    ids, people = zip(*asked, strict=True)
    sessions: dict[str, Session] = {}
    found: dict[Asked, Arrival] = {}
    for row in _ARRIVALS.fetched(connection, ledger_id, session=ids, person=people):
        person, came, in_at, in_way, signed, *values = row
        session = sessions.get(values[0])
        if session is None:
            session = msgspec.convert(dict(zip(_NAMES, values, strict=True)), Session)
            sessions[session.session_id] = session
        there = (
            None if came is None else msgspec.convert({"state": came, "in_at": in_at, "in_way": in_way}, Came)
        )
        found[session.session_id, str(person)] = Arrival(
            session, there, None if signed is None else str(signed)
        )
    return found
