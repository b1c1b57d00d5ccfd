"""`pointsbank people`, as an operator runs it: nothing personal on the command line, nothing in full by chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsbank.cli.main import main
from pointsbank.people.master import read_file

from .conftest import id_number

PERSON = {
    "name": "司马佳慧",
    "phone": "13845670123",
    "volunteer_number": "V2301987654",
    "id_number": id_number("1961-07-09"),
}


class Desk:
    """The verbs over one database, with a master key."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self.key = folder / "master.key"
        self.run("keys", "generate", str(self.key), database=False)
        monkeypatch.delenv("POINTSBANK_MASTER_KEY", raising=False)
        monkeypatch.setenv("POINTSBANK_MASTER_KEY_FILE", str(self.key))
        monkeypatch.setenv("POINTSBANK_ERASURES", str(folder / "people.erasures"))
        self.run("upgrade")

    def run(self, *arguments: str, given: str = "", exit_code: int = 0, database: bool = True) -> Result:
        options = ["--database", self.url] if database else []
        result = CliRunner().invoke(
            main, ["people", *arguments, *options], input=given, catch_exceptions=False
        )
        assert result.exit_code == exit_code, result.output + result.stderr
        return result

    def register(self, person: dict[str, str], acting: str, role: str = "volunteer") -> str:
        result = self.run("register", "--role", role, "--as", acting, given=json.dumps(person))
        return result.output.split()[3]


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(database_url, tmp_path, monkeypatch)


@pytest.fixture
def clerk(desk: Desk) -> str:
    return desk.register({"name": "经办人"}, "first", "staff")


def test_a_person_from_registering_to_forgetting(desk: Desk, clerk: str, tmp_path: Path) -> None:
    person = desk.register(PERSON, clerk)
    found = desk.run("find", "--by", "phone", "--as", clerk, given="138 4567 0123\n").output
    assert found.split() == [person, "active", "司**慧", "60–69"]
    shown = desk.run("show", person, "--as", clerk).output
    assert "138****0123" in shown
    for value in PERSON.values():
        assert value not in found + shown
    assert desk.run("unmask", person, "name", "--reason", "核对证件", "--as", clerk).output == "司马佳慧\n"
    desk.run("unmask", person, "name", "--reason", " ", "--as", clerk, exit_code=1)
    taken = desk.run("consent", person, "--give", "photos", "--wording", "2026-1", "--as", clerk).output
    assert "standing" in taken
    assert "withdrawn" in desk.run("consent", person, "--withdraw", taken.split()[0], "--as", clerk).output
    file = tmp_path / "own.json"
    desk.run("export", person, str(file), "--as", clerk)
    assert json.loads(file.read_text("utf-8"))["phone"] == "+8613845670123"
    assert file.stat().st_mode & 0o777 == 0o600
    desk.run("freeze", person, "--as", clerk)
    desk.run("close", person, "--as", clerk)
    assert "nobody" in desk.run("find", "--by", "phone", "--as", clerk, given="13845670123").output
    assert (tmp_path / "people.erasures").read_text() == f"{person}\n"
    desk.run("close", person, "--as", clerk)
    gone = desk.run("show", person, "--as", clerk, exit_code=1)
    assert "No such person" in gone.stderr


def test_who_is_no_member_of_staff_gets_nothing(desk: Desk, clerk: str) -> None:
    person = desk.register(PERSON, clerk)
    for acting in ("nobody", person, "first"):
        refused = desk.run("find", "--by", "phone", "--as", acting, given="13845670123\n", exit_code=1)
        assert "no active member of staff" in refused.stderr
    desk.run("register", "--role", "staff", "--as", "first", given='{"name": "另一人"}', exit_code=1)
    desk.run("freeze", clerk, "--as", clerk)
    desk.run("show", person, "--as", clerk, exit_code=1)


def test_a_mistake_repeats_nothing_of_what_was_typed(desk: Desk, clerk: str) -> None:
    wrong = {**PERSON, "id_number": "230102196107090000"}
    said = desk.run("register", "--as", clerk, given=json.dumps(wrong), exit_code=1).stderr
    said += desk.run("register", "--as", clerk, given=json.dumps(wrong)[:-3], exit_code=1).stderr
    said += desk.run(
        "register", "--as", clerk, given=json.dumps({**PERSON, "born": "9.7.1961"}), exit_code=1
    ).stderr
    said += desk.run(
        "find", "--by", "id-number", "--as", clerk, given="230102196107090000\n", exit_code=1
    ).stderr
    desk.register(PERSON, clerk)
    said += desk.run("register", "--as", clerk, given=json.dumps(PERSON), exit_code=1).stderr
    for value in (*PERSON.values(), "230102196107090000", "9.7.1961"):
        assert value not in said


def test_master_keys_rotate_and_retire(desk: Desk, clerk: str) -> None:
    person = desk.register(PERSON, clerk)
    old = read_file(desk.key).current.id
    assert "in use" in desk.run("keys", "retire", old, exit_code=1).stderr
    assert "3 keys" in desk.run("keys", "rotate").output
    fresh = read_file(desk.key).current.id
    assert [key.id for key in read_file(desk.key).all] == [fresh, old]
    desk.run("keys", "retire", old)
    assert [key.id for key in read_file(desk.key).all] == [fresh]
    assert "138****0123" in desk.run("show", person, "--as", clerk).output
    desk.run("keys", "retire", old, exit_code=1)
    desk.run("keys", "generate", str(desk.key), database=False, exit_code=1)


def test_without_a_master_key_no_verb_begins(desk: Desk, clerk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTSBANK_MASTER_KEY_FILE")
    assert "POINTSBANK_MASTER_KEY_FILE" in desk.run("show", clerk, "--as", clerk, exit_code=1).stderr
    monkeypatch.setenv("POINTSBANK_MASTER_KEY_FILE", str(desk.key))
    desk.key.chmod(0o644)
    assert "chmod 600" in desk.run("show", clerk, "--as", clerk, exit_code=1).stderr
