"""The shared strings of a workbook, read as far as they are asked for, and kept on disk when they are many.

Spreadsheets write each different text once into one table, and cells name a text by its number. The usual
readers load this table whole; in a sheet of a million records it is the largest part of the file (every
record id and name is in it), so a 200 MB workbook would take several hundred MB of memory. Here the newest
texts stay in memory, older ones go to an unnamed temporary file with an index of fixed width: two short
reads find any text again.
"""

from __future__ import annotations

import struct
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Final

from pointsbank.intake.csv_reader import FIELD_LIMIT_CHARACTERS
from pointsbank.intake.xlsx_package import Package, check_depth, feed, local_name, new_parser

_NEWEST_KEPT: Final = 8_192
_NEWEST_KEPT_CHARACTERS: Final = 1_000_000
_RECENT_KEPT: Final = 2_048  # texts found again lately: stations, categories and recorders repeat
_INDEX: Final = struct.Struct("<QI")  # offset, length


class SharedStrings:
    """Text by number. Memory stays within a few megabytes, whatever the table holds."""

    def __init__(self, package: Package, part: str | None) -> None:
        self._texts = read_strings(package, part) if part else iter(())
        self._newest: list[str] = []
        self._newest_characters = 0
        self._spooled = 0  # texts on disk; number `_spooled` is the first of `_newest`
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self._end = 0
        self._recent: OrderedDict[int, str] = OrderedDict()
        self.is_complete = part is None  # whether the whole table has been read

    def get(self, number: int) -> str | None:
        """The text with this number, or None if the table has none."""
        while number >= self._spooled + len(self._newest):
            text = next(self._texts, None)
            if text is None:
                self.is_complete = True
                return None
            self._keep(text)
        if number < 0:
            return None
        if number >= self._spooled:
            return self._newest[number - self._spooled]
        if number in self._recent:
            self._recent.move_to_end(number)
            return self._recent[number]
        text = self._from_disk(number)
        self._recent[number] = text
        if len(self._recent) > _RECENT_KEPT:
            self._recent.popitem(last=False)
        return text

    def close(self) -> None:
        for file in self._files or ():
            file.close()

    def _keep(self, text: str) -> None:
        if len(self._newest) >= _NEWEST_KEPT or self._newest_characters > _NEWEST_KEPT_CHARACTERS:
            self._spool()
        self._newest.append(text)
        self._newest_characters += len(text)

    def _spool(self) -> None:
        if self._files is None:
            # Closed by `close`: they live as long as the workbook, not as long as a block.
            first, second = tempfile.TemporaryFile(buffering=0), tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._files = (first, second)
        texts, index = self._files
        encoded = [text.encode() for text in self._newest]
        entries = bytearray()
        for body in encoded:
            entries += _INDEX.pack(self._end, len(body))
            self._end += len(body)
        for file, content in ((texts, b"".join(encoded)), (index, bytes(entries))):
            file.seek(0, 2)
            _write_all(file, content)
        self._spooled += len(self._newest)
        self._newest.clear()
        self._newest_characters = 0

    def _from_disk(self, number: int) -> str:
        assert self._files is not None
        texts, index = self._files
        index.seek(number * _INDEX.size)
        offset, length = _INDEX.unpack(index.read(_INDEX.size))
        texts.seek(offset)
        return texts.read(length).decode()


def _write_all(file: IO[bytes], content: bytes) -> None:
    """An unbuffered file may take less than it is given."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def read_strings(package: Package, part: str) -> Iterator[str]:
    """The texts of the table in order; runs of one text are joined, readings (phonetic hints) left out.

    A text is kept up to one character over the limit of a field: the cell that shows it is refused then,
    and a long note elsewhere in the workbook harms nobody.
    """
    texts: list[str] = []
    pieces: list[str] = []
    depth = 0
    reading_depth = 0  # depth of an open <rPh>
    length = 0
    is_text = False

    def start(tag: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, reading_depth, is_text
        depth += 1
        check_depth(depth)
        match local_name(tag):
            case "rPh":
                reading_depth = depth
            case "t":
                is_text = not reading_depth

    def end(tag: str) -> None:
        nonlocal depth, reading_depth, is_text, length
        match local_name(tag):
            case "si":
                texts.append("".join(pieces)[: FIELD_LIMIT_CHARACTERS + 1])
                pieces.clear()
                length = 0
            case "rPh":
                reading_depth = 0
            case "t":
                is_text = False
        depth -= 1

    def characters(text: str) -> None:
        nonlocal length
        if is_text and length <= FIELD_LIMIT_CHARACTERS:
            pieces.append(text)
            length += len(text)

    parser = new_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    for _ in feed(parser, package, part):
        yield from texts
        texts.clear()
