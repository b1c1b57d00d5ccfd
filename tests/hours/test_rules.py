"""The rules of service hours, one case of the specification (H1 to H12) after the other."""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from pointsbank.hours.model import HOURS_VERDICTS, Judgement, RecordFields
from pointsbank.hours.rules import judge, parse_record
from pointsbank.policy.load import load_policy
from pointsbank.policy.model import Policy

POLICY = load_policy(Path(__file__).parents[2] / "config" / "policy" / "harbin-2026.toml")
BORN = {"V1": date(1990, 5, 1), "V2": date(1991, 6, 2), "TEEN": date(2008, 2, 29), "CHILD": date(2020, 1, 20)}


class Desk:
    """Keeps what judged records leave behind, as the bank does."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.contents: dict[str, tuple[str, ...]] = {}
        self.intervals: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.used: Counter[tuple[str, object]] = Counter()

    def is_repeated(self, fields: RecordFields) -> bool | None:
        first = self.contents.get(fields.record_id)
        return None if first is None else first == fields

    def born(self, volunteer: str) -> date | None:
        return BORN.get(volunteer)

    def knows_station(self, station: str, day: str) -> bool:
        return station == "S1"

    def accepted_intervals(self, volunteer: str) -> Sequence[tuple[int, int]]:
        return self.intervals[volunteer]

    def minutes_of_day(self, volunteer: str, day: date) -> int:
        return self.used[volunteer, day]

    def minutes_of_year(self, volunteer: str, year: int) -> int:
        return self.used[volunteer, year]

    def judge(self, fields: tuple[str, ...]) -> Judgement:
        judged = judge(fields, self, self.policy)
        record = parse_record(fields, self.policy)
        if record is not None:
            self.contents.setdefault(record.fields.record_id, fields)
            if judged.verdict == "accepted":
                volunteer = record.fields.volunteer
                insort(self.intervals[volunteer], (record.start, record.end))
                self.used[volunteer, judged.day] += judged.creditable_minutes
                self.used[volunteer, judged.year] += judged.creditable_minutes
        return judged

    def verdict(self, *args: str, **changes: str) -> str:
        return self.judge(line(*args, **changes)).verdict

    def earned(self, *args: str, **changes: str) -> tuple[int, int]:
        """(merit, points) of an accepted record."""
        judged = self.judge(line(*args, **changes))
        assert judged.verdict == "accepted"
        return judged.minutes, judged.points


_serial = iter(range(10**9))


def line(start: str = "09:00", end: str = "11:00", category: str = "ENV", **changes: str) -> RecordFields:
    """A good record of Wednesday 2026-01-07, attended in full and typed in at the end of the session."""
    start, end = _on_wednesday(start), _on_wednesday(end)
    fields = RecordFields(
        f"R{next(_serial)}", "V1", "A1", "清冰雪", category, "S1", start, end, start, end, "信用", "OP1", end
    )
    times = ("session_start", "session_end", "check_in", "check_out", "recorded_at")
    return fields._replace(
        **{key: _on_wednesday(text) if key in times else text for key, text in changes.items()}
    )


def _on_wednesday(text: str) -> str:
    return f"2026-01-07 {text}" if len(text) == 5 else text


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_h1_attendance_is_clipped_to_the_session_and_rounded_down_for_points(desk: Desk) -> None:
    judged = desk.judge(line("09:00", "11:00", "ELDER", check_in="08:50", check_out="10:55"))
    assert judged == Judgement("accepted", 115, 90, 1950, date(2028, 12, 31), date(2026, 1, 7), 2026)


@pytest.mark.parametrize(("minutes", "points"), [(72, 1000), (71, 0)])
def test_h2_exactly_the_floor_earns_points(desk: Desk, minutes: int, points: int) -> None:
    end = f"{9 + minutes // 60:02}:{minutes % 60:02}"
    assert desk.earned("09:00", "11:00", check_out=end) == (minutes, points)


@pytest.mark.parametrize(
    ("start", "end", "check_out", "category", "merit", "points"),
    [
        ("08:00", "08:30", "08:29", "ENV", 29, 0),
        ("08:00", "08:30", "08:30", "ENV", 30, 500),
        ("12:00", "18:00", "18:00", "TECH", 360, 4400),
    ],
)
def test_h3_half_hours_and_the_cap_of_one_activity(
    desk: Desk, start: str, end: str, check_out: str, category: str, merit: int, points: int
) -> None:
    assert desk.earned(start, end, category, check_out=check_out) == (merit, points)


def test_h4_the_cap_of_the_day_is_used_up_in_the_order_of_the_file(desk: Desk) -> None:
    assert desk.earned("02:00", "04:00", hour_class="荣誉") == (120, 0)
    assert desk.earned("04:00", "06:00", check_out="04:30") == (30, 0)
    assert desk.earned("06:00", "10:00") == (240, 4000)
    assert desk.earned("12:30", "15:30") == (180, 3000)
    assert desk.earned("10:00", "12:30") == (150, 1000)
    assert desk.earned("16:00", "18:00") == (120, 0)
    assert desk.earned("18:00", "19:00", "MEDIATE") == (60, 3000)
    assert desk.used["V1", date(2026, 1, 7)] == 480


def test_h5_the_cap_of_the_year_cuts_the_last_record(desk: Desk) -> None:
    desk.used["V1", 2026] = 29_940
    assert desk.earned("09:00", "11:00") == (120, 1000)
    assert desk.earned("11:00", "12:00") == (60, 0)
    day = "2025-12-30"
    assert desk.earned(f"{day} 09:00", f"{day} 11:00") == (120, 2000)


def test_h5_a_year_of_full_days_stops_at_five_hundred_hours(desk: Desk) -> None:
    points = 0
    for number in range(70):
        day = date.fromordinal(date(2026, 3, 1).toordinal() + number)
        for start, end in (("08:00", "12:00"), ("12:00", "16:00")):
            points += desk.judge(line(f"{day} {start}", f"{day} {end}")).points
    assert desk.used["V1", 2026] == 30_000
    assert points == 30_000 * 1000 // 60


def test_h6_a_session_over_new_year_belongs_to_its_start(desk: Desk) -> None:
    first = desk.judge(line("2025-12-31 21:00", "2026-01-01 01:30"))
    assert first == Judgement("accepted", 270, 240, 4000, date(2027, 12, 31), date(2025, 12, 31), 2025)
    second = desk.judge(line("2026-01-01 01:30", "2026-01-01 03:30"))
    assert second == Judgement("accepted", 120, 120, 2000, date(2028, 12, 31), date(2026, 1, 1), 2026)


@pytest.mark.parametrize(
    ("session_day", "recorded_at", "verdict"),
    [
        ("2026-01-09", "2026-01-09 10:59", "recorded_early"),
        ("2026-01-09", "2026-01-09 11:00", "accepted"),
        ("2026-01-09", "2026-01-23 23:59", "accepted"),
        ("2026-01-09", "2026-01-24 00:00", "recorded_late"),
        ("2026-01-10", "2026-01-23 23:59", "accepted"),
        ("2026-01-10", "2026-01-24 00:00", "recorded_late"),
        ("2026-01-11", "2026-01-23 23:59", "accepted"),
        ("2026-01-11", "2026-01-24 00:00", "recorded_late"),
        ("2026-01-12", "2026-01-26 23:59", "accepted"),
        ("2026-01-12", "2026-01-27 00:00", "recorded_late"),
    ],
)
def test_h7_recorded_from_the_end_of_the_session_to_the_tenth_working_day(
    desk: Desk, session_day: str, recorded_at: str, verdict: str
) -> None:
    assert desk.verdict(f"{session_day} 09:00", f"{session_day} 11:00", recorded_at=recorded_at) == verdict


def test_h7_the_deadline_runs_from_the_date_on_which_the_session_ends(desk: Desk) -> None:
    over_midnight = ("2026-01-11 23:00", "2026-01-12 01:00")
    assert desk.verdict(*over_midnight, recorded_at="2026-01-27 00:00") == "recorded_late"
    assert desk.verdict(*over_midnight, recorded_at="2026-01-26 00:00") == "accepted"


@pytest.mark.parametrize(
    ("volunteer", "day", "category", "verdict"),
    [
        ("TEEN", "2026-02-28", "EMERG", "under_age"),
        ("TEEN", "2026-02-28", "ENV", "accepted"),
        ("TEEN", "2026-03-01", "EMERG", "accepted"),
        ("CHILD", "2026-01-19", "ENV", "under_age"),
        ("CHILD", "2026-01-20", "ENV", "accepted"),
    ],
)
def test_h8_age_is_counted_in_completed_years(
    desk: Desk, volunteer: str, day: str, category: str, verdict: str
) -> None:
    assert desk.verdict(f"{day} 09:00", f"{day} 11:00", category, volunteer=volunteer) == verdict


def test_h9_accepted_attendance_may_touch_and_not_overlap(desk: Desk) -> None:
    assert desk.verdict("09:00", "11:00") == "accepted"
    assert desk.verdict("10:59", "12:00") == "overlap"
    assert desk.verdict("10:00", "12:00", check_in="11:00") == "accepted"
    assert desk.verdict("13:00", "14:00", "SNOW") == "unknown_category"
    assert desk.earned("13:00", "14:00", hour_class="荣誉") == (60, 0)
    assert desk.verdict("13:30", "14:30") == "overlap"
    assert desk.verdict("08:00", "20:00") == "overlap"
    assert desk.verdict("09:30", "09:31") == "overlap"
    assert desk.verdict("08:00", "09:00") == "accepted"
    assert desk.verdict("13:30", "14:30", volunteer="V2") == "accepted"


def test_h10_the_first_well_formed_line_takes_the_id_whatever_its_verdict(desk: Desk) -> None:
    good = line()
    assert desk.judge(good).verdict == "accepted"
    assert desk.judge(good).verdict == "duplicate"
    assert desk.judge(good._replace(hour_class="荣誉")).verdict == "conflict"
    assert desk.judge(good._replace(hour_class="荣誉")).verdict == "conflict"
    assert desk.judge(good).verdict == "duplicate"
    nobody = line("12:00", "13:00", volunteer="NOBODY")
    assert desk.judge(nobody).verdict == "unknown_volunteer"
    assert desk.judge(nobody).verdict == "duplicate"
    assert desk.judge(nobody._replace(volunteer="V1")).verdict == "conflict"


def test_h10_a_malformed_line_takes_no_id(desk: Desk) -> None:
    good = line()
    assert desk.judge(good._replace(check_out="")).verdict == "malformed"
    assert desk.judge(good).verdict == "accepted"


def test_h11_a_case_pays_once_it_reaches_the_floor_without_rounding(desk: Desk) -> None:
    assert desk.earned("09:00", "10:00", "MEDIATE", check_out="09:30") == (30, 0)
    assert desk.earned("10:00", "11:00", "MEDIATE", hour_class="荣誉") == (60, 0)
    assert desk.earned("11:00", "11:20", "MEDIATE") == (20, 3000)
    assert desk.earned("12:00", "13:00", "MEDIATE") == (60, 3000)


def test_h12_the_first_rule_that_applies_gives_the_verdict(desk: Desk) -> None:
    wrong = {"station": "NOWHERE", "check_in": "11:00", "check_out": "09:00"}
    assert desk.verdict(volunteer="NOBODY", **wrong) == "unknown_volunteer"
    assert desk.verdict(**wrong) == "unknown_station"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"category": "elder"}, "unknown_category"),
        ({"session_end": "09:00"}, "session_invalid"),
        ({"session_end": "2026-01-08 09:00", "recorded_at": "2026-01-08 09:00"}, "accepted"),
        ({"session_end": "2026-01-08 09:01", "recorded_at": "2026-01-08 09:01"}, "session_invalid"),
        ({"recorded_by": "V1"}, "self_recorded"),
        ({"recorded_by": "V2"}, "accepted"),
        ({"check_in": "10:00", "check_out": "10:00"}, "attendance_invalid"),
        ({"check_in": "07:00", "check_out": "09:00"}, "outside_session"),
        ({"check_in": "11:00", "check_out": "11:30"}, "outside_session"),
        ({"check_in": "10:59", "check_out": "11:30"}, "accepted"),
    ],
)
def test_each_rule_at_its_edge(desk: Desk, changes: dict[str, str], verdict: str) -> None:
    fields = line()._replace(category=changes.pop("category", "ENV"))
    changed = {key: _on_wednesday(text) for key, text in changes.items()}
    assert desk.judge(fields._replace(**changed)).verdict == verdict


@pytest.mark.parametrize(
    "time",
    [
        "2026/01/07 09:00",
        "2026-02-30 09:00",
        "2025-02-29 09:00",
        "0000-01-01 09:00",
        "09:00",
        "2026-01-07 24:00",
        "2026-01-07 09:60",
        "2026-01-07 09:00:00",
        "2026-01-07T09:00",
        "2026-1-7 09:00",
        "2026-01-07 9:00",
        "2026-01-07  9:00",
        "2026-01-07 +9:00",
        "2026-01-07 09:00Z",
        "2026-01-07 ٠٩:00",
        "2026-01-0٧ 09:00",
        "2026-01-07 09:00\n",
        "20260107 09:0000",
    ],
)
def test_a_time_of_another_form_or_that_does_not_exist_is_malformed(desk: Desk, time: str) -> None:
    for column in ("session_start", "session_end", "check_in", "check_out", "recorded_at"):
        assert desk.judge(line()._replace(**{column: time})).verdict == "malformed"


def test_a_missing_surplus_or_empty_field_or_an_unknown_class_is_malformed(desk: Desk) -> None:
    good = line()
    for column in RecordFields._fields:
        assert desk.judge(good._replace(**{column: ""})).verdict == "malformed"
    assert desk.judge(good[:12]).verdict == "malformed"
    assert desk.judge((*good, "x")).verdict == "malformed"
    assert desk.judge((*good, "")).verdict == "malformed"
    assert desk.judge(("",)).verdict == "malformed"
    assert desk.judge(good._replace(hour_class="义务")).verdict == "malformed"
    assert desk.judge(good).verdict == "accepted"


def test_the_last_years_of_the_calendar_are_judged_and_do_not_crash(desk: Desk) -> None:
    judged = desk.judge(line("9999-12-31 09:00", "9999-12-31 11:00"))
    assert (judged.verdict, judged.expires_on) == ("accepted", date(9999, 12, 31))
    assert desk.verdict("0001-01-01 09:00", "0001-01-01 11:00") == "under_age"


def test_the_verdicts_stand_in_the_order_of_the_specification() -> None:
    assert " ".join(HOURS_VERDICTS) == (
        "malformed duplicate conflict unknown_volunteer unknown_station unknown_category session_invalid "
        "recorded_early recorded_late self_recorded attendance_invalid outside_session under_age overlap "
        "accepted"
    )
