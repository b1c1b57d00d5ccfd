"""`decide` without any database: lots, floors, accounts and the chart."""

from __future__ import annotations

import pytest
from tests.ledger.toy import EARLY, LATE, NEVER, SHOP, TOY, Desk, draft, issue, move

from pointsbank.ledger.books import Accepted
from pointsbank.ledger.model import MAX_AMOUNT, Attachment, Commodity, OpenAccount
from pointsbank.ledger.refusals import (
    AccountDiffers,
    AmountOutOfRange,
    CommodityDiffers,
    DocumentMissing,
    InsufficientBalance,
    InvalidDraft,
    LotRequired,
    MovementNotAllowed,
    UnknownAccount,
    UnknownCommodity,
)


@pytest.fixture
def desk() -> Desk:
    """Wallet a holds 100 in the late lot, 50 in the early one, 30 in the one that never expires."""
    desk = Desk()
    desk.accept(issue("late", "wallet:a", 100, LATE))
    desk.accept(issue("early", "wallet:a", 50, EARLY))
    desk.accept(issue("never", "wallet:a", 30, NEVER))
    desk.accept(draft("open", "open", opens=("wallet:b", "till:t", OpenAccount("fund:f", -1000))))
    return desk


@pytest.mark.parametrize(
    ("amount", "taken"),
    [
        (1, [(EARLY, 1)]),
        (50, [(EARLY, 50)]),
        (51, [(EARLY, 50), (LATE, 1)]),
        (150, [(EARLY, 50), (LATE, 100)]),
        (180, [(EARLY, 50), (LATE, 100), (NEVER, 30)]),
    ],
)
def test_the_first_expiring_lot_is_taken_first(desk: Desk, amount: int, taken: list[tuple[str, int]]) -> None:
    receipt = desk.accept(draft("pay", "k", move("wallet:a", "wallet:b", amount)))
    assert [(p.lot, p.amount) for p in receipt.postings] == taken
    assert desk.balance("wallet:a") == 180 - amount
    assert desk.lots("wallet:b") == dict(taken)


def test_lots_of_one_date_are_taken_in_the_order_of_their_names(desk: Desk) -> None:
    desk.accept(issue("z", "wallet:c", 5, "2027-12-31/z"))
    desk.accept(issue("y", "wallet:c", 5, "2027-12-31/y"))
    receipt = desk.accept(draft("pay", "k", move("wallet:c", "wallet:b", 6)))
    assert [(p.lot, p.amount) for p in receipt.postings] == [("2027-12-31/y", 5), ("2027-12-31/z", 1)]


def test_the_giver_of_goods_is_the_asset_that_falls(desk: Desk) -> None:
    rice = Commodity("SKU:rice", 0, has_lots=True)
    opens = ("shelf:s", "donor:d", "handed-out:s")
    for key, lot in (("1", LATE), ("2", EARLY)):
        desk.accept(
            draft(
                "stock", key, move("shelf:s", "donor:d", 3, lot, "SKU:rice"), opens=opens, commodities=(rice,)
            )
        )
    receipt = Attachment("receipt", "T1-1", bytes(32))
    sold = draft("sell", "3", move("handed-out:s", "shelf:s", 4, commodity="SKU:rice"), documents=(receipt,))
    assert [(p.lot, p.amount) for p in desk.accept(sold, SHOP).postings] == [(EARLY, 3), (LATE, 1)]
    assert desk.lots("shelf:s") == {LATE: 2}


def test_movements_of_one_draft_see_each_other(desk: Desk) -> None:
    receipt = desk.accept(
        draft(
            "pay",
            "k",
            move("wallet:a", "wallet:b", 60),
            move("wallet:b", "wallet:a", 55),
            move("wallet:a", "wallet:b", 175),
        )
    )
    assert [(p.lot, p.amount) for p in receipt.postings] == [
        (EARLY, 50), (LATE, 10), (EARLY, 50), (LATE, 5), (EARLY, 50), (LATE, 95), (NEVER, 30),
    ]  # fmt: skip
    last = receipt.postings[-1]
    assert (last.debit_total, last.credit_total, last.debit_balance, last.credit_balance) == (0, 180, 0, 30)
    assert [p.debit_version for p in receipt.postings] == [4, 5, 3, 4, 8, 9, 10]
    assert [p.credit_version for p in receipt.postings] == [1, 2, 6, 7, 5, 6, 7]


def test_floor_zero_holds_for_each_lot_and_not_for_their_sum(desk: Desk) -> None:
    refused = desk.post(draft("pay", "k", move("wallet:a", "wallet:b", 51, EARLY)))
    assert refused == InsufficientBalance("wallet:a", "POINT", EARLY, 50, 0, 51)
    assert desk.accept(draft("pay", "k", move("wallet:a", "wallet:b", 50, EARLY))).sequence == 4


def test_a_wallet_never_pays_more_than_all_its_lots_hold(desk: Desk) -> None:
    refused = desk.post(draft("pay", "k", move("wallet:a", "wallet:b", 181)))
    assert refused == InsufficientBalance("wallet:a", "POINT", "", 180, 0, 181)
    assert isinstance(refused, InsufficientBalance)
    assert refused.available == 180


def test_a_budget_holds_for_the_sum_over_the_lots(desk: Desk) -> None:
    desk.accept(issue("1", "wallet:b", 600, EARLY, "fund:f"))
    refused = desk.post(issue("2", "wallet:b", 401, LATE, "fund:f"))
    assert refused == InsufficientBalance("fund:f", "POINT", "", -600, -1000, 401)
    assert isinstance(refused, InsufficientBalance)
    assert refused.available == 400
    assert desk.accept(issue("2", "wallet:b", 400, LATE, "fund:f")).postings[0].debit_total == -1000


def test_a_budget_counts_what_the_same_draft_has_issued_before(desk: Desk) -> None:
    refused = desk.post(
        draft("issue", "k", move("fund:f", "wallet:b", 999, EARLY), move("fund:f", "wallet:b", 2, LATE))
    )
    assert refused == InsufficientBalance("fund:f", "POINT", "", -999, -1000, 2)


def test_an_account_without_a_floor_falls_as_far_as_amounts_go(desk: Desk) -> None:
    desk.accept(issue("most", "wallet:b", MAX_AMOUNT - 180, LATE))
    assert desk.balance("mint:m") == -MAX_AMOUNT
    assert desk.post(issue("one more", "wallet:c", 1, EARLY)) == AmountOutOfRange("mint:m", 1)


def test_amounts_up_to_the_largest_are_posted_and_not_one_more() -> None:
    desk = Desk()
    desk.accept(issue("1", "wallet:a", MAX_AMOUNT))
    assert desk.post(issue("2", "wallet:a", 1, EARLY, "mint:n")) == AmountOutOfRange("wallet:a", 1)
    assert isinstance(desk.post(issue("3", "wallet:b", MAX_AMOUNT + 1)), InvalidDraft)
    assert (
        desk.accept(draft("pay", "4", move("wallet:a", "wallet:b", MAX_AMOUNT), opens=["wallet:b"])).sequence
        == 2
    )


def test_no_lot_grows_beyond_the_largest_amount_behind_a_total_that_cancels_out() -> None:
    desk = Desk()
    desk.accept(issue("1", "wallet:a", MAX_AMOUNT, EARLY))
    desk.books.chart = Desk().books.chart  # the mint's total stays, only its lots move
    mint = desk.books.accounts["mint:m"]
    assert mint is not None
    mint.totals["POINT"] = 0
    assert desk.post(issue("2", "wallet:b", 1, EARLY)) == AmountOutOfRange("mint:m", 1)


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_is_positive(desk: Desk, amount: int) -> None:
    assert isinstance(desk.post(draft("pay", "k", move("wallet:a", "wallet:b", amount))), InvalidDraft)


def test_a_commodity_without_lots_has_the_one_lot(desk: Desk) -> None:
    desk.accept(draft("issue", "1", move("mint:m", "wallet:a", 60, commodity="MINUTE")))
    paid = desk.accept(draft("pay", "2", move("wallet:a", "wallet:b", 20, "-", "MINUTE")))
    assert [p.lot for p in paid.postings] == ["-"]
    refused = desk.post(draft("pay", "3", move("wallet:a", "wallet:b", 20, EARLY, "MINUTE")))
    assert refused == InvalidDraft("MINUTE has no lots")
    assert desk.balance("wallet:a", "MINUTE") == 40


def test_who_issues_names_the_lot(desk: Desk) -> None:
    assert desk.post(draft("issue", "k", move("fund:f", "wallet:b", 1))) == LotRequired("POINT")
    rice = Commodity("SKU:rice", 0, has_lots=True)
    stock = draft(
        "stock",
        "s",
        move("shelf:s", "donor:d", 1, "", "SKU:rice"),
        opens=("shelf:s", "donor:d"),
        commodities=(rice,),
    )
    assert desk.post(stock) == LotRequired("SKU:rice")


def test_an_account_may_be_opened_again_with_what_it_has(desk: Desk) -> None:
    opened = desk.accept(
        draft("open", "1", opens=("wallet:a", OpenAccount("fund:f", -1000), OpenAccount("fund:f")))
    )
    assert opened.sequence == 0
    assert desk.judge(draft("open", "2", opens=[OpenAccount("fund:f", -999)])) == AccountDiffers(
        "fund:f", -1000
    )
    assert desk.balance("wallet:a") == 180


def test_two_openings_of_one_account_in_one_draft_must_agree(desk: Desk) -> None:
    same = desk.judge(draft("open", "1", opens=[OpenAccount("fund:g", -5), OpenAccount("fund:g", -5)]))
    assert isinstance(same, Accepted)
    assert len(same.new_accounts) == 1
    other = desk.judge(draft("open", "2", opens=[OpenAccount("fund:g", -5), OpenAccount("fund:g", -6)]))
    assert other == AccountDiffers("fund:g", -5)


@pytest.mark.parametrize(
    "opening",
    [
        OpenAccount("nothing:x"), OpenAccount("wallet"), OpenAccount("wallet:"), OpenAccount("wallet:a:b"),
        OpenAccount("wallet:张"), OpenAccount("wallet:a b"),
        OpenAccount("wallet:\0"), OpenAccount("wallet:" + 65 * "x"),
        OpenAccount("wallet:new", 0), OpenAccount("mint:new", -5),
        OpenAccount("fund:g", 1), OpenAccount("fund:g", -MAX_AMOUNT - 1),
    ],
    ids=repr,
)  # fmt: skip
def test_only_accounts_of_the_chart_open_and_only_budgets_bring_a_floor(
    desk: Desk, opening: OpenAccount
) -> None:
    assert isinstance(desk.judge(draft("open", "k", opens=[opening])), InvalidDraft)


def test_a_budget_kind_without_a_floor_is_unlimited(desk: Desk) -> None:
    desk.accept(draft("open", "1", opens=["fund:free"]))
    assert (
        desk.accept(issue("2", "wallet:b", MAX_AMOUNT, LATE, "fund:free")).postings[0].debit_total
        == -MAX_AMOUNT
    )


def test_a_budget_of_nothing_issues_nothing(desk: Desk) -> None:
    desk.accept(draft("open", "1", opens=[OpenAccount("fund:nil", 0)]))
    refused = desk.judge(draft("issue", "2", move("fund:nil", "wallet:b", 1, LATE)))
    assert refused == InsufficientBalance("fund:nil", "POINT", LATE, 0, 0, 1)


def test_a_commodity_is_declared_once_and_for_all(desk: Desk) -> None:
    rice = Commodity("SKU:rice", 0, has_lots=True)
    desk.accept(draft("open", "1", commodities=(rice,)))
    desk.accept(draft("open", "2", commodities=(rice, rice)))
    for other in (Commodity("SKU:rice", 1, has_lots=True), Commodity("SKU:rice", 0, has_lots=False)):
        assert desk.judge(draft("open", "3", commodities=(other,))) == CommodityDiffers("SKU:rice")
    tea = Commodity("SKU:tea", 0, has_lots=True), Commodity("SKU:tea", 3, has_lots=True)
    assert desk.judge(draft("open", "4", commodities=tea)) == CommodityDiffers("SKU:tea")


def test_what_is_not_there_is_named(desk: Desk) -> None:
    assert desk.judge(draft("pay", "1", move("wallet:a", "wallet:x", 1))) == UnknownAccount("wallet:x")
    assert desk.judge(draft("pay", "2", move("wallet:x", "wallet:a", 1))) == UnknownAccount("wallet:x")
    gold = draft("pay", "3", move("wallet:a", "wallet:b", 1, commodity="GOLD"))
    assert desk.judge(gold) == UnknownCommodity("GOLD")


@pytest.mark.parametrize(
    ("kind", "debit", "credit"),
    [("pay", "till:t", "wallet:a"), ("issue", "wallet:a", "wallet:b"), ("nonsense", "wallet:a", "wallet:b"),
     ("pay", "wallet:b", "mint:m")],
)  # fmt: skip
def test_only_movements_of_the_chart_happen(desk: Desk, kind: str, debit: str, credit: str) -> None:
    refused = desk.judge(draft(kind, "k", move(debit, credit, 1, EARLY)))
    assert refused == MovementNotAllowed(debit, credit, "POINT", kind)


def test_a_movement_belongs_to_a_room(desk: Desk) -> None:
    receipt = (Attachment("receipt", "1", bytes(32)),)
    sell = draft("sell", "k", move("wallet:a", "till:t", 1), documents=receipt)
    assert desk.judge(sell, TOY) == MovementNotAllowed("wallet:a", "till:t", "POINT", "sell")
    assert desk.judge(sell, frozenset()) == MovementNotAllowed("wallet:a", "till:t", "POINT", "sell")
    assert isinstance(desk.judge(sell, SHOP), Accepted)


def test_a_movement_carries_the_document_that_the_chart_asks_for(desk: Desk) -> None:
    bare = draft("pay", "k", move("wallet:a", "till:t", 1))
    assert desk.judge(bare) == DocumentMissing("pay", "receipt")
    other = draft(
        "pay", "k", move("wallet:a", "till:t", 1), documents=(Attachment("delivery", "1", bytes(32)),)
    )
    assert desk.judge(other) == DocumentMissing("pay", "receipt")


def test_one_bad_movement_refuses_the_whole_draft(desk: Desk) -> None:
    refused = desk.post(draft("pay", "k", move("wallet:a", "wallet:b", 1), move("wallet:b", "wallet:a", 2)))
    assert refused == InsufficientBalance("wallet:b", "POINT", "", 1, 0, 2)
    assert desk.balance("wallet:b") == 0


def test_recorded_at_never_runs_backwards(desk: Desk) -> None:
    first = desk.accept(draft("pay", "1", move("wallet:a", "wallet:b", 1)), now=2_000_000_000_000_000)
    second = desk.accept(draft("pay", "2", move("wallet:a", "wallet:b", 1)), now=1_000_000_000_000_000)
    assert second.recorded_at == first.recorded_at == 2_000_000_000_000_000


def test_sequences_and_postings_are_numbered_without_gaps_whatever_is_refused(desk: Desk) -> None:
    desk.post(draft("pay", "1", move("wallet:a", "wallet:b", 1000)))
    first = desk.accept(draft("pay", "2", move("wallet:a", "wallet:b", 60)))
    desk.accept(draft("note", "3"))
    second = desk.accept(draft("pay", "4", move("wallet:a", "wallet:b", 1)))
    assert (first.sequence, second.sequence) == (4, 5)
    assert [p.number for p in first.postings + second.postings] == [4, 5, 6]
