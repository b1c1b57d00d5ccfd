"""Numbers and names of people: what is well formed, the one written form of each, and how each is masked.

Pure functions over plain values. Every one that can say no returns a `Malformed`, whose text never repeats what was
typed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final, Literal

import msgspec

from pointsbank.policy.calendar import city_day, completed_years

Field = Literal["name", "phone", "id-number", "volunteer-number", "birth"]

GUARDED_AGE: Final = 14
"""Under it all data are sensitive and a guardian consents. Source: PIPL articles 28 and 31."""

FULL_AGE: Final = 18

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"

_ID_NUMBER: Final = re.compile(r"[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9X]")
_MOBILE: Final = re.compile(r"1[3-9][0-9]{9}")
_LANDLINE: Final = re.compile(r"(10|2[0-9]|[3-9][0-9]{2})([2-8][0-9]{6,7})")
_VOLUNTEER_NUMBER: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{0,30}[A-Z0-9])?")
_SEPARATORS: Final = re.compile(r"[\s()-]+")

LONGEST_NAME: Final = 64

BANDS: Final = ((14, "0–13"), (18, "14–17"), (40, "18–39"), (60, "40–59"), (70, "60–69"))


class Malformed(msgspec.Struct, frozen=True):
    """What is wrong with a value: which field, a stable reason, the sentence in Chinese and English."""

    field: Field
    reason: str
    chinese: str
    english: str


class IdNumber(msgspec.Struct, frozen=True):
    """A citizen identity number (GB 11643): `number` with a capital X, and what it tells."""

    number: str
    born: date
    sex: Literal["male", "female"]

    def __repr__(self) -> str:
        return "IdNumber(…)"


def id_number(text: str, today: date) -> IdNumber | Malformed:
    """The identity number in a text of 18 characters. Its birth date may not lie after `today` (city date)."""
    number = _plain(text).upper()
    if not _ID_NUMBER.fullmatch(number):
        return Malformed("id-number", "form", "身份证号须为18位", "an ID number has 18 characters")
    if check_character(number[:17]) != number[17]:
        return Malformed("id-number", "check", "身份证号校验位不符", "the check digit does not fit")
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return Malformed(
            "id-number", "birth", "身份证号中的生日不存在", "the birth date in it does not exist"
        )
    if born > today:
        return Malformed(
            "id-number", "birth", "身份证号中的生日在将来", "the birth date in it is still to come"
        )
    return IdNumber(number, born, "male" if int(number[16]) % 2 else "female")


def check_character(digits: str) -> str:
    """The check character of the first 17 digits: ISO 7064 MOD 11-2, as GB 11643 uses it."""
    return _CHECKS[sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=True)) % 11]


def phone(text: str) -> str | Malformed:
    """The one written form of a mainland number: `+8613812345678`, or `+864518636…` for a landline with area code."""
    number = _SEPARATORS.sub("", _plain(text))
    for prefix in ("+86", "0086"):
        if number.startswith(prefix):
            number = number.removeprefix(prefix).removeprefix("0")
            break
    else:
        if number.startswith("0"):
            number = number[1:]
        elif not _MOBILE.fullmatch(number):
            number = ""  # a landline without its area code is nobody's number
    if _MOBILE.fullmatch(number):
        return "+86" + number
    landline = _LANDLINE.fullmatch(number)
    # cities whose area code has two digits after the 0 have numbers of eight
    if landline and (len(landline[1]) == 3 or len(landline[2]) == 8):
        return "+86" + number
    return Malformed(
        "phone",
        "form",
        "电话须为大陆手机号，或带区号的固定电话",
        "a phone number is a mainland mobile number, or a landline with its area code",
    )


def volunteer_number(text: str) -> str | Malformed:
    """The one written form of a volunteer number: capital letters, digits and hyphens, at most 32."""
    number = _plain(text).upper()
    if _VOLUNTEER_NUMBER.fullmatch(number):
        return number
    return Malformed(
        "volunteer-number",
        "form",
        "志愿者编号须为不超过32位的字母、数字或连字符",
        "a volunteer number has letters, digits and hyphens, at most 32",
    )


def name(text: str) -> str | Malformed:
    """A name as it is kept: one spelling of each character, single spaces, no control characters."""
    value = " ".join(unicodedata.normalize("NFC", text).split())
    if value and len(value) <= LONGEST_NAME and all(unicodedata.category(c)[0] != "C" for c in value):
        return value
    return Malformed("name", "form", "姓名须有1至64个字", "a name has 1 to 64 characters")


def birth_date(born: date, today: date) -> date | Malformed:
    """A birth date that somebody alive may have."""
    if date(1880, 1, 1) <= born <= today:
        return born
    return Malformed("birth", "range", "出生日期不合理", "the birth date is not plausible")


def masked_name(value: str) -> str:
    """张*明: the first and the last character; of two only the first, of one none. At most three stars."""
    if len(value) < 2:
        return "*" * len(value)
    if len(value) == 2:
        return value[0] + "*"
    return value[0] + "*" * min(len(value) - 2, 3) + value[-1]


def masked_phone(value: str) -> str:
    """138****1234 for a mobile number in its written form, 0451-****1234 for a landline."""
    number = value.removeprefix("+86")
    if _MOBILE.fullmatch(number):
        return f"{number[:3]}****{number[-4:]}"
    landline = _LANDLINE.fullmatch(number)
    return f"0{landline[1]}-****{number[-4:]}" if landline else "****"


def masked_number(value: str) -> str:
    """A volunteer number with its last two characters only: enough to compare with a card in the hand."""
    return "****" + value[-2:] if len(value) > 4 else "****"


def age_band(born: date, on: date) -> str:
    """The band of years that stands on screens instead of a birth date."""
    age = completed_years(born, on)
    return next((band for below, band in BANDS if age < below), "70+")


def age_at(born: date, moment: int, zone: str) -> int:
    """Age in completed years on the city's day of `moment` (microseconds UTC)."""
    return completed_years(born, city_day(moment, zone))


def turns(born: date, years: int) -> date:
    """The day on which somebody completes `years`: 1 March of a common year for who is born on 29 February."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def _plain(text: str) -> str:
    """Full-width digits and letters as plain ones, without spaces around."""
    return unicodedata.normalize("NFKC", text).strip()
