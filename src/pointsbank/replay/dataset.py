"""Reads a data set: a folder with stations, volunteers, a policy, service hours, redemptions and returns.

Everything is a stream: a file of any size is read line by line. The format is described in
tests/data/README.md, section 1.
"""

import csv
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Final
from unicodedata import is_normalized, normalize

from msgspec import Struct

from pointsbank.market.model import Basket, BasketLine, ReturnLine
from pointsbank.policy.calendar import local_day
from pointsbank.policy.load import PolicyErrors, load_policy
from pointsbank.policy.model import Policy

INPUT_FILES: Final = (
    "stations.csv",
    "volunteers.csv",
    "policy.json",
    "hours.csv",
    "redemptions.csv",
    "returns.csv",
)
"""What goes in; expected results and verdicts that may lie beside it are no part of the data set."""

Line = tuple[int, tuple[str, ...]]
"""The physical number of a line (the header is 1) and its normalised fields."""

_HEADERS: Final = {
    "stations.csv": "站点编码,名称,所编码,中心编码",
    "volunteers.csv": "志愿者编号,姓名,出生日期,手机号,家庭编号,服务站",
    "hours.csv": (
        "记录编号,志愿者编号,活动编号,活动名称,服务类别,服务站,"
        "场次开始,场次结束,签到,签退,时数类型,录入人,录入时间"
    ),
    "redemptions.csv": "小票号,时间,终端,服务站,志愿者编号,商品编码,数量",
    "returns.csv": "退货单号,时间,小票号,商品编码,数量",
    "deliveries.csv": "入库单号,站点编码,商品编码,数量,捐赠方,保质期",
}


class DatasetError(ValueError):
    """An input file that cannot be read as what it should be: file, line and what is wrong."""


class Station(Struct, frozen=True):
    """A station (服务站) with its place in the tree."""

    code: str
    name: str
    sub_centre: str
    centre: str


_REPLAY: Final = "replay:"


class Volunteer(Struct, frozen=True):
    """A volunteer (志愿者); no rule uses phone, household or home station."""

    id: str
    name: str
    born: date
    phone: str
    household: str
    station: str


def is_replay(ledger: str) -> bool:
    """Whether a ledger of this name is a replay's, where days that have not come may be lived through."""
    return ledger.startswith(_REPLAY)


class Dataset:
    """A folder of input files. Every method reads its file anew; a damaged one raises `DatasetError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        missing = [name for name in INPUT_FILES if not (folder / name).is_file()]
        if missing:
            raise DatasetError(f"{folder.name}: 缺少文件 (missing files): {', '.join(missing)}")

    @property
    def ledger(self) -> str:
        """The name of the ledger in which a replay of this data set is run."""
        return f"{_REPLAY}{self.digest()}"

    def digest(self) -> str:
        """SHA-256 (hex) over name, length and content of every input file: the identity of the data set."""
        whole = sha256()
        for name in INPUT_FILES:
            path = self.folder / name
            whole.update(f"{name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    whole.update(block)
        return whole.hexdigest()

    def policy(self) -> Policy:
        """The policy of the data set, in force on all its dates."""
        try:
            return load_policy(self.folder / "policy.json")
        except PolicyErrors as error:
            raise DatasetError(str(error)) from error

    def stations(self) -> Iterator[Station]:
        """All stations, in the order of the file."""
        return (Station(*fields) for _, fields in self._undamaged("stations.csv"))

    def volunteers(self) -> Iterator[Volunteer]:
        """All volunteers, in the order of the file."""
        for number, (id_, name, born, phone, household, station) in self._undamaged("volunteers.csv"):
            day = local_day(born)
            if day is None:
                raise DatasetError(f"volunteers.csv:{number}: 出生日期有误 (not a date of birth): {born!r}")
            yield Volunteer(id_, name, day, phone, household, station)

    def records(self) -> Iterator[Line]:
        """Every line of service hours in the order of processing, however many fields it has."""
        return read_lines(self.folder / "hours.csv")

    def baskets(self) -> Iterator[Basket]:
        """All baskets, in the order of the file: runs of consecutive lines with one receipt number."""
        lines = read_lines(self.folder / "redemptions.csv")
        for receipt_no, run in groupby(lines, key=lambda line: line[1][0]):
            yield _basket(receipt_no, list(run))

    def returns(self) -> Iterator[ReturnLine]:
        """All returns, in the order of the file."""
        for number, fields in read_lines(self.folder / "returns.csv"):
            whole = len(fields) == 5
            return_no, at, receipt_no, sku, quantity = (*fields, "", "", "", "")[:5]
            yield ReturnLine(return_no, at, receipt_no, sku, quantity, number, whole)

    def ids_at(self, source: str, lines: Collection[int]) -> dict[int, str]:
        """The ids, as they stand, of these lines of `hours`, `redemptions` or `returns`."""
        return {number: fields[0] for number, fields in read_lines(self.folder / f"{source}.csv", lines)}

    def _undamaged(self, name: str) -> Iterator[Line]:
        columns = _HEADERS[name].count(",") + 1
        seen: set[str] = set()
        for number, fields in read_lines(self.folder / name):
            if len(fields) != columns:
                raise DatasetError(
                    f"{name}:{number}: 应有 {columns} 列 (must have {columns} fields, has {len(fields)})"
                )
            if not fields[0] or fields[0] in seen:
                raise DatasetError(f"{name}:{number}: 编号为空或重复 (empty or repeated id): {fields[0]!r}")
            seen.add(fields[0])
            yield number, fields


def in_basket_order(baskets: Iterable[Basket]) -> list[Basket]:
    """Baskets in the order of processing: by time, then receipt number, then as in the file."""
    return sorted(baskets, key=lambda basket: (basket.at, basket.receipt_no))


def in_return_order(returns: Iterable[ReturnLine]) -> list[ReturnLine]:
    """Returns in the order of processing: by time, then return number, then as in the file."""
    return sorted(returns, key=lambda line: (line.at, line.return_no))


def read_lines(path: Path, only: Collection[int] | None = None) -> Iterator[Line]:
    """The lines of a CSV file without header and blank lines. Raises `DatasetError` for a wrong header.

    With `only` no others than these, by their physical numbers.
    """
    with path.open("rb") as file:
        header = file.readline().removeprefix(b"\xef\xbb\xbf")
        encoding = _encoding(header)
        expected = tuple(_HEADERS[path.name].split(","))
        if split_fields(_text(header, encoding)) != expected:
            raise DatasetError(f"{path.name}:1: 表头应为 (the header must be): {_HEADERS[path.name]}")
        for number, raw in enumerate(file, start=2):
            if only is not None and number not in only:
                continue
            line = _text(raw, encoding)
            if line.strip(" \t"):
                yield number, split_fields(line)


def split_fields(line: str) -> tuple[str, ...]:
    """The fields of one line: split first (RFC 4180), then each in NFKC and without blanks around it."""
    fields = line.split(",") if '"' not in line else _split_quoted(line)
    # A part of a normalised text is normalised, so one check for the line spares one for each field.
    if line.isascii() or is_normalized("NFKC", line):
        return tuple([field.strip(" \t") for field in fields])
    return tuple([normalize("NFKC", field).strip(" \t") for field in fields])


def _basket(receipt_no: str, run: list[Line]) -> Basket:
    number, first = run[0]
    whole = all(len(fields) == 7 and fields[:5] == first[:5] for _, fields in run)
    _, at, terminal, station, volunteer, _, _ = (*first, "", "", "", "", "", "")[:7]
    lines = tuple([BasketLine(*(*fields, "", "", "", "", "", "")[5:7]) for _, fields in run])
    return Basket(receipt_no, at, terminal, station, volunteer, lines, number, whole)


def _split_quoted(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:  # a quoted field beyond the parser's limit of 128 KiB: nothing that a station typed
        return line.split(",")


def _encoding(header: bytes) -> str:
    """UTF-8 if the header, which is Chinese, can be read as that, else GB18030."""
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _text(raw: bytes, encoding: str) -> str:
    """A line without its end; bytes that are no characters become U+FFFD, so that it gets its verdict."""
    return raw.decode(encoding, "replace").rstrip("\r\n")
