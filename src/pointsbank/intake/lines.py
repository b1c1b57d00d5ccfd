"""Lines of a file or batch and their verdicts, as document rows and as queries."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, func, select

from pointsbank.intake.tables import intake_lines, intake_steps
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Row


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


def line_row(place: Place, id_: str, verdict: str, minutes: int = 0, points: int = 0, *, posts: bool = False) -> Row:
    """The document row of a line; with `posts` it names the entry that it rides with."""
    return Row(
        "intake_lines",
        (place.source, place.line, id_, verdict, minutes, points, SEQUENCE if posts else 0),
        key_length=2,
    )


def step_row(source: str, step: str, sequence: int) -> Row:
    """The document row that marks a step of a job as complete."""
    return Row("intake_steps", (source, step, sequence, RECORDED_AT), key_length=2)


def count_of(connection: Connection, ledger_id: int, source: str) -> int:
    """How many lines of a source have their verdict."""
    t = intake_lines.c
    return int(
        connection.execute(
            select(func.count()).where(t.ledger_id == ledger_id, t.source == source)
        ).scalar_one()
    )


def steps_of(connection: Connection, ledger_id: int, source: str) -> dict[str, int]:
    """The complete steps of a job with the head's sequence at their end."""
    t = intake_steps.c
    rows = connection.execute(select(t.step, t.sequence).where(t.ledger_id == ledger_id, t.source == source))
    return {step: sequence for step, sequence in rows}


def verdicts_of(
    connection: Connection, ledger_id: int, source: str, after: int = -1, limit: int = 5000
) -> list[LineVerdict]:
    """Verdicts of a source in the order of its lines, a page at a time."""
    t = intake_lines.c
    rows = connection.execute(
        select(t.line, t.id, t.verdict, t.minutes, t.points, t.sequence)
        .where(t.ledger_id == ledger_id, t.source == source, t.line > after)
        .order_by(t.line)
        .limit(limit)
    )
    return [LineVerdict(*row) for row in rows]


def verdicts_at(connection: Connection, ledger_id: int, source: str, lines: list[int]) -> dict[int, LineVerdict]:
    """Verdicts that given lines of a source have already."""
    t = intake_lines.c
    rows = connection.execute(
        select(t.line, t.id, t.verdict, t.minutes, t.points, t.sequence).where(
            t.ledger_id == ledger_id, t.source == source, t.line.in_(lines)
        )
    )
    return {row[0]: LineVerdict(*row) for row in rows}
