"""The 13 columns of a sheet of service hours: names, order, and how the text of a cell is normalised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from pointsbank.hours.sheet_error import SheetError

# Canonical order: the Chinese name, the English name, then other names that stations are known to write.
COLUMNS: Final[tuple[tuple[str, ...], ...]] = (
    ("记录编号", "record_id", "记录号", "记录id", "记录编码", "record", "record_no", "record_number"),
    ("志愿者编号", "volunteer_id", "志愿者号", "志愿者id", "志愿者编码", "volunteer", "volunteer_no"),
    ("活动编号", "activity_id", "活动号", "活动id", "活动编码", "activity_no"),
    ("活动名称", "activity_name", "活动名", "活动", "activity"),
    ("服务类别", "category", "类别", "服务类型", "类别代码", "服务类别代码", "category_code"),
    ("服务站", "station", "服务站编号", "服务站编码", "站点", "站点编码", "station_id", "station_code"),
    ("场次开始", "session_start", "场次开始时间", "开始时间", "session_begin", "starts_at"),
    ("场次结束", "session_end", "场次结束时间", "结束时间", "ends_at"),
    ("签到", "check_in", "签到时间", "check_in_time", "checked_in_at"),
    ("签退", "check_out", "签退时间", "check_out_time", "checked_out_at"),
    ("时数类型", "hour_class", "时数类别", "时长类型", "hours_class", "class_of_hours"),
    ("录入人", "recorded_by", "录入人编号", "录入员", "recorder"),
    ("录入时间", "recorded_at", "录入日期时间", "record_time", "recorded_time"),
)
NAMES: Final = tuple(column[0] for column in COLUMNS)
WIDTH: Final = len(COLUMNS)
HOUR_CLASS: Final = NAMES.index("时数类型")
TIME_COLUMNS: Final = tuple(
    NAMES.index(name) for name in ("场次开始", "场次结束", "签到", "签退", "录入时间")
)

# Columns that stations like to keep beside the record; they are read over. Any other unknown name is an
# error, because it may be one of the 13 misspelt.
SET_ASIDE: Final = frozenset({"序号", "备注", "no", "#", "remark", "remarks", "note", "notes"})

# English words for the class of hours, understood only under an English header: under 时数类型 the two
# Chinese words are the only ones, as the specification of the city's files says.
HOUR_CLASSES: Final = {"credit": "信用", "honour": "荣誉", "honor": "荣誉"}

HEADER_SEARCHED_LINES: Final = 20
HEADER_LEAST_KNOWN: Final = 3  # a title line above the header does not contain three column names by chance

_DECORATION = re.compile(r"[\s_*\-]+|\(.*\)$")


class Header(msgspec.Struct, frozen=True):
    """Where the 13 columns stand in this file."""

    line_no: int
    width: int  # cells that every whole row has, unnamed and set-aside columns included
    positions: tuple[int, ...]  # of the 13 columns, in canonical order
    unnamed: tuple[int, ...]  # columns without a name: they must be blank in every row
    is_english_class: bool
    is_plain: bool  # exactly the 13 columns in canonical order


def normalise(text: str) -> str:
    """One field as it is compared and stored: NFKC, then spaces and tabs off both ends."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.strip(" \t")


def canonical_fields(header: Header, cells: Sequence[str]) -> tuple[str, ...]:
    """The 13 normalised fields of a row in canonical order; another number if the row is not whole.

    A row that is not whole keeps its cells in the order of the file, the record id (if it can be told) first.
    """
    fields = [normalise(cell) for cell in cells]
    if len(fields) != header.width or any(fields[i] for i in header.unnamed):
        return _ragged(header, fields)
    if header.is_plain and not header.is_english_class:
        return tuple(fields)
    ordered = [fields[i] for i in header.positions]
    if header.is_english_class:
        ordered[HOUR_CLASS] = HOUR_CLASSES.get(ordered[HOUR_CLASS].lower(), ordered[HOUR_CLASS])
    return tuple(ordered)


def _ragged(header: Header, fields: list[str]) -> tuple[str, ...]:
    at = header.positions[0]
    if at < len(fields):
        fields.insert(0, fields.pop(at))
    if len(fields) == WIDTH:  # by accident (the header is wider): it must not pass for a whole row
        fields.append("")
    return tuple(fields)


def find_header(rows: Iterable[tuple[int, Sequence[str]]], sheet: str = "") -> Header | None:
    """The header among the first lines, or None. Raises `wrong-columns` with all that is wrong with it."""
    for line_no, cells in islice(rows, HEADER_SEARCHED_LINES):
        if count_known(cells) >= HEADER_LEAST_KNOWN:
            return _read_header(line_no, cells, sheet)
    return None


def count_known(cells: Iterable[str]) -> int:
    return len({_BY_NAME[key] for key in map(_key, cells) if key in _BY_NAME})


def _read_header(line_no: int, cells: Sequence[str], sheet: str) -> Header:
    keys = [_key(cell) for cell in cells]
    places: list[list[int]] = [[] for _ in COLUMNS]
    unnamed: list[int] = []
    unknown: list[str] = []
    for at, key in enumerate(keys):
        if key in _BY_NAME:
            places[_BY_NAME[key]].append(at)
        elif not key:
            unnamed.append(at)
        elif key not in SET_ASIDE:
            unknown.append(normalise(cells[at])[:40])
    missing = [name for name, found in zip(NAMES, places, strict=True) if not found]
    repeated = [name for name, found in zip(NAMES, places, strict=True) if len(found) > 1]
    if missing or repeated or unknown:
        raise _wrong_columns(line_no, sheet, missing, repeated, unknown)
    positions = tuple(found[0] for found in places)
    return Header(
        line_no=line_no,
        width=len(keys),
        positions=positions,
        unnamed=tuple(unnamed),
        is_english_class=keys[positions[HOUR_CLASS]].isascii(),
        is_plain=positions == tuple(range(len(keys))),
    )


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


_BY_NAME: Final = {_key(name): at for at, names in enumerate(COLUMNS) for name in names}
