"""Dates and times of the city: exact forms, working days, ages, notice and expiry."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsbank.policy import calendar
from pointsbank.policy.load import load_policy

POLICY = load_policy(Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml")
SHANGHAI = "Asia/Shanghai"


@given(st.datetimes(timezones=st.none()))
def test_every_minute_and_second_of_the_calendar_is_read_and_written_back(moment: datetime) -> None:
    text = f"{moment.date()} {moment:%H:%M:%S}"
    second = calendar.local_second(text)
    assert second is not None
    assert calendar.second_text(second) == text
    assert calendar.local_minute(text[:16]) == second // 60
    assert calendar.day_of_minute(second // 60) == moment.date() == calendar.local_day(text[:10])


@pytest.mark.parametrize(
    "text", ["2026-01-07 23:59:60", "2026-01-07 10:00", "2026-01-07 10:00: 1", "", "x" * 19]
)
def test_seconds_have_one_exact_form(text: str) -> None:
    assert calendar.local_second(text) is None


@pytest.mark.parametrize(
    "text", ["2026-02-29", "2026-13-01", "2026-1-01", "0000-01-01", "２026-01-01", "2026-01-01 "]
)
def test_dates_have_one_exact_form_and_exist(text: str) -> None:
    assert calendar.local_day(text) is None


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)), st.times())
def test_shanghai_times_agree_with_the_time_zone_database(day: date, time: time) -> None:
    moment = datetime.combine(day, time)
    second = calendar.local_second(f"{moment.date()} {moment:%H:%M:%S}")
    assert second is not None
    exact = moment.replace(microsecond=0, tzinfo=ZoneInfo(SHANGHAI))
    micros = calendar.city_to_utc_micros(second, SHANGHAI)
    assert micros == int(exact.timestamp()) * 1_000_000
    if exact.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(SHANGHAI)).replace(fold=0) == exact:
        assert calendar.city_second(micros, SHANGHAI) in (second, second + 3600)  # an hour that did not exist
    if moment.year > 1991:
        assert micros == calendar.shanghai_to_utc_micros(second)
        assert calendar.city_second(micros, SHANGHAI) == second == calendar.utc_micros_to_shanghai(micros)


def test_the_day_of_the_city_begins_at_its_own_midnight() -> None:
    midnight = calendar.shanghai_to_utc_micros(calendar.local_second("2026-01-01 00:00:00") or 0)
    assert calendar.city_day(midnight, SHANGHAI) == date(2026, 1, 1)
    assert calendar.city_day(midnight - 1, SHANGHAI) == date(2025, 12, 31)
    assert calendar.city_day(midnight, "Europe/Berlin") == date(2025, 12, 31)


def test_data_set_times_are_utc_plus_eight_on_every_date() -> None:
    summer = calendar.local_second("1988-07-01 08:00:00") or 0
    assert calendar.shanghai_to_utc_micros(summer) == (summer - 8 * 3600) * 1_000_000
    assert calendar.city_to_utc_micros(summer, SHANGHAI) == (summer - 9 * 3600) * 1_000_000


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 30))
def test_working_days_are_counted_one_by_one_from_the_next_day(day: date, days: int) -> None:
    end = calendar.add_working_days(day, days)
    between = [day + timedelta(days=n) for n in range(1, (end - day).days + 1)]
    assert sum(one.weekday() < 5 for one in between) == days
    assert end == day or end.weekday() < 5
    assert (end - day).days >= days


def test_a_holiday_is_no_working_day() -> None:
    thursday = date(2026, 1, 8)
    assert calendar.add_working_days(thursday, 1) == date(2026, 1, 9)
    assert calendar.add_working_days(thursday, 1, frozenset({date(2026, 1, 9)})) == date(2026, 1, 12)


def test_the_end_of_the_calendar_stops_the_count() -> None:
    assert calendar.add_working_days(date(9999, 12, 30), 10) == date.max
    assert calendar.available_on(date(9999, 12, 30), POLICY) == date.max


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 2, 29), date(2028, 2, 29), 20),
        (date(2020, 1, 20), date(2026, 1, 19), 5),
        (date(2020, 1, 20), date(2026, 1, 20), 6),
        (date(2026, 1, 2), date(2026, 1, 1), -1),
    ],
)
def test_years_are_complete_on_the_birthday(born: date, on: date, years: int) -> None:
    assert calendar.completed_years(born, on) == years


@pytest.mark.parametrize(
    ("verified", "free"),
    [
        (date(2026, 1, 5), date(2026, 1, 9)),  # Monday: notice on Tuesday, Wednesday, Thursday
        (date(2026, 1, 6), date(2026, 1, 10)),  # Tuesday: the notice ends on Friday
        (date(2026, 1, 9), date(2026, 1, 15)),  # Friday: Monday to Wednesday
        (date(2026, 1, 10), date(2026, 1, 15)),
    ],
)
def test_points_are_free_on_the_day_after_whole_working_days_of_notice(verified: date, free: date) -> None:
    assert calendar.available_on(verified, POLICY) == free


def test_without_notice_points_are_free_at_once() -> None:
    policy = msgspec.structs.replace(POLICY, public_notice_days=0)
    assert calendar.available_on(date(2026, 1, 10), policy) == date(2026, 1, 10)


def test_points_of_a_year_expire_together_two_years_later() -> None:
    assert calendar.expires_on(2025, POLICY) == date(2027, 12, 31)
    assert calendar.expires_on(9999, POLICY) == date(9999, 12, 31)


def test_a_weekend_day_that_makes_up_for_a_holiday_is_a_working_day() -> None:
    friday, saturday, monday = date(2026, 2, 13), date(2026, 2, 14), date(2026, 2, 16)
    assert calendar.add_working_days(friday, 1, frozenset({monday})) == date(2026, 2, 17)
    assert calendar.add_working_days(friday, 1, frozenset({monday}), frozenset({saturday})) == saturday


@pytest.mark.parametrize(
    "zone",
    [
        SHANGHAI,
        "UTC",
        "Asia/Kolkata",
        "Europe/Paris",
        "America/New_York",
        "Africa/Casablanca",
        "Pacific/Apia",
    ],
)
@settings(deadline=None)  # the first question of a zone looks at every day of it; the others remember that
@given(at=st.integers(0, calendar.start_of_day(date(2099, 12, 31), "UTC")))
def test_the_steps_of_a_zone_say_what_its_clock_says(zone: str, at: int) -> None:
    steps = calendar.offsets_of(zone)
    offset = next(by for since, by in reversed(steps) if at >= since)
    assert at // 1_000_000 + offset == calendar.city_second(at, zone)
    for since, by in steps[1:]:
        assert calendar.city_second(since, zone) == since // 1_000_000 + by
        assert calendar.city_second(since - 1, zone) != since // 1_000_000 - 1 + by


def test_a_zone_without_changes_is_one_step() -> None:
    assert calendar.offsets_of("Asia/Kolkata") == ((0, 19_800),)
    assert calendar.offsets_of(SHANGHAI)[-1][1] == 28_800
