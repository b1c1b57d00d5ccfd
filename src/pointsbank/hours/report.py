"""The report of an import: every line of the sheet with its verdict, as a CSV that a spreadsheet opens.

The report is written line by line and survives a kill: opened again, it goes on behind its last whole line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from pointsbank.hours.columns import WIDTH
from pointsbank.hours.explain import SHORT_CHINESE, SHORT_ENGLISH, Facts, explain, points_text
from pointsbank.hours.model import HoursVerdict
from pointsbank.intake.cells import report_cell
from pointsbank.intake.sheet_error import SheetError
from pointsbank.people.identity import masked_number

__all__ = ["Facts", "ReportWriter", "explain", "report_path"]

REPORT_COLUMNS: Final = (
    "行号",
    "记录编号",
    "志愿者编号",
    "结果",
    "说明",
    "服务时长(分钟)",
    "积分",
    "verdict",
)
_BOM: Final = b"\xef\xbb\xbf"  # without it, spreadsheets take a CSV for the system's own encoding
_HEADER: Final = _BOM + ",".join(REPORT_COLUMNS).encode() + b"\r\n"
_LINE_END: Final = b"\r\n"


class ReportWriter:
    """Writes the report of one import. Use it in a `with` statement."""

    def __init__(self, path: Path | str, *, keep_through: int | None = None) -> None:
        """Begins the report, or goes on with it behind its last whole line.

        Of a report that is there, only lines up to `keep_through` stay (None: all): a caller who was killed
        passes the last line that the ledger knows, and what was reported but never posted goes. Raises
        SheetError (`report-not-ours`) if the file is something else, OSError if the disk fails.
        """
        self.path = Path(path)
        self.last_line = 0  # the last line of the sheet that the report holds
        self._file = self._open(keep_through)

    def write(self, line_no: int, verdict: HoursVerdict, facts: Facts) -> None:
        """Adds the verdict on one line of the sheet; `facts.fields` are its fields."""
        fields = facts.fields
        # a report is passed around: of a number it shows what tells it from its neighbours, and cells that may have
        # slipped into the wrong column it does not repeat
        is_whole = len(fields) == WIDTH
        cells = (
            str(line_no),
            fields[0] if is_whole and verdict != "malformed" else "",
            masked_number(fields[1]) if is_whole else "",
            SHORT_CHINESE[verdict],
            explain(verdict, facts),
            str(facts.minutes),
            points_text(facts.points),
            f"{verdict}: {SHORT_ENGLISH[verdict]}",
        )
        self._file.write(",".join(map(report_cell, cells)).encode() + _LINE_END)
        self.last_line = line_no

    def flush(self) -> None:
        """Puts on disk what was written so far."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if not self._file.closed:
            self.flush()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, keep_through: int | None) -> BinaryIO:
        # Not "a": the torn rest of a line must be cut off, and appending would leave it in the middle.
        file = self.path.open("r+b" if self.path.exists() else "x+b")
        try:
            self._go_to_end(file, keep_through)
        except SheetError:
            file.close()
            raise
        return file

    def _go_to_end(self, file: BinaryIO, keep_through: int | None) -> None:
        start = file.read(len(_HEADER))
        if start != _HEADER:
            if not _HEADER.startswith(start):
                raise SheetError("report-not-ours", name=self.path.name)
            file.seek(0)  # new, or killed within its first line
            file.write(_HEADER)
        end = len(_HEADER)
        for line_no, line_end in self._whole_lines(file, end):
            if keep_through is not None and line_no > keep_through:
                break
            self.last_line, end = line_no, line_end
        file.seek(end)
        file.truncate()

    def _whole_lines(self, file: BinaryIO, offset: int) -> Iterator[tuple[int, int]]:
        """(line number of the sheet, offset behind the line) of each line that is whole."""
        file.seek(offset)
        for line in file:
            number = line.partition(b",")[0]
            if not line.endswith(_LINE_END):
                return
            if not number.isdigit():
                raise SheetError("report-not-ours", name=self.path.name)
            offset += len(line)
            yield int(number), offset


def report_path(sheet_path: Path, digest: str) -> Path:
    """Where a report stands if nobody says otherwise: beside the sheet, named by the sheet's content."""
    return sheet_path.with_name(f"{sheet_path.stem}.report-{digest[:12]}.csv")
