"""Forgetting works: after any interruption, in the raw bytes, and after an old copy comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import Connection, insert, select, text
from tests.people_of import enrol
from tests.points.town import Town

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import InvalidDraft, Refusal
from pointsbank.people.closing import Closing, call_off, close_account, resume_closings
from pointsbank.people.consents import Consents
from pointsbank.people.directory import directory_of
from pointsbank.people.erasures import ErasureList
from pointsbank.people.export import export_own_data
from pointsbank.people.links import Link, Links
from pointsbank.people.master import MasterKeyError, generate, read_file, write_file
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.notices import waiting
from pointsbank.people.refusals import (
    ClosingInterrupted,
    ClosingWaits,
    PersonNotActive,
    SecondPersonNeeded,
    UnknownPerson,
)
from pointsbank.people.registry import Registry
from pointsbank.people.rotation import rewrap_all
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import people_metadata, person_keys
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import lots_of
from pointsbank.store.backup import back_up
from pointsbank.verify import verify

from .closing_town import BORN, STEPS, close_in, settle_in, town_with_people
from .conftest import DAY, NOON, id_number, plain, put, somebody

ROOT = Path(__file__).parents[2]

NAME, PHONE, NUMBER = "司马佳慧", "13845670123", "V2301987654"
ID_NUMBER = id_number(BORN.isoformat(), 987)
CANARIES = tuple(
    form
    for value in (NAME, PHONE, NUMBER, ID_NUMBER, "+86" + PHONE, BORN.isoformat())
    for form in (value.encode(), value.encode("utf-16-le"), value.encode("gbk"))
)


@pytest.fixture
def people_beside(database_url: str) -> str:
    """The people store as an operator has it: a file beside the books, or a schema of their database."""
    if database_url.startswith("sqlite"):
        path = Path(database_url.removeprefix("sqlite:///"))
        return f"sqlite:///{path.with_name('people.db')}"
    return database_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What lies outside every backup: the key file and the erasure list."""
    folder = tmp_path / "outside"
    folder.mkdir()
    write_file(folder / "master.key", [generate()])
    return folder


async def settled_town(books: str, people: str, folder: Path) -> str:
    """A town whose volunteer has 40 points, a name, a consent and a line in the log; the person's id."""
    async with town_with_people(books, people, folder) as (town, store):
        registry = Registry(store)
        outcome = await registry.register(
            NewPerson(name=NAME, phone=PHONE, volunteer_number=NUMBER, id_number=ID_NUMBER), "clerk-1"
        )
        assert isinstance(outcome, Registered)
        person = (await enrol(town.ledger, {NUMBER: BORN}))[NUMBER]
        assert person.id == outcome.person_id
        assert await town.earn(NUMBER, "2026-02-02") == "accepted"
        desk = Consents(store)
        await desk.give(person.id, "insurance", wording="1", given_by=person.id, taken_by="clerk-1")
        assert await registry.keep_id_number(person.id, ID_NUMBER, "clerk-1") is None
        await registry.unmask(person.id, "phone", "clerk-1", permitted=True, reason=f"回拨{PHONE}")
        exported = await export_own_data(store, person.id, person.id)
        assert isinstance(exported, bytes)
        assert ID_NUMBER in exported.decode()
        return person.id


async def assert_forgotten(town: Town, store: PeopleStore, person_id: str) -> None:
    registry = Registry(store)
    assert await registry.state(person_id) == "closed"
    assert await registry.profile(person_id, "clerk") == UnknownPerson(person_id)
    for kind, number in (("phone", PHONE), ("volunteer-number", NUMBER), ("id-number", ID_NUMBER)):
        assert await registry.find(kind, number, "clerk") == []  # type: ignore[arg-type]
    assert await registry.masked_names([person_id]) == {}
    assert await export_own_data(store, person_id, "clerk") == UnknownPerson(person_id)
    assert await directory_of(town.ledger).by_number([NUMBER]) == {}
    wallet = Volunteer(person_id).wallet
    assert await town.ledger.database.read(lots_of, town.ledger.id, [wallet]) == {}
    assert list(store.erasures) == [person_id]
    report = await verify(town.ledger.database, town.ledger.id)
    assert report.holds


@pytest.mark.parametrize("step", STEPS)
async def test_a_closing_that_is_killed_goes_on_where_it_was(
    database_url: str, people_beside: str, folder: Path, step: str
) -> None:
    person_id = await settled_town(database_url, people_beside, folder)
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.people.closing_town", database_url, people_beside, str(folder), person_id,
        step,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL, errors.decode()[-2000:]
    async with town_with_people(database_url, people_beside, folder) as (town, store):
        assert await Registry(store).state(person_id) == ("closing" if STEPS.index(step) < 4 else "closed")
        await resume_closings(store, settle_in(town.ledger))
        await assert_forgotten(town, store, person_id)
        again = await close_in(town, store, person_id)
        assert again == Closing(person_id, "done", "donate", "clerk-1", "clerk-2", town.clock.now())
        assert await resume_closings(store, settle_in(town.ledger)) == []
        assert list(store.erasures) == [person_id]


def raw_bytes(folder: Path) -> dict[str, bytes]:
    """Every byte of every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def found_in(files: dict[str, bytes], *wanted: bytes) -> list[tuple[str, bytes]]:
    return [(name, one) for name, content in files.items() for one in wanted if one in content]


def everything(connection: Connection) -> dict[str, bytes]:
    """All rows of all tables of a database as bytes, and on PostgreSQL the raw files of the people store."""
    found = {}
    if connection.dialect.name == "postgresql":
        names = connection.execute(
            text(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_schema IN ('public', 'people') ORDER BY 1, 2"
            )
        ).all()
        for schema, name in names:
            rows = connection.execute(text(f'SELECT * FROM "{schema}"."{name}"')).all()
            found[f"{schema}.{name}"] = b"".join(_octets(value) for row in rows for value in row)
            file = connection.execute(
                text(f"SELECT pg_read_binary_file(pg_relation_filepath('{schema}.{name}'))")
            ).scalar()
            found[f"{schema}.{name} file"] = bytes(file or b"")
    return found


def _octets(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()


async def test_v9_after_closing_nothing_of_the_person_is_in_any_file(
    database_url: str, people_beside: str, folder: Path, tmp_path: Path
) -> None:
    person_id = await settled_town(database_url, people_beside, folder)
    async with town_with_people(database_url, people_beside, folder) as (town, store):
        # a neighbour in the same pages, so that SQLite's log has them too
        await put(Registry(store), plain("邻居", phone="13911112222"))
        digest = store.vault.indexes.digest("phone", "+86" + PHONE)
        wrapped = await store.read(
            lambda c: c.execute(
                select(person_keys.c.wrapped).where(person_keys.c.person_id == person_id)
            ).scalar()
        )
        assert wrapped is not None
        is_file = database_url.startswith("sqlite")
        if is_file:
            seen = {Path(name).name for name, _ in found_in(raw_bytes(tmp_path), bytes(wrapped))}
            assert seen == {"people.db", "people.db-wal"}, "the test sees what is there"
            assert found_in(raw_bytes(tmp_path), digest)
        # sealed or not there at all, also while the account is open
        assert found_in(raw_bytes(tmp_path) | await store.read(everything), *CANARIES) == []
        assert isinstance(await close_in(town, store, person_id), Closing)
        left = raw_bytes(tmp_path) | await store.read(everything)
        assert found_in(left, *CANARIES) == []
        assert (
            found_in({n: c for n, c in left.items() if not n.endswith(" file")}, bytes(wrapped), digest) == []
        )
        if is_file:
            assert any(name.endswith("people.db") for name in left)
            assert (tmp_path / "people.db").stat().st_mode & 0o777 == 0o600
        await assert_forgotten(town, store, person_id)


# old copies


async def copy_of(store: PeopleStore, target: Path) -> dict[str, list[Any]]:
    """A backup of the people store: the file, or the rows of the schema."""
    if store.database.dialect == "sqlite":
        assert await store.empty_log()
        shutil.copy(store.database.path, target)
        return {}

    def rows(connection: Connection) -> dict[str, list[Any]]:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in people_metadata.sorted_tables
        }

    return await store.read(rows)


async def put_back(store: PeopleStore, source: Path, rows: dict[str, list[Any]]) -> None:
    """Restore a copy over a store that is closed."""
    if store.database.dialect == "sqlite":
        for path in store.database.path.parent.glob("people.db-*"):
            path.unlink()
        shutil.copy(source, store.database.path)
        return

    def work(connection: Connection) -> None:
        for table in people_metadata.sorted_tables:
            connection.execute(table.delete())
            if rows[table.name]:
                connection.execute(insert(table), rows[table.name])

    await store.write(work)
    await store.close()


async def test_restoring_an_old_copy_does_not_bring_a_person_back(
    database_url: str, people_beside: str, folder: Path, tmp_path: Path
) -> None:
    person_id = await settled_town(database_url, people_beside, folder)
    async with town_with_people(database_url, people_beside, folder) as (town, store):
        staying = await put(Registry(store), plain("留下的人", phone="13911112222"))
        copy = await copy_of(store, tmp_path / "old.copy")
        assert isinstance(await close_in(town, store, person_id), Closing)
        await store.close()
        await put_back(store, tmp_path / "old.copy", copy)
    async with town_with_people(database_url, people_beside, folder) as (town, store):
        await assert_forgotten(town, store, person_id)
        assert await Registry(store).masked_names([staying]) == {staying: "留**人"}
        assert isinstance(await close_in(town, store, person_id), Closing)
        assert list(store.erasures) == [person_id]
        if store.database.dialect == "sqlite":
            assert await store.read(lambda c: c.execute(select(person_keys.c.wrapped)).all())
            wal = store.database.path.with_name("people.db-wal")
            assert not wal.exists() or wal.stat().st_size < store.database.path.stat().st_size


async def test_a_copy_from_before_a_retired_master_key_stays_shut(
    database_url: str, people_beside: str, folder: Path, tmp_path: Path
) -> None:
    await settled_town(database_url, people_beside, folder)
    async with town_with_people(database_url, people_beside, folder) as (_, store):
        copy = await copy_of(store, tmp_path / "old.copy")
    old = read_file(folder / "master.key").current
    fresh = generate()
    write_file(folder / "master.key", [fresh, old])
    async with town_with_people(database_url, people_beside, folder) as (_, store):
        assert await rewrap_all(store) == 2
    write_file(folder / "master.key", [fresh])
    async with town_with_people(database_url, people_beside, folder) as (_, store):
        assert len(await Registry(store).find("phone", PHONE, "clerk")) == 1  # type: ignore[arg-type]
        await store.close()
        await put_back(store, tmp_path / "old.copy", copy)
    with pytest.raises(MasterKeyError, match=old.id):
        async with town_with_people(database_url, people_beside, folder):
            pass


async def test_no_copy_of_the_books_or_of_the_people_holds_a_master_key(
    database_url: str, people_beside: str, folder: Path, tmp_path: Path
) -> None:
    """Ruling 6: whoever takes a backup away takes nothing away that opens a name."""
    await settled_town(database_url, people_beside, folder)
    async with town_with_people(database_url, people_beside, folder) as (town, store):
        rows = await copy_of(store, tmp_path / "people.copy")
        await back_up(town.ledger.database, tmp_path / "books.backup", lambda what, done, total: None)
        held = read_file(folder / "master.key").current
        files = raw_bytes(tmp_path) | await store.read(everything)
    secret = held.secret
    texts = (b64encode(secret), urlsafe_b64encode(secret))
    forms = (secret, secret.hex().encode(), held.text.encode(), *(text.rstrip(b"=") for text in texts))
    assert {Path(name) for name, _ in found_in(files, *forms)} == {folder / "master.key"}, "the test sees it"
    with ZipFile(tmp_path / "books.backup") as backup:
        for name in backup.namelist():
            assert found_in({name: backup.read(name)}, *forms) == []
    values = [value for table in rows.values() for row in table for value in row.values()]
    assert found_in({"rows": b"".join(_octets(value) for value in values)}, *forms) == []


# what closing asks for


async def nothing_to_settle(person_id: str, settlement: str, key: str) -> Refusal | None:
    return None


async def test_giving_the_points_away_needs_two_who_are_not_concerned(
    registry: Registry, store: PeopleStore
) -> None:
    person = await put(registry, somebody())
    for by, second in (
        ("clerk", ""),
        ("clerk", "clerk"),
        (person, "clerk"),
        ("clerk", person),
        ("cousin", "clerk"),
    ):
        refused = await close_account(
            store,
            person,
            nothing_to_settle,
            by=by,
            confirmed_by=second,
            settlement="donate",
            household=["cousin"],
        )
        assert isinstance(refused, SecondPersonNeeded), (by, second)
    assert await registry.state(person) == "active"
    done = await close_account(store, person, nothing_to_settle, by=person)
    assert isinstance(done, Closing)
    assert done.step == "done"
    missing = new_id()
    assert await close_account(store, missing, nothing_to_settle, by="clerk") == UnknownPerson(missing)


async def test_a_closing_whose_points_cannot_be_settled_leaves_the_person_as_before(
    registry: Registry, store: PeopleStore
) -> None:
    person = await put(registry, somebody())
    await registry.freeze(person, "clerk")
    refusal = InvalidDraft("points are held")

    async def held(person_id: str, settlement: str, key: str) -> Refusal | None:
        assert await registry.state(person) == "closing"
        assert await registry.freeze(person, "clerk") == PersonNotActive(person, "closing")
        return refusal

    assert await close_account(store, person, held, by=person) == refusal
    assert await registry.state(person) == "frozen"
    assert len(await registry.find("phone", "13812345678", "clerk")) == 1  # type: ignore[arg-type]
    assert isinstance(await close_account(store, person, nothing_to_settle, by=person), Closing)


async def test_giving_the_points_away_waits_a_day_is_told_and_may_be_called_off(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    person = await put(registry, somebody())
    settled = []

    async def settle(person_id: str, settlement: str, key: str) -> Refusal | None:
        settled.append(settlement)
        return None

    async def ask() -> Closing | Refusal:
        return await close_account(
            store, person, settle, by="clerk-1", confirmed_by="clerk-2", settlement="donate"
        )

    assert await ask() == ClosingWaits(NOON + DAY)
    assert await registry.state(person) == "closing"
    assert [(one.phone, one.template) for one in await waiting(store)] == [
        ("+8613812345678", "closing-asked")
    ]
    clock.time += DAY - 1
    assert await resume_closings(store, settle) == [ClosingWaits(NOON + DAY)]
    assert await call_off(store, person, person) is None
    assert await registry.state(person) == "active"
    assert await call_off(store, person, person) == PersonNotActive(person, "")
    assert await ask() == ClosingWaits(NOON + 2 * DAY - 1)
    clock.time += DAY
    assert settled == []
    done = await ask()
    assert isinstance(done, Closing)
    assert (done.step, settled) == ("done", ["donate"])
    assert await call_off(store, person, person) == PersonNotActive(person, "done")


async def test_three_who_close_at_once_close_once(registry: Registry, store: PeopleStore) -> None:
    person = await put(registry, somebody())
    keys = []

    async def settle(person_id: str, settlement: str, key: str) -> Refusal | None:
        await asyncio.sleep(0)
        keys.append(key)
        return None

    outcomes = await asyncio.gather(*(close_account(store, person, settle, by="clerk") for _ in range(3)))
    assert [one.step for one in outcomes if isinstance(one, Closing)].count("done") >= 1
    assert all(isinstance(one, Closing | ClosingInterrupted) for one in outcomes)
    assert len(set(keys)) == 1
    assert list(store.erasures) == [person]
    assert await registry.state(person) == "closed"


async def test_a_number_of_somebody_forgotten_may_be_registered_anew(
    registry: Registry, store: PeopleStore
) -> None:
    first = await put(registry, somebody())
    assert isinstance(await close_account(store, first, nothing_to_settle, by=first), Closing)
    assert await put(registry, somebody()) != first


async def test_links_end_with_either_person(
    registry: Registry, store: PeopleStore, clock: FixedClock
) -> None:
    ward = await put(registry, plain("老人"))
    helper = await put(registry, somebody(role="helper", born=None))
    desk = Links(store)
    proposed = await desk.propose("helper", helper, ward, "clerk-1", evidence="委托书")
    assert isinstance(proposed, Link)
    await desk.confirm(ward, proposed.id, "clerk-2")
    assert isinstance(await close_account(store, helper, nothing_to_settle, by=helper), Closing)
    assert [one.state for one in await desk.of(ward)] == ["ended"]


# the list


def test_the_erasure_list_takes_ids_only_and_outlives_a_torn_line(tmp_path: Path) -> None:
    erasures = ErasureList(tmp_path / "deep" / "people.erasures")
    assert list(erasures) == []
    one, other = new_id(), new_id()
    erasures.add(one)
    with erasures.path.open("a") as file:
        file.write(other[:20])
    assert list(erasures) == [one]
    erasures.add(other)
    erasures.add(one)
    assert list(erasures) == [one, other]
    with pytest.raises(AssertionError):
        erasures.add(PHONE)
    assert erasures.path.stat().st_mode & 0o777 == 0o600
