"""Record sheets over HTTP, as a page, and from the command line, on both engines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from tests.hours.unguarded import opened_as_replay, unguarded_policy
from tests.people_of import open_peopled, settings_for, volunteers_named
from tests.web.conftest import Service, running
from tests.web.test_rooms import NOW

from pointsbank.cli.main import main
from pointsbank.engine.clock import FixedClock
from pointsbank.engine.commands import Command
from pointsbank.hours.service import HoursService
from pointsbank.people.directory import directory_of
from pointsbank.people.model import NewPerson
from pointsbank.places.stations import PLACES, opening
from pointsbank.policy.shipped import policies_at
from pointsbank.record_sheets.model import Sheet, SheetOrder
from pointsbank.record_sheets.reading import Opening
from pointsbank.record_sheets.signing import is_signed, make_key
from pointsbank.store.database import Database

pytest.importorskip("typst", reason="typst sets the pages")

NAME = "欧阳娜娜"
SHEETS = "/api/v1/record-sheets"
HOURS = ("2026-11-18 08:00", "2026-11-18 12:00")


@dataclass
class Town:
    """Books with one served volunteer, and everything that a service needs to open them."""

    url: str
    folder: Path
    person: str
    child: str
    settings: dict[str, str]


@pytest.fixture
async def town(database_url: str, tmp_path: Path) -> Town:
    make_key(tmp_path / "sheet-key")
    policy = str(unguarded_policy(tmp_path))
    await opened_as_replay(database_url)
    database = Database(database_url)
    async with open_peopled(database, clock=FixedClock(NOW)) as ledger:
        await ledger.submit([opening("station", "S1", "哈西站", "", Command("t", "S1"))], PLACES)
        volunteer = NewPerson(name=NAME, volunteer_number="V1", born=date(1990, 1, 1))
        child = NewPerson(name="周小小", volunteer_number="V2", born=date(2014, 1, 1))
        await directory_of(ledger).enrol(ledger, [volunteer, child], "test", "test")
        hours = HoursService(ledger, policies_at(policy))
        await hours.open_accounts()
        category = next(iter(policies_at(policy).policies[-1].categories))
        fields = ("R1", "V1", "A1", "清雪", category, "S1", *HOURS, *HOURS, "信用", "OP1", "2026-11-18 13:00")
        lines = [(1, fields), (2, ("R2", "V2", *fields[2:]))]
        verdicts = await hours.submit("file", lines, Command("t", "file"))
        assert [verdict.verdict for verdict in verdicts] == ["accepted", "accepted"]
        people = await volunteers_named(ledger, "V1", "V2")
    await database.close()
    settings = {"sheet_key": str(tmp_path / "sheet-key"), "policy": policy}
    return Town(database_url, tmp_path, people["V1"].id, people["V2"].id, settings)


@pytest.fixture
async def service(town: Town) -> AsyncIterator[Service]:
    settings = town.settings | {"public_url": "https://points.example"}
    async with running(town.url, clock=FixedClock(NOW), **settings) as service:
        yield service


def order(town: Town) -> dict[str, str]:
    return {"person": town.person, "issuer": "S1", "from_day": "2026-01-01", "to_day": "2026-11-20"}


async def token_of(service: Service, sheet_id: str) -> str:
    assert service.bank.sheets is not None
    printed = await service.bank.sheets.print(sheet_id, Opening("key:test"))
    found = re.search(rb"^token: (\S+)$", printed.content, re.MULTILINE)  # type: ignore[union-attr]
    assert found
    return found[1].decode()


async def test_a_sheet_is_issued_printed_checked_and_withdrawn_over_http(
    town: Town, service: Service
) -> None:
    key = await service.key()
    issued = await service.post(SHEETS, order(town), key, "k1")
    assert issued.status_code == 201, issued.text
    sheet = issued.json()
    assert (sheet["number"], sheet["minutes"], sheet["state"]) == ("S1-2026-000001", 240, "valid")
    assert (await service.post(SHEETS, order(town), key, "k1")).json() == sheet
    assert NAME not in issued.text
    assert (await service.get(issued.headers["location"], key)).json() == sheet
    listed = (await service.get(f"{SHEETS}/of/{town.person}", key)).json()
    assert listed == {"sheets": [sheet]}
    pdf = await service.post(f"{issued.headers['location']}/pdf", {}, key)
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf"), pdf.text
    assert pdf.headers["cache-control"] == "no-store"
    assert pdf.content.startswith(b"%PDF-")
    assert not list(town.folder.rglob("*.pdf")), "nothing is kept"
    token = await token_of(service, sheet["id"])
    shown = await service.post(f"{SHEETS}/public", {"token": token})
    assert shown.json() == {
        "number": "S1-2026-000001",
        "issuer": "哈西站",
        "from_day": "2026-01-01",
        "to_day": "2026-11-20",
        "minutes": 240,
        "state": "valid",
    }
    assert "noindex" in shown.headers["x-robots-tag"]
    told = await service.post(f"{SHEETS}/public/name", {"token": token, "name": NAME})
    assert told.json() == {"result": "matches"}
    [public] = (await service.get(f"{SHEETS}/public-keys")).json()["keys"]
    assert service.bank.sheets is not None
    printed = await service.bank.sheets.print(sheet["id"], Opening("key:test"))
    assert is_signed(printed.content, printed.signature, public["pem"])  # type: ignore[union-attr]
    gone = await service.post(f"{SHEETS}/{sheet['id']}/withdrawal", {"reason": "lost"}, key, "w1")
    assert gone.json()["state"] == "withdrawn"
    shown = await service.post(f"{SHEETS}/public", {"token": token})
    assert shown.json()["state"] == "withdrawn"


async def test_the_public_page_tells_nothing_but_the_state(town: Town, service: Service) -> None:
    key = await service.key()
    sheet = (await service.post(SHEETS, order(town), key, "k1")).json()
    token = await token_of(service, sheet["id"])
    with capture_logs() as logs:
        page = await service.get(f"/record-sheet?token={token}")
        told = await service.client.post(f"/record-sheet?token={token}", data={"name": NAME})
        wrong = await service.client.post(f"/record-sheet?token={token}", data={"name": "张三"})
    assert (page.status_code, told.status_code) == (200, 200)
    assert "S1-2026-000001" in page.text
    assert "哈西站" in page.text
    assert "4 小时 0 分钟" in page.text
    for answer in (page, told, wrong):
        assert NAME not in answer.text
        assert "清雪" not in answer.text
        assert "noindex" in answer.headers["x-robots-tag"]
        assert 'name="robots" content="noindex' in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.text)
    assert "与单上的姓名相符" in told.text
    assert "与单上的姓名不符" in wrong.text
    assert token not in str(logs)
    english = await service.get(f"/record-sheet?token={token}&lang=en")
    assert "Valid" in english.text


async def test_unknown_and_expired_are_the_same_page_and_the_same_answer(
    town: Town, service: Service
) -> None:
    key = await service.key()
    sheet = (await service.post(SHEETS, order(town), key, "k1")).json()
    expired, unknown = await token_of(service, sheet["id"]), "B" * 22
    service.bank.clock.time = NOW + 731 * 86_400_000_000  # type: ignore[attr-defined]
    pages, answers = [], []
    for token in (expired, unknown):
        page = await service.get(f"/record-sheet?token={token}")
        assert page.status_code == 404
        pages.append((page.content.replace(token.encode(), b"T"), _headers(page.headers)))
        for path, body in (("public", {"token": token}), ("public/name", {"token": token, "name": NAME})):
            answer = await service.post(f"{SHEETS}/{path}", body)
            assert answer.json()["type"] == "/problems/unknown-record-sheet"
            answers.append((path, re.sub(r'"request_id":"\w+"', "", answer.text), _headers(answer.headers)))
    assert pages[0] == pages[1]
    assert answers[:2] == answers[2:]


async def test_who_tries_too_often_is_told_when_to_come_back(town: Town, service: Service) -> None:
    key = await service.key()
    sheet = (await service.post(SHEETS, order(town), key, "k1")).json()
    token = await token_of(service, sheet["id"])
    for _ in range(5):
        await service.post(f"{SHEETS}/public/name", {"token": token, "name": "张三"})
    one_more = await service.post(f"{SHEETS}/public/name", {"token": token, "name": NAME})
    assert one_more.status_code == 429
    assert one_more.headers["retry-after"] == str(one_more.json()["facts"]["seconds"])
    page = await service.client.post(f"/record-sheet?token={token}", data={"name": NAME})
    assert page.status_code == 429
    assert "相符" not in page.text.replace("只有“相符”或“不符”", "").replace("核对姓名是否相符", "")


async def test_a_sheet_of_a_minor_is_neither_made_nor_opened_without_a_managers_leave(
    town: Town, service: Service
) -> None:
    key = await service.key()
    asked = order(town) | {"person": town.child, "reason": "家长申请"}
    refused = await service.post(SHEETS, asked, key, "k1")
    assert (refused.status_code, problem_in(refused)) == (403, "minor-protected")
    leave = Opening("person:manager", "家长申请", may_open_minors=True)
    first, last = date(2026, 1, 1), date(2026, 11, 20)
    wanted = SheetOrder(person_id=town.child, issuer="S1", first=first, last=last)
    sheet = await service.bank.sheets.issue(wanted, Command("t", "k2"), leave)
    assert isinstance(sheet, Sheet), sheet
    for reason in ("", "家长申请"):
        refused = await service.post(f"{SHEETS}/{sheet.sheet_id}/pdf", {"reason": reason}, key)
        assert (refused.status_code, problem_in(refused)) == (403, "minor-protected")


async def test_the_command_line_makes_no_sheet_of_a_minor_without_a_managers_leave(town: Town) -> None:
    days = ("--from", "2026-01-01", "--to", "2026-11-20", "--reason", "家长申请")
    shell = await asyncio.to_thread(invoke, town, "issue", town.child, "--issuer", "S1", *days)
    assert (shell.exit_code, "under 18" in shell.stderr) == (1, True), shell.stderr


def problem_in(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def invoke(town: Town, *arguments: str, stdin: str = "") -> Result:
    held = settings_for(town.url, **town.settings)
    environment = {
        f"POINTSBANK_{name.upper()}": str(getattr(held, name))
        for name in ("master_key", "erasures", "sheet_key", "policy")
    }
    return CliRunner().invoke(
        main,
        ["sheets", *arguments, "--database", town.url],
        input=stdin,
        env=environment,
        catch_exceptions=False,
    )


async def test_sheets_from_the_command_line(town: Town) -> None:
    def run(*arguments: str, stdin: str = "") -> Result:
        return invoke(town, *arguments, stdin=stdin)

    days = ("--from", "2026-01-01", "--to", "2026-11-20")
    issued = await asyncio.to_thread(run, "issue", town.person, "--issuer", "S1", *days, "--key", "k")
    assert issued.exit_code == 0, issued.output
    sheet_id = issued.output.split()[0]
    assert "240 min" in (await asyncio.to_thread(run, "show", sheet_id)).output
    assert sheet_id in (await asyncio.to_thread(run, "list", town.person)).output
    file = town.folder / "sheet.pdf"
    printed = await asyncio.to_thread(run, "pdf", sheet_id, str(file))
    assert printed.exit_code == 0, printed.output
    assert file.read_bytes().startswith(b"%PDF-")
    assert NAME not in issued.output + printed.output
    from tests.record_sheets.test_pdf import streams

    text = next(
        stream for stream in streams(file.read_bytes()) if stream.startswith(b"pointsbank/record-sheet")
    )
    found = re.search(rb"^token: (\S+)$", text, re.MULTILINE)
    assert found
    checked = await asyncio.to_thread(run, "check", "--name", stdin=f"{found[1].decode()}\n{NAME}\n")
    assert "valid" in checked.output
    assert checked.output.splitlines()[-1] == "matches"
    withdrawn = await asyncio.to_thread(run, "withdraw", sheet_id, "--reason", "lost")
    assert "withdrawn" in withdrawn.output
    assert (await asyncio.to_thread(run, "check", stdin="nothing\n")).exit_code == 1
    assert (await asyncio.to_thread(run, "make-key")).exit_code == 1, "a key that is there stays"


def _headers(headers: object) -> dict[str, str]:
    kept = dict(headers)  # type: ignore[call-overload]
    return {name: value for name, value in kept.items() if name not in ("x-request-id", "content-length")}
