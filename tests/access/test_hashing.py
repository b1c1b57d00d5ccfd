"""The processes that hash: small, unseen, in nobody's way, and replaced when they are gone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsbank.access import hashers
from pointsbank.access.passwords import Passwords, PasswordsBusy
from pointsbank.access.pepper import Pepper
from pointsbank.access.refusals import LogInRefused
from pointsbank.store.database import Database

from .office import ADDRESS, PASSWORD, open_office

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def processes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process here has served another test."""
    monkeypatch.setattr("pointsbank.access.passwords.Hasher", hashers.Hasher)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(Pepper(bytes(32)), workers=1)
    yield made
    made.close()


def pid_of(passwords: Passwords) -> int:
    pid = passwords.hashers[0].pid
    assert pid is not None
    return pid


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.001)


async def test_what_hashes_starts_when_it_is_first_needed_and_ends_with_close(passwords: Passwords) -> None:
    assert passwords.hashers[0].pid is None
    kept = await passwords.hash("a")
    pid = pid_of(passwords)
    assert await passwords.check(kept, "a")
    assert pid_of(passwords) == pid
    passwords.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(PasswordsBusy):
        await passwords.check(kept, "a")


async def test_as_many_processes_as_log_ins_at_a_time_and_no_more_than_there_are_workers() -> None:
    passwords = Passwords(Pepper(bytes(32)), workers=2)
    try:
        await passwords.hash("a")
        assert [hasher.pid is not None for hasher in passwords.hashers] == [False, True], (
            "one at a time, one process"
        )
        kept = await asyncio.gather(*(passwords.hash(str(n)) for n in range(20)))
        right = await asyncio.gather(*(passwords.check(one, str(n)) for n, one in enumerate(kept)))
        wrong = await asyncio.gather(*(passwords.check(one, str(n + 1)) for n, one in enumerate(kept)))
        assert all(right)
        assert not any(wrong), "no answer goes to somebody else"
        assert all(hasher.pid is not None for hasher in passwords.hashers)
    finally:
        passwords.close()


@pytest.mark.parametrize(
    "kept", ["", "no hash", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$x$y", "\n", "\ud800", "乙" * 2000]
)
async def test_a_damaged_hash_fits_nothing_and_stops_nothing(passwords: Passwords, kept: str) -> None:
    assert not await passwords.check(kept, "a")
    assert await passwords.check(await passwords.hash("\ud800\0\n"), "\ud800\0\n")


async def test_a_process_that_was_killed_is_replaced_and_nobody_notices(passwords: Passwords) -> None:
    kept = await passwords.hash("a")
    first = pid_of(passwords)
    os.kill(first, signal.SIGKILL)
    assert await passwords.check(kept, "a")
    assert pid_of(passwords) != first


async def test_it_does_not_end_before_whoever_asks_when_a_whole_service_is_told_to(
    passwords: Passwords,
) -> None:
    kept = await passwords.hash("a")
    pid = pid_of(passwords)
    for asked_to_end in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, asked_to_end)
    assert await passwords.check(kept, "a")
    assert pid_of(passwords) == pid


async def test_a_process_that_is_killed_in_the_midst_of_a_log_in_is_replaced(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        hasher = next(one for one in office.log_ins.passwords.hashers if one.pid)
        pid = hasher.pid or 0
        os.kill(pid, signal.SIGSTOP)  # it cannot have answered before it dies
        opening = asyncio.ensure_future(office.log_in("ann"))
        await until(lambda: office.log_ins.passwords.waiting > 0)
        os.kill(pid, signal.SIGKILL)
        opened = await opening
        assert await office.log_ins.actor(opened.token) is not None
        assert hasher.pid not in (None, pid)


async def test_what_is_killed_again_and_again_is_told_and_the_next_log_in_goes_on(
    passwords: Passwords,
) -> None:
    kept = await passwords.hash("a")
    checking = asyncio.ensure_future(passwords.check(kept, "a"))
    while not checking.done():
        pid = passwords.hashers[0].pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy, match="has ended") as told:
        await checking
    assert "a" * 64 not in repr(told.value)
    assert await passwords.check(kept, "a")


async def test_closing_in_the_midst_tells_everybody_who_waits(passwords: Passwords) -> None:
    kept = await passwords.hash("a")
    pid = pid_of(passwords)
    os.kill(pid, signal.SIGSTOP)
    waiting = [asyncio.ensure_future(passwords.check(kept, "a")) for _ in range(5)]
    await until(lambda: passwords.waiting == 5)
    await asyncio.to_thread(passwords.close)
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [PasswordsBusy] * 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# who gives way to whom


@linux
async def test_it_runs_when_nobody_else_wants_to(passwords: Passwords) -> None:
    await passwords.hash("a")
    assert os.sched_getscheduler(pid_of(passwords)) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, pid_of(passwords)) == 19
    assert os.sched_getscheduler(0) != os.SCHED_IDLE


@linux
async def test_who_has_given_way_for_a_second_is_served_at_ordinary_priority_for_a_minute(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await passwords.hash("a")
    starved = pid_of(passwords)
    os.kill(starved, signal.SIGSTOP)  # as on a machine where it never gets a turn
    monkeypatch.setattr(hashers, "PATIENCE_SECONDS", 0.05)
    assert await passwords.check(kept, "a")
    hurries = pid_of(passwords)
    assert hurries != starved
    assert os.sched_getscheduler(hurries) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, hurries) == os.getpriority(os.PRIO_PROCESS, 0)
    assert await passwords.check(kept, "a")
    assert pid_of(passwords) == hurries
    monkeypatch.setattr(hashers, "PATIENCE_SECONDS", 20.0)
    passwords.hashers[0]._hurries_until = 0.001  # the minute is over
    assert not await passwords.check(kept, "b")
    assert pid_of(passwords) == hurries
    assert os.sched_getscheduler(hurries) == os.SCHED_IDLE


@linux
async def test_who_takes_over_from_one_that_starves_again_does_not_give_way(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await passwords.hash("a")
    starves = pid_of(passwords)
    passwords.hashers[0]._hurries_until = 0.001  # it hurried, and its minute is over
    os.kill(starves, signal.SIGSTOP)
    monkeypatch.setattr(hashers, "PATIENCE_SECONDS", 0.05)
    assert await passwords.check(kept, "a")
    assert pid_of(passwords) != starves
    assert os.sched_getscheduler(pid_of(passwords)) == os.SCHED_OTHER


# what others can see of it


@linux
async def test_nothing_of_a_password_nor_of_our_settings_stands_in_arguments_or_environment(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSBANK_MASTER_KEY", "canary of the key")
    monkeypatch.setenv("PGPASSWORD", "canary of the database")
    kept = await passwords.hash("canary of a password")
    assert await passwords.check(kept, "canary of a password")
    folder = Path("/proc") / str(pid_of(passwords))
    seen = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    assert b"canary" not in seen
    assert b"POINTSBANK" not in seen
    assert kept.encode() not in seen


def test_it_loads_nothing_of_the_application() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", hashers.HASHING, "1", "8", "yield"],
        input=b"",
        capture_output=True,
        check=True,
    )
    loaded = {line.rpartition(b"|")[2].strip() for line in said.stderr.splitlines()}
    assert b"argon2" in loaded
    assert not {
        one for one in loaded if one.startswith((b"pointsbank", b"sqlalchemy", b"litestar", b"asyncio"))
    }


PARENT = """
import asyncio, sys
from pointsbank.access.passwords import Passwords
from pointsbank.access.pepper import Pepper
async def run():
    passwords = Passwords(Pepper(bytes(32)), workers=2)
    await asyncio.gather(passwords.hash("a"), passwords.hash("b"))
    print(*(hasher.pid for hasher in passwords.hashers), flush=True)
    sys.stdin.read()
asyncio.run(run())
"""


def test_it_ends_with_whoever_started_it_also_if_that_was_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    _, said = parent.communicate(
        timeout=20
    )  # which ends when the last of them lets go of the parent's stderr
    assert said == b""


async def test_a_hundred_attempts_at_once_are_counted_answered_or_told_to_come_back(
    database: Database,
) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        tries = [
            office.log_ins.log_in("ann", "a wrong password indeed", "1", f"10.0.0.{n}") for n in range(100)
        ]
        told = await asyncio.gather(*tries, return_exceptions=True)
        assert {getattr(one, "code", type(one).__name__) for one in told} <= {
            "log-in-refused",
            "too-many-attempts",
            "PasswordsBusy",
        }
        assert sum(one == LogInRefused() for one in told) <= 30
        office.clock.time += 15 * 60_000_000
        assert getattr(await office.log_ins.log_in("ann", PASSWORD, office.code("ann"), ADDRESS), "token", "")
