"""The SQLite store: one thread that writes, `BEGIN IMMEDIATE`, WAL, `synchronous=FULL`.

One process owns the file, by an OS lock beside it: a second writer stops with a sentence that names the first.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pointsbank.ledger.books import Head
from pointsbank.ledger.chart import Chart
from pointsbank.ledger.model import JournalEntry
from pointsbank.store.port import (
    Batch,
    BatchConflict,
    LedgerBusy,
    Loaded,
    News,
    OutcomeUnknown,
    StoreError,
    Wanted,
    check_ledger,
)
from pointsbank.store.sqlite_driver import sqlite3
from pointsbank.store.sqlite_load import load, load_at_once, load_entries
from pointsbank.store.sqlite_write import Sheet, insert_rows, sheet_of, write_batch

T = TypeVar("T")

PAGE_SIZE = 8192

SWITCH_SECONDS = 0.0005
"""How soon a thread that computes gives Python's lock to one that waits for it; as a rule it is ten times longer.

The thread that writes needs the lock for a moment before each statement, and would wait longer than it writes.
"""

_HEAD = "SELECT sequence, posting, account, lot, recorded_at, batch, epoch FROM heads WHERE ledger_id = ?"


def connect(path: Path | str, *, read_only: bool = False) -> Any:
    """A connection as the bank uses it. Read-only ones never checkpoint, so there is one writer for certain."""
    if read_only:
        connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        connection.execute("PRAGMA query_only = ON")
    else:
        connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL loses acknowledged commits at a power cut; FULL costs nothing when commits are grouped.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class FileLock:
    """The OS lock beside a database file. It is gone with its process, however that ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: Any = None

    def acquire(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 - held until release
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise LedgerBusy(
                f"数据库正被另一个程序使用：{owner}。请先停止它，或通过它的接口操作。"
                f" The database is in use by {owner}. Stop it first, or work through its API."
            ) from None
        file.seek(0)
        file.truncate()
        file.write(
            f"pid {os.getpid()}: {' '.join(Path(a).name if i == 0 else a for i, a in enumerate(sys.argv[:3]))}"
        )
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.close()
            self._file = None


class SqliteStore:
    """One ledger in a SQLite file, written by one thread."""

    def __init__(self, path: Path | str, ledger_id: int, *, lock: bool = True) -> None:
        self.ledger_id = ledger_id
        self._path = Path(path)
        self._lock = FileLock(self._path) if lock else None
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Any = None
        self._reading_thread: ThreadPoolExecutor | None = None
        self._reading: Any = None
        """What the next batch needs is loaded here while this one is being written."""

    async def open(self) -> None:
        if self._lock is not None:
            self._lock.acquire()
        sys.setswitchinterval(min(SWITCH_SECONDS, sys.getswitchinterval()))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._reading_thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-loading")
        try:
            self._connection = await self._run(connect, self._path)
            self._reading = await self._run(lambda: connect(self._path, read_only=True))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close; what was written stands in the file itself afterwards, and no longer only in the log beside it.

        A connection that only reads cannot move it there, so the one that writes goes last.
        """
        if self._reading is not None:
            await self._run_reading(self._reading.close)
            self._reading = None
        if self._connection is not None:
            with suppress(sqlite3.Error):  # readers elsewhere hold it back, and then the next owner moves it
                await self._run(self._execute, "PRAGMA wal_checkpoint(PASSIVE)")
            await self._run(self._connection.close)
            self._connection = None
        for thread in (self._thread, self._reading_thread):
            if thread is not None:
                thread.shutdown()
        self._thread = self._reading_thread = None
        if self._lock is not None:
            self._lock.release()

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _run_reading(self, work: Callable[..., T], *arguments: Any) -> T:
        assert self._reading_thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._reading_thread, work, *arguments)

    def _execute(self, statement: str) -> None:
        """Execute and let go of the cursor here, in the thread of the connection.

        One that went to the caller would end in the caller's thread: if the connection is being closed at that
        moment, the process dies of it.
        """
        self._connection.execute(statement)

    async def create(self, name: str, chart: Chart) -> None:
        check_ledger(name, chart, await self._run(self._create, name, chart))

    def _create(self, name: str, chart: Chart) -> tuple[str, str]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            made = connection.execute(
                """INSERT INTO heads (ledger_id, name, chart, sequence, posting, account, lot, recorded_at, batch, epoch)
                VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING""",
                (self.ledger_id, name, chart.name),
            )
            if made.rowcount:
                insert_rows(
                    connection,
                    self.ledger_id,
                    "commodities",
                    [(c.code, c.scale, int(c.has_lots)) for c in chart.commodities],
                )
            name_on_file, chart_on_file = connection.execute(
                "SELECT name, chart FROM heads WHERE ledger_id = ?", (self.ledger_id,)
            ).fetchone()
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return name_on_file, chart_on_file

    async def head(self) -> Head:
        return await self._run(lambda: Head(*self._connection.execute(_HEAD, (self.ledger_id,)).fetchone()))

    async def load(self, wanted: Wanted) -> Loaded:
        return await self._run_reading(load_at_once, self._reading, self.ledger_id, wanted)

    def prepare(self, batch: Batch) -> None:
        batch.prepared = sheet_of(batch)

    async def append(self, batch: Batch) -> bool:
        return await self._run(self._append, batch.prepared)

    def _append(self, sheet: Sheet) -> bool:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            if not write_batch(connection, sheet):
                connection.execute("ROLLBACK")
                return False
        except (sqlite3.IntegrityError, BatchConflict) as error:
            self._roll_back()
            raise BatchConflict(str(error)) from error
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreError(str(error)) from error
        except BaseException:
            self._roll_back()
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OutcomeUnknown(str(error)) from error
        return True

    def _roll_back(self) -> None:
        # A full disk has rolled the transaction back already, and then a second ROLLBACK is an error.
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[SqliteTurn]:
        try:
            await self._run(self._execute, "BEGIN IMMEDIATE")
            row = await self._run(lambda: self._connection.execute(_HEAD, (self.ledger_id,)).fetchone())
        except sqlite3.Error as error:
            await self._run(self._roll_back)
            raise StoreError(str(error)) from error
        try:
            yield SqliteTurn(self, Head(*row))
        except sqlite3.IntegrityError as error:
            await self._run(self._roll_back)
            raise BatchConflict(str(error)) from error
        except sqlite3.Error as error:
            await self._run(self._roll_back)
            raise StoreError(str(error)) from error
        except BaseException:
            await self._run(self._roll_back)
            raise
        try:
            await self._run(self._execute, "COMMIT")
        except sqlite3.Error as error:
            await self._run(self._roll_back)
            raise OutcomeUnknown(str(error)) from error

    async def settle(self, batch: Batch) -> bool:
        return await self._run(self._settle, batch)

    def _settle(self, batch: Batch) -> bool:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            found = self._connection.execute(
                "SELECT 1 FROM batches WHERE ledger_id = ? AND batch = ? AND token = ?",
                (self.ledger_id, batch.head.batch, batch.token),
            ).fetchone()
            if not found:
                self._connection.execute(
                    "UPDATE heads SET epoch = epoch + 1 WHERE ledger_id = ?", (self.ledger_id,)
                )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OutcomeUnknown(str(error)) from error
        return bool(found)

    async def reconnect(self) -> None:
        """A file has no connection to lose."""

    async def receipts(self, sequences: Iterable[int]) -> dict[int, JournalEntry]:
        wanted = list(sequences)
        return await self._run_reading(
            lambda: {e.sequence: e for e, _ in load_entries(self._reading, self.ledger_id, wanted)}
        )


class SqliteTurn:
    """The head, locked by the write transaction that is open."""

    def __init__(self, store: SqliteStore, head: Head) -> None:
        self.head = head
        self._store = store

    async def load(self, wanted: Wanted) -> Loaded:
        return await self._store._run(load, self._store._connection, self._store.ledger_id, wanted)

    async def news(self, since: Head) -> News | None:
        """One process owns the file, so nobody else posts: what is remembered is worth nothing if the head moved."""
        return None

    async def append(self, batch: Batch) -> None:
        if not await self._store._run(write_batch, self._store._connection, batch.prepared):
            raise BatchConflict("the head moved although it is locked")
