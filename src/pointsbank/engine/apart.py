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
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

import msgspec
import structlog
import uvloop

from pointsbank.engine.batches import drafted
from pointsbank.engine.clock import Clock, FixedClock, SystemClock
from pointsbank.engine.collecting import collecting_seldom
from pointsbank.engine.failures import CommitOutcomeUnknown, WriterError, WriterOverloaded, WriterStopped
from pointsbank.engine.registry import Ledger, open_ledger
from pointsbank.engine.wire import Wire, in_pieces, taken_apart
from pointsbank.engine.writer import LedgerWriter, Limits, Result
from pointsbank.ledger.chart import SHIPPED
from pointsbank.ledger.model import Draft, Intent
from pointsbank.store.database import Database
from pointsbank.store.port import StoreError

ROOMY: Final = Limits(memory=1_000_000)
"""A load touches most of a city: twenty thousand people are some 300,000 accounts, versions and states to remember."""

_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_STEADY: Final = 30.0
"""Seconds between an end and the next beginning, and a life after which the shortest is enough again."""

_FAREWELL: Final = 10.0
"""Seconds that a process which says nothing any more may take to be gone."""

_GRACE: Final = 1.0
"""Seconds in which the other process may tell by itself that it lost patience: it knows more of the outcome."""

log = structlog.get_logger()


class WriterApart:
    """Hands drafts to a writer in another process; otherwise like the writer itself.

    The other process tells the time that `clock` told when a group was handed over. With `lasting`, another one begins
    when it ends: who waited then hears that the outcome is unknown, and who comes before it has begun is turned away.
    """

    def __init__(self, clock: Clock, limits: Limits, *, lasting: bool = False) -> None:
        self.clock = clock
        self.chart = SHIPPED
        self.limits = limits
        self.lasting = lasting
        self._life = _Life()
        self._before = (0, 0)
        self._accepting = False
        self._keeper: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self, database: Database, name: str) -> None:
        """Start the other process and open the ledger there. Raises StoreError, WriterError."""
        opening = _Opening(database.url, name, self.limits, self.lasting)
        await self._begin(opening)
        if self.lasting:
            log.info("writer.began", pid=self.pid)
            self._keeper = asyncio.create_task(self._keep(opening), name="keeper of the writing process")
            self._watchdog = asyncio.create_task(self._watch(), name="watchdog of the writing process")

    @property
    def pid(self) -> int | None:
        """The other process, while there is one."""
        return self._life.process.pid if self._life.process is not None else None

    @property
    def is_running(self) -> bool:
        return self._accepting

    @property
    def queued(self) -> int:  # drafts that are not answered yet
        return self._life.queued

    @property
    def batches(self) -> int:
        return self._before[0] + self._life.batches

    @property
    def lost_races(self) -> int:
        return self._before[1] + self._life.lost_races

    async def stop(self) -> None:
        """Take no more drafts, let the other process finish what it has, and wait for its end."""
        self._accepting = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._accepting = False  # it may have begun again just now
        try:
            await self._life.finish()
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()

    def submit(
        self,
        drafts: Sequence[Draft | Intent],
        rooms: frozenset[str],
        *,
        atomic: bool = False,
        brief: bool = False,
    ) -> asyncio.Future[list[Result]]:
        """Hand drafts over; as `LedgerWriter.submit`."""
        if not self._accepting:
            raise WriterStopped("the writer takes no drafts")
        if self.queued and self.queued + len(drafts) > self.limits.queue:
            raise WriterOverloaded(f"{self.queued} drafts are waiting")
        return self._life.hand_over(self.clock.now(), drafts, rooms, atomic=atomic, brief=brief)

    async def _begin(self, opening: _Opening) -> None:
        self._before = (self.batches, self.lost_races)
        self._life = life = _Life()
        await life.begin(opening, self._turn_away)
        opened = await life.opened
        if opened is None:
            raise WriterStopped("the writing process did not begin")
        if opened.error is not None:
            raise opened.error
        self._accepting = not life.ended.is_set()

    def _turn_away(self) -> None:
        self._accepting = False

    async def _keep(self, opening: _Opening) -> None:
        """Begin again whenever the other process has ended, after a pause that grows while it cannot stay."""
        now, pause = asyncio.get_running_loop().time, _SHORTEST_PAUSE
        while True:
            began = now()
            await self._life.ended.wait()
            code = await self._life.close()
            log.error("writer.ended", pid=self.pid, code=code, lived=round(now() - began))
            pause = _SHORTEST_PAUSE if now() - began > _STEADY else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)
            try:
                await self._begin(opening)
                log.info("writer.began", pid=self.pid)
            except Exception as error:  # whatever it is, to give up would leave a service that cannot write
                log.exception("writer.not_begun", error=type(error).__name__)
                self._life.end()

    async def _watch(self) -> None:
        """Callers wait so long and no longer, even for a process that stands still."""
        loop, patience = asyncio.get_running_loop(), self.limits.patience
        while True:
            await asyncio.sleep(min(0.25, patience / 4))
            self._life.lose_patience(loop.time() - patience - _GRACE)


class _Life:
    """One life of the other process, from its start until the last is heard of it."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.opened: asyncio.Future[_Opened | None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.queued = 0
        self.batches = 0
        self.lost_races = 0
        self._wire: Wire | None = None
        self._flying: dict[int, tuple[int, asyncio.Future[list[Result]], float]] = {}
        self._count = 0
        self._on_end: Callable[[], None] = lambda: None

    async def begin(self, opening: _Opening, on_end: Callable[[], None]) -> None:
        """Start the process and tell it which ledger to open; `opened` says what came of it."""
        self._on_end = on_end
        mine, theirs = socket.socketpair()
        try:
            self.process = await asyncio.create_subprocess_exec(
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
        self._wire.send(opening)

    def hand_over(
        self, now: int, drafts: Sequence[Draft | Intent], rooms: frozenset[str], *, atomic: bool, brief: bool
    ) -> asyncio.Future[list[Result]]:
        assert self._wire is not None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Result]] = loop.create_future()
        self._wire.send(_Group(self._count + 1, now, rooms, atomic, brief, in_pieces(drafts)))
        self._count += 1
        self.queued += len(drafts)
        self._flying[self._count] = (len(drafts), future, loop.time())
        return future

    def lose_patience(self, overdue: float) -> None:
        """Tell those who handed over before a moment of the loop that nobody knows what became of it."""
        for _, future, since in self._flying.values():
            if since >= overdue:
                return
            if not future.done():
                future.set_exception(
                    CommitOutcomeUnknown("no answer from the writing process in time; repeat the same key")
                )

    async def finish(self) -> None:
        """Let it finish what it has, and wait for its end."""
        if self._wire is not None:
            self._wire.send(_Stop())
            try:
                await self.ended.wait()
            finally:
                await self.close()
        elif self.process is not None:
            await self.process.wait()

    async def close(self) -> int | None:
        """Nothing more is said; the exit code, once the process is gone."""
        if self._wire is not None:
            await self._wire.close()
        if self.process is None:
            return None
        try:
            return await asyncio.wait_for(self.process.wait(), _FAREWELL)
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    def _hear(self, answer: Any) -> None:
        """Give an answer to whoever waits for it; None says that the other process has ended."""
        if answer is None:
            self.end()
        elif type(answer) is _Opened:
            if not self.opened.done():  # whoever waited may have gone away
                self.opened.set_result(answer)
        else:
            self._give(answer)

    def _give(self, answer: _Answer) -> None:
        size, future, _ = self._flying.pop(answer.number)
        self.queued -= size
        self.batches, self.lost_races = answer.batches, answer.lost_races
        if future.done():
            return
        if answer.error is not None:
            future.set_exception(answer.error)
        else:
            future.set_result(answer.results)

    def end(self) -> None:
        """It is gone, or never came: whoever waits shall hear of it."""
        if self.ended.is_set():
            return
        self._on_end()
        if not self.opened.done():
            self.opened.set_result(None)
        for _, future, _ in self._flying.values():
            if not future.done():
                future.set_exception(
                    CommitOutcomeUnknown("the writing process has ended; repeat the same key")
                )
        self._flying.clear()
        self.queued = 0
        self.ended.set()


@asynccontextmanager
async def ledger_apart(
    database: Database,
    name: str,
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    lasting: bool = False,
) -> AsyncIterator[Ledger]:
    """A ledger of the shipped chart whose writer is a process of its own. Leaving drains and ends it.

    If this process dies, the other one ends at once: what it has committed stands, the rest never was.
    A job ends with its writer and looks for garbage seldom; with `lasting`, for a service, neither is so.
    Raises as `open_ledger`.
    """
    writer = WriterApart(clock or SystemClock(), limits or ROOMY, lasting=lasting)
    with _collecting(lasting):
        try:
            await writer.start(database, name)
            yield Ledger(database, name, writer)
        finally:
            await writer.stop()


def _collecting(lasting: bool) -> AbstractContextManager[None]:
    return nullcontext() if lasting else collecting_seldom()


# what is said


class _Opening(msgspec.Struct, frozen=True):
    url: str
    ledger: str
    limits: Limits
    lasting: bool


class _Opened(msgspec.Struct, frozen=True):
    error: WriterError | StoreError | None = None


class _Group(msgspec.Struct, frozen=True):
    number: int
    now: int
    rooms: frozenset[str]
    atomic: bool
    brief: bool
    drafts: list[bytes]


class _Stop(msgspec.Struct, frozen=True):
    pass


class _Answer(msgspec.Struct, frozen=True):
    number: int
    results: list[Result]
    error: WriterError | None
    batches: int
    lost_races: int


# the other process


async def _write_for(connection: socket.socket) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    wire = Wire(connection, incoming.put_nowait)
    opening: _Opening | None = await incoming.get()
    if opening is None:
        return
    database, clock = Database(opening.url), FixedClock(0)
    try:
        with _collecting(opening.lasting):
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
        drafts: list[Draft] = []
        for piece in work.drafts:
            drafts += drafted(taken_apart(piece))
            await asyncio.sleep(0)  # what is being written goes on
        clock.time = work.now
        try:
            future = writer.submit(drafts, work.rooms, atomic=work.atomic, brief=work.brief)
        except WriterError as error:
            _answer(writer, wire, work.number, error)
            continue
        task = asyncio.create_task(_answer_when_done(writer, wire, work.number, future))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    if waiting:
        await asyncio.wait(waiting)


async def _answer_when_done(
    writer: LedgerWriter, wire: Wire, number: int, future: asyncio.Future[list[Result]]
) -> None:
    try:
        _answer(writer, wire, number, await future)
    except WriterError as error:
        _answer(writer, wire, number, error)


def _answer(writer: LedgerWriter, wire: Wire, number: int, outcome: list[Result] | WriterError) -> None:
    results, error = ([], outcome) if isinstance(outcome, WriterError) else (outcome, None)
    wire.send(_Answer(number, results, error, writer.batches, writer.lost_races))


def write_for_another() -> None:
    """The whole life of the other process; its argument is the descriptor of its end of the socket pair."""
    import pointsbank.tables  # noqa: F401 - a draft may bring rows of any room's tables

    for told_to_all in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_all, signal.SIG_IGN)  # whoever started this process says when it ends
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(30),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write_for(socket.socket(fileno=int(sys.argv[1]))))
        sys.stderr.flush()
        os._exit(0)  # the books are closed; nobody need take a million objects apart one by one
