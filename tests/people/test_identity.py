"""Numbers, names and masks: what is well formed, and what a screen shows of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsbank.people import identity
from pointsbank.people.identity import IdNumber, Malformed

from .conftest import id_number

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "number", "born", "sex"),
    [
        ("11010519491231002X", "11010519491231002X", date(1949, 12, 31), "female"),  # the example of GB 11643
        ("440524188001010014", "440524188001010014", date(1880, 1, 1), "male"),
        ("11010519491231002x", "11010519491231002X", date(1949, 12, 31), "female"),
        (" １１０１０５１９４９１２３１００２Ｘ ", "11010519491231002X", date(1949, 12, 31), "female"),
    ],
)
def test_an_id_number_tells_birth_and_sex(text: str, number: str, born: date, sex: str) -> None:
    assert identity.id_number(text, TODAY) == IdNumber(number, born, sex)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "form"),
        ("110105491231002", "form"),  # the fifteen digits of old cards
        ("110105194912310021", "check"),
        ("01010519491231002X", "form"),
        ("11010519491231002X0", "form"),
        (id_number("1990-02-30"), "birth"),
        (id_number("2027-01-01"), "birth"),
    ],
)
def test_an_id_number_that_is_none_is_named_without_being_repeated(text: str, reason: str) -> None:
    found = identity.id_number(text, TODAY)
    assert isinstance(found, Malformed)
    assert (found.field, found.reason) == ("id-number", reason)
    assert not text or text not in repr(found)


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), TODAY), st.integers(0, 999), st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(born: date, serial: int, place: int, step: int) -> None:
    number = id_number(born.isoformat(), serial)
    assert isinstance(identity.id_number(number, TODAY), IdNumber)
    digits = "0123456789"
    old = number[place]
    new = digits[(digits.find(old) + step) % 10] if old != "X" else digits[step]
    wrong = number[:place] + new + number[place + 1 :]
    assert wrong == number or isinstance(identity.id_number(wrong, TODAY), Malformed)


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), TODAY), st.integers(0, 999), st.integers(0, 16))
def test_two_digits_in_each_others_place_are_noticed(born: date, serial: int, place: int) -> None:
    number = id_number(born.isoformat(), serial)
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or isinstance(identity.id_number(swapped, TODAY), Malformed)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("13812345678", "+8613812345678"),
        ("138 1234 5678", "+8613812345678"),
        ("138-1234-5678", "+8613812345678"),
        ("+86 13812345678", "+8613812345678"),
        ("008613812345678", "+8613812345678"),
        ("１３８１２３４５６７８", "+8613812345678"),
        ("0451-86361234", "+8645186361234"),
        ("(0451) 8636 1234", "+8645186361234"),
        ("+86 451 86361234", "+8645186361234"),
        ("+86 0451 86361234", "+8645186361234"),
        ("0455-8361234", "+864558361234"),
        ("010-65001234", "+861065001234"),
        ("02165001234", "+862165001234"),
    ],
)
def test_a_phone_number_has_one_written_form(text: str, written: str) -> None:
    assert identity.phone(text) == written


@pytest.mark.parametrize(
    "text",
    ["", "12345", "12812345678", "1381234567", "138123456789", "86361234", "010-6500123", "+85291234567",
     "0451-16361234", "13812345678 转 8", "abc"],
)  # fmt: skip
def test_what_is_no_mainland_number_is_refused(text: str) -> None:
    found = identity.phone(text)
    assert isinstance(found, Malformed)
    assert not text or text not in found.chinese + found.english


@settings(deadline=None)
@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_the_written_form_of_a_phone_is_its_own(number: str) -> None:
    written = identity.phone(number)
    assert isinstance(written, str)
    assert identity.phone(written) == written
    masked = identity.masked_phone(written)
    assert masked == f"{number[:3]}****{number[-4:]}"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (identity.phone, identity.volunteer_number, identity.name):
        found = read(text)
        if not isinstance(found, Malformed):
            assert read(found) == found
    identity.id_number(text, TODAY)


@pytest.mark.parametrize(
    ("text", "written"),
    [("v0001", "V0001"), (" V2301-000001 ", "V2301-000001"), ("２３０１", "2301"), ("A", "A")],
)
def test_a_volunteer_number_has_one_written_form(text: str, written: str) -> None:
    assert identity.volunteer_number(text) == written


@pytest.mark.parametrize("text", ["", "-V1", "V1-", "V 1", "编号1", "V" * 33, "V1;DROP"])
def test_what_is_no_volunteer_number_is_refused(text: str) -> None:
    assert isinstance(identity.volunteer_number(text), Malformed)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("张小明", "张*明"),
        ("张明", "张*"),
        ("张", "*"),
        ("", ""),
        ("欧阳小明", "欧**明"),
        ("阿不都·热合曼", "阿***曼"),
    ],
)
def test_a_masked_name_keeps_its_ends(name: str, masked: str) -> None:
    assert identity.masked_name(name) == masked


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        ("+8613812341234", "138****1234"),
        ("+8645186361234", "0451-****1234"),
        ("+861065001234", "010-****1234"),
        ("nonsense", "****"),
    ],
)
def test_a_masked_phone_hides_the_middle(written: str, masked: str) -> None:
    assert identity.masked_phone(written) == masked


@pytest.mark.parametrize("name", ["", "  ", "张\x00明", "长" * 65, "张\u202e明"])
def test_what_is_no_name_is_refused(name: str) -> None:
    assert isinstance(identity.name(name), Malformed)


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "0–13"), (13, "0–13"), (14, "14–17"), (17, "14–17"), (18, "18–39"), (40, "40–59"), (69, "60–69"),
        (70, "70+"), (99, "70+"),
    ],
)  # fmt: skip
def test_an_age_is_shown_as_a_band(age: int, band: str) -> None:
    born = TODAY.replace(year=TODAY.year - age)
    assert identity.age_band(born, TODAY) == band
    if age:
        assert identity.age_band(born + timedelta(days=1), TODAY) != band or age not in (14, 18, 40, 60, 70)


def test_an_age_is_that_of_the_citys_day() -> None:
    born = date(2012, 11, 22)
    # 2026-11-21 16:00 UTC is midnight in Shanghai
    midnight = 1_795_276_800_000_000
    assert identity.age_at(born, midnight - 1, "Asia/Shanghai") == 13
    assert identity.age_at(born, midnight, "Asia/Shanghai") == 14
    assert identity.age_at(born, midnight, "UTC") == 13


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), date(2010, 1, 1)), st.integers(1, 90))
def test_a_birthday_is_the_day_on_which_the_age_changes(born: date, years: int) -> None:
    day = identity.turns(born, years)
    assert identity.completed_years(born, day) == years
    assert identity.completed_years(born, day - timedelta(days=1)) == years - 1
