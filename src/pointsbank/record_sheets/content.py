"""What a sheet states, and the canonical text of it that is signed: docs/record-sheet.md specifies it line by line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

import msgspec

VERSION: Final = "pointsbank/record-sheet/1"


class SheetLine(msgspec.Struct, frozen=True):
    """One activity at one station: from the first to the last day, how often, merit minutes in all."""

    activity: str
    station: str
    first_day: str
    last_day: str
    times: int
    minutes: int


class SheetContent(msgspec.Struct, frozen=True, kw_only=True):
    """All that a sheet states. Days as YYYY-MM-DD, merit in minutes; `as_of` is the entry that it rests on."""

    number: str
    title: str
    title_en: str
    name: str
    volunteer_number: str
    issuer_code: str
    issuer: str
    from_day: str
    to_day: str
    minutes: int
    records: int
    as_of: int
    issued_on: str
    expires_on: str
    token: str
    lines: tuple[SheetLine, ...]

    def __repr__(self) -> str:
        return "SheetContent(…)"


def canonical_text(content: SheetContent) -> bytes:
    """The text that is signed: UTF-8, one `name: value` a line, each line ended by LF, in this order and no other."""
    return "".join(f"{line}\n" for line in _lines(content)).encode()


def _lines(content: SheetContent) -> Iterator[str]:
    yield VERSION
    for name in SheetContent.__struct_fields__:
        if name != "lines":
            yield f"{name}: {one_line(str(getattr(content, name)))}"
    yield f"lines: {len(content.lines)}"
    for line in content.lines:
        yield "\t".join(one_line(str(value)) for value in msgspec.structs.astuple(line))


def one_line(text: str) -> str:
    """A text on one line: what would end it, or set a tab, is a blank."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def as_typed(name: str) -> str:
    """A name as two people would type it alike: composed, without blanks and the dot between parts of a name."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in folded if not sign.isspace() and sign not in "·•・‧∙.")
