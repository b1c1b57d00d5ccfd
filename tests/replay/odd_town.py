"""Makes small data sets of a town where much goes wrong: dirty files, strange ids, wrong clocks, other rules."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

ODD_IDS = (
    "a\x1fb",
    "nul\x00nul",
    "back\\slash",
    "back\\0slash",
    "sha256:" + "0" * 64,
    "zero\u200bwidth",
    "tab\tin",
    "R 1 2",
    "甲乙，丙",
    'say "hi"',
    "x" * 300,
    "长" * 6000,
    "\ufffd",
    "\ue000",
    "\x7f",
    "\\",
    "a/b:c",
    "'--",
)
"""Ids that no station typed on purpose, and that each must get its verdict."""


def make_town(folder: Path, seed: int) -> Path:
    """A data set in `folder`, the same for the same seed."""
    town = _Town(Random(seed))
    folder.mkdir()
    (folder / "policy.json").write_text(json.dumps(town.policy, ensure_ascii=False), "utf-8")
    _write(folder / "stations.csv", "站点编码,名称,所编码,中心编码", town.station_lines(), "utf-8", "\n")
    _write(
        folder / "volunteers.csv",
        "志愿者编号,姓名,出生日期,手机号,家庭编号,服务站",
        town.volunteer_lines(),
        "utf-8",
        "\n",
    )
    header = "记录编号,志愿者编号,活动编号,活动名称,服务类别,服务站,场次开始,场次结束,签到,签退,时数类型,录入人,录入时间"
    _write(folder / "hours.csv", header, town.record_lines(1600), "gb18030", "\r\n")
    header = "小票号,时间,终端,服务站,志愿者编号,商品编码,数量"
    _write(folder / "redemptions.csv", header, town.basket_lines(500), "utf-8-sig", "\n")
    _write(
        folder / "returns.csv", "退货单号,时间,小票号,商品编码,数量", town.return_lines(200), "utf-8", "\n"
    )
    return folder


def _write(path: Path, header: str, lines: Sequence[str], encoding: str, end: str) -> None:
    path.write_bytes((end.join((header, *lines)) + end).encode(encoding))


def _line(dice: Random, fields: Sequence[str]) -> str:
    """A line of a file; some fields full-width, with blanks around, or in quotes without need."""
    written = []
    for field in fields:
        text = field
        if dice.random() < 0.02:
            text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c != "," else c for c in text)
        if dice.random() < 0.03:
            text = dice.choice((" ", "\t", "\u3000", "  ")) + text + dice.choice(("", " ", "\t "))
        if "," in text or '"' in text or dice.random() < 0.02:
            text = '"' + text.replace('"', '""') + '"'
        written.append(text)
    return ",".join(written)


class _Town:
    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.stations = [f"S{n:02}" for n in range(8)] + ["S odd", "S\x1f9", "S" * 220]
        self.volunteers = [f"V{n:03}" for n in range(18)] + [
            "V 1",
            "V\x00",
            "V\\0",
            "V\u200b",
            "V" * 250,
            "没有记录",
        ]
        self.policy = self._policy()
        self.skus = [good["sku"] for good in self.policy["goods"]]  # type: ignore[attr-defined]
        self.sold: list[tuple[str, datetime, list[str]]] = []

    def _policy(self) -> dict[str, object]:
        dice = self.dice
        categories = [
            {
                "code": code,
                "name": code,
                "coefficient_hundredths": dice.choice((55, 100, 133, 210)),
                "per_event": False,
                "points_per_event": None,
                "minimum_age": age,
            }
            for code, age in (("ENV", 6), ("E/1", 0), ("环保", 16), ("x.y-z_1", 18), ("K" * 70, 6))
        ]
        categories += [
            {
                "code": code,
                "name": code,
                "coefficient_hundredths": None,
                "per_event": True,
                "points_per_event": points,
                "minimum_age": 6,
            }
            for code, points in (("CASE", 17), ("NOTHING", 0))
        ]
        goods = [
            {
                "sku": f"G{n:02}",
                "ean13": _ean13(n),
                "name": f"货{n}",
                "price_points": dice.choice((0, 1, 3, 7, 12)),
                "monthly_limit": dice.choice((None, None, None, 0, 2, 6)),
                "opening_stock": dice.choice((0, 2, 9, 60)),
            }
            for n in range(12)
        ]
        return {
            "policy": f"odd-{dice.randrange(1000)}",
            "city": "怪镇",
            "timezone": "Asia/Shanghai",
            "points_per_hour": dice.choice((7, 11)),
            "round_down_minutes": dice.choice((1, 7, 15)),
            "session_max_hours": dice.choice((24, 400)),
            "caps": {"activity_minutes": 200, "day_minutes": 300, "year_minutes": 2000},
            "participation_floor_percent": dice.choice((0, 75)),
            "record_deadline_working_days": dice.choice((1, 3)),
            "public_notice_days": dice.choice((0, 5)),
            "expiry_years_after_service_year": dice.choice((1, 2)),
            "return_hours": 48,
            "hour_classes": {"信用": {"earns_points": True}, "荣誉": {"earns_points": False}},
            "categories": categories,
            "goods": goods,
        }

    def station_lines(self) -> list[str]:
        return [_line(self.dice, (code, f"站 {code[:9]}", "P1", "C1")) for code in self.stations]

    def volunteer_lines(self) -> list[str]:
        lines = []
        for number in self.volunteers:
            born = self.dice.choice(
                ("1960-02-29", "1990-05-05", "2008-02-29", "2009-12-31", "2019-06-01", "2024-01-01")
            )
            lines.append(_line(self.dice, (number, "某,某", born, "19900000000", "F1", "S01")))
        return lines

    # service hours

    def record_lines(self, count: int) -> list[str]:
        lines: list[str] = []
        records: list[list[str]] = []
        for n in range(count):
            if records and self.dice.random() < 0.08:
                fields = list(self.dice.choice(records))
                if self.dice.random() < 0.5:
                    fields[self.dice.randrange(1, 13)] = self.dice.choice(
                        ("荣誉", "V001", "ENV", "2026-01-05 10:00")
                    )
            else:
                fields = self._record(n)
                records.append(fields)
            if self.dice.random() < 0.05:
                fields = self._damaged(list(fields))
            lines.append(_line(self.dice, fields))
            if self.dice.random() < 0.01:
                lines.append(self.dice.choice(("", " ", "\t \t")))
        return lines

    def _record(self, n: int) -> list[str]:
        dice = self.dice
        start = _at(2025, 11, 20) + timedelta(minutes=15 * dice.randrange(96 * 70))
        if dice.random() < 0.02:
            start = dice.choice((_at(9999, 12, 30, 12), _at(7000, 1, 1), _at(2, 1, 1), _at(1, 1, 1)))
        end = start + timedelta(minutes=dice.choice((0, 30, 45, 60, 119, 240, 240, 300, 720, 2000)))
        check_in = _moved(start, dice.choice((-20, 0, 0, 0, 11, 30)))
        check_out = _moved(end, dice.choice((-60, -15, 0, 0, 0, 20)))
        recorded = _moved(end, dice.choice((-1, 0, 0, 0, 60, 60, 60, 1440, 2880, 7 * 1440)))
        volunteer = dice.choice(self.volunteers) if dice.random() < 0.97 else dice.choice(("V999", *ODD_IDS))
        return [
            f"R{n:05}" if dice.random() < 0.95 else dice.choice(ODD_IDS) + str(n % 3),
            volunteer,
            f"A{n % 40}",
            dice.choice(("清雪", "读书，会", "x" * 3000, "a\x1fb", "c\\d", "nul\x00")),
            dice.choice(
                ("ENV", "ENV", "E/1", "环保", "x.y-z_1", "K" * 70, "CASE", "NOTHING", "ENV", "E/1", "SNOW")
            ),
            dice.choice(self.stations) if dice.random() < 0.97 else dice.choice(("S99", *ODD_IDS)),
            *(f"{at.year:04}-{at:%m-%d %H:%M}" for at in (start, end, check_in, check_out)),
            dice.choice(("信用", "信用", "信用", "荣誉")),
            volunteer if dice.random() < 0.02 else dice.choice(("V001", "操作员", "op\x1f1")),
            f"{recorded.year:04}-{recorded:%m-%d %H:%M}",
        ]

    def _damaged(self, fields: list[str]) -> list[str]:
        match self.dice.randrange(6):
            case 0:
                return fields[: self.dice.randrange(1, 13)]
            case 1:
                return [*fields, ""]
            case 2:
                fields[self.dice.randrange(13)] = ""
            case 3:
                fields[self.dice.choice((6, 7, 8, 9, 12))] = self.dice.choice(
                    (
                        "2026/01/05 09:00",
                        "2026-02-30 09:00",
                        "24:00",
                        "2026-01-05 09:00:00",
                        "0000-01-01 00:00",
                        "\x00",
                    )
                )
            case 4:
                fields[10] = self.dice.choice(("信 用", "其他", "\x1f"))
            case _:
                return [self.dice.choice(ODD_IDS), "乱"]
        return fields

    # baskets

    def basket_lines(self, count: int) -> list[str]:
        dice = self.dice
        runs: list[list[list[str]]] = []
        for n in range(count):
            if runs and dice.random() < 0.08:
                again = [list(line) for line in dice.choice(runs)]
                match dice.randrange(3):
                    case 0:
                        again[0][6] = dice.choice(("1", "2", "9999"))
                    case 1:
                        for line in again:
                            line[1] = "2025-11-30 08:00:00"
                run = again
            else:
                run = self._basket(n)
            if runs and runs[-1][0][0] == run[0][0]:
                continue
            runs.append(run)
        return [
            text
            for run in runs
            for line in run
            for text in ((_line(dice, line), "") if dice.random() < 0.02 else (_line(dice, line),))
        ]

    def _basket(self, n: int) -> list[list[str]]:
        dice = self.dice
        at = _at(2025, 12, 1) + timedelta(seconds=dice.randrange(100 * 86_400))
        if dice.random() < 0.04:
            at = dice.choice((_at(1, 1, 1), _at(9999, 12, 31, 23, 59, 59), _at(2027, 1, 1), _at(2030, 5, 5)))
        number = f"B{n:04}" if dice.random() < 0.95 else dice.choice(ODD_IDS) + "B" + str(n % 4)
        head = [
            number,
            f"{at.year:04}-{at:%m-%d %H:%M:%S}",
            dice.choice(("T1", "T2", "T 3", "T\x1f4", "T" * 230)),
            dice.choice(self.stations),
            dice.choice(self.volunteers) if dice.random() < 0.97 else dice.choice(("V999", *ODD_IDS)),
        ]
        skus = [
            dice.choice(self.skus) if dice.random() < 0.98 else dice.choice(("G99", *ODD_IDS))
            for _ in range(dice.choice((1, 1, 1, 2, 3, 5)))
        ]
        self.sold.append((number, at, skus))
        return [
            [
                *head,
                sku,
                dice.choice(("1", "1", "1", "2", "3"))
                if dice.random() < 0.96
                else dice.choice(("0", "-1", "+1", "1.5", "00001", "9999", "\x00", "٣")),
            ]
            for sku in skus
        ]

    def return_lines(self, count: int) -> list[str]:
        lines = []
        for n in range(count):
            number, at, skus = self.dice.choice(self.sold)
            later = timedelta(
                seconds=self.dice.choice((0, 1, 3600, 47 * 3600, 48 * 3600, 48 * 3600 + 1, 90 * 3600))
            )
            at = at if at.year == 9999 else at + later
            number = number if self.dice.random() < 0.95 else self.dice.choice(("B9999", *ODD_IDS))
            sku = self.dice.choice(skus) if self.dice.random() < 0.95 else self.dice.choice(("G99", *ODD_IDS))
            name = f"TH{n:04}" if self.dice.random() < 0.95 else f"{self.dice.choice(ODD_IDS)}{n}"
            lines.append(
                _line(
                    self.dice,
                    (
                        name,
                        f"{at.year:04}-{at:%m-%d %H:%M:%S}",
                        number,
                        sku,
                        self.dice.choice(("1", "1", "2", "7")),
                    ),
                )
            )
        return lines


def _ean13(n: int) -> str:
    text = f"2{n:011}"
    return text + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(text)) % 10)


def _at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A time on the town's clock; files name no zone."""
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _moved(at: datetime, minutes: int) -> datetime:
    """Some minutes later, within the calendar."""
    try:
        return at + timedelta(minutes=minutes)
    except OverflowError:
        return at
