"""V9: the export of one's own data holds what the books say of a person, and nothing that others own."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import Connection
from tests.access.test_gifts import household
from tests.access.test_people_api import Town, _with_points, town
from tests.activities.centre import HEAD, SECOND, Centre, done, open_centre
from tests.activities.test_clawback import spend, with_shop

import pointsbank.web.own_books as module
from pointsbank.activities.evidence import EvidenceDesk
from pointsbank.activities.refusals import CheckInRefused
from pointsbank.hours.giving import Giving
from pointsbank.people.export import Typed
from pointsbank.store.database import Database
from pointsbank.tables import metadata
from pointsbank.web.own_books import own_books

__all__ = ["town"]

PERSON = {"person_id", "volunteer", "giver", "taker", "subject"}
"""What columns are called that name the person whom a row is about."""

ELSEWHERE = {
    "api_keys": "a program's key: its holder sees and ends it under sessions",
    "enrolments": "hashes of codes",
    "refused_attempts": "what an auditor looks into: telling of it would warn",
    "subjects": "a version number",
    "volunteers": "since when, in the register's part",
    "record_trails": "with the records",
}


def test_every_table_about_people_is_in_the_export_or_named_here() -> None:
    source = Path(str(module.__file__)).read_text("utf-8")
    about = {name for name, table in metadata.tables.items() if PERSON & set(table.c.keys())}
    assert len(about) > 12
    assert {name for name in about if f"{name}," not in source and f"({name}" not in source} <= set(ELSEWHERE)
    assert set(ELSEWHERE) <= set(metadata.tables)


async def test_v9_all_that_the_books_hold_of_somebody_is_in_the_export_and_nothing_of_others(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        session = await centre.attended(["V1", "V2"], "2026-03-02")
        outcomes = await centre.submit(session)
        await centre.verify(*(one.record_id for one in outcomes.values()))
        await centre.release("2026-03-06")
        await spend(centre, "V1", 500)
        giving = Giving(centre.ledger, centre.policies)
        gift = done(await giving.propose(centre.id("V1"), "", 300, 0, SECOND, centre.key("gift")))
        done(await giving.give(gift, HEAD, centre.key()))
        filing = EvidenceDesk(centre.ledger)
        done(await filing.file(session, centre.id("V1"), "sheet", "Z-1", SECOND, centre.key()))
        done(await filing.file(session, centre.id("V2"), "sheet", "Z-2", SECOND, centre.key()))
        telephone = await filing.file(session, centre.id("V3"), "sheet", "13900001111", SECOND, centre.key())
        assert telephone == CheckInRefused("reason-missing"), "nothing that may be somebody's number"
        told, typed = await _of(centre, "V1")
        assert [(one["kind"], one["reference"]) for one in told["evidence"]] == [("sheet", "Z-1")]
        assert told["as_of"] == (await centre.ledger.writer.store.head()).sequence
        [record] = told["service_records"]
        assert (record["record_id"], record["title"], record["minutes"], record["points"], record["state"]) == (
            outcomes["V1"].record_id, "清雪", 120, 2000, "credited",
        )  # fmt: skip
        assert [one["session_id"] for one in told["sign_ups"]] == [session]
        [attendance] = told["attendance"]
        assert (attendance["in_way"], attendance["in_at"]) == ("card", "2026-03-02T09:00:00+08:00")
        assert {step["step"] for step in told["steps_of_records"]} >= {"submitted", "verified"}
        assert [(one["price"], one["state"]) for one in told["baskets"]] == [(500, "sold")]
        assert [(one["points"], one["state"]) for one in told["gifts"]] == [(300, "given")]
        accounts = {one["account"].rpartition(":")[2]: one["postings"] for one in told["accounts"]}
        assert [line["balance"] for line in accounts["available"]] == [1200, 1500, 2000]
        assert [line["amount"] for line in accounts["merit"]] == [120]
        assert not told["is_cut"]
        text = json.dumps(told)
        assert centre.id("V2") not in text
        assert outcomes["V2"].record_id not in text
        assert typed == [], "nothing was typed in: all of it was measured"


async def _of(centre: Centre, name: str) -> tuple[dict[str, object], list[Typed]]:
    def work(connection: Connection) -> tuple[dict[str, object], list[Typed]]:
        return own_books(connection, centre.ledger.id, [centre.id(name)])

    return await centre.ledger.database.read(work)


async def test_v9_the_export_at_the_desk_holds_the_books_and_what_was_typed_in_plain(town: Town) -> None:
    person, _ = await _with_points(town)
    await household(town, person)
    fields = {
        "record_id": "R2", "volunteer": "V0001", "activity": "A1", "activity_name": "社区清洁",
        "category": next(iter(town.service.bank.policies.policies[-1].categories)), "station": "S1",
        "session_start": "2026-11-17 08:00", "session_end": "2026-11-17 12:00", "check_in": "2026-11-17 08:00",
        "check_out": "2026-11-17 12:00", "hour_class": "信用", "recorded_by": "V0002", "recorded_at": "2026-11-17 17:00",
    }  # fmt: skip
    twice = await town.service.post("/api/v1/hours", {"records": [fields]}, town.machine, "twice")
    assert twice.json()["verdicts"][0]["verdict"] == "overlap", twice.text
    answer = await town.send("boss", "POST", f"/people/{person}/export", {"reason": "本人申请"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["name"] == "李秀英"
    assert sorted((one["record_id"], one["state"]) for one in told["books"]["service_records"]) == [
        ("R1", "credited"),
        ("R2", "refused"),
    ]
    assert told["as_it_was_typed"]["record R1"] == ["V0001", "社区清洁"]
    assert "社区清洁" in told["as_it_was_typed"]["record R2"]
    assert [(one["kind"], one["code"], one["name"]) for one in told["books"]["memberships"]] == [
        ("household", "H1", "")
    ], "what a household is called names somebody"
    assert "V0002" not in answer.text, "who wrote it down is somebody else"
    available = next(one for one in told["books"]["accounts"] if one["account"].endswith(":available"))
    assert available["postings"]
