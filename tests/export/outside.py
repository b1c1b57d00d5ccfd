"""Outside programs that judge our exports: there, or the test is skipped with one loud line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tool = Callable[..., str]


def tool(name: str) -> Tool:
    """Runs a program and returns what it prints. Without it: skips, or fails if POINTSBANK_TEST_FULL=1."""
    path = shutil.which(name)
    if path is None:
        complaint = f"{'hledger' if name == 'hledger' else 'beancount'} is not installed"
        if os.environ.get("POINTSBANK_TEST_FULL") == "1":
            pytest.fail(complaint)
        pytest.skip(complaint)

    def run(*arguments: str | Path) -> str:
        # a C locale on purpose: our files are plain ASCII, so nobody's locale matters
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, f"{name} says: {(done.stdout + done.stderr)[:2000]}"
        return done.stdout

    return run
