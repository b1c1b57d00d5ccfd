"""Item 4: who signed up for a session is visible to the staff of its place for that visit, masked; to nobody later."""

from __future__ import annotations

from datetime import date, datetime

from tests.activities.centre import HEAD, RECORDER, Centre, done, guarded, open_centre, paper
from tests.activities.test_doors import ELEVEN, NINE, micros, town
from tests.people_of import volunteers_named
from tests.web.conftest import Service
from tests.web.test_bounds import Land, land

from pointsbank.activities.model import ActivityPlan, SessionPlan
from pointsbank.activities.present import expected_at, lacking
from pointsbank.engine.commands import Command
from pointsbank.people.directory import directory_of
from pointsbank.store.database import Database
from pointsbank.web.api.desks import desks_of

__all__ = ["land", "town"]

DAY = 24 * 3_600_000_000


async def test_who_signed_up_is_seen_masked_at_the_place_and_gone_a_day_after(land: Land) -> None:
    here, path = land.here, f"/api/v1/activity-sessions/{land.here.session}"
    for person in (here.person, here.resident):
        signed = await land.operator.send("POST", f"{path}/sign-ups", {"person": person})
        assert signed.status_code in (200, 201), signed.text
    told = (await land.operator.get(f"{path}/people")).json()
    assert told["session"] == here.session
    assert told["as_of"] == (await land.service.bank.ledger.writer.store.head()).sequence
    seen = {one["person"]: one for one in told["people"]}
    assert set(seen) == {here.person, here.resident}
    assert (seen[here.person]["name"], seen[here.person]["sign_up"], seen[here.person]["attendance"]) == (
        "张*明",
        "signed",
        "",
    )
    wallet = await land.service.bank.balances.wallet(here.person)
    assert seen[here.person]["available"] == wallet.available > 0  # type: ignore[union-attr]
    assert "张小明" not in str(told)
    foreign = await land.operator.get(f"/api/v1/activity-sessions/{land.there.session}/people")
    assert foreign.status_code == 403
    land.service.bank.clock.time += 4 * DAY  # type: ignore[attr-defined]
    land.operator.clock.time += 1
    assert (await land.operator.log_in()).status_code == 201
    later = (await land.operator.get(f"{path}/people")).json()["people"]
    assert {(one["name"], one["available"]) for one in later} == {("", 0)}, "the visit is over"


async def test_a_device_at_which_nobody_is_logged_in_sees_nobodys_name(town: Service) -> None:
    desks, key = desks_of(town.bank), await town.key()
    person = (await volunteers_named(town.bank.ledger, "V1"))["V1"].id
    starts, ends = (micros(datetime.fromisoformat(at)) for at in (NINE, ELEVEN))
    plan = ActivityPlan(title="清雪", category="ENV", station="S1", starts_at=starts, ends_at=ends)
    activity = done(await desks.activities.propose(plan, RECORDER, Command("t", "p")))
    done(await desks.activities.decide(activity, "", HEAD, Command("t", "d"), approve=True))
    sessions = SessionPlan(starts_at=starts, ends_at=ends, capacity=5)
    session = done(await desks.activities.open_session(activity, sessions, RECORDER, Command("t", "s")))
    done(await desks.activities.sign_up(session, person, RECORDER, Command("t", "u")))
    told = (await town.get(f"/api/v1/activity-sessions/{session}/people", key)).json()
    assert [(one["person"], one["name"], one["available"]) for one in told["people"]] == [(person, "", 0)]
    missing = await town.get("/api/v1/activity-sessions/none/people", key)
    assert missing.status_code == 404


async def test_who_lacks_something_on_the_day_is_told_at_the_door(database: Database) -> None:
    async with open_centre(database) as centre:
        session = await centre.session("2026-03-02")
        done(await centre.activities.file_paper(paper(centre.id("TEEN"), "consent"), RECORDER, centre.key()))
        done(await centre.activities.sign_up(session, centre.id("V1"), RECORDER, centre.key()))
        done(await centre.activities.sign_up(session, centre.id("TEEN"), RECORDER, centre.key()))
        assert await _lacks(centre, session) == {centre.id("V1"): "", centre.id("TEEN"): ""}
        done(await centre.activities.revoke_paper(centre.id("TEEN"), "consent", "", RECORDER, centre.key()))
        assert await _lacks(centre, session) == {centre.id("V1"): "", centre.id("TEEN"): "consent-missing"}


async def _lacks(centre: Centre, session: str) -> dict[str, str]:
    found = await centre.ledger.database.read(expected_at, centre.ledger.id, session)
    assert found is not None
    known = await directory_of(centre.ledger).by_id([one.person_id for one in found.people])
    return {
        one.person_id: lacking(one, known, found.activity, date(2026, 3, 2), guarded())
        for one in found.people
    }
