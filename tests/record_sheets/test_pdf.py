"""The sheet as PDF: Chinese or nothing, with what is signed and the signature attached."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from pointsbank.record_sheets.content import SheetContent, SheetLine, canonical_text
from pointsbank.record_sheets.pdf import hours_text, set_page
from pointsbank.record_sheets.refusals import NotPrintable
from pointsbank.record_sheets.rules import rules_at
from pointsbank.record_sheets.signing import Signature

pytest.importorskip("typst", reason="typst sets the pages")

CONTENT = SheetContent(
    number="S0421-2026-000123",
    title="志愿服务记录单",
    title_en="Volunteer service record sheet",
    name="张小明",
    volunteer_number="V2301000001",
    issuer_code="S0421",
    issuer="哈西街道新时代文明实践站",
    from_day="2026-01-01",
    to_day="2026-11-20",
    minutes=13_340,
    records=57,
    as_of=123_456,
    issued_on="2026-11-22",
    expires_on="2028-11-21",
    token="A" * 22,
    lines=(SheetLine("清雪", "哈西站", "2026-01-02", "2026-01-03", 2, 240),),
)
SIGNATURE = Signature("0123456789abcdef", bytes(range(64)))
PAGE = "https://points.example/record-sheet?token=" + "A" * 22


def printed(content: SheetContent = CONTENT) -> bytes:
    page = set_page(content, canonical_text(content), SIGNATURE, rules_at(), PAGE)
    if isinstance(page, NotPrintable):
        pytest.skip(f"this machine cannot print Chinese: {page.missing}")
    return page


def streams(pdf: bytes) -> Iterator[bytes]:
    """What a PDF's streams hold."""
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            yield found[1]


def test_what_is_signed_and_the_signature_are_attached() -> None:
    pdf = printed()
    assert pdf.startswith(b"%PDF-")
    held = list(streams(pdf))
    assert canonical_text(CONTENT) in held
    assert SIGNATURE.octets in held
    assert b"record-sheet.txt" in pdf
    assert b"record-sheet.sig" in pdf


def test_a_long_sheet_goes_over_several_pages() -> None:
    line = CONTENT.lines[0]
    long = replace(CONTENT, lines=tuple(replace(line, activity=f"活动 {n}") for n in range(120)))
    pages = [len(re.findall(rb"/Type\s*/Page\b", page)) for page in (printed(), printed(long))]
    assert pages[0] == 1
    assert pages[1] > 2


def test_words_that_mean_something_to_the_typesetter_are_only_words() -> None:
    odd = replace(CONTENT, name="#panic() *a* $x$ [b] <c> @d \\e", issuer='"站"', lines=())
    assert printed(odd).startswith(b"%PDF-")


def test_without_a_font_that_has_chinese_nothing_is_printed() -> None:
    rules = replace(rules_at(), fonts=("No Such Font",))
    assert set_page(CONTENT, b"", SIGNATURE, rules, PAGE) == NotPrintable("font")


def test_a_line_of_the_canonical_text_cannot_be_made_by_a_value() -> None:
    sly = replace(CONTENT, name="张三\nminutes: 99999\t\u2028x")
    lines = canonical_text(sly).decode().split("\n")
    assert len(lines) == len(canonical_text(CONTENT).decode().split("\n"))
    assert lines[4] == "name: 张三 minutes: 99999  x"


def test_minutes_are_said_as_hours() -> None:
    assert [hours_text(m) for m in (0, 59, 60, 13_340)] == [
        "0 小时",
        "0 小时 59 分钟",
        "1 小时",
        "222 小时 20 分钟",
    ]
