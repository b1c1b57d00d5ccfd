"""Lines of a file or batch and their verdicts, as document rows and as queries; and texts as documents hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.intake.tables import intake_lines, intake_steps
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Row
from pointsbank.policy.calendar import city_to_utc_micros
from pointsbank.store.lists import is_one_of

SEPARATOR: Final = "\x1f"
LONGEST_ID: Final = 200
DIGEST_MARK: Final = "sha256:"

_ESCAPES: Final = {ord("\\"): "\\\\", ord("\0"): "\\0", ord(SEPARATOR): "\\s"}
_MEANINGS: Final = {"\\\\": "\\", "\\0": "\0", "\\s": SEPARATOR}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""The second day of the calendar: whoever opens accounts the day before an entry needs one more."""
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


class Place(msgspec.Struct, frozen=True):
    """Where a line stands: the file or batch, and the physical line in it."""

    source: str
    line: int


class LineVerdict(msgspec.Struct, frozen=True):
    """What became of a line. Minutes of merit, points in hundredths; both 0 unless it was accepted."""

    line: int
    id: str
    verdict: str
    minutes: int = 0
    points: int = 0
    sequence: int = 0


def filed_id(id_: str) -> str:
    """The id under which a document is filed: the id itself, or its SHA-256 if no ledger or index would hold it.

    A file may hold anything in the place of an id: signs that do not print, a text of a mile. Such a line must get
    its verdict like any other, and be found again. Different ids are filed differently.
    """
    if len(id_) <= LONGEST_ID and id_.isprintable() and not id_.startswith(DIGEST_MARK):
        return id_
    return DIGEST_MARK + sha256(id_.encode(errors="surrogatepass")).hexdigest()


def kept_text(parts: Sequence[str]) -> str:
    """Texts as one text, joined by U+001F; of what no database holds or would be taken for a joint, an escape."""
    text = SEPARATOR.join(parts)
    if "\\" not in text and "\0" not in text and text.count(SEPARATOR) == len(parts) - 1:
        return text
    return SEPARATOR.join([part.translate(_ESCAPES) for part in parts])


def parts_of(text: str) -> tuple[str, ...]:
    """The texts that `kept_text` joined."""
    parts = text.split(SEPARATOR)
    if "\\" in text:
        parts = [re.sub(r"\\.", lambda found: _MEANINGS[found[0]], part) for part in parts]
    return tuple(parts)


@lru_cache(maxsize=4096)  # the people of a session leave at the same second
def effective_micros(second: int, zone: str) -> int:
    """Microseconds UTC of a local second from a file. A clock at the edge of the calendar stays within it."""
    try:
        return max(city_to_utc_micros(second, zone), _FIRST)
    except OverflowError:
        # 0001-01-01 00:00:00, which clocks without a battery show, is not in UTC's calendar
        return _FIRST if second < 0 else _LAST


def line_row(
    place: Place, id_: str, verdict: str, minutes: int = 0, points: int = 0, *, posts: bool = False
) -> Row:
    """The document row of a line; with `posts` it names the entry that it rides with."""
    return Row(
        "intake_lines",
        (place.source, place.line, filed_id(id_), verdict, minutes, points, SEQUENCE if posts else 0),
        key_length=2,
    )


def step_row(source: str, step: str, sequence: int) -> Row:
    """The document row that marks a step of a job as complete."""
    return Row("intake_steps", (source, step, sequence, RECORDED_AT), key_length=2)


def lines_done(connection: Connection, ledger_id: int, source: str) -> set[int]:
    """The lines of a source that have their verdict."""
    t = intake_lines.c
    return set(connection.scalars(select(t.line).where(t.ledger_id == ledger_id, t.source == source)))


def steps_of(connection: Connection, ledger_id: int, source: str) -> dict[str, int]:
    """The complete steps of a job with the head's sequence at their end."""
    t = intake_steps.c
    rows = connection.execute(select(t.step, t.sequence).where(t.ledger_id == ledger_id, t.source == source))
    return {row.step: row.sequence for row in rows}


def verdicts_of(
    connection: Connection, ledger_id: int, source: str, after: int = -1, limit: int = 5000
) -> list[LineVerdict]:
    """Verdicts of a source in the order of its lines, a page at a time. Ids are as they are filed."""
    t = intake_lines.c
    rows = connection.execute(
        select(t.line, t.id, t.verdict, t.minutes, t.points, t.sequence)
        .where(t.ledger_id == ledger_id, t.source == source, t.line > after)
        .order_by(t.line)
        .limit(limit)
    )
    return [LineVerdict(*row) for row in rows]


def verdicts_at(
    connection: Connection, ledger_id: int, source: str, lines: Sequence[int]
) -> dict[int, LineVerdict]:
    """Verdicts that given lines of a source have already."""
    t = intake_lines.c
    rows = connection.execute(
        select(t.line, t.id, t.verdict, t.minutes, t.points, t.sequence).where(
            t.ledger_id == ledger_id, t.source == source, is_one_of(connection, t.line, lines)
        )
    )
    return {row[0]: LineVerdict(*row) for row in rows}
