"""Amounts are exact and free text is inert."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsbank.export.text import cell, decimal_text, inert

patient = settings(deadline=None)


@pytest.mark.parametrize(
    ("amount", "scale", "text"),
    [
        (1950, 2, "19.50"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (0, 2, "0.00"),
        (-7, 0, "-7"),
        (10**15, 9, "1000000.000000000"),
    ],
)
def test_minor_units_become_decimals(amount: int, scale: int, text: str) -> None:
    assert decimal_text(amount, scale) == text


@patient
@given(st.integers(-(10**18), 10**18), st.integers(0, 9))
def test_a_decimal_without_its_point_is_the_integer_again(amount: int, scale: int) -> None:
    assert int(decimal_text(amount, scale).replace(".", "")) == amount


@patient
@given(st.text())
def test_inert_text_is_harmless_and_leads_back(text: str) -> None:
    written = inert(text)
    assert re.fullmatch(r"[A-Za-z0-9._~/+@=%-]*", written)
    assert unquote(written) == text


@patient
@given(st.text(alphabet="'=+-@＝ \t\r\n1a"))
def test_no_cell_begins_like_a_formula_and_all_lead_back(text: str) -> None:
    written = cell(text)
    assert written.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    assert written.removeprefix("'") == text
