"""Reads the safeguards of a policy: every key must be there, so that none is off by being forgotten."""

from typing import Literal

from pointsbank.policy.model import SAFEGUARDS_OFF, Safeguards
from pointsbank.policy.reading import TableReader

_MOST_DAYS = 3660
_MOST_LINES = 1_000_000
_A_YEAR_OF_HOURS = 366 * 24


def read_safeguards(top: TableReader) -> Safeguards:
    """The table `safeguards`, and that of the four eyes."""
    table, eyes = top.table("safeguards"), top.table("four_eyes")
    if table is None or eyes is None:
        return SAFEGUARDS_OFF
    read = Safeguards(
        separate_verification=table.flag("separate_verification"),
        activity_approval=table.flag("activity_approval"),
        sign_up=table.flag("sign_up"),
        training=table.flag("training"),
        insurance=table.flag("insurance"),
        class_by_way=table.flag("class_by_way"),
        recording_evidence=_evidence(table),
        household=eyes.flag("household"),
        reciprocal_days=eyes.integer("reciprocal_days", 0, _MOST_DAYS),
        second_level_line_minutes=60 * eyes.integer("second_level_line_hours", 0, _A_YEAR_OF_HOURS),
        second_level_sum_minutes=60 * eyes.integer("second_level_batch_hours", 0, 100 * _A_YEAR_OF_HOURS),
        companion_below_age=table.integer("companion_below_age", 0, 150),
        consent_below_age=table.integer("consent_below_age", 0, 150),
        batch_lines=table.integer("batch_lines", 0, _MOST_LINES),
        lines_per_hour=table.integer("lines_per_hour", 0, _MOST_LINES),
        late_approval=top.flag("late_approval"),
        long_line_minutes=60 * top.integer("long_line_hours", 0, _A_YEAR_OF_HOURS),
        long_line_notice_days=top.integer("long_line_notice_days", 0, 1000),
        decision_working_days=table.integer("decision_working_days", 1, 1000),
        sample_percent=table.integer("sample_percent", 0, 100),
    )
    table.finish()
    eyes.finish()
    return read


def _evidence(table: TableReader) -> Literal["server", "stated"]:
    value = table.text("recording_evidence")
    if value and value not in ("server", "stated"):
        table.wrong("recording_evidence", f"应为 server 或 stated (must be server or stated, is {value!r})")
    return "stated" if value == "stated" else "server"
