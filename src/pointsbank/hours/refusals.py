"""Why the hours room says no to a step of a record's life. Each has a heading in docs/errors.md."""

from __future__ import annotations

from typing import ClassVar

from pointsbank.ledger.refusals import Refusal


class UnknownRecord(Refusal, frozen=True, tag="unknown-record"):
    """There is no service record with this id."""

    id: str


class WrongState(Refusal, frozen=True, tag="wrong-record-state"):
    """The record is in a state in which this step does not exist."""

    id: str
    state: str


class TooManyLines(Refusal, frozen=True, tag="too-many-lines"):
    """More lines at once, or within an hour, than one person may submit or verify."""

    limit: int
    within: str


class ReasonInvalid(Refusal, frozen=True, tag="reason-invalid"):
    """The reason is none of those that exist for this step."""

    reason: str


class UnknownCase(Refusal, frozen=True, tag="unknown-case"):
    """There is no such case, merge or sample."""

    id: str


class BatchOpen(Refusal, frozen=True, tag="batch-open"):
    """The day of the batch is not over, so no sample of it can be drawn."""

    recorder: str
    day: str


class HoursUnderWay(Refusal, frozen=True, tag="hours-under-way"):
    """Records of the account wait for somebody, stand on notice, or wait for their fund."""

    records: int


class DebtLeft(Refusal, frozen=True, tag="debt-left"):
    """The account owes points (hundredths); two people settle it."""

    points: int


class NoHousehold(Refusal, frozen=True, tag="no-household"):
    """Points go to a household only if exactly one other member has an account."""

    members: int


class NotOfHousehold(Refusal, frozen=True, tag="not-of-household"):
    """Points are given to the fund or within the household; this person lives elsewhere, or has no account."""

    person: str


class BalanceCap(Refusal, frozen=True, tag="balance-cap"):
    """Whoever is to be given these points would hold more than the city allows; `room` is how many still fit."""

    room: int


class GiftWaits(Refusal, frozen=True, tag="gift-waits"):
    """The giver was told of the gift and may have it stopped until `from_at` (microseconds UTC)."""

    retry: ClassVar[bool] = True
    from_at: int


class GiftDecided(Refusal, frozen=True, tag="gift-decided"):
    """The gift was given or called off before."""

    id: str
    state: str


class AppealTooLate(Refusal, frozen=True, tag="appeal-too-late"):
    """The days for an appeal are over; `last` was the last one."""

    id: str
    last: str


class FundQueueStopped(Refusal, frozen=True, tag="fund-queue-stopped"):
    """The ledger did not take the payment of a line, for `reason`; what stood before it is paid, nothing after it."""

    retry: ClassVar[bool] = True
    fund: str
    id: str
    reason: str


class RecordRefused(Exception):
    """The ledger refused what the rules accepted (a fund without budget, say): nothing of the line was written."""

    def __init__(self, line: int, refusal: Refusal) -> None:
        super().__init__(f"line {line}: {refusal.code}")
        self.line = line
        self.refusal = refusal
