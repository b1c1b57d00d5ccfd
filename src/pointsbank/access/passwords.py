"""Passwords: argon2id over an HMAC under the pepper, in processes of their own that give way to everybody else.

19 MiB and two passes (OWASP's first choice for one lane); as many at a time as there are cores, a bounded number
waits, and what comes on top of that is told to come back.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final, TypeVar

from pointsbank.access.common_passwords import is_common
from pointsbank.access.hashers import Hasher, HasherLost
from pointsbank.access.pepper import Pepper
from pointsbank.access.rights import LogInRules

T = TypeVar("T")

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
MOST_WAITING: Final = 64

_OURS: Final = ("pointsbank", "积分银行", "jifenyinhang", "zhiyuanzhe", "志愿者", "volunteer")
"""Words of this service: the first that somebody would try who knows where the password is for."""


class PasswordsBusy(Exception):
    """More log-ins wait than the machine can hash in reasonable time, or what hashes was lost: come back later."""


class Passwords:
    """Hashes and checks passwords without holding up the loop. Close it at the end."""

    def __init__(self, pepper: Pepper, *, workers: int | None = None) -> None:
        self._pepper = pepper
        self.workers = workers or cores()
        self.hashers = [Hasher(PASSES, MEMORY_KIB) for _ in range(self.workers)]
        self._free = deque(self.hashers)
        self._threads = ThreadPoolExecutor(self.workers, "passwords")
        self.waiting = 0
        self._is_closed = False
        self._nobodys = _hash_of_nothing()

    async def hash(self, password: str) -> str:
        """What is kept of a password. Raises PasswordsBusy."""
        secret = self._peppered(password)
        return await self._run(lambda hasher: hasher.hash(secret))

    async def check(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one that was kept; as much work if there is none. Raises PasswordsBusy."""
        secret = self._peppered(password)
        is_right = await self._run(lambda hasher: hasher.check(secret, kept or self._nobodys))
        return is_right and kept is not None

    def close(self) -> None:
        """End the processes; what is being hashed or waits is told that it is busy."""
        self._is_closed = True
        for hasher in self.hashers:
            hasher.stop()
        self._threads.shutdown()
        for hasher in self.hashers:
            hasher.close()

    def _peppered(self, password: str) -> bytes:
        return self._pepper.derive("password", password.encode("utf-8", "surrogatepass"))

    async def _run(self, work: Callable[[Hasher], T]) -> T:
        if self._is_closed or self.waiting >= self.workers + MOST_WAITING:
            raise PasswordsBusy("too many log-ins wait")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_free, work)
        except HasherLost as lost:
            raise PasswordsBusy(str(lost)) from lost
        finally:
            self.waiting -= 1

    def _with_free(self, work: Callable[[Hasher], T]) -> T:
        """Let a process do it that does nothing now: there are as many as threads. Those that run come first."""
        hasher = self._free.pop()
        try:
            return work(hasher)
        finally:
            self._free.append(hasher)


def cores() -> int:
    """How many processors there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hash_of_nothing() -> str:
    """What no password fits, in the form of a kept hash: checking against it costs as much."""
    salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${digest}"


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
