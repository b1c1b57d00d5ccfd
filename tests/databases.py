"""PostgreSQL databases for tests: each test has a migrated, empty one to itself.

Copying one and dropping it again takes longer than most tests. So one that a test gives back with nothing changed but
rows is emptied and lent to the next; one whose schema, rights, settings or statistics changed is dropped.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg

T = TypeVar("T")

LARGE = 10
"""Pages. PostgreSQL expects as many of a table it has not looked at, so fewer left by a test change no plan."""

_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_%'"

SHAPE = f"""SELECT md5(string_agg(line, E'\\n' ORDER BY line COLLATE "C")) FROM (
    SELECT concat_ws('|', 'relation', c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions, c.reltuples) AS line
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS}
    UNION ALL SELECT concat_ws('|', 'column', a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull,
            a.attcollation, a.attisdropped, a.attacl)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS}
    UNION ALL SELECT concat_ws('|', 'index', indexrelid, indisvalid, indisunique) FROM pg_index
        WHERE indrelid >= 16384
    UNION ALL SELECT concat_ws('|', 'trigger', oid, tgname, tgenabled, tgfoid) FROM pg_trigger
    UNION ALL SELECT concat_ws('|', 'constraint', oid, conname, convalidated) FROM pg_constraint
    UNION ALL SELECT concat_ws('|', 'function', p.oid, p.proname, md5(p.prosrc), p.proacl)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_OURS}
    UNION ALL SELECT concat_ws('|', 'schema', oid, nspname, nspowner, nspacl) FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT concat_ws('|', 'default', d.*::text) FROM pg_default_acl d
    UNION ALL SELECT concat_ws('|', 'setting', s.setrole, s.setconfig) FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
    UNION ALL SELECT concat_ws('|', 'database', datacl) FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT concat_ws('|', 'statistics', starelid, staattnum, stadistinct, stanullfrac, stawidth, stakind1)
        FROM pg_statistic WHERE starelid >= 16384
    UNION ALL SELECT concat_ws('|', 'revision', version_num) FROM alembic_version
) lines"""
"""Whatever a test may have changed of a database besides rows, in a few letters."""

_EMPTY = f"""DO $$
DECLARE ours record; filled boolean;
BEGIN
    FOR ours IN SELECT c.oid::regclass AS name, pg_relation_size(c.oid) / current_setting('block_size')::int AS pages
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND pg_relation_size(c.oid) > 0
            AND c.relname NOT IN ('alembic_version', 'people_version') AND {_OURS}
    LOOP
        IF ours.pages > {LARGE} THEN
            EXECUTE format('TRUNCATE %s', ours.name);
        ELSE
            EXECUTE format('DELETE FROM %s', ours.name);
        END IF;
    END LOOP;
END $$"""

_ALONE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


class Databases:
    """Copies of one migrated database, each with a connection that empties it: to connect takes longer than that."""

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._shapes: dict[str, str] = {}
        """of each copy, as it was made"""
        self._free: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._keepers: dict[str, asyncpg.Connection] = {}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """URL of an empty database; it is somebody else's afterwards."""
        name = self._free.pop() if self._free else self._copy()
        try:
            yield url_of(self._server, name)
        finally:
            if self._loop.run_until_complete(self._emptied(name)):
                self._free.append(name)
            else:
                self._drop(name)

    def close(self) -> None:
        for name in list(self._shapes):
            self._drop(name)
        self._loop.close()

    def _copy(self) -> str:
        name = f"pb_{uuid.uuid4().hex[:12]}"
        copy(self._server, self._template, name)
        self._shapes[name] = self._loop.run_until_complete(self._shape(name))
        return name

    def _drop(self, name: str) -> None:
        del self._shapes[name]
        if name in self._keepers:
            self._loop.run_until_complete(_ended(self._keepers.pop(name)))
        administer(self._server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _shape(self, name: str) -> str:
        return str(await (await self._keeper(name)).fetchval(SHAPE))

    async def _emptied(self, name: str) -> bool:
        try:
            keeper = await self._keeper(name)
            await keeper.execute(_ALONE)
            if await self._shape(name) != self._shapes[name]:
                return False
            # the triggers that keep the journal as it is do not fire for a replica
            await keeper.execute(f"SET session_replication_role = replica; {_EMPTY}")
            return True
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False  # a test dropped it, or the given server's role may not do this

    async def _keeper(self, name: str) -> asyncpg.Connection:
        keeper = self._keepers.get(name)
        if keeper is None or keeper.is_closed():
            keeper = self._keepers[name] = await asyncpg.connect(url_of(self._server, name))
        return keeper


async def _ended(connection: asyncpg.Connection) -> None:
    connection.terminate()


def url_of(server: str, name: str) -> str:
    """URL of another database on the server."""
    base, question, options = server.partition("?")
    return base.rsplit("/", 1)[0] + "/" + name + question + options


def copy(server: str, template: str, name: str) -> None:
    """Make a database like another one. Its files are copied, which in memory takes 20 ms; page by page through the
    log, as the server would by itself, it takes 300."""
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY = file_copy")


def administer(server: str, *statements: str) -> None:
    """Execute statements on the server, each by itself."""

    async def run(connection: asyncpg.Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    asyncio.run(_at(server, run))


async def _at(url: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    connection = await asyncpg.connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()
