"""Reading sheets of service hours from .xlsx workbooks: values, safety, and memory."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.styles import PatternFill

from pointsbank.hours.columns import COLUMNS, NAMES
from pointsbank.hours.files import SheetError, SheetLine, ZipLimits, open_sheet
from pointsbank.intake.sheet_error import SENTENCES
from pointsbank.intake.xlsx_values import number_text

ENGLISH = tuple(names[1] for names in COLUMNS)
ROW = (
    "JL1",
    "V1",
    "A1",
    "楼道清洁日",
    "ENV",
    "HRB1",
    "2026-01-07 09:00",
    "2026-01-07 11:00",
    "2026-01-07 08:50",
    "2026-01-07 10:55",
    "信用",
    "OP1",
    "2026-01-07 11:05",
)
Cells = Iterable[object]
LIMITS = ZipLimits()


def save_workbook(path: Path, *rows: Cells, header: Cells = NAMES) -> Path:
    workbook = openpyxl.Workbook()
    for row in (header, *rows):
        workbook.active.append(list(row))
    workbook.save(path)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    return lambda *rows, header=NAMES: save_workbook(tmp_path / "hours.xlsx", *rows, header=header)


# A workbook written by hand, for what no spreadsheet writes.
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
    'PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/></Types>'
)
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ROOT_RELATIONS = (
    f'<Relationships><Relationship Id="r" Type="{RELATED}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>"
)
BOOK = '<workbook><sheets><sheet name="S" sheetId="1" r:id="a" xmlns:r="r"/></sheets></workbook>'
BOOK_RELATIONS = (
    f'<Relationships><Relationship Id="a" Type="{RELATED}/worksheet" Target="worksheets/s.xml"/>'
    f'<Relationship Id="b" Type="{RELATED}/sharedStrings" Target="/xl/strings.xml"/></Relationships>'
)


def inline(*rows: Iterable[str]) -> str:
    lines = [
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    ]
    return f"<worksheet><sheetData>{''.join(lines)}</sheetData></worksheet>"


def parts_of(sheet: str | bytes = "", **changed: str | bytes) -> dict[str, str | bytes]:
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": ROOT_RELATIONS,
        "xl/workbook.xml": BOOK,
        "xl/_rels/workbook.xml.rels": BOOK_RELATIONS,
        "xl/worksheets/s.xml": sheet or inline(NAMES, ROW),
        "xl/strings.xml": "<sst/>",
    }
    return parts | changed


def pack(path: Path, parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return path


def lines_of(path: Path, limits: ZipLimits = LIMITS) -> list[SheetLine]:
    with open_sheet(path, limits=limits) as sheet:
        return list(sheet.lines())


def error_of(path: Path, limits: ZipLimits = LIMITS) -> SheetError:
    with pytest.raises(SheetError) as caught, open_sheet(path, limits=limits) as sheet:
        sheet.check()
    return caught.value


def outcome_of(path: Path) -> str:
    """'read', or the code of the error."""
    try:
        with open_sheet(path) as sheet:
            sheet.check()
    except SheetError as error:
        return error.code
    return "read"


def cell_time(*parts: int) -> datetime:
    """The date and time of a cell: a spreadsheet knows no time zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


# Values


def test_a_workbook_is_known_by_content_and_gives_the_fields_of_a_csv(tmp_path: Path) -> None:
    path = save_workbook(tmp_path / "hours.csv", ROW)
    with open_sheet(path) as sheet:
        assert (sheet.kind, sheet.detail) == ("xlsx", "Sheet")
        assert list(sheet) == [SheetLine(2, ROW)]


def test_columns_stand_in_any_order_and_language(book: Callable[..., Path]) -> None:
    row = (*ROW[:10], "honour", *ROW[11:])
    path = book(row[::-1], header=ENGLISH[::-1])
    assert lines_of(path)[0].fields == (*ROW[:10], "荣誉", *ROW[11:])


def test_date_cells_become_minutes_whatever_the_double_holds(book: Callable[..., Path]) -> None:
    start = cell_time(2025, 12, 31)
    moments = [start + timedelta(minutes=minute) for minute in range(0, 2 * 24 * 60, 7)]
    rows = [(*ROW[:6], moment, *ROW[7:]) for moment in moments]
    assert [line.fields[6] for line in lines_of(book(*rows))] == [
        f"{moment:%Y-%m-%d %H:%M}" for moment in moments
    ]


def test_every_minute_of_ten_years_survives_the_double() -> None:
    epoch = cell_time(1899, 12, 30)
    for minute in random.Random(1).sample(range(10 * 366 * 1440), 20_000):
        moment = cell_time(2020, 1, 1) + timedelta(minutes=minute)
        serial = (moment - epoch) / timedelta(days=1)
        for digits in (repr(serial), f"{serial:.15g}"):
            assert number_text(digits, "time", is_1904=False) == f"{moment:%Y-%m-%d %H:%M}"


def test_seconds_and_missing_halves_are_shown_and_not_invented(book: Callable[..., Path]) -> None:
    odd = (cell_time(2026, 1, 7, 9, 0, 40), date(2026, 1, 7), time(9, 5), cell_time(2026, 1, 7, 0, 0))
    assert lines_of(book(ROW[:6] + odd + ROW[10:]))[0].fields[6:10] == (
        "2026-01-07 09:00:40",
        "2026-01-07",
        "09:05",
        "2026-01-07 00:00",
    )


@pytest.mark.parametrize(
    ("digits", "kind", "is_1904", "text"),
    [
        ("46029.375", "time", False, "2026-01-07 09:00"),
        ("44567.375", "time", True, "2026-01-07 09:00"),
        ("46029.999999999", "time", False, "2026-01-08 00:00"),
        ("46029.37499999999", "time", False, "2026-01-07 09:00"),
        ("46029", "date", False, "2026-01-07"),
        ("0.375", "time", False, "09:00"),
        ("30", "date", False, "30"),
        ("99999999", "date", False, "99999999"),
        ("-1.5", "date", False, "-1.5"),
        ("1E+999999", "date", False, "1E+999999"),
        ("19900001234", "number", False, "19900001234"),
        ("1.9900001234E10", "number", False, "19900001234"),
        ("12.0", "number", False, "12"),
        ("12.5", "number", False, "12.5"),
        ("NaN", "number", False, "NaN"),
        ("x", "date", False, "x"),
    ],
)
def test_numbers_as_text(digits: str, kind: str, is_1904: bool, text: str) -> None:
    assert number_text(digits, kind, is_1904=is_1904) == text


def test_number_formats_tell_dates_from_numbers(tmp_path: Path) -> None:
    formats = {
        "yyyy-mm-dd hh:mm": "2026-01-07 09:00",
        'yyyy"年"m"月"d"日"\\ h:mm;@': "2026-01-07 09:00",
        "[$-804]AM/PM h:mm": "2026-01-07 09:00",
        "m/d/yy h:mm": "2026-01-07 09:00",
        "General": "46029.375",
        "0.00": "46029.375",
        '0.0"days"': "46029.375",
        "[Red]#,##0.00": "46029.375",
    }
    workbook = openpyxl.Workbook()
    workbook.active.append(NAMES)
    for number, code in enumerate(formats, 2):
        workbook.active.append([*ROW[:6], 46029.375, *ROW[7:]])
        workbook.active.cell(number, 7).number_format = code
    workbook.save(tmp_path / "formats.xlsx")
    found = [line.fields[6] for line in lines_of(tmp_path / "formats.xlsx")]
    assert dict(zip(formats, found, strict=True)) == formats


def test_numbers_truth_values_and_texts_become_text(book: Callable[..., Path]) -> None:
    row = (20260001, "V001", 7.0, "19900001234", True, 1.5, *ROW[6:])
    assert lines_of(book(row))[0].fields[:6] == ("20260001", "V001", "7", "19900001234", "TRUE", "1.5")


def test_text_in_runs_is_joined_and_readings_are_left_out(tmp_path: Path) -> None:
    strings = "<sst><si><r><t>清</t></r><r><t>洁</t></r><rPh><t>qingjie</t></rPh></si></sst>"
    sheet = inline(NAMES, ROW).replace(
        '<c t="inlineStr"><is><t>楼道清洁日</t></is></c>', '<c t="s"><v>0</v></c>'
    )
    path = pack(tmp_path / "runs.xlsx", parts_of(sheet, **{"xl/strings.xml": strings}))
    assert lines_of(path)[0].fields[3] == "清洁"


def test_iso_dates_and_prefixed_elements_are_understood(tmp_path: Path) -> None:
    sheet = inline(NAMES, ROW).replace(
        '<c t="inlineStr"><is><t>2026-01-07 09:00</t></is></c>', '<c t="d"><v>2026-01-07T09:00:00</v></c>'
    )
    sheet = sheet.replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:")
    path = pack(
        tmp_path / "prefix.xlsx", parts_of(sheet.replace("<x:worksheet>", '<x:worksheet xmlns:x="x">'))
    )
    assert lines_of(path) == [SheetLine(2, ROW)]


def test_missing_cells_are_empty_and_surplus_cells_come_through(book: Callable[..., Path]) -> None:
    lines = lines_of(book((*ROW[:9], None, *ROW[10:12]), (*ROW, "补录")))
    assert lines[0].fields == (*ROW[:9], "", *ROW[10:12], "")
    assert lines[1].fields == (*ROW, "补录")


def test_rows_in_which_nothing_stands_are_left_out_but_counted(book: Callable[..., Path]) -> None:
    path = book((), (" ",) * 13, ROW)
    workbook = openpyxl.load_workbook(path)
    for row in workbook.active["A5:M300"]:
        for cell in row:
            cell.fill = PatternFill("solid", fgColor="FFFF00")
    workbook.save(path)
    assert lines_of(path) == [SheetLine(4, ROW)]


def test_reading_goes_on_after_a_row(book: Callable[..., Path]) -> None:
    path = book(*[(f"JL{number}", *ROW[1:]) for number in range(2, 30)])
    with open_sheet(path) as sheet:
        assert [line.fields[0] for line in sheet.lines(after_line=27)] == ["JL28", "JL29"]


def test_progress_ends_at_its_total(book: Callable[..., Path]) -> None:
    with open_sheet(book(*[(f"JL{number}", *ROW[1:]) for number in range(5_000)])) as sheet:
        assert sheet.check() == 5_000
        done, total = sheet.progress()
        assert 0 < total == done


# Which sheet


def test_the_first_sheet_with_the_header_is_read(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["说明", "=1+1"])
    workbook.create_sheet("空")
    hours = workbook.create_sheet("服务记录")
    hours.append(["道里区"])
    hours.append(NAMES)
    hours.append(ROW)
    workbook.save(tmp_path / "many.xlsx")
    with open_sheet(tmp_path / "many.xlsx") as sheet:
        assert (sheet.detail, list(sheet)) == ("服务记录", [SheetLine(3, ROW)])


def test_hidden_sheets_are_not_read(book: Callable[..., Path]) -> None:
    path = book(ROW)
    workbook = openpyxl.load_workbook(path)
    workbook["Sheet"].sheet_state = "hidden"
    workbook.active = workbook.create_sheet("shown")
    assert error_of(save_again(workbook, path)).code == "no-matching-sheet"


def save_again(workbook: openpyxl.Workbook, path: Path) -> Path:
    workbook.save(path)
    return path


def test_without_a_matching_sheet_all_sheets_are_listed(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.title = "人员"
    workbook.create_sheet("物资").append(["名称", "数量"])
    error = error_of(save_again(workbook, tmp_path / "none.xlsx"))
    assert error.code == "no-matching-sheet"
    assert "“人员”、“物资”" in error.chinese


def test_a_wrong_header_names_sheet_and_columns(book: Callable[..., Path]) -> None:
    error = error_of(book(ROW, header=(*NAMES[:12], "录入日")))
    assert (error.code, error.facts["missing"], error.facts["unknown"]) == (
        "wrong-columns",
        "录入时间",
        "录入日",
    )
    assert "“Sheet”第 1 行" in error.chinese


def test_only_a_header_is_no_sheet_of_hours(book: Callable[..., Path]) -> None:
    assert error_of(book()).code == "no-rows"


# Formulas


def test_a_formula_is_refused_by_its_cell_even_with_a_stored_value(tmp_path: Path) -> None:
    sheet = inline(NAMES, ROW, ROW).replace("<row>", '<row r="9">', 1)
    at = sheet.rindex('<c t="inlineStr"><is><t>信用')
    sheet = sheet[:at] + '<c t="str"><f>A1&amp;""</f><v>信用</v></c>' + sheet[at:]
    error = error_of(pack(tmp_path / "formula.xlsx", parts_of(sheet)))
    assert (error.code, error.facts["cell"], error.facts["sheet"]) == ("formula", "K11", "S")


def test_a_formula_far_down_is_found_by_check(book: Callable[..., Path]) -> None:
    error = error_of(book(*[ROW] * 300, (*ROW[:6], "=NOW()", *ROW[7:])))
    assert (error.code, error.facts["cell"]) == ("formula", "G302")


def test_rules_around_the_cells_are_no_formulas(tmp_path: Path) -> None:
    rules = (
        "<extLst><f>S!A1</f></extLst><dataValidations><formula1>1</formula1></dataValidations></worksheet>"
    )
    path = pack(tmp_path / "rules.xlsx", parts_of(inline(NAMES, ROW).replace("</worksheet>", rules)))
    assert lines_of(path) == [SheetLine(2, ROW)]


# Packages that are refused


def unsafe(path: Path, limits: ZipLimits = LIMITS) -> str:
    error = error_of(path, limits=limits)
    assert error.code == "zip-unsafe", error
    assert str(error.facts["reason_zh"]) in error.chinese
    return str(error.facts["reason"])


def test_zip_bombs_are_refused_by_ratio_and_by_size(tmp_path: Path) -> None:
    blank = inline(NAMES, ROW).replace("</worksheet>", " " * 3_000_000 + "</worksheet>")
    path = pack(tmp_path / "bomb.xlsx", parts_of(blank))
    assert unsafe(path) == "ratio"
    assert unsafe(path, limits=ZipLimits(ratio=10_000, uncompressed_bytes=2_000_000)) == "size"
    assert len(lines_of(path, limits=ZipLimits(ratio=10_000))) == 1


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    many: dict[str, str | bytes] = {f"xl/media/{number}": "" for number in range(1_001)}
    assert unsafe(pack(tmp_path / "many.xlsx", parts_of(**many))) == "members"


def test_a_list_of_members_beyond_all_measure_is_not_even_read(tmp_path: Path) -> None:
    many: dict[str, str | bytes] = {f"xl/media/{'x' * 200}{number}": "" for number in range(5_000)}
    assert error_of(pack(tmp_path / "many.xlsx", parts_of(**many))).code == "workbook-damaged"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "xl/../../evil", "C:evil", "xl\\..\\evil"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    assert unsafe(pack(tmp_path / "path.xlsx", parts_of(**{name: "x"}))) == "path"


def test_archives_within_the_workbook_are_refused(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"a": "b"}).read_bytes()
    assert unsafe(pack(tmp_path / "by-content.xlsx", parts_of(**{"xl/media/image1.png": inner}))) == "nested"
    assert unsafe(pack(tmp_path / "by-name.xlsx", parts_of(**{"xl/embeddings/a.xlsx": "x"}))) == "nested"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "twice.xlsx", parts_of())
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("xl/workbook.xml", BOOK)
    assert unsafe(path) == "repeated"


def test_encrypted_members_and_rare_packing_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "locked.xlsx", parts_of())
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(content)
    assert unsafe(path) == "encrypted"
    assert unsafe(pack(tmp_path / "rare.xlsx", parts_of(), zipfile.ZIP_LZMA)) == "method"


def test_a_declared_size_that_lies_does_not_unfold_more(tmp_path: Path) -> None:
    path = pack(tmp_path / "liar.xlsx", parts_of(inline(NAMES, *[ROW] * 20_000)))
    size = len(inline(NAMES, *[ROW] * 20_000).encode())
    content = path.read_bytes()
    assert content.count(struct.pack("<I", size)) == 2  # at the member and in the list of members
    path.write_bytes(content.replace(struct.pack("<I", size), struct.pack("<I", 100_000)))
    assert error_of(path).code == "workbook-damaged"


def test_macros_are_refused(tmp_path: Path) -> None:
    by_part = pack(tmp_path / "part.xlsx", parts_of(**{"xl/vbaProject.bin": "x"}))
    types = TYPES.replace("openxmlformats-officedocument.spreadsheetml.sheet", "ms-excel.sheet.macroEnabled")
    by_type = pack(tmp_path / "type.xlsx", parts_of(**{"[Content_Types].xml": types}))
    assert (error_of(by_part).code, error_of(by_type).code) == ("macro-workbook", "macro-workbook")


def test_other_zip_files_are_no_workbooks(tmp_path: Path) -> None:
    assert error_of(pack(tmp_path / "a.zip", {"a.csv": "x"})).code == "not-a-workbook"
    binary = {"_rels/.rels": ROOT_RELATIONS.replace("workbook.xml", "workbook.bin"), "xl/workbook.bin": "x"}
    assert error_of(pack(tmp_path / "b.xlsb", parts_of(**binary))).code == "old-excel"


# XML that no spreadsheet writes


HOSTILE_XML = {
    "DOCTYPE": '<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "x">]><worksheet>&b;</worksheet>',
    "outside entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><worksheet>&b;</worksheet>',
    "nesting": "<worksheet>" + "<a>" * 100_000,
    "oversized tag": "<worksheet><a b='" + "".join(map(str, range(400_000))),
    "oversized comment": "<worksheet><!-- " + "".join(map(str, range(400_000))),
    "encoding": '<?xml version="1.0" encoding="cp037"?><worksheet/>',
}


@pytest.mark.parametrize("trick", HOSTILE_XML)
@pytest.mark.parametrize("part", ["xl/worksheets/s.xml", "xl/strings.xml", "xl/workbook.xml"])
def test_tricks_of_xml_are_refused_in_every_part(tmp_path: Path, trick: str, part: str) -> None:
    first = '<worksheet><sheetData><row><c t="s"><v>0</v></c></row></sheetData></worksheet>'
    error = error_of(
        pack(tmp_path / "xml.xlsx", parts_of(**{"xl/worksheets/s.xml": first, part: HOSTILE_XML[trick]}))
    )
    assert (error.code, error.facts["part"]) == ("xml-unsafe", part)


@pytest.mark.parametrize(
    "sheet",
    [
        "<worksheet><sheetData>",
        "no xml",
        inline(NAMES).replace("<row>", '<row r="0">'),
        inline(NAMES, ROW).replace("<row>", '<row r="5">'),
        inline(NAMES).replace("<row>", '<row r="1048577">'),
        inline(NAMES).replace("<c ", '<c r="A2" '),
        inline(NAMES).replace("<c ", '<c r="A1" '),
        inline(NAMES).replace("<c ", '<c r="!" ', 1),
        inline(NAMES, ROW).replace('<c t="inlineStr"><is><t>JL1</t></is></c>', '<c t="s"><v>7</v></c>'),
    ],
)
def test_a_damaged_sheet_is_called_damaged(tmp_path: Path, sheet: str) -> None:
    assert error_of(pack(tmp_path / "bad.xlsx", parts_of(sheet))).code == "workbook-damaged"


def test_a_text_that_is_too_long_names_its_cell_and_harms_only_there(book: Callable[..., Path]) -> None:
    assert error_of(book(ROW, ("x" * 10_001, *ROW[1:]))).facts["cell"] == "A3"
    assert len(lines_of(book(("x" * 10_000, *ROW[1:])))) == 1


def test_an_inline_text_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "long.xlsx", parts_of(inline(NAMES, ROW, ("x" * 2_000_000, *ROW[1:]))), 0)
    assert (error_of(path).code, error_of(path).facts["cell"]) == ("field-too-long", "A3")


def test_cells_far_right_are_refused(book: Callable[..., Path]) -> None:
    assert error_of(book(ROW, (*ROW, *[None] * 300, "x"))).facts["cell"] == "LB3"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_workbook_is_read_or_refused_but_never_crashes(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(workbook_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "broken.xlsx"
    path.write_bytes(
        content[: data.draw(st.integers(len(content) // 2, len(content)))]
        if data.draw(st.booleans())
        else content
    )
    assert outcome_of(path) in {"read", *SENTENCES}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.sampled_from(sorted(parts_of())),
    at=st.integers(0, 400),
    cut=st.integers(0, 40),
    junk=st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [
                b"<c/>",
                b"<f/>",
                b"<row>",
                b"</row>",
                b'<c t="s">',
                b"<v>9</v>",
                b' r="B7"',
                b"<is><t>",
                b"</c>",
            ]
        ),
    ),
)
def test_damaged_xml_is_read_or_refused_but_never_crashes(
    tmp_path: Path, part: str, at: int, cut: int, junk: bytes
) -> None:
    content = str(parts_of()[part]).encode()
    path = pack(tmp_path / "xml.xlsx", parts_of(**{part: content[:at] + junk + content[at + cut :]}))
    assert outcome_of(path) in {"read", *SENTENCES}


def workbook_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, content in parts_of().items():
            package.writestr(name, content)
    return buffer.getvalue()


# Memory


def test_memory_does_not_grow_with_texts_that_are_all_different(tmp_path: Path) -> None:
    """The table of shared strings is the trap: in this file of 28 MB it alone has 14 MB and 400,000 texts."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of memory is read from /proc")
    rows = 31_000
    numbers = iter(range(10_000_000))
    texts = "".join(f"<si><t>{name}</t></si>" for name in NAMES)
    texts += "".join(f"<si><t>志愿服务记录 {number:08}</t></si>" for number in range(13, 13 * rows))
    cells = (
        "".join(f'<c r="{column}{row}" t="s"><v>{next(numbers)}</v></c>' for column in "ABCDEFGHIJKLM")
        for row in range(1, rows + 1)
    )
    sheet = "".join(f'<row r="{row}">{line}</row>' for row, line in enumerate(cells, 1))
    path = pack(
        tmp_path / "large.xlsx",
        parts_of(
            f"<worksheet><sheetData>{sheet}</sheetData></worksheet>",
            **{"xl/strings.xml": f"<sst>{texts}</sst>"},
        ),
        zipfile.ZIP_STORED,
    )
    assert path.stat().st_size > 27_000_000
    assert peak_growth_kib(path, rows - 1) < 10_000


def test_texts_are_found_again_wherever_they_stand(tmp_path: Path) -> None:
    count = 30_000
    texts = "".join(f"<si><t>文{number}</t></si>" for number in range(count))
    order = [*range(count), *random.Random(2).sample(range(count), 5_000), 0, count - 1]
    cells = [f'<row><c t="s"><v>{number}</v></c></row>' for number in order]
    sheet = inline(NAMES).replace("</sheetData>", "".join(cells) + "</sheetData>")
    path = pack(tmp_path / "again.xlsx", parts_of(sheet, **{"xl/strings.xml": f"<sst>{texts}</sst>"}))
    assert [line.fields[0] for line in lines_of(path)] == [f"文{number}" for number in order]


def peak_growth_kib(path: Path, lines: int) -> int:
    """KiB by which reading the file raises the peak of a fresh process."""
    program = f"""
        from pathlib import Path
        from pointsbank.hours.files import open_sheet
        def peak():
            status = Path("/proc/self/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0])
        before = peak()
        with open_sheet({str(path)!r}) as sheet:
            assert sheet.check() == {lines}
        print(peak() - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    return int(run.stdout)
