"""The invariants as pure statements: they accept what the writer posts and name what breaks them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.verify.town import LATE, Town

from pointsbank.ledger.chart import SHIPPED
from pointsbank.ledger.invariants import (
    InvariantBroken,
    OpenedAccount,
    balances_even_out,
    check_journal,
    lot_fits,
    mirrors,
    under_floor,
)
from pointsbank.ledger.model import JournalEntry, Side

REVERSALS = {"R4-reversed": "R4", "B2-reversed": "B2"}


def journal_of(town: Town) -> list[JournalEntry]:
    """The town's entries as the invariants look at them."""
    return [
        JournalEntry(
            r.sequence,
            "kind",
            "town",
            r.key,
            bytes(16),
            0,
            r.recorded_at,
            "",
            "",
            "",
            town.sequence(REVERSALS[name]) if name in REVERSALS else 0,
            "",
            "",
            r.postings[0].number,
            r.postings,
        )
        for name, r in town.entries.items()
        if r.sequence
    ]


def accounts_of(town: Town) -> dict[str, OpenedAccount]:
    opened = {}
    for path in town.accounts:
        kind = SHIPPED.kind_of(path)
        assert kind is not None
        floor = {"zero": 0, "none": None, "budget": -1_000_000}[kind.floor]
        opened[path] = OpenedAccount(kind.normal_side, floor)
    return opened


def test_what_the_writer_posted_holds(town: Town) -> None:
    balances = check_journal(journal_of(town), accounts_of(town))
    assert balances["volunteer:v1:available", "POINT", LATE] == 500
    assert balances["fund:fund1:issued", "POINT", LATE] == -1500


def change(entry: JournalEntry, **fields: object) -> JournalEntry:
    return msgspec.structs.replace(entry, **fields)


def change_posting(entry: JournalEntry, **fields: object) -> JournalEntry:
    first, *rest = entry.postings
    return change(entry, postings=(msgspec.structs.replace(first, **fields), *rest))


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("sequence numbers have no gap", lambda e: change(e, sequence=99)),
        ("recorded_at never runs backwards", lambda e: change(e, recorded_at=0)),
        ("an entry has postings", lambda e: change(e, postings=())),
        ("a posting names its entry", lambda e: change_posting(e, sequence=99)),
        ("posting numbers have no gap", lambda e: change_posting(e, number=99)),
        ("an amount is above 0", lambda e: change_posting(e, amount=0)),
        ("a posting has two accounts", lambda e: change_posting(e, debit=e.postings[0].credit)),
        ("versions and running balances are the fold", lambda e: change_posting(e, amount=1)),
        ("versions and running balances are the fold", lambda e: change_posting(e, debit_version=9)),
        ("versions and running balances are the fold", lambda e: change_posting(e, credit_total=9)),
        ("a reversal names an earlier entry", lambda e: change(e, reverses=999)),
        ("a reversal mirrors its entry", lambda e: change(e, reverses=1)),
    ],
)
def test_each_broken_rule_is_named(
    town: Town, rule: str, broken: Callable[[JournalEntry], JournalEntry]
) -> None:
    journal = journal_of(town)
    journal[3] = broken(journal[3])
    with pytest.raises(InvariantBroken, match=rule):
        check_journal(journal, accounts_of(town))


def test_an_account_under_its_floor_is_named(town: Town) -> None:
    accounts = accounts_of(town) | {"fund:fund1:issued": OpenedAccount(Side.CREDIT, -1000)}
    with pytest.raises(InvariantBroken, match="no balance under its floor"):
        check_journal(journal_of(town), accounts)


@pytest.mark.parametrize(
    ("floor", "balance", "total", "under"),
    [(None, -5, -5, False), (0, 0, 0, False), (0, -1, 3, True), (-10, -10, -10, False), (-10, 5, -11, True)],
)
def test_zero_holds_for_each_lot_and_a_budget_for_their_sum(
    floor: int | None, balance: int, total: int, under: bool
) -> None:
    assert under_floor(floor, balance, total) is under


def test_a_reversal_mirrors_last_posting_first() -> None:
    assert mirrors([("a", "b", 1, 5), ("c", "d", 2, 7)], [("d", "c", 2, 7), ("b", "a", 1, 5)])
    assert not mirrors([("a", "b", 1, 5), ("c", "d", 2, 7)], [("b", "a", 1, 5), ("d", "c", 2, 7)])


def test_a_trial_balance_evens_out_over_normal_sides() -> None:
    assert balances_even_out([(Side.DEBIT, 5), (Side.CREDIT, 7), (Side.CREDIT, -2)])
    assert not balances_even_out([(Side.DEBIT, 5), (Side.CREDIT, 7)])


def test_goods_without_lots_have_the_one_lot() -> None:
    assert lot_fits(False, "-")
    assert not lot_fits(False, LATE)
    assert lot_fits(True, LATE)
