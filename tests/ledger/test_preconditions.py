"""`decide` without any database: keys, reads and touches, guarded changes, documents, counters."""

from __future__ import annotations

import pytest
from tests.ledger.toy import EARLY, NOW, TOY, Desk, draft, issue, move, photograph

from pointsbank.ledger.books import Accepted, KeyUse, Replayed, Savepoint, key_digest
from pointsbank.ledger.model import Change, Row, number_of
from pointsbank.ledger.refusals import (
    DocumentExists,
    InsufficientBalance,
    InvalidDraft,
    KeyConflict,
    StaleRead,
    StateChanged,
)

OTHER = b"another request."


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.accept(issue("first", "wallet:a", 100, EARLY))
    desk.accept(draft("open", "open", opens=["wallet:b"]))
    return desk


def test_the_same_key_and_request_is_the_first_receipt_again(desk: Desk) -> None:
    before = photograph(desk.books)
    again = desk.post(issue("first", "wallet:a", 100, EARLY))
    assert again == Replayed("first", KeyUse(bytes(16), 1, NOW))
    assert photograph(desk.books) == before


def test_a_replay_needs_nothing_but_key_and_request(desk: Desk) -> None:
    """The first answer stands, even if the draft would be refused or looks different today."""
    bare = draft("nonsense", "first", move("wallet:x", "wallet:y", -5), reason="\0", reads=[("s", 9)])
    assert desk.post(bare, frozenset()) == Replayed("first", KeyUse(bytes(16), 1, NOW))


def test_the_same_key_with_another_request_is_a_conflict(desk: Desk) -> None:
    before = photograph(desk.books)
    assert desk.post(draft("issue", "first", request=OTHER)) == KeyConflict("first")
    assert photograph(desk.books) == before


def test_keys_belong_to_their_client(desk: Desk) -> None:
    other = draft("pay", "first", move("wallet:a", "wallet:b", 1), client="another", request=OTHER)
    assert desk.accept(other).sequence == 2


def test_client_and_key_do_not_run_together() -> None:
    assert key_digest("ab", "c") != key_digest("a", "bc")


def test_a_key_twice_in_one_batch_is_posted_once(desk: Desk) -> None:
    pay = draft("pay", "twice", move("wallet:a", "wallet:b", 10))
    receipt = desk.accept(pay)
    assert desk.post(pay) == Replayed("twice", KeyUse(bytes(16), receipt.sequence, NOW))
    assert desk.post(draft("pay", "twice", move("wallet:a", "wallet:b", 10), request=OTHER)) == KeyConflict(
        "twice"
    )
    assert desk.balance("wallet:a") == 90


def test_a_document_only_draft_consumes_its_key_and_no_sequence(desk: Desk) -> None:
    note = draft("note", "n", rows=(Row("notes", ("n1", "text")),))
    assert desk.accept(note).sequence == 0
    assert desk.post(note) == Replayed("n", KeyUse(bytes(16), 0, NOW))
    assert desk.post(draft("pay", "n", move("wallet:a", "wallet:b", 1), request=OTHER)) == KeyConflict("n")
    assert desk.accept(draft("pay", "p", move("wallet:a", "wallet:b", 1))).sequence == 2


def test_a_refused_draft_leaves_the_key_free(desk: Desk) -> None:
    pay = draft("pay", "p", move("wallet:a", "wallet:b", 101))
    assert isinstance(desk.post(pay), InsufficientBalance)
    assert isinstance(desk.post(pay), InsufficientBalance)
    desk.accept(issue("more", "wallet:a", 1, EARLY))
    assert desk.accept(pay).sequence == 3


def test_what_was_read_must_not_have_moved(desk: Desk) -> None:
    def basket(key: str, version: int) -> object:
        return desk.post(draft("basket", key, reads=(("volunteer:1", version),), touches=("volunteer:1",)))

    assert basket("1", 1) == StaleRead("volunteer:1", 1, 0)
    basket("1", 0)
    assert basket("2", 0) == StaleRead("volunteer:1", 0, 1)
    basket("2", 1)
    assert desk.books.subjects["volunteer:1"] == 2


def test_reading_without_touching_moves_nothing(desk: Desk) -> None:
    for key in "12":
        desk.accept(draft("look", key, reads=(("volunteer:1", 0),)))
    assert desk.books.subjects["volunteer:1"] == 0


def test_a_refused_draft_touches_nothing(desk: Desk) -> None:
    desk.post(draft("pay", "k", move("wallet:a", "wallet:b", 1000), touches=("s",), counters=("c",)))
    assert (desk.books.subjects["s"], desk.books.counters["c"]) == (0, 0)


def test_a_change_is_made_only_from_the_state_it_names(desk: Desk) -> None:
    desk.books.changes["records", ("r1",)] = "verified"

    def change(key: str, old: str, new: str, record: str = "r1") -> object:
        return desk.post(draft("credit", key, changes=(Change("records", (record,), old, new),)))

    assert change("1", "open", "credited") == StateChanged("records", "r1", "open", "verified")
    change("2", "verified", "credited")
    assert change("3", "verified", "credited") == StateChanged("records", "r1", "verified", "credited")
    change("4", "credited", "reversed")
    assert desk.books.changes["records", ("r1",)] == "reversed"
    assert change("5", "open", "closed", "nowhere") == StateChanged("records", "nowhere", "open", "")


def test_a_document_that_names_its_state_can_change_in_the_batch_that_files_it(desk: Desk) -> None:
    desk.accept(draft("file", "1", rows=(Row("records", ("r1", "open"), state="open"),)))
    desk.accept(draft("close", "2", changes=(Change("records", ("r1",), "open", "closed"),)))
    assert desk.post(
        draft("close", "3", changes=(Change("records", ("r1",), "open", "closed"),))
    ) == StateChanged("records", "r1", "open", "closed")
    desk.accept(draft("file", "4", rows=(Row("records", ("r2", "open")),)))
    assert desk.post(
        draft("close", "5", changes=(Change("records", ("r2",), "open", "closed"),))
    ) == StateChanged("records", "r2", "open", "")


def test_a_group_that_is_taken_back_leaves_no_state_of_what_it_filed(desk: Desk) -> None:
    filed = draft("file", "1", rows=(Row("records", ("r1", "open"), state="open"),))
    before = photograph(desk.books)
    savepoint = Savepoint(desk.books, [filed])
    desk.accept(filed)
    savepoint.restore()
    assert photograph(desk.books) == before


def test_a_document_is_filed_once(desk: Desk) -> None:
    row = Row("lines", ("R1", 7, "text"), key_length=2)
    desk.accept(draft("file", "1", rows=(row,)))
    assert desk.post(draft("file", "2", rows=(row,))) == DocumentExists("lines", "R1/7")
    desk.accept(draft("file", "3", rows=(Row("lines", ("R1", 8, "text"), key_length=2),)))
    assert desk.post(draft("file", "4", rows=(Row("lines", ("R2",)),) * 2)) == DocumentExists("lines", "R2")


def test_a_counter_advances_only_when_the_draft_is_accepted(desk: Desk) -> None:
    def sale(key: str, amount: int) -> object:
        return desk.post(
            draft(
                "pay", key, move("wallet:a", "wallet:b", amount),
                counters=("receipt:T1",), rows=(Row("receipts", (key, number_of("receipt:T1"))),),
            )
        )  # fmt: skip

    numbers = []
    for key, amount in (("1", 10), ("2", 1000), ("3", 10), ("4", 0), ("5", 10)):
        outcome = sale(key, amount)
        numbers.append(getattr(outcome, "numbers", None))
    assert numbers == [(("receipt:T1", 1),), None, (("receipt:T1", 2),), None, (("receipt:T1", 3),)]
    assert desk.journal[3].metadata == '{"number:receipt:T1":2}'


def test_a_counter_needs_postings_because_its_number_stands_in_the_entry(desk: Desk) -> None:
    assert isinstance(desk.post(draft("note", "k", counters=("c",))), InvalidDraft)


def test_a_draft_sees_what_its_neighbours_in_the_batch_have_done(desk: Desk) -> None:
    desk.accept(draft("pay", "1", move("wallet:a", "wallet:b", 100)))
    assert isinstance(desk.post(draft("pay", "2", move("wallet:a", "wallet:b", 1))), InsufficientBalance)
    assert isinstance(desk.judge(draft("pay", "3", move("wallet:b", "wallet:a", 100)), TOY), Accepted)
