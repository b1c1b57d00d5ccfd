"""V1 and V7: a volunteer sees every hour from check-in on, and keeps one account wherever in the city they live."""

from __future__ import annotations

from datetime import date

from tests.activities.centre import RECORDER, TERMINAL, Centre, done, open_centre
from tests.activities.test_clawback import spend, with_shop

from pointsbank.activities.attendance import Shown
from pointsbank.ledger.model import Receipt
from pointsbank.places.model import Joining, Opening, Transfer
from pointsbank.places.service import PlacesService
from pointsbank.places.tree import places_on
from pointsbank.recognition.totals import group_minutes
from pointsbank.store.database import Database


async def stands(centre: Centre, name: str) -> tuple[str, str, str]:
    """Where the one hour of somebody stands, the next step, and the latest day for it."""
    [hour] = (await centre.standings.account_of(centre.id(name))).hours
    return hour.state, hour.next_step, hour.due_on


async def test_v1_an_hour_is_seen_from_check_in_on_with_its_stage_and_the_latest_day_by_law(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        session, person = await centre.session("2026-03-02"), centre.id("V1")
        done(await centre.activities.sign_up(session, person, RECORDER, centre.key()))
        assert (await centre.standings.account_of(person)).hours == []
        centre.at("2026-03-02 09:00:00")
        done(await centre.attendance.check_in(session, person, Shown("card"), TERMINAL, centre.key()))
        # ten working days after Monday, 2 March (MCA Order 67, article 11)
        assert await stands(centre, "V1") == ("attending", "check-out", "2026-03-16")
        centre.at("2026-03-02 11:00:00")
        done(await centre.attendance.check_out(session, person, Shown("card"), TERMINAL, centre.key()))
        assert await stands(centre, "V1") == ("attended", "submission", "2026-03-16")
        record = (await centre.submit(session))["V1"].record_id
        assert await stands(centre, "V1") == ("submitted", "verification", "2026-03-16")
        await centre.verify(record)
        assert await stands(centre, "V1") == ("pending", "release", "2026-03-06")
        await centre.release("2026-03-06")
        assert await stands(centre, "V1") == ("credited", "", "")
        account = await centre.standings.account_of(person)
        assert account.as_of == (await centre.ledger.writer.store.head()).sequence
        steps = [step.step for step in account.hours[0].steps]
        assert steps[:4] == ["checked-in", "checked-out", "submitted", "verified"]


async def test_v7_who_moves_keeps_one_account_and_is_at_home_elsewhere_from_that_day(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        places, person, start, move = (
            PlacesService(centre.ledger),
            centre.id("V1"),
            date(2026, 1, 1),
            date(2026, 3, 9),
        )
        for code, station in (("T1", "S1"), ("T2", "S2")):
            opened = await places.change(Opening(code, "team", code, station, start), centre.key())
            assert isinstance(opened, Receipt), opened
        for act in (Joining("T1", person, start), Transfer("T1", "T2", person, move)):
            done_ = await places.change_membership(act, centre.key())
            assert isinstance(done_, Receipt), done_
        await centre.credited("V1", "2026-03-02")
        centre.at("2026-03-09 06:00:00")
        await centre.credited("V1", "2026-03-09")
        await centre.release("2026-03-31")
        assert (await centre.points("V1"), await centre.merit("V1")) == (4000, 240), "one account"
        await spend(centre, "V1", 4000)
        known = await centre.ledger.database.read(places_on, centre.ledger.id, ["T1", "T2"], move)
        totals = {
            code: await centre.ledger.database.read(group_minutes, centre.ledger.id, place.id, 2026)
            for code, place in known.items()
        }
        assert totals == {"T1": (120, 1), "T2": (120, 1)}, "each hour counts where its giver was at home"
        await centre.holds()
