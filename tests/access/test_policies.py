"""Ruling 1: from the founding on a change of the policies takes two people, whoever can write the files."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.access.test_api import Browser, administrators, kind, new_staff, service
from tests.access.test_cli import Shell, shell
from tests.cli.test_verbs import GOOD, hours_file
from tests.funds.test_doors import owner
from tests.web.conftest import Service, running

from pointsbank.access.policies import PolicyDesk, admit_policies, digest_of, require_ruling, ruling_policies
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk
from pointsbank.engine.commands import Command
from pointsbank.engine.opening import require_profile
from pointsbank.engine.registry import ledger_to_read, open_ledger
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors, parse_policy
from pointsbank.policy.shipped import policies_at, shipped_folder
from pointsbank.store.database import Database
from pointsbank.verify import verify

__all__ = ["administrators", "service", "shell"]

CHANGES = "/api/v1/policies/changes"
SHIPPED = (shipped_folder() / "harbin-2026.toml").read_text("utf-8")
RICHER = SHIPPED.replace("points_per_hour = 10\n", "points_per_hour = 1000\n")


def richer() -> PolicyBook:
    assert RICHER != SHIPPED
    return PolicyBook([parse_policy(RICHER, "harbin-2026.toml")])


def book_at(folder: Path) -> str:
    path = folder / "rules"
    path.mkdir(exist_ok=True)
    (path / "harbin-2026.toml").write_text(RICHER, "utf-8")
    return str(path)


def test_a_book_is_told_by_every_value_in_it_and_not_by_its_layout() -> None:
    again = PolicyBook([parse_policy(SHIPPED + "\n# a remark\n", "another-name.toml")])
    assert digest_of(again) == digest_of(policies_at())
    assert digest_of(richer()) != digest_of(policies_at())


async def test_before_the_founding_the_book_in_use_is_noted_and_after_it_no_other_is_taken(
    database: Database,
) -> None:
    async with open_ledger(database) as ledger:
        for book in (richer(), policies_at(), policies_at()):
            assert await admit_policies(ledger, book) == "live"
            ruling = await database.read(ruling_policies, ledger.id)
            assert ruling is not None
            assert (ruling.digest, ruling.decided_by) == (digest_of(book), "founding")
        assert ruling.number == 2, "what rules already is not noted again"
        staff = StaffDesk(ledger, KeyRing(ledger, ledger.writer.clock))
        assert isinstance(await staff.found(("ann", "bo"), Command("test", "founding", "test")), tuple)
        assert await admit_policies(ledger, policies_at()) == "live"
        with pytest.raises(PolicyErrors, match="两人"):
            await admit_policies(ledger, richer())
        ruling = await database.read(ruling_policies, ledger.id)
        assert ruling is not None
        assert ruling.number == 2


async def test_two_processes_that_begin_with_two_books_note_one_after_the_other(database: Database) -> None:
    async with open_ledger(database) as ledger:
        await asyncio.gather(*(admit_policies(ledger, book) for book in (richer(), policies_at()) * 2))
        ruling = await database.read(ruling_policies, ledger.id)
        assert ruling is not None
        assert ruling.digest in (digest_of(richer()), digest_of(policies_at()))


async def test_a_replays_ledger_takes_any_book(database: Database) -> None:
    async with open_ledger(database, "a") as ledger:
        await require_profile(ledger, "replay")
        unguarded = policies_at().without_safeguards()
        assert await admit_policies(ledger, unguarded) == "replay"
        assert await database.read(ruling_policies, ledger.id) is None


async def test_policies_are_proposed_by_one_owner_and_decided_by_another_over_http(
    service: Service, administrators: tuple[Browser, Browser], tmp_path: Path
) -> None:
    owners = [await new_staff(*administrators, login, "policy-owner") for login in ("cy", "dee")]
    body = {"files": [{"name": "harbin-2026.toml", "text": RICHER}], "document_no": "哈志发〔2026〕9号"}
    assert kind(await service.post(CHANGES, body, "", "k1")) == (401, "unauthenticated")
    assert kind(await administrators[0].send("POST", CHANGES, body)) == (403, "forbidden"), "no administrator"
    wrong = {"files": [{"name": "a.toml", "text": "points_per_hour = 1"}]}
    assert kind(await owners[0].send("POST", CHANGES, wrong)) == (422, "policy-invalid")
    bare = {"files": [{"name": "a.toml", "text": SHIPPED.replace("household = true", "household = false")}]}
    assert kind(await owners[0].send("POST", CHANGES, bare)) == (422, "policy-invalid"), "a safeguard is off"
    proposed = await owners[0].send("POST", CHANGES, body)
    assert proposed.status_code == 201, proposed.text
    change = proposed.json()
    assert (change["digest"], change["number"], change["state"]) == (digest_of(richer()), 0, "proposed")
    path = f"{CHANGES}/{change['id']}/decision"
    assert kind(await owners[0].send("POST", path, {"approve": True})) == (403, "second-person-needed")
    assert kind(await owners[1].send("POST", f"{CHANGES}/none/decision", {"approve": True})) == (
        404,
        "unknown-policy-change",
    )
    ledger = service.bank.ledger
    with pytest.raises(PolicyErrors):
        await admit_policies(ledger, richer())
    approved = await owners[1].send("POST", path, {"approve": True})
    assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text
    assert await admit_policies(ledger, richer()) == "live"
    with pytest.raises(PolicyErrors):
        await admit_policies(ledger, policies_at())
    late = await owners[1].send("POST", path, {"approve": False})
    assert kind(late) == (409, "policy-change-decided")
    listed = (await owners[0].get("/api/v1/policies")).json()
    assert listed["digest"] == digest_of(policies_at()), "what works goes on with what it began with"
    assert [(c["number"], c["decided_by"]) for c in listed["changes"]] == [
        (2, owners[1].person),
        (1, "founding"),
    ]
    report = await verify(ledger.database, ledger.name)
    assert (report.findings, report.checked["policy changes"]) == ((), 2)
    for browser in owners:
        await browser.client.aclose()


async def test_a_refused_book_never_rules(service: Service, administrators: tuple[Browser, Browser]) -> None:
    owners = [await new_staff(*administrators, login, "policy-owner") for login in ("cy", "dee")]
    body = {"files": [{"name": "harbin-2026.toml", "text": RICHER}]}
    change = (await owners[0].send("POST", CHANGES, body)).json()["id"]
    told = await owners[1].send("POST", f"{CHANGES}/{change}/decision", {"approve": False})
    assert (told.status_code, told.json()["state"], told.json()["number"]) == (200, "refused", 0)
    with pytest.raises(PolicyErrors):
        await admit_policies(service.bank.ledger, richer())
    for browser in owners:
        await browser.client.aclose()


async def test_the_service_does_not_start_with_an_edited_policy(database_url: str, tmp_path: Path) -> None:
    async with running(database_url) as service:
        halves = await service.bank.staff.found(("ann", "bo"), Command("test", "founding", "test"))
        assert isinstance(halves, tuple)
    with pytest.raises(ExceptionGroup) as refused:
        async with running(database_url, policy=book_at(tmp_path)):
            raise AssertionError("it started")
    assert refused.group_contains(PolicyErrors, match="两人")
    async with running(database_url) as service:
        assert digest_of(service.bank.policies) == digest_of(policies_at())


def test_no_verb_works_by_an_edited_policy_until_two_policy_owners_have_approved_it(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hours_file(tmp_path, GOOD)
    assert shell.run("hours", "import", str(file)).exit_code == 0
    shell.found()
    for login in ("cy", "dee"):
        owner(shell, login)
    edited = book_at(tmp_path)
    refused = shell.run("hours", "import", str(file), "--policy", edited)
    assert refused.exit_code == 1
    assert "policy propose" in refused.output
    with monkeypatch.context() as patch:
        patch.setenv("POINTSBANK_POLICY", edited)
        for verb in (
            ("release",),
            ("expire",),
            ("activities", "fund", "harbin-2026", "--pay", "--login", "cy"),
        ):
            assert shell.run(*verb).exit_code == 1, verb
        for login, *verb in (
            ("ann", "staff", "grant", shell.people["bo"], "auditor"),
            ("cy", "funds", "propose", "another", "10"),
            ("cy", "funds", "decide", "none", "--approve"),
        ):
            refused = shell.acting(login, *verb)
            assert refused.exit_code == 1, verb
            assert "policy propose" in refused.output, verb
    denied = shell.acting("ann", "policy", "propose", edited)
    assert denied.exit_code == 1, "an administrator is no policy owner"
    proposed = shell.acting("cy", "policy", "propose", edited, "--document", "9")
    assert proposed.exit_code == 0, proposed.output
    [change] = re.findall(r"^(\w+)\tproposed\t0\t9", proposed.output, re.MULTILINE)
    assert shell.acting("cy", "policy", "decide", change, "--approve").exit_code == 1
    assert shell.acting("dee", "policy", "decide", change, "--approve").exit_code == 0
    assert re.search(rf"^{change}\tapproved\t2\t9", shell.run("policy", "changes").output, re.MULTILINE)
    with monkeypatch.context() as patch:
        patch.setenv("POINTSBANK_POLICY", edited)
        assert shell.run("release").exit_code == 0
    assert shell.run("release").exit_code == 1, "the book of before rules no longer"
    assert shell.run("verify").exit_code == 0


def test_no_verb_tells_by_an_edited_policy_what_only_the_approved_one_says(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another rate, calendar or time zone in a file would give another date by law, another worth, another night."""
    file = hours_file(tmp_path, GOOD)
    assert shell.run("hours", "import", str(file)).exit_code == 0
    reading = (
        ("activities", "standing", "R1"),
        ("activities", "notice"),
        ("activities", "risks", "--since", "2026-01-01"),
        ("cases", "samples", "--since", "2026-01-01"),
        ("funds", "list"),
        ("recognition", "standing", "somebody"),
        ("hours", "import", str(file), "--dry-run"),
    )
    edited = book_at(tmp_path)
    monkeypatch.setenv("POINTSBANK_POLICY", edited)
    told = [shell.run(*verb) for verb in reading]
    assert {one.exit_code for one in told[1:]} == {0}, "before the founding the book in use is the city's"
    monkeypatch.delenv("POINTSBANK_POLICY")
    shell.found()
    for verb in reading:
        told_now = shell.run(*verb)
        assert "policy propose" not in told_now.output, verb
    monkeypatch.setenv("POINTSBANK_POLICY", edited)
    for verb in (*reading, ("balance", "--number")):
        refused = shell.run(*verb, typed="V1\n")
        assert refused.exit_code == 1, verb
        assert "policy propose" in refused.output, verb
    tried = shell.run("hours", "import", str(file), "--dry-run", "--policy", edited)
    assert tried.exit_code == 0, "what nobody has approved may be tried out by its name"


async def test_who_only_reads_asks_for_the_approved_book_and_writes_nothing(database: Database) -> None:
    async with open_ledger(database) as ledger:
        await require_ruling(ledger, richer())
        assert await database.read(ruling_policies, ledger.id) is None, "to look is not to rule"
        await admit_policies(ledger, policies_at())
        await require_ruling(ledger, richer())
        staff = StaffDesk(ledger, KeyRing(ledger, ledger.writer.clock))
        assert isinstance(await staff.found(("ann", "bo"), Command("test", "founding", "test")), tuple)
        await require_ruling(ledger_to_read(database), policies_at())
        with pytest.raises(PolicyErrors, match="两人"):
            await require_ruling(ledger_to_read(database), richer())
    async with open_ledger(database, "played") as ledger:
        await require_profile(ledger, "replay")
        await require_ruling(ledger, policies_at().without_safeguards())


async def test_of_two_books_approved_at_a_time_one_rules(
    service: Service, administrators: tuple[Browser, Browser]
) -> None:
    owners = [await new_staff(*administrators, login, "policy-owner") for login in ("cy", "dee")]
    desk = PolicyDesk(service.bank.ledger, service.bank.ring)
    ids = []
    for text in (RICHER, RICHER.replace("points_per_hour = 1000\n", "points_per_hour = 2000\n")):
        body = {"files": [{"name": "harbin-2026.toml", "text": text}]}
        ids.append((await owners[0].send("POST", CHANGES, body)).json()["id"])
    await asyncio.gather(
        *(owners[1].send("POST", f"{CHANGES}/{change}/decision", {"approve": True}) for change in ids)
    )
    found = [await desk.find(change) for change in ids]
    assert sorted(one.number for one in found if one) == [2, 3]
    for browser in owners:
        await browser.client.aclose()
