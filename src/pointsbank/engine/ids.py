"""Ids that the application makes: UUIDv7, in time order, never derived from anything about a person."""

from __future__ import annotations

import os
import time

_MILLISECOND = 1_000_000


def new_id() -> str:
    """A fresh UUIDv7 in its usual text form. Nothing reads a time back out of it.

    Those of one process are in the order they were made even within a millisecond: the twelve bits behind the
    milliseconds count its 4096ths, as RFC 9562 allows (6.2, method 3), and 62 are random.
    """
    milliseconds, rest = divmod(time.time_ns(), _MILLISECOND)
    fraction = (rest << 12) // _MILLISECOND
    random = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | random
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
