"""The command line after the founding: no verb changes the books without somebody's name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from tests.cli.test_verbs import GOOD, hours_file
from tests.people_of import enrol, open_peopled, volunteers_named

from pointsbank.access.totp import code_at, step_of
from pointsbank.activities.model import ActivityPlan
from pointsbank.activities.ports import By, PlaceCodes
from pointsbank.activities.service import ActivityService
from pointsbank.cli.main import main
from pointsbank.engine.clock import SystemClock
from pointsbank.engine.commands import Command
from pointsbank.ledger.model import Receipt
from pointsbank.places.stations import PLACES, opening
from pointsbank.policy.shipped import policies_at
from pointsbank.store.database import Database

from .office import PASSWORD, secret_in


class Shell:
    """A shell on the machine that holds the books."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self.secrets: dict[str, bytes] = {}
        self.people: dict[str, str] = {}
        self.ahead = 0
        self._patch = monkeypatch

    def run(self, *arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(
            main, [*arguments, "--database", self.url], input=typed, catch_exceptions=False
        )

    def acting(self, login: str, *arguments: str) -> Result:
        """Run a verb as a member of staff: password and code are typed, and no code is used twice."""
        self.ahead += 1
        now = SystemClock().now() + self.ahead * 60_000_000
        self._patch.setattr(SystemClock, "now", lambda _: now)
        code = code_at(self.secrets[login], step_of(now))
        result = self.run(*arguments, "--login", login, typed=f"{PASSWORD}\n{code}\n")
        self._patch.undo()
        return result

    def enrol(self, login: str, code: str) -> None:
        result = self.run("staff", "enrol", login, typed=f"{code}\n{PASSWORD}\n{PASSWORD}\n")
        assert result.exit_code == 0, result.output
        assert code not in result.output
        assert PASSWORD not in result.output
        [uri] = re.findall(r"otpauth://\S+", result.output)
        self.secrets[login] = secret_in(uri)

    def found(self) -> None:
        made = self.run("staff", "bootstrap", "--login", "ann", "--login", "bo")
        assert made.exit_code == 0, made.output
        for login, person, code in re.findall(r"^  (\w+)  (\S+)  (\S+)$", made.output, re.MULTILINE):
            self.people[login] = person
            self.enrol(login, code)
        assert set(self.secrets) == {"ann", "bo"}


@pytest.fixture
def shell(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A city of one station and one volunteer, once on each engine."""

    async def build() -> None:
        database = Database(database_url)
        async with open_peopled(database) as ledger:
            await ledger.submit([opening("station", "S1", "一号站", "", Command("t", "s1"))], PLACES)
            await enrol(ledger, {"V1": date(1990, 1, 1)})
        await database.close()

    asyncio.run(build())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSBANK_PEPPER", str(tmp_path / "secret" / "pepper"))
        yield Shell(database_url, monkeypatch)


def half_in(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return re.findall(r": ([A-Z2-7]{24})$", result.output, re.MULTILINE)[0]


def id_in(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return re.findall(r"(\S+)  (?:proposed|active|revoked)", result.output)[0]


def test_staff_from_the_founding_to_a_revoked_role(shell: Shell) -> None:
    bad = shell.run("staff", "bootstrap", "--login", "Ann Lee", "--login", "bo")
    assert bad.exit_code == 1
    shell.found()
    again = shell.run("staff", "bootstrap", "--login", "cy", "--login", "di")
    assert again.exit_code == 1
    assert "管理员" in again.output
    made = shell.acting("ann", "staff", "add", "cy")
    first = half_in(made)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", made.output)[0]
    assert shell.acting("ann", "staff", "confirm-enrolment", enrolment).exit_code == 1
    second = half_in(shell.acting("bo", "staff", "confirm-enrolment", enrolment))
    shell.enrol("cy", f"{first}-{second}")
    grant = id_in(shell.acting("ann", "staff", "grant", person, "auditor"))
    alone = shell.acting("ann", "staff", "confirm", grant)
    assert alone.exit_code == 1
    assert "另一人" in alone.output
    assert id_in(shell.acting("bo", "staff", "confirm", grant)) == grant
    listed = shell.run("staff", "list").output
    assert re.search(rf"{grant}  active    auditor", listed)
    assert id_in(shell.acting("bo", "staff", "revoke", grant)) == grant
    assert shell.acting("cy", "staff", "add", "di").exit_code == 1
    recovery = shell.acting("ann", "staff", "recover", person)
    assert half_in(recovery)
    assert shell.acting("bo", "staff", "close", person).exit_code == 0
    wrong = shell.run("staff", "add", "ed", "--login", "ann", typed="x\n1\n")
    assert wrong.exit_code == 1
    assert "登录" in wrong.output


def test_no_verb_changes_the_books_of_a_ledger_with_staff_without_a_name(
    shell: Shell, tmp_path: Path
) -> None:
    file = hours_file(tmp_path, GOOD)
    assert shell.run("hours", "import", str(file)).exit_code == 0
    before = shell.run("keys", "issue", "--for", "old", "--scope", "reverse", "--scope", "hours:submit")
    token = re.findall(r"pbk_\w+", before.output)[0]
    key_file = tmp_path / "key"
    key_file.write_text(token + "\n", encoding="utf-8")
    shell.found()
    (tmp_path / "stations.csv").write_text("站点编码,名称,所编码,中心编码\nS2,二号站,P1,C1\n", "utf-8")
    for verb in (
        ("hours", "import", str(file)),
        ("reverse", "1", "--reason", "theft"),
        ("register", str(tmp_path)),
        ("keys", "issue", "--for", "x", "--scope", "ledger:read"),
        ("keys", "revoke", "x"),
    ):
        refused = shell.run(*verb)
        assert refused.exit_code == 1, verb
        assert "--login" in refused.output, refused.output
    machine = shell.run("reverse", "1", "--reason", "theft", "--key-file", str(key_file))
    assert machine.exit_code == 1
    assert "reverse" in machine.output
    recorded = shell.run("hours", "import", str(file), "--key-file", str(key_file))
    assert recorded.exit_code == 0, recorded.output
    for verb in (("release",), ("expire",), ("verify",), ("balance", "--number"), ("statement", "--number")):
        assert shell.run(*verb, typed="V1\n").exit_code == 0, verb


def test_a_key_from_the_command_line_waits_for_a_second_person(shell: Shell, tmp_path: Path) -> None:
    shell.found()
    made = shell.acting("ann", "keys", "issue", "--for", "till", "--scope", "hours:submit")
    assert made.exit_code == 0, made.output
    key_file = tmp_path / "key"
    key_file.write_text(re.findall(r"pbk_\w+", made.output)[0], encoding="utf-8")
    [key_id] = re.findall(r"confirm-key (\w+)", made.output)
    file = hours_file(tmp_path, GOOD)
    early = shell.run("hours", "import", str(file), "--key-file", str(key_file))
    assert early.exit_code == 1
    assert shell.acting("ann", "staff", "confirm-key", key_id).exit_code == 1
    assert shell.acting("bo", "staff", "confirm-key", key_id).exit_code == 0
    done = shell.run("hours", "import", str(file), "--key-file", str(key_file))
    assert done.exit_code == 0, done.output
    assert shell.acting("bo", "keys", "revoke", key_id).exit_code == 0


def test_the_secret_of_log_ins_is_made_once_and_a_lost_one_is_named(shell: Shell, tmp_path: Path) -> None:
    shell.found()
    pepper = tmp_path / "secret" / "pepper"
    assert pepper.stat().st_mode & 0o777 == 0o600
    pepper.rename(tmp_path / "elsewhere")
    lost = shell.run("staff", "add", "cy", "--login", "ann", typed="x\n1\n")
    assert lost.exit_code == 1
    assert "口令密钥" in lost.output
    again = shell.run("staff", "bootstrap", "--login", "cy", "--login", "di")
    assert again.exit_code == 1
    assert not pepper.exists(), "a secret that passwords rest on is never made anew in silence"


def member(shell: Shell, login: str, *roles: str) -> str:
    """A member of staff with roles in the whole city, through two administrators, enrolled; the person's id."""
    made = shell.acting("ann", "staff", "add", login)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", made.output)[0]
    second = half_in(shell.acting("bo", "staff", "confirm-enrolment", enrolment))
    shell.enrol(login, f"{half_in(made)}-{second}")
    for role in roles:
        grant = id_in(shell.acting("ann", "staff", "grant", person, role))
        assert id_in(shell.acting("bo", "staff", "confirm", grant)) == grant
    return str(person)


HOUR = 3_600_000_000


def text_of(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1_000_000, ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M}"


def test_who_brings_a_file_on_the_command_line_is_its_recorder_and_verifies_nothing_of_it(
    shell: Shell, tmp_path: Path
) -> None:
    """Ruling 1, H5: people are compared at this door too, and a late line counts with a reason and two people."""
    begins = (SystemClock().now() // HOUR + 2) * HOUR
    plan = ActivityPlan(
        title="清雪", category="ENV", station="S1", starts_at=begins, ends_at=begins + 2 * HOUR
    )

    async def approved() -> str:
        database = Database(shell.url)
        async with open_peopled(database) as ledger:
            desk = ActivityService(ledger, policies_at(), PlaceCodes(ledger))
            activity = await desk.propose(plan, By("a", "person-a"), Command("t", "p"))
            assert isinstance(activity, str), activity
            decided = await desk.decide(activity, "", By("b", "person-b"), Command("t", "d"), approve=True)
            assert isinstance(decided, Receipt), decided
        await database.close()
        return activity

    activity = asyncio.run(approved())
    shell.found()
    person = member(shell, "cy", "station-operator", "verifier")
    times = [text_of(at) for at in (begins, plan.ends_at, begins, plan.ends_at)]
    lines = [
        f"{id_},V1,{activity},清雪,ENV,S1,{','.join(times)},credit,OP1,{times[1]}" for id_ in ("L1", "L2")
    ]
    shell.ahead = 30 * 24 * 60  # more than ten working days later
    late = shell.acting("cy", "hours", "import", str(hours_file(tmp_path, lines[0])))
    assert "late_needs_reason" in late.output, late.output
    file = hours_file(tmp_path, lines[1])
    done = shell.acting("cy", "hours", "import", str(file), "--reason", "sheet-came-late")
    assert "submitted" in done.output, done.output
    told = shell.acting("cy", "activities", "verify", "L2")
    assert "L2\tverifier-is-recorder" in told.output, told.output
    steps = shell.run("activities", "standing", "L2").output
    assert f"submitted\t{person}" in steps
    member(shell, "dee", "verifier")
    assert "L2\tchecked" in shell.acting("dee", "activities", "verify", "L2").output, "two people verify it"


def test_hours_from_the_sign_up_to_a_correction_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    begins = (SystemClock().now() // HOUR + 3) * HOUR
    shell.found()
    operator, checker = ("station-operator", "verifier"), ("verifier",)
    member(shell, "cy", *operator)
    member(shell, "dee", *checker, "centre-manager")

    def said(login: str, *arguments: str) -> str:
        result = shell.acting(login, *arguments)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[-1]

    span = ("--starts", text_of(begins), "--ends", text_of(begins + 2 * HOUR))
    project = said("cy", "activities", "project", "清雪行动", "--brand", "四叶草")
    assert "清雪行动\t四叶草" in shell.run("activities", "projects", "--brand", "四叶草").output
    plan = ("--category", "ENV", "--station", "S1", "--project", project)
    activity = said("cy", "activities", "propose", "清雪", *plan, *span)
    said("dee", "activities", "decide", activity, "--approve")
    session = said("cy", "activities", "session", activity, *span, "--capacity", "5")
    person = asyncio.run(_volunteer(shell.url))
    assert "signed up" in said("cy", "attendance", "sign-up", session, person)
    days = ("--from", "2026-01-01", "--to", "2099-12-31")
    said("cy", "attendance", "paper", person, "insurance", *days, "--code", "2026", "--station", "S1")
    shell.ahead = 24 * 60
    times = ("--in", text_of(begins), "--out", text_of(begins + 2 * HOUR))
    said("cy", "attendance", "written", session, person, *times, "--reason", "forgot-check-in")
    assert "evidence_missing" in said("cy", "activities", "submit", session)
    said("cy", "activities", "evidence", session, person, "--kind", "sheet", "--reference", "2026-17")
    first = said("cy", "activities", "submit", session).split("\t")[0]
    assert said("cy", "attendance", "withdraw", first) == f"{first}\twithdrawn"
    second = said("cy", "activities", "submit", session).split("\t")[0]
    own = said("cy", "attendance", "reject", second, "--reason", "wrong-times")
    assert own == f"{second}\tverifier-is-recorder"
    assert said("dee", "attendance", "reject", second, "--reason", "wrong-times") == f"{second}\trejected"
    third = said("cy", "activities", "submit", session).split("\t")[0]
    assert f"{third}\tpending" in said("dee", "activities", "verify", third)
    shorter = ("--in", text_of(begins), "--out", text_of(begins + HOUR))
    corrected = said("cy", "attendance", "correct", third, *shorter).split("\t")
    assert corrected[1:] == ["submitted", "60"]
    assert "reversed" in shell.run("activities", "standing", third).output


async def _volunteer(url: str) -> str:
    database = Database(url)
    async with open_peopled(database) as ledger:
        found = await volunteers_named(ledger, "V1")
    await database.close()
    return found["V1"].id
