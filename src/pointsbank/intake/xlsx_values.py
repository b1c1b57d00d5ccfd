"""What a cell of a sheet says, as text: dates as 'YYYY-MM-DD HH:MM', whole numbers without '.0'.

Spreadsheets keep a date as a number of days, a double, and only the cell's style says that it is one.
Everything here is exact decimal arithmetic on the digits of the file, rounded once, to the second.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from pointsbank.intake.xlsx_package import Package, elements

SECONDS_A_DAY: Final = 86_400
_SERIAL_LIMIT: Final = 2_900_000  # the year 9839; with both epochs a date that Python knows
_FIRST_SURE_SERIAL: Final = 61  # 1900-03-01: before it, spreadsheets count a 29 February 1900 that never was
_EPOCH_1900: Final = date(1899, 12, 30)
_EPOCH_1904: Final = date(1904, 1, 1)
_STYLES_LIMIT: Final = 100_000

# Built-in number formats: with a date only, with a time only, with both. 27-36 and 50-58 are the East Asian
# ones.
_BUILT_IN_DATES: Final = frozenset({14, 15, 16, 17, 27, 28, 29, 30, 31, 36, *range(50, 55), 57, 58})
_BUILT_IN_TIMES: Final = frozenset({18, 19, 20, 21, 22, 32, 33, 34, 35, 45, 46, 47, 55, 56})
_LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]')


class NumberStyles:
    """Which cell styles show a number as a date, and which of them show a time of day too."""

    def __init__(self, package: Package, part: str | None) -> None:
        formats: dict[str, str] = {}
        self._kinds: list[str] = []
        for parent, name, attributes in elements(package, part) if part else ():
            if name == "numFmt" and parent == "numFmts":
                formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:1_000]
            elif name == "xf" and parent == "cellXfs":
                format_id = attributes.get("numFmtId", "0")
                self._kinds.append(_format_kind(format_id, formats.get(format_id)))
            if len(formats) + len(self._kinds) > _STYLES_LIMIT:
                raise package.damaged(part or "", "too many styles")

    def kind(self, style: str) -> str:
        """'number', 'date' (no time of day shown) or 'time' (a time, with or without a date)."""
        return self._kinds[int(style)] if style.isdecimal() and int(style) < len(self._kinds) else "number"


def _format_kind(format_id: str, code: str | None) -> str:
    if code is None:
        number = int(format_id) if format_id.isdecimal() else 0
        return "date" if number in _BUILT_IN_DATES else "time" if number in _BUILT_IN_TIMES else "number"
    shown = _LITERAL.sub("", code.partition(";")[0]).lower()
    if "general" in shown:
        return "number"
    if "h" in shown or "s" in shown:
        return "time"
    return "date" if "y" in shown or "d" in shown or "m" in shown else "number"


def number_text(digits: str, kind: str, *, is_1904: bool) -> str:
    """The text of a number cell: the date that its style shows, else the number as people write it."""
    if kind == "number" and digits.isdecimal():
        return digits
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return digits
    if not number.is_finite() or number.adjusted() > 15 or len(digits) > 40:
        return digits
    if kind != "number" and 0 <= number < _SERIAL_LIMIT:
        return _date_text(number, kind, is_1904) or _plain(number, digits)
    return _plain(number, digits)


def _plain(number: Decimal, digits: str) -> str:
    return str(int(number)) if number == number.to_integral_value() else digits


def _date_text(serial: Decimal, kind: str, is_1904: bool) -> str | None:
    """A serial number of days as text, rounded to the second: a double holds a moment to some microseconds.

    Seconds that are really there are shown, not dropped: the rules ask for times to the minute, and it is
    theirs to refuse. A cell that shows only a date or only a time stays one; nobody's midnight is invented.
    """
    seconds = int((serial * SECONDS_A_DAY).to_integral_value())
    days, second_of_day = divmod(seconds, SECONDS_A_DAY)
    is_clock = days == 0 and kind == "time"
    if not is_1904 and days < _FIRST_SURE_SERIAL and not is_clock:
        return None
    minute_of_day, second = divmod(second_of_day, 60)
    clock = f"{minute_of_day // 60:02}:{minute_of_day % 60:02}" + (f":{second:02}" if second else "")
    if is_clock:
        return clock
    day = (_EPOCH_1904 if is_1904 else _EPOCH_1900) + timedelta(days=days)
    return day.isoformat() if kind == "date" and not second_of_day else f"{day.isoformat()} {clock}"


def iso_text(text: str) -> str:
    """A cell of type date, as some programs write it: '2026-01-05T09:00:00' -> '2026-01-05 09:00'."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.0+)?Z?", text)
    if found is None:
        return text
    day, minute, seconds = found.groups()
    return f"{day} {minute}" if seconds in (None, ":00") else f"{day} {minute}{seconds}"
