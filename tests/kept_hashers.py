"""The processes that hash, kept from one test to the next: to start one takes longer than to hash.

They are the real ones, at the real cost, and keep nothing between two questions. They do not give way, as they would
beside a till: with a test in each processor a log-in would wait for the tests of the other. How they start, give way
and end is for tests/access/test_hashing.py, which has processes of its own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pointsbank.access import passwords
from pointsbank.access.hashers import Hasher

_IDLE: list[Hasher] = []


class _AtOnce(Hasher):
    def _started(self, pace: str) -> subprocess.Popen[bytes]:
        return super()._started("hurry")


class KeptHasher:
    """What `Passwords` sees of a hasher; its process goes to the next that asks for one."""

    def __init__(self, passes: int, memory_kib: int) -> None:
        assert (passes, memory_kib) == (passwords.PASSES, passwords.MEMORY_KIB)
        self._kept: Hasher | None = None

    @property
    def pid(self) -> int | None:
        return self._kept.pid if self._kept else None

    def hash(self, secret: bytes) -> str:
        return self._lent().hash(secret)

    def check(self, secret: bytes, kept: str) -> bool:
        return self._lent().check(secret, kept)

    def stop(self) -> None:
        """Nobody asks any more; what is being hashed is done in a moment."""

    def close(self) -> None:
        if self._kept is not None:
            _IDLE.append(self._kept)
        self._kept = None

    def _lent(self) -> Hasher:
        if self._kept is None:
            self._kept = _IDLE.pop() if _IDLE else _AtOnce(passwords.PASSES, passwords.MEMORY_KIB)
        return self._kept


@contextmanager
def kept_hashers() -> Iterator[None]:
    """Passwords that are made meanwhile are hashed by processes that stay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "Hasher", KeptHasher)
        yield
    while _IDLE:
        _IDLE.pop().close()
