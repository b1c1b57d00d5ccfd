"""The one-to-one name map of docs/export.md: the bank's names as names that hledger and beancount accept.

Every function here is total over texts, and no two texts ever come out as one name: `account_of` and
`commodity_of` are the inverses. What comes out is ASCII.
"""

from __future__ import annotations

import re
from base64 import b32encode
from functools import lru_cache
from hashlib import sha256
from typing import Final

from pointsbank.ledger.chart import AccountType

ROOTS: Final[dict[AccountType, str]] = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expenses",
}
_TYPES: Final[dict[str, AccountType]] = {root: kind for kind, root in ROOTS.items()}

LEAD_IN: Final = "X-"
"""Begins a part whose first character cannot be capitalised without loss: `V0001` is `X-V0001`."""

SHORT: Final = "X."
"""Begins the short code of a commodity that has no legal name of its own."""

_SHORT_CODE: Final = re.compile(r"X\.[A-Z2-7]{22}")
_COMMODITY: Final = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")
_RESERVED: Final = frozenset(("TRUE", "FALSE", "NULL"))
"""Words of beancount's grammar that look like commodities."""

_PLAIN_PART: Final = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_TO_ESCAPE: Final = re.compile(r"-(?![A-Za-z0-9])|[^A-Za-z0-9-]", re.DOTALL)
_ESCAPED: Final = re.compile(r"--([0-9a-f]{1,6})-")


@lru_cache(maxsize=65_536)
def account_name(kind: AccountType, path: str) -> str:
    """The exported name of an account: `volunteer:ab-1:merit`, equity, is `Equity:Volunteer:Ab-1:Merit`."""
    return ":".join((ROOTS[kind], *map(_part_name, path.split(":"))))


def account_of(name: str) -> tuple[AccountType, str] | None:
    """Type and path of an exported account name, or None if no account is exported under it."""
    root, colon, rest = name.partition(":")
    kind = _TYPES.get(root)
    if kind is None or not colon:
        return None
    parts = [_part_of(part) for part in rest.split(":")]
    path = ":".join(part for part in parts if part is not None)
    return (kind, path) if None not in parts and account_name(kind, path) == name else None


def _part_name(part: str) -> str:
    escaped = part if _PLAIN_PART.fullmatch(part) else _TO_ESCAPE.sub(_escape, part)
    first = part[:1]
    if first.isascii() and (first.islower() or first.isdigit()):
        capitalised = first.upper() + escaped[1:]
        if not capitalised.startswith(LEAD_IN):
            return capitalised
    return LEAD_IN + escaped


def _escape(match: re.Match[str]) -> str:
    return f"--{ord(match[0]):x}-"


def _part_of(name: str) -> str | None:
    try:
        if name.startswith(LEAD_IN):
            return _unescape(name.removeprefix(LEAD_IN))
        return _unescape(name[:1].lower() + name[1:])
    except (ValueError, OverflowError):  # an escape beyond the last character of Unicode
        return None


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


@lru_cache(maxsize=4096)
def commodity_name(code: str) -> str:
    """The exported name of a commodity: `SKU:G001` is `SKU-G001`, an illegal one a short code."""
    name = code.replace("-", "--").replace(":", "-")
    if (
        _COMMODITY.fullmatch(name)
        and name not in _RESERVED
        and not name.startswith(SHORT)
        and _code_of_plain(name) == code
    ):
        return name
    digest = sha256(code.encode("utf-8", "surrogatepass")).digest()
    return SHORT + b32encode(digest).decode("ascii")[:22]


def commodity_of(name: str) -> str | None:
    """The commodity of an exported name; None for a stranger and for a short code (it is declared)."""
    code = _code_of_plain(name)
    return code if not is_short_code(name) and commodity_name(code) == name else None


def is_short_code(name: str) -> bool:
    """Whether an exported commodity name stands for a full name that only its declaration tells."""
    return _SHORT_CODE.fullmatch(name) is not None


def _code_of_plain(name: str) -> str:
    return re.sub("--?", lambda match: "-" if match[0] == "--" else ":", name)
