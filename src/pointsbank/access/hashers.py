"""Starts the processes that hash, asks them, and replaces those that end or get no processor.

Hashing takes its time and 19 MiB of memory bandwidth; in a thread of the process that answers, a till would wait for
it: a thread of low priority that holds Python's lock while it is off the processor stops everybody else.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from pointsbank.settings import for_an_interpreter

PATIENCE_SECONDS: Final = 1.0
"""A process that gives way gets hardly any processor on a machine that is fully busy (3 shares where others have
1,024). After so long somebody who logs in has given way enough: a process of ordinary priority does it."""

HURRY_SECONDS: Final = 60.0
"""How long a process then keeps its ordinary priority."""

HASHING: Final = Path(__file__).with_name("hashing.py")

_KEEPS_MEMORY: Final = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=268435456"
}
"""The memory of one hash serves the next, in large pages: a tenth to a fifth less work. Other C libraries do not look."""


class HasherLost(Exception):
    """The process that hashes ended, twice, or had no memory."""


class Hasher:
    """One process that hashes, started when it is first asked. One thread asks; `stop` is for any."""

    def __init__(self, passes: int, memory_kib: int) -> None:
        self._figures = (str(passes), str(memory_kib))
        self._process: subprocess.Popen[bytes] | None = None
        self._hurries_until = 0.0
        self._ending: list[subprocess.Popen[bytes]] = []
        self._is_stopped = False
        self._changes = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def hash(self, secret: bytes) -> str:
        """What is kept of a secret. Raises HasherLost."""
        return self._ask(f"hash {secret.hex()}\n").decode("ascii")

    def check(self, secret: bytes, kept: str) -> bool:
        """Whether the secret is the one that was kept. Raises HasherLost."""
        return self._ask(f"check {secret.hex()} {kept.encode('utf-8', 'surrogatepass').hex()}\n") == b"1"

    def stop(self) -> None:
        """End the process, also in the midst of its work: whoever waits for it is told HasherLost."""
        with self._changes:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Give everything back, when nobody asks any more."""
        self.stop()
        self._drop()
        for process in self._ending:
            process.wait()

    def _ask(self, line: str) -> bytes:
        for _ in range(2):
            try:
                answer = self._answer(line.encode("ascii"))
            except OSError:
                answer = b""
            if answer:
                break
            self._drop()
        else:
            raise HasherLost("the process that hashes has ended")
        if answer == b"!":
            raise HasherLost("the process that hashes has no memory")
        return answer

    def _answer(self, line: bytes) -> bytes:
        """The answer of the process to a line, nothing if it ends meanwhile. Raises OSError if it has ended."""
        process = self._process or self._started("yield")
        if self._hurries_until and time.monotonic() > self._hurries_until:
            self._hurries_until = 0.0
            _send(process, b"yield\n")
        _send(process, line)
        if not self._hurries_until and not _answers_within(process, PATIENCE_SECONDS):
            self._drop()
            process = self._started("hurry")
            self._hurries_until = time.monotonic() + HURRY_SECONDS
            _send(process, line)
        return _received(process)

    def _started(self, pace: str) -> subprocess.Popen[bytes]:
        with self._changes:
            if self._is_stopped:
                raise HasherLost("no more is hashed")
            self._ending = [one for one in self._ending if one.poll() is None]
            self._hurries_until = 0.0
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-P", str(HASHING), *self._figures, pace],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=for_an_interpreter() | _KEEPS_MEMORY,
                # a group of its own: a terminal's Ctrl-C is for whoever asks. But no session of its own: Linux shares
                # the processor between sessions evenly, whatever the priority of what runs in them
                process_group=0 if os.name == "posix" else None,
            )
            return self._process

    def _drop(self) -> None:
        """Let the process go, if there is one. It is not waited for: without a processor it takes a while to end."""
        with self._changes:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._ending.append(process)


def _send(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)  # some hundred bytes: in one piece


def _received(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().removesuffix(b"\n")


def _answers_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether an answer comes, or the end, in so many seconds; True where a system cannot wait for a pipe."""
    if not hasattr(select, "poll"):
        return True
    assert process.stdout is not None
    waiting = select.poll()
    waiting.register(process.stdout, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
