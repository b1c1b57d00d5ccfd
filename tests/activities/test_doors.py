"""The doors of activities and records: HTTP and the command line, one thin path from the edge to the books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.activities.centre import HEAD, JUDGE, RECORDER, SECOND, VERIFIER, done
from tests.people_of import enrol, open_peopled, volunteers_named
from tests.web.conftest import Service, running

from pointsbank.access.model import NEVER, SCOPES
from pointsbank.access.service import IssuedKey, KeyDesk, KeyRing
from pointsbank.activities.model import ActivityPlan
from pointsbank.cli.main import main
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.places.stations import PLACES, opening
from pointsbank.store.database import Database
from pointsbank.web.api.desks import desks_of

EIGHT = datetime(2026, 11, 20, 0, tzinfo=UTC)
"""Eight o'clock of a Friday in the city."""
NINE, ELEVEN = "2026-11-20T09:00:00+08:00", "2026-11-20T11:00:00+08:00"


def micros(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Service]:
    """A station and a volunteer, under the policy that comes with the program."""
    async with running(database_url, clock=FixedClock(micros(EIGHT))) as service:
        await _settle(service.bank.ledger)
        yield service


async def _settle(ledger: Any) -> None:
    await enrol(ledger, {"V1": date(1980, 1, 1)})
    await ledger.submit([opening("station", "S1", "", "", Command("t", "S1"))], PLACES)


def at(service: Service, hour: int, minute: int = 0) -> None:
    service.bank.clock.time = micros(EIGHT.replace(hour=hour - 8, minute=minute))  # type: ignore[attr-defined]


PLAN = {"title": "清雪", "category": "ENV", "station": "S1", "starts_at": NINE, "ends_at": ELEVEN}


async def test_an_hour_over_http_from_the_plan_to_the_notice(town: Service) -> None:
    """A terminal opens the session, checks in and submits; what only people may do, people do."""
    key = await town.key()
    person = (await volunteers_named(town.bank.ledger, "V1"))["V1"]
    desks = desks_of(town.bank)
    made = await town.post("/api/v1/activities", PLAN, key, "a1")
    assert made.json()["type"] == "/problems/four-eyes", "a machine plans nothing"
    activity = done(
        await desks.activities.propose(
            ActivityPlan(
                title="清雪", category="ENV", station="S1",
                starts_at=micros(datetime.fromisoformat(NINE)), ends_at=micros(datetime.fromisoformat(ELEVEN)),
            ),
            RECORDER,
            Command("t", "p"),
        )
    )  # fmt: skip
    refused = await town.post(f"/api/v1/activities/{activity}/decision", {"approve": True}, key, "d1")
    assert refused.json()["type"] == "/problems/forbidden", "a machine approves nothing"
    early = await town.post(
        f"/api/v1/activities/{activity}/sessions",
        {"starts_at": NINE, "ends_at": ELEVEN, "capacity": 5},
        key,
        "s1",
    )
    assert early.json()["type"] == "/problems/activity-not-approved"
    done(await desks.activities.decide(activity, "", HEAD, Command("t", "d"), approve=True))
    opened = await town.post(
        f"/api/v1/activities/{activity}/sessions",
        {"starts_at": NINE, "ends_at": ELEVEN, "capacity": 5},
        key,
        "s1",
    )
    assert opened.status_code == 201, opened.text
    session = f"/api/v1/activity-sessions/{opened.json()['id']}"
    signed = await town.post(f"{session}/sign-ups", {"person": person.id}, key, "u1")
    again = await town.post(f"{session}/sign-ups", {"person": person.id}, key, "u1")
    assert (signed.status_code, again.headers.get("idempotency-replayed")) == (201, "true"), again.text
    seen = (await town.get(f"/api/v1/activities/{activity}", key)).json()
    assert (seen["state"], len(seen["sessions"])) == ("approved", 1)
    at(town, 9)
    card = {"person": person.id, "way": "card"}
    forged = await town.post(
        f"{session}/check-ins", {**card, "way": "session-code", "code": "s.x.1.y"}, key, "c0"
    )
    assert forged.json()["type"] == "/problems/check-in-refused"
    came = await town.post(f"{session}/check-ins", card, key, "c1")
    assert came.status_code == 201, came.text
    assert (await town.post(f"{session}/check-ins", card, key, "c1")).headers[
        "idempotency-replayed"
    ] == "true"
    at(town, 11)
    assert (await town.post(f"{session}/check-outs", card, key, "c2")).status_code == 201
    [line] = (await town.post(f"{session}/submission", {}, key, "m1")).json()["lines"]
    assert (line["verdict"], line["minutes"], line["level"]) == ("submitted", 120, 2), (
        "no person stands for the recording"
    )
    record = line["record_id"]
    told = await town.post("/api/v1/records/verifications", {"records": [record]}, key, "v1")
    assert told.json()["type"] == "/problems/forbidden", "a machine verifies nothing"
    for person_ in (VERIFIER, SECOND):
        done(await desks.verifying.verify([record], person_, Command("t", "v")))
    standing = (await town.get(f"/api/v1/records/{record}/standing", key)).json()
    assert (standing["state"], standing["points"], standing["next_step"]) == ("pending", 2000, "release")
    assert [step["step"] for step in standing["steps"]][2:] == ["submitted", "verified", "approved"]
    notice = await town.get("/api/v1/records/public-notice")
    last = (date.fromisoformat(standing["available_on"]) - timedelta(days=1)).isoformat()
    line = {"line": 1, "name": "志愿者", "team": "", "activity": "清雪", "minutes": 120, "until": last}
    assert notice.json() == {"day": "2026-11-20", "lines": [line], "complete": True}
    assert notice.headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert person.id not in notice.text
    hours = (await town.get(f"/api/v1/records/of/{person.id}", key)).json()["hours"]
    assert [hour["record_id"] for hour in hours] == [record]
    objection = await town.post(f"/api/v1/records/{record}/objection", {"reason": "not-present"}, key, "o1")
    assert objection.json()["type"] == "/problems/forbidden", "a machine does not object"
    done(await desks.objecting.object(record, "not-present", JUDGE, Command("t", "o")))
    ruling = await town.post(
        f"/api/v1/records/{record}/decision", {"uphold": True, "reason": "confirmed"}, key, "r1"
    )
    assert ruling.json()["type"] == "/problems/forbidden"
    wallet = (await town.post("/api/v1/volunteers/wallet", {"number": "V1"}, key)).json()
    assert (wallet["available"], wallet["pending"], wallet["merit_minutes"]) == (0, 2000, 120)


async def test_a_line_over_http_waits_for_a_verifier_and_one_of_no_approved_activity_is_refused(
    town: Service,
) -> None:
    key = await town.key()
    line = {
        "record_id": "R1", "volunteer": "V1", "activity": "A1", "activity_name": "五小时", "category": "ENV",
        "station": "S1", "session_start": "2026-11-19 08:00", "session_end": "2026-11-19 13:00",
        "check_in": "2026-11-19 08:00", "check_out": "2026-11-19 13:00", "hour_class": "信用",
        "recorded_by": "V2", "recorded_at": "2026-11-19 17:00",
    }  # fmt: skip
    answer = await town.post("/api/v1/hours", {"records": [line]}, key, "h1")
    [verdict] = answer.json()["verdicts"]
    assert (answer.json()["accepted"], verdict["verdict"], verdict["points"]) == (0, "unknown_activity", 0)
    wallet = (await town.post("/api/v1/volunteers/wallet", {"number": "V1"}, key)).json()
    assert (wallet["available"], wallet["pending"]) == (0, 0)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_command_line_acts_as_the_holder_of_a_key_and_a_machine_approves_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async def build() -> str:
        database = Database(database_url)
        async with open_peopled(database) as ledger:
            await _settle(ledger)
            desk = KeyDesk(ledger, KeyRing(ledger, ledger.writer.clock))
            issued = await desk.issue("kiosk", "", SCOPES, NEVER, Command("t", "key"))
        await database.close()
        assert isinstance(issued, IssuedKey)
        assert issued.token is not None
        return issued.token

    token = asyncio.run(build())
    key_file, wrong_file = tmp_path / "key", tmp_path / "wrong"
    key_file.write_text(token + "\n", encoding="utf-8")
    wrong_file.write_text("pbk_x", encoding="utf-8")
    common = ("--key-file", str(key_file), "--database", database_url)
    plan = (
        "--category",
        "ENV",
        "--station",
        "S1",
        "--starts",
        "2099-01-05 09:00",
        "--ends",
        "2099-01-05 11:00",
    )
    wrong = invoke(
        "activities", "propose", "清雪", *plan, "--key-file", str(wrong_file), "--database", database_url
    )
    assert wrong.exit_code != 0
    proposed = invoke("activities", "propose", "清雪", *plan, *common)
    assert proposed.exit_code != 0
    assert "须由另一人办理" in proposed.output
    for verb in (("decide", "x", "--approve"), ("submit", "x"), ("object", "x", "--reason", "other")):
        assert invoke("activities", *verb, *common).exit_code != 0
    verified = invoke("activities", "verify", "x", *common)
    assert "没有权限 hours:verify" in verified.output
    assert invoke("activities", "standing", "nothing", "--database", database_url).exit_code != 0
