"""The sheet of places: its columns, and what a line of it asks for."""

from __future__ import annotations

from datetime import date
from typing import Final

from pointsbank.intake.forms import Form
from pointsbank.places.model import (
    KIND_NAMES,
    KINDS,
    SINCE_EVER,
    Act,
    Closing,
    Merging,
    Moving,
    Opening,
    Renaming,
)
from pointsbank.policy.calendar import local_day

COLUMNS: Final = (
    ("编码", "code", "地点编码", "组织编码", "place_code"),
    ("类型", "kind", "类别", "层级", "type"),
    ("名称", "name", "地点名称", "组织名称"),
    ("上级编码", "parent", "上级", "parent_code"),
    ("生效日期", "from_day", "日期", "date", "day", "valid_from"),
    ("操作", "action", "动作"),
    ("行业", "sector", "行业部门"),
    ("并入", "into", "并入编码", "successor", "merged_into"),
)
PLACES_FORM: Final = Form(COLUMNS, optional=("生效日期", "操作", "行业", "并入"))

KIND_WORDS: Final[dict[str, str]] = {
    **{kind: kind for kind in KINDS},
    **{name: kind for kind, name in KIND_NAMES.items()},
    "中心": "centre",
    "所": "sub-centre",
    "站": "station",
    "实践站": "station",
    "点": "point",
    "常备队伍": "standing-team",
    "队": "team",
    "家庭": "household",
}
"""Kinds as files write them."""

_ACTIONS: Final = {
    "": "open",
    "开设": "open",
    "更名": "rename",
    "迁移": "move",
    "关闭": "close",
    "合并": "merge",
    **{action: action for action in ("open", "rename", "move", "close", "merge")},
}


def act_of_line(fields: tuple[str, ...]) -> Act | None:
    """The change that a line asks for; None if it is not whole, or names a kind, an action or a day that is none.

    A place that is opened without a day has always been there.
    """
    if len(fields) != PLACES_FORM.width:
        return None
    code, kind, name, parent, day_text, action_text, sector, into = fields
    action = _ACTIONS.get(action_text.lower())
    day = _day(day_text, action or "")
    if action is None or day is None or not code:
        return None
    match action:
        case "open":
            known = KIND_WORDS.get(kind.lower())
            return Opening(code, known, name, parent, day, sector) if known else None
        case "rename":
            return Renaming(code, name, day)
        case "move":
            return Moving(code, parent, day)
        case "merge":
            return Merging(code, into, day)
        case _:
            return Closing(code, day)


def _day(text: str, action: str) -> date | None:
    if not text:
        return SINCE_EVER if action == "open" else None
    return local_day(text[:10] if text[10:] in ("", " 00:00") else text)
