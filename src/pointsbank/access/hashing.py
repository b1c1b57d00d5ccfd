"""A process that hashes and does nothing else: a line in, a line out, until its input ends.

It is run as a file of its own and imports argon2 alone, so it is small and soon there. What it is sent is an HMAC under
the pepper, never a password, over a pipe that nobody else can read; it says nothing anywhere else. Its input ends when
whoever started it is gone, also if that was killed.

`hash <secret>` is answered with what is kept, `check <secret> <kept>` with 1 or 0, both arguments in hexadecimal; `!`
says that it could not be done, for want of memory mostly. `yield` has no answer: from then on it gives way again.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from argon2 import PasswordHasher
from argon2.exceptions import HashingError, InvalidHashError, VerificationError


def main() -> None:
    """Serve until the input ends. Arguments: passes, memory in KiB, and `yield` or `hurry`."""
    passes, memory_kib, pace = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # whoever started it may still be answering: it ends by its input
    for asked_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_end, signal.SIG_IGN)
    if pace == "yield":
        give_way()
    hasher = PasswordHasher(passes, memory_kib, 1, hash_len=32, salt_len=16)
    out = sys.stdout.buffer
    while line := sys.stdin.buffer.readline():
        what, *arguments = line.decode("ascii").split()
        if what == "yield":
            give_way()
            continue
        out.write(_answer(hasher, what, *map(bytes.fromhex, arguments)) + b"\n")
        out.flush()


def give_way() -> None:
    """Run only when nobody else wants to; where a system knows no such thing, as little as it knows."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _answer(hasher: PasswordHasher, what: str, secret: bytes, kept: bytes = b"") -> bytes:
    try:
        if what == "hash":
            return hasher.hash(secret).encode("ascii")
        hasher.verify(kept, secret)
    except (VerificationError, InvalidHashError):
        return b"0"
    except (HashingError, MemoryError):
        return b"!"
    return b"1"


if __name__ == "__main__":
    main()
