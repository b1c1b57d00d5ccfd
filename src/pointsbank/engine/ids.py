"""Ids that the application makes: UUIDv7, in time order, never derived from anything about a person."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    """A fresh UUIDv7 in its usual text form. Nothing reads a time back out of it."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
