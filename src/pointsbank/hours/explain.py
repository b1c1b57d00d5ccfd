"""Verdicts on service records in words that a station operator understands, and what to do now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final, Literal

import msgspec

from pointsbank.hours.columns import HOUR_CLASS, HOUR_CLASSES, NAMES, TIME_COLUMNS, WIDTH
from pointsbank.hours.model import HoursVerdict
from pointsbank.policy.calendar import local_minute

NoPoints = Literal["honour", "below_floor", "rounding", "cap"]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a judged line; a sentence says as much as is given."""

    fields: tuple[str, ...] = ()  # normalised, as in SheetLine
    minutes: int = 0  # merit
    points: int = 0  # hundredths of a point
    capped: int = 0  # what was not credited because the person held as many as one may, in hundredths
    usable_on: date | None = None  # first day on which the points may be spent, if there is public notice
    no_points: NoPoints | None = None  # why an accepted record earned none
    first_line: int | None = None  # the line that took the record id
    deadline: date | None = None  # last day for recording
    deadline_days: int = 10  # the policy's working days
    session_max_hours: int = 24
    minimum_age: int | None = None
    overlaps: str | None = None  # id of the accepted record at the same time


def explain(verdict: HoursVerdict, facts: Facts) -> str:
    """One Chinese sentence or two: what happened, what it means for the points, and what to do now.

    No sentence repeats a cell but the record id of a conflict: a report is passed around, and cells may be about people.
    """
    return _SENTENCES[verdict](facts)


def points_text(points: int) -> str:
    """Hundredths of a point as people write them: 1950 -> '19.50'."""
    whole, hundredths = divmod(points, 100)
    return f"{whole}.{hundredths:02}"


# What stands in the column 结果, and its English.
SHORT_CHINESE: Final[dict[HoursVerdict, str]] = {
    "malformed": "格式错误",
    "duplicate": "重复记录",
    "conflict": "编号冲突",
    "unknown_volunteer": "查无志愿者",
    "unknown_station": "查无服务站",
    "unknown_category": "查无服务类别",
    "session_invalid": "场次时间无效",
    "recorded_early": "录入过早",
    "recorded_late": "录入太晚",
    "self_recorded": "本人录入",
    "attendance_invalid": "签到签退无效",
    "outside_session": "不在场次内",
    "under_age": "年龄不足",
    "overlap": "时间重叠",
    "accepted": "已入账",
    "unknown_activity": "活动未获批准",
    "late_needs_reason": "迟录须注明原因",
    "same_household": "同一家庭",
    "reciprocal": "互相计时",
    "submitted": "待核验",
    "companion_missing": "无成人陪同",
    "consent_missing": "无监护人同意",
    "training_missing": "未参加培训",
    "insurance_missing": "无保险",
    "evidence_missing": "缺少凭据",
}
SHORT_ENGLISH: Final[dict[HoursVerdict, str]] = {
    "malformed": "the line is incomplete or a time is not written as YYYY-MM-DD HH:MM",
    "duplicate": "the same record came in before",
    "conflict": "another record has this record id",
    "unknown_volunteer": "no volunteer has this id",
    "unknown_station": "no station has this code",
    "unknown_category": "the policy has no such category",
    "session_invalid": "the session does not end after it begins, or is too long",
    "recorded_early": "recorded before the end of the session",
    "recorded_late": "recorded after the deadline",
    "self_recorded": "recorded by the volunteer",
    "attendance_invalid": "check-out is not after check-in",
    "outside_session": "no whole minute within the session",
    "under_age": "younger than the minimum age of the category",
    "overlap": "overlaps an accepted record of the volunteer",
    "accepted": "posted",
    "unknown_activity": "no activity of this id was approved before it began",
    "late_needs_reason": "recorded after the deadline without a reason",
    "same_household": "recorded by somebody of the volunteer's household",
    "reciprocal": "recorded by somebody whom the volunteer credited lately",
    "submitted": "waits for another person to verify it",
    "companion_missing": "so young a child had no adult on file who came along",
    "consent_missing": "no guardian's consent was on file on the day of service",
    "training_missing": "the training that the activity asks for was not on file",
    "insurance_missing": "no insurance was on file on the day of service",
    "evidence_missing": "typed in without evidence that the person was there",
}


def _accepted(facts: Facts) -> str:
    merit = f"已入账：服务时长 {facts.minutes} 分钟，"
    if facts.points:
        usable = f"公示期满后，自 {facts.usable_on} 起可用。" if facts.usable_on else ""
        cut = f"另有 {points_text(facts.capped)} 积分超出个人持有上限，未计入。" if facts.capped else ""
        return f"{merit}积分 {points_text(facts.points)}。{cut}{usable}"
    if facts.capped:
        return f"{merit}积分 0。所得 {points_text(facts.capped)} 积分超出个人持有上限，未计入，只计时长。"
    return f"{merit}积分 0。{_NO_POINTS[facts.no_points]}"


_NO_POINTS: Final[dict[NoPoints | None, str]] = {
    None: "本条只计时长，不计积分。",
    "honour": "荣誉时数只计时长，不计积分。",
    "below_floor": "实际服务时间未达到场次时长的规定比例，只计时长，不计积分。",
    "rounding": "服务时间不足一个计分单位，只计时长，不计积分。",
    "cap": "当日或当年的计分时长已达上限，只计时长，不计积分。",
}


def _malformed(facts: Facts) -> str:
    return f"格式有误：{_faults(facts.fields)}。本条未入账。请改正后用原编号重新导入。"


def _faults(fields: tuple[str, ...]) -> str:
    if not fields:
        return f"须有 {WIDTH} 列并逐项填写，时间写成 2026-01-05 09:00"
    if len(fields) != WIDTH:
        return f"本行有 {len(fields)} 项，应为 {WIDTH} 项"
    empty = [name for name, field in zip(NAMES, fields, strict=True) if not field]
    times = [NAMES[at] for at in TIME_COLUMNS if fields[at] and local_minute(fields[at]) is None]
    is_class_wrong = fields[HOUR_CLASS] and fields[HOUR_CLASS] not in HOUR_CLASSES.values()
    faults = (
        f"{'、'.join(empty)}为空" if empty else "",
        f"{'、'.join(times)}应写成 2026-01-05 09:00 的形式，且日期时间须存在" if times else "",
        f"{NAMES[HOUR_CLASS]}只能是“信用”或“荣誉”" if is_class_wrong else "",
    )
    return "；".join(filter(None, faults)) or "有一项不符合规定"


def _duplicate(facts: Facts) -> str:
    return f"重复记录：与{_first_line(facts)}内容相同。不再重复计分，无须处理。"


def _conflict(facts: Facts) -> str:
    return (
        f"编号冲突：记录编号{_value(facts, 0)}已由{_first_line(facts)}使用，内容不同，以先到的为准。"
        "本条未入账。如是另一次服务，请换新编号再导入；如要更正原记录，请联系上级站点。"
    )


def _unknown_volunteer(_facts: Facts) -> str:
    return "查无此志愿者：所填编号未登记。本条未入账。请核对编号，或先登记再用新记录编号导入。"


def _unknown_station(_facts: Facts) -> str:
    return "查无此服务站：所填编码未登记。本条未入账。请核对编码后用新记录编号导入。"


def _unknown_category(_facts: Facts) -> str:
    return (
        "查无此服务类别：所填代码不在现行规则中（区分大小写）。本条未入账。请核对类别代码后用新记录编号导入。"
    )


def _session_invalid(facts: Facts) -> str:
    return (
        f"场次时间无效：结束须晚于开始，且一场不超过 {facts.session_max_hours} 小时。本条未入账。"
        "请核对场次时间后用新记录编号导入。"
    )


def _recorded_early(_facts: Facts) -> str:
    return "录入过早：录入时间早于场次结束。本条未入账。请在服务结束后再录入，并使用新记录编号。"


def _recorded_late(facts: Facts) -> str:
    last = f"（最迟 {facts.deadline}）" if facts.deadline else ""
    return (
        f"录入太晚：须在服务结束后 {facts.deadline_days} 个工作日内录入{last}。"
        "本条不计分，可向上级站点申请补录。"
    )


def _self_recorded(_facts: Facts) -> str:
    return "本人录入：志愿者不能给自己录入时数。本条未入账。请由站点其他工作人员用新记录编号重新录入。"


def _attendance_invalid(_facts: Facts) -> str:
    return "签到签退无效：签退须晚于签到。本条未入账。请核对签到、签退时间后用新记录编号导入。"


def _outside_session(_facts: Facts) -> str:
    return "不在场次内：签到至签退与场次时间没有重合。本条未入账。请核对场次或签到时间后用新记录编号导入。"


def _under_age(facts: Facts) -> str:
    least = f"须满 {facts.minimum_age} 周岁" if facts.minimum_age is not None else "未达到最低年龄"
    return f"年龄不足：该服务类别在服务当天{least}。本条未入账。如出生日期有误，请联系站点更正登记。"


def _overlap(facts: Facts) -> str:
    other = f" {facts.overlaps} " if facts.overlaps else ""
    return (
        f"时间重叠：与该志愿者另一条已入账的记录{other}服务时间重叠。本条未入账。"
        "请核对是否重复登记，或更正时间后用新记录编号导入。"
    )


def _unknown_activity(_facts: Facts) -> str:
    return (
        "活动未获批准：所填活动没有在开始前获批。本条未提交。"
        "活动须先批后办；请核对活动编号后用新记录编号提交。"
    )


def _late_needs_reason(facts: Facts) -> str:
    last = f"（最迟 {facts.deadline}）" if facts.deadline else ""
    return f"迟录须注明原因：已过录入期限{last}。本条未提交。请注明原因后再提交，由上一级复核。"


def _same_household(_facts: Facts) -> str:
    return "同一家庭：录入人与志愿者同属一个家庭。本条未提交。请由其他工作人员录入。"


def _reciprocal(_facts: Facts) -> str:
    return "互相计时：该志愿者近期为录入人计过时。本条未提交。请由其他工作人员录入。"


def _companion_missing(_facts: Facts) -> str:
    return "无成人陪同：年幼志愿者须由成人陪同并事先报名。本条未提交。"


def _consent_missing(_facts: Facts) -> str:
    return (
        "无监护人同意：服务当天没有有效的监护人同意。本条未提交。如有书面同意，请先登记再用新记录编号提交。"
    )


def _training_missing(_facts: Facts) -> str:
    return "未参加培训：活动要求的培训没有登记。本条未提交。如已参加，请先登记再用新记录编号提交。"


def _insurance_missing(_facts: Facts) -> str:
    return "无保险：服务当天没有有效的保险。本条未提交。如已投保，请先登记再用新记录编号提交。"


def _evidence_missing(_facts: Facts) -> str:
    return "缺少凭据：补录到场时间须有凭据（签到表、照片等）编号。本条未提交。请先登记凭据再提交。"


def _submitted(facts: Facts) -> str:
    return f"待核验：已提交服务时长 {facts.minutes} 分钟，由另一人核验后公示，公示期满入账。"


def _first_line(facts: Facts) -> str:
    return f"第 {facts.first_line} 行" if facts.first_line else "先前收到的记录"


def _value(facts: Facts, at: int) -> str:
    return f"“{facts.fields[at][:60]}”" if at < len(facts.fields) else ""


_SENTENCES: Final[dict[HoursVerdict, Callable[[Facts], str]]] = {
    "malformed": _malformed,
    "duplicate": _duplicate,
    "conflict": _conflict,
    "unknown_volunteer": _unknown_volunteer,
    "unknown_station": _unknown_station,
    "unknown_category": _unknown_category,
    "session_invalid": _session_invalid,
    "recorded_early": _recorded_early,
    "recorded_late": _recorded_late,
    "self_recorded": _self_recorded,
    "attendance_invalid": _attendance_invalid,
    "outside_session": _outside_session,
    "under_age": _under_age,
    "overlap": _overlap,
    "accepted": _accepted,
    "unknown_activity": _unknown_activity,
    "late_needs_reason": _late_needs_reason,
    "same_household": _same_household,
    "reciprocal": _reciprocal,
    "submitted": _submitted,
    "companion_missing": _companion_missing,
    "consent_missing": _consent_missing,
    "training_missing": _training_missing,
    "insurance_missing": _insurance_missing,
    "evidence_missing": _evidence_missing,
}
