"""Numbers lead to ids, in whole lists; what is written about somebody is sealed under that person's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import Connection, select, update
from tests.people_of import enrol, open_peopled, store_of

from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Receipt
from pointsbank.people.directory import Directory, directory_of
from pointsbank.people.forgetting import forget
from pointsbank.people.model import NewPerson, Profile, Registered
from pointsbank.people.refusals import PersonDataInvalid
from pointsbank.people.registry import Registry
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store_tables import access_log, persons
from pointsbank.people.volunteers import registered
from pointsbank.store.database import Database

BORN = date(1990, 5, 17)


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    async with open_peopled(database) as ledger:
        yield ledger


async def test_numbers_lead_to_volunteers_with_birth_date_whatever_their_spelling(ledger: Ledger) -> None:
    found = await enrol(ledger, {"V2301000001": BORN, "V2301000002": date(2014, 1, 1)})
    directory = directory_of(ledger)
    known = await directory.by_number(["v2301000001", "Ｖ2301000001", "V2301000002", "V9", "no number"])
    assert {n: p.id for n, p in known.items()} == {
        "v2301000001": found["V2301000001"].id,
        "Ｖ2301000001": found["V2301000001"].id,
        "V2301000002": found["V2301000002"].id,
    }
    assert known["v2301000001"].born == BORN
    assert (await directory.by_id([found["V2301000002"].id, "nobody"]))[found["V2301000002"].id].born == date(
        2014, 1, 1
    )


async def test_a_long_list_is_looked_up_at_once(ledger: Ledger) -> None:
    numbers = {f"V{n:06}": BORN for n in range(1201)}
    assert len(await enrol(ledger, numbers)) == 1201


async def test_enrolling_again_changes_nothing_and_a_number_that_is_none_is_told_without_it(
    ledger: Ledger,
) -> None:
    directory = directory_of(ledger)
    people = [NewPerson(volunteer_number="V1", born=BORN), NewPerson(volunteer_number="张三", born=BORN)]
    first = await directory.enrol(ledger, people, "test", "clerk")
    assert isinstance(first[0], Receipt)
    assert isinstance(first[1], PersonDataInvalid)
    assert "张三" not in repr(first[1])
    again = await directory.enrol(ledger, people, "test", "clerk")
    assert isinstance(again[0], Receipt)
    assert again[0].replayed


async def test_who_is_on_file_and_no_volunteer_is_none_of_the_ledgers(ledger: Ledger) -> None:
    directory = directory_of(ledger)
    [id_] = await directory.register([NewPerson(volunteer_number="V1", born=BORN)], "clerk")
    known = await directory.by_number(["V1"])
    assert known["V1"].id == id_
    assert await ledger.database.read(registered, ledger.id, [known["V1"].id]) == set()


async def test_staff_who_become_volunteers_keep_their_id_and_both_roles(ledger: Ledger) -> None:
    registry = Registry(directory_of(ledger).store)
    staff = await registry.register(NewPerson(name="李四", role="staff", volunteer_number="V1"), "first")
    assert isinstance(staff, Registered)
    found = await enrol(ledger, {"V1": BORN})
    assert found["V1"].id == staff.person_id
    known = await directory_of(ledger).by_id([staff.person_id])
    assert known[staff.person_id].born == BORN, "what was not on file is completed"
    profile = await registry.profile(staff.person_id, "clerk")
    assert isinstance(profile, Profile)
    assert profile.roles == ("staff", "volunteer")


async def test_of_a_merged_person_the_one_is_found_who_goes_on(ledger: Ledger) -> None:
    found = await enrol(ledger, {"V1": BORN, "V2": BORN})
    directory = directory_of(ledger)
    await directory.store.write(
        lambda c: c.execute(
            update(persons)
            .where(persons.c.person_id == found["V2"].id)
            .values(state="merged", merged_into=found["V1"].id)
        )
    )
    known = await directory.by_number(["V1", "V2"])
    assert known["V1"].id == known["V2"].id == found["V1"].id


async def test_two_thousand_numbers_at_once_find_who_goes_on_and_nobody_who_was_forgotten(
    ledger: Ledger,
) -> None:
    """Chains of merges, numbers that are not there, somebody frozen, and who was forgotten with a merged id."""
    found = await enrol(ledger, dict.fromkeys((f"V{n:05}" for n in range(1500)), BORN))
    directory, ids = directory_of(ledger), [found[f"V{n:05}"].id for n in range(1500)]
    p = persons.c

    def work(connection: Connection) -> None:
        for old, into in (*((n, n + 1) for n in range(9)), (20, 21), (30, 31)):
            connection.execute(
                update(persons).where(p.person_id == ids[old]).values(state="merged", merged_into=ids[into])
            )
        connection.execute(update(persons).where(p.person_id == ids[40]).values(state="frozen"))
        forget(connection, directory.store.ledger_id, [ids[20], ids[21], ids[50]], 1)

    await directory.store.write(work)
    asked = [f"V{n:05}" for n in range(2000)]
    for numbers in (asked, asked[::-1], asked * 2):
        known = await directory.by_number(numbers)
        goes_on = dict.fromkeys(range(10), 9) | {30: 31}
        gone = {20, 21, 50}
        assert {number: one.id for number, one in known.items()} == {
            f"V{n:05}": ids[goes_on.get(n, n)] for n in range(1500) if n not in gone
        }
    assert (await directory.by_number(["V00040"]))["V00040"].born == BORN
    assert (await directory.by_id([ids[20], ids[50], ids[0]])).keys() <= {ids[0]}


async def test_a_text_opens_at_its_place_for_its_person_and_never_after_forgetting(ledger: Ledger) -> None:
    await enrol(ledger, {"V1": BORN, "V2": BORN})
    directory = directory_of(ledger)
    known = await directory.by_number(["V1", "V2"])
    one, other = known["V1"], known["V2"]
    sealed = directory.seal(one, "record R1", "看望")
    nobodys = directory.seal(None, "record R2", "无名")
    assert await directory.open({"record R1": (one.id, sealed), "record R2": ("", nobodys)}) == {
        "record R1": "看望",
        "record R2": "无名",
    }
    for wrong in (
        {"record R9": (one.id, sealed)},
        {"record R1": (other.id, sealed)},
        {"record R1": ("", sealed)},
    ):
        with pytest.raises(SealBroken):
            await directory.open(wrong)
    await directory.store.write(lambda c: forget(c, ledger.id, [one.id], 0))
    assert await directory.open({"record R1": (one.id, sealed)}) == {}
    assert await directory.by_number(["V1"]) == {}


async def test_hashes_of_requests_need_the_store(ledger: Ledger, database: Database) -> None:
    directory = directory_of(ledger)
    assert (
        directory.request("record", "a")
        == directory.request("record", "a")
        != directory.request("record", "b")
    )
    assert directory.request("ab", "c") != directory.request("a", "bc")
    store = store_of(database.url, ledger.id + 1)
    await store.open()
    try:
        other = Directory(store)
        assert other.request("record", "a") != directory.request("record", "a")
    finally:
        await store.close()


async def test_a_load_takes_numbers_as_they_stand(ledger: Ledger) -> None:
    directory = Directory(directory_of(ledger).store, exact=True, remembers=True)
    odd = ["V 1", "v1", "V1", "nul\x00", "长" * 300]
    ids = await directory.register([NewPerson(volunteer_number=n, born=BORN) for n in odd], "load")
    known = await directory.by_number(odd)
    assert [known[n].id for n in odd] == ids
    assert len(set(ids)) == len(odd)


async def test_numbers_that_go_out_are_in_the_log_of_who_saw_whom(ledger: Ledger) -> None:
    found = await enrol(ledger, {"V1": BORN})
    directory = directory_of(ledger)
    assert await directory.numbers([found["V1"].id], "clerk", "receipt") == {found["V1"].id: "V1"}
    rows = await directory.store.read(
        lambda c: c.execute(select(access_log.c.actor, access_log.c.action, access_log.c.field)).all()
    )
    assert ("clerk", "numbers", "receipt") in [tuple(row) for row in rows]
