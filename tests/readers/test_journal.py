"""The journal comes back as it was written, in order, each entry with its postings."""

from __future__ import annotations

from tests.readers.books import CHART, LATE, draft, issue, pay, post

from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import JournalEntry
from pointsbank.ledger.refusals import UnknownEntry
from pointsbank.proof.encoding import leaf_of_entry
from pointsbank.readers.journal import entries_after, entry, entry_by_key, head, reversals_of
from pointsbank.store.database import Database


async def test_entries_read_page_by_page_are_what_the_receipts_said_and_their_leaves_hold(
    database: Database,
) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        receipts = await post(
            ledger,
            issue("1", "a", 5),
            issue("2", "a", 100, LATE, hours=3),
            pay("3", "a", "b", 7),
            *(issue(f"more {n}", "c", n) for n in range(1, 20)),
        )
        found: list[JournalEntry] = []
        while page := await database.read(entries_after, ledger.id, found[-1].sequence if found else 0, 4):
            assert len(page) <= 4
            found += page
        part = await database.read(entries_after, ledger.id, 2, 100, up_to=4)
        where = await database.read(head, ledger.id)
    assert [(e.sequence, e.key, e.recorded_at, e.leaf, e.postings) for e in found] == [
        (r.sequence, r.key, r.recorded_at, r.leaf, r.postings) for r in receipts
    ]
    assert all(leaf_of_entry(ledger.id, e) == e.leaf for e in found)
    assert found[1].metadata == '{"hours":3}'
    assert len(found[2].postings) == 2
    assert [e.sequence for e in part] == [3, 4]
    assert where is not None
    assert (where.name, where.sequence, where.posting, where.account) == ("toy", 22, 23, 4)


async def test_one_entry_is_found_by_its_number_and_by_its_key(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await post(ledger, issue("1", "a", 5), issue("2", "b", 5))
        await post(ledger, draft("issue", "3", reverses=1))
        second = await database.read(entry, ledger.id, 2)
        assert isinstance(second, JournalEntry)
        assert await database.read(entry_by_key, ledger.id, "test", "2") == second
        assert await database.read(reversals_of, ledger.id, [1, 2, 3]) == {1: 3}
        assert await database.read(reversals_of, ledger.id, []) == {}
        for sequence in (0, -1, 4, 2**70):
            assert await database.read(entry, ledger.id, sequence) == UnknownEntry(sequence)
        for client, key in (("test", "9"), ("other", "2"), ("test", "\x00"), ("\ud800", "2")):
            assert await database.read(entry_by_key, ledger.id, client, key) is None
        assert await database.read(entries_after, ledger.id, 2**70, 5) == []
        assert await database.read(entries_after, ledger.id, -1, 5) == []
