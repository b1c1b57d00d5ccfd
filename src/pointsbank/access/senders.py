"""What sends messages to phones: a sender chosen by its name in the settings, called after the commit, from the outbox.

A sender is an entry point of the group `pointsbank.senders`: a function that is given the settings and gives an object
with `async send(phone, template, code)`. It gets a number, the name of a text and a code, and nothing else about
anybody. `console` comes with the program: it writes under `var/`, and only a demo may use it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Protocol

import structlog

from pointsbank.access.rights import rights
from pointsbank.people import code_outbox, notices
from pointsbank.people.store import PeopleStore, people_url
from pointsbank.settings import Settings
from pointsbank.store.database import Database

GROUP: Final = "pointsbank.senders"
CONSOLE: Final = "console"
IDLE_SECONDS: Final = 5.0
"""How long the outbox waits when nobody says that there is something new."""

log = structlog.get_logger("pointsbank.senders")


class SenderError(Exception):
    """The sender of the settings cannot be used; the message says why."""


class Sender(Protocol):
    """Sends one message. An exception means that it was not sent."""

    async def send(self, phone: str, template: str, code: str) -> None:
        """Send the text with this name, and the code if it has one, to a phone in E.164 form."""
        ...


class ConsoleSender:
    """Writes messages into a file under var/, readable by its owner only: for a demo, whose people are invented."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def send(self, phone: str, template: str, code: str) -> None:
        await asyncio.to_thread(self._write, f"{phone}  {template}  {code}\n")

    def _write(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(line)


def sender_of(settings: Settings) -> Sender | None:
    """The sender that the settings name; None if they name none, and then nothing is sent. Raises SenderError."""
    name = settings.sender or (CONSOLE if settings.demo else "")
    if not name:
        return None
    if name == CONSOLE:
        if not settings.demo:
            raise SenderError(
                "发送方式 console 把验证码写进文件，只供演示。请设置 POINTSBANK_SENDER。\n"
                "The sender `console` writes codes into a file and is for the demo only. Set POINTSBANK_SENDER."
            )
        return ConsoleSender(console_path(settings))
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise SenderError(
            f"没有发送方式 {name} / there is no sender {name} among the entry points of {GROUP}"
        )
    sender: Sender = found[0].load()(settings)
    return sender


def console_path(settings: Settings) -> Path:
    """Where the demo's messages are: under var/, or beside a SQLite people store."""
    people = Database(people_url(settings))
    folder = people.path.parent if people.dialect == "sqlite" else Path("var")
    return folder / "messages.txt"


class Outbox:
    """Sends what waits, a bounded time for each message. What could not be sent is tried again until it is too old."""

    def __init__(self, store: PeopleStore, sender: Sender) -> None:
        self._store = store
        self._sender = sender
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def look(self) -> None:
        """There may be something new."""
        self._news.set()

    async def deliver(self) -> int:
        """Send what waits now; how many were sent."""
        done = 0
        for message in await code_outbox.take(self._store):
            if await self._send(message.id, message.phone, message.template, message.code):
                await code_outbox.sent(self._store, message.id)
                done += 1
        for notice in await notices.take(self._store):
            sent = await self._send(notice.id, notice.phone, notice.template, "")
            await notices.settle(self._store, notice.id, sent=sent)
            done += sent
        return done

    async def _send(self, message: str, phone: str, template: str, code: str) -> bool:
        try:
            async with asyncio.timeout(rights().visit.send_seconds):
                await self._sender.send(phone, template, code)
        except Exception as error:  # a provider may fail in any way: it must not stop what comes after
            # the kind of the error alone: its text may repeat the number
            log.warning("message.not_sent", message=message, template=template, error=type(error).__name__)
            return False
        return True

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.deliver()
            except Exception as error:  # the store is away for a moment: try again
                log.warning("outbox.failed", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._news.wait()
