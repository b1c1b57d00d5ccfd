"""`pointsbank people`, `cards` and `terminals`, as staff run them: nothing personal on the command line, nobody in
somebody else's name, nothing in full by chance."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Table, func, insert, select
from tests.access.office import PASSWORD
from tests.access.test_cli import Shell, half_in, id_in

from pointsbank.access import logins
from pointsbank.access.logins import LoginStore
from pointsbank.access.totp import code_at, step_of
from pointsbank.cli.main import main
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import CITY_LEDGER, open_ledger
from pointsbank.people.master import read_file
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of

from .conftest import id_number

PERSON = {
    "name": "司马佳慧",
    "phone": "13845670123",
    "volunteer_number": "V2301987654",
    "id_number": id_number("1961-07-09"),
}


class Desk(Shell):
    """The verbs over one database with a master key; `acting` types password, code, and what the verb reads."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(url, monkeypatch)
        self.key = folder / "master.key"
        assert self.bare("people", "keys", "generate", str(self.key)).exit_code == 0
        monkeypatch.delenv("POINTSBANK_MASTER_KEY", raising=False)
        monkeypatch.setenv("POINTSBANK_PEPPER", str(folder / "pepper"))
        monkeypatch.setenv("POINTSBANK_MASTER_KEY_FILE", str(self.key))
        monkeypatch.setenv("POINTSBANK_ERASURES", str(folder / "people.erasures"))
        assert self.run("people", "upgrade").exit_code == 0
        self.station = asyncio.run(_station(url))

    @staticmethod
    def bare(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), catch_exceptions=False)

    def as_(self, login: str, *arguments: str, given: str = "", exit_code: int = 0) -> Result:
        """Run a verb as a member of staff: password and code are typed, then what the verb reads."""
        self.ahead += 1
        now = SystemClock().now() + self.ahead * 60_000_000
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SystemClock, "now", lambda _: now)
            code = code_at(self.secrets[login], step_of(now))
            typed = f"{PASSWORD}\n{code}\n{given}"
            result = self.run(*arguments, "--login", login, typed=typed)
        assert result.exit_code == exit_code, result.output + result.stderr
        return result

    def hire(self, login: str, role: str) -> None:
        made = self.as_("ann", "staff", "add", login)
        enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", made.output)[0]
        second = half_in(self.as_("bo", "staff", "confirm-enrolment", enrolment))
        self.enrol(login, f"{half_in(made)}-{second}")
        self.people[login] = person
        grant = id_in(self.as_("ann", "staff", "grant", person, role))
        self.as_("bo", "staff", "confirm", grant)

    def register(self, person: dict[str, str], login: str = "boss") -> str:
        result = self.as_(login, "people", "register", given=json.dumps(person))
        return re.findall(r"registered  (\S+)", result.output)[0]


async def _station(url: str) -> str:
    """The id of a station."""
    database = Database(url)
    async with open_ledger(database) as ledger:
        await ledger.submit([opening("station", "S1", "一号站", "", Command("t", "s1"))], PLACES)
        found = (await database.read(stations, ledger.id, ["S1"]))["S1"].id
    await database.close()
    return found


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A founded ledger with two managers of the whole city."""
    desk = Desk(database_url, tmp_path, monkeypatch)
    desk.found()
    desk.hire("boss", "centre-manager")
    desk.hire("vice", "centre-manager")
    return desk


def test_a_person_from_registering_to_forgetting(desk: Desk, tmp_path: Path) -> None:
    person = desk.register(PERSON)
    found = desk.as_("boss", "people", "find", "--by", "phone", given="138 4567 0123\n").output
    assert found.split()[-4:] == [person, "active", "司**慧", "60–69"]
    shown = desk.as_("boss", "people", "show", person).output
    assert "138****0123" in shown
    for value in PERSON.values():
        assert value not in found.replace("138 4567 0123", "") + shown
    full = desk.as_("boss", "people", "unmask", person, "name", "--reason", "核对证件").output
    assert full.endswith("司马佳慧\n")
    desk.as_("boss", "people", "unmask", person, "name", "--reason", " ", exit_code=1)
    taken = desk.as_("boss", "people", "consent", person, "--give", "photos", "--wording", "2026-1").output
    assert "standing" in taken
    consent = re.findall(r"^(\S+)  photos", taken, re.MULTILINE)[0]
    assert "withdrawn" in desk.as_("boss", "people", "consent", person, "--withdraw", consent).output
    file = tmp_path / "own.json"
    desk.as_("boss", "people", "export", person, str(file), "--reason", "本人申请")
    assert json.loads(file.read_text("utf-8"))["phone"] == "+8613845670123"
    assert file.stat().st_mode & 0o777 == 0o600
    desk.as_("boss", "people", "freeze", person)
    desk.as_("boss", "people", "close", person)
    assert "nobody" in desk.as_("boss", "people", "find", "--by", "phone", given="13845670123\n").output
    assert (tmp_path / "people.erasures").read_text() == f"{person}\n"
    desk.as_("boss", "people", "close", person)
    assert "No such person" in desk.as_("boss", "people", "show", person, exit_code=1).stderr


def test_nobody_acts_in_somebody_elses_name_or_without_one(desk: Desk) -> None:
    person = desk.register(PERSON)
    bare = desk.run("people", "show", person)
    assert bare.exit_code == 1
    assert "--login" in bare.stderr
    named = desk.run("people", "show", person, "--as", desk.people["boss"])
    assert named.exit_code == 2, "there is no such option"
    desk.as_("ann", "people", "show", person, exit_code=1)
    desk.as_("ann", "people", "unmask", person, "name", "--reason", "x", exit_code=1)
    desk.run("people", "register", typed=json.dumps(PERSON))
    assert desk.run("cards", "freeze", person).exit_code == 1


def test_what_could_rob_somebody_takes_two_on_the_command_line(desk: Desk) -> None:
    person = desk.register(PERSON)
    said = desk.as_("boss", "people", "propose", person, "phone", given="13900001111\n").output
    proposal = said.split()[-1]
    alone = desk.as_("boss", "people", "confirm", person, proposal, exit_code=1)
    assert "13900001111" not in alone.stderr
    assert "effective" in desk.as_("vice", "people", "confirm", person, proposal).output
    card = desk.as_("boss", "cards", "propose", person).output.split()[-1]
    desk.as_("boss", "cards", "confirm", person, card, exit_code=1)
    issued = desk.as_("vice", "cards", "confirm", person, card).output
    number = re.findall(r"printed number: (\d{12})", issued)[0]
    assert re.search(r"PBC[A-Z2-7]{16}", issued)
    assert "the balance stays" in desk.as_("boss", "cards", "freeze", "--number", given=f"{number}\n").output
    again = desk.as_("boss", "cards", "propose", person, "--unfreeze").output.split()[-1]
    assert "card-unfreezing" in desk.as_("vice", "cards", "confirm", person, again).output
    pin = desk.as_("boss", "people", "propose", person, "pin-reset").output.split()[-1]
    assert "effective" in desk.as_("vice", "people", "confirm", person, pin).output


def test_a_terminal_takes_two_on_the_command_line(desk: Desk) -> None:
    station = desk.station
    made = desk.as_("ann", "terminals", "propose", station, "一号终端").output
    terminal = re.findall(r"(\S+)  proposed", made)[0]
    desk.as_("ann", "terminals", "confirm", terminal, exit_code=1)
    confirmed = desk.as_("bo", "terminals", "confirm", terminal).output
    assert re.search(rf"{terminal}-[A-Z2-7]{{24}}", confirmed)
    assert "一号终端" in desk.as_("ann", "terminals", "list").output
    desk.as_("ann", "terminals", "restart", terminal)
    desk.as_("bo", "terminals", "revoke", terminal)
    assert "revoked" in desk.as_("ann", "terminals", "list").output


def test_a_mistake_repeats_nothing_of_what_was_typed(desk: Desk) -> None:
    wrong = {**PERSON, "id_number": "230102196107090000"}

    def refused(given: str) -> str:
        return desk.as_("boss", "people", "register", given=given, exit_code=1).stderr

    said = refused(json.dumps(wrong)) + refused(json.dumps(wrong)[:-3])
    said += refused(json.dumps({**PERSON, "born": "9.7.1961"}))
    said += desk.as_(
        "boss", "people", "find", "--by", "id-number", given="230102196107090000\n", exit_code=1
    ).stderr
    desk.register(PERSON)
    said += refused(json.dumps(PERSON))
    for value in (*PERSON.values(), "230102196107090000", "9.7.1961"):
        assert value not in said


def test_master_keys_rotate_and_retire(desk: Desk) -> None:
    person = desk.register(PERSON)
    old = read_file(desk.key).current.id
    assert "in use" in desk.run("people", "keys", "retire", old).stderr
    assert "2 keys" in desk.run("people", "keys", "rotate").output
    fresh = read_file(desk.key).current.id
    assert [key.id for key in read_file(desk.key).all] == [fresh, old]
    assert desk.run("people", "keys", "retire", old).exit_code == 0
    assert [key.id for key in read_file(desk.key).all] == [fresh]
    assert "138****0123" in desk.as_("boss", "people", "show", person).output
    assert desk.run("people", "keys", "retire", old).exit_code == 1
    assert desk.bare("people", "keys", "generate", str(desk.key)).exit_code == 1


def test_without_a_master_key_no_verb_begins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTSBANK_MASTER_KEY_FILE")
    assert "POINTSBANK_MASTER_KEY_FILE" in desk.run("people", "show", "x").stderr
    monkeypatch.setenv("POINTSBANK_MASTER_KEY_FILE", str(desk.key))
    desk.key.chmod(0o644)
    assert "chmod 600" in desk.run("people", "show", "x").stderr


async def _left_at_the_doors(url: str, person: str, *, seed: bool) -> dict[str, int]:
    """How many rows name a person where sessions, PINs and a card's days are kept; with `seed` one of each is made."""
    rows: dict[Table, dict[str, object]] = {
        logins.visits: {
            "token_hash": "t", "session_id": "s", "person_id": person, "way": "phone", "ward_id": "", "ward_kind": "",
            "terminal_id": "", "place_id": "", "staff_id": "", "spends_from": 0, "opened_at": 1, "touched_at": 1,
            "expires_at": 2**60,
        },
        logins.pins: {"person_id": person, "pin": "p", "changed_at": 1},
        logins.card_days: {"person_id": person, "day": "2026-11-22", "points": 100},
    }  # fmt: skip
    database = Database(url)
    store = LoginStore(database)
    await store.open()

    def work(connection: Connection) -> dict[str, int]:
        found = {}
        for table, row in rows.items():
            if seed:
                connection.execute(insert(table).values(ledger_id=ledger_id_of(CITY_LEDGER), **row))
            query = select(func.count()).select_from(table).where(table.c.person_id == person)
            found[table.name] = connection.execute(query).scalar_one()
        return found

    try:
        return await store.run(work)
    finally:
        await store.close()
        await database.close()


def test_closing_by_the_command_line_ends_sessions_pins_and_cards_as_the_service_does(desk: Desk) -> None:
    person = desk.register(PERSON)
    act = desk.as_("boss", "cards", "propose", person).output.split()[-1]
    desk.as_("vice", "cards", "confirm", person, act)
    url = desk.url
    assert asyncio.run(_left_at_the_doors(url, person, seed=True)) == {"visits": 1, "pins": 1, "card_days": 1}
    desk.as_("boss", "people", "close", person)
    assert asyncio.run(_left_at_the_doors(url, person, seed=False)) == {
        "visits": 0,
        "pins": 0,
        "card_days": 0,
    }
    desk.as_("boss", "cards", "freeze", person, exit_code=1)


def test_closing_with_points_takes_two_and_a_delay_on_the_command_line_too(desk: Desk) -> None:
    person = desk.register(PERSON)
    act = desk.as_("boss", "people", "close", person, "--give", "donate").output.split()[-1]
    desk.as_("boss", "people", "close", person, "--confirm", act, exit_code=1)
    assert "waits till" in desk.as_("vice", "people", "close", person, "--confirm", act).output
    assert "called off" in desk.as_("boss", "people", "close", person, "--call-off").output
    assert " active" in " ".join(desk.as_("boss", "people", "show", person).output.split())
    desk.as_("boss", "people", "close", person, "--call-off", exit_code=1)
