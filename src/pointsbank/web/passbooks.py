"""The passbook of somebody who is at home at the place of the staff that print it: figures and lines of one sequence."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from pointsbank.access.model import Actor
from pointsbank.access.people_desk import PeopleDesk
from pointsbank.ledger.chart import POINT
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.aliases import survivors
from pointsbank.policy.calendar import city_day
from pointsbank.readers.balances import Wallet, wallet
from pointsbank.readers.statements import StatementFilter, StatementPage, statement
from pointsbank.record_sheets.passbook import Figure, Line, Passbook
from pointsbank.record_sheets.pdf import hours_text
from pointsbank.web.pages.words import ENTRY_KINDS
from pointsbank.web.problems import amount_text

LINES: Final = 60
_DECIMALS: Final = 2


async def passbook_of(desk: PeopleDesk, actor: Actor, person_id: str, reason: str) -> Passbook | Refusal:
    """What is to be printed. It is a look at the profile: the right to it, of a minor also the leave, and it is logged."""
    profile = await desk.profile(actor, person_id, reason)
    if isinstance(profile, Refusal):
        return profile
    person = (await survivors(desk.store, [person_id])).get(person_id, person_id)
    held, page = await desk.ledger.database.read(_told, desk.ledger.id, person)
    if isinstance(held, Refusal):
        return held
    assert isinstance(page, StatementPage), page
    figures = (
        Figure("姓名", "Name", profile.name),
        Figure("编号", "Number", profile.volunteer_number),
        Figure("可用积分", "Available", amount_text(held.available, _DECIMALS)),
        Figure("公示中", "On notice", amount_text(held.pending, _DECIMALS)),
        Figure("服务时长", "Merit", hours_text(held.merit_minutes)),
        Figure(
            "最近到期",
            "Expiring next",
            f"{amount_text(held.expiring, _DECIMALS)} ({held.expiring_on})" if held.expiring_on else "-",
        ),
    )
    lines = tuple(
        Line(
            city_day(line.effective_at, desk.zone).isoformat(),
            *ENTRY_KINDS.get(line.kind, (line.kind, line.kind)),
            ("+" if line.amount > 0 else "") + amount_text(line.amount, _DECIMALS),
            amount_text(line.total, _DECIMALS),
        )
        for line in page.lines
    )
    today = city_day(desk.store.clock.now(), desk.zone)
    return Passbook(today.isoformat(), held.sequence, figures, lines, page.next is not None)


def _told(connection: Connection, ledger_id: int, person: str) -> tuple[Wallet | Refusal, object]:
    """Wallet and newest lines from one snapshot."""
    path, only = f"volunteer:{person}:available", StatementFilter(commodity=POINT.code)
    lines = statement(connection, ledger_id, path, limit=LINES, only=only)
    return wallet(connection, ledger_id, person), lines
