"""Who may take part: rules in order, of which the first that applies gives the reason. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import msgspec

from pointsbank.activities.model import Activity, Paper
from pointsbank.policy.calendar import completed_years
from pointsbank.policy.model import Policy

ADULT: Final = 18


class Applicant(msgspec.Struct, frozen=True):
    """What is known of who signs up, on the day of the session."""

    born: date | None
    papers: Sequence[Paper]
    companion_born: date | None
    """Birth of the companion; None if nobody comes along."""


Rule = Callable[[Applicant, Activity, date, Policy], bool]


def why_not(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> str:
    """The name of the first check that fails; empty if the person may take part."""
    return next((name for name, fails in CHECKS.items() if fails(applicant, activity, day, policy)), "")


def _unknown(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    return applicant.born is None


def _under_age(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    category = policy.categories.get(activity.category)
    least = max(activity.minimum_age, category.minimum_age if category else 0)
    return _age(applicant.born, day) < least


def _alone(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    if _age(applicant.born, day) >= policy.safeguards.companion_below_age:
        return False
    return _age(applicant.companion_born, day) < ADULT


def _without_consent(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    if _age(applicant.born, day) >= policy.safeguards.consent_below_age:
        return False
    return not _has(applicant, "consent", "", day)


def _untrained(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    asked = policy.safeguards.training and activity.training
    return bool(asked) and not _has(applicant, "training", activity.training, day)


def _uninsured(applicant: Applicant, activity: Activity, day: date, policy: Policy) -> bool:
    asked = policy.safeguards.insurance and activity.insured
    return bool(asked) and not _has(applicant, "insurance", "", day)


CHECKS: Final[dict[str, Rule]] = {
    "unknown-volunteer": _unknown,
    "under-age": _under_age,
    "companion-missing": _alone,
    "consent-missing": _without_consent,
    "training-missing": _untrained,
    "insurance-missing": _uninsured,
}


def _age(born: date | None, day: date) -> int:
    return -1 if born is None else completed_years(born, day)


def _has(applicant: Applicant, kind: str, code: str, day: date) -> bool:
    return any(
        paper.kind == kind and (not code or paper.code == code) and paper.valid_from <= day <= paper.valid_to
        for paper in applicant.papers
    )
