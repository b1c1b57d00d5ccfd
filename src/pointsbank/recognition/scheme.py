"""A scheme of recognition: which merit minutes count, and what they lead to. Dated policy, pure arithmetic."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.reading import PolicyError, TableReader

Basis = Literal["lifetime", "year", "cycle"]
BASES: Final[tuple[Basis, ...]] = ("lifetime", "year", "cycle")
_MOST_HOURS: Final = 1_000_000


class Level(Struct, frozen=True):
    """A step of a scheme: reached with so many merit minutes, this very number included."""

    code: str
    name: str
    minutes: int


class Standing(Struct, frozen=True):
    """Where a person stands in a scheme. `next_minutes` is what is lacking to the next level, 0 at the top."""

    level: Level | None
    minutes: int
    cycles: int
    next_minutes: int


class Scheme(Struct, frozen=True, kw_only=True):
    """A set of thresholds over lifetime minutes, those of a calendar year, or those of a cycle that starts anew."""

    name: str
    title: str
    title_en: str
    basis: Basis
    valid_from: date
    valid_to: date
    levels: tuple[Level, ...]
    cycle_minutes: int

    def standing(self, minutes: int) -> Standing:
        """The standing after so many minutes of the basis (of the year, or of the lifetime)."""
        cycles, counted = 0, minutes
        if self.basis == "cycle" and minutes:
            # the last minute of a cycle still belongs to it: who has just filled one stands at its top
            cycles = (minutes - 1) // self.cycle_minutes
            counted = minutes - cycles * self.cycle_minutes
        reached = [level for level in self.levels if level.minutes <= counted]
        ahead = [level for level in self.levels if level.minutes > counted]
        return Standing(
            reached[-1] if reached else None, minutes, cycles, ahead[0].minutes - counted if ahead else 0
        )


class SchemeBook:
    """The schemes of a city by name and date."""

    def __init__(self, schemes: Iterable[Scheme]) -> None:
        """Raises PolicyErrors if two schemes of one name are in force on one day."""
        self.schemes = tuple(sorted(schemes, key=lambda s: (s.name, s.valid_from)))
        errors = [
            PolicyError(a.name, f"有效期重叠 (two are in force on {b.valid_from})")
            for a, b in zip(self.schemes, self.schemes[1:], strict=False)
            if a.name == b.name and b.valid_from <= a.valid_to
        ]
        if errors:
            raise PolicyErrors("recognition", errors)

    def in_force(self, name: str, on: date) -> Scheme | None:
        """The scheme of this name on a day, None if there is none."""
        return next(
            (s for s in self.schemes if s.name == name and s.valid_from <= on <= s.valid_to),
            None,
        )


def load_schemes(folder: Path) -> SchemeBook:
    """The book of all `*.toml` in a folder. Raises PolicyErrors with the errors of all files together."""
    schemes: list[Scheme] = []
    errors: list[PolicyError] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            schemes.append(parse_scheme(path.read_text(encoding="utf-8"), path.name))
        except PolicyErrors as refused:
            errors += [error.in_file(path.name) for error in refused.errors]
    if errors:
        raise PolicyErrors(folder.name, errors)
    return SchemeBook(schemes)


def shipped_schemes() -> Path:
    """The folder of schemes that come with the program: beside the sources, or inside an installed package."""
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "config" / "recognition"
    return beside if beside.is_dir() else package / "config" / "recognition"


def parse_scheme(content: str, source: str) -> Scheme:
    """The scheme in a TOML text. Raises PolicyErrors with every error that it has."""
    errors: list[PolicyError] = []
    try:
        values = tomllib.loads(content)
    except ValueError as error:
        raise PolicyErrors(source, [PolicyError("", f"语法错误 (syntax: {error})")]) from error
    reader = TableReader(values, "", errors)
    name, basis = reader.code("name"), reader.text("basis")
    if basis not in BASES:
        reader.wrong("basis", f"应为 {'、'.join(BASES)} 之一 (must be one of {', '.join(BASES)})")
    cycle_hours = reader.optional_integer("cycle_hours", 1, _MOST_HOURS)
    if (cycle_hours is not None) != (basis == "cycle"):
        reader.wrong("cycle_hours", "只有周期制才有、且必须有 (belongs to the basis cycle, and to it alone)")
    levels = _levels(reader)
    if cycle_hours is not None and levels and levels[-1].minutes > cycle_hours * 60:
        reader.wrong("levels", "最高一级超过周期 (the highest level lies beyond the cycle)")
    scheme = Scheme(
        name=name,
        title=reader.text("title"),
        title_en=reader.text("title_en"),
        basis=basis if basis in BASES else "lifetime",
        valid_from=reader.day("valid_from", date.min),
        valid_to=reader.day("valid_to", date.max),
        levels=levels,
        cycle_minutes=(cycle_hours or 0) * 60,
    )
    if scheme.valid_to < scheme.valid_from:
        reader.wrong("valid_to", "早于 valid_from (is before valid_from)")
    reader.finish()
    if errors:
        raise PolicyErrors(source, errors)
    return scheme


def _levels(reader: TableReader) -> tuple[Level, ...]:
    levels: list[Level] = []
    for table in reader.tables("levels"):
        level = Level(table.code("code"), table.text("name"), table.integer("hours", 1, _MOST_HOURS) * 60)
        if levels and level.minutes <= levels[-1].minutes:
            table.wrong("hours", "应高于前一级 (must be more than the level before)")
        if level.code in {known.code for known in levels}:
            table.wrong("code", "代码重复 (code occurs twice)")
        table.finish()
        levels.append(level)
    if not levels:
        reader.wrong("levels", "至少一级 (there must be one level at least)")
    return tuple(levels)
