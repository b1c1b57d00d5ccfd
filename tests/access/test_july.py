"""Ruling 1: the fraud of July 2025 through every door of the bank: five hours for a stranger, by one administrator.

The doors of the hours room itself, with every hat of one person, are tried in tests/activities/test_insiders.py.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.access.test_api import Browser, administrators, kind, service
from tests.access.test_cli import Shell, id_in, shell
from tests.cli.test_verbs import GOOD, hours_file
from tests.people_of import enrol, open_peopled, volunteers_named
from tests.web.conftest import Service

from pointsbank.access.policies import admit_policies
from pointsbank.engine.commands import Command
from pointsbank.engine.opening import WrongProfile, require_profile
from pointsbank.ledger.chart import SHIPPED
from pointsbank.places.stations import PLACES, opening
from pointsbank.points.lots import lots_of
from pointsbank.policy.book import PolicyBook
from pointsbank.policy.load import PolicyErrors
from pointsbank.policy.shipped import policies_at, shipped_folder
from pointsbank.store.database import Database
from pointsbank.verify import verify
from pointsbank.web.posting import reserved_kinds

__all__ = ["administrators", "service", "shell"]

ENTRIES = "/api/v1/journal-entries"


def five_hours(record: str) -> dict[str, str]:
    """A line that says that a stranger has served five hours this morning."""
    day = "2026-11-17"
    return {
        "record_id": record, "volunteer": "V1", "activity": "A1", "activity_name": "关爱老人", "category": "ELDER",
        "station": "S1", "session_start": f"{day} 08:00", "session_end": f"{day} 13:00", "check_in": f"{day} 08:00",
        "check_out": f"{day} 13:00", "hour_class": "信用", "recorded_by": "V2", "recorded_at": f"{day} 13:05",
    }  # fmt: skip


async def test_july_2025_one_administrator_finds_no_door_over_http(
    service: Service, administrators: tuple[Browser, Browser]
) -> None:
    bank, (ann, bo) = service.bank, administrators
    ledger = bank.ledger
    await ledger.submit([opening("station", "S1", "", "", Command("t", "S1"))], PLACES)
    await enrol(ledger, dict.fromkeys(("V1", "V2"), date(1980, 1, 1)))
    stranger = (await volunteers_named(ledger, "V1"))["V1"]
    credit = {
        "debit": "fund:harbin-2026:issued",
        "credit": stranger.wallet, "commodity": "POINT", "amount": 5000, "lot": "2028-12-31/harbin-2026",
    }  # fmt: skip

    async def tries(path: str, body: Any, *told: str, method: str = "POST") -> None:
        answer = await ann.send(method, path, body)
        assert answer.status_code >= 400, (path, answer.text)
        assert kind(answer)[1] in told, (path, answer.text)

    # what an administrator may not do at all
    plan = {"title": "关爱老人", "category": "ELDER", "station": "S1", "starts_at": "2026-11-17T08:00:00+08:00",
            "ends_at": "2026-11-17T13:00:00+08:00"}  # fmt: skip
    for path, body in (
        ("/api/v1/activities", plan),
        ("/api/v1/hours", {"records": [five_hours("F1")]}),
        ("/api/v1/records/verifications", {"records": ["F1"]}),
        ("/api/v1/funds/budget-changes", {"fund": "ice", "points": 1}),
        ("/api/v1/policies/changes", {"files": [{"name": "a.toml", "text": "x = 1"}]}),
    ):
        await tries(path, body, "forbidden")
    # the general doors for entries: one by one, many at once, and by the kinds that earn
    for number, reserved in enumerate(sorted(reserved_kinds(SHIPPED))):
        body = {"kind": reserved, "movements": [credit]}
        await tries(ENTRIES, body, "reserved-kind", "invalid-request")
        told = (await ann.send("POST", f"{ENTRIES}/bulk", {"entries": [body]})).json()
        assert told.get("posted", 0) == 0, (number, told)
    await tries(ENTRIES, {"kind": "memo", "movements": [credit]}, "movement-not-allowed", "reserved-kind")
    # rights for oneself: a role, a second account, a confirmation of what one has proposed
    await tries("/api/v1/role-grants", {"person": ann.person, "role": "verifier"}, "own-role")
    await tries("/api/v1/staff", {"login": "ann-two", "person": ann.person}, "login-taken")
    friend = await ann.send("POST", "/api/v1/staff", {"login": "straw-man"})
    await tries(
        f"/api/v1/enrolments/{friend.json()['enrolment']}/confirmation",
        None,
        "second-person-needed",
        "own-role",
    )
    grant = await ann.send("POST", "/api/v1/role-grants", {"person": bo.person, "role": "station-operator"})
    await tries(f"/api/v1/role-grants/{grant.json()['id']}/confirmation", None, "second-person-needed")
    # two keys: of a machine and one's own; neither opens anything before somebody else has said so
    for path, body in (
        ("/api/v1/api-keys", {"client": "till", "label": "", "scopes": ["hours:submit"]}),
        ("/api/v1/sessions/keys", {"client": "laptop", "scopes": ["hours:submit"]}),
    ):
        made = await ann.send("POST", path, body)
        assert made.status_code == 201, made.text
        confirmation = f"/api/v1/api-keys/{made.json()['key']['id']}/confirmation"
        await tries(confirmation, None, "second-person-needed", "own-role")
        opened = await service.post(
            "/api/v1/hours", {"records": [five_hours("F2")]}, made.json()["token"], "f2"
        )
        assert opened.status_code == 401
    # deceived, the second administrator confirms the machine's key: it records and does no more
    wanted = {"client": "kiosk", "label": "", "scopes": ["hours:submit", "journal:post"]}
    made = (await ann.send("POST", "/api/v1/api-keys", wanted)).json()
    assert (await bo.send("POST", f"/api/v1/api-keys/{made['key']['id']}/confirmation")).status_code == 200
    told = (await service.post("/api/v1/hours", {"records": [five_hours("F3")]}, made["token"], "f3")).json()
    assert [line["verdict"] for line in told["verdicts"]] == ["unknown_activity"], "nobody approved it before"
    answer = await service.post("/api/v1/records/verifications", {"records": ["F3"]}, made["token"], "v3")
    assert kind(answer) == (403, "forbidden")
    # the policy: edited files, safeguards off, and the books of a replay
    edited = PolicyBook([replace(p, points_per_hour=1000, digest="0" * 64) for p in policies_at().policies])
    for book in (edited, policies_at().without_safeguards()):
        with pytest.raises(PolicyErrors):
            await admit_policies(ledger, book)
    with pytest.raises(WrongProfile):
        await require_profile(ledger, "replay")
    # and nothing has come of it
    async for _ in bank.hours.release(date(2027, 12, 31)):
        pass
    held = await ledger.database.read(lots_of, ledger.id, [stranger.wallet, stranger.pending])
    assert not any(held.values())
    report = await verify(ledger.database, ledger.name)
    assert report.findings == ()


def test_july_2025_one_administrator_finds_no_door_on_the_command_line(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.found()
    file = str(hours_file(tmp_path, GOOD))
    edited = tmp_path / "rules.toml"
    text = (shipped_folder() / "harbin-2026.toml").read_text("utf-8")
    edited.write_text(text.replace("points_per_hour = 10\n", "points_per_hour = 1000\n"), "utf-8")
    bare = (
        ("hours", "import", file),
        ("hours", "import", file, "--by", "bo"),
        ("activities", "verify", "R1"),
        ("reverse", "1", "--reason", "x"),
        ("keys", "issue", "--for", "x", "--scope", "hours:submit"),
        ("funds", "propose", "ice", "1000"),
        ("staff", "bootstrap", "--login", "ann", "--login", "cy"),
    )
    for verb in bare:
        assert shell.run(*verb).exit_code != 0, verb
    with monkeypatch.context() as patch:
        patch.setenv("POINTSBANK_POLICY", str(edited))
        for verb in (("hours", "import", file), ("release",)):
            refused = shell.run(*verb)
            assert refused.exit_code != 0, verb
            assert "policy propose" in refused.output
    as_herself = (
        ("hours", "import", file),
        ("activities", "verify", "R1"),
        ("activities", "propose", "x", "--category", "ENV", "--station", "S1", "--starts", "2099-01-05 09:00",
         "--ends", "2099-01-05 11:00"),
        ("reverse", "1", "--reason", "x"),
        ("funds", "propose", "ice", "1000"),
        ("policy", "propose", str(edited)),
        ("staff", "grant", shell.people["ann"], "verifier"),
    )  # fmt: skip
    for verb in as_herself:
        assert shell.acting("ann", *verb).exit_code != 0, verb
    grant = id_in(shell.acting("ann", "staff", "grant", shell.people["bo"], "station-operator"))
    assert shell.acting("ann", "staff", "confirm", grant).exit_code != 0
    assert shell.run("release").exit_code == 0
    asyncio.run(_nothing_came_of_it(shell.url))


async def _nothing_came_of_it(url: str) -> None:
    database = Database(url)
    async with open_peopled(database) as ledger:
        stranger = (await volunteers_named(ledger, "V1"))["V1"]
        held = await ledger.database.read(lots_of, ledger.id, [stranger.wallet, stranger.pending])
        assert not any(held.values())
    await database.close()
