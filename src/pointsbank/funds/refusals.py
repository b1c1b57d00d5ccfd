"""Why the funds room says no. Each has a heading in docs/errors.md."""

from __future__ import annotations

from pointsbank.ledger.refusals import Refusal


class UnknownFund(Refusal, frozen=True, tag="unknown-fund"):
    """There is no fund with this code."""

    fund: str


class FundExists(Refusal, frozen=True, tag="fund-exists"):
    """There is a fund with this code already."""

    fund: str


class FundWithoutEnd(Refusal, frozen=True, tag="fund-without-end"):
    """The fund was opened without a budget: there is nothing to cut. It can be given a budget."""

    fund: str


class UnknownBudgetChange(Refusal, frozen=True, tag="unknown-budget-change"):
    """There is no proposed change of a budget with this id."""

    id: str


class BudgetChangeDecided(Refusal, frozen=True, tag="budget-change-decided"):
    """The change of a budget was decided before, otherwise or by somebody else."""

    id: str
    state: str


class BudgetBelowIssued(Refusal, frozen=True, tag="budget-below-issued"):
    """A budget cannot fall below what the fund has issued (hundredths of a point)."""

    fund: str
    free: int
    asked: int
