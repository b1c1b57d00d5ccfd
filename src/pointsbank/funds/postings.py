"""The accountant's page of the funds room: a budget that is changed is an entry like any other. Pure.

What is granted stands on the fund's own account, in a lot of its own, and so lowers what the account may fall to. The
ledger's floor then says no by itself to a cut below what is issued.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from pointsbank.engine.commands import Command, attach, request_digest
from pointsbank.intake.lines import kept_text
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.model import (
    MAX_AMOUNT,
    RECORDED_AT,
    SEQUENCE,
    Change,
    Draft,
    Movement,
    OpenAccount,
    lot_name,
)
from pointsbank.points.lots import Fund

ROOM: Final = frozenset({"funds"})
NO_END: Final = MAX_AMOUNT
"""What a fund that was opened without a budget may issue: as much as an account can hold (hundredths)."""


class BudgetChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a budget by `points` hundredths, below 0 for a cut, and the two people who decide it."""

    change_id: str
    fund: str
    points: int
    document_no: str
    proposed_by: str
    proposed_at: int
    decided_by: str
    decided_at: int
    sequence: int
    state: str


def granted_account(fund: Fund) -> str:
    """The other side of what was granted to a fund after it was opened."""
    return f"fund:{fund.code}:granted"


def budget_lot(fund: Fund) -> str:
    """The lot in which a budget stands: it is never spent and never expires."""
    return lot_name("never", fund.code)


def content_of(change: BudgetChange, decided_by: str) -> str:
    """What the entry proves of the decision."""
    said = (
        change.change_id,
        change.fund,
        str(change.points),
        change.document_no,
        change.proposed_by,
        decided_by,
    )
    return kept_text(said)


def budget_draft(
    change: BudgetChange, salt: bytes, by: str, place: str, effective_at: int, command: Command
) -> Draft:
    """The entry of an approved change."""
    return _granting(change, change.points, salt, by, place, effective_at, command)


def first_budget_draft(
    change: BudgetChange, salt: bytes, by: str, place: str, effective_at: int, command: Command
) -> Draft:
    """The entry that gives an end to a fund that had none.

    Such a fund may issue as much as an account can hold, so all of that but the budget is taken away.
    """
    return _granting(change, change.points - NO_END, salt, by, place, effective_at, command)


def _granting(
    change: BudgetChange, points: int, salt: bytes, by: str, place: str, effective_at: int, command: Command
) -> Draft:
    fund = Fund(change.fund)
    sides = (granted_account(fund), fund.issued)
    debit, credit = sides if points > 0 else sides[::-1]
    return replace(
        _decided(change, by, place, effective_at, command),
        movements=(Movement(debit, credit, POINT.code, abs(points), budget_lot(fund)),),
        documents=(attach("budget", change.change_id, salt, content_of(change, by)),),
        opens=(OpenAccount(granted_account(fund)),),
    )


def opening_draft(
    change: BudgetChange, salt: bytes, by: str, place: str, effective_at: int, command: Command
) -> Draft:
    """The first budget opens the fund: it is the floor of its account."""
    fund = Fund(change.fund)
    draft = _decided(change, by, place, effective_at, command)
    [approved] = draft.changes
    without_entry = tuple(value for value in approved.values if value[0] != "sequence")
    return replace(
        draft,
        opens=(OpenAccount(fund.issued, -change.points), OpenAccount(fund.expired)),
        changes=(replace(approved, values=without_entry),),
    )


def _decided(change: BudgetChange, by: str, place: str, effective_at: int, command: Command) -> Draft:
    content = content_of(change, by)
    values = (
        ("decided_by", by),
        ("decided_at", RECORDED_AT),
        ("content", content),
        ("sequence", SEQUENCE),
    )
    return Draft(
        "budget",
        f"budget:{change.change_id}:{by}",
        command.client,
        request_digest("budget", content),
        effective_at,
        actor=by,
        place=place,
        reason="decided",
        changes=(Change("budget_changes", (change.change_id,), "proposed", "approved", values),),
    )
