"""The one clock. Everything that needs the time is given it, so a test can move it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Whoever tells the time."""

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int) -> None:
        self.time = now

    def now(self) -> int:
        return self.time
