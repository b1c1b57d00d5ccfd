"""What a process that a test starts writes to standard error is also kept in a file of its own, for the watch over logs.

It is found by way of PYTHONPATH (tests/canaries.py sets it), so it holds for every Python process, however it was
started and wherever its standard error goes.
"""

import io
import os
import sys

FOLDER = "POINTSBANK_TEST_STDERR"


class _Both(io.BufferedIOBase):
    """Writes on to where standard error went, and to the file; nothing is lost when the process is killed."""

    def __init__(self, onward: io.BufferedIOBase, path: str) -> None:
        self._onward = onward
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the process lives

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._onward.fileno()

    def isatty(self) -> bool:
        return self._onward.isatty()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._file.write(data)
        self._onward.write(data)
        self._onward.flush()
        return len(data)

    def flush(self) -> None:
        self._onward.flush()


if FOLDER in os.environ and sys.stderr is not None:
    sys.stderr = io.TextIOWrapper(
        _Both(sys.stderr.buffer, os.path.join(os.environ[FOLDER], f"{os.getpid()}.log")),  # type: ignore[arg-type]
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )
