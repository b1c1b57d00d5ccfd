"""The sheet of memberships: its columns, and what a line of it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date
from typing import Final

from pointsbank.engine.registry import Ledger
from pointsbank.intake.forms import Form
from pointsbank.people.directory import directory_of
from pointsbank.people.volunteers import registered
from pointsbank.places.model import OPEN_END, Joining, Leaving, MemberAct
from pointsbank.policy.calendar import local_day

COLUMNS: Final = (
    ("组织编码", "group", "队伍编码", "家庭编号", "编码", "group_code"),
    ("志愿者编号", "volunteer", "志愿者号", "volunteer_id", "volunteer_no"),
    ("加入日期", "from_day", "起始日期", "joined", "valid_from"),
    ("退出日期", "to_day", "截止日期", "left", "valid_to"),
    ("角色", "role", "身份"),
)
MEMBERS_FORM: Final = Form(COLUMNS, optional=("加入日期", "退出日期", "角色"))

_ROLES: Final = {
    "": "member",
    "成员": "member",
    "member": "member",
    "负责人": "head",
    "队长": "head",
    "户主": "head",
    "head": "head",
}

Finder = Callable[[Ledger, Iterable[str]], Awaitable[Mapping[str, str]]]
"""Finds person ids by volunteer number; who is not listed is not registered."""


async def by_volunteer_number(ledger: Ledger, numbers: Iterable[str]) -> dict[str, str]:
    """Person ids by volunteer number, of those who are volunteers of the ledger."""
    found = await directory_of(ledger).by_number(numbers)
    ours = await ledger.database.read(registered, ledger.id, {person.id for person in found.values()})
    return {number: person.id for number, person in found.items() if person.id in ours}


def number_of_line(fields: tuple[str, ...]) -> str | None:
    """The volunteer number in a line, if the line is whole."""
    return fields[1] if len(fields) == MEMBERS_FORM.width and fields[0] and fields[1] else None


def act_of_line(fields: tuple[str, ...], person: str) -> MemberAct | None:
    """The change that a line asks for: with a first day somebody joins (up to the last, if there is one), with a
    last day alone somebody leaves. None if the line names a role or a day that is none.
    """
    group, _, from_text, to_text, role_text = fields
    role = _ROLES.get(role_text.lower())
    from_day, to_day = _day(from_text), _day(to_text)
    if role is None or (from_text and from_day is None) or (to_text and to_day is None):
        return None
    if from_day is not None:
        return Joining(group, person, from_day, role, to_day or OPEN_END)
    return Leaving(group, person, to_day) if to_day is not None else None


def _day(text: str) -> date | None:
    return local_day(text[:10] if text[10:] in ("", " 00:00") else text)
