"""Codes that rotate: a session's on the wall, a volunteer's own on a telephone. Signed, and soon worth nothing.

A code reads `<kind>.<id>.<step>.<mac>`: the step is the number of code periods since 1970, the mac the first 16
bytes of HMAC-SHA-256 over ledger, kind, id and step. Nothing of it is kept: who has the key makes and checks codes.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final, Literal

import msgspec

Kind = Literal["s", "v"]
"""`s` is a session's code, `v` a volunteer's own."""

PERIOD_SECONDS: Final = 30
"""A code is taken in its own period and in the next one: it lives 30 to 60 seconds."""

_MAC_BYTES: Final = 16
_MICROS: Final = 1_000_000


class RotatingCodes(msgspec.Struct, frozen=True):
    """Makes and checks codes of one ledger under a key that stands outside the database."""

    ledger: str
    key: bytes

    def code(self, kind: Kind, id_: str, now: int) -> str:
        """The code of this moment (microseconds UTC)."""
        step = _step(now)
        return f"{kind}.{id_}.{step}.{self._mac(kind, id_, step)}"

    def holder(self, kind: Kind, code: str, now: int) -> str | None:
        """Whose code this is, or None: forged, mistyped, of another ledger or another kind, too old or too new."""
        parts = code.split(".")
        if len(parts) != 4 or parts[0] != kind or not parts[2].isascii() or not parts[2].isdigit():
            return None
        _, id_, step, mac = parts
        if not id_ or len(step) > 15:
            return None
        is_ours = hmac.compare_digest(self._mac(kind, id_, int(step)).encode(), mac.encode(errors="replace"))
        return id_ if is_ours and _step(now) - int(step) in (0, 1) else None

    def _mac(self, kind: Kind, id_: str, step: int) -> str:
        text = "\x1f".join(("pointsbank code 1", self.ledger, kind, id_, str(step)))
        return hmac.digest(self.key, text.encode(), sha256)[:_MAC_BYTES].hex()


def _step(now: int) -> int:
    return now // (PERIOD_SECONDS * _MICROS)
