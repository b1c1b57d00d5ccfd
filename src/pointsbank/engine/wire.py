"""Messages between two processes over a socket pair: pickled, for nobody but the two that hold its ends.

Two threads carry them. A loop that judges or decides for a while between two looks at the socket would leave megabytes
waiting in its small buffer, and the other process waiting for them.
"""

from __future__ import annotations

import asyncio
import pickle
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

_LENGTH_BYTES: Final = 4

_PIECE: Final = 64
"""A pickler remembers where it met each object. What it remembers of a few things stays near the processor; of a
thousand drafts it does not, and then they take twice as long."""


def in_pieces(things: Sequence[Any]) -> list[bytes]:
    """Many things as messages carry them fastest."""
    return [
        pickle.dumps(things[start : start + _PIECE], pickle.HIGHEST_PROTOCOL)
        for start in range(0, len(things), _PIECE)
    ]


def taken_apart(piece: bytes) -> Sequence[Any]:
    """The things in a piece."""
    return pickle.loads(piece)  # type: ignore[no-any-return]  # noqa: S301 - from the other end of our own pair


class Wire:
    """One end. What comes in is handed to `on_message` in the event loop, in order; None after the last."""

    def __init__(self, connection: socket.socket, on_message: Callable[[Any], None]) -> None:
        connection.setblocking(True)
        self._connection = connection
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, name="wire-out", daemon=True)
        self._receiver = threading.Thread(target=self._receive_all, name="wire-in", daemon=True)
        self._sender.start()
        self._receiver.start()

    def send(self, message: object) -> None:
        """Hand a message over; never waits. If the other end is gone, `on_message` hears of it."""
        body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._outgoing.put(len(body).to_bytes(_LENGTH_BYTES, "big") + body)

    async def close(self) -> None:
        """Send what is still to be sent, then close this end."""
        self._outgoing.put(None)
        try:
            await self._loop.run_in_executor(None, self._sender.join)
        finally:
            self._hang_up()  # wakes the receiver, and a sender whose peer does not listen
        await self._loop.run_in_executor(None, self._receiver.join)
        self._connection.close()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send_all(self) -> None:
        with suppress(OSError):  # the other end is gone
            while (message := self._outgoing.get()) is not None:
                self._connection.sendall(message)

    def _receive_all(self) -> None:
        """Hand messages on until the last; one that cannot be read is the last, too, for both ends."""
        try:
            while (length := self._receive(_LENGTH_BYTES)) and (
                body := self._receive(int.from_bytes(length, "big"))
            ):
                self._tell(pickle.loads(body))  # noqa: S301 - from the other end of our own pair
        except OSError:
            pass
        finally:
            self._hang_up()
            self._tell(None)

    def _receive(self, size: int) -> bytearray:
        """So many bytes; none if the other end is closed."""
        body = bytearray(size)
        view, at = memoryview(body), 0
        while at < size:
            count = self._connection.recv_into(view[at:])
            if not count:
                return bytearray()
            at += count
        return body

    def _tell(self, message: object) -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._on_message, message)
