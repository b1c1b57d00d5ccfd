"""How amounts and free text are written so that they stay exact and cannot become anything else."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_INERT: Final = re.compile(r"[A-Za-z0-9._~/+@=-]*")
_FORMULA: Final = re.compile(r"['\t\r\n]|\s*[=+\-@＝＋－＠]")


def decimal_text(amount: int, scale: int) -> str:
    """An amount in minor units as a decimal: 1950 at scale 2 is `19.50`. No float comes near it."""
    if not scale:
        return str(amount)
    whole, rest = divmod(abs(amount), 10**scale)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{scale}}"


def inert(text: str, *, keep: str = "") -> str:
    """Free text percent-encoded (as in URLs, UTF-8): no quote, comma, bracket or line end is left in it.

    Letters and digits of ASCII and `-._~/+@=` stand for themselves, and so do the characters of `keep`.
    """
    if _INERT.fullmatch(text):
        return text
    return quote(text, safe="/+@=" + keep, errors="surrogatepass")


def cell(text: str) -> str:
    """Text of a CSV cell that no spreadsheet takes for a formula: a `'` stands before what looks like one.

    A text that begins with `'` gets one too, so taking one leading `'` away always gives the text back.
    """
    return f"'{text}" if _FORMULA.match(text) else text
