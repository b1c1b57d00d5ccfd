"""The words and limits of record sheets: config/record-sheet.toml, or a city's own file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.reading import PolicyError, TableReader

_MOST_DAYS: Final = 36_500
_MOST_AN_HOUR: Final = 10_000


class SheetRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a sheet is called and says, and how often its public page may be asked."""

    title: str
    title_en: str
    note: str
    note_en: str
    valid_days: int
    name_tries_an_hour: int
    looks_an_hour: int
    fonts: tuple[str, ...]


def rules_at(path: str = "") -> SheetRules:
    """The rules of a file; without a path, those that come with the program. Raises PolicyErrors, OSError."""
    where = Path(path) if path else _shipped()
    return parse_rules(where.read_text(encoding="utf-8"), where.name)


def parse_rules(content: str, source: str) -> SheetRules:
    """The rules in a TOML text. Raises PolicyErrors with every error that it has."""
    try:
        values = tomllib.loads(content)
    except ValueError as error:
        raise PolicyErrors(source, [PolicyError("", f"语法错误 (syntax: {error})")]) from error
    errors: list[PolicyError] = []
    reader = TableReader(values, "", errors)
    fonts = reader.raw("fonts") if reader.has("fonts") else None
    if not isinstance(fonts, list) or not fonts or not all(isinstance(font, str) and font for font in fonts):
        reader.wrong("fonts", "应为字体名的列表 (must be a list of names of fonts)")
        fonts = []
    rules = SheetRules(
        title=reader.text("title"),
        title_en=reader.text("title_en"),
        note=reader.text("note"),
        note_en=reader.text("note_en"),
        valid_days=reader.integer("valid_days", 1, _MOST_DAYS),
        name_tries_an_hour=reader.integer("name_tries_an_hour", 1, _MOST_AN_HOUR),
        looks_an_hour=reader.integer("looks_an_hour", 1, _MOST_AN_HOUR),
        fonts=tuple(fonts),
    )
    reader.finish()
    if errors:
        raise PolicyErrors(source, errors)
    return rules


def _shipped() -> Path:
    """Beside the sources in a checkout, inside the package in an installed wheel."""
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "config" / "record-sheet.toml"
    return beside if beside.is_file() else package / "config" / "record-sheet.toml"
