"""Cells of a report that a spreadsheet will open: on one line, quoted where they must be, and never a formula."""

from __future__ import annotations

from typing import Final

# A cell that begins like this is run as a formula by spreadsheets, in their full-width forms as well. Ids
# come from outside, so each of them could be one.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NO_LINE_BREAKS: Final = {ord(character): " " for character in "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"}
_NO_LINE_BREAKS[0] = ""


def report_cell(text: str) -> str:
    """One cell of a report as CSV: on one line, quoted where it must be, and never a formula."""
    text = text.translate(_NO_LINE_BREAKS)
    if text.startswith(_FORMULA_STARTS) or text.lstrip().startswith(_FORMULA_STARTS):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ",\"'") else text
