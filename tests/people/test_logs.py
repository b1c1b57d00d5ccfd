"""No log line holds a value about a person, however much is logged."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from tests.canaries import watched_logs, watched_processes

from pointsbank.app import configure_logging
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.changes import Change, Changes
from pointsbank.people.closing import close_account
from pointsbank.people.export import export_own_data
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore
from pointsbank.settings import Settings

from .conftest import id_number, put, somebody

NAME, PHONE, NUMBER, REASON = "司马佳慧", "13845670123", "V2301987654", "腿脚不便，电话回访"
ID_NUMBER = id_number("1961-07-09", 987)
CANARIES = (NAME, PHONE, NUMBER, ID_NUMBER, REASON, "13999998888", "1961-07-09")


async def test_a_life_in_the_store_leaves_nothing_in_the_logs(
    registry: Registry, store: PeopleStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def settle(person_id: str, settlement: str, key: str) -> Refusal | None:
        return None

    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # every callback is logged, as the loop sees it
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "asyncio", "asyncpg", ""):
        caplog.set_level(logging.DEBUG, logger=name)
    person = await put(
        registry, somebody(name=NAME, phone=PHONE, volunteer_number=NUMBER, id_number=ID_NUMBER)
    )
    for kind, number in (("phone", PHONE), ("volunteer-number", NUMBER), ("id-number", ID_NUMBER)):
        await registry.find(kind, number, "clerk")  # type: ignore[arg-type]
    await registry.unmask(person, "name", "clerk", permitted=True, reason=REASON)
    proposed = await Changes(store).propose_phone(person, "13999998888", "clerk-1")
    assert isinstance(proposed, Change)
    await Changes(store).confirm(person, proposed.id, "clerk-2")
    await export_own_data(store, person, person)
    await close_account(store, person, settle, by="clerk")
    loop.set_debug(False)
    assert "INSERT INTO" in caplog.text, "the test sees what is logged"
    assert [canary for canary in CANARIES if canary in caplog.text] == []


def test_a_canary_in_any_log_of_a_test_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The watch over the whole session sees what is logged, by whom and however it was configured since."""
    with watched_logs(["first-canary", "second-canary", "third-canary", "雪雁"]) as logs:
        structlog.get_logger("a").info("x", person="first-canary")
        configure_logging(Settings())
        structlog.get_logger("b").warning("y second-canary")
        logging.getLogger("c").warning("%s", "third-canary")
        structlog.get_logger("d").warning("z", values={"name": ["雪雁"]})
    assert set(logs.found) == {"first-canary", "second-canary", "third-canary", "雪雁"}
    capsys.readouterr()


LOGGING = """
import logging, os, signal, structlog, sys
from pointsbank.app import configure_logging
from pointsbank.settings import Settings
configure_logging(Settings(log_format=sys.argv[1]))
structlog.get_logger("a").warning("x", person=f"{sys.argv[1]}-canary")
logging.getLogger("b").warning(f"{sys.argv[1]}-plain-canary")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("stderr", [subprocess.PIPE, subprocess.DEVNULL])
def test_a_canary_in_the_log_of_a_process_that_a_test_started_is_found(tmp_path: Path, stderr: int) -> None:
    """Also of one that was killed, and whose standard error nobody reads."""
    canaries = {f"{form}{plain}-canary" for form in ("json", "console") for plain in ("", "-plain")}
    with watched_logs([*canaries, "another-canary"]) as logs, watched_processes(logs, tmp_path):
        for form in ("json", "console"):
            run = subprocess.run([sys.executable, "-c", LOGGING, form], stderr=stderr, check=False)
            assert run.returncode == -9
            assert stderr == subprocess.DEVNULL or f"{form}-canary".encode() in run.stderr
    assert set(logs.found) == canaries
