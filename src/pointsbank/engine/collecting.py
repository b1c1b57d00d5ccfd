"""For jobs that remember most of what they make: looking for garbage seldom."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OFTEN_ENOUGH: Final = (50_000_000, 50, 100)
"""Objects and rounds between two looks; Python's own are (700, 10, 10)."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage hardly ever meanwhile.

    A long load keeps people, accounts and books in memory, and Python looks through all of them again and again for
    cycles that are hardly ever there: of the loading process's time every fourth second.
    """
    before = gc.get_threshold()
    gc.set_threshold(*OFTEN_ENOUGH)
    try:
        yield
    finally:
        gc.set_threshold(*before)
