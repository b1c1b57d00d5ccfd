"""The doors of funds, cases and samples: two people logged in, never one, never a machine; HTTP and command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tests.access.test_api import Browser, administrators, kind, new_staff, service
from tests.access.test_cli import Shell, half_in, id_in, shell
from tests.activities.centre import HEAD, RECORDER, SECOND, TERMINAL, VERIFIER, done
from tests.people_of import enrol
from tests.web.conftest import Service

from pointsbank.activities.attendance import Shown
from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.engine.commands import Command
from pointsbank.places.stations import PLACES, opening
from pointsbank.web.api.desks import desks_of

__all__ = ["administrators", "service", "shell"]

HOUR = 3_600_000_000
CHANGES = "/api/v1/funds/budget-changes"


async def test_a_budget_over_http_is_two_policy_owners_and_no_machine(
    service: Service, administrators: tuple[Browser, Browser]
) -> None:
    owners = [await new_staff(*administrators, login, "policy-owner") for login in ("cy", "dee")]
    first = {"fund": "ice", "points": 500_000, "document_no": "哈志发〔2026〕7号"}
    assert kind(await service.post(CHANGES, first, "", "k1")) == (401, "unauthenticated")
    assert kind(await administrators[0].send("POST", CHANGES, first)) == (403, "forbidden"), (
        "no administrator"
    )
    proposed = await owners[0].send("POST", CHANGES, first)
    assert proposed.status_code == 201, proposed.text
    change = proposed.json()["change_id"]
    path = f"{CHANGES}/{change}/decision"
    assert kind(await owners[0].send("POST", path, {"approve": True})) == (409, "four-eyes")
    approved = await owners[1].send("POST", path, {"approve": True})
    assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text
    funds = {fund["fund"]: fund for fund in (await owners[0].get("/api/v1/funds")).json()["funds"]}
    assert (funds["ice"]["budget"], funds["ice"]["free"]) == (500_000, 500_000)
    assert funds["harbin-2026"]["budget"] is None
    endless = await owners[0].send("POST", CHANGES, {"fund": "harbin-2026", "points": -1})
    assert kind(endless) == (409, "fund-without-end")
    cut = await owners[0].send("POST", CHANGES, {"fund": "ice", "points": -500_001})
    low = await owners[1].send("POST", f"{CHANGES}/{cut.json()['change_id']}/decision", {"approve": True})
    assert kind(low) == (409, "budget-below-issued")
    assert kind(await owners[0].send("POST", f"{CHANGES}/none/decision", {"approve": True})) == (
        404,
        "unknown-budget-change",
    )
    listed = (await owners[1].get(f"{CHANGES}?fund=ice")).json()["changes"]
    assert {one["state"] for one in listed} == {"approved", "proposed"}
    for browser in owners:
        await browser.client.aclose()


async def false_hours(service: Service) -> tuple[str, str, str]:
    """An activity of yesterday whose one record is verified; activity, record, person."""
    bank, desks = service.bank, desks_of(service.bank)
    clock = bank.clock
    person = (await enrol(bank.ledger, {"V1": date(1980, 1, 1)}))["V1"]
    await bank.ledger.submit([opening("station", "S1", "", "", Command("t", "S1"))], PLACES)
    begins = (clock.now() // HOUR + 2) * HOUR
    ends = begins + 2 * HOUR
    plan = ActivityPlan(title="清雪", category="ENV", station="S1", starts_at=begins, ends_at=ends)
    activity = done(await desks.activities.propose(plan, RECORDER, Command("t", "p")))
    done(await desks.activities.decide(activity, "", HEAD, Command("t", "d"), approve=True))
    opened = SessionPlan(starts_at=begins, ends_at=ends, capacity=5)
    session = done(await desks.activities.open_session(activity, opened, RECORDER, Command("t", "s")))
    done(await desks.activities.sign_up(session, person.id, RECORDER, Command("t", "u")))
    for at, meet in ((begins, desks.attendance.check_in), (ends, desks.attendance.check_out)):
        clock.time = at  # type: ignore[attr-defined]
        done(await meet(session, person.id, Shown("card"), TERMINAL, Command("t", str(at))))
    [line] = done(await desks.submitting.submit(session, RECORDER, Command("t", "m")))
    for by in (VERIFIER, SECOND):
        done(await desks.verifying.verify([line.record_id], by, Command("t", by.person)))
    return activity, line.record_id, person.id


async def test_h12_a_clawback_over_http_is_proposed_by_one_and_decided_by_another(
    service: Service, administrators: tuple[Browser, Browser]
) -> None:
    managers = [await new_staff(*administrators, login, "policy-owner") for login in ("cy", "dee")]
    activity, record, person = await false_hours(service)
    for browser in (*managers, administrators[0]):
        await browser.log_in()
    body = {
        "activity": activity,
        "reason": "fake-activity",
        "guilty": [person],
        "document_no": "监〔2026〕3号",
    }
    assert kind(await administrators[0].send("POST", "/api/v1/clawbacks", body)) == (403, "forbidden")
    assert kind(await managers[0].send("POST", "/api/v1/clawbacks", {**body, "reason": "x"})) == (
        422,
        "reason-invalid",
    )
    proposed = await managers[0].send("POST", "/api/v1/clawbacks", body)
    assert (proposed.status_code, proposed.json()["state"]) == (201, "proposed"), proposed.text
    case = proposed.json()["case_id"]
    path = f"/api/v1/clawbacks/{case}/decision"
    assert kind(await managers[0].send("POST", path, {"approve": True})) == (409, "four-eyes")
    decided = await managers[1].send("POST", path, {"approve": True})
    assert decided.status_code == 200, decided.text
    [line] = decided.json()["lines"]
    assert (line["record_id"], line["state"], line["points"], line["taken"]) == (record, "done", 2000, 2000)
    assert (await managers[1].get(f"/api/v1/clawbacks/{case}")).json() == decided.json()
    assert kind(await managers[1].get("/api/v1/clawbacks/none")) == (404, "unknown-case")
    for browser in managers:
        await browser.client.aclose()


async def test_a_sample_over_http_is_drawn_once_and_its_outcome_is_noted(
    service: Service, administrators: tuple[Browser, Browser]
) -> None:
    owner = await new_staff(*administrators, "cy", "policy-owner")
    _, record, _ = await false_hours(service)
    await owner.log_in()
    clock = service.bank.clock
    day = (datetime.fromtimestamp(clock.now() / 1_000_000, UTC) + timedelta(hours=8)).date()
    body = {"recorder": RECORDER.person, "day": day.isoformat()}
    assert kind(await owner.send("POST", "/api/v1/samples", body)) == (409, "batch-open")
    clock.time += 24 * HOUR  # type: ignore[attr-defined]
    await owner.log_in()
    waiting = (await owner.get(f"/api/v1/samples?since={day}")).json()["batches"]
    assert waiting == [{"recorder": RECORDER.person, "day": day.isoformat(), "lines": 1}]
    drawn = await owner.send("POST", "/api/v1/samples", body)
    assert drawn.status_code == 201, drawn.text
    again = await owner.send("POST", "/api/v1/samples", body)
    assert again.json() == drawn.json()
    path = f"/api/v1/samples/{drawn.json()['sample_id']}"
    noted = await owner.send("POST", f"{path}/outcomes", {"record": record, "outcome": "confirmed"})
    assert noted.status_code == 200, noted.text
    [line] = noted.json()["chosen"]
    assert (line["record_id"], line["outcome"], line["noted_by"]) == (record, "confirmed", owner.person)
    assert (await owner.get(path)).json() == noted.json()
    await owner.client.aclose()


def owner(shell: Shell, login: str) -> None:
    """A policy owner, through two administrators, enrolled."""
    made = shell.acting("ann", "staff", "add", login)
    enrolment, person = re.findall(r"enrolment (\S+)   人员 / person (\S+)", made.output)[0]
    second = half_in(shell.acting("bo", "staff", "confirm-enrolment", enrolment))
    shell.enrol(login, f"{half_in(made)}-{second}")
    grant = id_in(shell.acting("ann", "staff", "grant", person, "policy-owner"))
    assert id_in(shell.acting("bo", "staff", "confirm", grant)) == grant


def test_a_budget_on_the_command_line_is_two_policy_owners(shell: Shell) -> None:
    shell.found()
    for login in ("cy", "dee"):
        owner(shell, login)
    proposed = shell.acting("cy", "funds", "propose", "ice", "5000.50", "--document", "7")
    assert proposed.exit_code == 0, proposed.output
    [change] = re.findall(r"^(\S+)\tice\t5,000.50\tproposed\t7", proposed.output, re.MULTILINE)
    alone = shell.acting("cy", "funds", "decide", change, "--approve")
    assert alone.exit_code != 0
    assert "须由另一人办理" in alone.output
    approved = shell.acting("dee", "funds", "decide", change, "--approve")
    assert f"{change}\tice\t5,000.50\tapproved" in approved.output
    assert re.search(r"^ice\t5,000.50\t0.00\t5,000.50\t", shell.run("funds", "list").output, re.MULTILINE)
    assert f"{change}\tice" in shell.run("funds", "changes", "ice").output
    wrong = shell.acting("cy", "funds", "propose", "ice", "five")
    assert wrong.exit_code == 2


def test_a_bare_shell_and_an_administrator_change_no_budget(shell: Shell) -> None:
    """Until there is staff nobody can show a person's name, and so nobody changes a budget."""
    answer = shell.run("funds", "propose", "ice", "5000")
    assert answer.exit_code != 0
    shell.found()
    told = shell.run("funds", "propose", "ice", "5000")
    assert "--login" in told.output
    denied = shell.acting("ann", "funds", "propose", "ice", "5000")
    assert "没有权限 funds:manage" in denied.output, "an administrator is no policy owner"
    for verb in (
        ("cases", "propose", "A", "--reason", "fake-activity"),
        ("cases", "draw", "x", "2026-01-01"),
    ):
        assert "没有权限 cases:manage" in shell.acting("ann", *verb).output
    for verb in (("funds", "list"), ("funds", "changes"), ("cases", "clawbacks"), ("activities", "notice")):
        listed = shell.run(*verb)
        assert listed.exit_code == 0, listed.output
    assert shell.run("cases", "samples", "--since", "2026-01-01").exit_code == 0
    assert "没有案件" in shell.run("cases", "clawbacks", "none").output
    assert "没有样本" in shell.run("cases", "sample", "none").output
