"""Reads what protects people and their means: every key must be there, so that none is off by being forgotten."""

from pointsbank.policy.model import COUNTER_OFF, CounterRules, PeopleRules
from pointsbank.policy.reading import TableReader

_MOST_SEARCHES = 10_000
_MOST_WARDS = 1000
_MOST_HOURS = 366 * 24
_LONGEST_RIGHT = 90
"""Days for which a manager may open minors' profiles to somebody: no policy makes it longer."""
_MOST_DAYS = 3660
_MOST_POINTS = 10_000_000


def read_people(top: TableReader) -> PeopleRules:
    """The table `people`: searches, wards, delays, rights that end."""
    table = top.table("people")
    if table is None:
        return PeopleRules()
    read = PeopleRules(
        searches_hour=table.integer("searches_hour", 1, _MOST_SEARCHES),
        searches_day=table.integer("searches_day", 1, _MOST_SEARCHES),
        most_wards=table.integer("most_wards", 0, _MOST_WARDS),
        new_means_hours=table.integer("new_means_hours", 1, _MOST_HOURS),
        minors_days=table.integer("minors_days", 1, _LONGEST_RIGHT),
        attended_days=table.integer("attended_days", 0, _MOST_DAYS),
    )
    if table.has("searches_day") and read.searches_day < read.searches_hour:
        table.wrong("searches_day", f"少于每小时上限 (fewer than searches_hour allows, {read.searches_hour})")
    table.finish()
    return read


def read_counter(top: TableReader) -> CounterRules:
    """The tables `code` and `minor`: what codes and cards do at a counter."""
    code, minor = top.table("code"), top.table("minor")
    if code is None or minor is None:
        return COUNTER_OFF
    read = CounterRules(
        code_step_seconds=code.integer("step_seconds", 10, 60),
        card_day_points=code.integer("card_day_points", 0, _MOST_POINTS),
        guardian_below_age=minor.integer("redeem_with_guardian_below_age", 0, 18),
    )
    code.finish()
    minor.finish()
    return read
