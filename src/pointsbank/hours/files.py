"""The front door for files of service hours: CSV or XLSX in, normalised lines of 13 fields out.

No line is refused here: a line with missing or surplus cells comes through with another number of fields
than 13 and is judged `malformed`. What makes the whole file unreadable is a SheetError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pointsbank.hours.columns import HOURS_FORM
from pointsbank.intake import sheets
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.sheets import Sheet, SheetLine, file_digest
from pointsbank.intake.xlsx_package import ZipLimits

__all__ = ["Sheet", "SheetError", "SheetLine", "ZipLimits", "file_digest", "open_sheet"]

_DEFAULT_LIMITS: Final = ZipLimits()


def open_sheet(
    path: Path | str, *, encoding: str | None = None, limits: ZipLimits = _DEFAULT_LIMITS
) -> Sheet:
    """Opens a CSV or XLSX of service hours, as `intake.sheets.open_sheet`."""
    return sheets.open_sheet(path, HOURS_FORM, encoding=encoding, limits=limits)
