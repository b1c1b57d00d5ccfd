"""Starts and speaks to posting processes; every one is gone when the test is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.canaries import python_path

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def posting_process(
    url: str, ledger: str, name: str, count: int, callers: int = 8
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has opened the ledger and waits for `go`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.engine.posting_process", url, ledger, name, str(count), str(callers),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if line != b"ready\n":
            _, errors = await process.communicate()
            raise AssertionError(errors.decode()[-2000:])
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def go(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def acknowledged(process: asyncio.subprocess.Process, at_most: int | None = None) -> dict[str, int]:
    """Keys with their sequences, as the process prints them; up to `at_most`, or all."""
    assert process.stdout is not None
    found: dict[str, int] = {}
    while at_most is None or len(found) < at_most:
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            break
        key, outcome = line.decode().split()
        found[key] = int(outcome)
    return found
