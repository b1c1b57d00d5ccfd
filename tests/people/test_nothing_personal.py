"""Ruling 5: the books, their log, backups, exports and reports hold nothing of a person in plain, least after closing."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select, text
from tests.canaries import CARD, ID_NUMBER, NAME, OF_ONE_PERSON, PHONE, VOLUNTEER
from tests.people_of import open_peopled
from tests.points.town import basket, book, micros, record

from pointsbank.activities.ports import By
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.export import export_journal
from pointsbank.export.service import FORMATS
from pointsbank.hours.explain import Facts
from pointsbank.hours.report import ReportWriter
from pointsbank.hours.service import HoursService
from pointsbank.hours.settling import SettlePostings
from pointsbank.hours.tables import service_records
from pointsbank.intake.lines import LineVerdict, Place, parts_of
from pointsbank.ledger.model import Receipt
from pointsbank.market.model import ReturnLine
from pointsbank.market.postings import Delivery
from pointsbank.market.service import MarketService
from pointsbank.people.closing import Closing, close_account
from pointsbank.people.directory import directory_of
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.registry import Registry
from pointsbank.places.stations import PLACES, opening, stations
from pointsbank.policy.shipped import policies_at
from pointsbank.reversals import reverse
from pointsbank.store.backup import back_up
from pointsbank.store.database import Database
from pointsbank.verify import verify

Line = tuple[str, ...]


def lines() -> list[tuple[int, Line]]:
    """A sheet in which somebody wrote names and numbers wherever there was room."""
    good = list(record("R1", VOLUNTEER, "2026-02-02"))
    good[3], good[11] = f"看望{NAME}", PHONE

    def changed(record_id: str, at: int, value: str) -> Line:
        return (record_id, *good[1:at], value, *good[at + 1 :])

    sheet: list[Line] = [
        tuple(good),
        changed("R1", 3, NAME),
        changed("R2", 5, NAME),
        changed("R3", 4, CARD),
        changed("R4", 1, ID_NUMBER),
        changed("R5", 11, VOLUNTEER),
        changed("R6", 3, f"身份证{ID_NUMBER}"),
        (NAME, VOLUNTEER, PHONE),
        (NAME, *good[1:6], "gestern", *good[7:]),
    ]
    return list(enumerate(sheet, 2))


WANTED = [
    "accepted", "conflict", "unknown_station", "unknown_category", "unknown_volunteer", "self_recorded", "overlap",
    "malformed", "malformed",
]  # fmt: skip


async def test_after_closing_an_account_nothing_of_the_person_is_left_in_plain_anywhere(
    database: Database, tmp_path: Path
) -> None:
    out, after = tmp_path / "out", tmp_path / "after"
    out.mkdir()
    after.mkdir()
    async with open_peopled(database, clock=FixedClock(micros("2026-03-02 08:00:00"))) as ledger:
        person = await _life(ledger, out)
        directory, store = directory_of(ledger), directory_of(ledger).store
        on_file = await ledger.database.read(_sealed, ledger.id)
        told = await directory.open(on_file)
        assert parts_of(told["record R1"]) == (VOLUNTEER, f"看望{NAME}", PHONE), "it was sealed, not dropped"
        assert len(told) == 6
        closed = await close_account(
            store, person, SettlePostings(ledger, policies_at(), By("clerk", "clerk")).settle, by="clerk"
        )
        assert isinstance(closed, Closing)
        assert closed.step == "done"
        left = await directory.open(on_file)
        assert set(left) == {"record R4"}, "left is what was never known to be about this person"
        assert await directory.by_number([VOLUNTEER]) == {}
        await _write_out(database, ledger.id, after)
        assert (await verify(database, ledger.name)).findings == ()
        found = {**_in_files(tmp_path), **await _in_rows(database)}
    found |= _in_files(tmp_path)
    assert found == {}


async def test_a_canary_in_plain_would_be_found(database: Database, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(PHONE.encode("utf-16-le"))
    (tmp_path / "y").write_text(NAME.encode().hex())
    assert len(_in_files(tmp_path)) == 2
    async with open_peopled(database) as ledger:
        place = opening("station", "S1", f"{NAME}站", "", Command("t", "s"))
        assert isinstance((await ledger.submit([place], PLACES))[0], Receipt)
    assert await _in_rows(database) != {}


async def _life(ledger: Ledger, out: Path) -> str:
    """What somebody does in the bank, with every door that numbers come in by; ends without points."""
    store = directory_of(ledger).store
    registered = await Registry(store).register(
        NewPerson(name=NAME, phone=PHONE, id_number=ID_NUMBER, volunteer_number=VOLUNTEER), "clerk"
    )
    assert isinstance(registered, Registered)
    await directory_of(ledger).enrol(
        ledger, [NewPerson(volunteer_number=VOLUNTEER, born=date(1958, 3, 21))], "test", "clerk"
    )
    await ledger.submit([opening("station", "S1", "一号站", "", Command("t", "S1"))], PLACES)
    hours, market = HoursService(ledger, book()), MarketService(ledger, book(), keeps_refusals=True)
    await hours.open_accounts()
    shop = (await ledger.database.read(stations, ledger.id, ["S1"]))["S1"]
    await market.receive([(Delivery("D1", shop, "donor", (("RICE", 3),)), Command("t", "D1"))])
    assert [v.verdict for v in await hours.preview("sheet", lines())] == WANTED
    verdicts = await hours.submit("sheet", lines(), Command("t", "sheet"))
    assert [v.verdict for v in verdicts] == WANTED
    _report(verdicts, out)
    at = "2026-02-10 10:00:00"
    baskets = [
        basket("B1", VOLUNTEER, at, ("RICE", 1)),
        basket("B1", VOLUNTEER, at, ("RICE", 2)),
        basket("B2", VOLUNTEER, at, ("SOAP", 1)),
        basket("B3", CARD, at, ("RICE", 1)),
        basket("B4", PHONE, at, ("RICE", 1)),
        basket("B5", VOLUNTEER, at, (NAME, 1), station=PHONE),
    ]
    orders = [(Place("baskets", n), one, Command("t", f"basket:{n}")) for n, one in enumerate(baskets)]
    sales = await market.sell_all(orders)
    assert [sale.judgement.verdict for sale in sales] == [
        "accepted", "conflict", "out_of_stock", "unknown_volunteer", "unknown_volunteer",
        "unknown_station",
    ]  # fmt: skip
    again = await market.sell_all(orders)
    assert [sale.judgement.verdict for sale in again] == [sale.judgement.verdict for sale in sales]
    back = await market.take_back(
        ReturnLine("RT1", "2026-02-10 12:00:00", "B1", "RICE", "1"), Command("t", "back")
    )
    assert back.judgement.verdict == "accepted"
    undone = await reverse(ledger, hours, market, verdicts[0].sequence, "typing-error", Command("t", "undo"))
    assert isinstance(undone, list)
    await _write_out(ledger.database, ledger.id, out)
    return registered.person_id


def _report(verdicts: list[LineVerdict], out: Path) -> None:
    with ReportWriter(out / "report.csv") as report:
        for (number, fields), verdict in zip(lines(), verdicts, strict=True):
            report.write(number, verdict.verdict, Facts(fields=fields))  # type: ignore[arg-type]


async def _write_out(database: Database, ledger_id: int, out: Path) -> None:
    for format_ in FORMATS:
        written = io.StringIO()
        await export_journal(database, ledger_id, format_, written)
        (out / f"journal.{format_}").write_text(written.getvalue(), encoding="utf-8")
    await back_up(database, out / "books.backup", lambda what, done, total: None)


def _sealed(connection: Connection, ledger_id: int) -> dict[str, tuple[str, bytes]]:
    t = service_records.c
    rows = connection.execute(select(t.record_id, t.volunteer, t.sealed).where(t.ledger_id == ledger_id))
    return {f"record {id_}": (person, bytes(sealed)) for id_, person, sealed in rows}


def _in_files(folder: Path) -> dict[str, str]:
    """Canaries in the raw bytes of all files, those within zips too."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        parts = {str(path): path.read_bytes()}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                parts |= {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
        for name, content in parts.items():
            found |= {f"{name}: {canary}": name for canary in OF_ONE_PERSON if _holds(content, canary)}
    return found


def _holds(content: bytes, canary: str) -> bool:
    plain = canary.encode()
    forms = (plain, canary.encode("utf-16-le"), plain.hex().encode(), msgspec.json.encode(canary)[1:-1])
    return any(form in content for form in forms)


async def _in_rows(database: Database) -> dict[str, str]:
    """Canaries in any row of any table, of the people store too."""
    return await database.read(_search_rows)


def _search_rows(connection: Connection) -> dict[str, str]:
    if connection.dialect.name == "sqlite":
        names = [
            f'"{n}"' for n in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        ]
    else:
        query = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'people')"
        names = list(connection.scalars(text(query)))
    found = {}
    for name in names:
        for row in connection.execute(text(f"SELECT * FROM {name}")):
            content = b"\0".join(
                cell if isinstance(cell, bytes) else str(cell).encode(errors="surrogatepass") for cell in row
            )
            found |= {f"{name}: {canary}": name for canary in OF_ONE_PERSON if _holds(content, canary)}
    return found
