"""The columns that a sheet must have: their names, where they stand in a file, and how a cell's text is normalised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from pointsbank.intake.sheet_error import SheetError

# Columns that stations like to keep beside the record; they are read over. Any other unknown name is an
# error, because it may be one of the known ones misspelt.
SET_ASIDE: Final = frozenset({"序号", "备注", "no", "#", "remark", "remarks", "note", "notes"})

HEADER_SEARCHED_LINES: Final = 20
HEADER_LEAST_KNOWN: Final = 3  # a title line above the header does not contain three column names by chance

_DECORATION = re.compile(r"[\s_*\-]+|\(.*\)$")


class Header(msgspec.Struct, frozen=True):
    """Where the columns of a form stand in this file."""

    line_no: int
    width: int  # cells that every whole row has, unnamed and set-aside columns included
    positions: tuple[
        int, ...
    ]  # of the form's columns, in canonical order; -1 for an optional one that is absent
    unnamed: tuple[int, ...]  # columns without a name: they must be blank in every row
    english: frozenset[int]  # the form's columns that have an English name here
    is_plain: bool  # exactly the form's columns in canonical order


class Form:
    """A table's columns in canonical order: for each the Chinese name, the English one, and others that are known."""

    def __init__(self, columns: Sequence[tuple[str, ...]], optional: Collection[str] = ()) -> None:
        """`optional` are Chinese names of columns that a file may leave out: its fields are then empty."""
        self.columns = tuple(columns)
        self.names = tuple(column[0] for column in columns)
        self.width = len(self.columns)
        self._optional = frozenset(optional)
        self._by_name = {_key(name): at for at, names in enumerate(columns) for name in names}

    def fields(self, header: Header, cells: Sequence[str]) -> tuple[str, ...]:
        """The normalised fields of a row in canonical order; another number if the row is not whole.

        A row that is not whole keeps its cells in the order of the file, the first column's (if it can be told) first.
        """
        fields = [normalise(cell) for cell in cells]
        if len(fields) != header.width or any(fields[i] for i in header.unnamed):
            return self._ragged(header, fields)
        if header.is_plain:
            return tuple(fields)
        return tuple(fields[i] if i >= 0 else "" for i in header.positions)

    def find_header(self, rows: Iterable[tuple[int, Sequence[str]]], sheet: str = "") -> Header | None:
        """The header among the first lines, or None. Raises `wrong-columns` with all that is wrong with it."""
        for line_no, cells in islice(rows, HEADER_SEARCHED_LINES):
            if self.count_known(cells) >= HEADER_LEAST_KNOWN:
                return self._read_header(line_no, cells, sheet)
        return None

    def count_known(self, cells: Iterable[str]) -> int:
        """How many of the columns are named in a row."""
        return len({self._by_name[key] for key in map(_key, cells) if key in self._by_name})

    def _ragged(self, header: Header, fields: list[str]) -> tuple[str, ...]:
        at = header.positions[0]
        if 0 <= at < len(fields):
            fields.insert(0, fields.pop(at))
        if len(fields) == self.width:  # by accident (the header is wider): it must not pass for a whole row
            fields.append("")
        return tuple(fields)

    def _read_header(self, line_no: int, cells: Sequence[str], sheet: str) -> Header:
        keys = [_key(cell) for cell in cells]
        places: list[list[int]] = [[] for _ in self.columns]
        unnamed: list[int] = []
        unknown: list[str] = []
        for at, key in enumerate(keys):
            if key in self._by_name:
                places[self._by_name[key]].append(at)
            elif not key:
                unnamed.append(at)
            elif key not in SET_ASIDE:
                unknown.append(normalise(cells[at])[:40])
        found = list(zip(self.names, places, strict=True))
        missing = [name for name, at in found if not at and name not in self._optional]
        repeated = [name for name, at in found if len(at) > 1]
        if missing or repeated or unknown:
            raise _wrong_columns(line_no, sheet, missing, repeated, unknown)
        positions = tuple(at[0] if at else -1 for _, at in found)
        return Header(
            line_no=line_no,
            width=len(keys),
            positions=positions,
            unnamed=tuple(unnamed),
            english=frozenset(n for n, at in enumerate(positions) if at >= 0 and keys[at].isascii()),
            is_plain=positions == tuple(range(len(keys))),
        )


def normalise(text: str) -> str:
    """One field as it is compared and stored: NFKC, then spaces and tabs off both ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.strip(" \t")


def _wrong_columns(
    line_no: int, sheet: str, missing: list[str], repeated: list[str], unknown: list[str]
) -> SheetError:
    parts = [
        (missing, "缺少列", "missing"),
        (repeated, "重复的列", "repeated"),
        (unknown, "不认识的列", "unknown"),
    ]
    return SheetError(
        "wrong-columns",
        line=line_no,
        sheet_zh=f"工作表{sheet}" if sheet else "",
        sheet_en=f" of sheet {sheet}" if sheet else "",
        problems_zh="；".join(f"{zh} {'、'.join(names)}" for names, zh, _ in parts if names),
        problems_en="; ".join(f"{en} {', '.join(names)}" for names, _, en in parts if names),
        missing="、".join(missing),
        repeated="、".join(repeated),
        unknown="、".join(unknown),
    )


def _key(cell: str) -> str:
    """A header cell for comparison: 'Check-in *' is 'check_in', '签到（YYYY-MM-DD）' is '签到'."""
    return _DECORATION.sub("", normalise(cell).casefold())
