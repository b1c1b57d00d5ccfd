"""Whatever the texts in the tables are, a file keeps its shape, and the programs that read it accept it."""

from __future__ import annotations

import csv
import re
from datetime import date
from io import StringIO
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.export.outside import Tool
from tests.export.test_names import codes, paths, types

from pointsbank.export.beancount import BeancountPage
from pointsbank.export.hledger import HledgerPage
from pointsbank.export.journal import Account, Entry, Lot, Posting
from pointsbank.export.page import Book, Page
from pointsbank.export.sheet import COLUMNS, SheetPage
from pointsbank.ledger.model import Commodity

LINE_ENDS = "\n\r\v\f\x1c\x85\u2028\u2029"
harm = st.one_of(
    st.text(), st.text(alphabet=LINE_ENDS + '";,[]:()\\%@= a米'), st.sampled_from(["", "date:2001-01-01"])
)
entries = st.builds(
    Entry,
    sequence=st.integers(1, 10**12),
    effective_at=st.integers(0, 4 * 10**15),
    recorded_at=st.integers(0, 4 * 10**15),
    reverses=st.integers(0, 5),
    kind=harm.filter(bool),
    actor=harm,
    place=harm,
    reason=harm,
    key_digest=st.binary(min_size=16, max_size=16),
    leaf=st.binary(min_size=32, max_size=32),
    postings=st.lists(
        st.builds(
            Posting,
            number=st.integers(1, 10**12),
            debit=st.builds(Account, st.integers(1, 9), paths, types),
            credit=st.builds(Account, st.integers(1, 9), paths, types),
            lot=st.builds(Lot, st.integers(1, 9), codes, harm.filter(bool), st.integers(0, 9)),
            amount=st.integers(1, 10**15),
        ),
        min_size=1,
        max_size=3,
    ),
)


patient = settings(deadline=None)


def book(*kinds: str) -> Book:
    return Book('town"\n', "live", 7, date(1969, 12, 31), list(kinds))


def plain(entry: Entry) -> Entry:
    """The entry with harmless texts where it has texts."""
    postings = [
        p._replace(lot=p.lot._replace(code=p.lot.code if p.lot.code == "-" else "x")) for p in entry.postings
    ]
    texts = {name: "x" if getattr(entry, name) else "" for name in ("kind", "actor", "place", "reason")}
    return entry._replace(postings=postings, **texts)


@pytest.mark.parametrize("page", [HledgerPage(book()), BeancountPage(book())])
@patient
@given(entry=entries)
def test_no_text_changes_the_shape_of_a_file(page: Page, entry: Entry) -> None:
    written, harmless = page.entry(entry), page.entry(plain(entry))
    assert re.fullmatch(r"[\n -~]*", written)
    for sign in '\n";:,()[]':
        assert written.count(sign) == harmless.count(sign), sign


@patient
@given(entries)
def test_a_sheet_gives_every_text_back(entry: Entry) -> None:
    page = SheetPage(book())
    text = page.opening() + page.entry(entry)
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert len(rows) == 2 * len(entry.postings)
    for i, row in enumerate(rows):
        posting = entry.postings[i // 2]
        account = (posting.debit, posting.credit)[i % 2]
        given_back = {name: row[name].removeprefix("'") for name in COLUMNS}
        assert given_back["account"] == account.path
        assert given_back["commodity"] == posting.lot.commodity
        assert given_back["lot"] == ("" if posting.lot.code == "-" else posting.lot.code)
        assert [given_back[name] for name in ("kind", "actor", "place", "reason")] == list(entry[4:8])
        assert row["side"] == ("debit", "credit")[i % 2]
        assert row["amount"].startswith("-") == (i % 2 == 1)


def file_of(page: Page, wanted: list[Entry]) -> str:
    """A whole file of these entries, renumbered, each account and commodity declared once."""
    legs = [posting for entry in wanted for posting in entry.postings]
    commodities = {p.lot.commodity: Commodity(p.lot.commodity, 9, has_lots=True) for p in legs}
    accounts = {(a.type, a.path): a for p in legs for a in (p.debit, p.credit)}
    return "".join(
        (
            page.opening(),
            *map(page.commodity, commodities.values()),
            *map(page.account, accounts.values()),
            *(page.entry(entry._replace(sequence=n)) for n, entry in enumerate(wanted, 1)),
        )
    )


few = settings(
    max_examples=3, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
)
"""Each example starts a program, so there are few, each of many entries, and none is shrunk."""


@few
@given(wanted=st.lists(entries, min_size=20, max_size=40))
def test_hledger_accepts_hostile_names(wanted: list[Entry], hledger: Tool, tmp_path: Path) -> None:
    journal = tmp_path / "hostile.journal"
    page = HledgerPage(book(*{entry.kind for entry in wanted}))
    journal.write_text(file_of(page, wanted), encoding="ascii")
    hledger("-f", journal, "check", "--strict", "payees")
    paths_found = hledger("-f", journal, "tags", "path", "--values").split("\n")
    declared = {a.path for e in wanted for p in e.postings for a in (p.debit, p.credit)}
    assert {unquote(path, errors="surrogatepass") for path in paths_found if path} == declared - {""}


@few
@given(wanted=st.lists(entries, min_size=20, max_size=40))
def test_beancount_accepts_hostile_names(wanted: list[Entry], bean_check: Tool, tmp_path: Path) -> None:
    journal = tmp_path / "hostile.beancount"
    journal.write_text(file_of(BeancountPage(book()), wanted), encoding="ascii")
    assert bean_check(journal) == ""


def test_a_very_long_path_is_written_whole(bean_check: Tool, hledger: Tool, tmp_path: Path) -> None:
    long, other = Account(1, "volunteer:" + "_9" * 1000, "liability"), Account(2, "other", "asset")
    posting = Posting(1, long, other, Lot(1, "AB", "-", 9), 1)
    entry = Entry(1, 0, 0, 0, "x", "", "", "", bytes(16), bytes(32), [posting])
    journal, beans = tmp_path / "long.journal", tmp_path / "long.beancount"
    journal.write_text(file_of(HledgerPage(book("x")), [entry]), encoding="ascii")
    beans.write_text(file_of(BeancountPage(book("x")), [entry]), encoding="ascii")
    hledger("-f", journal, "check", "--strict")
    assert bean_check(beans) == ""
