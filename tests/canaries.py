"""Values of test people that may stand nowhere but in the people store: no test's log may hold one.

Every log line of the session is searched, and what the processes that it started wrote to standard error. A test
that invents somebody takes the values from here, or adds them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

NAME: Final = "欧阳雪莲"
PHONE: Final = "13936661234"
ID_NUMBER: Final = "230103195803214521"
VOLUNTEER: Final = "V2301987001"
CARD: Final = "CARD-7QX4-MN2K-93ZT"
OF_ONE_PERSON: Final = (NAME, PHONE, ID_NUMBER, VOLUNTEER, CARD)

CANARIES: Final = (
    *OF_ONE_PERSON,
    "司马佳慧", "13845670123", "V2301987654",  # tests/people/test_logs.py
    "张小明", "13812345678", "V2301000001",  # tests/people/conftest.py
)  # fmt: skip


class Logs(logging.Handler):
    """Keeps what is logged, structured or not, as text."""

    def __init__(self, canaries: Sequence[str] = CANARIES) -> None:
        super().__init__(logging.DEBUG)
        self.canaries = canaries
        self.found: dict[str, str] = {}
        """The first log line in which each canary was found."""
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.look(record.getMessage())
        except (TypeError, ValueError):  # a message that does not format is logging's own to report
            self.look(f"{record.msg} {record.args}")
        if record.exc_text:
            self.look(record.exc_text)

    def processor(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.look(repr(dict(event)))
        return event

    def look(self, text: str) -> None:
        self.lines += 1
        for canary in self.canaries:
            if canary in text or canary.encode("unicode_escape").decode() in text:
                self.found.setdefault(canary, text[:500])


@contextmanager
def watched_logs(canaries: Sequence[str] = CANARIES) -> Iterator[Logs]:
    """Keep all log lines, however the program under test configures its logging meanwhile."""
    logs = Logs(canaries)
    configure: Callable[..., None] = structlog.configure

    def configure_watched(processors: Any = None, *args: Any, **kwargs: Any) -> None:
        given = list(processors if processors is not None else structlog.get_config()["processors"])
        given = [one for one in given if one != logs.processor]
        configure([logs.processor, *given], *args, **kwargs)

    root = logging.getLogger()
    before = structlog.get_config()
    root.addHandler(logs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure_watched)
        structlog.configure()
        try:
            yield logs
        finally:
            root.removeHandler(logs)
    configure(**before)


@contextmanager
def watched_processes(logs: Logs, folder: Path) -> Iterator[None]:
    """Look also at what Python processes started meanwhile write to standard error, wherever that goes.

    Each keeps a copy in the folder (tests/children/sitecustomize.py); the copies are read at the end.
    """
    children = str(Path(__file__).parent / "children")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_TEST_STDERR", str(folder))
        patch.setenv("PYTHONPATH", children, prepend=os.pathsep)
        try:
            yield
        finally:
            for file in sorted(folder.iterdir()):
                for line in file.read_text("utf-8", errors="backslashreplace").splitlines():
                    logs.look(line)


def python_path() -> str:
    """PYTHONPATH of a process that a test starts: this tree first, then what is watched for it."""
    source = str(Path(__file__).parents[1] / "src")
    return os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
