"""Why the activities room says no. Each has a heading in docs/errors.md."""

from __future__ import annotations

from pointsbank.ledger.refusals import Refusal


class UnknownActivity(Refusal, frozen=True, tag="unknown-activity"):
    """There is no such project, activity or session."""

    id: str


class FourEyes(Refusal, frozen=True, tag="four-eyes"):
    """Who acts may not act here: `rule` names the rule of four eyes that says so."""

    rule: str


class ActivityInvalid(Refusal, frozen=True, tag="activity-invalid"):
    """An activity or session cannot be as it was planned: `problem` says why."""

    problem: str


class ActivityNotApproved(Refusal, frozen=True, tag="activity-not-approved"):
    """The activity was not approved before it starts, so nothing of it counts."""

    id: str
    state: str


class ActivityStarted(Refusal, frozen=True, tag="activity-started"):
    """It is too late to plan or approve this: the time has come or is over."""

    id: str


class SignUpRefused(Refusal, frozen=True, tag="sign-up-refused"):
    """The person may not take part: `rule` says which check failed."""

    rule: str


class SessionFull(Refusal, frozen=True, tag="session-full"):
    """All places of the session are taken."""

    capacity: int


class CheckInRefused(Refusal, frozen=True, tag="check-in-refused"):
    """Checking in or out is not possible: `rule` says why."""

    rule: str
