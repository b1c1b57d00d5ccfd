"""Attempts that were refused and that an auditor should see: one line for a subject, a rule, an actor and a day.

A line counts how often it was tried, so that nobody floods the books by trying. It holds ids alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By
from pointsbank.activities.reading import versions_of
from pointsbank.activities.tables import refused_attempts
from pointsbank.engine.commands import request_digest
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.calendar import city_day
from pointsbank.store.lists import fetched, is_one_of

EARLY: Final = frozenset({"before-its-end", "after-its-start", "not-approved"})
"""H6: entered before the session has ended, or planned after it took place."""
OVERLAP: Final = "overlap"
"""H1: somebody was at two places in one time."""
MOST_TIMES: Final = 999
"""From here on a line stays as it is: who tries as often as this has been seen."""
ROOM: Final = frozenset({"activities"})
_RACES: Final = 5


class Attempt(msgspec.Struct, frozen=True):
    """What was tried: against which rule, for whom (empty for nobody), on what (a record, session or activity)."""

    rule: str
    person_id: str = ""
    thing: str = ""

    @property
    def subject(self) -> str:
        """What a line is about; of overlaps one for each session, for both names of a line are shown."""
        if self.rule == OVERLAP:
            return f"{self.thing}/{self.person_id}"
        return self.person_id or self.thing


_Key = tuple[str, str, str, str]


class Attempts:
    """Notes refused attempts. Nothing rests on a line, so one that is lost in a race of many processes is lost."""

    def __init__(self, ledger: Ledger, zone: str) -> None:
        self._ledger = ledger
        self._zone = zone

    async def note(self, by: By, attempts: Iterable[Attempt]) -> None:
        """Count these attempts of somebody today."""
        day = city_day(self._ledger.writer.clock.now(), self._zone).isoformat()
        left = {(day, one.rule, by.name, one.subject): one for one in attempts}
        for _ in range(_RACES):
            if not left:
                return
            known = await self._ledger.database.read(_known, self._ledger.id, list(left))
            left = {key: one for key, one in left.items() if known[key][0] < MOST_TIMES}
            drafts = [self._draft(key, one, by, *known[key]) for key, one in left.items()]
            results = await self._ledger.submit(drafts, ROOM) if drafts else []
            left = {
                key: one
                for (key, one), result in zip(left.items(), results, strict=True)
                if isinstance(result, Refusal)
            }

    def _draft(self, key: _Key, attempt: Attempt, by: By, times: int, version: int) -> Draft:
        values = (attempt.person_id, attempt.thing)
        row = Row("refused_attempts", (*key, *values, 1, RECORDED_AT, RECORDED_AT, "noted"), key_length=4)
        counted = (("times", times + 1), ("thing", attempt.thing), ("last_at", RECORDED_AT))
        change = Change("refused_attempts", key, "noted", "noted", counted)
        subject = _subject(key)
        return Draft(
            "note-attempt",
            f"attempt:{new_id()}",
            "pointsbank:attempts",
            request_digest("note-attempt", *key),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            reads=((subject, version),),
            touches=(subject,),
            rows=() if times else (row,),
            changes=(change,) if times else (),
        )


def _subject(key: _Key) -> str:
    return "attempt:" + "|".join(key)


def _known(connection: Connection, ledger_id: int, keys: list[_Key]) -> dict[_Key, tuple[int, int]]:
    """How often each was tried so far, and the version that this rests on."""
    t = refused_attempts.c
    rows = fetched(
        connection,
        select(t.day, t.rule, t.actor, t.subject, t.times).where(
            t.ledger_id == ledger_id,
            t.day == keys[0][0],
            is_one_of(connection, t.subject, sorted({key[3] for key in keys})),
        ),
    )
    times = {(day, rule, actor, subject): int(number) for day, rule, actor, subject, number in rows}
    versions = versions_of(connection, ledger_id, [_subject(key) for key in keys])
    return {key: (times.get(key, 0), versions[_subject(key)]) for key in keys}
