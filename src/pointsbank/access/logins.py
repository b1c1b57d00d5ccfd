"""The second store: passwords, sessions, throttles and what happened at the door.

None of it belongs to the books: it is forgotten, and it changes with every click. On SQLite it is a file beside the
books (`<books>.logins`, erased when deleted, readable by its owner only), on PostgreSQL a schema of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    create_engine,
    event,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from pointsbank.store import sqlite
from pointsbank.store.database import Database
from pointsbank.store.direct import Direct
from pointsbank.store.sqlite_driver import sqlite3
from pointsbank.store.tables import Big, ByteOrdered

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA: Final = "logins"
"""Where PostgreSQL keeps these tables."""

_IN_SCHEMA: Final[dict[str, Any]] = {"schema_translate_map": {None: SCHEMA}}

metadata = MetaData()


def _table(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("ledger_id", Integer, nullable=False, autoincrement=False),
        *columns,
        PrimaryKeyConstraint("ledger_id", *key, name=f"{name}_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _text(name: str) -> Column[Any]:
    return Column(name, ByteOrdered, nullable=False)


def _big(name: str) -> Column[Any]:
    return Column(name, Big, nullable=False)


credentials = _table(
    "credentials",
    _text("person_id"),
    _text("password"),
    Column("code_nonce", LargeBinary, nullable=False),
    _big("last_step"),
    _big("changed_at"),
    key=("person_id",),
)
"""The password's hash, and from what the secret of the codes is derived: the secret itself is kept nowhere.
`last_step` is the newest step whose code was used: no code opens twice."""

sessions = _table(
    "sessions",
    _text("token_hash"),
    _text("session_id"),
    _text("person_id"),
    _big("opened_at"),
    _big("touched_at"),
    _big("stepped_up_at"),
    _big("expires_at"),
    key=("token_hash",),
)
Index("sessions_person_idx", sessions.c.ledger_id, sessions.c.person_id)

throttles = _table("throttles", _text("subject"), _big("failures"), _big("since"), key=("subject",))
"""Failures since the window began. A subject is an HMAC of an account or an address: neither stands here."""

pins = _table("pins", _text("person_id"), _text("pin"), _big("changed_at"), key=("person_id",))
"""The PIN of a person's card, as argon2id over an HMAC under the pepper."""

pin_cards = _table("pin_cards", _text("card"), _big("failures"), _big("paused_until"), key=("card",))
"""Failures of a card (an HMAC of it) since its last success."""

pin_terminals = _table("pin_terminals", _text("terminal"), _big("stopped_at"), key=("terminal",))
"""Terminals (HMACs of their ids) that are stopped."""

pin_failures = _table("pin_failures", _text("terminal"), _text("card"), _big("at"), key=("terminal", "card"))
"""Which cards failed at which terminal, and when last."""
Index("pin_failures_card_idx", pin_failures.c.ledger_id, pin_failures.c.card)

visits = _table(
    "visits",
    _text("token_hash"),
    _text("session_id"),
    _text("person_id"),
    _text("way"),
    _text("ward_id"),
    _text("ward_kind"),
    _text("terminal_id"),
    _text("place_id"),
    _text("staff_id"),
    _big("spends_from"),
    _big("opened_at"),
    _big("touched_at"),
    _big("expires_at"),
    key=("token_hash",),
)
"""Sessions of volunteers: by a code sent to the phone, or for two minutes by card and PIN at a terminal."""
Index("visits_person_idx", visits.c.ledger_id, visits.c.person_id)

phone_codes = _table(
    "phone_codes",
    _text("phone"),
    _text("browser"),
    _text("code"),
    _big("tries"),
    _big("expires_at"),
    key=("phone",),
)
"""The one open code of a phone: HMACs of the phone, of the browser that asked, and of the code."""
Index("phone_codes_browser_idx", phone_codes.c.ledger_id, phone_codes.c.browser)

oidc_requests = _table(
    "oidc_requests", _text("state"), _text("browser"), _text("purpose"), _big("expires_at"), key=("state",)
)
"""Browsers that are at the city's log-in: hashes of the state and of the browser's cookie."""

oidc_links = _table("oidc_links", _text("name"), _text("person_id"), _big("linked_at"), key=("name",))
"""Who is linked to the city's log-in: an HMAC of issuer and subject, neither stands here."""
Index("oidc_links_person_key", oidc_links.c.ledger_id, oidc_links.c.person_id, unique=True)

used_codes = _table("used_codes", _text("nonce"), _big("expires_at"), key=("nonce",))
"""Dynamic codes that were used, until they would be too old anyway: each opens once."""

card_days = _table("card_days", _text("person_id"), _text("day"), _big("points"), key=("person_id", "day"))
"""What somebody redeemed by card on a day of the city, in hundredths."""

events = _table(
    "events",
    _text("event_id"),
    _big("at"),
    _text("person_id"),
    _text("what"),
    _text("session_id"),
    _text("address"),
    key=("event_id",),
)
"""What happened at the door, for the auditor; the address as an HMAC."""
Index("events_person_idx", events.c.ledger_id, events.c.person_id, events.c.event_id)
Index("events_at_idx", events.c.ledger_id, events.c.at)


class LoginStore:
    """Reads and writes the second store, one short transaction at a time. Open it, and close it at the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine: Engine | AsyncEngine | None = None
        self._direct: Direct | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def path(self) -> Path:
        """The file on SQLite."""
        return self._database.path.with_name(self._database.path.name + ".logins")

    async def open(self) -> None:
        """Connect, and make the tables that are not there yet."""
        if self._database.dialect == "sqlite":
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="logins")
            self._engine = _sqlite_engine(self.path)
            await self.run(make_tables)
            return
        # every table that is reached on these connections stands there
        settings = {"search_path": SCHEMA, "jit": "off"}
        self._engine = create_async_engine(
            "postgresql+asyncpg" + self._database.url.removeprefix("postgresql"),
            hide_parameters=True,
            pool_size=10,
            max_overflow=0,  # one above the pool would be closed after each use, and to make one takes 20 ms
            connect_args={"server_settings": settings},
        )
        self._direct = Direct(self._database.url, settings)
        await self.run(make_tables)

    async def close(self) -> None:
        if self._direct is not None:
            await self._direct.close()
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        elif self._engine is not None:
            self._engine.dispose()
        if self._thread is not None:
            self._thread.shutdown()
        self._engine = self._direct = self._thread = None

    async def run(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function in one transaction, committed before this returns."""
        engine = self._engine
        if isinstance(engine, AsyncEngine):
            async with engine.begin() as connection:
                return await connection.run_sync(lambda c: work(c, *args, **kwargs))
        assert engine is not None, "open the store first"
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: _run_sqlite(engine, work, *args, **kwargs))

    async def run_one(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function that puts one statement only on PostgreSQL: it goes straight to the driver there."""
        if self._direct is None:
            return await self.run(work, *args, **kwargs)
        return await self._direct.run(work, *args, **kwargs)


def _run_sqlite(
    engine: Engine, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    with engine.begin() as connection:
        return work(connection, *args, **kwargs)


def make_tables(connection: Connection) -> None:
    """Make the tables that are not there yet. Where they are, no right to make any is needed."""
    if connection.dialect.name == "sqlite":
        metadata.create_all(connection)
        return
    if not connection.execute(text(f"SELECT to_regnamespace('{SCHEMA}')")).scalar():
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    metadata.create_all(connection.execution_options(**_IN_SCHEMA))


def _sqlite_engine(path: Path) -> Engine:
    """One connection, whose transactions begin when SQLAlchemy says so; what is deleted is overwritten."""

    def creator() -> Any:
        connection = sqlite.connect(path)
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    engine = create_engine(
        "sqlite://", module=sqlite3, creator=creator, poolclass=StaticPool, hide_parameters=True
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine
