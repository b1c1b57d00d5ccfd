"""Passwords: argon2id over an HMAC under the pepper, in threads of their own that give way to everybody else.

19 MiB and two passes (OWASP's first choice for one lane); as many at a time as there are cores, a bounded number
waits, and what comes on top of that is told to come back.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pointsbank.access.common_passwords import is_common
from pointsbank.access.pepper import Pepper
from pointsbank.access.rights import LogInRules

T = TypeVar("T")

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
MOST_WAITING: Final = 64
_NICE: Final = 10
"""Threads that hash yield to the loop that answers: logging in may take longer, a till may not."""

_OURS: Final = ("pointsbank", "积分银行", "jifenyinhang", "zhiyuanzhe", "志愿者", "volunteer")
"""Words of this service: the first that somebody would try who knows where the password is for."""


class PasswordsBusy(Exception):
    """More log-ins wait than the machine can hash in reasonable time."""


class Passwords:
    """Hashes and checks passwords without holding up the loop. Close it at the end."""

    def __init__(self, pepper: Pepper, *, workers: int | None = None) -> None:
        self._pepper = pepper
        self._hasher = PasswordHasher(PASSES, MEMORY_KIB, 1, hash_len=32, salt_len=16)
        self._workers = workers or len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self._workers, "passwords", initializer=_give_way)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """What is kept of a password. Raises PasswordsBusy."""
        return await self._run(self._hash, password)

    async def check(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one that was kept; as much work if there is none. Raises PasswordsBusy."""
        return await self._run(self._check, kept, password)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(self._peppered(password))

    def _check(self, kept: str | None, password: str) -> bool:
        if not self._nobodys:
            self._nobodys = self._hash("")
        try:
            self._hasher.verify(kept or self._nobodys, self._peppered(password))
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def _peppered(self, password: str) -> bytes:
        return self._pepper.derive("password", password.encode("utf-8", "surrogatepass"))

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        if self._waiting >= self._workers + MOST_WAITING:
            raise PasswordsBusy("too many log-ins wait")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1


def weakness(password: str, login: str, rules: LogInRules, known: frozenset[str] = frozenset()) -> str:
    """Why a password may not be used: `short`, `long`, `common`, `plain`, `ours` or `login`; empty if it may.

    `known` is the list of the city's own. There is no rule on sorts of characters, and none on renewal: length is what
    helps (NIST SP 800-63B).
    """
    lower = password.lower()
    if len(password) < rules.password_shortest:
        return "short"
    if len(password) > rules.password_longest:
        return "long"
    if is_common(password, known):
        return "common"
    if len(set(lower)) < 5 or _is_run(lower):
        return "plain"
    if any(word in lower for word in _OURS):
        return "ours"
    return "login" if login.lower() in lower else ""


def _is_run(text: str) -> bool:
    """Whether each character follows the one before it, up or down, or a short piece is repeated."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if steps in ({1}, {-1}):
        return True
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 5))


def _give_way() -> None:
    """Lower the priority of this thread; where a system knows no such thing for threads, nothing happens."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
