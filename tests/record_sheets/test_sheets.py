"""Record sheets: what they state, how they are numbered, what their public page tells, and what it never does."""

from __future__ import annotations

import asyncio
import base64
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from tests.people.closing_town import settle_in
from tests.points.town import micros, record
from tests.record_sheets.office import CLERK, HERE, NAMES, Office, number_of, office

from pointsbank.access import throttle
from pointsbank.engine.commands import Command
from pointsbank.ledger.refusals import KeyConflict, Refusal, StateChanged
from pointsbank.people.changes import Change
from pointsbank.people.closing import Closing, close_account
from pointsbank.people.merging import Merging
from pointsbank.people.refusals import MinorProtected, ReasonNeeded
from pointsbank.people.registry import Registry
from pointsbank.record_sheets.content import as_typed
from pointsbank.record_sheets.figures import Counted
from pointsbank.record_sheets.model import PublicSheet, Sheet
from pointsbank.record_sheets.reading import UNNAMED, Opening, with_names
from pointsbank.record_sheets.refusals import (
    IssuerUnknown,
    NothingToCertify,
    NotPrintable,
    PeriodInvalid,
    PersonWithoutName,
    SheetForgotten,
    TooManyLooks,
    UnknownSheet,
)
from pointsbank.record_sheets.service import UnknownReason
from pointsbank.record_sheets.signing import is_signed
from pointsbank.record_sheets.tables import record_sheets
from pointsbank.store.database import Database

pytest.importorskip("typst", reason="typst sets the pages")


async def test_a_sheet_states_the_minutes_of_its_period_as_the_books_hold_them(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        for day in ("2025-12-31", "2026-02-02", "2026-02-03"):
            assert await desk.earn("W1", day) == "accepted"
        sheet = await desk.issue()
        head = await desk.town.ledger.writer.store.head()
        assert (sheet.minutes, sheet.records, sheet.as_of, sheet.state) == (480, 2, head.sequence, "valid")
        assert (sheet.number, sheet.issuer_name) == ("S1-2026-000001", "S1")
        text = (await desk.content(sheet)).decode()
        assert text.splitlines()[:6] == [
            "pointsbank/record-sheet/1",
            "number: S1-2026-000001",
            "title: 志愿服务记录单",
            "title_en: Volunteer service record sheet",
            "name: 张小明",
            "volunteer_number: V2301000001",
        ]
        assert text.splitlines()[-2:] == ["lines: 1", "清雪\tS1\t2026-02-02\t2026-02-03\t2\t480"]


async def test_numbers_have_no_gap_whatever_is_refused_and_however_many_ask_at_once(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        for volunteer in NAMES:
            await desk.earn(volunteer, "2026-02-02")
        asked = [desk.ask(volunteer, key=f"{volunteer} {n}") for n in range(5) for volunteer in NAMES]
        asked += [desk.ask("W1", issuer="nowhere", key=f"refused {n}") for n in range(5)]
        told = await asyncio.gather(*asked)
        sheets = [one for one in told if isinstance(one, Sheet)]
        assert [one for one in told if not isinstance(one, Sheet)] == [IssuerUnknown("nowhere")] * 5
        assert sorted(sheet.number for sheet in sheets) == [f"S1-2026-{n:06}" for n in range(1, 16)]
        again = await desk.ask("W2", key="W2 3")
        assert again in sheets, "the same command gives the same sheet"
        assert isinstance(await desk.ask("W3", key="W2 3"), KeyConflict)
        assert (await desk.issue("W1", key="next")).number == "S1-2026-000016"


async def test_what_cannot_be_certified_is_refused(database: Database, tmp_path: Path) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        nothing = NothingToCertify("2026-01-01", "2026-03-01")
        assert await desk.ask("W2") == nothing
        assert await desk.ask("W1", issuer="S2") == nothing, "nothing was served there"
        future = (date(2026, 1, 1), date(2026, 3, 3))
        assert await desk.ask("W1", days=future) == PeriodInvalid("2026-01-01", "2026-03-03")
        backwards = (date(2026, 2, 3), date(2026, 2, 1))
        assert isinstance(await desk.ask("W1", days=backwards), PeriodInvalid)
        desk.ids["V9"] = desk.ids["W3"]
        await desk.earn("W3", "2026-02-02")
        await _forget(desk, "W3")
        assert await desk.ask("V9") == PersonWithoutName(desk.ids["V9"])


async def test_the_public_page_shows_issuer_period_total_and_state_and_nobody(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        assert len(base64.urlsafe_b64decode(token + "==")) == 16
        shown = await desk.desk.look(token, HERE)
        assert shown == PublicSheet("S1-2026-000001", "S1", "2026-01-01", "2026-03-01", 240, "valid")


async def test_v11_a_later_reversal_in_the_period_supersedes_the_sheet(
    database: Database, tmp_path: Path
) -> None:
    """V11: the page says so, and shows no name."""
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        undone = (await desk.town.ledger.writer.store.head()).sequence
        await desk.earn("W1", "2026-02-03")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        await desk.earn("W1", "2026-02-04")
        await desk.earn("W2", "2026-02-04")
        shown = await desk.desk.look(token, HERE)
        assert isinstance(shown, PublicSheet)
        assert shown.state == "valid", "a record that came later takes nothing away"
        assert isinstance(await desk.town.hours.reverse(undone, "mistake", desk.town.key("undo")), list)
        shown = await desk.desk.look(token, HERE)
        assert isinstance(shown, PublicSheet)
        assert (shown.state, shown.minutes) == ("superseded", 480)
        later = await desk.issue(key="anew", replaces=sheet.sheet_id)
        assert (later.state, later.minutes, later.replaces) == ("valid", 480, sheet.sheet_id)
        old = await desk.desk.sheet(sheet.sheet_id)
        assert old is not None
        assert (old.state, old.reason, old.ended_by) == ("superseded", "replaced", CLERK)
        assert [one.sheet_id for one in await desk.desk.of_person(desk.ids["W1"])] == [
            later.sheet_id,
            sheet.sheet_id,
        ]


async def test_a_sheet_takes_the_place_of_one_of_the_same_person_only(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        await desk.earn("W2", "2026-02-02")
        sheet = await desk.issue("W1")
        assert await desk.ask("W2", key="theirs", replaces=sheet.sheet_id) == UnknownSheet()
        assert (await desk.issue("W2", key="own")).number == "S1-2026-000002"


async def test_h14_who_was_merged_has_served_under_both_ids(database: Database, tmp_path: Path) -> None:
    """H14: the records stay under the id under which they were made; the sheet counts them all."""
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        await desk.earn("W2", "2026-02-03")
        undone = (await desk.town.ledger.writer.store.head()).sequence
        merging = Merging(desk.people, delay=0)
        change = await merging.propose(desk.ids["W2"], desk.ids["W1"], "clerk-1")
        assert isinstance(change, Change), change

        async def post(old_id: str, into_id: str, key: str) -> None:
            return None

        merged = await merging.confirm(desk.ids["W2"], change.id, "clerk-2", post)
        assert isinstance(merged, Change), merged
        sheet = await desk.issue("W1")
        assert (sheet.minutes, sheet.records, sheet.state) == (480, 2, "valid")
        assert isinstance(await desk.town.hours.reverse(undone, "mistake", desk.town.key("undo")), list)
        now = await desk.desk.sheet(sheet.sheet_id)
        assert now is not None
        assert now.state == "superseded"


async def test_a_sheet_is_withdrawn_once_with_a_reason(database: Database, tmp_path: Path) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        command = Command("office", "withdraw", CLERK)
        assert await desk.desk.withdraw(sheet.sheet_id, "because", command) == UnknownReason("because")
        assert await desk.desk.withdraw("no such", "lost", command) == UnknownSheet()
        gone = await desk.desk.withdraw(sheet.sheet_id, "lost", command)
        assert isinstance(gone, Sheet)
        assert (gone.state, gone.reason) == ("withdrawn", "lost")
        assert await desk.desk.withdraw(sheet.sheet_id, "lost", command) == gone, "the same command"
        twice = await desk.desk.withdraw(sheet.sheet_id, "asked", Command("office", "again", CLERK))
        assert isinstance(twice, StateChanged)
        shown = await desk.desk.look(token, HERE)
        assert isinstance(shown, PublicSheet)
        assert shown.state == "withdrawn"
        again = await desk.ask("W1", key="replace", replaces=sheet.sheet_id)
        assert isinstance(again, StateChanged), "what was withdrawn is not superseded"


async def test_an_unknown_token_and_one_that_has_expired_are_answered_alike(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path, valid_days=30) as desk:
        await desk.earn("W1", "2026-02-02")
        token = await desk.token(await desk.issue())
        desk.town.clock.time = micros("2026-04-01 23:59:59")
        assert isinstance(await desk.desk.look(token, HERE), PublicSheet), "the last day"
        desk.town.clock.time = micros("2026-04-02 00:00:00")
        for wrong in (token, "A" * 22, "", "\ud800", "张" * 40):
            assert await desk.desk.look(wrong, HERE) == UnknownSheet()
            assert await desk.desk.check_name(wrong, NAMES["W1"], HERE) == UnknownSheet()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("阿依古丽·买买提", "matches"),
        ("阿依古丽•买买提", "matches"),
        (" 阿依古丽 买买提 ", "matches"),
        ("阿依古丽", "does-not-match"),
        ("", "does-not-match"),
    ],
)
async def test_who_types_the_name_as_printed_hears_that_it_matches(
    database: Database, tmp_path: Path, typed: str, told: str
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W2", "2026-02-02")
        token = await desk.token(await desk.issue("W2"))
        assert await desk.desk.check_name(token, typed, HERE) == told


async def test_a_name_is_tried_five_times_an_hour_whoever_tries_and_right_or_wrong(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        await desk.earn("W2", "2026-02-02")
        token = await desk.token(await desk.issue("W1"))
        other = await desk.token(await desk.issue("W2", key="other"))
        tries = [desk.desk.check_name(token, NAMES["W1"], f"192.0.2.{n}") for n in range(20)]
        told = await asyncio.gather(*tries)
        assert told.count("matches") == 5
        assert all(
            isinstance(one, TooManyLooks) and 3590 <= one.seconds <= 3601 for one in told if one != "matches"
        )
        assert await desk.desk.check_name(other, NAMES["W2"], HERE) == "matches", "another sheet"
        counters = desk.desk._tries._store
        await counters.run(throttle.sweep, desk.people.ledger_id, desk.town.clock.now() + 50 * 60 * 10**6, 15)
        assert isinstance(await desk.desk.check_name(token, NAMES["W1"], HERE), TooManyLooks), (
            "the sweep of log-ins, whose window is shorter, gives no tries back"
        )
        desk.town.clock.time += 3600 * 10**6
        assert await desk.desk.check_name(token, "李雷", HERE) == "does-not-match"


async def test_one_address_opens_so_many_pages_an_hour(database: Database, tmp_path: Path) -> None:
    async with office(database, tmp_path, looks_an_hour=3) as desk:
        told = [await desk.desk.look("A" * 22, HERE) for _ in range(5)]
        assert told[:3] == [UnknownSheet()] * 3
        assert all(isinstance(one, TooManyLooks) for one in told[3:])
        assert await desk.desk.look("A" * 22, "192.0.2.8") == UnknownSheet()


async def test_after_the_account_is_closed_no_name_matches_and_nothing_is_printed(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        assert await desk.desk.check_name(token, NAMES["W1"], HERE) == "matches"
        await _forget(desk, "W1")
        assert await desk.desk.check_name(token, NAMES["W1"], HERE) == "does-not-match"
        assert await desk.desk.print(sheet.sheet_id, Opening(CLERK)) == SheetForgotten()
        shown = await desk.desk.look(token, HERE)
        assert isinstance(shown, PublicSheet), "the paper is still that of a sheet which was issued"
        assert (shown.state, shown.minutes) == ("valid", 240)


async def test_the_signature_is_over_the_content_and_breaks_with_a_sign(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        first, second = [await desk.desk.print(sheet.sheet_id, Opening(CLERK)) for _ in range(2)]
        assert not isinstance(first, UnknownSheet)
        assert (first.content, first.signature) == (second.content, second.signature)  # type: ignore[union-attr]
        [key] = desk.desk.public_keys
        assert first.key_id == key.id  # type: ignore[union-attr]
        assert is_signed(first.content, first.signature, key.pem)  # type: ignore[union-attr]
        forged = first.content.replace(b"minutes: 240", b"minutes: 340")  # type: ignore[union-attr]
        assert not is_signed(forged, first.signature, key.pem)  # type: ignore[union-attr]


async def test_the_qr_code_leads_to_the_public_page_with_the_token(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segno = pytest.importorskip("segno")
    drawn, make = list[str](), segno.make

    def seen(content: str, **how: object) -> object:
        drawn.append(content)
        return make(content, **how)

    monkeypatch.setattr(segno, "make", seen)
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        drawn.clear()
        printed = await desk.desk.print(sheet.sheet_id, Opening(CLERK))
        if isinstance(printed, NotPrintable):
            pytest.skip(f"this machine cannot print Chinese: {printed.missing}")
        [address] = drawn
        assert address.endswith(f"/record-sheet?token={token}")
        assert sheet.number not in address
        assert sheet.person_id not in address


async def test_the_books_hold_neither_name_nor_token_nor_activity_of_a_sheet(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        await desk.earn("W1", "2026-02-02")
        sheet = await desk.issue()
        token = await desk.token(sheet)
        [row] = await database.read(_rows)
        kept = b"|".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row)
        for secret in (NAMES["W1"], token, "清雪", "V2301000001"):
            assert secret.encode() not in kept
        seen = await Registry(desk.people).who_saw(desk.ids["W1"])
        assert [(one.actor, one.action, one.field) for one in seen] == [
            (CLERK, "record-sheet", "name"),
            (CLERK, "record-sheet", "issue"),
        ]


async def test_a_sheet_of_a_minor_takes_a_managers_leave_and_a_reason_and_is_logged(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path, born={"W2": date(2012, 5, 1)}) as desk:
        await desk.earn("W2", "2026-02-02")
        child = desk.ids["W2"]
        leave = Opening(CLERK, "家长申请", may_open_minors=True)
        assert await desk.ask("W2") == MinorProtected(child)
        without = Opening(CLERK, may_open_minors=True)
        assert await desk.ask("W2", opening=without) == ReasonNeeded()
        assert await desk.ask("W2", opening=Opening(CLERK, "家长申请")) == MinorProtected(child)
        assert await Registry(desk.people).who_saw(child) == []
        sheet = await desk.ask("W2", opening=leave)
        assert isinstance(sheet, Sheet), sheet
        assert sheet.number == "S1-2026-000001", "what was refused took no number"
        assert await desk.desk.print(sheet.sheet_id, Opening(CLERK, "家长申请")) == MinorProtected(child)
        assert await desk.desk.print(sheet.sheet_id, without) == ReasonNeeded()
        printed = await desk.desk.print(sheet.sheet_id, leave)
        assert not isinstance(printed, Refusal), printed
        seen = await Registry(desk.people).who_saw(child)
        assert [(one.actor, one.field, one.reason) for one in seen] == [
            (CLERK, "name", "家长申请"),
            (CLERK, "issue", "家长申请"),
        ]


async def test_at_18_a_sheet_is_made_and_opened_without_leave(database: Database, tmp_path: Path) -> None:
    grown = {"W1": date(2008, 3, 1), "W2": date(2008, 3, 2)}
    async with office(database, tmp_path, born=grown) as desk:
        desk.town.clock.time = micros("2026-03-01 09:00:00")
        for volunteer in grown:
            await desk.earn(volunteer, "2026-02-02")
        assert isinstance(await desk.ask("W1", key="a"), Sheet), "eighteen since today"
        assert await desk.ask("W2", key="b") == MinorProtected(desk.ids["W2"])


async def test_a_record_from_a_file_prints_what_the_file_called_the_activity_or_plain_words(
    database: Database, tmp_path: Path
) -> None:
    async with office(database, tmp_path) as desk:
        number = number_of("W1")
        lines = []
        for line, (activity, name) in enumerate((("A7", "江畔净滩"), ("A9", "A9"))):
            fields = list(record(f"F{line}", number, f"2026-02-0{line + 2}"))
            fields[2:4] = activity, name
            lines.append((line, tuple(fields)))
        verdicts = await desk.town.hours.submit("f", lines, Command("t", "f"))
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}
        text = (await desk.content(await desk.issue())).decode()
        assert [line.split("\t")[0] for line in text.splitlines()[-2:]] == ["江畔净滩", "A9"]
        nameless = Counted("R1", "2026-02-02", 60, "S1", "")
        assert [one.activity for one in await with_names(desk.people, [nameless], [desk.ids["W1"]])] == [
            UNNAMED
        ]


def test_a_name_is_compared_as_people_type_it() -> None:
    assert as_typed("Ｚhang  San") == as_typed("zhang san") == "zhangsan"
    assert as_typed("买买提·艾力") == as_typed("买买提・艾力") == "买买提艾力"
    assert as_typed("张三") != as_typed("张三三")


def _rows(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(select(record_sheets))]


async def _forget(desk: Office, volunteer: str) -> None:
    done = await close_account(
        desk.people,
        desk.ids[volunteer],
        settle_in(desk.town.ledger),
        by="clerk-1",
        settlement="donate",
        confirmed_by="clerk-2",
        delay=0,
    )
    assert isinstance(done, Closing), done
    assert done.step == "done"
