"""Points are a pure function of minutes, category and policy; caps are never exceeded."""

from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsbank.hours.model import RecordFields, ServiceRecord
from pointsbank.hours.points import creditable_minutes, points_of
from pointsbank.policy.load import load_policy
from pointsbank.policy.model import Caps

POLICY = load_policy(Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml")
NOON = date(2026, 1, 7).toordinal() * 1440 + 720


def attended(
    minutes: int, category: str = "ENV", hour_class: str = "信用", session: int = 0
) -> ServiceRecord:
    """A record of `minutes` in a session that is as long unless told."""
    session_end = NOON + (session or minutes)
    fields = RecordFields("R1", "V1", "A1", "-", category, "S1", "", "", "", "", hour_class, "OP1", "")
    return ServiceRecord(fields, NOON, session_end, NOON, NOON + minutes, session_end, NOON, NOON + minutes)


@pytest.mark.parametrize(
    ("minutes", "category", "points"),
    [(90, "ELDER", 1950), (60, "ENV", 1000), (240, "TECH", 4400), (360, "TECH", 4400), (30, "EMERG", 1000)],
)
def test_points_are_minutes_times_coefficient_times_rate(minutes: int, category: str, points: int) -> None:
    record = attended(minutes, category)
    assert (
        points_of(record, creditable_minutes(record, POLICY, used_of_day=0, used_of_year=0), POLICY) == points
    )


def test_points_round_down_where_the_rate_does_not_divide() -> None:
    policy = msgspec.structs.replace(POLICY, points_per_hour=7, round_down_minutes=1)
    record = attended(13, "TECH")
    assert points_of(record, 13, policy) == 13 * 110 * 7 // 60 == 166


def test_every_constant_comes_from_the_policy() -> None:
    policy = msgspec.structs.replace(
        POLICY,
        points_per_hour=20,
        round_down_minutes=15,
        participation_floor_percent=50,
        caps=Caps(activity_minutes=100, day_minutes=120, year_minutes=1000),
    )
    record = attended(110, session=220)
    assert creditable_minutes(record, policy, used_of_day=0, used_of_year=0) == 90
    assert creditable_minutes(record, policy, used_of_day=80, used_of_year=0) == 40
    assert creditable_minutes(record, policy, used_of_day=0, used_of_year=993) == 7
    assert points_of(record, 90, policy) == 3000
    assert creditable_minutes(attended(109, session=220), policy, used_of_day=0, used_of_year=0) == 0


def test_a_cap_lowered_below_what_is_used_gives_nothing_and_takes_nothing() -> None:
    assert creditable_minutes(attended(60), POLICY, used_of_day=600, used_of_year=0) == 0


@given(
    records=st.lists(
        st.tuples(
            st.integers(1, 1440),
            st.integers(1, 1440),
            st.sampled_from(sorted(POLICY.categories)),
            st.sampled_from(["信用", "荣誉"]),
        ),
        max_size=30,
    )
)
def test_no_order_of_records_exceeds_the_caps(records: list[tuple[int, int, str, str]]) -> None:
    used = 0
    for one, other, category, hour_class in records:
        record = attended(min(one, other), category, hour_class, session=max(one, other))
        creditable = creditable_minutes(record, POLICY, used_of_day=used, used_of_year=used)
        assert 0 <= creditable <= min(record.minutes, POLICY.caps.activity_minutes)
        points = points_of(record, creditable, POLICY)
        assert 0 <= points <= max(3000, creditable * 200 * 10 // 60)
        assert points == 0 or hour_class == "信用"
        used += creditable
    assert used <= POLICY.caps.day_minutes
