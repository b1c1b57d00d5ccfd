"""Reading sheets of service hours: CSV, encodings, headers, and files that are refused."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import textwrap
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsbank.hours.columns import COLUMNS, NAMES
from pointsbank.hours.files import SheetError, SheetLine, file_digest, open_sheet
from pointsbank.intake.sheet_error import SENTENCES

ROOT = Path(__file__).parents[2]
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
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the given content: text in UTF-8, or bytes as they are."""

    def write(content: str | bytes, name: str = "hours.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def sheet_text(*rows: tuple[str, ...], header: tuple[str, ...] = NAMES, line_end: str = "\r\n") -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows((header, *rows))
    return text.getvalue()


def lines_of(path: Path, after_line: int = 0) -> list[SheetLine]:
    with open_sheet(path) as sheet:
        return list(sheet.lines(after_line))


def error_of(path: Path) -> SheetError:
    with pytest.raises(SheetError) as caught, open_sheet(path) as sheet:
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


# Encodings


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030")]
)
def test_each_encoding_gives_the_same_fields(write: Write, encoding: str, found: str) -> None:
    with open_sheet(write(sheet_text(ROW).encode(encoding))) as sheet:
        assert (sheet.kind, sheet.detail) == ("csv", found)
        assert list(sheet) == [SheetLine(2, ROW)]


def test_a_byte_order_mark_of_gb18030_is_no_part_of_the_header(write: Write) -> None:
    assert lines_of(write(("\ufeff" + sheet_text(ROW)).encode("gb18030"))) == [SheetLine(2, ROW)]


def test_a_file_in_neither_encoding_names_its_first_bad_byte(write: Write) -> None:
    content = sheet_text(ROW, ROW).encode()
    at = content.rindex("楼".encode()) + 1
    error = error_of(write(content[:at] + b"\xff" + content[at:]))
    assert error.code == "encoding"
    assert (error.facts["line"], error.facts["byte"], error.facts["tried"]) == (3, "E6", "UTF-8")
    assert error.facts["offset"] == at - 1
    assert "第 3 行" in error.chinese
    assert "line 3" in error.english


def test_a_damaged_gb18030_file_is_measured_as_gb18030(write: Write) -> None:
    content = sheet_text(*[ROW] * 5).encode("gb18030")
    error = error_of(write(content[:-4] + b"\x80\r\n"))
    assert (error.facts["tried"], error.facts["offset"], error.facts["line"]) == (
        "GB18030",
        len(content) - 4,
        6,
    )


def test_a_byte_order_mark_forbids_another_reading(write: Write) -> None:
    error = error_of(write(b"\xef\xbb\xbf" + sheet_text(ROW).encode("gb18030")))
    assert (error.code, error.facts["tried"], error.facts["offset"]) == ("encoding", "UTF-8", 3)


def test_text_that_both_encodings_can_mean_is_not_guessed(write: Write) -> None:
    activity = (*ROW[:3], "路路", *ROW[4:10], "credit", *ROW[11:])
    path = write(sheet_text(activity, header=ENGLISH).encode("gb18030"))
    assert path.read_bytes().decode("utf-8")  # it looks like UTF-8
    assert (error_of(path).code, error_of(path).facts["line"]) == ("encoding-ambiguous", 2)
    with open_sheet(path, encoding="gb18030") as sheet:
        assert next(sheet.lines()).fields[3] == "路路"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_refused_with_advice(write: Write, encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    error = error_of(write(mark + sheet_text(ROW).encode(encoding)))
    assert error.code == "encoding-utf16"
    assert "CSV UTF-8" in error.chinese


# Headers


@pytest.mark.parametrize("header", [NAMES, ENGLISH, tuple(name.upper() for name in ENGLISH)])
def test_header_names_in_chinese_or_english(write: Write, header: tuple[str, ...]) -> None:
    assert lines_of(write(sheet_text(ROW, header=header))) == [SheetLine(2, ROW)]


def test_decorated_and_other_names_of_a_column_are_known(write: Write) -> None:
    header = (
        *("记录号", "志愿者ID", "活动编码", "活动名", "类别", "站点编码", "开始时间*", "结束时间"),
        *(" 签到（YYYY-MM-DD HH:MM）", "Check-out", "时长类型", "录入员", "Recorded at"),
    )
    assert lines_of(write(sheet_text(ROW, header=header))) == [SheetLine(2, ROW)]


def test_no_two_columns_share_a_name() -> None:
    names = [name for column in COLUMNS for name in column]
    assert len(names) == len(set(names))


def test_all_that_is_wrong_with_a_header_is_said_at_once(write: Write) -> None:
    header = ("记录编号", "record_id", *NAMES[2:11], "录入者", "电话")
    error = error_of(write(sheet_text(ROW, header=header)))
    assert error.code == "wrong-columns"
    assert error.facts["missing"] == "志愿者编号、录入人、录入时间"
    assert error.facts["repeated"] == "记录编号"
    assert error.facts["unknown"] == "录入者、电话"
    assert all(str(error.facts[kind]) in error.chinese for kind in ("missing", "repeated", "unknown"))


def test_title_and_blank_lines_above_the_header_are_read_over(write: Write) -> None:
    assert lines_of(write("道里区服务记录\r\n\r\n" + sheet_text(ROW))) == [SheetLine(4, ROW)]


def test_serial_number_and_remark_columns_are_set_aside(write: Write) -> None:
    row = ("1", *ROW, "补录")
    assert lines_of(write(sheet_text(row, header=("序号", *NAMES, "备注")))) == [SheetLine(2, ROW)]


def test_unnamed_columns_must_stay_blank(write: Write) -> None:
    path = write(sheet_text((*ROW, "", " "), (*ROW, "", "x"), header=(*NAMES, "", "")))
    assert [len(line.fields) for line in lines_of(path)] == [13, 15]


def test_a_file_without_header_says_what_a_header_is(write: Write) -> None:
    error = error_of(write(sheet_text(ROW).partition("\r\n")[2]))
    assert error.code == "no-header"
    assert "录入时间" in error.chinese


@pytest.mark.parametrize("separator", [";", "\t", "，"])
def test_another_separator_than_the_comma_is_named(write: Write, separator: str) -> None:
    assert error_of(write(sheet_text(ROW).replace(",", separator))).code == "wrong-separator"


def test_english_hour_classes_count_under_an_english_header_only(write: Write) -> None:
    rows = [(*ROW[:10], word, *ROW[11:]) for word in ("credit", "Honour", "honor", "信用", "other")]
    english = [line.fields[10] for line in lines_of(write(sheet_text(*rows, header=ENGLISH)))]
    chinese = [line.fields[10] for line in lines_of(write(sheet_text(*rows)))]
    assert english == ["信用", "荣誉", "荣誉", "信用", "other"]
    assert chinese == ["credit", "Honour", "honor", "信用", "other"]


# Lines


def test_fields_are_split_first_and_normalised_then(write: Write) -> None:
    raw = ("\t ＪＬ１ ", "Ｖ1", "A1", "家，校", "ENV", "\u3000HRB1", "2026－01－07\u300009：00", *ROW[7:])
    line = lines_of(write(sheet_text(raw)))[0]
    assert line.fields == ("JL1", "V1", "A1", "家,校", "ENV", "HRB1", "2026-01-07 09:00", *ROW[7:])


def test_a_row_with_another_number_of_cells_comes_through(write: Write) -> None:
    lines = lines_of(write(sheet_text(ROW[:9], ROW, (*ROW, ""))))
    assert [line.fields for line in lines] == [ROW[:9], ROW, (*ROW, "")]


def test_a_row_that_is_not_whole_never_has_13_fields_and_begins_with_its_record_id(write: Write) -> None:
    header = ("序号", *NAMES)
    line = lines_of(write(sheet_text(ROW[:1] + ROW[:12], header=header)))[0]
    assert len(line.fields) == 14
    assert line.fields[0] == "JL1"


def test_blank_lines_count_but_do_not_appear(write: Write) -> None:
    text = sheet_text(ROW) + " \t \r\n\r\n" + ",".join(ROW) + "\r\n\r\n  \r\n"
    assert [line.line_no for line in lines_of(write(text))] == [2, 5]


def test_line_ends_of_unix_and_no_line_end_at_all(write: Write) -> None:
    assert lines_of(write(sheet_text(ROW, ROW, line_end="\n").rstrip("\n"))) == [
        SheetLine(2, ROW),
        SheetLine(3, ROW),
    ]


def test_quoted_fields_follow_rfc_4180(write: Write) -> None:
    names = ['"江潮有信",德礼', "a,b", 'say ""', 'mid"quote', ""]
    rows = [(*ROW[:3], name, *ROW[4:]) for name in names]
    text = sheet_text(*rows).replace('"mid""quote"', 'mid"quote').replace('"a,b"', '"a,b" \t')
    assert [line.fields[3] for line in lines_of(write(text))] == names


def test_reading_goes_on_after_a_line(write: Write) -> None:
    path = write(sheet_text(*[(f"JL{number}", *ROW[1:]) for number in range(2, 50)]))
    assert lines_of(path, after_line=47) == lines_of(path)[46:]
    assert lines_of(path, after_line=49) == []


def test_progress_ends_at_the_size_of_the_file(write: Write) -> None:
    path = write(sheet_text(*[ROW] * 50))
    with open_sheet(path) as sheet:
        done = [sheet.progress()[0] for _ in sheet.lines()]
        assert done == sorted(set(done))
        assert done[0] > 0
        assert sheet.progress() == (path.stat().st_size, path.stat().st_size)


def test_check_reads_all_and_counts(write: Write) -> None:
    with open_sheet(write(sheet_text(*[ROW] * 7))) as sheet:
        assert sheet.check() == 7


def test_digest_is_the_sha256_of_the_content(write: Write) -> None:
    path = write(b"x" * 3_000_000)
    assert file_digest(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


# Files that are refused


BAD_FILES = {
    "empty-file": b"",
    "no-rows": sheet_text().encode() + b"\r\n  \r\n",
    "binary-file": bytes(range(256)) * 20,
    "old-excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "control-character": sheet_text(ROW, ROW).encode() + b"x\x00y\r\n" + b",".ljust(5000, b","),
    "lone-cr": sheet_text(ROW, line_end="\r").encode(),
    "line-too-long": sheet_text(ROW).encode() + b"," * 1_000_001,
    "field-too-long": sheet_text(ROW, ("x" * 10_001, *ROW[1:])).encode(),
    "unbalanced-quotes": sheet_text(ROW).encode() + b'JL2,"V1,A1\r\n' + ",".join(ROW).encode(),
}


@pytest.mark.parametrize("code", BAD_FILES)
def test_a_file_that_cannot_be_read_gets_a_sentence(write: Write, code: str) -> None:
    content = BAD_FILES[code]
    if code == "control-character":
        content = content.replace(b"x\x00y", b"y" * 5000 + b"\x00")  # behind what is looked at first
    error = error_of(write(content))
    assert error.code == code
    assert error.chinese
    assert error.english
    assert str(error).startswith(error.chinese)


@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"\x89PNG\r\n", b"\x1f\x8b\x08", b"SQLite format 3\x00"])
def test_foreign_files_are_called_by_their_name(write: Write, start: bytes) -> None:
    assert error_of(write(start + b"abc" * 50)).code == "binary-file"


def test_blank_text_is_an_empty_file(write: Write) -> None:
    assert error_of(write(b"\r\n  \r\n")).code == "empty-file"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert error_of(tmp_path).code == "not-a-file"


def test_errors_name_the_line(write: Write) -> None:
    codes = ("lone-cr", "line-too-long", "field-too-long", "unbalanced-quotes")
    assert {code: error_of(write(BAD_FILES[code])).facts["line"] for code in codes} == {
        "lone-cr": 1,
        "line-too-long": 3,
        "field-too-long": 3,
        "unbalanced-quotes": 3,
    }


def test_the_longest_line_and_field_allowed_are_read(write: Write) -> None:
    row = ("x" * 10_000, *ROW[1:])
    wide = ",".join(["y" * 999] * 1_000)
    lines = lines_of(write(sheet_text(row).encode() + wide.encode() + b"\r\n"))
    assert (lines[0].fields, len(lines[1].fields)) == (row, 1_000)


def test_quotes_that_never_end_are_refused_in_one_pass(write: Write) -> None:
    assert error_of(write(sheet_text(ROW) + '"' + 'a""' * 300_000)).code == "unbalanced-quotes"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=300), at=st.integers(0, 200))
def test_junk_anywhere_is_read_or_refused_but_never_crashes(tmp_path: Path, junk: bytes, at: int) -> None:
    content = sheet_text(ROW, ROW).encode("gb18030")
    path = tmp_path / "junk.csv"
    path.write_bytes(content[:at] + junk + content[at:])
    assert outcome_of(path) in {"read", *SENTENCES}


# Round trip


def storable(encoding: str) -> st.SearchStrategy[str]:
    """Text that a line of CSV can hold in the encoding."""
    return st.text(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff"), max_size=12
    ).filter(
        lambda text: encoding != "gb18030" or text.encode("gb18030", "replace").decode("gb18030") == text
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), order=st.permutations(range(13)), is_english=st.booleans())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_rows_come_back_from_every_encoding_and_column_order(
    tmp_path: Path, encoding: str, data: st.DataObject, order: list[int], is_english: bool
) -> None:
    cell = storable(encoding)
    rows = data.draw(st.lists(st.tuples(*[cell] * 13), min_size=1, max_size=4))
    # An English header takes English classes; Chinese text keeps a file without mark from being doubtful.
    rows = [("记录" + row[0], *row[1:10], "荣誉", *row[11:]) for row in rows]
    header = ENGLISH if is_english else NAMES
    path = tmp_path / "round.csv"
    shuffled = [tuple(row[at] for at in order) for row in (header, *rows)]
    path.write_bytes(sheet_text(*shuffled[1:], header=shuffled[0]).encode(encoding))
    expected = [tuple(unicodedata.normalize("NFKC", cell).strip(" \t") for cell in row) for row in rows]
    assert [line.fields for line in lines_of(path)] == expected


# Memory


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of memory is read from /proc")
    path = tmp_path / "large.csv"
    block = (",".join(ROW) + "\r\n") * 2_000
    with path.open("wb") as file:
        file.write((",".join(NAMES) + "\r\n").encode("gb18030"))
        while file.tell() < 30_000_000:
            file.write(block.encode("gb18030"))
    assert peak_growth_kib(path) < 8_000


def peak_growth_kib(path: Path) -> int:
    """KiB by which reading the file raises the peak of a fresh process."""
    program = f"""
        from pathlib import Path
        from pointsbank.hours.files import open_sheet
        def peak():
            status = Path("/proc/self/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0])
        before = peak()
        with open_sheet({str(path)!r}) as sheet:
            assert sheet.check() > 100_000
        print(peak() - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    return int(run.stdout)


# Documentation


def test_every_error_has_its_heading_in_the_documentation() -> None:
    text = (ROOT / "docs" / "hours-import.md").read_text("utf-8")
    assert {code for code in SENTENCES if f"\n### `{code}`\n" not in text} == set()
