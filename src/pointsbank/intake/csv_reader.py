"""Reads a CSV of records line by line in constant memory; its encoding is proved, not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from pointsbank.intake.forms import HEADER_LEAST_KNOWN, HEADER_SEARCHED_LINES, Form
from pointsbank.intake.sheet_error import SheetError

LINE_LIMIT_BYTES: Final = 1_000_000
FIELD_LIMIT_CHARACTERS: Final = 10_000

_UTF8_BOM: Final = b"\xef\xbb\xbf"
_GB18030_BOM: Final = b"\x84\x31\x95\x33"  # rare, written by some editors; not valid UTF-8
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
# No byte of a multi-byte character is a control character, a comma or a quote, in UTF-8 or in GB18030
# (second and fourth bytes begin at 0x30, and 0x40 after a lead byte of a pair), so lines are cut as bytes
# and then decoded.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A quoted field (possessive: an unmatched quote fails in one pass) or a plain one, and what ends it.
_FIELD: Final = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"[ \t]*+|((?!")[^,]*+))(,|\Z)')
_SEPARATORS: Final = {"\t": "制表符 / tabs", ";": "分号 / semicolons", "，": "中文逗号 / full-width commas"}


class CsvRows:
    """The rows of one CSV file; each call of `rows` reads the file anew."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        """`encoding` is 'utf-8' or 'gb18030' if the user named it, else it is found out."""
        self.path = path
        self.is_sparse = False
        self.encoding = encoding or detect_encoding(path)
        self._done = 0
        self._total = path.stat().st_size

    def progress(self) -> tuple[int, int]:
        """Bytes read by the latest `rows`, and bytes of the file."""
        return self._done, self._total

    def rows(self, after_line: int = 0) -> Iterator[tuple[int, list[str]]]:
        """(physical line number, cells as written) of every line after `after_line` that is not blank."""
        for line in _physical_lines(self.path):
            self._done = line.offset + line.length
            if line.number <= after_line:
                continue
            text = self._decode(line)
            if text.strip(" \t"):
                yield line.number, split_line(text, line.number)

    def close(self) -> None:
        """Nothing stays open between two calls of `rows`."""

    def separator_error(self, form: Form) -> SheetError | None:
        """What to say if the header is there, but cut by something else than commas."""
        for line_no, cells in self.rows():
            if line_no > HEADER_SEARCHED_LINES:
                break
            for separator, name in _SEPARATORS.items():
                if form.count_known(",".join(cells).split(separator)) >= HEADER_LEAST_KNOWN:
                    return SheetError("wrong-separator", line=line_no, found=name)
        return None

    def _decode(self, line: _Line) -> str:
        try:
            return line.body.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise _encoding_error(
                _BadByte(line.number, line.body_offset + error.start, self.encoding), self.path
            ) from error


def split_line(text: str, line_no: int) -> list[str]:
    """The cells of one line as in RFC 4180, not normalised. Raises `unbalanced-quotes`, `field-too-long`."""
    cells = text.split(",") if '"' not in text else _split_quoted(text, line_no)
    if len(text) > FIELD_LIMIT_CHARACTERS:
        for column, cell in enumerate(cells, 1):
            if len(cell) > FIELD_LIMIT_CHARACTERS:
                raise SheetError(
                    "field-too-long",
                    line=line_no,
                    where_zh=f"第 {line_no} 行第 {column} 列",
                    where_en=f"line {line_no}, column {column}",
                    limit=FIELD_LIMIT_CHARACTERS,
                )
    return cells


def _split_quoted(text: str, line_no: int) -> list[str]:
    cells: list[str] = []
    at = 0
    while True:
        found = _FIELD.match(text, at)
        if found is None:
            raise SheetError("unbalanced-quotes", line=line_no, column=len(cells) + 1)
        quoted, plain, end = found.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        if not end:
            return cells
        at = found.end()


def detect_encoding(path: Path) -> str:
    """'utf-8' or 'gb18030', proved over the whole file. Raises `encoding`, `-utf16`, `-ambiguous`."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_UTF16_BOMS):
        raise SheetError("encoding-utf16")
    utf8 = _try_encoding(path, "utf-8")
    if not isinstance(utf8, _BadByte):
        if utf8.doubtful_line and not start.startswith(_UTF8_BOM):
            gb18030 = _try_encoding(path, "gb18030")
            if not isinstance(gb18030, _BadByte):
                raise SheetError("encoding-ambiguous", line=utf8.doubtful_line)
        return "utf-8"
    if start.startswith(_UTF8_BOM):
        raise _encoding_error(utf8, path)
    gb18030 = _try_encoding(path, "gb18030")
    if not isinstance(gb18030, _BadByte):
        return "gb18030"
    # The reading that came further is the one that the file was meant for: its bad byte is the one to look
    # at.
    raise _encoding_error(max(utf8, gb18030, key=lambda bad: bad.offset), path)


class _Line(msgspec.Struct, frozen=True):
    number: int
    offset: int
    length: int  # with its line end
    body_offset: int  # behind a byte order mark
    body: bytes


class _BadByte(msgspec.Struct, frozen=True):
    line_no: int
    offset: int
    encoding: str


class _Decodes(msgspec.Struct, frozen=True):
    doubtful_line: int  # 0 if the text leaves no doubt


def _try_encoding(path: Path, encoding: str) -> _Decodes | _BadByte:
    """Whether every line decodes; for UTF-8 also whether GB18030 text may only look like it.

    Chinese in UTF-8 takes three bytes a character. A file in which all that is not ASCII takes two (Latin,
    Greek, Cyrillic) may as well be GB18030, where Chinese takes two: that is doubtful, and not for us to
    guess.
    """
    doubtful_line = 0
    is_certain = False
    for line in _physical_lines(path):
        if line.body.isascii():
            continue
        try:
            text = line.body.decode(encoding)
        except UnicodeDecodeError as error:
            return _BadByte(line.number, line.body_offset + error.start, encoding)
        if not is_certain:
            is_certain = max(text) > "\u07ff"
            doubtful_line = doubtful_line or line.number
    return _Decodes(0 if is_certain else doubtful_line)


def _encoding_error(bad: _BadByte, path: Path) -> SheetError:
    with path.open("rb") as file:
        file.seek(bad.offset)
        byte = file.read(1)
    return SheetError(
        "encoding", line=bad.line_no, offset=bad.offset, byte=byte.hex().upper(), tried=bad.encoding.upper()
    )


def _physical_lines(path: Path) -> Iterator[_Line]:
    """Every line without its end (LF or CRLF). Raises `line-too-long`, `lone-cr`, `control-character`."""
    offset = 0
    number = 0
    with path.open("rb") as file:
        while raw := file.readline(LINE_LIMIT_BYTES + 2):
            number += 1
            body = raw.removesuffix(b"\n").removesuffix(b"\r")
            body_offset = offset
            if number == 1:
                body = body.removeprefix(_UTF8_BOM).removeprefix(_GB18030_BOM)
                body_offset = len(raw.removesuffix(b"\n").removesuffix(b"\r")) - len(body)
            _check_bytes(body, number, body_offset)
            yield _Line(number, offset, len(raw), body_offset, body)
            offset += len(raw)


def _check_bytes(body: bytes, number: int, offset: int) -> None:
    if (at := body.find(b"\r")) >= 0:
        raise SheetError("lone-cr", line=number, offset=offset + at)
    if found := _CONTROL.search(body):
        raise SheetError(
            "control-character", line=number, offset=offset + found.start(), byte=found.group().hex().upper()
        )
    if len(body) > LINE_LIMIT_BYTES:
        raise SheetError("line-too-long", line=number, limit=LINE_LIMIT_BYTES)
