"""The city's calendar: exact local times as whole numbers, working days, ages, dates of expiry.

A local time is the number of minutes (or seconds) since 1970-01-01 00:00 on the city's clock: subtraction
and comparison are then plain arithmetic. 60,000 records have five times each, so reading one takes a
dictionary look-up or two.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pointsbank.policy.model import Policy

_EPOCH: Final = date(1970, 1, 1).toordinal()
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES_PER_DAY: Final = 24 * 60
_SECONDS_PER_DAY: Final = 24 * 60 * 60
_MICROS: Final = 1_000_000
_SHANGHAI_SECONDS: Final = 8 * 60 * 60
_SHANGHAI: Final = "Asia/Shanghai"
_LAST_SUMMER_TIME: Final = _SECONDS_PER_DAY * (date(1992, 1, 1).toordinal() - _EPOCH)
"""China has had no daylight saving since 1991: after it the zone is plain UTC+8."""
_LAST_OFFSET: Final = _SECONDS_PER_DAY * (date(2100, 1, 1).toordinal() - _EPOCH)

# Tables instead of int(): int() also reads '+9', ' 9' and digits of other scripts.
_MINUTE_OF_DAY: Final = {
    f"{hour:02}:{minute:02}": hour * 60 + minute for hour in range(24) for minute in range(60)
}
_SECOND: Final = {f":{second:02}": second for second in range(60)}


@lru_cache(maxsize=16384)  # records come roughly in order of time: this holds every minute of eleven days
def local_minute(text: str) -> int | None:
    """The minute of a text of the exact form `YYYY-MM-DD HH:MM` that exists in the calendar, else None."""
    if len(text) != 16 or text[10] != " ":
        return None
    minute = _MINUTE_OF_DAY.get(text[11:])
    day = _day_number(text[:10])
    return None if minute is None or day is None else day * _MINUTES_PER_DAY + minute


def local_second(text: str) -> int | None:
    """The second of a text of the exact form `YYYY-MM-DD HH:MM:SS` that exists in the calendar, else None."""
    if len(text) != 19:
        return None
    minute, second = local_minute(text[:16]), _SECOND.get(text[16:])
    return None if minute is None or second is None else minute * 60 + second


def local_day(text: str) -> date | None:
    """The date of a text of the exact form `YYYY-MM-DD`, else None."""
    number = _day_number(text)
    return None if number is None else date.fromordinal(number + _EPOCH)


def day_number(minute: int) -> int:
    """The number of the day on which a local minute lies; 1970-01-01 is 0."""
    return minute // _MINUTES_PER_DAY


def day_of_minute(minute: int) -> date:
    """The date on which a local minute lies."""
    return date.fromordinal(minute // _MINUTES_PER_DAY + _EPOCH)


def second_text(second: int) -> str:
    """A local second as `YYYY-MM-DD HH:MM:SS`: the inverse of `local_second`."""
    day, rest = divmod(second, _SECONDS_PER_DAY)
    return f"{date.fromordinal(day + _EPOCH)} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def shanghai_to_utc_micros(second: int) -> int:
    """UTC microseconds of a local second at fixed UTC+8, as the times of a data set are meant."""
    return (second - _SHANGHAI_SECONDS) * _MICROS


def utc_micros_to_shanghai(micros: int) -> int:
    """The local second at fixed UTC+8 of UTC microseconds; fractions of a second are cut off."""
    return micros // _MICROS + _SHANGHAI_SECONDS


def city_to_utc_micros(second: int, zone: str) -> int:
    """UTC microseconds of a local second in the time zone `zone`; of an hour that occurs twice, the first."""
    if zone == _SHANGHAI and second >= _LAST_SUMMER_TIME:
        return shanghai_to_utc_micros(second)
    local = (_EPOCH_UTC + timedelta(seconds=second)).replace(tzinfo=ZoneInfo(zone))
    return (local.astimezone(UTC) - _EPOCH_UTC) // timedelta(microseconds=1)


def start_of_day(day: date, zone: str) -> int:
    """UTC microseconds of the first moment of a day in the time zone `zone`."""
    return city_to_utc_micros((day.toordinal() - _EPOCH) * _SECONDS_PER_DAY, zone)


def city_second(micros: int, zone: str) -> int:
    """The local second in the time zone `zone` of UTC microseconds."""
    second = utc_micros_to_shanghai(micros)
    if zone == _SHANGHAI and second >= _LAST_SUMMER_TIME:
        return second
    local = (_EPOCH_UTC + timedelta(microseconds=micros)).astimezone(ZoneInfo(zone))
    return (local.replace(tzinfo=UTC) - _EPOCH_UTC) // timedelta(seconds=1)


def city_day(micros: int, zone: str) -> date:
    """The date in the time zone `zone` of UTC microseconds: the day that every date rule means."""
    return date.fromordinal(city_second(micros, zone) // _SECONDS_PER_DAY + _EPOCH)


@lru_cache(maxsize=32)
def offsets_of(zone: str) -> tuple[tuple[int, int], ...]:
    """By how many seconds the clock of a zone is before UTC, and from when on (UTC microseconds), 1970 to 2099.

    For questions that the database answers: it knows no time zones, but it can compare whole numbers.
    """
    info = ZoneInfo(zone)
    steps = [(0, _offset(0, info))]
    for morning in range(_SECONDS_PER_DAY, _LAST_OFFSET, _SECONDS_PER_DAY):
        if (offset := _offset(morning, info)) != steps[-1][1]:
            before, after = morning - _SECONDS_PER_DAY, morning
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (before, middle) if _offset(middle, info) == offset else (middle, after)
            steps.append((after * _MICROS, offset))
    return tuple(steps)


@lru_cache(maxsize=8192)
def add_working_days(
    day: date,
    days: int,
    holidays: frozenset[date] = frozenset(),
    makeup_days: frozenset[date] = frozenset(),
) -> date:
    """The `days`-th working day after `day`, which itself is never counted.

    Working days are Monday to Friday without the holidays, and the weekend days that make up for one.
    """
    left = days
    while left > 0 and day < date.max:
        day += timedelta(days=1)
        if (day.weekday() < 5 or day in makeup_days) and day not in holidays:
            left -= 1
    return day


def record_deadline(session_end: date, policy: Policy) -> date:
    """The last day on which a record of a session that ended on `session_end` may be typed in."""
    return working_days_after(session_end, policy.record_deadline_working_days, policy)


def working_days_after(day: date, days: int, policy: Policy) -> date:
    """The `days`-th working day after `day` by the policy's calendar."""
    return add_working_days(day, days, policy.holidays, policy.makeup_days)


def available_on(verified: date, policy: Policy, minutes: int = 0) -> date:
    """First day on which points of a record verified on `verified` (city date) may be spent.

    The record stands on public notice for `policy.public_notice_days` whole working days, the day of
    verification not counted; the points are free on the day after. Without notice they are free at once.
    A record of many `minutes` stands longer where the policy says so. Source: docs/policy.md#notice.
    """
    days, guard = policy.public_notice_days, policy.safeguards
    if guard.long_line_minutes and minutes >= guard.long_line_minutes:
        days = max(days, guard.long_line_notice_days)
    if days == 0:
        return verified
    last = working_days_after(verified, days, policy)
    return min(last, date.max - timedelta(days=1)) + timedelta(days=1)


def expires_on(service_year: int, policy: Policy) -> date:
    """The last day of points of a service year: the 31 December that closes the policy's years after it."""
    # The calendar of the program ends with the year 9999; a service date up there is a typing error.
    return date(min(service_year + policy.expiry_years_after_service_year, date.max.year), 12, 31)


def completed_years(born: date, on: date) -> int:
    """Age in completed years; who is born on 29 February completes a year on 1 March of a common year."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _offset(second: int, zone: ZoneInfo) -> int:
    """How far the clock of a zone is before UTC, in seconds, at a second of UTC."""
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None, "the time has a zone"
    return offset.days * _SECONDS_PER_DAY + offset.seconds


@lru_cache(maxsize=4096)
def _day_number(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:])).toordinal() - _EPOCH
    except ValueError:  # of the right form, but not in the calendar
        return None
