"""What a scheme makes of merit minutes, and that a wrong one is refused with every fault named."""

from datetime import date

import pytest

from pointsbank.policy.load import PolicyErrors
from pointsbank.recognition.scheme import SchemeBook, load_schemes, parse_scheme, shipped_schemes

HOUR = 60
CYCLE = """
name = "cycle"
title = "周期"
title_en = "Cycle"
basis = "cycle"
cycle_hours = 300
[[levels]]
code = "1"
name = "一星"
hours = 30
[[levels]]
code = "5"
name = "五星"
hours = 300
"""


@pytest.mark.parametrize(
    ("hours", "code", "lacking"),
    [
        (0, "", 100),
        (99, "", 1),
        (100, "1", 200),
        (299, "1", 1),
        (300, "2", 300),
        (1499, "4", 1),
        (1500, "5", 0),
    ],
)
def test_a_star_is_reached_with_its_very_minute(hours: int, code: str, lacking: int) -> None:
    stars = load_schemes(shipped_schemes()).in_force("national-stars", date(2026, 1, 1))
    assert stars is not None
    found = stars.standing(hours * HOUR)
    assert (found.level.code if found.level else "", found.next_minutes) == (code, lacking * HOUR)


def test_a_minute_less_is_not_enough() -> None:
    stars = load_schemes(shipped_schemes()).in_force("national-stars", date(2026, 1, 1))
    assert stars is not None
    assert stars.standing(100 * HOUR - 1).level is None


@pytest.mark.parametrize(
    ("minutes", "cycles", "code"),
    [
        (29 * HOUR, 0, ""),
        (300 * HOUR, 0, "5"),
        (300 * HOUR + 1, 1, ""),
        (330 * HOUR, 1, "1"),
        (600 * HOUR, 1, "5"),
    ],
)
def test_a_cycle_begins_anew_after_it_is_full(minutes: int, cycles: int, code: str) -> None:
    found = parse_scheme(CYCLE, "cycle.toml").standing(minutes)
    assert (found.cycles, found.level.code if found.level else "") == (cycles, code)


def test_the_two_shipped_schemes_are_those_of_the_sources() -> None:
    book = load_schemes(shipped_schemes())
    hours = {scheme.name: [level.minutes // HOUR for level in scheme.levels] for scheme in book.schemes}
    assert hours == {
        "national-stars": [100, 300, 600, 1000, 1500],
        "heilongjiang-year": [50, 100, 200, 500, 1000],
    }


def test_every_fault_of_a_scheme_is_named() -> None:
    wrong = """
name = "x"
title = ""
basis = "week"
cycle_hours = 5
colour = "red"
[[levels]]
code = "1"
name = "a"
hours = 100
[[levels]]
code = "1"
name = "b"
hours = 100
"""
    with pytest.raises(PolicyErrors) as refused:
        parse_scheme(wrong, "x.toml")
    named = {error.path for error in refused.value.errors}
    assert {
        "title",
        "title_en",
        "basis",
        "cycle_hours",
        "colour",
        "levels[1].hours",
        "levels[1].code",
    } <= named


def test_two_schemes_of_one_name_may_follow_each_other_but_not_overlap() -> None:
    first = parse_scheme(CYCLE.replace('basis = "cycle"', 'basis = "cycle"\nvalid_to = 2025-12-31'), "a.toml")
    later = parse_scheme(
        CYCLE.replace('basis = "cycle"', 'basis = "cycle"\nvalid_from = 2026-01-01'), "b.toml"
    )
    book = SchemeBook([later, first])
    assert book.in_force("cycle", date(2025, 12, 31)) is first
    assert book.in_force("cycle", date(2026, 1, 1)) is later
    with pytest.raises(PolicyErrors):
        SchemeBook([first, first])
