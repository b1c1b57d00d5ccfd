"""Rosters from files: every line has its verdict, once, on both engines."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import Connection, text
from tests.people_of import enrol, open_peopled

from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.sheets import SheetLine, open_sheet
from pointsbank.ledger.refusals import Refusal
from pointsbank.places import membership, model, tree
from pointsbank.places.model import KINDS, SINCE_EVER, Closing, Opening
from pointsbank.places.service import PlacesService
from pointsbank.places.stations import counts
from pointsbank.policy.calendar import start_of_day
from pointsbank.rosters.places import KIND_WORDS
from pointsbank.rosters.report import WORDS, write_report
from pointsbank.rosters.service import MembersRoster, PlacesRoster, RosterService
from pointsbank.store.database import Database

TODAY = date(2026, 11, 22)
HEADER = ("编码", "类型", "名称", "上级编码", "生效日期", "操作", "行业", "并入")

SMALL = (
    ("HRB", "市", "哈尔滨市", "", "", "", "", ""),
    ("C1", "中心", "道里区中心", "HRB", "2019-01-01", "", "", ""),
    ("C1A", "所", "兆麟街道所", "C1", "2019-01-01", "", "", ""),
    ("S1", "站", "一号站", "C1A", "2019-01-01", "", "", ""),
    ("S2", "站", "二号站", "C1A", "2019-01-01", "", "", ""),
    ("K1", "总队", "教育总队", "HRB", "2019-01-01", "开设", "education", ""),
    ("S1", "", "新一号站", "", "2020-01-01", "更名", "", ""),
    ("S2", "", "", "", "2021-01-01", "合并", "", "S1"),
    ("H1", "户", "一户", "S1", "2019-01-01", "", "", ""),
    ("T1", "队", "一队", "C1", "2019-01-01", "", "", ""),
)


def sheet_file(folder: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    path = folder / "roster.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return path


def workbook(folder: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    path = folder / "roster.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [header, *rows]:
        sheet.append([cell or None for cell in row])
    book.save(path)
    return path


@asynccontextmanager
async def ledger_on(database: Database) -> AsyncIterator[Ledger]:
    clock = FixedClock(start_of_day(TODAY, "Asia/Shanghai"))
    async with open_peopled(database, "land", clock=clock) as ledger:
        yield ledger


def places_of(path: Path) -> list[SheetLine]:
    with open_sheet(path, PlacesRoster.form) as sheet:
        return list(sheet)


async def bring_in(ledger: Ledger, lines: Sequence[SheetLine], source: str = "places:x") -> list[str]:
    service = RosterService(ledger, PlacesRoster(ledger))
    return await service.submit(source, lines, Command("import", source, "operator"))


def test_every_kind_has_a_word_in_files_and_every_refusal_one_in_reports() -> None:
    assert set(KIND_WORDS.values()) == set(KINDS)
    refusals = {
        str(kind.__struct_config__.tag)
        for kind in vars(model).values()
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }
    assert set(WORDS) == refusals | {"accepted", "malformed", "unknown-volunteer"}


@pytest.mark.parametrize("make", [sheet_file, workbook])
async def test_places_are_opened_and_changed_in_the_order_of_the_file(
    make: object, database: Database, tmp_path: Path
) -> None:
    assert callable(make)
    lines = places_of(make(tmp_path, SMALL))
    async with ledger_on(database) as ledger:
        assert await bring_in(ledger, lines) == ["accepted"] * len(SMALL)
        s1 = await database.read(tree.history, ledger.id, "S1")
        assert s1 is not None
        assert [(t.from_day, t.name) for t in s1.terms] == [
            (date(2019, 1, 1), "一号站"),
            (date(2020, 1, 1), "新一号站"),
        ]
        s2 = await database.read(tree.history, ledger.id, "S2")
        assert s2 is not None
        assert (s2.last.state, s2.last.successor) == ("closed", "S1")
        city = await database.read(tree.history, ledger.id, "HRB")
        assert city is not None
        assert city.last.from_day == SINCE_EVER
        corps = await database.read(tree.places_on, ledger.id, ["K1"], TODAY)
        assert corps["K1"].sector == "education"


async def test_each_line_has_its_verdict_and_the_others_count(database: Database, tmp_path: Path) -> None:
    rows = (
        ("HRB", "市", "哈尔滨市", "", "", "", "", ""),
        ("C1", "中心", "一", "HRB", "2019-01-01", "", "", ""),
        ("C1", "中心", "二", "HRB", "2019-01-01", "", "", ""),
        ("S1", "站", "一号站", "HRB", "2019-01-01", "", "", ""),
        ("S2", "站", "二号站", "C9", "2019-01-01", "", "", ""),
        ("S3", "站", "三号站", "C1", "2018-01-01", "", "", ""),
        ("S4", "店", "四号店", "C1", "2019-01-01", "", "", ""),
        ("S5", "站", "五号站", "C1", "2019/01/01", "", "", ""),
        ("S6", "站", "六号站", "C1", "2019-01-01", "庆祝", "", ""),
        ("S7", "站", "七号站", "C1", "2019-01-01", "", "", ""),
        ("C1", "", "", "", "2020-01-01", "关闭", "", ""),
        ("S7", "", "", "", "2020-01-01", "关闭", "", ""),
        ("C1", "", "", "", "2020-01-01", "关闭", "", ""),
        ("S7", "", "七", "", "2021-01-01", "更名", "", ""),
    )
    wanted = [
        "accepted", "accepted", "place-exists", "wrong-parent", "unknown-place", "place-not-open", "malformed",
        "malformed", "malformed", "accepted", "place-in-use", "accepted", "accepted", "place-not-open",
    ]  # fmt: skip
    lines = places_of(sheet_file(tmp_path, rows))
    async with ledger_on(database) as ledger:
        service = RosterService(ledger, PlacesRoster(ledger))
        assert await service.preview("places:x", lines) == wanted
        assert await database.read(counts, ledger.id) == {}, "a dry run changes nothing"
        assert await bring_in(ledger, lines) == wanted
        assert await database.read(counts, ledger.id) == {"city": 1, "centre": 1, "station": 1}


async def test_an_import_that_was_stopped_goes_on_and_counts_nothing_twice(
    database: Database, tmp_path: Path
) -> None:
    lines = places_of(sheet_file(tmp_path, SMALL))
    async with ledger_on(database) as ledger:
        assert await bring_in(ledger, lines[:4]) == ["accepted"] * 4
    async with ledger_on(database) as ledger:
        service = RosterService(ledger, PlacesRoster(ledger))
        assert await service.preview("places:x", lines) == ["accepted"] * len(SMALL)
        assert await bring_in(ledger, lines) == ["accepted"] * len(SMALL)
        head = await ledger.writer.store.head()
        assert await bring_in(ledger, lines) == ["accepted"] * len(SMALL)
        assert await ledger.writer.store.head() == head, "the third time there is nothing to write"
        assert set(await bring_in(ledger, lines, "places:another")) == {
            "place-exists",
            "nothing-changes",
            "place-not-open",
        }


async def test_two_imports_of_one_file_at_once_end_as_one(database: Database, tmp_path: Path) -> None:
    lines = places_of(sheet_file(tmp_path, SMALL))
    async with ledger_on(database) as ledger:
        both = await asyncio.gather(*(bring_in(ledger, lines) for _ in range(3)))
        assert both == [["accepted"] * len(SMALL)] * 3
        assert sum((await database.read(counts, ledger.id)).values()) == 8


async def test_a_line_is_planned_anew_when_somebody_else_was_faster(
    database: Database, tmp_path: Path
) -> None:
    """The parent closes between the reading and the writing: the line is refused, not entered under a closed one."""
    rows = [("C1", "中心", "一", "", "", "", "", ""), ("C1A", "所", "一所", "C1", "2020-01-01", "", "", "")]
    lines = places_of(sheet_file(tmp_path, rows))
    async with ledger_on(database) as ledger:
        assert await bring_in(ledger, lines[:1]) == ["accepted"]

        class Slow(PlacesRoster):
            closed = False

            async def acts(self, lines: Sequence[SheetLine]) -> list[object]:  # type: ignore[override]
                return list(await super().acts(lines))

            def work_out(self, atlas: object, act: object) -> object:  # type: ignore[override]
                planned = super().work_out(atlas, act)  # type: ignore[arg-type]
                if not self.closed:
                    self.closed = True
                    # queued before the line's own draft
                    service = PlacesService(ledger)
                    tasks.append(
                        asyncio.ensure_future(service.change(Closing("C1", TODAY), Command("test", "close")))
                    )
                return planned

        tasks: list[asyncio.Future[object]] = []
        service = RosterService(ledger, Slow(ledger))  # type: ignore[arg-type]
        [verdict] = await service.submit("places:y", lines[1:], Command("import", "y"))
        await asyncio.gather(*tasks)
        below = await database.read(tree.children, ledger.id, "C1", TODAY)
        c1 = await database.read(tree.history, ledger.id, "C1")
        assert c1 is not None
        assert c1.last.is_open == (verdict == "accepted") == bool(below)


async def test_a_city_of_one_eight_and_n_can_be_imported(database: Database, tmp_path: Path) -> None:
    """19 corps of 8 standing teams, and 4,107 teams beneath them."""
    rows = [("HRB", "市", "哈尔滨市", "", "", "", "", "")]
    rows += [(f"K{k:02}", "总队", f"{k} 总队", "HRB", "2020-01-01", "", "", "") for k in range(19)]
    rows += [
        (f"K{k:02}-{n}", "常备队", f"{k} 总队 {n} 队", f"K{k:02}", "2020-01-01", "", "", "")
        for k in range(19)
        for n in range(8)
    ]
    rows += [
        (
            f"T{t:04}",
            "服务队",
            f"{t} 队",
            # every tenth is a free team: the N beside the eight
            f"K{t % 19:02}" if t % 10 == 0 else f"K{t % 19:02}-{t % 8}",
            "2020-01-01",
            "",
            "",
            "",
        )
        for t in range(4107)
    ]
    lines = places_of(workbook(tmp_path, rows))
    async with ledger_on(database) as ledger:
        service = RosterService(ledger, PlacesRoster(ledger))
        assert Counter(await service.preview("places:x", lines)) == {"accepted": len(rows)}
        verdicts: list[str] = []
        for at in range(0, len(lines), 500):
            verdicts += await bring_in(ledger, lines[at : at + 500])
        assert Counter(verdicts) == {"accepted": len(rows)}
        assert await database.read(counts, ledger.id) == {
            "city": 1,
            "corps": 19,
            "standing-team": 152,
            "team": 4107,
        }
        whole = await database.read(tree.tree, ledger.id, TODAY)
        corps = [place for place in whole.places.values() if place.kind == "corps"]
        for place in corps:
            under = [whole.places[id_].kind for id_ in whole.below[place.id]]
            assert under.count("standing-team") == 8
        depths = Counter(len(whole.ancestors(id_)) for id_ in whole.places)
        assert depths == {1: 1, 2: 19, 3: 152 + 411, 4: 4107 - 411}


MEMBERS = ("组织编码", "志愿者编号", "加入日期", "退出日期", "角色")


async def _people(ledger: Ledger, *numbers: str) -> dict[str, str]:
    found = await enrol(ledger, dict.fromkeys(numbers, date(1990, 1, 1)))
    return {number: person.id for number, person in found.items()}


async def test_memberships_come_by_volunteer_number_and_are_kept_by_person_id(
    database: Database, tmp_path: Path
) -> None:
    rows = (
        ("T1", "V2301000001", "2020-05-01", "", "队长"),
        ("T1", "V2301000002", "2020-05-01", "2021-05-01", ""),
        ("H1", "V2301000001", "2020-05-01", "", "户主"),
        ("H2", "V2301000001", "2022-05-01", "", ""),
        ("H1", "V2301000001", "", "2022-05-01", ""),
        ("H2", "V2301000001", "2022-05-01", "", ""),
        ("T1", "V2301000009", "2020-05-01", "", ""),
        ("S1", "V2301000001", "2020-05-01", "", ""),
        ("T1", "V2301000001", "2023-05-01", "", ""),
        ("T2", "V2301000001", "", "2023-05-01", ""),
        ("T1", "V2301000002", "gestern", "", ""),
        ("V2301000002", "T1", "2020-05-01", "", ""),
    )
    path = sheet_file(tmp_path, rows, MEMBERS)
    with open_sheet(path, MembersRoster.form) as sheet:
        lines = list(sheet)
    wanted = [
        "accepted", "accepted", "accepted", "in-another-household", "accepted", "accepted", "unknown-volunteer",
        "not-a-group", "already-member", "not-a-member", "malformed", "unknown-volunteer",
    ]  # fmt: skip
    async with ledger_on(database) as ledger:
        ids = await _people(ledger, "V2301000001", "V2301000002")
        places = (*SMALL, ("H2", "户", "二户", "S1", "2019-01-01", "", "", ""))
        await bring_in(ledger, places_of(sheet_file(tmp_path, places)))
        await PlacesService(ledger).change(
            Opening("T2", "team", "二队", "C1", date(2019, 1, 1)), Command("t", "t2")
        )
        service = RosterService(ledger, MembersRoster(ledger))
        assert await service.preview("members:x", lines) == wanted
        assert await service.submit("members:x", lines, Command("import", "x")) == wanted
        assert await service.submit("members:x", lines, Command("import", "x")) == wanted
        anna = ids["V2301000001"]
        before = await database.read(membership.groups_of, ledger.id, [anna], date(2022, 4, 30))
        after = await database.read(membership.groups_of, ledger.id, [anna], date(2022, 5, 1))
        known = await database.read(tree.places_on, ledger.id, ["T1", "H1", "H2"], TODAY)
        assert before[anna] == {("team", known["T1"].id), ("household", known["H1"].id)}
        assert after[anna] == {("team", known["T1"].id), ("household", known["H2"].id)}
        assert await database.read(_traces_of, "V2301000") == []


def _traces_of(connection: Connection, needle: str) -> list[str]:
    """Tables, apart from that of the volunteers themselves, in which a text is found."""
    tables = ("intake_lines", "document_keys", "memberships", "places", "place_terms", "subjects")
    return [
        table
        for table in tables
        for row in connection.execute(text(f"SELECT * FROM {table}"))
        if any(needle in str(cell) for cell in row)
    ]


async def test_a_report_says_every_line_in_words_and_overwrites_nothing_else(tmp_path: Path) -> None:
    lines = [SheetLine(2, ("S1", "x")), SheetLine(4, ("=cmd()", "y")), SheetLine(5, ())]
    path = tmp_path / "report.csv"
    for _ in range(2):
        write_report(path, zip(lines, ("accepted", "place-in-use", "malformed"), strict=True))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["行号", "2", "4", "5"]
    assert rows[1][2] == "已登记"
    assert rows[2][1] == "'=cmd()"
    assert rows[2][4].startswith("place-in-use: ")
    foreign = tmp_path / "letter.csv"
    foreign.write_text("dear mayor")
    with pytest.raises(SheetError, match="report"):
        write_report(foreign, [])
