"""The rows of the table: what is measured, against which floor, and how good it must be."""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One ratio: the cell of ours over the cell of the floor. `at_least` is the duty, `stretch` the wish."""

    letter: str
    title: str
    ours: str
    floor: str
    at_least: float
    stretch: float


ROWS = (
    Row("a", "PostgreSQL, hot account, 32 callers / F1 hot", "pg hot 32", "F1 hot 32", 7, 11),
    Row("b", "PostgreSQL, spread, 32 callers / F1 spread", "pg spread 32", "F1 spread 32", 1.0, 1.5),
    Row("c", "one caller, idle writer / F1 one client", "pg spread 1", "F1 spread 1", 0.4, 0.6),
    Row("d", "bulk 8000 / F2", "pg bulk 8000", "F2 spread", 0.6, 0.8),
    Row("e", "two processes on one ledger / one", "pg two processes", "pg spread 32", 0.9, 0.95),
    Row("f", "hot / spread", "pg hot 32", "pg spread 32", 0.9, 1.0),
    Row("g", "SQLite, bulk 8000 / FS", "sqlite bulk 8000", "FS spread", 0.45, 0.65),
    Row("h", "HTTP single post, 32 connections / E", "http entry", "E echo", 0.4, 0.7),
    Row("i", "HTTP bulk of 1000 / F2", "http bulk 1000", "F2 spread", 0.4, 0.6),
    Row("j", "GET balance, 32 connections / E", "http balance", "E echo", 0.7, 0.9),
    Row("k", "basket of 3 goods / simple transfer, 32 callers", "basket", "pg spread 32", 0.25, 0.4),
    Row("l", "HTTP check-in / HTTP single post", "http check-in", "http entry", 0.3, 0.5),
    Row("m", "Lei Feng Day: 1000/p99 of baskets during / without", "tills busy", "tills calm", 0.5, 0.8),
    Row("n", "20,000 records verified / bulk 8000", "verified 20000", "pg bulk 8000", 0.3, 0.5),
    Row("o", "log-in / bare argon2id", "log-in", "argon2id", 0.8, 0.9),
    Row("p", "1000/p99 of a balance during log-ins / without", "balance busy", "balance calm", 0.5, 0.8),
    Row("q", "authorize, questions / 50,000 a second (20 µs)", "authorize", "20 µs", 1, 4),
)

FIGURES = {
    "bytes": "bytes per transfer",
    "verify": "verify of a million entries",
    "reads": "trial balance and statement page at 10 million postings",
    "replay": "replay of the quarter",
    "memory": "resident memory of serve",
}
"""What is printed beside the ratios; `--only` takes these names too."""


def chosen(only: str) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows and figures that `only` names (letters and names between commas); all if it names none.

    Raises ValueError for a name that is neither.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    letters = {row.letter for row in ROWS}
    unknown = [name for name in names if name not in letters and name not in FIGURES]
    if unknown:
        raise ValueError(
            f"no such row or figure: {', '.join(unknown)}; there are {', '.join([*sorted(letters), *FIGURES])}"
        )
    if not names:
        return ROWS, tuple(FIGURES)
    return tuple(row for row in ROWS if row.letter in names), tuple(name for name in FIGURES if name in names)
