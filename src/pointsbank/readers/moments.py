"""Moments of a ledger: its head, the sequence number of a time, the days of the city's calendar.

An as-of answer rests on one number, the last posting of an entry: everything up to it had happened, nothing
else.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, bindparam, select

from pointsbank.readers.refusals import QuestionInvalid, SequenceAhead
from pointsbank.store.tables import batches, entries, heads

CITY_ZONE: Final = ZoneInfo("Asia/Shanghai")
NO_END: Final = 2**62
"""Later than any time (microseconds since 1970, UTC) that the ledger takes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class LedgerHead(msgspec.Struct, frozen=True):
    """Where a ledger stands. Entries, postings, accounts and lots are numbered from 1 without gaps, so
    these are also their counts. `recorded_at` is the time of the newest commit (microseconds UTC), 0 before
    the first.
    """

    name: str
    chart: str
    sequence: int
    posting: int
    account: int
    lot: int
    recorded_at: int
    batch: int
    epoch: int


class Moment(msgspec.Struct, frozen=True):
    """A point in the journal: an entry's number and that of its last posting; 0, 0 before the first."""

    sequence: int
    posting: int


_HEAD = select(
    heads.c.name,
    heads.c.chart,
    heads.c.sequence,
    heads.c.posting,
    heads.c.account,
    heads.c.lot,
    heads.c.recorded_at,
    heads.c.batch,
    heads.c.epoch,
).where(heads.c.ledger_id == bindparam("ledger"))

_AT_TIME = (
    select(batches.c.last_sequence)
    .where(batches.c.ledger_id == bindparam("ledger"), batches.c.recorded_at <= bindparam("recorded_at"))
    .order_by(batches.c.recorded_at.desc(), batches.c.last_sequence.desc())
    .limit(1)
)

_LAST_POSTING = select(entries.c.first_posting + entries.c.postings - 1).where(
    entries.c.ledger_id == bindparam("ledger"), entries.c.sequence == bindparam("sequence")
)


def head(connection: Connection, ledger_id: int) -> LedgerHead | None:
    """Where the ledger stands now, or None if the database does not have it."""
    row = connection.execute(_HEAD, {"ledger": ledger_id}).one_or_none()
    return None if row is None else LedgerHead(*row)


def sequence_now(connection: Connection, ledger_id: int) -> int:
    """The sequence number on which an answer from this snapshot rests; 0 before the first entry."""
    now = head(connection, ledger_id)
    return now.sequence if now else 0


def sequence_at(connection: Connection, ledger_id: int, recorded_at: int) -> int:
    """The greatest sequence number recorded at or before a time (microseconds UTC); 0 if there is none."""
    time = max(-NO_END, min(recorded_at, NO_END))
    return connection.execute(_AT_TIME, {"ledger": ledger_id, "recorded_at": time}).scalar() or 0


def moment(
    connection: Connection, ledger_id: int, *, sequence: int | None = None, recorded_at: int | None = None
) -> Moment | SequenceAhead | QuestionInvalid:
    """The point in the journal that a caller means: a sequence number, a time, or else the head."""
    if sequence is not None and recorded_at is not None:
        return QuestionInvalid("give a sequence number or a time, not both")
    if sequence is not None and sequence < 0:
        return QuestionInvalid("a sequence number is not negative")
    now = head(connection, ledger_id)
    newest = now.sequence if now else 0
    if recorded_at is not None:
        sequence = sequence_at(connection, ledger_id, recorded_at)
    elif sequence is None:
        sequence = newest
    if sequence > newest:
        return SequenceAhead(sequence, newest)
    return Moment(sequence, _last_posting(connection, ledger_id, sequence))


def _last_posting(connection: Connection, ledger_id: int, sequence: int) -> int:
    if not sequence:
        return 0
    found = connection.execute(_LAST_POSTING, {"ledger": ledger_id, "sequence": sequence}).scalar()
    if found is None:
        raise LookupError(f"the journal has no entry {sequence} although its head is beyond it: run verify")
    return int(found)


def day_start(day: date) -> int:
    """Midnight at which a day of the city's calendar begins, in microseconds since 1970 UTC."""
    return (datetime(day.year, day.month, day.day, tzinfo=CITY_ZONE) - _EPOCH) // _MICROSECOND


def day_end(day: date) -> int:
    """The first microsecond after a day of the city's calendar."""
    return NO_END if day == date.max else day_start(day + timedelta(days=1))
