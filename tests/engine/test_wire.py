"""The wire between two processes carries messages in order, and says when there will be no more."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from pointsbank.engine.wire import Wire


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ended a thread."""
    caught: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", caught.append)
    return caught


class Unreadable:
    """A message that goes out and cannot be read at the other end."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def two_ends() -> tuple[Wire, Wire, asyncio.Queue[Any], asyncio.Queue[Any]]:
    one, other = socket.socketpair()
    here: asyncio.Queue[Any] = asyncio.Queue()
    there: asyncio.Queue[Any] = asyncio.Queue()
    return Wire(one, here.put_nowait), Wire(other, there.put_nowait), here, there


async def test_messages_arrive_in_order_however_large_and_the_last_is_none() -> None:
    left, right, here, there = two_ends()
    messages = [1, "x" * 5_000_000, [None], b"y" * 3_000_000, 2]
    for message in messages:
        left.send(message)
        right.send(message)
    for queue in (here, there):
        assert [await asyncio.wait_for(queue.get(), 30) for _ in messages] == messages
    await asyncio.wait_for(asyncio.gather(left.close(), right.close()), 30)
    assert (await here.get(), await there.get()) == (None, None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wire")]


async def test_what_cannot_be_read_ends_the_talk_for_both_and_nobody_waits(caught: list[Any]) -> None:
    left, right, here, there = two_ends()
    left.send(Unreadable())
    left.send("never read")
    assert await asyncio.wait_for(there.get(), 10) is None
    assert await asyncio.wait_for(here.get(), 10) is None
    left.send("x" * 5_000_000)
    await asyncio.wait_for(asyncio.gather(left.close(), right.close()), 10)
    assert [each.exc_type for each in caught] == [ValueError]
