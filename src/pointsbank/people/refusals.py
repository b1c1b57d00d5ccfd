"""Why the people store says no. Each has a heading in docs/errors.md; none repeats a name or a number."""

from __future__ import annotations

from typing import ClassVar

from pointsbank.ledger.refusals import Refusal


class PersonDataInvalid(Refusal, frozen=True, tag="person-data-invalid"):
    """A name, a date or a number is not well formed: which field, and why."""

    field: str
    problem: str
    problem_en: str


class PersonExists(Refusal, frozen=True, tag="person-exists"):
    """Somebody with this ID number or volunteer number is registered."""

    field: str
    person: str


class UnknownPerson(Refusal, frozen=True, tag="unknown-person"):
    """There is no person with this id."""

    person: str


class PersonNotActive(Refusal, frozen=True, tag="person-not-active"):
    """The person is frozen, closing or closed."""

    person: str
    state: str


class ReasonNeeded(Refusal, frozen=True, tag="reason-needed"):
    """To see this, a reason must be given; it is kept with who saw whom."""


class UnmaskingNotPermitted(Refusal, frozen=True, tag="unmasking-not-permitted"):
    """Who asks lacks the right to see it in full."""

    field: str


class MinorProtected(Refusal, frozen=True, tag="minor-protected"):
    """The person is under 18: opening the profile needs a right that a manager gave, and a reason."""

    person: str


class SearchLimitReached(Refusal, frozen=True, tag="search-limit"):
    """Too many searches by this person. `retry_at` in microseconds UTC."""

    retry: ClassVar[bool] = True
    limit: int
    window: str
    retry_at: int


class ConsentMissing(Refusal, frozen=True, tag="consent-missing"):
    """There is no consent to this purpose in force."""

    purpose: str


class GuardianMustConsent(Refusal, frozen=True, tag="guardian-must-consent"):
    """The person is under 14: only a recorded guardian can consent."""

    person: str


class UnknownConsent(Refusal, frozen=True, tag="unknown-consent"):
    """There is no consent with this id that could be withdrawn."""

    consent: str


class SecondPersonNeeded(Refusal, frozen=True, tag="two-persons-needed"):
    """Two members of staff must act: neither the person concerned nor of the household, and not the same one."""

    problem: str
    problem_en: str


class LinkNotAllowed(Refusal, frozen=True, tag="link-not-allowed"):
    """The guardian or helper cannot be linked: why."""

    problem: str
    problem_en: str


class UnknownChange(Refusal, frozen=True, tag="unknown-change"):
    """There is no proposal with this id that waits for confirmation."""

    change: str


class UnknownCard(Refusal, frozen=True, tag="unknown-card"):
    """There is no such card in use."""


class PointsLeft(Refusal, frozen=True, tag="points-left"):
    """The account still holds points: available and pending, in hundredths."""

    commodity: str
    amount: int


class ClosingWaits(Refusal, frozen=True, tag="closing-waits"):
    """The points go somewhere, so the person is told and a delay runs. `settles_at` in microseconds UTC."""

    retry: ClassVar[bool] = True
    settles_at: int


class ClosingInterrupted(Refusal, frozen=True, tag="closing-interrupted"):
    """The account is being closed and a step could not be done now; the same request goes on from there."""

    retry: ClassVar[bool] = True
    step: str


class MasterKeyInUse(Refusal, frozen=True, tag="master-key-in-use"):
    """The master key still protects keys, or is the one that seals."""

    key: str
    count: int
