"""The front door for files: CSV or XLSX in, normalised lines in the order of a form's columns out.

    with open_sheet(path, form) as sheet:
        sheet.check()                              # every error of the file, before anything is judged
        for line in sheet.lines(after_line=done):  # done: the last line that the ledger knows, 0 at first
            judge(line.line_no, line.fields)
            show(sheet.progress())

No line is refused here: a line with missing or surplus cells comes through with another number of fields
than the form has columns. What makes the whole file unreadable is a SheetError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from pointsbank.intake.csv_reader import CsvRows
from pointsbank.intake.forms import HEADER_SEARCHED_LINES, Form, Header
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.xlsx_package import ZipLimits
from pointsbank.intake.xlsx_reader import Workbook, XlsxRows

_DIGEST_CHUNK_BYTES: Final = 1 << 20
_DEFAULT_LIMITS: Final = ZipLimits()
# How foreign files begin: what people really send by mistake.
_FOREIGN: Final = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "图片 / a picture"),
    (b"\xff\xd8\xff", "图片 / a picture"),
    (b"GIF8", "图片 / a picture"),
    (b"\x1f\x8b", "gzip 压缩文件 / a gzip file"),
    (b"7z\xbc\xaf", "7z 压缩文件 / a 7z archive"),
    (b"Rar!", "RAR 压缩文件 / a RAR archive"),
    (b"SQLite format 3", "数据库 / a database"),
    (b"\x7fELF", "程序 / a program"),
    (b"MZ", "程序 / a program"),
    (b"{\\rtf", "RTF 文档 / an RTF document"),
)


class SheetLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the sheet as it is judged.

    `line_no` is the physical line (the header's line 1 counts, blank lines count); in a workbook the row
    number. `fields` are the form's normalised fields in canonical order, or any other number of fields if the
    line is not whole; the form's first column comes first in either case.
    """

    line_no: int
    fields: tuple[str, ...]


class RowSource(Protocol):
    """What the CSV and the XLSX reader have in common: raw rows and how far they have come."""

    is_sparse: bool  # trailing empty cells are left out

    def rows(self, after_line: int = 0) -> Iterator[tuple[int, list[str]]]: ...
    def progress(self) -> tuple[int, int]: ...
    def close(self) -> None: ...


class Sheet:
    """An open file with its header found. Use it in a `with` statement."""

    def __init__(
        self, path: Path, kind: str, detail: str, source: RowSource, form: Form, header: Header
    ) -> None:
        self.path = path
        self.kind = kind  # 'csv' or 'xlsx'
        self.detail = detail  # the encoding of a CSV, the name of the worksheet
        self.form = form
        self.header = header
        self._source = source

    def lines(self, after_line: int = 0) -> Iterator[SheetLine]:
        """The lines below the header, from the one after `after_line` on; blank ones are left out.

        Each call reads the file from its beginning (what is skipped is not taken apart). Raises SheetError.
        """
        form, header = self.form, self.header
        for line_no, cells in self._source.rows(max(after_line, header.line_no)):
            if self._source.is_sparse and len(cells) < header.width:
                cells.extend([""] * (header.width - len(cells)))
            yield SheetLine(line_no, form.fields(header, cells))

    def __iter__(self) -> Iterator[SheetLine]:
        return self.lines()

    def check(self) -> int:
        """Reads the whole file once: the number of lines. Raises SheetError for the first thing wrong."""
        return sum(1 for _ in self.lines())

    def progress(self) -> tuple[int, int]:
        """(done, total) of the latest reading, in bytes of the file; compressed bytes in a workbook."""
        return self._source.progress()

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sheet(
    path: Path | str, form: Form, *, encoding: str | None = None, limits: ZipLimits = _DEFAULT_LIMITS
) -> Sheet:
    """Opens a CSV or XLSX with the columns of a form, told apart by content; the file's name does not matter.

    `encoding` ('utf-8' or 'gb18030') is for a CSV that could be read as either. Raises SheetError for what
    the file cannot be, OSError if the disk fails.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise SheetError("not-a-file", name=path.name)
    with path.open("rb") as file:
        start = file.read(4_096)
    if not start:
        raise SheetError("empty-file", name=path.name)
    sheet = (
        _open_workbook(path, form, limits)
        if start.startswith(b"PK")
        else _open_csv(path, form, start, encoding)
    )
    try:
        if next(sheet.lines(), None) is None:
            raise SheetError("no-rows", name=path.name)
    except SheetError:
        sheet.close()
        raise
    return sheet


def file_digest(path: Path | str) -> str:
    """SHA-256 (hex) of the content of a file: it names the import, so that no file is posted twice."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_DIGEST_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _open_csv(path: Path, form: Form, start: bytes, encoding: str | None) -> Sheet:
    _refuse_foreign(path, start)
    source = CsvRows(path, encoding)
    header = form.find_header(source.rows())
    if header is None:
        if all(False for _ in source.rows()):
            raise SheetError("empty-file", name=path.name)
        raise source.separator_error(form) or SheetError(
            "no-header", searched=HEADER_SEARCHED_LINES, expected="、".join(form.names)
        )
    return Sheet(path, "csv", source.encoding, source, form, header)


def _refuse_foreign(path: Path, start: bytes) -> None:
    if start.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise SheetError("old-excel", name=path.name)
    what = next((name for magic, name in _FOREIGN if start.startswith(magic)), None)
    # A NUL in every second byte is UTF-16 without its mark as well as any binary file; neither is for us to
    # guess.
    if what is None and b"\x00" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        what = "二进制数据 / binary data"
    if what is not None:
        raise SheetError("binary-file", name=path.name, what=what)


def _open_workbook(path: Path, form: Form, limits: ZipLimits) -> Sheet:
    """The first visible worksheet with a right header; else what is wrong with the one that nearly has it."""
    workbook = Workbook(path, limits)
    try:
        nearly: SheetError | None = None
        for part in workbook.sheets:
            source = XlsxRows(workbook, part)
            try:
                header = form.find_header(source.rows(), f"“{part.name}”")
            except SheetError as error:
                if error.code not in ("wrong-columns", "formula"):
                    raise
                nearly = nearly or error
                continue
            if header is not None:
                return Sheet(path, "xlsx", part.name, source, form, header)
        names = "、".join(f"“{part.name}”" for part in workbook.sheets[:20])
        raise nearly or SheetError("no-matching-sheet", sheets=names or "-", expected="、".join(form.names))
    except SheetError:
        workbook.close()
        raise
