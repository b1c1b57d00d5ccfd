"""V4: who has no telephone gets a printed passbook, with what there is and what moved, and nobody's full name."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection
from tests.access.test_people_api import Town, _with_points, town

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.people.access_log import seen
from pointsbank.people.refusals import MinorProtected
from pointsbank.record_sheets.passbook import Figure, Line, Passbook, set_passbook
from pointsbank.record_sheets.refusals import NotPrintable
from pointsbank.record_sheets.rules import rules_at
from pointsbank.web.passbooks import passbook_of

pytest.importorskip("typst", reason="typst sets the pages")

__all__ = ["town"]

BOOK = Passbook(
    "2026-11-22",
    77,
    (Figure("可用积分", "Available", "40.00"),),
    (Line("2026-11-20", "服务入账", "Service credited", "+40.00", "40.00"),) * 80,
    is_cut=True,
)


def test_a_passbook_goes_over_several_pages_and_is_never_printed_with_empty_boxes() -> None:
    page = set_passbook(BOOK, rules_at().fonts)
    if isinstance(page, NotPrintable):
        pytest.skip(f"this machine cannot print Chinese: {page.missing}")
    assert page.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", page)) > 1
    assert set_passbook(BOOK, ("No Such Font",)) == NotPrintable("font")


async def test_v4_a_passbook_shows_what_there_is_and_what_moved_masked_and_is_logged(town: Town) -> None:
    person, _ = await _with_points(town)
    bank = town.service.bank
    answer = await town.send("till", "POST", f"/people/{person}/passbook", {})
    assert answer.status_code == 403, "a cashier reads no profile"
    answer = await town.send("boss", "POST", f"/people/{person}/passbook", {})
    if answer.status_code == 200:
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content.startswith(b"%PDF-")
    else:
        assert answer.json()["type"] == "/problems/not-printable"
    desk, boss = bank.people, await _actor(town)
    book = await passbook_of(desk, boss, person, "")
    assert isinstance(book, Passbook), book
    figures = {figure.en: figure.value for figure in book.figures}
    wallet = await bank.balances.wallet(person)
    assert book.as_of == wallet.sequence  # type: ignore[union-attr]
    assert figures["Name"] == "李*英"
    assert "V0001" not in str(book)
    assert figures["Available"] == f"{wallet.available // 100}.{wallet.available % 100:02}"  # type: ignore[union-attr]
    assert book.lines[0].balance == figures["Available"]
    assert {line.what for line in book.lines} <= {"公示期满", "服务入账"}
    looked = await desk.store.read(lambda c: _seen(c, desk, person))
    assert looked.count("profile") >= 2


async def test_a_passbook_of_a_minor_takes_a_managers_leave(town: Town) -> None:
    child = await town.person(volunteer_number="V7", born="2014-01-02")
    assert await passbook_of(town.service.bank.people, await _actor(town), child, "家访") == MinorProtected(
        child
    )


async def _actor(town: Town) -> Actor:
    found = await town.service.bank.log_ins.actor(str(town["boss"].client.cookies["pointsbank_staff"]))  # type: ignore[union-attr]
    assert found is not None
    return found


def _seen(connection: Connection, desk: PeopleDesk, person: str) -> list[str]:
    found = seen(connection, desk.store.vault, person_id=person, limit=100)
    return [one.action for one in found]
