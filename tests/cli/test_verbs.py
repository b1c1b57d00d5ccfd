"""The verbs of the command line, run as an operator runs them, on both engines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import enrol, open_peopled

from pointsbank.cli.main import SECTIONS, main
from pointsbank.engine.opening import require_profile
from pointsbank.engine.registry import open_ledger
from pointsbank.people.directory import directory_of
from pointsbank.people.registry import Registry
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

HEADER = (
    "record_id,volunteer_id,activity_id,activity_name,category,station,session_start,session_end,"
    "check_in,check_out,hour_class,recorded_by,recorded_at\n"
)
VERBS = [verb for verbs in SECTIONS.values() for verb in verbs]


def invoke(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed, catch_exceptions=False)


def wallet_of(database: str) -> dict[str, Any]:
    """The wallet of V1."""
    found: dict[str, Any] = json.loads(
        invoke("balance", "--number", "--json", "--database", database, typed="V1\n").output
    )
    return found


def test_the_help_shows_the_product_without_loading_it() -> None:
    shown = invoke("--help").output
    for verb in VERBS:
        assert verb in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_worth_reading(verb: str) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 200


@pytest.fixture(autouse=True)
def lines_are_booked_as_they_come_in(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy of these verbs has its safeguards off."""
    monkeypatch.setenv("POINTSBANK_POLICY", str(unguarded_policy(tmp_path_factory.mktemp("policy"))))


@pytest.fixture
def small_city(database_url: str, tmp_path: Path) -> str:
    """A replayed town of two volunteers would be too much ceremony: one station, one person, through the doors."""
    from datetime import date

    from pointsbank.engine.commands import Command
    from pointsbank.places.stations import PLACES, opening

    async def build() -> None:
        database = Database(database_url)
        async with open_peopled(database) as ledger:
            await require_profile(ledger, "replay")
            await ledger.submit([opening("station", "S1", "一号站", "", Command("test", "s1"))], PLACES)
            await enrol(ledger, {"V1": date(1990, 1, 1)})
        await database.close()

    asyncio.run(build())
    return database_url


def hours_file(folder: Path, *lines: str) -> Path:
    path = folder / "hours.csv"
    path.write_text(HEADER + "".join(line + "\n" for line in lines), encoding="utf-8")
    return path


GOOD = (
    "R1,V1,A1,扫雪,ENV,S1,2026-01-07 09:00,2026-01-07 11:00,2026-01-07 08:50,2026-01-07 10:55,credit,OP1,"
    "2026-01-07 12:00"
)
EARLY = (
    "R2,V1,A1,扫雪,ENV,S1,2026-01-08 09:00,2026-01-08 11:00,2026-01-08 09:00,2026-01-08 11:00,credit,OP1,"
    "2026-01-08 10:00"
)


def test_an_import_books_what_counts_once_and_explains_every_line(small_city: str, tmp_path: Path) -> None:
    file = hours_file(tmp_path, GOOD, EARLY)
    dry = invoke("hours", "import", str(file), "--dry-run", "--database", small_city)
    assert "未入账" in dry.output
    assert wallet_of(small_city)["merit_minutes"] == 0
    report = tmp_path / "report.csv"
    first = invoke("hours", "import", str(file), "--report", str(report), "--database", small_city)
    assert first.exit_code == 0, first.output
    again = invoke(
        "hours", "import", str(file), "--report", str(tmp_path / "again.csv"), "--database", small_city
    )
    assert again.exit_code == 0, again.output
    wallet = wallet_of(small_city)
    assert (wallet["merit_minutes"], wallet["pending"], wallet["available"]) == (115, 1500, 0)
    text = report.read_text("utf-8-sig")
    assert "录入过早" in text
    assert text == (tmp_path / "again.csv").read_text("utf-8-sig")


def test_the_report_and_the_standing_say_how_many_points_a_cap_on_holdings_cut(
    small_city: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unguarded_policy(tmp_path)
    capped = path.read_text("utf-8").replace("balance_cap_points = 0", "balance_cap_points = 10")
    path.write_text(capped, "utf-8")
    monkeypatch.setenv("POINTSBANK_POLICY", str(path))
    file, told = hours_file(tmp_path, GOOD), list[str]()
    for name in ("first.csv", "again.csv"):
        report = tmp_path / name
        result = invoke("hours", "import", str(file), "--report", str(report), "--database", small_city)
        assert result.exit_code == 0, result.output
        told.append(report.read_text("utf-8-sig"))
    assert told[0] == told[1]
    assert "积分 10.00。另有 5.00 积分超出个人持有上限，未计入。" in told[0]
    wallet = wallet_of(small_city)
    assert (wallet["merit_minutes"], wallet["pending"]) == (115, 1000)
    shown = invoke("activities", "standing", "R1", "--database", small_city).output
    assert "5.00 points were not credited" in shown


def test_notice_release_statement_reversal_and_expiry(small_city: str, tmp_path: Path) -> None:
    invoke("hours", "import", str(hours_file(tmp_path, GOOD)), "--database", small_city)
    assert "0 条" in invoke("release", "--database", small_city).output
    for told in ("给张三错记了", "13812345678", "Zhang San"):  # it stands in the journal for good: a code
        assert invoke("reverse", "2", "--reason", told, "--database", small_city).exit_code == 1
    reversed_ = invoke("reverse", "2", "--reason", "wrong-volunteer", "--database", small_city)
    assert reversed_.exit_code == 0, reversed_.output
    wallet = wallet_of(small_city)
    assert (wallet["merit_minutes"], wallet["pending"]) == (0, 0)
    assert invoke("reverse", "2", "--reason", "again", "--database", small_city).exit_code == 1


def test_looking_works_beside_the_process_that_owns_the_books(small_city: str, tmp_path: Path) -> None:
    """A dry run and a list of keys write nothing, so nobody must stop the service for them."""
    store = Database(small_city).store(ledger_id_of("city"))
    file = hours_file(tmp_path, GOOD)

    async def beside_a_writer() -> list[Result]:
        await store.open()
        try:
            return [
                await asyncio.to_thread(invoke, *verb, "--database", small_city)
                for verb in (("hours", "import", str(file), "--dry-run"), ("keys", "list"), ("expire",))
            ]
        finally:
            await store.close()

    dry, keys, expiry = asyncio.run(beside_a_writer())
    assert (dry.exit_code, keys.exit_code) == (0, 0), dry.output + keys.output
    assert "accepted" in dry.output
    assert (expiry.exit_code == 0) is small_city.startswith("postgresql")


def test_days_to_come_are_lived_through_in_a_replay_only_and_no_ledger_is_made_by_a_slip(
    small_city: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = invoke("expire", "--ledger", "no-such", "--database", small_city)
    assert unknown.exit_code == 1
    assert "no-such" in unknown.output

    async def make() -> None:
        database = Database(small_city)
        for name, profile in (("replay:0123", "replay"), ("live", "live")):
            async with open_ledger(database, name) as ledger:
                await require_profile(ledger, profile)
        await database.close()

    asyncio.run(make())
    for verb in ("expire", "release"):
        unguarded = invoke(verb, "--ledger", "live", "--database", small_city)
        assert unguarded.exit_code == 1
        assert "safeguards.separate_verification" in unguarded.output
        with monkeypatch.context() as shipped:
            shipped.delenv("POINTSBANK_POLICY")
            early = invoke(verb, "--as-of", "2999-01-01", "--ledger", "live", "--database", small_city)
        assert early.exit_code == 1
        assert "2999-01-01" in early.output
    for verb in ("expire", "release"):
        done = invoke(verb, "--as-of", "2999-01-01", "--ledger", "replay:0123", "--database", small_city)
        assert done.exit_code == 0, done.output


def test_a_refusal_says_what_to_do_in_both_languages(small_city: str) -> None:
    refused = invoke("reverse", "77", "--reason", "x", "--database", small_city)
    assert refused.exit_code == 1
    assert "77" in refused.output
    assert "没有" in refused.output
    assert "there is no" in refused.output.lower()


def test_verify_holds_and_a_backup_restores_into_either_engine(
    small_city: str, tmp_path: Path, second_postgres_url: str
) -> None:
    invoke("hours", "import", str(hours_file(tmp_path, GOOD, EARLY)), "--database", small_city)
    assert invoke("verify", "--database", small_city).exit_code == 0
    looked = invoke("statement", "--number", "--json", "--database", small_city, typed="V1\n")
    wallet = json.loads(looked.output)["account"]
    backup = tmp_path / "books.backup"
    made = invoke("db", "backup", str(backup), "--database", small_city)
    assert made.exit_code == 0, made.output
    for target in (f"sqlite:///{tmp_path / 'restored.db'}", second_postgres_url):
        restored = invoke("db", "restore", str(backup), "--database", target)
        assert restored.exit_code == 0, restored.output
        assert invoke("db", "check", "--database", target).exit_code == 0
        before = json.loads(invoke("balance", wallet, "--json", "--database", small_city).output)
        assert json.loads(invoke("balance", wallet, "--json", "--database", target).output) == before
        assert invoke("db", "restore", str(backup), "--database", target).exit_code == 1


def test_a_new_bank_is_filled_from_files_and_twice_changes_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "stations.csv").write_text("站点编码,名称,所编码,中心编码\nS1,一号站,P1,C1\n", "utf-8")
    (tmp_path / "volunteers.csv").write_text(
        "志愿者编号,姓名,出生日期,手机号,家庭编号,服务站\nV1,某某,1990-01-01,,,S1\n", "gb18030"
    )
    (tmp_path / "deliveries.csv").write_text(
        "入库单号,站点编码,商品编码,数量,捐赠方,保质期\nD1,S1,G001,10,donor-1,2027-01-01\nD1,S1,G002,5,donor-1,2027-01-01\n",
        "utf-8",
    )
    asyncio.run(opened_as_replay(database_url))
    first = invoke("register", str(tmp_path), "--database", database_url)
    assert first.exit_code == 0, first.output
    assert first.output.count(" 1 ") == 3
    assert "available" in invoke("balance", "--number", "--database", database_url, typed="V1\n").output
    again = invoke("register", str(tmp_path), "--database", database_url)
    assert again.exit_code == 0, again.output
    assert again.output.count(" 0 ") == 3
    (tmp_path / "deliveries.csv").write_text(
        "入库单号,站点编码,商品编码,数量,捐赠方,保质期\nD2,S1,G001,-1,x,\n", "utf-8"
    )
    assert invoke("register", str(tmp_path), "--database", database_url).exit_code == 1


def test_a_damaged_backup_is_refused(small_city: str, tmp_path: Path) -> None:
    junk = tmp_path / "junk.backup"
    junk.write_bytes(b"PK not really")
    result = invoke("db", "restore", str(junk), "--database", f"sqlite:///{tmp_path / 'x.db'}")
    assert result.exit_code == 1
    assert not (tmp_path / "x.db").exists()


def test_looking_at_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    result = invoke("balance", "--number", "--database", f"sqlite:///{tmp_path / 'none.db'}", typed="V1\n")
    assert result.exit_code == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["balance", "statement"])
def test_a_volunteer_number_is_read_and_never_taken_from_the_command_line(small_city: str, verb: str) -> None:
    common = ("--database", small_city)
    for number in ("V1", "HRB2300000000000001"):
        refused = invoke(verb, number, *common)
        assert refused.exit_code == 2
        assert "--number" in refused.output
        assert number not in refused.output
    for both_or_none in ((), ("volunteer:x:available", "--number")):
        assert invoke(verb, *both_or_none, *common, typed="V1\n").exit_code == 2
    by_number = invoke(verb, "--number", *common, typed="V1\n")
    assert by_number.exit_code == 0, by_number.output
    unknown = invoke(verb, "--number", *common, typed="V77777\n")
    assert unknown.exit_code == 1
    assert "V77777" not in unknown.output
    holder = wallet_of(small_city)["holder"]
    by_id = invoke(verb, holder, *common)
    assert by_id.exit_code == 0, by_id.output
    assert by_id.output.splitlines()[1:] == by_number.output.splitlines()[1:]
    nobody = invoke(verb, holder[:-4] + "0000", *common)
    assert nobody.exit_code == 1


def test_ruling_7_numbers_asked_for_in_the_shell_are_counted_and_logged_as_searches(small_city: str) -> None:
    for n in range(30):
        verb = ("balance", "statement")[n % 2]
        told = invoke(verb, "--number", "--database", small_city, typed=("V1\n", "V77777\n")[n % 3 == 0])
        assert told.exit_code == (n % 3 == 0), told.output
    refused = invoke("balance", "--number", "--database", small_city, typed="V1\n")
    assert refused.exit_code == 1
    assert "30" in refused.output

    async def lines() -> list[tuple[str, bool]]:
        database = Database(small_city)
        async with open_peopled(database) as ledger:
            seen = await Registry(directory_of(ledger).store).seen_by("operator")
        await database.close()
        return sorted((line.action, bool(line.person_id)) for line in seen)

    assert asyncio.run(lines()) == [("find", False)] * 10 + [("find", True)] * 20, "misses too"
