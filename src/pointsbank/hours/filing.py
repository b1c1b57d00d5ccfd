"""The rows of a record that waits: the record itself, its trail, and the first steps of its life. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from pointsbank.activities.model import Attendance, Evidence
from pointsbank.activities.ports import By
from pointsbank.engine.commands import new_salt
from pointsbank.hours.model import ServiceRecord
from pointsbank.intake.lines import filed_id, kept_text
from pointsbank.ledger.model import RECORDED_AT, Row
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.calendar import day_of_minute
from pointsbank.policy.model import Policy


def submitted_rows(
    record: ServiceRecord,
    person: Volunteer,
    policy: Policy,
    by: By,
    *,
    activity_id: str,
    session_id: str,
    fund: str,
    campaign: str,
    submitted_on: date,
    level: int,
    is_late: bool,
    reason: str,
    stated_by: str = "",
    follows: str = "",
    attendance: Attendance | None = None,
    evidence: Evidence | None = None,
    salt: bytes = b"",
    fingerprint: bytes = b"",
    sealed: bytes = b"",
) -> tuple[Row, ...]:
    """The rows of a record that waits: the record itself, its trail, and the first steps of its life.

    Whoever noted that somebody came or went stands in the steps too: they have recorded, and verify nothing of it.
    """
    fields, record_id = record.fields, filed_id(record.fields.record_id)
    day = day_of_minute(record.session_start)
    noted = _noted(record_id, attendance, evidence) if attendance is not None else ()
    return (
        Row(
            "service_records",
            (
                record_id, person.id, kept_text(fields), "submitted", "submitted", day.isoformat(),
                record.start, record.end, record.minutes, 0, 0, filed_id(fields.category), filed_id(fields.station),
                policy.version, "", "", 0, 0, salt or new_salt(), RECORDED_AT, fingerprint, sealed,
            ),
            state="submitted",
        ),
        Row(
            "record_trails",
            (
                record_id, person.id, filed_id(activity_id), session_id, fund, campaign, by.name, stated_by,
                RECORDED_AT, submitted_on.isoformat(), week_of(record), record.minutes, level, int(is_late), reason,
                follows,
            ),
        ),
        *noted,
        step_row(record_id, len(noted) + 1, "submitted", by, reason),
    )  # fmt: skip


def _noted(record_id: str, a: Attendance, shown: Evidence | None) -> tuple[Row, ...]:
    """That somebody came and went, as steps: each at its own time; and what shows it, for who verifies."""
    came = (record_id, 1, "checked-in", a.in_by, a.in_at, "", a.in_device, a.in_way)
    left = (record_id, 2, "checked-out", a.out_by, a.out_at, "", a.out_device, a.out_way)
    steps = [came, left]
    if shown is not None:
        where = f"{shown.kind}:{shown.reference}"
        steps.append((record_id, 3, "evidence", shown.filed_by, shown.filed_at, "", "", where))
    return tuple([Row("record_steps", step, key_length=2) for step in steps])


def step_row(record_id: str, number: int, step: str, by: By, reason: str = "") -> Row:
    """A step of a record's life; its time is that of the commit."""
    return Row(
        "record_steps",
        (record_id, number, step, by.name, RECORDED_AT, by.place, by.device, reason),
        key_length=2,
    )


def week_of(record: ServiceRecord) -> str:
    """The calendar week of the service date."""
    return week_of_day(day_of_minute(record.session_start))


@lru_cache(maxsize=4096)
def week_of_day(day: date) -> str:
    """A calendar week by its Monday."""
    return (day - timedelta(days=day.weekday())).isoformat()
