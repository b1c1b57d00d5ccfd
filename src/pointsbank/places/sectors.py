"""The sectors of the city's administration that take part, from config/sectors.toml: a corps or unit names one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec


class Sector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sector: its code, and its name in both languages."""

    code: str
    name: str
    name_en: str


def _load() -> dict[str, Sector]:
    package = Path(__file__).parents[1]
    beside = package.parents[1] / "config" / "sectors.toml"
    file = beside if beside.is_file() else package / "config" / "sectors.toml"
    listed = msgspec.convert(tomllib.loads(file.read_text("utf-8"))["sector"], list[Sector])
    return {sector.code: sector for sector in listed}


SECTORS: Final = _load()
"""By code, in the order of the file."""
