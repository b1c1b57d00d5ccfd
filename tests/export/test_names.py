"""The name map is one-to-one: whatever a path or commodity is called, its name is legal and its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsbank.export.names import (
    ROOTS,
    account_name,
    account_of,
    commodity_name,
    commodity_of,
    is_short_code,
)
from pointsbank.ledger.chart import AccountType

patient = settings(deadline=None)
ACCOUNT = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")
COMMODITY = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")

LOOKS_LIKE_AN_ESCAPE = [
    "X-",
    "x-",
    "X.",
    "--5f-",
    "--2d-",
    "--",
    "-",
    "--110000-",
    "--0-",
    "5f-",
    "X-x-",
    "Assets",
]
pieces = st.one_of(
    st.sampled_from(
        [*LOOKS_LIKE_AN_ESCAPE, "_", ".", ":", "a", "A", "0", "é", "É", "米", "ß", "\n", '"', ";", "  "]
    ),
    st.text(max_size=3),
    st.uuids().map(str),
)
paths = st.one_of(
    st.lists(pieces, max_size=8).map("".join), st.text(alphabet="xX-:5f", max_size=8), st.text()
)
codes = st.one_of(
    paths,
    st.text(alphabet="AB:-.X'", max_size=6),
    st.from_regex(r"[A-Z][A-Z0-9:'._-]{0,30}", fullmatch=True),
    st.from_regex(r"A[:-]{1,4}[AB]", fullmatch=True),
    st.sampled_from(["TRUE", "FALSE", "NULL", "A", "", "X.", "SKU:" + "9" * 5000]),
)
types = st.sampled_from(sorted(ROOTS))


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("liability", "volunteer:0198c3a1-7e42:available", "Liabilities:Volunteer:0198c3a1-7e42:Available"),
        ("equity", "fund:2026-city:issued", "Equity:Fund:2026-city:Issued"),
        ("expense", "station:0421:handed-out", "Expenses:Station:0421:Handed-out"),
        ("income", "a:v0001", "Income:A:V0001"),
        ("income", "a:V0001", "Income:A:X-V0001"),
        ("asset", "a_b.c", "Assets:A--5f-b--2e-c"),
        ("asset", "x-1", "Assets:X-x-1"),
        ("asset", "a-", "Assets:A--2d-"),
        ("asset", "_", "Assets:X---5f-"),
        ("asset", "米", "Assets:X---7c73-"),
        ("asset", "", "Assets:X-"),
    ],
)
def test_account_names_of_the_manual(kind: AccountType, path: str, name: str) -> None:
    assert account_name(kind, path) == name
    assert account_of(name) == (kind, path)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("POINT", "POINT"),
        ("SKU:G001", "SKU-G001"),
        ("SKU:OIL-5.L", "SKU-OIL--5.L"),
        ("PLACE:POOL:2", "PLACE-POOL-2"),
        ("SKU:g001", "X.UEDSICUFZQQRZQFGIT7XN2"),
        ("SKU:大米", "X.UYEC2MOZQEHJBAMDC7O2OB"),
    ],
)
def test_commodity_names_of_the_manual(code: str, name: str) -> None:
    assert commodity_name(code) == name
    assert commodity_of(name) == (None if is_short_code(name) else code)


@patient
@given(types, paths)
@example("asset", "--110000-")
@example("asset", "\ud800")
def test_every_account_name_is_legal_and_leads_back(kind: AccountType, path: str) -> None:
    name = account_name(kind, path)
    assert ACCOUNT.fullmatch(name)
    assert account_of(name) == (kind, path)


@patient
@given(st.lists(st.tuples(types, paths), min_size=2, max_size=20, unique=True))
def test_two_accounts_never_share_a_name(accounts: list[tuple[AccountType, str]]) -> None:
    assert len({account_name(kind, path) for kind, path in accounts}) == len(accounts)


@patient
@given(codes)
@example("X.UEDSICUFZQQRZQFGIT7XN2")
@example("A::B")
@example("A-:B")
@example("A:-B")
def test_every_commodity_name_is_legal_and_leads_back(code: str) -> None:
    name = commodity_name(code)
    assert COMMODITY.fullmatch(name)
    assert name not in {"TRUE", "FALSE", "NULL"}
    assert commodity_of(name) == (None if is_short_code(name) else code)


@patient
@given(st.lists(codes, min_size=2, max_size=20, unique=True))
def test_two_commodities_never_share_a_name(wanted: list[str]) -> None:
    assert len(set(map(commodity_name, wanted))) == len(wanted)


@patient
@given(
    st.one_of(
        paths, st.builds(lambda root, rest: f"{root}:{rest}", st.sampled_from(sorted(ROOTS.values())), paths)
    )
)
@example("Assets:A--005f-")
@example("Assets:X-a")
@example("Assets:A--61-")
@example("Assets:A--ffffff-")
def test_a_name_leads_to_an_account_only_if_the_account_leads_to_the_name(name: str) -> None:
    found = account_of(name)
    assert found is None or account_name(*found) == name


@patient
@given(codes)
def test_a_name_leads_to_a_commodity_only_if_the_commodity_leads_to_the_name(name: str) -> None:
    found = commodity_of(name)
    assert found is None or commodity_name(found) == name
