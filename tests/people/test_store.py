"""The store itself: its schema on both engines, its keys, and what its errors may say."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import CheckConstraint, Connection, inspect, select, text, update
from sqlalchemy import types as sql
from sqlalchemy.exc import DBAPIError

from pointsbank.engine.clock import FixedClock
from pointsbank.people import schema
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import MasterKeyError, MasterKeys, generate, read_file, write_file
from pointsbank.people.refusals import MasterKeyInUse
from pointsbank.people.registry import Registry
from pointsbank.people.rotation import may_retire, outstanding, rewrap_all
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store import PeopleStore, StoreBusy, demo_key_path, erasures_path, people_url
from pointsbank.people.store_tables import people_metadata, person_keys, sealed_values
from pointsbank.people.vault import rewrap
from pointsbank.settings import Settings
from pointsbank.store.schema import SchemaOutOfDate
from pointsbank.tables import metadata

from .conftest import LEDGER, plain, put, somebody

ROOT = Path(__file__).parents[2]
TABLES = sorted(people_metadata.tables.values(), key=lambda table: table.name)


# the schema


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_the_ledger_leads_every_key_and_columns_are_plain(table) -> None:  # type: ignore[no-untyped-def]
    for key in (table.primary_key, *table.indexes):
        assert key.columns.keys()[0] == "ledger_id", key
    for column in table.columns:
        assert isinstance(column.type, (sql.Integer, sql.Text, sql.LargeBinary)), column
        assert not column.nullable, column
        assert column.default is None
        assert column.server_default is None
    assert table.dialect_options["sqlite"]["strict"]


def test_no_table_of_the_people_store_is_one_of_the_books() -> None:
    assert not set(people_metadata.tables) & set(metadata.tables)


def _shape(connection: Connection) -> dict[str, object]:
    inspector, where = inspect(connection), schema.schema_of(connection)
    return {
        name: (
            [(c["name"], c["nullable"]) for c in inspector.get_columns(name, schema=where)],
            inspector.get_pk_constraint(name, schema=where)["constrained_columns"],
            sorted(
                (i["name"], i["column_names"], bool(i["unique"]))
                for i in inspector.get_indexes(name, schema=where)
            ),
            sorted(str(c["name"]) for c in inspector.get_check_constraints(name, schema=where)),
        )
        for name in inspector.get_table_names(schema=where)
        if name in people_metadata.tables
    }


async def test_the_migrations_make_what_the_tables_say_and_go_down_again(store: PeopleStore) -> None:
    shape = await store.read(_shape)
    assert sorted(shape) == [table.name for table in TABLES]
    for table in TABLES:
        assert shape[table.name] == (
            [(c.name, c.nullable) for c in table.columns],
            table.primary_key.columns.keys(),
            sorted((str(i.name), i.columns.keys(), bool(i.unique)) for i in table.indexes),
            sorted(str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)),
        ), table.name
    await store.write(lambda c: schema.downgrade(c, "base"))
    assert await store.read(_shape) == {}
    with pytest.raises(SchemaOutOfDate, match="people upgrade"):
        await store.open()
    await store.upgrade()
    assert await store.read(_shape) == shape
    assert await store.read(schema.current_revision) == schema.latest_revision()


async def test_a_people_store_that_is_not_there_is_not_made_by_looking(
    tmp_path: Path, keys: MasterKeys, erasures: ErasureList
) -> None:
    store = PeopleStore(f"sqlite:///{tmp_path / 'people.db'}", LEDGER, keys, erasures)
    with pytest.raises(SchemaOutOfDate):
        await store.open()
    assert not (tmp_path / "people.db").exists()


def test_the_people_store_is_beside_the_books_unless_the_settings_say_otherwise() -> None:
    assert people_url(Settings(database="sqlite:////data/books.db")) == "sqlite:////data/people.db"
    assert str(erasures_path(Settings(database="sqlite:////data/books.db"))) == "/data/people.erasures"
    city = Settings(database="postgres://bank@host/bank")
    assert people_url(city) == "postgresql://bank@host/bank"
    assert str(erasures_path(city)) == "var/people.erasures"
    assert people_url(Settings(people="sqlite:///elsewhere.db")) == "sqlite:///elsewhere.db"
    assert str(erasures_path(Settings(erasures="/safe/list"))) == "/safe/list"
    assert str(demo_key_path(Settings(database="sqlite:////data/books.db", erasures="/safe/list"))) == (
        "/data/demo-master.key"
    )


def test_a_demos_key_on_a_server_is_that_of_one_database_alone() -> None:
    keys = [demo_key_path(Settings(database=f"postgresql://bank@host/{name}?ssl=on")) for name in "ab"]
    assert [str(key) for key in keys] == ["var/demo-master-a.key", "var/demo-master-b.key"]


async def test_deleted_rows_are_overwritten(store: PeopleStore) -> None:
    if store.database.dialect == "sqlite":
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA secure_delete").scalar()) == 1
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2


async def test_on_postgresql_the_store_has_a_role_of_its_own(
    postgres_url: str, keys: MasterKeys, erasures: ErasureList
) -> None:
    """As docs/privacy.md says: its role owns the schema and nothing else, and other roles see nothing of it."""
    mine, other = (f"pb_{kind}_{uuid.uuid4().hex[:8]}" for kind in ("people", "books"))
    owner = await asyncpg.connect(postgres_url)
    try:
        for role in (mine, other):
            await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        await owner.execute("DROP SCHEMA IF EXISTS people CASCADE")
        await owner.execute(f"CREATE SCHEMA people AUTHORIZATION {mine}")
        await owner.execute("REVOKE ALL ON SCHEMA people FROM PUBLIC")
        store = PeopleStore(_as_role(postgres_url, mine), LEDGER, keys, erasures)
        try:
            await store.upgrade()
            await store.open()
            await put(Registry(store), somebody())
            with pytest.raises(DBAPIError, match="permission denied"):
                await store.read(lambda c: c.execute(text("SELECT * FROM public.volunteers")).all())
        finally:
            await store.close()
        stranger = await asyncpg.connect(_as_role(postgres_url, other))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.fetch("SELECT * FROM people.person_keys")
        finally:
            await stranger.close()
    finally:
        await owner.execute("DROP SCHEMA IF EXISTS people CASCADE")
        for role in (mine, other):
            await owner.execute(f"DROP ROLE IF EXISTS {role}")
        await owner.close()


def _as_role(url: str, role: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:x@{rest.partition('@')[2]}"


# errors


async def test_an_error_of_the_database_repeats_no_value(store: PeopleStore) -> None:
    statement = text("SELECT :name FROM nothing_of_that_name")
    with pytest.raises(DBAPIError) as error:
        await store.read(lambda c: c.execute(statement, {"name": "司马佳慧"}))
    assert "司马佳慧" not in f"{error.value!s} {error.value!r}"


async def test_a_value_that_was_moved_to_another_person_does_not_open(
    registry: Registry, store: PeopleStore
) -> None:
    one = await put(registry, somebody())
    other = await put(registry, plain("王芳"))
    t = sealed_values.c
    name = await store.read(
        lambda c: c.execute(select(t.sealed).where(t.person_id == one, t.field == "name")).scalar()
    )
    await store.write(
        lambda c: (
            c.execute(
                update(sealed_values).where(t.person_id == other, t.field == "name").values(sealed=name)
            ).rowcount
        )
    )
    with pytest.raises(SealBroken):
        await registry.masked_names([other])
    assert await registry.masked_names([one]) == {one: "张*明"}


async def test_a_reader_in_the_way_is_no_reason_to_forget_half(
    registry: Registry, store: PeopleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.database.dialect != "sqlite":
        return
    person = await put(registry, somebody())
    store.erasures.add(person)
    with monkeypatch.context() as patched:
        patched.setattr("pointsbank.people.store.BUSY_SECONDS", 0.05)
        reader = PeopleStore(store.database.url, LEDGER, store.keys, ErasureList(Path("none")))
        reached, leave = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(connection: Connection) -> None:
            connection.execute(select(person_keys.c.person_id)).all()
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(leave.wait(), loop).result()

        holding = asyncio.create_task(reader.read(hold))
        await reached.wait()
        try:
            with pytest.raises(StoreBusy):
                await store.apply_erasures()
        finally:
            leave.set()
            await holding
            await reader.close()
    assert await registry.state(person) == "closed"
    assert await store.empty_log()


# master keys


async def test_rotation_goes_on_where_it_was_broken_off_and_then_the_old_key_may_go(
    people_url: str, tmp_path: Path, clock: FixedClock, erasures: ErasureList
) -> None:
    file = tmp_path / "master.key"
    old = generate()
    write_file(file, [old])

    def opened() -> PeopleStore:
        return PeopleStore(people_url, LEDGER, read_file(file), erasures, clock=clock)

    store = opened()
    await store.upgrade()
    await store.open()
    people = [await put(Registry(store), plain(f"张{n}")) for n in range(5)]
    fresh = generate()
    write_file(file, [fresh, old])
    rotating = opened()
    await rotating.open()
    assert await outstanding(rotating) == 6
    assert await rotating.write(lambda c: rewrap(c, rotating.keys, 1, limit=2)) == 2
    assert await may_retire(rotating, old.id) == MasterKeyInUse(old.id, 4)
    # a process that began before the rotation reads on: it finds the new key in the file
    assert len(await Registry(store).masked_names(people)) == 5
    assert store.keys.current == fresh
    assert await rewrap_all(rotating) == 4
    assert await outstanding(rotating) == 0
    assert await may_retire(rotating, fresh.id) == MasterKeyInUse(fresh.id, 0)
    assert await may_retire(rotating, old.id) is None
    write_file(file, [fresh])
    last = opened()
    await last.open()
    assert set(await Registry(last).masked_names(people)) == set(people)
    for one in (store, rotating, last):
        await one.close()
    stranger = PeopleStore(people_url, LEDGER, MasterKeys([generate()]), erasures)
    with pytest.raises(MasterKeyError, match=fresh.id):
        await stranger.open()
    await stranger.close()


# two processes

RACE = """
import asyncio, sys
from pathlib import Path
from pointsbank.people.erasures import ErasureList
from pointsbank.people.master import read_file
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.registry import Registry
from pointsbank.people.store import PeopleStore

async def main(url, folder, name):
    store = PeopleStore(url, 7, read_file(Path(folder) / "master.key"), ErasureList(Path(folder) / "list"))
    await store.open()
    print("ready", flush=True)
    sys.stdin.readline()
    won = 0
    for n in range(40):
        outcome = await Registry(store).register(NewPerson(name=name, volunteer_number=f"N{n}"), name)
        won += isinstance(outcome, Registered)
    print(won, flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_register_each_number_once(
    people_url: str, tmp_path: Path, erasures: ErasureList
) -> None:
    write_file(tmp_path / "master.key", [generate()])
    store = PeopleStore(people_url, LEDGER, read_file(tmp_path / "master.key"), erasures)
    await store.upgrade()
    await store.open()
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACE, people_url, str(tmp_path), f"clerk-{n}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        for n in range(2)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    errors = b"".join(error for _, error in answers).decode()[-2000:]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sum(int(out) for out, _ in answers) == 40
    found = await Registry(store).person_ids("volunteer-number", [f"N{n}" for n in range(40)])
    assert sorted(map(len, found.values())) == [1] * 40
    await store.close()
