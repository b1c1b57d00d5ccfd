"""What the databases themselves keep to: migrations with rows in them, constraints, ledgers apart from each other."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from pointsbank.access.logins import SCHEMA, LoginStore, credentials
from pointsbank.access.logins import metadata as second_metadata
from pointsbank.access.model import NEVER
from pointsbank.access.service import IssuedKey
from pointsbank.access.tables import api_keys, role_grants
from pointsbank.store.database import Database
from pointsbank.store.schema import downgrade, missing_triggers, upgrade, write_connection

from .office import ADDRESS, PASSWORD, open_office

OLD_KEY = (
    "INSERT INTO api_keys (ledger_id, key_id, client, label, scopes, secret_hash, created_at, created_by,"
    " expires_at, state, revoked_at) VALUES (7, 'K1', 'till', '收银', 'market:sell', :hash, 5, 'operator', 0,"
    " 'active', 0)"
)


async def test_keys_that_are_there_come_through_the_migration_and_back(database: Database) -> None:
    await downgrade(database, "0001")
    await database.close()
    await write_connection(database, lambda c: c.execute(text(OLD_KEY), {"hash": bytes(32)}) and None)
    await upgrade(database)
    [row] = await database.read(lambda c: c.execute(select(api_keys)).all())
    assert row._mapping["label"] == "收银"
    assert (row.owner, row.person_id, row.confirmed_by, row.state) == ("operator", "", "", "active")
    assert bytes(row.secret_hash) == bytes(32)
    assert await database.read(missing_triggers) == []
    await database.close()
    await write_connection(database, lambda c: c.execute(api_keys.update().values(state="proposed")) and None)
    await downgrade(database, "0001")
    states = await database.read(lambda c: c.execute(text("SELECT state FROM api_keys")).scalars().all())
    assert states == ["revoked"], "a key that waited for a second person opens nothing in the older program"
    await database.close()
    await upgrade(database)


GRANT = {
    "ledger_id": 1,
    "grant_id": "g",
    "person_id": "p",
    "role": "cashier",
    "place_id": "",
    "from_day": "2026-01-01",
    "to_day": "2026-12-31",
    "proposed_by": "a",
    "proposed_at": 1,
    "confirmed_by": "b",
    "confirmed_at": 2,
    "revoked_by": "",
    "revoked_at": 0,
    "state": "active",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"proposed_by": "p"},
        {"confirmed_by": "p"},
        {"confirmed_by": "a"},
        {"to_day": "2025-01-01"},
        {"state": "granted"},
    ],
)
async def test_the_database_itself_refuses_a_role_without_four_eyes(
    database: Database, wrong: dict[str, str]
) -> None:
    await write_connection(database, lambda c: c.execute(insert(role_grants).values(GRANT)) and None)
    with pytest.raises(DBAPIError):
        await write_connection(
            database,
            lambda c: c.execute(insert(role_grants).values({**GRANT, "grant_id": "h", **wrong})) and None,
        )


async def test_a_session_a_key_and_a_role_of_one_ledger_open_nothing_in_another(database: Database) -> None:
    async with open_office(database) as office:
        await office.enrol("ann")
        opened = await office.log_in("ann")
        ann = office.actor("ann")
        issued = await office.keys.issue("t", "", ["market:sell"], NEVER, office.command(ann), actor=ann)
        bo = office.actor("bo")
        assert isinstance(issued, IssuedKey)
        await office.keys.confirm(bo, issued.key.id, office.command(bo))
        assert await office.ring.recognise(str(issued.token)) is not None
        people, apps, now = office.people, office.apps, office.clock.time
    async with open_office(database, founded=False, name="county") as other:
        other.people, other.apps, other.clock.time = people, apps, now + 60_000_000
        assert await other.log_ins.actor(opened.token) is None
        assert await other.ring.recognise(str(issued.token)) is None
        assert await other.ring.standing(people["ann"]) is None
        verdict = await other.log_ins.log_in("ann", PASSWORD, other.code("ann"), ADDRESS)
        assert getattr(verdict, "code", "") == "log-in-refused"
        assert not await other.staff.is_founded()


async def test_the_second_store_is_made_once_and_found_again(database: Database) -> None:
    await _without_log_ins(database)
    async with open_office(database) as office:
        await office.enrol("ann")
    again = LoginStore(database)
    await again.open()
    assert await again.run(_people) == 1
    await again.close()
    if database.dialect == "postgresql":
        found = await database.read(
            lambda c: (
                c.execute(
                    text("SELECT tablename FROM pg_tables WHERE schemaname = :s ORDER BY 1"), {"s": SCHEMA}
                )
                .scalars()
                .all()
            )
        )
        assert found == sorted(second_metadata.tables)


def test_in_the_second_store_the_ledger_leads_every_key_too() -> None:
    for table in second_metadata.tables.values():
        assert next(iter(table.primary_key.columns)).name == "ledger_id"
        assert all(index.columns.keys()[0] == "ledger_id" for index in table.indexes)


async def _without_log_ins(database: Database) -> None:
    if database.dialect == "sqlite":
        LoginStore(database).path.unlink()
    else:
        await write_connection(database, lambda c: c.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE")) and None)


def _people(connection: Connection) -> int:
    return len(connection.execute(select(credentials)).all())
