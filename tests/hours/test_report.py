"""The report of an import: words for every verdict, safe cells, and going on after a kill."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsbank.hours.explain import SHORT_CHINESE, SHORT_ENGLISH, NoPoints, points_text
from pointsbank.hours.model import ALL_VERDICTS, HoursVerdict
from pointsbank.hours.report import REPORT_COLUMNS, Facts, ReportWriter, explain, report_path
from pointsbank.intake.sheet_error import SheetError

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
FACTS = Facts(fields=ROW)


def rows_of(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


# The report file


def test_a_report_opens_in_a_spreadsheet_and_holds_every_line(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    with ReportWriter(path) as report:
        report.write(2, "accepted", Facts(fields=ROW, minutes=115, points=1950))
        report.write(3, "malformed", Facts(fields=ROW[:9]))
    header, accepted, malformed = rows_of(path)
    assert tuple(header) == REPORT_COLUMNS
    sentence = "已入账：服务时长 115 分钟，积分 19.50。"
    assert accepted == ["2", "JL1", "****", "已入账", sentence, "115", "19.50", "accepted: posted"]
    assert malformed[:4] == ["3", "", "", "格式错误"], "what slipped into the wrong column is not repeated"
    assert malformed[5:7] == ["0", "0.00"]
    assert malformed[7].startswith("malformed: ")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "  =", "＝", "＋", "－", "＠"])
def test_no_cell_of_a_report_is_a_formula(tmp_path: Path, start: str) -> None:
    hostile = f'{start}cmd|"/c calc"!A1'
    path = tmp_path / "report.csv"
    with ReportWriter(path) as report:
        report.write(2, "unknown_volunteer", Facts(fields=(hostile, hostile, *ROW[2:])))
    row = rows_of(path)[1]
    assert row[1].startswith("'")
    assert row[2] == "****A1", "of a number the last signs, which are no formula"
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)


@given(text=st.text(max_size=30))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_stays_in_its_cell_and_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.csv"
    path.unlink(missing_ok=True)
    text = text.encode("utf-8", "replace").decode()
    with ReportWriter(path) as report:
        report.write(2, "conflict", Facts(fields=(text, text, *ROW[2:])))
        report.write(3, "conflict", FACTS)
    assert [(row[0], len(row)) for row in rows_of(path)[1:]] == [("2", 8), ("3", 8)]
    with ReportWriter(path) as report:
        assert report.last_line == 3


# Going on


def test_a_report_cut_anywhere_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"

    def write_from(line_no: int) -> None:
        with ReportWriter(path) as report:
            assert report.last_line == line_no - 1 or (line_no == 2 and report.last_line == 0)
            for number in range(line_no, 6):
                report.write(number, "recorded_late", FACTS)

    write_from(2)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with ReportWriter(path) as report:
            last = report.last_line
        write_from(max(last + 1, 2))
        assert path.read_bytes() == whole


def test_what_was_reported_but_never_posted_goes(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    with ReportWriter(path) as report:
        for number in (2, 3, 5, 8):
            report.write(number, "overlap", FACTS)
    with ReportWriter(path, keep_through=6) as report:
        assert report.last_line == 5
        report.write(8, "accepted", FACTS)
    assert [row[0] for row in rows_of(path)[1:]] == ["2", "3", "5", "8"]
    with ReportWriter(path, keep_through=0) as report:
        assert report.last_line == 0
    assert len(rows_of(path)) == 1


@pytest.mark.parametrize("content", [b"my notes\n", b"\xef\xbb\xbf" + "行号,其他\r\n".encode()])
def test_a_file_that_is_no_report_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(content)
    with pytest.raises(SheetError) as caught:
        ReportWriter(path)
    assert caught.value.code == "report-not-ours"
    assert path.read_bytes() == content


def test_foreign_lines_below_our_header_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    ReportWriter(path).close()
    content = path.read_bytes() + b"notes,of mine\r\n"
    path.write_bytes(content)
    with pytest.raises(SheetError):
        ReportWriter(path)
    assert path.read_bytes() == content


def test_what_was_flushed_is_on_disk(tmp_path: Path) -> None:
    with ReportWriter(tmp_path / "report.csv") as report:
        report.write(2, "accepted", FACTS)
        report.flush()
        assert len(rows_of(tmp_path / "report.csv")) == 2


def test_a_report_stands_beside_its_sheet_and_is_named_by_its_content() -> None:
    path = report_path(Path("in") / "三月.xlsx", "0123456789abcdef" * 4)
    assert path == Path("in") / "三月.report-0123456789ab.csv"


# Words


def test_every_verdict_has_words_in_both_languages() -> None:
    assert set(SHORT_CHINESE) == set(SHORT_ENGLISH) == set(ALL_VERDICTS)
    for facts in (Facts(), FACTS, Facts(fields=ROW[:1])):
        sentences = [explain(verdict, facts) for verdict in ALL_VERDICTS]
        assert len(set(sentences)) == len(ALL_VERDICTS)
        assert all(sentence.endswith("。") and "None" not in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("verdict", "facts", "said"),
    [
        ("recorded_late", Facts(deadline=date(2026, 1, 21)), ["10 个工作日", "2026-01-21", "申请补录"]),
        ("duplicate", Facts(first_line=7), ["第 7 行", "不再重复计分"]),
        ("conflict", Facts(fields=ROW, first_line=7), ["“JL1”", "第 7 行", "新编号"]),
        ("unknown_volunteer", FACTS, ["编号未登记"]),
        ("unknown_station", FACTS, ["编码未登记"]),
        ("unknown_category", FACTS, ["区分大小写"]),
        ("session_invalid", Facts(session_max_hours=12), ["12 小时"]),
        ("under_age", Facts(minimum_age=16), ["满 16 周岁"]),
        ("overlap", Facts(overlaps="JL9"), ["JL9"]),
        (
            "accepted",
            Facts(minutes=60, points=1000, usable_on=date(2026, 2, 1)),
            ["10.00", "公示", "2026-02-01"],
        ),
        (
            "accepted",
            Facts(minutes=60, points=400, capped=600),
            ["积分 4.00", "另有 6.00 积分超出个人持有上限，未计入"],
        ),
        (
            "accepted",
            Facts(minutes=60, capped=1000),
            ["服务时长 60 分钟，积分 0。", "10.00 积分超出个人持有上限"],
        ),
        ("malformed", Facts(fields=ROW[:9]), ["有 9 项，应为 13 项"]),
        ("malformed", Facts(fields=(*ROW[:9], "", *ROW[10:])), ["签退为空"]),
        ("malformed", Facts(fields=(*ROW[:9], "2026/01/07 10:55", *ROW[10:])), ["签退应写成"]),
        (
            "malformed",
            Facts(fields=(*ROW[:6], "2026-02-30 09:00", "24:00", *ROW[8:])),
            ["场次开始、场次结束应写成"],
        ),
        ("malformed", Facts(fields=(*ROW[:10], "其他", *ROW[11:])), ["时数类型只能是"]),
    ],
)
def test_sentences_say_what_is_known(verdict: HoursVerdict, facts: Facts, said: list[str]) -> None:
    sentence = explain(verdict, facts)
    assert [words for words in said if words not in sentence] == []


@pytest.mark.parametrize(
    ("reason", "said"),
    [("honour", "荣誉"), ("below_floor", "比例"), ("rounding", "不足"), ("cap", "上限"), (None, "不计积分")],
)
def test_an_accepted_record_without_points_says_why(reason: NoPoints | None, said: str) -> None:
    sentence = explain("accepted", Facts(minutes=71, no_points=reason))
    assert "服务时长 71 分钟，积分 0。" in sentence
    assert said in sentence


def test_no_sentence_repeats_a_cell_that_may_be_about_somebody() -> None:
    cells = tuple(f"cell-{n}" for n in range(len(ROW)))
    for verdict in ALL_VERDICTS:
        shown = [cell for cell in cells if cell in explain(verdict, Facts(fields=cells))]
        assert shown == (["cell-0"] if verdict == "conflict" else []), verdict


def test_a_refused_line_keeps_its_id_so_words_ask_for_a_new_one() -> None:
    """The first line that is not malformed takes the id: the same id again would be a conflict."""
    for verdict in ("unknown_volunteer", "unknown_station", "session_invalid", "overlap"):
        assert "新记录编号" in explain(verdict, FACTS)
    assert "原编号" in explain("malformed", FACTS)


def test_points_are_written_in_whole_and_hundredths() -> None:
    assert [points_text(points) for points in (0, 5, 1950, 123_456)] == ["0.00", "0.05", "19.50", "1234.56"]
