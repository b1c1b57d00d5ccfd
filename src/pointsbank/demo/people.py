"""The invented volunteers: a number and a date of birth, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from pointsbank.demo.plan import Plan

FIRST_NUMBER: Final = 2301_000001

GROUP: Final = 1000
"""Volunteers that are made, and registered, together."""

_AGES: Final = ((7, 12), (13, 17), (18, 24), (25, 39), (40, 54), (55, 64), (65, 74), (75, 88))
_WEIGHTS: Final = (3, 6, 15, 20, 22, 17, 13, 4)
"""Pupils with their school, students, people at work, and many who are retired."""


def number_of(volunteer: int) -> str:
    """The city's number of the volunteer at this place (0 and up)."""
    return f"V{FIRST_NUMBER + volunteer}"


def group_of_people(plan: Plan, group: int) -> Iterator[tuple[str, date]]:
    """Numbers and dates of birth of one group."""
    dice = plan.dice("people", group)
    for volunteer in range(group * GROUP, min((group + 1) * GROUP, plan.volunteers)):
        youngest, oldest = dice.choices(_AGES, _WEIGHTS)[0]
        days = dice.randrange(youngest * 1461 // 4 + 1, (oldest + 1) * 1461 // 4)
        yield number_of(volunteer), plan.today - timedelta(days=days)
