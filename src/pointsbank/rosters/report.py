"""The report of a roster: every line of the sheet with its verdict in words, as a CSV that a spreadsheet opens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pointsbank.intake.cells import report_cell
from pointsbank.intake.sheet_error import SheetError
from pointsbank.intake.sheets import SheetLine

COLUMNS: Final = ("行号", "编码", "结果", "说明", "verdict")
_HEADER: Final = b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n"

WORDS: Final[dict[str, tuple[str, str, str]]] = {
    "accepted": ("已登记", "已登记。", "registered"),
    "malformed": (
        "格式错误",
        "本行列数不对，或类型、操作、角色、日期（YYYY-MM-DD）有误。请改正后重新导入。",
        "the line is not whole, or its kind, action, role or date is none",
    ),
    "unknown-volunteer": (
        "查无志愿者",
        "没有登记这个志愿者编号。请核对编号，或先登记。",
        "no volunteer is registered under this number",
    ),
    "place-malformed": (
        "内容有误",
        "编码、名称或日期不合规定（编码至多 64 字、名称至多 200 字，首尾无空格，结束晚于开始）。请改正后重新导入。",
        "code, name or days are not valid",
    ),
    "place-exists": (
        "编码已用",
        "这个编码已有地点。如是另一处，请换新编码。",
        "the code belongs to a place already",
    ),
    "unknown-place": (
        "查无地点",
        "本行的编码、上级或并入的编码未登记。请核对，或把它放在本行之前。",
        "the code, the parent or the successor is not registered",
    ),
    "unknown-sector": ("查无行业", "没有这个行业代码。请核对行业清单。", "there is no such sector"),
    "wrong-parent": (
        "上级有误",
        "这种类型不能设在该上级之下。请核对上级编码。",
        "this kind does not stand there",
    ),
    "place-not-open": (
        "未开放",
        "该日地点、上级或并入处尚未开设或已关闭。请核对日期。",
        "the place, its parent or its successor is not open on that day",
    ),
    "later-change": (
        "已有更晚的变更",
        "已登记更晚日期的变更，须按日期先后登记。请核对日期。",
        "a change of a later day is on file",
    ),
    "place-cycle": ("上下循环", "该上级在本地点之下。请核对上级编码。", "the place would stand under itself"),
    "place-too-deep": (
        "层级过深",
        "该上级之上层级已满。请设在较高的上级之下。",
        "too many levels stand above it",
    ),
    "place-in-use": ("尚有下级", "其下还有开放的地点。请先迁移或关闭下级。", "open places stand under it"),
    "wrong-successor": (
        "并入有误",
        "只能并入同类型的另一处。请核对。",
        "it merges into another of its kind only",
    ),
    "nothing-changes": ("没有变化", "名称或上级原本如此，无须处理。", "it is so already"),
    "not-a-group": (
        "不是组织",
        "这种类型的地点没有成员。请核对编码。",
        "a place of this kind has no members",
    ),
    "already-member": ("已是成员", "此人在该时段已是成员，无须处理。", "the person is a member already"),
    "in-another-household": (
        "已在别户",
        "此人在该时段属于另一户。请先办理迁出。",
        "the person belongs to another household",
    ),
    "household-needs-two": (
        "须两人办理",
        "户的变动须两名工作人员在人员页面办理。",
        "a household changes by two members of staff, on the person's page",
    ),
    "not-a-member": ("不是成员", "此人在该日之前不是成员。请核对。", "the person is no member then"),
}
"""Of each verdict: what stands in the column 结果, the sentence, and its English."""


def report_path(sheet_path: Path, digest: str) -> Path:
    """Where a report stands if nobody says otherwise: beside the sheet, named by the sheet's content."""
    return sheet_path.with_name(f"{sheet_path.stem}.report-{digest[:12]}.csv")


def write_report(path: Path, judged: Iterable[tuple[SheetLine, str]]) -> None:
    """Write a report anew; it appears under its name only when it is whole.

    Raises SheetError (`report-not-ours`) if something else has the name, OSError if the disk fails.
    """
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise SheetError("report-not-ours", name=path.name)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.write(_HEADER)
        for line, verdict in judged:
            short, sentence, english = WORDS[verdict]
            code = line.fields[0] if line.fields else ""
            cells = (str(line.line_no), code, short, sentence, f"{verdict}: {english}")
            out.write(",".join(map(report_cell, cells)).encode() + b"\r\n")
    part.replace(path)
