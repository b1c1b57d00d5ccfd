"""A printed passbook (积分存折) for who has no telephone: what there is, and what moved lately. V4.

It names nobody: a masked name and the end of the volunteer number, so a lost one tells no finder whose it is.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pointsbank.record_sheets.pdf import families_in, fonts_in
from pointsbank.record_sheets.refusals import NotPrintable

_TEMPLATE = Path(__file__).with_name("passbook.typ")


class Figure(msgspec.Struct, frozen=True):
    """A figure of the first lines, as it is printed."""

    zh: str
    en: str
    value: str


class Line(msgspec.Struct, frozen=True):
    """A line of the passbook, as it is printed."""

    day: str
    what: str
    what_en: str
    amount: str
    balance: str


class Passbook(msgspec.Struct, frozen=True):
    """What is printed; `as_of` is the entry on which all of it rests, `is_cut` if earlier lines are left out."""

    printed_on: str
    as_of: int
    figures: tuple[Figure, ...]
    lines: tuple[Line, ...]
    is_cut: bool


def set_passbook(book: Passbook, fonts: tuple[str, ...], folder: str = "") -> bytes | NotPrintable:
    """The passbook as PDF, in the first of these fonts that is there; refused rather than printed with empty boxes."""
    try:
        import typst
    except ImportError:
        return NotPrintable("typst")
    family = next((name for name in fonts if name in families_in(folder)), "")
    if not family:
        return NotPrintable("font")
    words = {**msgspec.to_builtins(book), "as_of": str(book.as_of), "fonts": [family]}
    return typst.compile(
        _TEMPLATE.read_bytes(),
        font_paths=fonts_in(folder),
        sys_inputs={"book": msgspec.json.encode(words).decode()},
        format="pdf",
    )
