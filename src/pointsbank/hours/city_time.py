"""The city's clock in questions to the database, which knows no time zones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, literal_column

from pointsbank.policy.calendar import offsets_of


def city_second_of(at: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The local second in the time zone `zone` of a column of UTC microseconds, as `policy.calendar.city_second`.

    A city whose clock never changes is one addition; of another one the newest change is asked first.
    """
    first, *changes = offsets_of(zone)
    offset: ColumnElement[Any] = _number(first[1])
    if changes:
        newest = [(at >= _number(since), _number(by)) for since, by in reversed(changes)]
        offset = case(*newest, else_=offset)
    return at // _number(1_000_000) + offset


def city_day_of(at: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The number of the day in the time zone `zone` of a column of UTC microseconds; 1970-01-01 is 0."""
    return city_second_of(at, zone) // _number(86_400)


def _number(value: int) -> ColumnElement[int]:
    """A number as part of the statement: a day by which rows are grouped must read alike wherever it stands."""
    return literal_column(str(value), BigInteger)
