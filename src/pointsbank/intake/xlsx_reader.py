"""Reads the sheets of an .xlsx workbook row by row, in constant memory, values only.

The usual reader keeps all shared strings in memory and hands out the last calculated value of a formula or
its text, but not without loading the workbook twice; so this is a small reader of our own, for exactly what
a sheet of records needs: texts, numbers, dates. See xlsx_strings.py for the memory, xlsx_package.py for
safety.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from pointsbank.intake.csv_reader import FIELD_LIMIT_CHARACTERS
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.xlsx_package import (
    Package,
    ZipLimits,
    check_depth,
    elements,
    feed,
    local_name,
    new_parser,
)
from pointsbank.intake.xlsx_strings import SharedStrings
from pointsbank.intake.xlsx_values import NumberStyles, iso_text, number_text

ROW_LIMIT: Final = 1_048_576
COLUMN_LIMIT: Final = 256
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_TEXT_TYPES: Final = frozenset({"str", "inlineStr", "e"})


class SheetPart(msgspec.Struct, frozen=True):
    """A visible worksheet: the name on its tab, and where it stands in the package."""

    name: str
    part: str


class Workbook:
    """A checked workbook; `sheets` are its visible worksheets in the order of their tabs."""

    def __init__(self, path: Path, limits: ZipLimits) -> None:
        self.package = Package(path, limits)
        try:
            main = self._main_part()
            self._refuse_macros()
            related = self._related(main)
            self.sheets, self.is_1904 = self._sheets(main, related)
            self.styles = NumberStyles(self.package, self._one(related, "/styles"))
        except SheetError:
            self.package.close()
            raise
        self.strings_part = self._one(related, "/sharedStrings")
        self.strings = SharedStrings(self.package, self.strings_part)

    def close(self) -> None:
        self.strings.close()
        self.package.close()

    def _main_part(self) -> str:
        name = "_rels/.rels"
        if self.package.has(name):
            for _, element, attributes in elements(self.package, name):
                if element == "Relationship" and attributes.get("Type", "").endswith("/officeDocument"):
                    main = _resolve("", attributes.get("Target", ""))
                    if main.endswith(".bin"):
                        raise SheetError("old-excel", name=self.package.path.name)
                    if self.package.has(main) and "workbook" in posixpath.basename(main).lower():
                        return main
        raise SheetError("not-a-workbook", name=self.package.path.name, member="xl/workbook.xml")

    def _refuse_macros(self) -> None:
        for name in self.package.names():
            if name.lower().endswith(("vbaproject.bin", "vbadata.xml")) or "/macrosheets/" in name.lower():
                raise SheetError("macro-workbook", name=self.package.path.name, member=name)
        if self.package.has("[Content_Types].xml"):
            for _, _, attributes in elements(self.package, "[Content_Types].xml"):
                if "macroenabled" in attributes.get("ContentType", "").lower():
                    member = attributes.get("PartName", "[Content_Types].xml")
                    raise SheetError("macro-workbook", name=self.package.path.name, member=member)

    def _related(self, main: str) -> dict[str, tuple[str, str]]:
        """Relationship id -> (type, part) of the workbook; parts outside of the package are left out."""
        folder, _, file = main.rpartition("/")
        name = f"{folder}/_rels/{file}.rels"
        related: dict[str, tuple[str, str]] = {}
        if not self.package.has(name):
            raise self.package.damaged(name, "missing")
        for _, element, attributes in elements(self.package, name):
            part = _resolve(folder, attributes.get("Target", ""))
            if (
                element == "Relationship"
                and attributes.get("TargetMode") != "External"
                and self.package.has(part)
            ):
                related[attributes.get("Id", "")] = (attributes.get("Type", ""), part)
        return related

    def _sheets(self, main: str, related: dict[str, tuple[str, str]]) -> tuple[list[SheetPart], bool]:
        sheets: list[SheetPart] = []
        is_1904 = False
        for parent, element, attributes in elements(self.package, main):
            if element == "workbookPr":
                is_1904 = attributes.get("date1904") in ("1", "true")
            elif element == "sheet" and parent == "sheets":
                kind, part = related.get(attributes.get("id", ""), ("", ""))
                if kind.endswith("/worksheet") and attributes.get("state", "visible") == "visible":
                    sheets.append(SheetPart(attributes.get("name", "?"), part))
        return sheets, is_1904

    @staticmethod
    def _one(related: dict[str, tuple[str, str]], kind: str) -> str | None:
        return next((part for found, part in related.values() if found.endswith(kind)), None)


def _resolve(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


class XlsxRows:
    """The rows of one worksheet; each call of `rows` reads it anew."""

    def __init__(self, workbook: Workbook, sheet: SheetPart) -> None:
        self.sheet = sheet
        self.is_sparse = True
        self._workbook = workbook
        self._began = 0
        self._total = 0
        self._measure()

    def progress(self) -> tuple[int, int]:
        """Compressed bytes read by the latest `rows`, and compressed bytes of the sheet and its texts."""
        return min(self._workbook.package.bytes_read - self._began, self._total), self._total

    def rows(self, after_line: int = 0) -> Iterator[tuple[int, list[str]]]:
        """(row number, cells as text) of every row after `after_line` in which something stands."""
        self._measure()
        scan = _SheetScan(self._workbook, self.sheet.name)
        for _ in feed(scan.parser, self._workbook.package, self.sheet.part):
            for row_no, cells in scan.rows:
                if row_no > after_line:
                    yield row_no, cells
            scan.rows.clear()
        # The end of the table of texts may have been of no interest: all is done none the less.
        self._began = self._workbook.package.bytes_read - self._total

    def close(self) -> None:
        self._workbook.close()

    def _measure(self) -> None:
        package = self._workbook.package
        self._began = package.bytes_read
        strings = self._workbook.strings_part
        unread = (
            package.compressed_bytes(strings) if strings and not self._workbook.strings.is_complete else 0
        )
        self._total = package.compressed_bytes(self.sheet.part) + unread


class _SheetScan:
    """Collects whole rows while expat reads; one object for each reading of a sheet."""

    def __init__(self, workbook: Workbook, sheet_name: str) -> None:
        self.rows: list[tuple[int, list[str]]] = []
        self._workbook = workbook
        self._sheet_name = sheet_name
        self._depth = 0
        self._row_no = 0
        self._row: dict[int, str] = {}
        self._column = 0  # 1 for A
        self._type: str | None = None  # None outside of a cell
        self._style = "0"
        self._pieces: list[str] = []
        self._length = 0
        self._is_value = False
        self._reading_depth = 0
        self.parser = new_parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        check_depth(self._depth)
        name = local_name(tag)
        if name == "c":
            self._start_cell(attributes)
        elif name == "row":
            self._start_row(attributes)
        elif self._type is None:
            return  # what stands around the rows: widths, filters, rules for input
        elif name == "v" or name == "t":
            self._is_value = not self._reading_depth
        elif name == "f":
            raise SheetError("formula", sheet=self._sheet_name, cell=self._cell())
        elif name == "rPh":
            self._reading_depth = self._depth

    def _end(self, tag: str) -> None:
        self._depth -= 1
        name = local_name(tag)
        if name == "v" or name == "t":
            self._is_value = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._reading_depth = 0

    def _characters(self, text: str) -> None:
        if self._is_value:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > FIELD_LIMIT_CHARACTERS:
                raise self._too_long()

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r", str(self._row_no + 1))
        if not number.isdecimal() or len(number) > 7 or not self._row_no < int(number) <= ROW_LIMIT:
            raise self._damaged(f"row {number[:20]} after row {self._row_no}")
        self._row_no = int(number)
        self._row = {}
        self._column = 0

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._column = self._column_of(attributes.get("r"))
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "0")
        self._pieces = []
        self._length = 0

    def _column_of(self, reference: str | None) -> int:
        if reference is None:
            return self._column + 1
        found = _REFERENCE.fullmatch(reference)
        if found is None or int(found[2]) != self._row_no:
            raise self._damaged(f"cell {reference[:20]} in row {self._row_no}")
        column = 0
        for letter in found[1]:
            column = column * 26 + ord(letter) - 64
        if column <= self._column:
            raise self._damaged(f"cell {reference} out of order")
        return column

    def _end_cell(self) -> None:
        kind, self._type = self._type, None
        if not self._pieces or kind is None:
            return
        text = self._cell_text(kind, "".join(self._pieces))
        if len(text) > FIELD_LIMIT_CHARACTERS:
            raise self._too_long()
        if not text:
            return
        if self._column > COLUMN_LIMIT:
            where = self._cell()
            raise SheetError(
                "too-many-columns",
                where_zh=f"单元格 {where}",
                where_en=f"Cell {where}",
                cell=where,
                limit=COLUMN_LIMIT,
            )
        self._row[self._column] = text

    def _cell_text(self, kind: str, content: str) -> str:
        if kind == "s":
            content = content.strip()
            text = (
                self._workbook.strings.get(int(content))
                if content.isdecimal() and len(content) < 10
                else None
            )
            if text is None:
                raise self._damaged(f"cell {self._cell()} names text {content[:20]}, which is not there")
            return text
        if kind in _TEXT_TYPES:
            return content
        if kind == "b":
            return "TRUE" if content.strip() == "1" else "FALSE"
        if kind == "d":
            return iso_text(content.strip())
        return number_text(
            content.strip(), self._workbook.styles.kind(self._style), is_1904=self._workbook.is_1904
        )

    def _end_row(self) -> None:
        if any(text.strip(" \t\u3000") for text in self._row.values()):
            self.rows.append((self._row_no, [self._row.get(at, "") for at in range(1, max(self._row) + 1)]))
        self._row = {}

    def _cell(self) -> str:
        letters = ""
        column = self._column
        while column:
            column, rest = divmod(column - 1, 26)
            letters = chr(65 + rest) + letters
        return f"{letters}{self._row_no}"

    def _too_long(self) -> SheetError:
        where = self._cell()
        return SheetError(
            "field-too-long",
            where_zh=f"工作表“{self._sheet_name}”的单元格 {where}",
            where_en=f"cell {where} of sheet “{self._sheet_name}”",
            cell=where,
            limit=FIELD_LIMIT_CHARACTERS,
        )

    def _damaged(self, reason: str) -> SheetError:
        return self._workbook.package.damaged(self._sheet_name, reason)
