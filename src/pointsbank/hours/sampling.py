"""Sampling: some records of each closed batch are looked at again by somebody who had nothing to do with them.

A batch is what one recorder submitted on one day; it is closed when the day is over. Only then a seed is drawn, once,
and written down before anybody sees what it chooses; an auditor draws the same sample from it again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.activities.ports import By, Households
from pointsbank.activities.refusals import FourEyes
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.hours.case_tables import sample_outcomes, samples
from pointsbank.hours.eyes import Eyes
from pointsbank.hours.postings import HOURS
from pointsbank.hours.refusals import BatchOpen, ReasonInvalid, UnknownCase, UnknownRecord, WrongState
from pointsbank.hours.tables import record_trails
from pointsbank.hours.trails import filed_records
from pointsbank.ledger.model import RECORDED_AT, Draft, Row
from pointsbank.ledger.refusals import DocumentExists, Refusal
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day

SETTLING: Final = 15 * 60 * 1_000_000
"""A batch is closed so long after midnight: what was judged before it is written by then (microseconds)."""
OUTCOMES: Final = ("confirmed", "wrong-times", "not-present", "no-evidence")


class SampleLine(msgspec.Struct, frozen=True):
    """A sampled record; the outcome is empty while nobody has looked at it."""

    record_id: str
    outcome: str = ""
    noted_by: str = ""
    noted_at: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of `lines` records, the seed drawn for it, and what the seed chooses."""

    sample_id: str
    recorder: str
    day: str
    lines: int
    digest: str
    percent: int
    seed: str
    drawn_by: str
    drawn_at: int
    chosen: tuple[SampleLine, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """A closed batch for which nobody has drawn yet."""

    recorder: str
    day: str
    lines: int


def chosen(seed: str, ids: Sequence[str], percent: int) -> list[str]:
    """The records that a seed chooses: so many hundredths of them, rounded up, by the least SHA-256 of `seed:id`."""
    count = -(-len(ids) * percent // 100)
    ranked = sorted(ids, key=lambda id_: (sha256(f"{seed}:{id_}".encode()).digest(), id_))
    return sorted(ranked[:count])


def digest_of(ids: Sequence[str]) -> str:
    """SHA-256 of the batch's record ids in order, one a line: what the seed was drawn for."""
    return sha256("".join(f"{id_}\n" for id_ in sorted(ids)).encode()).hexdigest()


def sample_id_of(recorder: str, day: str) -> str:
    """One batch has one sample, whoever asks."""
    return sha256(f"{recorder}\x1f{day}".encode()).hexdigest()[:32]


class Sampling:
    """Draws samples and notes what became of each sampled record."""

    def __init__(self, ledger: Ledger, policies: PolicyBook, households: Households) -> None:
        self._ledger = ledger
        self._policies = policies
        self._eyes = Eyes(ledger, policies, households)
        self._zone = policies.policies[-1].timezone

    async def draw(self, recorder: str, day: date, by: By, command: Command) -> Sample | Refusal:
        """Draw the sample of what `recorder` submitted on a day that is over. Drawn before, it is the same."""
        if not by.person:
            return FourEyes("machine-source")
        if by.name == recorder:
            return FourEyes("verifier-is-recorder")
        if day >= self._today():
            return BatchOpen(recorder, day.isoformat())
        ids = await self._ledger.database.read(batch_of, self._ledger.id, recorder, day.isoformat())
        if not ids:
            return UnknownCase(recorder)
        sample_id = sample_id_of(recorder, day.isoformat())
        percent = self._policies.in_force(day).safeguards.sample_percent
        row = Row(
            "samples",
            (sample_id, recorder, day.isoformat(), len(ids), digest_of(ids), percent, os.urandom(32).hex(),
             by.name, RECORDED_AT),
        )  # fmt: skip
        draft = Draft(
            "draw-sample",
            f"draw-sample:{sample_id}",
            command.client,
            request_digest("draw-sample", sample_id),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            rows=(row,),
        )
        [result] = await self._ledger.submit([draft], HOURS)
        if isinstance(result, Refusal) and not isinstance(result, DocumentExists):
            return result
        return await self.sample(sample_id)

    async def note(
        self, sample_id: str, record_id: str, outcome: str, by: By, command: Command
    ) -> Sample | Refusal:
        """Note what became of a sampled record. Nobody notes a record that they recorded, verified or earned."""
        if outcome not in OUTCOMES:
            return ReasonInvalid(outcome)
        sample = await self.sample(sample_id)
        if isinstance(sample, Refusal):
            return sample
        line = next((line for line in sample.chosen if line.record_id == record_id), None)
        if line is None:
            return UnknownRecord(record_id)
        if line.outcome:
            is_again = (line.outcome, line.noted_by) == (outcome, by.name)
            return sample if is_again else WrongState(record_id, line.outcome)
        records = await self._ledger.database.read(filed_records, self._ledger.id, [record_id])
        forbidden = await self._eyes.forbidden(records.values(), by)
        if forbidden:
            return FourEyes(forbidden)
        draft = Draft(
            "note-sample",
            f"note-sample:{sample_id}:{record_id}",
            command.client,
            request_digest("note-sample", sample_id, record_id, outcome, by.name),
            self._ledger.writer.clock.now(),
            actor=by.name,
            place=by.place,
            rows=(
                Row("sample_outcomes", (sample_id, record_id, outcome, by.name, RECORDED_AT), key_length=2),
            ),
        )
        [result] = await self._ledger.submit([draft], HOURS)
        if isinstance(result, DocumentExists):
            return WrongState(record_id, "noted")
        return result if isinstance(result, Refusal) else await self.sample(sample_id)

    async def sample(self, sample_id: str) -> Sample | UnknownCase:
        """A sample with what its seed chooses, and the outcomes so far."""
        found = await self._ledger.database.read(sample_of, self._ledger.id, sample_id)
        return UnknownCase(sample_id) if found is None else found

    async def waiting(self, since: date, limit: int = 500) -> list[Batch]:
        """Batches from a day on that are closed and not drawn, the oldest first."""
        return await self._ledger.database.read(
            undrawn, self._ledger.id, since.isoformat(), self._today().isoformat(), limit
        )

    def _today(self) -> date:
        """The first day that is not closed."""
        return city_day(self._ledger.writer.clock.now() - SETTLING, self._zone)


def batch_of(connection: Connection, ledger_id: int, recorder: str, day: str) -> list[str]:
    """The records of a batch, whatever became of them: rejected ones and corrections too."""
    t = record_trails.c
    return list(
        connection.scalars(
            select(t.record_id)
            .where(t.ledger_id == ledger_id, t.recorder == recorder, t.submitted_on == day)
            .order_by(t.record_id)
        )
    )


def sample_of(connection: Connection, ledger_id: int, sample_id: str) -> Sample | None:
    """A sample as an auditor would draw it again from its seed and its batch."""
    t, o = samples.c, sample_outcomes.c
    names = Sample.__struct_fields__[:-1]
    row = connection.execute(
        select(*(t[name] for name in names)).where(t.ledger_id == ledger_id, t.sample_id == sample_id)
    ).one_or_none()
    if row is None:
        return None
    noted = {
        found.record_id: SampleLine(*found)
        for found in connection.execute(
            select(o.record_id, o.outcome, o.noted_by, o.noted_at).where(
                o.ledger_id == ledger_id, o.sample_id == sample_id
            )
        )
    }
    ids = chosen(row.seed, batch_of(connection, ledger_id, row.recorder, row.day), row.percent)
    return Sample(**row._mapping, chosen=tuple(noted.get(id_, SampleLine(id_)) for id_ in ids))


def undrawn(connection: Connection, ledger_id: int, since: str, today: str, limit: int = 500) -> list[Batch]:
    """Closed batches without a sample, by day and recorder."""
    t, s = record_trails.c, samples.c
    drawn = (
        select(s.sample_id)
        .where(s.ledger_id == t.ledger_id, s.recorder == t.recorder, s.day == t.submitted_on)
        .exists()
    )
    rows = connection.execute(
        select(t.recorder, t.submitted_on, func.count())
        .where(t.ledger_id == ledger_id, t.submitted_on >= since, t.submitted_on < today, ~drawn)
        .group_by(t.recorder, t.submitted_on)
        .order_by(t.submitted_on, t.recorder)
        .limit(limit)
    )
    return [Batch(recorder, day, int(lines)) for recorder, day, lines in rows]
