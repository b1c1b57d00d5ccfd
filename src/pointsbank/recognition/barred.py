"""Who is on no candidate list for some years: people found guilty of hours that do not count, and who organised them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from pointsbank.activities.tables import activities
from pointsbank.hours.case_tables import clawback_cases, clawback_lines
from pointsbank.people.merged import groups
from pointsbank.places.tables import places
from pointsbank.policy.calendar import city_day, start_of_day

_LINES = clawback_lines.join(
    clawback_cases,
    (clawback_cases.c.ledger_id == clawback_lines.c.ledger_id)
    & (clawback_cases.c.case_id == clawback_lines.c.case_id),
)
"""Hours that were taken back, each with its case."""


def barred(connection: Connection, ledger_id: int, today: date, years: int, zone: str) -> dict[str, date]:
    """People and groups (by id) that are on no list drawn up today, each with the first day on which they may be again.

    The years begin with the decision of the case. All ids of a merged person are barred.
    """
    if not years:
        return {}
    case, line, activity, place = clawback_cases.c, clawback_lines.c, activities.c, places.c
    guilty = _guilty(ledger_id, today, years, zone)
    people = connection.execute(select(line.person_id, case.decided_at).select_from(_LINES).where(*guilty))
    free = _latest(((str(one), int(at)) for one, at in people), years, zone)
    for one, members in groups(connection, ledger_id, free).items():
        free |= {member: max(free[one], free.get(member, free[one])) for member in members}
    organisers = connection.execute(
        select(place.place_id, case.decided_at)
        .select_from(
            _LINES.join(
                activities,
                (activity.ledger_id == case.ledger_id) & (activity.activity_id == case.activity_id),
            ).join(places, (place.ledger_id == activity.ledger_id) & (place.code == activity.organiser))
        )
        .where(*guilty)
    )
    return free | _latest(((str(one), int(at)) for one, at in organisers), years, zone)


def barred_until(
    connection: Connection, ledger_id: int, person_id: str, today: date, years: int, zone: str
) -> date | None:
    """The first day on which one person may be on a list again; None if nothing keeps the person off today."""
    if not years:
        return None
    ids = groups(connection, ledger_id, [person_id]).get(person_id, frozenset([person_id]))
    decided = connection.execute(
        select(func.max(clawback_cases.c.decided_at))
        .select_from(_LINES)
        .where(*_guilty(ledger_id, today, years, zone), clawback_lines.c.person_id.in_(ids))
    ).scalar_one()
    return None if decided is None else _later(city_day(int(decided), zone), years)


def _guilty(ledger_id: int, today: date, years: int, zone: str) -> tuple[ColumnElement[bool], ...]:
    """Lines of guilt that was decided within the years."""
    case, line = clawback_cases.c, clawback_lines.c
    since = start_of_day(_later(today, -years) + timedelta(days=1), zone)
    return (line.ledger_id == ledger_id, line.guilty == 1, case.state == "decided", case.decided_at >= since)


def _latest(decided: Iterable[tuple[str, int]], years: int, zone: str) -> dict[str, date]:
    found: dict[str, date] = {}
    for subject, at in decided:
        free = _later(city_day(at, zone), years)
        found[subject] = max(free, found.get(subject, free))
    return found


def _later(day: date, years: int) -> date:
    """The same day so many years later; of 29 February the day after it where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
