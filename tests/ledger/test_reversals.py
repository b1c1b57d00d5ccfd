"""`decide` without any database: reversals go into the same lots, once, and only where there is enough."""

from __future__ import annotations

import pytest
from tests.ledger.toy import EARLY, LATE, SHOP, TOY, Desk, draft, issue, move, photograph

from pointsbank.ledger.model import Attachment, Draft
from pointsbank.ledger.refusals import (
    AlreadyReversed,
    InsufficientBalance,
    InvalidDraft,
    KeyConflict,
    NotReversible,
    UnknownEntry,
)


def reverse(key: str, sequence: int, kind: str = "undo") -> Draft:
    return draft(kind, key, reverses=sequence)


@pytest.fixture
def desk() -> Desk:
    """Entries 1 and 2 issue 50 early and 100 late to wallet a; entry 3 pays 70 of them to wallet b."""
    desk = Desk()
    desk.accept(issue("1", "wallet:a", 50, EARLY))
    desk.accept(issue("2", "wallet:a", 100, LATE))
    desk.accept(draft("pay", "3", move("wallet:a", "wallet:b", 70), opens=["wallet:b"]))
    return desk


def test_a_reversal_puts_back_into_the_same_lots(desk: Desk) -> None:
    receipt = desk.accept(reverse("r", 3))
    assert [(p.debit, p.credit, p.lot, p.amount) for p in receipt.postings] == [
        ("wallet:b", "wallet:a", LATE, 20),
        ("wallet:b", "wallet:a", EARLY, 50),
    ]
    assert desk.lots("wallet:a") == {EARLY: 50, LATE: 100}
    assert desk.lots("wallet:b") == {}
    assert desk.journal[receipt.sequence].reverses == 3


def test_an_entry_is_reversed_once(desk: Desk) -> None:
    receipt = desk.accept(reverse("r", 3))
    before = photograph(desk.books)
    assert desk.post(reverse("again", 3)) == AlreadyReversed(3, receipt.sequence)
    assert photograph(desk.books) == before


def test_an_entry_is_reversed_once_within_one_batch(desk: Desk) -> None:
    desk.know(reverse("r", 3))
    sequence = desk.accept(reverse("r", 3)).sequence
    desk.journal.clear()  # what a batch knows of its own reversals stands in the books alone
    assert desk.post(reverse("again", 3)) == AlreadyReversed(3, sequence)


def test_a_reversal_is_not_reversed(desk: Desk) -> None:
    sequence = desk.accept(reverse("r", 3, "pay")).sequence
    assert desk.post(reverse("again", sequence)) == NotReversible(sequence, "pay")


def test_what_is_not_in_the_journal_is_not_reversed(desk: Desk) -> None:
    assert desk.post(reverse("r", 99)) == UnknownEntry(99)


def test_a_kind_that_the_chart_does_not_list_is_not_reversible(desk: Desk) -> None:
    desk.accept(draft("expire", "4", move("wallet:a", "till:t", 5), opens=["till:t"]))
    assert desk.post(reverse("r", 4)) == NotReversible(4, "expire")


def test_only_the_room_that_the_chart_names_reverses(desk: Desk) -> None:
    receipt = (Attachment("receipt", "1", bytes(32)),)
    desk.accept(draft("sell", "4", move("wallet:a", "till:t", 5), opens=["till:t"], documents=receipt), SHOP)
    assert desk.post(reverse("r", 4), TOY) == NotReversible(4, "sell")
    assert desk.post(reverse("r", 3), frozenset(["shop"])) == NotReversible(3, "pay")
    assert desk.accept(reverse("r", 4), SHOP).postings[0].lot == LATE


def test_a_credit_of_which_a_lot_no_longer_holds_enough_stays(desk: Desk) -> None:
    refused = desk.post(reverse("r", 1))
    assert refused == InsufficientBalance("wallet:a", "POINT", EARLY, 0, 0, 50)
    desk.accept(draft("pay", "4", move("wallet:b", "wallet:a", 1, EARLY)))
    refused = desk.post(reverse("r", 1))
    assert refused == InsufficientBalance("wallet:a", "POINT", EARLY, 1, 0, 50)
    assert desk.balance("wallet:a") == 81


def test_a_reversal_lifts_the_fund_back_towards_nothing_issued(desk: Desk) -> None:
    desk.accept(draft("open", "f", opens=["fund:f"]))
    sequence = desk.accept(issue("4", "wallet:a", 30, LATE, "fund:f")).sequence
    posting = desk.accept(reverse("r", sequence)).postings[0]
    assert (posting.credit, posting.credit_total) == ("fund:f", 0)


def test_a_reversal_brings_no_movements_of_its_own(desk: Desk) -> None:
    both = draft("undo", "r", move("wallet:a", "wallet:b", 1), reverses=3)
    assert isinstance(desk.post(both), InvalidDraft)


def test_a_reversal_consumes_its_key_like_any_draft(desk: Desk) -> None:
    desk.accept(reverse("r", 3))
    conflict = desk.post(draft("undo", "r", reverses=2, request=b"another request."))
    assert conflict == KeyConflict("r")


@pytest.mark.parametrize("sequence", [-1, 2**62, 2**70])
def test_a_sequence_that_no_journal_can_have_is_malformed(desk: Desk, sequence: int) -> None:
    assert isinstance(desk.post(reverse("r", sequence)), InvalidDraft)
