"""A draft with two faults is refused for the one that stands first in `refusals.PRECEDENCE`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import msgspec
import pytest
from tests.ledger.toy import EARLY, TOY, Desk, draft, issue, move

from pointsbank.ledger import refusals
from pointsbank.ledger.model import (
    MAX_AMOUNT,
    Attachment,
    Change,
    Commodity,
    Draft,
    Movement,
    OpenAccount,
    Row,
)
from pointsbank.ledger.refusals import PRECEDENCE, GroupRefused, Refusal

Fault = Callable[[Draft], Draft]


def _with(**more: object) -> Fault:
    def change(draft: Draft) -> Draft:
        return msgspec.structs.replace(
            draft, **{k: getattr(draft, k) + v if isinstance(v, tuple) else v for k, v in more.items()}
        )

    return change


def _moving(movement: Movement) -> Fault:
    return _with(movements=(movement,))


FAULTS: dict[type[Refusal], Fault] = {
    refusals.KeyConflict: _with(key="used", request=b"another request."),
    refusals.InvalidDraft: _with(place="\x07"),
    refusals.StaleRead: _with(reads=(("subject", 7),)),
    refusals.StateChanged: _with(changes=(Change("records", ("r",), "open", "closed"),)),
    refusals.DocumentExists: _with(rows=(Row("records", ("taken",)),)),
    refusals.CommodityDiffers: _with(commodities=(Commodity("POINT", 3, has_lots=True),)),
    refusals.AccountDiffers: _with(opens=(OpenAccount("fund:f", -1),)),
    refusals.UnknownEntry: _with(reverses=99),
    refusals.AlreadyReversed: _with(reverses=2),
    refusals.NotReversible: _with(reverses=3),
    refusals.UnknownCommodity: _moving(move("wallet:a", "wallet:b", 1, commodity="GOLD")),
    refusals.UnknownAccount: _moving(move("wallet:nobody", "wallet:b", 1)),
    refusals.MovementNotAllowed: _moving(move("mint:m", "wallet:b", 1, EARLY)),
    refusals.DocumentMissing: _moving(move("wallet:a", "till:t", 1)),
    refusals.LotRequired: _moving(move("fund:f", "wallet:b", 1)),
    refusals.AmountOutOfRange: _moving(move("wallet:a", "wallet:rich", 1, EARLY)),
    refusals.InsufficientBalance: _moving(move("wallet:poor", "wallet:b", 1)),
}
REVERSING = {refusals.UnknownEntry, refusals.AlreadyReversed, refusals.NotReversible}
AMOUNTS = {refusals.AmountOutOfRange, refusals.InsufficientBalance}  # among movements the first one counts
PAIRS = [
    (first, second)
    for first, second in combinations([r for r in PRECEDENCE if r in FAULTS], 2)
    if not (first in REVERSING and second in PRECEDENCE[PRECEDENCE.index(refusals.UnknownEntry):])
    and {first, second} != AMOUNTS
]  # fmt: skip


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk()
    desk.accept(issue("used", "wallet:a", 100, EARLY))
    desk.accept(draft("issue", "2", move("mint:m", "wallet:a", 1, EARLY)))
    desk.accept(draft("undo", "3", reverses=2))
    desk.accept(issue("4", "wallet:rich", MAX_AMOUNT, EARLY, "mint:n"))
    opens = ("wallet:b", "wallet:poor", "till:t", OpenAccount("fund:f", -1000))
    desk.accept(draft("open", "open", opens=opens, rows=(Row("records", ("taken",)),)))
    return desk


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_each_fault_alone_is_refused_for_what_it_is(desk: Desk, fault: type[Refusal]) -> None:
    assert type(desk.judge(FAULTS[fault](draft("pay", "k")), TOY)) is fault


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda f: f.__name__)
def test_of_two_faults_the_earlier_in_the_list_is_named(
    desk: Desk, first: type[Refusal], second: type[Refusal]
) -> None:
    for one, other in ((first, second), (second, first)):
        both = FAULTS[other](FAULTS[one](draft("pay", "k")))
        assert type(desk.judge(both, TOY)) is first


def test_of_one_movement_the_range_is_named_before_the_balance(desk: Desk) -> None:
    poor_to_rich = draft("pay", "k", move("wallet:poor", "wallet:rich", 1, EARLY))
    assert type(desk.judge(poor_to_rich, TOY)) is refusals.AmountOutOfRange


def test_a_reversal_without_a_lot_to_take_from_is_refused_after_its_other_faults(desk: Desk) -> None:
    assert (
        type(desk.judge(_with(reads=(("s", 1),))(draft("undo", "k", reverses=2)), TOY)) is refusals.StaleRead
    )


def test_every_refusal_has_its_place_in_the_list() -> None:
    of_the_ledger = {
        r for r in Refusal.__subclasses__() if r.__module__ == refusals.__name__
    }  # rooms have their own
    assert set(PRECEDENCE) == of_the_ledger
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)
    assert set(FAULTS) | {GroupRefused} == set(PRECEDENCE)


def test_codes_of_refusals_are_different_and_stable_to_read() -> None:
    codes = [str(r.__struct_config__.tag) for r in PRECEDENCE]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("-", "").islower() and code.isascii() for code in codes)


@pytest.mark.parametrize("refusal", PRECEDENCE, ids=lambda r: r.__name__)
def test_only_what_may_change_by_itself_is_worth_a_retry(refusal: type[Refusal]) -> None:
    worth = {refusals.StaleRead, refusals.StateChanged, refusals.DocumentExists}
    assert refusal.retry is (refusal in worth)


def test_an_attachment_does_not_excuse_another_kind_of_document(desk: Desk) -> None:
    other = _with(documents=(Attachment("note", "1", bytes(32)),))
    fault = FAULTS[refusals.DocumentMissing]
    assert type(desk.judge(other(fault(draft("pay", "k"))), TOY)) is refusals.DocumentMissing
