"""Two registrations of one person in the books: one claim on time, one set of accounts, undone by an entry."""

from __future__ import annotations

import asyncio

import asyncpg
from tests.activities.centre import HEAD, JUDGE, RECORDER, TERMINAL, Centre, done, open_centre, refused
from tests.activities.test_clawback import (
    THREE,
    debt,
    decided,
    false_activity,
    holds,
    on_notice,
    spend,
    with_shop,
)

from pointsbank.activities.attendance import Shown
from pointsbank.hours.booked import booked_of
from pointsbank.hours.merging import MergePostings
from pointsbank.hours.refusals import WrongState
from pointsbank.hours.taking_back import loss_account
from pointsbank.ledger.model import JournalEntry
from pointsbank.ledger.refusals import InsufficientBalance, Refusal
from pointsbank.people.merged import survivors
from pointsbank.points.lots import Fund, lots_of
from pointsbank.readers.journal import entries_after
from pointsbank.store.database import Database
from pointsbank.store.sqlite_driver import sqlite3
from pointsbank.verify import verify

DAY = "2026-03-02"


async def merge(centre: Centre, old: str, into: str, key: str = "merge:1") -> Refusal | None:
    return await MergePostings(centre.ledger, centre.policies, HEAD).post(
        centre.id(old), centre.id(into), key
    )


async def undo(centre: Centre, old: str, into: str, key: str = "unmerge:2") -> Refusal | None:
    return await MergePostings(centre.ledger, centre.policies, HEAD).post(
        centre.id(old), centre.id(into), key
    )


async def points(centre: Centre, name: str) -> tuple[int, int, int]:
    """Merit, available, on notice."""
    return await centre.merit(name), await centre.points(name), await centre.points(name, pending=True)


async def newest(centre: Centre, kind: str) -> JournalEntry:
    entries = await centre.ledger.database.read(entries_after, centre.ledger.id, 0, limit=1000)
    return [entry for entry in entries if entry.kind == kind][-1]


async def test_h14_what_the_old_id_has_moves_lot_by_lot_by_one_visible_entry(database: Database) -> None:
    async with open_centre(database, with_shop(), now="2025-03-03 06:00:00") as centre:
        await centre.credited("V1", "2025-03-03")
        await centre.release("2025-03-10")
        centre.at("2026-03-02 06:00:00")
        await centre.credited("V1", DAY)
        await centre.release("2026-03-09")
        centre.at("2026-03-09 06:00:00")
        await centre.credited("V1", "2026-03-09")
        centre.at("2026-03-10 06:00:00")
        await centre.credited("V2", "2026-03-10")
        assert await merge(centre, "V1", "V2") is None
        assert await points(centre, "V1") == (0, 0, 0)
        assert await points(centre, "V2") == (480, 4000, 4000)
        wallet = centre.people["V2"].wallet
        held = (await database.read(lots_of, centre.ledger.id, [wallet]))[wallet]
        assert [(lot.lot, lot.balance) for lot in held] == [
            ("2026-12-31/city", 2000),
            ("2027-12-31/city", 2000),
        ]
        entry = await newest(centre, "merge")
        assert (len(entry.postings), entry.actor) == (4, HEAD.person)
        assert await merge(centre, "V1", "V2") is None, "asked again, nothing moves twice"
        assert await points(centre, "V2") == (480, 4000, 4000)
        await centre.holds()


async def test_h14_of_two_records_of_one_time_the_later_is_taken_back_first(database: Database) -> None:
    """Also if its points were spent; what is no longer there is the fund's loss, for a merge finds nobody guilty."""
    async with open_centre(database, with_shop()) as centre:
        first = await centre.session(DAY, "09:00", "11:00")
        second = await centre.session(DAY, "10:00", "12:00")
        kept, gone = await _submitted(centre, first, second)
        await centre.verify(kept, gone)
        await centre.release("2026-03-06")
        await spend(centre, "V2", 1500)
        assert await merge(centre, "V1", "V2") is None
        assert (await centre.state(kept), await centre.state(gone)) == ("credited", "clawed-back")
        assert await points(centre, "V2") == (120, 2000, 0)
        assert await holds(centre, loss_account(Fund("city"))) == 1500
        assert await debt(centre, "V2") == 0
        await centre.holds()


async def test_h14_an_overlapping_record_that_nobody_has_verified_is_rejected(database: Database) -> None:
    async with open_centre(database) as centre:
        first = await centre.session(DAY, "09:00", "11:00")
        second = await centre.session(DAY, "10:00", "12:00")
        kept, gone = await _submitted(centre, first, second)
        assert await merge(centre, "V2", "V1") is None
        assert (await centre.state(kept), await centre.state(gone)) == ("submitted", "rejected")
        await centre.holds()


async def _submitted(centre: Centre, first: str, second: str) -> tuple[str, str]:
    """The records of both sessions, the first one submitted first."""
    await _both_attend(centre, first, second)
    one, other = await centre.submit(first), await centre.submit(second)
    return one["V1"].record_id, other["V2"].record_id


async def _both_attend(centre: Centre, first: str, second: str) -> None:
    """V1 attends the first and V2 the second session, by card."""
    for session, name in ((first, "V1"), (second, "V2")):
        done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
    for at, session, name, meet in (
        ("09:00", first, "V1", centre.attendance.check_in),
        ("10:00", second, "V2", centre.attendance.check_in),
        ("11:00", first, "V1", centre.attendance.check_out),
        ("12:00", second, "V2", centre.attendance.check_out),
    ):
        centre.at(f"{DAY} {at}:00")
        done(await meet(session, centre.id(name), Shown("card"), TERMINAL, centre.key()))


async def test_h14_merged_ids_share_one_claim_on_time_and_the_caps(database: Database) -> None:
    async with open_centre(database, with_shop(caps={"activity_minutes": 240, "day_minutes": 240,
                                                     "year_minutes": 30_000})) as centre:  # fmt: skip
        first = await centre.session(DAY, "09:00", "11:00")
        second = await centre.session(DAY, "10:00", "12:00")
        third = await centre.session(DAY, "13:00", "16:00")
        for session, name in ((first, "V1"), (second, "V2"), (third, "V2")):
            done(await centre.activities.sign_up(session, centre.id(name), RECORDER, centre.key()))
        for at, session, name, meet in (
            ("09:00", first, "V1", centre.attendance.check_in),
            ("10:00", second, "V2", centre.attendance.check_in),
            ("11:00", first, "V1", centre.attendance.check_out),
            ("12:00", second, "V2", centre.attendance.check_out),
            ("13:00", third, "V2", centre.attendance.check_in),
            ("16:00", third, "V2", centre.attendance.check_out),
        ):
            centre.at(f"{DAY} {at}:00")
            done(await meet(session, centre.id(name), Shown("card"), TERMINAL, centre.key()))
        kept = (await centre.submit(first))["V1"].record_id
        assert await merge(centre, "V1", "V2") is None
        assert (await centre.submit(second))["V2"].verdict == "overlap", "the old id's hours are its own"
        afternoon = (await centre.submit(third))["V2"].record_id
        [morning] = await centre.verify(kept)
        assert morning.points == 2000
        assert await points(centre, "V2") == (120, 0, 2000), "verified later, it comes to the id that goes on"
        [rest] = await centre.verify(afternoon)
        assert rest.points == 2000, "two of the four hours of the day were used up under the old id"
        await centre.holds()


async def test_h14_what_was_pending_is_released_and_reversed_where_it_stands_now(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        record = await centre.credited("V1", DAY)
        centre.at(f"{DAY} 12:00:00")
        other = await centre.credited("V1", DAY, "13:00", "15:00")
        assert await merge(centre, "V1", "V2") is None
        sequence = await _sequence(centre, record)
        answer = await centre.hours.reverse(sequence, "wrong", centre.key())
        assert answer == WrongState(record, "merged"), "its mirror would take from nobody"
        done(await centre.objecting.object(record, "not-present", centre.by("TEEN"), centre.key()))
        upheld = done(await centre.objecting.decide(record, "confirmed", JUDGE, centre.key(), uphold=True))
        assert upheld.state == "upheld"
        assert await points(centre, "V2") == (120, 0, 2000)
        assert await centre.release("2026-03-06") == 1
        assert await points(centre, "V2") == (120, 2000, 0)
        assert (await centre.state(record), await centre.state(other)) == ("clawed-back", "credited")
        await centre.holds()


async def _sequence(centre: Centre, record_id: str) -> int:
    found = await centre.ledger.database.read(booked_of, centre.ledger.id, record_id)
    assert found is not None
    return found.record.sequence


async def test_h14_a_debt_goes_with_the_person_and_is_paid_there(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        activity, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 2000)
        await decided(centre, activity, "V1")
        assert await merge(centre, "V1", "V2") is None
        assert (await debt(centre, "V1"), await debt(centre, "V2")) == (0, 2000)
        centre.at("2026-03-09 08:00:00")
        await centre.credited("V2", "2026-03-09")
        await centre.release("2026-03-13")
        assert (await centre.points("V2"), await debt(centre, "V2")) == (1000, 1000)
        await centre.holds()


async def test_h14_undoing_is_a_new_entry_and_gives_the_old_id_what_is_its_own(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await centre.credited("V1", DAY)
        await centre.release("2026-03-06")
        centre.at("2026-03-06 06:00:00")
        await centre.credited("V1", "2026-03-06")
        centre.at("2026-03-07 06:00:00")
        await centre.credited("V2", "2026-03-07")
        assert await merge(centre, "V1", "V2") is None
        assert await points(centre, "V2") == (360, 2000, 4000)
        await centre.release("2026-03-16")  # all that was on notice
        assert await points(centre, "V2") == (360, 6000, 0)
        assert await undo(centre, "V1", "V2") is None
        assert await points(centre, "V1") == (240, 4000, 0)
        assert await points(centre, "V2") == (120, 2000, 0)
        assert await undo(centre, "V1", "V2") is None, "undone once"
        assert await points(centre, "V1") == (240, 4000, 0)
        assert await database.read(survivors, centre.ledger.id, [centre.id("V1")]) == {}
        assert (await newest(centre, "unmerge")).reverses == 0, "an entry of its own, not a mirror"
        await centre.holds()
        assert await merge(centre, "V1", "V2", "merge:3") is None, "and merged again by another decision"
        assert await points(centre, "V2") == (360, 6000, 0)
        await centre.holds()


async def test_h14_what_was_taken_of_a_record_on_notice_goes_and_comes_back_as_it_is(
    database: Database,
) -> None:
    async with open_centre(database, with_shop()) as centre:
        first, _ = await false_activity(centre, "V1")
        await centre.release("2026-03-06")
        await spend(centre, "V1", 1000)
        [record] = await on_notice(centre, "V1", "2026-03-06", THREE)
        await decided(centre, first, "V1")
        assert await points(centre, "V1") == (180, 1000, 1000), "of 3000 on notice 2000 were taken"
        second, _ = await false_activity(centre, "V2", day="2026-03-09")
        brought = await database.read(booked_of, centre.ledger.id, record)
        assert brought is not None
        assert [credit.points for credit in brought.earned] == [1000]
        assert await merge(centre, "V1", "V2") is None
        assert await points(centre, "V2") == (300, 1000, 3000)
        assert await undo(centre, "V1", "V2") is None
        assert await points(centre, "V1") == (180, 1000, 1000)
        assert await points(centre, "V2") == (120, 0, 2000)
        await centre.holds()
        assert await merge(centre, "V1", "V2", "merge:3") is None
        case = await decided(centre, second, "V2")
        assert [(line.taken, line.owed) for line in case.lines] == [(2000, 0)]
        assert await points(centre, "V2") == (180, 1000, 1000)
        await centre.release("2026-04-01")
        assert await points(centre, "V2") == (180, 2000, 0)
        await centre.holds()


async def test_h14_what_was_spent_meanwhile_cannot_be_given_back(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await centre.credited("V1", DAY)
        await centre.release("2026-03-06")
        assert await merge(centre, "V1", "V2") is None
        await spend(centre, "V2", 500)
        answer = refused(await undo(centre, "V1", "V2"))
        assert isinstance(answer, InsufficientBalance)
        assert (answer.balance, answer.required) == (1500, 2000)
        assert await points(centre, "V2") == (120, 1500, 0), "nothing by halves"


async def test_h14_an_old_card_spends_from_the_id_that_goes_on(database: Database) -> None:
    async with open_centre(database, with_shop()) as centre:
        await centre.credited("V1", DAY)
        await centre.release("2026-03-06")
        assert await merge(centre, "V1", "V2") is None
        await spend(centre, "V1", 500)
        assert await points(centre, "V2") == (120, 1500, 0)
        await centre.holds()


async def test_h14_ids_without_anything_are_merged_without_an_entry(database: Database) -> None:
    async with open_centre(database) as centre:
        assert await merge(centre, "V1", "V2") is None
        assert await database.read(survivors, centre.ledger.id, [centre.id("V1")]) == {
            centre.id("V1"): centre.id("V2")
        }
        assert await merge(centre, "V2", "V3", "merge:2") is None
        assert await database.read(survivors, centre.ledger.id, [centre.id("V1")]) == {
            centre.id("V1"): centre.id("V3")
        }
        await centre.credited("V3", DAY)
        assert await undo(centre, "V1", "V2") is None
        assert await points(centre, "V3") == (120, 0, 2000)
        await centre.holds()


async def test_h14_a_merit_that_no_record_explains_is_found_under_merged_ids(database: Database) -> None:
    async with open_centre(database) as centre:
        await centre.credited("V1", DAY)
        assert await merge(centre, "V1", "V2") is None
        await centre.holds()

        await _falsify(database, "UPDATE service_records SET minutes = 121 WHERE minutes = 120")
        report = await verify(database, centre.ledger.name)
        assert "volunteer-merit" in {finding.code for finding in report.findings}


async def _falsify(database: Database, statement: str) -> None:
    """Change the database past the program."""
    if database.dialect == "sqlite":
        connection = sqlite3.connect(database.path, isolation_level=None)
        connection.execute(statement)
        connection.close()
        return
    raw = await asyncpg.connect(database.url)
    await raw.execute(statement)
    await raw.close()


async def test_h14_a_submit_and_a_merge_at_one_time_leave_no_overlap(database: Database) -> None:
    """Whichever commits first: of the two records of one time at most one holds it."""
    async with open_centre(database) as centre:
        first = await centre.session(DAY, "09:00", "11:00")
        second = await centre.session(DAY, "10:00", "12:00")
        await _both_attend(centre, first, second)
        outcomes = await asyncio.gather(
            merge(centre, "V1", "V2"), centre.submit(first), centre.submit(second), merge(centre, "V1", "V2")
        )
        assert outcomes[0] is None
        told = [outcomes[1]["V1"], outcomes[2]["V2"]]
        states = [
            await centre.state(line.record_id) if line.verdict == "submitted" else line.verdict
            for line in told
        ]
        assert sorted(states) in (["overlap", "submitted"], ["rejected", "submitted"])
        await centre.holds()
