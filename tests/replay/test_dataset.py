"""Data-set files are read as they are: encodings, line ends, blanks, quotes, damaged lines."""

import shutil
from pathlib import Path

import pytest

from pointsbank.market.model import BasketLine
from pointsbank.replay.dataset import (
    INPUT_FILES,
    Dataset,
    DatasetError,
    in_basket_order,
    in_return_order,
    split_fields,
)

HEADERS = {
    "stations.csv": "站点编码,名称,所编码,中心编码",
    "volunteers.csv": "志愿者编号,姓名,出生日期,手机号,家庭编号,服务站",
    "hours.csv": (
        "记录编号,志愿者编号,活动编号,活动名称,服务类别,服务站,"
        "场次开始,场次结束,签到,签退,时数类型,录入人,录入时间"
    ),
    "redemptions.csv": "小票号,时间,终端,服务站,志愿者编号,商品编码,数量",
    "returns.csv": "退货单号,时间,小票号,商品编码,数量",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set with headers only; its policy is read by nothing here."""
    for name, header in HEADERS.items():
        (tmp_path / name).write_text(header + "\n", "utf-8")
    (tmp_path / "policy.json").write_text("{}", "utf-8")
    return tmp_path


def put(folder: Path, name: str, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Dataset:
    text = end.join((HEADERS[name], *lines)) + end
    (folder / name).write_bytes(text.encode(encoding))
    return Dataset(folder)


def test_the_quarter_is_read_whole(harbin_quarter: Path) -> None:
    data = Dataset(harbin_quarter)
    assert len(list(data.stations())) == 60
    assert len(list(data.volunteers())) == 3_000
    assert sum(1 for _ in data.baskets()) == 7_978
    assert sum(1 for _ in data.returns()) == 309
    assert sum(1 for _ in data.records()) == 60_006
    assert len(data.policy().goods) == 40


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encoding_and_line_ends_do_not_matter(folder: Path, encoding: str, end: str) -> None:
    data = put(folder, "hours.csv", "R1,V1,活动𠮷", "", "R2", encoding=encoding, end=end)
    assert list(data.records()) == [(2, ("R1", "V1", "活动𠮷")), (4, ("R2",))]


def test_blank_lines_are_skipped_and_counted(folder: Path) -> None:
    data = put(folder, "hours.csv", "", " \t ", "R1,V1", "", ",", "\u3000")
    assert list(data.records()) == [(4, ("R1", "V1")), (6, ("", "")), (7, ("",))]


def test_a_last_line_without_end_and_odd_separators_are_no_line_breaks(folder: Path) -> None:
    data = put(folder, "hours.csv")
    with (folder / "hours.csv").open("ab") as file:
        file.write("R1,a\u2028b\x0bc\x85d\rE,x".encode())
    assert list(data.records()) == [(2, ("R1", "a\u2028b\x0bc\x85d\rE", "x"))]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b,c", ("a", "b", "c")),
        (" a ,\tb\t,c ", ("a", "b", "c")),
        ("Ｖ１２,２０２６－０１－０７ ０９：００,\u3000荣誉\u3000", ("V12", "2026-01-07 09:00", "荣誉")),
        ("甲，乙,丙", ("甲,乙", "丙")),
        ('"a,b","say ""hi""",""', ("a,b", 'say "hi"', "")),
        ('"　甲，乙　",Ｂ', ("甲,乙", "B")),
        ("\u00a0a\u00a0", ("a",)),
        ("a\u2003b", ("a b",)),
        ("\x0ba\x0b", ("\x0ba\x0b",)),
        ("", ("",)),
        ('a"b,c', ('a"b', "c")),
        ('"open,c', ("open,c",)),
        ('"' + "x" * 200_000 + '"', ('"' + "x" * 200_000 + '"',)),
    ],
)
def test_fields_are_split_first_and_normalised_then(line: str, fields: tuple[str, ...]) -> None:
    assert split_fields(line) == fields


def test_bytes_that_are_no_characters_damage_one_field_only(folder: Path) -> None:
    data = put(folder, "hours.csv", encoding="gb18030")
    with (folder / "hours.csv").open("ab") as file:
        file.write(b"R1,\xff\xff,x\r\nR2,y\r\n")
    damaged, good = data.records()
    assert (damaged[0], damaged[1][0], damaged[1][2]) == (2, "R1", "x")
    assert "\ufffd" in damaged[1][1]
    assert good == (3, ("R2", "y"))


def test_consecutive_lines_with_one_receipt_number_are_a_basket(folder: Path) -> None:
    head = "2026-01-20 10:00:00,T1,S1,V1"
    data = put(
        folder,
        "redemptions.csv",
        f"B1,{head},G1,1",
        "",
        f"Ｂ１,{head},G2,２",
        f"B2,{head},G1,1",
        f"B1,{head},G1,1",
    )
    first, second, third = data.baskets()
    assert (first.receipt_no, first.line_no, first.is_whole) == ("B1", 2, True)
    assert first.lines == (BasketLine("G1", "1"), BasketLine("G2", "2"))
    assert (second.receipt_no, second.line_no) == ("B2", 5)
    assert (third.receipt_no, third.line_no) == ("B1", 6)
    assert third.content != first.content


def test_a_basket_whose_lines_contradict_each_other_or_miss_fields_is_not_whole(folder: Path) -> None:
    lines = ["B1,t,T1,S1,V1,G1,1", "B1,t,T1,S1,V2,G1,1", "B2,t", "B3,t,T1,S1,V1,G1,1,x"]
    assert [basket.is_whole for basket in put(folder, "redemptions.csv", *lines).baskets()] == [False] * 3
    assert [line.is_whole for line in put(folder, "returns.csv", "T1,t", "T2,t,B1,G1,1").returns()] == [
        False,
        True,
    ]


def test_baskets_and_returns_are_processed_by_time_then_number_then_file(folder: Path) -> None:
    rows = ["B2,10:01", "B1,10:00", "B3,10:00", "B1,09:59", "B0,10:01"]
    lines = [f"{no},2026-01-20 {at}:00,T1,S1,V1,G1,1" for no, at in (row.split(",") for row in rows)]
    lines.insert(4, "BX,2026-01-21 00:00:00,T1,S1,V1,G1,1")
    baskets = in_basket_order(put(folder, "redemptions.csv", *lines).baskets())
    assert [basket.line_no for basket in baskets] == [5, 3, 4, 7, 2, 6]
    data = put(
        folder, "returns.csv", "T2,2026-01-20 10:00:00,B,G,1", "T1,2026-01-20 10:00:00,B,G,1", "T1,2026,B,G,1"
    )
    assert [line.line_no for line in in_return_order(data.returns())] == [4, 3, 2]


def test_the_digest_is_of_the_input_files_and_nothing_else(folder: Path) -> None:
    before = Dataset(folder).digest()
    (folder / "expected.json").write_text("{}", "utf-8")
    (folder / "verdicts-hours.csv").write_text("x", "utf-8")
    assert Dataset(folder).digest() == before
    seen = {before}
    for name in INPUT_FILES:
        with (folder / name).open("ab") as file:
            file.write(b" ")
        seen.add(Dataset(folder).digest())
    assert len(seen) == 1 + len(INPUT_FILES)


def test_a_copy_of_the_folder_under_another_name_is_the_same_data_set(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("copy"))
    assert Dataset(copy).digest() == Dataset(folder).digest()


@pytest.mark.parametrize("name", INPUT_FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=name):
        Dataset(folder)


@pytest.mark.parametrize("name", HEADERS)
def test_a_file_with_another_header_is_refused(folder: Path, name: str) -> None:
    readers = {
        "stations.csv": Dataset.stations,
        "volunteers.csv": Dataset.volunteers,
        "hours.csv": Dataset.records,
        "redemptions.csv": Dataset.baskets,
        "returns.csv": Dataset.returns,
    }
    for content in (b"", b"a,b\n", b"\x00\xff\xfe\x80", HEADERS[name].encode("utf-16")):
        (folder / name).write_bytes(content)
        with pytest.raises(DatasetError, match=f"{name}:1"):
            list(readers[name](Dataset(folder)))


@pytest.mark.parametrize(
    ("name", "lines", "place"),
    [
        ("stations.csv", ["S1,x,y"], "stations.csv:2"),
        ("stations.csv", ["S1,a,b,c", "S1,a,b,c"], "stations.csv:3"),
        ("volunteers.csv", ["V1,name,1990-02-30,1,F1,S1"], "volunteers.csv:2"),
        ("volunteers.csv", [",name,1990-02-28,1,F1,S1"], "volunteers.csv:2"),
    ],
)
def test_damaged_stations_and_volunteers_are_refused_with_their_place(
    folder: Path, name: str, lines: list[str], place: str
) -> None:
    data = put(folder, name, *lines)
    with pytest.raises(DatasetError, match=place):
        list(data.stations() if name == "stations.csv" else data.volunteers())


def test_a_wrong_policy_is_refused_with_its_errors(folder: Path) -> None:
    with pytest.raises(DatasetError, match="points_per_hour"):
        Dataset(folder).policy()
