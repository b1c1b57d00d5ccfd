"""`pointsbank places`, run as an operator runs it, on both engines."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from click.testing import CliRunner, Result
from tests.people_of import enrol, open_peopled

from pointsbank.cli.main import main
from pointsbank.store.database import Database


def places(url: str, *arguments: str, typed: str = "") -> Result:
    words = ["places", *arguments, "--database", url]
    return CliRunner().invoke(main, words, input=typed, catch_exceptions=False)


def done(url: str, *arguments: str, typed: str = "") -> str:
    result = places(url, *arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_tree_grows_and_changes_by_hand(database_url: str) -> None:
    url = database_url
    asyncio.run(_registered(url))
    done(url, "open", "HRB", "city", "哈尔滨市", "--from", "2019-01-01")
    for code in ("C1", "C2"):
        done(url, "open", code, "centre", f"{code} 中心", "--under", "HRB", "--from", "2019-01-01")
    for code in ("S1", "S2"):
        done(url, "open", code, "station", f"{code} 站", "--under", "C1", "--from", "2020-01-01")
    done(url, "move", "S1", "--under", "C2", "--from", "2025-05-01")
    done(url, "rename", "S1", "新站", "--from", "2025-06-01")
    assert "C2 C2 中心 › HRB 哈尔滨市" in done(url, "show", "S1")
    assert "C1 C1 中心 › HRB 哈尔滨市" in done(url, "show", "S1", "--on", "2025-04-30")
    refused = places(url, "close", "C2", "--from", "2026-01-01")
    assert refused.exit_code == 1
    assert "没有关闭" in refused.output
    done(url, "merge", "S2", "--into", "S1", "--from", "2026-01-01")
    listed = done(url, "list", "--kind", "station", "--on", "2026-02-01")
    assert [line.split()[0] for line in listed.splitlines()] == ["S1"]
    assert "→ S1" in done(url, "show", "S2", "--on", "2026-02-01")
    done(url, "open", "T1", "team", "一队", "--under", "C1", "--from", "2020-01-01")
    done(url, "join", "T1", "--role", "head", "--from", "2021-01-01", typed="V1\n")
    assert "head" in done(url, "members", "T1", "--on", "2021-01-01")
    done(url, "leave", "T1", "--from", "2022-01-01", typed="V1\n")
    assert done(url, "members", "T1", "--on", "2022-01-01") == ""
    assert "0 处" in done(url, "settle")
    nobody = places(url, "join", "T1", typed="V77777\n")
    assert nobody.exit_code == 1
    assert "V77777" not in nobody.output
    assert places(url, "join", "T1", "--volunteer", "V1").exit_code == 2, "no number on a command line"


async def _registered(url: str) -> None:
    database = Database(url)
    async with open_peopled(database) as ledger:
        await enrol(ledger, {"V1": date(1990, 1, 1)})
    await database.close()


def test_a_file_is_judged_brought_in_once_and_explained(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(
        "编码,类型,名称,上级编码\nHRB,市,哈尔滨市,\nC1,中心,道里,HRB\nS1,站,一号站,C1\nS2,站,二号站,HRB\n",
        encoding="utf-8",
    )
    dry = done(database_url, "import", str(file), "--dry-run")
    assert "未登记" in dry
    assert done(database_url, "list") == ""
    for _ in range(2):
        said = done(database_url, "import", str(file))
        assert "3  已登记" in said
        assert "1  上级有误  wrong-parent" in said
    assert len(done(database_url, "list").splitlines()) == 3
    [report] = [path for path in tmp_path.glob("*.report-*.csv") if "dry-run" not in path.name]
    assert len(report.read_text("utf-8-sig").splitlines()) == 5


def test_a_file_that_is_no_roster_is_refused_with_a_sentence(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    result = places(database_url, "import", str(file))
    assert result.exit_code == 1
    assert "表头" in result.output
