"""The verbs of the funds room: propose a budget or a change of one, decide it as a second person."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection, select

from pointsbank.activities.ports import By
from pointsbank.activities.refusals import FourEyes
from pointsbank.activities.service import made_by
from pointsbank.engine.commands import Command, new_salt, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.funds.postings import ROOM, BudgetChange, budget_draft, first_budget_draft, opening_draft
from pointsbank.funds.reading import has_no_end
from pointsbank.funds.refusals import (
    BudgetBelowIssued,
    BudgetChangeDecided,
    FundExists,
    FundWithoutEnd,
    UnknownBudgetChange,
    UnknownFund,
)
from pointsbank.funds.tables import budget_changes
from pointsbank.hours.funding import Funding
from pointsbank.ledger.model import MAX_AMOUNT, RECORDED_AT, Change, Draft, Row
from pointsbank.ledger.refusals import AccountDiffers, AmountOutOfRange, InsufficientBalance, Refusal
from pointsbank.points.lots import Fund
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.calendar import city_day, start_of_day

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

_DRAFTS: Final = {None: opening_draft, True: first_budget_draft, False: budget_draft}
"""The entry of an approved change: of no fund yet, of one without end, of one with a budget."""


class Budgets:
    """Opens funds and changes what they may issue. No single person opens one, or moves a budget."""

    def __init__(self, ledger: Ledger, policies: PolicyBook) -> None:
        self._ledger = ledger
        self._zone = policies.policies[-1].timezone
        self._funding = Funding(ledger, policies)

    async def propose(
        self, fund: str, points: int, by: By, command: Command, *, document_no: str = ""
    ) -> BudgetChange | Refusal:
        """Propose to raise a fund's budget by `points` hundredths, or to cut it by as many below 0.

        The first budget of a code that is not known yet opens a fund with it. To a fund that was opened without one,
        `points` is the budget that it gets.
        """
        if not by.person:
            return FourEyes("machine-source")
        is_endless = await self._ledger.database.read(has_no_end, self._ledger.id, Fund(fund))
        if is_endless is None and (points <= 0 or not _is_code(fund)):
            return UnknownFund(fund)
        if is_endless and points <= 0:
            return FundWithoutEnd(fund)
        if not 0 < abs(points) <= MAX_AMOUNT - 1:
            return AmountOutOfRange(Fund(fund).issued, points)
        change_id = made_by(command, "budget")
        row = Row(
            "budget_changes",
            (
                change_id,
                fund,
                points,
                document_no,
                "",
                by.name,
                RECORDED_AT,
                "",
                0,
                0,
                new_salt(),
                "proposed",
            ),
        )
        digest = request_digest("propose-budget", fund, str(points), document_no, by.name)
        draft = self._draft("propose-budget", command.key, digest, by, command)
        [result] = await self._ledger.submit([replace(draft, rows=(row,))], ROOM)
        return result if isinstance(result, Refusal) else await self._change(change_id)

    async def decide(
        self, change_id: str, by: By, command: Command, *, approve: bool
    ) -> BudgetChange | Refusal:
        """Decide a proposed change as another natural person; a raise then pays what waits for the fund, in order.

        If that stops, the change stands all the same, and whoever decides it again has the rest paid.
        """
        found = await self._ledger.database.read(_change_with_salt, self._ledger.id, change_id)
        if found is None:
            return UnknownBudgetChange(change_id)
        change, salt = found
        wanted = "approved" if approve else "refused"
        if change.state != "proposed":
            is_again = (change.state, change.decided_by) == (wanted, by.name)
            if not is_again:
                return BudgetChangeDecided(change_id, change.state)
            # the first time may have been stopped before that was paid
            return await self._with_what_waits(change, command)
        if not by.person:
            return FourEyes("machine-source")
        if by.name == change.proposed_by:
            return FourEyes("decider-is-proposer")
        if approve:
            is_endless = await self._ledger.database.read(has_no_end, self._ledger.id, Fund(change.fund))
            today = city_day(self._ledger.writer.clock.now(), self._zone)
            make = _DRAFTS[is_endless]
            draft = make(change, salt, by.name, by.place, start_of_day(today, self._zone), command)
        else:
            values = (("decided_by", by.name), ("decided_at", RECORDED_AT))
            key, digest = f"refuse-budget:{change_id}", request_digest("refuse-budget", change_id, by.name)
            refused = (Change("budget_changes", (change_id,), "proposed", "refused", values),)
            draft = replace(self._draft("refuse-budget", key, digest, by, command), changes=refused)
        [result] = await self._ledger.submit([draft], ROOM)
        if isinstance(result, InsufficientBalance):
            if change.points > 0:  # a first budget: what it lacks of what is issued
                return BudgetBelowIssued(change.fund, 0, result.required - result.available)
            return BudgetBelowIssued(change.fund, result.available, -change.points)
        if isinstance(result, AccountDiffers):  # another first budget was approved meanwhile
            return FundExists(change.fund)
        if isinstance(result, Refusal):
            return result
        return await self._with_what_waits(await self._change(change_id), command)

    async def _with_what_waits(self, change: BudgetChange, command: Command) -> BudgetChange | Refusal:
        """A decided change, after a raise has paid what waits for the fund."""
        if change.state != "approved" or change.points <= 0:
            return change
        paid = await self._funding.pay(change.fund, command)
        return paid if isinstance(paid, Refusal) else change

    async def _change(self, change_id: str) -> BudgetChange:
        found = await self._ledger.database.read(_change_with_salt, self._ledger.id, change_id)
        assert found is not None, "it was written this moment"
        return found[0]

    def _draft(self, kind: str, key: str, digest: bytes, by: By, command: Command) -> Draft:
        now = self._ledger.writer.clock.now()
        return Draft(kind, key, command.client, digest, now, actor=by.name, place=by.place)


def changes_of(
    connection: Connection, ledger_id: int, fund: str = "", limit: int = 200
) -> list[BudgetChange]:
    """Changes of budgets, of one fund or of all, the newest first."""
    t = budget_changes.c
    query = select(*(t[name] for name in BudgetChange.__struct_fields__)).where(t.ledger_id == ledger_id)
    if fund:
        query = query.where(t.fund == fund)
    rows = connection.execute(query.order_by(t.proposed_at.desc(), t.change_id).limit(limit))
    return [BudgetChange(**row._mapping) for row in rows]


def _change_with_salt(
    connection: Connection, ledger_id: int, change_id: str
) -> tuple[BudgetChange, bytes] | None:
    t = budget_changes.c
    row = connection.execute(
        select(*(t[name] for name in BudgetChange.__struct_fields__), t.salt).where(
            t.ledger_id == ledger_id, t.change_id == change_id
        )
    ).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    salt = bytes(values.pop("salt"))
    return BudgetChange(**values), salt


def _is_code(fund: str) -> bool:
    return 0 < len(fund) <= 64 and set(fund) <= _PLAIN and any(c.isalnum() for c in fund)
