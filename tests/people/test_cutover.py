"""The schema without numbers goes over books in which nobody is; from older books there is no way but anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, inspect, text

from pointsbank.cli.main import main
from pointsbank.store.database import Database
from pointsbank.store.schema import downgrade, missing_triggers, upgrade, write_connection

OLD_VOLUNTEER = "INSERT INTO volunteers VALUES (1, 'V1', 'id-1', '1990-01-01', 0, 'active')"


async def test_the_personal_columns_go_and_come_back_over_empty_books(database: Database) -> None:
    await downgrade(database, "0005")
    assert {"number", "born_on"} <= await database.read(_columns, "volunteers")
    await upgrade(database)
    assert await database.read(_columns, "volunteers") == {
        "ledger_id",
        "volunteer_id",
        "registered_at",
        "state",
    }
    assert {"fingerprint", "sealed"} <= await database.read(_columns, "service_records")
    assert await database.read(missing_triggers) == []


async def test_books_with_volunteers_are_not_migrated_and_stay_as_they_are(database: Database) -> None:
    await downgrade(database, "0005")
    await write_connection(database, lambda c: c.execute(text(OLD_VOLUNTEER)) and None)
    with pytest.raises(RuntimeError, match="make a new database"):
        await upgrade(database)
    assert {"number", "born_on"} <= await database.read(_columns, "volunteers")
    assert await database.read(_volunteers) == 1


def test_upgrading_makes_the_people_store_too_and_needs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSBANK_MASTER_KEY")
    result = CliRunner().invoke(main, ["db", "upgrade", "--database", f"sqlite:///{tmp_path / 'books.db'}"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "people.db").stat().st_mode & 0o777 == 0o600


def test_serve_refuses_to_start_without_a_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTSBANK_MASTER_KEY")
    url = f"sqlite:///{tmp_path / 'books.db'}"
    CliRunner().invoke(main, ["db", "upgrade", "--database", url])
    for verb in (["serve"], ["register", str(_volunteers_file(tmp_path))]):
        result = CliRunner().invoke(main, [*verb, "--database", url])
        assert result.exit_code == 1, result.output
        assert "POINTSBANK_MASTER_KEY_FILE" in result.output


def _volunteers_file(folder: Path) -> Path:
    header = "志愿者编号,姓名,出生日期,手机号,家庭编号,服务站\n"
    (folder / "volunteers.csv").write_text(header + "V1,甲乙,1990-01-01,,,\n", encoding="utf-8")
    return folder


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def _volunteers(connection: Connection) -> int:
    return connection.execute(text("SELECT count(*) FROM volunteers")).scalar_one()
