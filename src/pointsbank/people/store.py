"""The people store: the only home of personal data, apart from the ledger's database.

SQLite: the file people.db beside the books, written by one thread, `secure_delete`, WAL. PostgreSQL: the schema
`people`, in the same database or another. Every transaction is explicit: it begins, does, commits, and then answers.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from pointsbank.engine.clock import Clock, SystemClock
from pointsbank.people import forgetting, schema
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import MasterKeys
from pointsbank.people.vault import Vault, index_root, make_index_root
from pointsbank.settings import Settings
from pointsbank.store import sqlite
from pointsbank.store.database import Database
from pointsbank.store.port import StoreError
from pointsbank.store.schema import SchemaOutOfDate
from pointsbank.store.sqlite_driver import sqlite3

T = TypeVar("T")

ATTEMPTS: Final = 3
"""How often work is done again that met a row which another process wrote in the same moment."""


BUSY_SECONDS: Final = 10.0
"""How long SQLite's log waits for readers before it says that it could not be emptied."""


class StoreBusy(StoreError):
    """Another program has the people store open in a way that is in the way."""


class PeopleStore:
    """The people of one ledger. `read` and `write` run a function in one transaction of its own."""

    def __init__(
        self,
        url: str,
        ledger_id: int,
        keys: MasterKeys,
        erasures: ErasureList,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.database = Database(url)
        self.ledger_id = ledger_id
        self.keys = keys
        self.erasures = erasures
        self.clock = clock or SystemClock()
        self._engine: Engine | AsyncEngine | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._vault: Vault | None = None

    def __repr__(self) -> str:
        return f"PeopleStore({self.database.public_url!r}, {self.ledger_id})"

    @property
    def vault(self) -> Vault:
        """What seals and opens; there once the store is open."""
        assert self._vault is not None, "the store is not open"
        return self._vault

    async def upgrade(self, revision: str = "head") -> None:
        """Bring the schema up to date; make the SQLite file, readable by its owner only, if there is none."""
        await self.close()
        await _upgrade(self.database, revision)

    async def open(self) -> None:
        """Make ready: the schema is checked, the indexes' root is opened, whom the erasure list names is forgotten.

        Raises SchemaOutOfDate, MasterKeyError.
        """
        if self.database.dialect == "sqlite" and not self.database.path.exists():
            raise SchemaOutOfDate(
                f"没有个人资料库 {self.database.path}。请先运行 pointsbank people upgrade。\n"
                f"There is no people store {self.database.path}. Run `pointsbank people upgrade` first."
            )
        await self.read(schema.require_current)
        self._vault = Vault(self.ledger_id, self.keys, await self._root())
        await self.apply_erasures()

    async def apply_erasures(self) -> int:
        """Forget again whom the erasure list names: after a restore they may be back. How many were."""
        ids = list(self.erasures)
        if not ids:
            return 0
        returned = await self.read(lambda c: forgetting.remembered(c, self.ledger_id, ids))
        if returned:
            now = self.clock.now()
            await self.write(lambda c: forgetting.forget(c, self.ledger_id, returned, now))
            if not await self.empty_log():
                raise StoreBusy(
                    "个人资料库正被另一个程序读取，无法清除已注销者的残留。请停止它再启动。\n"
                    "The people store is being read by another program, so what is left of forgotten persons cannot"
                    " be removed. Stop it and start again."
                )
        return len(returned)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent snapshot."""
        return await self._run(work, reading=True)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, which is durable when this returns.

        It is run again from the start if another process wrote the same row first.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._run(work, reading=False)
            except IntegrityError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def empty_log(self) -> bool:
        """Take what was deleted out of SQLite's log too; False if a reader is in the way.

        PostgreSQL has nothing that an application could do here: docs/privacy.md says what follows from that.
        """
        if self.database.dialect == "postgresql":
            return True
        return await self._in_thread(self._truncate_wal)

    async def close(self) -> None:
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        elif self._engine is not None:
            await self._in_thread(self._engine.dispose)
        if self._thread is not None:
            self._thread.shutdown()
        self._engine = self._thread = None

    async def _root(self) -> bytes:
        root = await self.read(lambda c: index_root(c, self.ledger_id, self.keys))
        if root is None:
            await self.write(self._make_root)
            root = await self.read(lambda c: index_root(c, self.ledger_id, self.keys))
        assert root is not None
        return root

    def _make_root(self, connection: Connection) -> None:
        if index_root(connection, self.ledger_id, self.keys) is None:
            make_index_root(connection, self.ledger_id, self.keys, self.clock.now())

    async def _run(self, work: Callable[[Connection], T], *, reading: bool) -> T:
        if self._engine is None:
            self._engine = self._opened()
        if isinstance(self._engine, AsyncEngine):
            level: dict[str, Any] = {}
            if reading:
                level = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            async with self._engine.connect() as connection:
                await connection.execution_options(**level)
                async with connection.begin():
                    return await connection.run_sync(work)
        return await self._in_thread(lambda: self._run_sqlite(work, reading))

    def _run_sqlite(self, work: Callable[[Connection], T], reading: bool) -> T:
        assert isinstance(self._engine, Engine)
        with self._engine.connect() as connection:
            connection.execution_options(begin="BEGIN" if reading else "BEGIN IMMEDIATE")
            with connection.begin():
                return work(connection)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _truncate_wal(self) -> bool:
        connection = _connect(self.database.path)
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        finally:
            connection.close()

    def _opened(self) -> Engine | AsyncEngine:
        if self.database.dialect == "postgresql":
            return _postgres_engine(self.database)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="people")
        return _sqlite_engine(self.database.path)


def _postgres_engine(database: Database) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg" + database.url.removeprefix("postgresql"),
        hide_parameters=True,  # an error's text goes to the log; the values are about people
        pool_size=8,
        max_overflow=0,
        connect_args={
            "server_settings": {
                "application_name": "pointsbank people",
                "synchronous_commit": "on",
                "jit": "off",
                # Whatever is looked up here has an index. Of a thousand numbers PostgreSQL knew better while it did not
                # yet know the tables, and compared each with everybody.
                "enable_seqscan": "off",
                "plan_cache_mode": "force_generic_plan",
            }
        },
        execution_options={"schema_translate_map": {None: schema.SCHEMA}},
    )


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://",
        module=sqlite3,
        creator=lambda: _connect(path),
        poolclass=QueuePool,
        pool_size=1,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin)
    return engine


def people_store(
    settings: Settings, ledger_id: int, keys: MasterKeys, *, clock: Clock | None = None
) -> PeopleStore:
    """The people store of the settings, not yet open."""
    return PeopleStore(
        people_url(settings), ledger_id, keys, ErasureList(erasures_path(settings)), clock=clock
    )


async def upgrade_people(settings: Settings) -> None:
    """Bring the people store of the settings up to date, or make it. Needs no key: nothing in it is opened."""
    await _upgrade(Database(people_url(settings)), "head")


async def _upgrade(database: Database, revision: str) -> None:
    if database.dialect == "sqlite":
        database.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(database.path, os.O_RDWR | os.O_CREAT, 0o600))
        await asyncio.to_thread(_upgrade_file, database.path, revision)
        return
    engine = _postgres_engine(database)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda c: schema.upgrade(c, revision))
    finally:
        await engine.dispose()


def _upgrade_file(path: Path, revision: str) -> None:
    engine = _sqlite_engine(path)
    try:
        with engine.begin() as connection:
            schema.upgrade(connection, revision)
    finally:
        engine.dispose()


def people_url(settings: Settings) -> str:
    """Where the people store is: as the settings say, or beside the books."""
    if settings.people:
        return settings.people
    books = Database(settings.database)
    return f"sqlite:///{books.path.with_name('people.db')}" if books.dialect == "sqlite" else books.url


def erasures_path(settings: Settings) -> Path:
    """Where the erasure list is. A city puts it on another disk than its backups."""
    if settings.erasures:
        return Path(settings.erasures)
    people = Database(people_url(settings))
    return (
        people.path.with_name("people.erasures")
        if people.dialect == "sqlite"
        else Path("var/people.erasures")
    )


def demo_key_path(settings: Settings) -> Path:
    """Where a demo keeps the master key that it makes for its invented people: one for each database.

    On a server many databases have no folder of their own, and none may be taken for another's demo.
    """
    people = Database(people_url(settings))
    if people.dialect == "sqlite":
        return people.path.with_name("demo-master.key")
    name = re.sub(r"[^\w.-]", "_", urlsplit(people.url).path.strip("/"))
    return Path("var") / f"demo-master-{name}.key"


def _connect(path: Path) -> Any:
    connection = sqlite.connect(path)
    # what is deleted is overwritten with zeros in the file; the log is emptied when somebody is forgotten
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))
