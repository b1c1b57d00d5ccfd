"""The list of forgotten persons: random ids, one a line, in a file that lies outside every backup.

A people store that was restored from an old copy is told by it whom to forget again, before it serves.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pointsbank.people.master import sync_folder

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class ErasureList:
    """The file, made when the first line is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, person_id: str) -> None:
        """Write a person's id and make it durable. An id that stands there already is not written again."""
        assert _ID.fullmatch(person_id), "only random ids stand in this list"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                content = file.read()
            if person_id.encode() not in content.split(b"\n")[:-1]:
                # a line that a power cut left half written is ended first, and then counts for nothing
                torn = b"\n" if content and not content.endswith(b"\n") else b""
                os.write(descriptor, torn + person_id.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)

    def __iter__(self) -> Iterator[str]:
        """The ids, oldest first."""
        try:
            text = self.path.read_text("ascii", errors="replace")
        except FileNotFoundError:
            return
        for line in text.split("\n")[:-1]:
            if _ID.fullmatch(line):
                yield line
