"""For work that frees nearly all it makes by itself: looking for garbage seldom.

A load keeps people, accounts and books in memory, and a large group of drafts is a quarter of a million small objects.
Python looks through them again and again for cycles that are hardly ever there: of a loading process's time every
fourth second, of a bulk posting's every sixth.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

SELDOM: Final = (50_000_000, 50, 100)
"""Objects and rounds between two looks; Python's own are (700, 10, 10)."""

MANY: Final = 256
"""Things at once from which on it is worth it."""

_works = 0
_before = gc.get_threshold()


def begin_work() -> None:
    """Look for garbage hardly ever, until as many works have ended as have begun."""
    global _works, _before
    if not _works:
        _before = gc.get_threshold()
        gc.set_threshold(*SELDOM)
    _works += 1


def end_work() -> None:
    """One work has ended; after the last of them garbage is looked for as before."""
    global _works
    _works -= 1
    if not _works:
        gc.set_threshold(*_before)


def collecting_for(things: int) -> AbstractContextManager[None]:
    """A work that judges so many things at once, as `collecting_seldom`; with a few nothing is done."""
    return collecting_seldom() if things >= MANY else nullcontext()


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """A work from here to the end of the block, however that comes."""
    begin_work()
    try:
        yield
    finally:
        end_work()
