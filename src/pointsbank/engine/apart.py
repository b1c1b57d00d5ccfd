"""A writer in a process of its own, for jobs that have a processor's worth of work in judging what they hand over.

In one process Python's lock lets one thread compute at a time, so a job that judges, decides and writes 100,000
lines fills one processor while the others rest. Here the books, their writer and its store live in a second process;
drafts go there and results come back through a socket pair, in the order in which they were handed over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog
import uvloop

from pointsbank.engine.clock import Clock, FixedClock, SystemClock
from pointsbank.engine.collecting import collecting_seldom
from pointsbank.engine.failures import CommitOutcomeUnknown, WriterError, WriterOverloaded, WriterStopped
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.engine.wire import Wire
from pointsbank.engine.writer import LedgerWriter, Limits, Result
from pointsbank.ledger.chart import SHIPPED
from pointsbank.ledger.model import Draft
from pointsbank.store.database import Database
from pointsbank.store.port import StoreError

ROOMY: Final = Limits(memory=1_000_000)
"""A load touches most of a city: twenty thousand people are some 300,000 accounts, versions and states to remember."""


class WriterApart:
    """Hands drafts to a writer in another process; otherwise like the writer itself.

    The other process tells the time that `clock` told when a group was handed over.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.chart = SHIPPED
        self.limits = limits
        self._flying: dict[int, tuple[int, asyncio.Future[list[Result]]]] = {}
        self._queued = 0
        self._count = 0
        self._accepting = False
        self._wire: Wire | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._opened: asyncio.Future[_Opened | None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()

    async def start(self, database: Database, name: str) -> None:
        """Start the other process and open the ledger there. Raises StoreError, WriterError."""
        mine, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", f"from {__name__} import write_for_another; write_for_another()",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            self._wire = Wire(mine, self._hear)
        except BaseException:
            mine.close()  # the other process, if there is one, ends of it
            raise
        finally:
            theirs.close()
        self._wire.send(_Opening(database.url, name, self.limits))
        opened = await self._opened
        if opened is None:
            raise WriterStopped("the writing process did not begin")
        if opened.error is not None:
            raise opened.error
        self._accepting = True

    @property
    def pid(self) -> int | None:
        """The other process, while there is one."""
        return self._process.pid if self._process is not None else None

    async def stop(self) -> None:
        """Take no more drafts, let the other process finish what it has, and wait for its end."""
        self._accepting = False
        if self._wire is not None:
            self._wire.send(_Stop())
            try:
                await self._ended.wait()
            finally:
                await self._wire.close()
        if self._process is not None:
            await self._process.wait()

    def submit(
        self, drafts: Sequence[Draft], rooms: frozenset[str], *, atomic: bool = False
    ) -> asyncio.Future[list[Result]]:
        """Hand drafts over; as `LedgerWriter.submit`."""
        if not self._accepting or self._wire is None:
            raise WriterStopped("the writer takes no drafts")
        if self._queued and self._queued + len(drafts) > self.limits.queue:
            raise WriterOverloaded(f"{self._queued} drafts are waiting")
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._wire.send(_Group(self._count + 1, self.clock.now(), rooms, atomic, drafts))
        self._count += 1
        self._queued += len(drafts)
        self._flying[self._count] = (len(drafts), future)
        return future

    def _hear(self, answer: Any) -> None:
        """Give an answer to whoever waits for it; None says that the other process has ended."""
        if answer is None:
            self._end()
        elif type(answer) is _Opened:
            if not self._opened.done():  # whoever waited may have gone away
                self._opened.set_result(answer)
        else:
            self._give(answer)

    def _give(self, answer: _Answer) -> None:
        size, future = self._flying.pop(answer.number)
        self._queued -= size
        if future.done():
            return
        if answer.error is not None:
            future.set_exception(answer.error)
        else:
            future.set_result(answer.results)

    def _end(self) -> None:
        self._accepting = False
        if not self._opened.done():
            self._opened.set_result(None)
        for _, future in self._flying.values():
            if not future.done():
                future.set_exception(
                    CommitOutcomeUnknown("the writing process has ended; repeat the same key")
                )
        self._flying.clear()
        self._ended.set()


@asynccontextmanager
async def ledger_apart(
    database: Database, name: str, *, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncIterator[Ledger]:
    """A ledger of the shipped chart whose writer is a process of its own. Leaving drains and ends it.

    If this process dies, the other one ends at once: what it has committed stands, the rest never was.
    Raises as `open_ledger`.
    """
    writer = WriterApart(clock or SystemClock(), limits or ROOMY)
    with collecting_seldom():
        try:
            await writer.start(database, name)
            yield Ledger(database, name, writer)
        finally:
            await writer.stop()


# what is said


class _Opening(msgspec.Struct, frozen=True):
    url: str
    ledger: str
    limits: Limits


class _Opened(msgspec.Struct, frozen=True):
    error: WriterError | StoreError | None = None


class _Group(msgspec.Struct, frozen=True):
    number: int
    now: int
    rooms: frozenset[str]
    atomic: bool
    drafts: Sequence[Draft]


class _Stop(msgspec.Struct, frozen=True):
    pass


class _Answer(msgspec.Struct, frozen=True):
    number: int
    results: list[Result]
    error: WriterError | None = None


# the other process


async def _write_for(connection: socket.socket) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    wire = Wire(connection, incoming.put_nowait)
    opening: _Opening | None = await incoming.get()
    if opening is None:
        return
    database, clock = Database(opening.url), FixedClock(0)
    try:
        async with open_ledger(database, opening.ledger, clock=clock, limits=opening.limits) as ledger:
            wire.send(_Opened())
            await _serve(ledger.writer, clock, incoming, wire)
    except (WriterError, StoreError) as error:
        wire.send(_Opened(error))
    finally:
        await database.close()
        await wire.close()


async def _serve(writer: LedgerWriter, clock: FixedClock, incoming: asyncio.Queue[Any], wire: Wire) -> None:
    waiting: set[asyncio.Task[None]] = set()
    while True:
        work = await incoming.get()
        if work is None:  # nobody is left to hear an answer, and the next one may want the file
            os._exit(1)
        if type(work) is _Stop:
            break
        clock.time = work.now
        try:
            future = writer.submit(work.drafts, work.rooms, atomic=work.atomic)
        except WriterError as error:
            wire.send(_Answer(work.number, [], error))
            continue
        task = asyncio.create_task(_answer(work.number, future, wire))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    if waiting:
        await asyncio.wait(waiting)


async def _answer(number: int, future: asyncio.Future[list[Result]], wire: Wire) -> None:
    try:
        wire.send(_Answer(number, await future))
    except WriterError as error:
        wire.send(_Answer(number, [], error))


def write_for_another() -> None:
    """The whole life of the other process; its argument is the descriptor of its end of the socket pair."""
    import pointsbank.tables  # noqa: F401 - a draft may bring rows of any room's tables

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process says when it ends
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(30),
    )
    with collecting_seldom(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write_for(socket.socket(fileno=int(sys.argv[1]))))
        sys.stderr.flush()
        os._exit(0)  # the books are closed; nobody need take a million objects apart one by one
