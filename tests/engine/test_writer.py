"""The writer posts, refuses and replays the same way on both engines."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import Connection, text
from tests.ledger.toy import CHART, EARLY, LATE, TOY, Desk, draft, issue, move
from tests.simulate.audit import audit

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.registry import open_ledger
from pointsbank.ledger.model import RECORDED_AT, SEQUENCE, Change, Draft, Movement, Receipt, Row, number_of
from pointsbank.ledger.refusals import (
    AlreadyReversed,
    DocumentExists,
    GroupRefused,
    InsufficientBalance,
    KeyConflict,
    StaleRead,
    StateChanged,
)
from pointsbank.store.database import Database
from pointsbank.store.port import LedgerMismatch

OTHER = b"another request."


def fill(amount: int = 100) -> Draft:
    """Points into wallet a, and an empty wallet b."""
    return draft(
        "issue", "fill", move("mint:m", "wallet:a", amount, LATE), opens=("mint:m", "wallet:a", "wallet:b")
    )


def volunteer(person: str, state: str = "registered") -> Row:
    """A document of a real table whose state can be guarded."""
    return Row("volunteers", (person, RECORDED_AT, state))


async def test_points_are_paid_from_the_first_expiring_lot_and_never_below_zero(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        issued = await ledger.submit(
            [issue("1", "wallet:a", 100, LATE), issue("2", "wallet:a", 50, EARLY)], TOY
        )
        paid, refused, again, conflict = await ledger.submit(
            [
                draft("pay", "3", move("wallet:a", "wallet:b", 70), opens=["wallet:b"]),
                draft("pay", "4", move("wallet:a", "wallet:b", 81)),
                issue("1", "wallet:a", 100, LATE),
                draft("issue", "2", request=OTHER),
            ],
            TOY,
        )
    assert isinstance(paid, Receipt)
    assert [(p.lot, p.amount) for p in paid.postings] == [(EARLY, 50), (LATE, 20)]
    assert isinstance(refused, InsufficientBalance)
    assert refused.available == 80
    first = issued[0]
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert again.replayed
    assert (again.sequence, again.leaf, again.postings) == (first.sequence, first.leaf, first.postings)
    assert conflict == KeyConflict("2")


async def test_the_writer_answers_as_decide_does(database: Database) -> None:
    """The same drafts at a desk in memory give the same receipts, to the last running balance."""
    desk, clock = Desk(), FixedClock(1_700_000_000_000_000)
    drafts = [fill(), *(draft("pay", f"{n}", move("wallet:a", "wallet:b", n)) for n in range(1, 20))]
    async with open_ledger(database, "toy", CHART, clock=clock) as ledger:
        for each in drafts:
            (result,) = await ledger.submit([each], TOY)
            expected = desk.post(each)
            if isinstance(expected, Receipt) and isinstance(result, Receipt):
                assert (result.sequence, result.recorded_at, result.postings) == (
                    expected.sequence, expected.recorded_at, expected.postings,
                )  # fmt: skip
            else:
                assert result == expected


async def test_what_queues_while_a_commit_is_under_way_goes_in_one_commit(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        before = ledger.writer.batches
        pays = [draft("pay", f"{n}", move("wallet:a", "wallet:b", 1)) for n in range(100)]
        await asyncio.gather(*(ledger.submit([pay], TOY) for pay in pays))
        assert ledger.writer.batches - before <= 2
    assert (await audit(database, "toy")).balance("wallet:b") == 100


async def test_the_same_key_twice_in_one_batch_is_posted_once(database: Database) -> None:
    pay = draft("pay", "once", move("wallet:a", "wallet:b", 1))
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        together = await asyncio.gather(*(ledger.submit([pay], TOY) for _ in range(5)))
    receipts = [r for (r,) in together if isinstance(r, Receipt)]
    assert sorted(r.replayed for r in receipts) == [False, True, True, True, True]
    assert {(r.sequence, r.leaf, r.postings) for r in receipts} == {
        (2, receipts[0].leaf, receipts[0].postings)
    }
    assert (await audit(database, "toy")).balance("wallet:b") == 1


async def test_a_key_is_known_after_a_restart(database: Database) -> None:
    sale = draft("pay", "k", move("wallet:a", "wallet:b", 1), counters=("receipt:T1",))
    async with open_ledger(database, "toy", CHART) as ledger:
        _, first = await ledger.submit([fill(), sale], TOY)
    async with open_ledger(database, "toy", CHART) as ledger:
        again, conflict = await ledger.submit([sale, draft("pay", "fill", request=OTHER)], TOY)
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert again == Receipt(
        2, first.recorded_at, "k", first.leaf, first.postings, (("receipt:T1", 1),), replayed=True
    )
    assert conflict == KeyConflict("fill")


async def test_one_key_is_consumed_with_or_without_postings_but_not_both(database: Database) -> None:
    """Keys of entries and keys of document-only drafts stand in two tables; a key is still one."""
    note, pay = draft("note", "note"), draft("pay", "pay", move("wallet:a", "wallet:b", 1))
    for use_fast_path in (True, False):
        async with open_ledger(database, "toy", CHART) as ledger:
            await ledger.submit([fill(), note, pay], TOY)
            if use_fast_path:
                ledger.writer._books = None
            one = await ledger.submit(
                [draft("pay", "note", move("wallet:a", "wallet:b", 1), request=OTHER)], TOY
            )
            if use_fast_path:
                ledger.writer._books = None
            other = await ledger.submit([draft("note", "pay", request=OTHER)], TOY)
        assert one == [KeyConflict("note")]
        assert other == [KeyConflict("pay")]
    books = await audit(database, "toy")
    assert len(books.entries) == 2


async def test_a_group_is_posted_whole_or_not_at_all(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        group = [
            draft("pay", "1", move("wallet:a", "wallet:c", 60, LATE), opens=["wallet:c"], touches=("v",)),
            draft("pay", "2", move("wallet:a", "wallet:b", 60)),
            draft("pay", "3", move("wallet:a", "wallet:b", 1)),
        ]
        refused, alone = await asyncio.gather(
            ledger.submit(group, TOY, atomic=True),
            ledger.submit([draft("pay", "4", move("wallet:a", "wallet:b", 100))], TOY),
        )
        assert refused == [
            GroupRefused(1, "insufficient-balance"),
            InsufficientBalance("wallet:a", "POINT", "", 40, 0, 60),
            GroupRefused(1, "insufficient-balance"),
        ]
        assert isinstance(alone[0], Receipt)
        assert alone[0].sequence == 2
        back = draft("pay", "5", move("wallet:b", "wallet:a", 100))
        accepted = await ledger.submit([back, group[0]], TOY, atomic=True)
        assert all(isinstance(each, Receipt) for each in accepted)
    books = await audit(database, "toy")
    assert (books.balance("wallet:a"), books.balance("wallet:c"), books.subjects) == (40, 60, {"v": 1})


async def test_documents_and_guarded_changes_ride_along_with_postings(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill(), draft("register", "r1", rows=(volunteer("V1"),))], TOY)
        change = Change("volunteers", ("V1",), "registered", "active", (("registered_at", SEQUENCE),))
        credit = draft("pay", "c", move("wallet:a", "wallet:b", 5), changes=(change,))
        (credited,) = await ledger.submit([credit], TOY)
        assert isinstance(credited, Receipt)
        stale, exists, poor = await ledger.submit(
            [
                draft("pay", "d", move("wallet:a", "wallet:b", 5), changes=(change,)),
                draft("register", "r2", rows=(volunteer("V1"),)),
                draft("pay", "e", move("wallet:a", "wallet:b", 500), rows=(volunteer("V2"),)),
            ],
            TOY,
        )
    assert stale == StateChanged("volunteers", "V1", "registered", "active")
    assert exists == DocumentExists("volunteers", "V1")
    assert isinstance(poor, InsufficientBalance)

    def rows(connection: object) -> list[tuple[object, ...]]:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(  # type: ignore[attr-defined]
                "SELECT volunteer_id, state, registered_at FROM volunteers"
            )
        ]

    assert await database.read(rows) == [("V1", "active", credited.sequence)]


async def test_brief_receipts_say_all_but_the_postings(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        (brief,) = await ledger.submit([draft("pay", "1", move("wallet:a", "wallet:b", 5))], TOY, brief=True)
        (whole,) = await ledger.submit([draft("pay", "1", move("wallet:a", "wallet:b", 5))], TOY)
    assert isinstance(brief, Receipt)
    assert isinstance(whole, Receipt)
    assert whole.postings
    assert brief == msgspec.structs.replace(whole, postings=(), replayed=False)


async def test_a_document_may_change_twice_in_one_batch(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([draft("register", "r", rows=(volunteer("V1", "a"),))], TOY)
        steps = [
            draft("note", f"{old}{new}", changes=(Change("volunteers", ("V1",), old, new),))
            for old, new in ("ab", "bc", "ca", "ab")
        ]
        first = await ledger.submit(steps[:3], TOY)
        assert [type(each) for each in first] == [Receipt] * 3
        (again,) = await ledger.submit(
            [draft("note", "last", changes=(Change("volunteers", ("V1",), "a", "z"),))], TOY
        )
        assert isinstance(again, Receipt)


async def test_a_document_that_is_filed_and_changed_in_one_batch_is_written_as_it_ends(
    database: Database,
) -> None:
    filed = Row("volunteers", ("V1", RECORDED_AT, "registered"), state="registered")
    change = Change("volunteers", ("V1",), "registered", "active", (("registered_at", SEQUENCE),))
    group = [
        draft("register", "r", rows=(filed,)),
        draft("pay", "c", move("wallet:a", "wallet:b", 5), changes=(change,)),
    ]
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        poor = draft("pay", "d", move("wallet:a", "wallet:b", 500))
        refused = await ledger.submit([*group, poor], TOY, atomic=True)
        assert refused[0] == GroupRefused(2, "insufficient-balance")
        (alone,) = await ledger.submit([group[1]], TOY)
        assert alone == StateChanged("volunteers", "V1", "registered", ""), "nothing of the group is left"
        _, credited = await ledger.submit(group, TOY, atomic=True)
        assert isinstance(credited, Receipt)
        again = await ledger.submit([msgspec.structs.replace(group[1], key="again")], TOY)
        assert again == [StateChanged("volunteers", "V1", "registered", "active")]

    def rows(connection: Connection) -> list[tuple[object, ...]]:
        found = connection.execute(text("SELECT volunteer_id, state, registered_at FROM volunteers"))
        return [tuple(row) for row in found]

    assert await database.read(rows) == [("V1", "active", credited.sequence)]


async def test_a_document_that_was_missing_can_change_once_it_is_filed(database: Database) -> None:
    change = Change("volunteers", ("V1",), "registered", "active")
    async with open_ledger(database, "toy", CHART) as ledger:
        (missing,) = await ledger.submit([draft("note", "1", changes=(change,))], TOY)
        assert missing == StateChanged("volunteers", "V1", "registered", "")
        await ledger.submit([draft("register", "2", rows=(volunteer("V1"),))], TOY)
        (changed,) = await ledger.submit([draft("note", "3", changes=(change,))], TOY)
    assert isinstance(changed, Receipt)


async def test_receipt_numbers_follow_each_other_and_stand_in_their_documents(database: Database) -> None:
    def sale(key: str, amount: int) -> Draft:
        row = Row("volunteers", (key, number_of("receipt:T1"), "x"))
        return draft("pay", key, move("wallet:a", "wallet:b", amount), counters=("receipt:T1",), rows=(row,))

    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill()], TOY)
        results = await ledger.submit([sale("1", 40), sale("2", 70), sale("3", 60)], TOY)
        after = await ledger.submit(
            [fill(), draft("pay", "back", move("wallet:b", "wallet:a", 50)), sale("4", 1)], TOY
        )
    numbers = [r.numbers if isinstance(r, Receipt) else r.code for r in [*results, *after[2:]]]
    assert numbers == [
        (("receipt:T1", 1),),
        "insufficient-balance",
        (("receipt:T1", 2),),
        (("receipt:T1", 3),),
    ]

    def filed(connection: object) -> list[tuple[object, ...]]:
        found = connection.exec_driver_sql(  # type: ignore[attr-defined]
            "SELECT volunteer_id, registered_at FROM volunteers ORDER BY 1"
        )
        return [tuple(row) for row in found]

    assert await database.read(filed) == [("1", 1), ("3", 2), ("4", 3)]


async def test_a_reversal_goes_into_the_same_lots_and_happens_once(database: Database) -> None:
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill(), issue("early", "wallet:a", 10, EARLY)], TOY)
        (paid,) = await ledger.submit([draft("pay", "p", move("wallet:a", "wallet:b", 30))], TOY)
        assert isinstance(paid, Receipt)
        ledger.writer._books = None
        undo = [draft("undo", f"u{n}", reverses=paid.sequence) for n in range(2)]
        (first,), (second,) = await asyncio.gather(*(ledger.submit([each], TOY) for each in undo))
    assert isinstance(first, Receipt)
    assert [(p.lot, p.amount) for p in first.postings] == [(LATE, 20), (EARLY, 10)]
    assert second == AlreadyReversed(paid.sequence, first.sequence)
    assert (await audit(database, "toy")).balance("wallet:a") == 110


async def test_a_key_that_the_working_set_forgot_is_not_posted_again(database: Database) -> None:
    """Beside drafts that are new, so that the whole batch is decided again and none of it is lost."""
    old = draft("pay", "old", move("wallet:a", "wallet:b", 1))
    async with open_ledger(database, "toy", CHART) as ledger:
        await ledger.submit([fill(), old], TOY)
        ledger.writer._books = None
        pays = [draft("pay", f"{n}", Movement("wallet:a", "wallet:b", "POINT", 1)) for n in range(10)]
        results = await asyncio.gather(*(ledger.submit([each], TOY) for each in [*pays[:5], old, *pays[5:]]))
    receipts = [r for (r,) in results if isinstance(r, Receipt)]
    assert [r.replayed for r in receipts] == [*[False] * 5, True, *[False] * 5]
    assert (await audit(database, "toy")).balance("wallet:b") == 11


async def test_time_that_runs_backwards_is_not_recorded(database: Database) -> None:
    clock = FixedClock(2_000_000_000_000_000)
    async with open_ledger(database, "toy", CHART, clock=clock) as ledger:
        (first,) = await ledger.submit([fill()], TOY)
        clock.time = 1_000_000_000_000_000
        (second,) = await ledger.submit([draft("pay", "p", move("wallet:a", "wallet:b", 1))], TOY)
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert first.recorded_at == second.recorded_at == 2_000_000_000_000_000


async def test_a_stale_read_is_refused_and_a_fresh_one_accepted(database: Database) -> None:
    def basket(key: str, version: int) -> Draft:
        return draft("basket", key, reads=(("volunteer:1", version),), touches=("volunteer:1",))

    async with open_ledger(database, "toy", CHART) as ledger:
        first, second = await ledger.submit([basket("1", 0), basket("2", 0)], TOY)
        (third,) = await ledger.submit([basket("2", 1)], TOY)
    assert isinstance(first, Receipt)
    assert second == StaleRead("volunteer:1", 0, 1)
    assert isinstance(third, Receipt)


async def test_the_books_of_a_ledger_are_not_opened_with_another_chart(database: Database) -> None:
    async with open_ledger(database, "toy", CHART):
        pass
    other = type(CHART)("other/1", tuple(CHART.kinds.values()), (), {})
    with pytest.raises(LedgerMismatch, match="toy/1"):
        async with open_ledger(database, "toy", other):
            pass


async def test_ledgers_of_one_database_do_not_see_each_other(database: Database) -> None:
    async with open_ledger(database, "one", CHART) as ledger:
        await ledger.submit([fill()], TOY)
    async with open_ledger(database, "two", CHART) as ledger:
        (first,) = await ledger.submit([fill(7)], TOY)
    assert isinstance(first, Receipt)
    assert (first.sequence, first.replayed) == (1, False)
    assert (await audit(database, "one")).balance("wallet:a") == 100
    assert (await audit(database, "two")).balance("wallet:a") == 7


async def test_a_repetition_after_a_restart_gets_its_receipt_even_if_it_would_be_refused_now(
    database: Database,
) -> None:
    fill = draft(
        "issue", "1", move("mint:m", "wallet:a", 100, LATE), opens=("mint:m", "wallet:a", "wallet:b")
    )
    pay = draft("pay", "2", move("wallet:a", "wallet:b", 100))
    async with open_ledger(database, "toy", CHART) as ledger:
        _, first = await ledger.submit([fill, pay], TOY)
    async with open_ledger(database, "toy", CHART) as ledger:
        [again] = await ledger.submit([pay], TOY)
        filled, in_group = await ledger.submit([fill, pay], TOY, atomic=True)
    for receipt in (again, in_group):
        assert isinstance(first, Receipt)
        assert isinstance(receipt, Receipt)
        assert receipt.replayed
        assert (receipt.sequence, receipt.leaf) == (first.sequence, first.leaf)
    assert isinstance(filled, Receipt)
