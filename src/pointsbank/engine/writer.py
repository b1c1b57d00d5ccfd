"""The writer: the only one that writes a ledger. It posts what has queued while the last batch was being written.

An idle writer flushes at once, so a single caller waits for one commit and nothing else. Batch k+1 is decided
while k is on its way to the disk; if k fails, is lost to another process, or its outcome is unknown, k+1 is thrown
away and decided again. Nobody hears of an outcome, not even of a refusal, before all it rests on is durable.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from pointsbank.engine.batches import Bug, Decided, Group, decide_group, drafted, rests_on_a_word
from pointsbank.engine.clock import Clock, SystemClock
from pointsbank.engine.collecting import MANY, begin_work, end_work
from pointsbank.engine.failures import (
    CommitOutcomeUnknown,
    WriterError,
    WriterOverloaded,
    WriterStopped,
    failure_of,
)
from pointsbank.engine.receipts import result_of
from pointsbank.ledger.books import Books, Head, Replayed, key_digest
from pointsbank.ledger.chart import Chart
from pointsbank.ledger.decide import Verdict
from pointsbank.ledger.model import Draft, Intent, JournalEntry, Receipt
from pointsbank.ledger.refusals import Refusal
from pointsbank.store.columns import Writing
from pointsbank.store.port import (
    Batch,
    BatchConflict,
    OutcomeUnknown,
    Store,
    Turn,
    Wanted,
    catch_up,
    fill,
    wanted_by,
)

log = structlog.get_logger()

SLICE: Final = 32
"""drafts decided in one go, a millisecond or two; then the loop gets its turn, which goes on with what is being written"""

MUCH: Final = 256
"""drafts that are worth deciding while a batch is on its way"""

Result = Receipt | Refusal


class Limits(msgspec.Struct, frozen=True):
    """How the writer groups, waits and gives up. Times in seconds."""

    batch: int = 1000
    """drafts in one commit (a larger group is taken whole)"""
    queue: int = 50_000
    """drafts that may wait before callers are told to come back"""
    patience: float = 10.0
    """how long a caller waits for an outcome"""
    memory: int = 200_000
    """accounts, versions and states in the working set before it starts afresh; keys and documents that it remembers"""
    cautious_batches: int = 64
    """batches written under the lock after another process was seen writing"""


class LedgerWriter:
    """Posts drafts to one ledger. Start it, `submit` from any task of its event loop, stop it: it drains."""

    def __init__(
        self, store: Store, chart: Chart, *, clock: Clock | None = None, limits: Limits | None = None
    ) -> None:
        self.store = store
        self.chart = chart
        self.clock = clock or SystemClock()
        self.limits = limits or Limits()
        self.batches = 0
        self.lost_races = 0
        self._types = {kind.name: kind.type for kind in chart.kinds.values()}
        self._queue: deque[Group] = deque()
        self._queued = 0
        self._busy: list[Group] = []
        self._wake = asyncio.Event()
        self._books: Books | None = None
        self._cautious = 0
        self._accepting = False
        self._task: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:  # drafts that wait for their turn
        return self._queued

    @property
    def is_running(self) -> bool:
        return self._accepting and self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Open the store and begin to write."""
        await self.store.open()
        self._accepting = True
        self._task = asyncio.create_task(self._supervise(), name="ledger writer")
        self._watchdog = asyncio.create_task(self._watch(), name="ledger writer watchdog")

    async def stop(self) -> None:
        """Take no more drafts, finish what has queued, close the store."""
        self._accepting = False
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._watchdog is not None:
            self._watchdog.cancel()
        await self.store.close()

    def submit(
        self,
        drafts: Sequence[Draft | Intent],
        rooms: frozenset[str],
        *,
        atomic: bool = False,
        brief: bool = False,
    ) -> asyncio.Future[list[Result]]:
        """Queue drafts; the future gives a receipt or a refusal for each, in order, once all is durable.

        `rooms` is where the caller stands, set by the server. With `atomic` all are accepted or none.
        `brief` receipts do not list their postings.
        Raises WriterOverloaded or WriterStopped at once; the future may raise CommitOutcomeUnknown or WriterError.
        """
        if not self._accepting:
            raise WriterStopped("the writer takes no drafts")
        if self._queued + len(drafts) > self.limits.queue and self._queued:
            raise WriterOverloaded(f"{self._queued} drafts are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Result]] = loop.create_future()
        self._queue.append(Group(drafted(drafts), rooms, atomic, future, loop.time(), brief))
        self._queued += len(drafts)
        if len(drafts) >= MANY:
            begin_work()
            future.add_done_callback(
                lambda _: loop.call_soon(end_work)
            )  # who waits for the answer goes on first
        self._wake.set()
        return future

    # the loop

    async def _supervise(self) -> None:
        """Keep the loop running: an unexpected error fails the callers concerned, loudly, and the writer goes on."""
        while True:
            try:
                await self._run()
                return
            except Exception as error:
                log.exception("writer.failed", error=type(error).__name__)
                self._books = None
                self._fail(self._busy, WriterError(f"the writer failed: {type(error).__name__}"))
                self._busy = []

    async def _run(self) -> None:
        flight: asyncio.Task[bool] | None = None
        flying: Decided | None = None
        while True:
            if not self._queue:
                if flight is not None and flying is not None:
                    await self._much_or_done(flight)
                    if self._queue and not flight.done():
                        continue
                    await self._land(flight, flying, None)
                    flight = flying = None
                    continue
                if not self._accepting:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            groups = self._drain()
            self._busy = (flying.groups if flying else []) + groups
            if self._cautious:
                if flight is not None and flying is not None:
                    await self._land(flight, flying, None)
                    flight = flying = None
                self._busy = groups
                self._cautious -= 1
                await self._write_under_lock(groups)
                continue
            decided = await self._decide_ahead(groups, flying)
            if flight is not None and flying is not None:
                if not await self._land(flight, flying, decided):
                    flight = flying = None
                    self._busy = groups
                    await self._write_under_lock(groups)
                    continue
                flight = flying = None
            self._busy = groups
            if decided is None:
                await self._write_under_lock(groups)
                continue
            flying = decided
            flight = asyncio.create_task(self._append(decided))
            await asyncio.sleep(0)  # it leaves before the next batch takes the processor

    async def _much_or_done(self, flight: asyncio.Task[bool]) -> None:
        """Wait until a batch has landed, or so much has queued meanwhile that it is worth deciding at once.

        What comes drop by drop gathers until the batch has landed, so that it becomes one batch and not many.
        """
        flight.add_done_callback(lambda _: self._wake.set())
        while not flight.done() and self._queued < MUCH:
            self._wake.clear()
            await self._wake.wait()

    def _drain(self) -> list[Group]:
        groups, size = list[Group](), 0
        while self._queue and (not groups or size + len(self._queue[0].drafts) <= self.limits.batch):
            group = self._queue.popleft()
            size += len(group.drafts)
            groups.append(group)
        self._queued -= size
        return groups

    # the fast path: remembered books, one compare-and-swap

    async def _decide_ahead(self, groups: list[Group], flying: Decided | None) -> Decided | None:
        """Decide on the remembered books, which run ahead of the store by the batch in flight. None: use the lock."""
        try:
            books = self._books
            if books is None or books.size() > self.limits.memory:
                if flying is not None:
                    return None  # the books are too large, and the store is not where they are: use the lock
                books = self._books = Books(self.chart, await self.store.head())
            books.forget_seen(
                self.limits.memory, sum(len(group.drafts) for group in flying.groups) if flying else 0
            )
            await self._load(books, groups, self.store, look_up_keys=False)
            decided = await self._decide(books, groups)
            if rests_on_a_word(groups) or await self._refuses_a_repetition(books, groups):
                self._books = None
                return None
            return decided
        except OutcomeUnknown:
            self._books = None
            return None
        except Bug as bug:
            self._fail_bug(bug)
            groups.remove(bug.group)
            self._books = None
            return None
        except Exception as error:  # whose draft it was, the careful path finds out
            log.exception("writer.load_failed", error=type(error).__name__)
            self._books = None
            return None

    async def _refuses_a_repetition(self, books: Books, groups: list[Group]) -> bool:
        """Whether a refused draft's key was consumed before this process knew of it: then it is a repetition.

        The fast path leaves unseen keys to the store's unique index, and a refusal never gets there.
        """
        wanted = Wanted()
        for group in groups:
            if any(isinstance(verdict, Refusal) for verdict in group.verdicts):
                digests = {key_digest(draft.client, draft.key) for draft in group.drafts}
                wanted.keys |= digests - books.keys.keys()
        if not wanted:
            return False
        fill(books, wanted, await self.store.load(wanted))
        return any(books.keys[digest] is not None for digest in wanted.keys)

    async def _load(
        self, books: Books, groups: list[Group], source: Store | Turn, *, look_up_keys: bool
    ) -> None:
        drafts = [draft for group in groups for draft in group.drafts]
        books.entries.clear()
        books.assumes = not look_up_keys
        wanted = wanted_by(books, drafts, look_up_keys=look_up_keys)
        while wanted:
            wanted = fill(books, wanted, await source.load(wanted))

    async def _decide(self, books: Books, groups: list[Group]) -> Decided:
        head = msgspec.structs.replace(books.head)
        now = max(self.clock.now(), head.recorded_at)
        writing = Writing(self._types)
        decided = 0
        for group in groups:
            if decided >= SLICE:
                decided = 0
                await asyncio.sleep(0)
            try:
                if len(group.drafts) > SLICE and not group.atomic:
                    await self._decide_sliced(books, group, now, writing)
                else:
                    decide_group(books, group, self.store.ledger_id, now, writing)
            except Exception as error:
                raise Bug(group, error) from error
            decided += len(group.drafts)
        if not writing.accepted:
            return Decided(groups, head, None)
        books.head.batch = head.batch + 1
        batch = Batch(
            ledger_id=self.store.ledger_id,
            expected_batch=head.batch,
            expected_epoch=head.epoch,
            token=os.urandom(16),
            head=msgspec.structs.replace(books.head),
            accepted=writing.accepted,
            recorded_at=now,
            written=writing.written(books.subjects),
        )
        self.store.prepare(batch)
        return Decided(groups, head, batch)

    async def _decide_sliced(self, books: Books, group: Group, now: int, writing: Writing) -> None:
        """Decide a large group bit by bit: the loop serves others and sends what is still to be sent."""
        verdicts: list[Verdict] = []
        for start in range(0, len(group.drafts), SLICE):
            part = Group(group.drafts[start : start + SLICE], group.rooms, False, group.future, group.since)
            decide_group(books, part, self.store.ledger_id, now, writing)
            verdicts += part.verdicts
            await asyncio.sleep(0)
        group.verdicts = verdicts

    async def _append(self, decided: Decided) -> bool:
        if decided.batch is None:  # a refusal may not rest on books that another process has left behind
            return _same_place(decided.head, await self.store.head())
        return await self.store.append(decided.batch)

    async def _land(self, flight: asyncio.Task[bool], flying: Decided, ahead: Decided | None) -> bool:
        """Wait for the batch in flight and answer its callers. False: what was decided `ahead` of it must go."""
        try:
            if await flight:
                await self._answer(flying)
                return True
            self.lost_races += 1
            self._cautious = self.limits.cautious_batches
            if self._books is not None:
                self._books.undo([*flying.accepted, *(ahead.accepted if ahead else ())], flying.head)
        except BatchConflict as conflict:
            log.debug("writer.conflict", conflict=str(conflict))
            self._books = None
        except OutcomeUnknown as unknown:
            self._books = None
            if flying.batch is not None and await self._settle(flying, unknown):
                await self._answer(flying)
                return False
        except Exception as error:  # under the lock all keys are looked up, so to write again is safe
            log.exception("writer.batch_failed", error=type(error).__name__)
            self._books = None
        await self._write_under_lock(flying.groups)
        return False

    # the careful path: lock, then load, then decide

    async def _write_under_lock(self, groups: list[Group]) -> None:
        """Decide and write while nobody else can. A group that the database refuses is set apart and fails alone."""
        groups = [group for group in groups if not group.future.done()]
        while groups:
            decided: Decided | None = None
            try:
                async with self.store.turn() as turn:
                    decided = await self._decide_in_turn(turn, groups)
                    if decided.batch is not None:
                        await turn.append(decided.batch)
                await self._answer(decided)
                return
            except Bug as bug:
                self._books = None
                self._fail_bug(bug)
                groups.remove(bug.group)
            except OutcomeUnknown as unknown:
                self._books = None
                if decided is None or decided.batch is None:
                    await self._reach_store(groups)
                elif await self._settle(decided, unknown):
                    await self._answer(decided)
                    return
                groups = [group for group in groups if not group.future.done()]
            except Exception as error:
                self._books = None
                if len(groups) == 1:
                    log.exception("writer.group_failed", error=type(error).__name__)
                    self._fail(groups, failure_of(error))
                    return
                for group in groups:
                    await self._write_under_lock([group])
                return

    async def _decide_in_turn(self, turn: Turn, groups: list[Group]) -> Decided:
        books = self._books
        if books is not None and not _same_place(books.head, turn.head):
            self._cautious = self.limits.cautious_batches  # another process is at it still
            self._books = None
            news = await turn.news(books.head)
            if news is not None and catch_up(books, turn.head, news):
                self._books = books
        if self._books is None or self._books.size() > self.limits.memory:
            self._books = Books(self.chart, turn.head)
        books = self._books
        books.forget_seen(self.limits.memory)
        await self._load(books, groups, turn, look_up_keys=True)
        return await self._decide(books, groups)

    async def _settle(self, decided: Decided, unknown: OutcomeUnknown) -> bool:
        """Find out whether a batch is durable, however long it takes; callers lose patience on their own."""
        log.warning("writer.outcome_unknown", error=str(unknown))
        if decided.batch is None:
            return True
        delay = 0.05
        while True:
            try:
                committed = await self.store.settle(decided.batch)
                log.info("writer.outcome_settled", committed=committed)
                return committed
            except OutcomeUnknown:
                if not self._accepting and all(group.future.done() for group in decided.groups):
                    raise WriterStopped("stopped while the outcome of a commit was unknown") from unknown
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    async def _reach_store(self, groups: list[Group]) -> None:
        """Nothing was sent: connect again, while somebody waits for it."""
        delay = 0.05
        while any(not group.future.done() for group in groups):
            try:
                await self.store.reconnect()
                return
            except OutcomeUnknown:
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    # answers

    async def _answer(self, decided: Decided) -> None:
        """Tell every caller of a batch that is durable."""
        if decided.batch is not None:
            self.batches += 1
        replayed = {
            verdict.use.sequence
            for group in decided.groups
            for verdict in group.verdicts
            if type(verdict) is Replayed and verdict.use.sequence
        }
        originals: dict[int, JournalEntry] = {}
        if replayed:
            originals = await self.store.receipts(replayed)
        for group in decided.groups:
            if not group.future.done():
                group.future.set_result(
                    [result_of(verdict, originals, brief=group.brief) for verdict in group.verdicts]
                )

    def _fail(self, groups: Sequence[Group], error: WriterError) -> None:
        for group in groups:
            if not group.future.done():
                group.future.set_exception(error)

    def _fail_bug(self, bug: Bug) -> None:
        log.error("writer.draft_failed", exc_info=bug.cause)
        self._fail([bug.group], WriterError(f"the draft could not be decided: {type(bug.cause).__name__}"))

    async def _watch(self) -> None:
        """Callers wait so long and no longer; what has not begun is taken out of the queue."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(0.25, self.limits.patience / 4))
            overdue = loop.time() - self.limits.patience
            self._fail(
                [group for group in self._busy if group.since < overdue],
                CommitOutcomeUnknown("no answer from the database in time; repeat the same key"),
            )
            while self._queue and self._queue[0].since < overdue:
                group = self._queue.popleft()
                self._queued -= len(group.drafts)
                self._fail([group], WriterOverloaded("the queue did not move in time; nothing was written"))


def _same_place(mine: Head, theirs: Head) -> bool:
    return mine.batch == theirs.batch and mine.epoch == theirs.epoch
