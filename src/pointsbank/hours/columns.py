"""The 13 columns of a sheet of service hours: names, order, and the words for the class of hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pointsbank.intake.forms import Form, Header

# Canonical order: the Chinese name, the English name, then other names that stations are known to write.
COLUMNS: Final[tuple[tuple[str, ...], ...]] = (
    ("记录编号", "record_id", "记录号", "记录id", "记录编码", "record", "record_no", "record_number"),
    ("志愿者编号", "volunteer_id", "志愿者号", "志愿者id", "志愿者编码", "volunteer", "volunteer_no"),
    ("活动编号", "activity_id", "活动号", "活动id", "活动编码", "activity_no"),
    ("活动名称", "activity_name", "活动名", "活动", "activity"),
    ("服务类别", "category", "类别", "服务类型", "类别代码", "服务类别代码", "category_code"),
    ("服务站", "station", "服务站编号", "服务站编码", "站点", "站点编码", "station_id", "station_code"),
    ("场次开始", "session_start", "场次开始时间", "开始时间", "session_begin", "starts_at"),
    ("场次结束", "session_end", "场次结束时间", "结束时间", "ends_at"),
    ("签到", "check_in", "签到时间", "check_in_time", "checked_in_at"),
    ("签退", "check_out", "签退时间", "check_out_time", "checked_out_at"),
    ("时数类型", "hour_class", "时数类别", "时长类型", "hours_class", "class_of_hours"),
    ("录入人", "recorded_by", "录入人编号", "录入员", "recorder"),
    ("录入时间", "recorded_at", "录入日期时间", "record_time", "recorded_time"),
)
NAMES: Final = tuple(column[0] for column in COLUMNS)
WIDTH: Final = len(COLUMNS)
HOUR_CLASS: Final = NAMES.index("时数类型")
TIME_COLUMNS: Final = tuple(
    NAMES.index(name) for name in ("场次开始", "场次结束", "签到", "签退", "录入时间")
)

# English words for the class of hours, understood only under an English header: under 时数类型 the two
# Chinese words are the only ones, as the specification of the city's files says.
HOUR_CLASSES: Final = {"credit": "信用", "honour": "荣誉", "honor": "荣誉"}


class HoursForm(Form):
    """The 13 columns; under an English header the class of hours may be English too."""

    def fields(self, header: Header, cells: Sequence[str]) -> tuple[str, ...]:
        fields = super().fields(header, cells)
        if HOUR_CLASS not in header.english or len(fields) != WIDTH:
            return fields
        hour_class = fields[HOUR_CLASS]
        hour_class = HOUR_CLASSES.get(hour_class.lower(), hour_class)
        return (*fields[:HOUR_CLASS], hour_class, *fields[HOUR_CLASS + 1 :])


HOURS_FORM: Final = HoursForm(COLUMNS)
