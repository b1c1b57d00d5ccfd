"""Queries of the activities room, each on one snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Table, func, select

from pointsbank.activities.model import Activity, Attendance, Paper, Session
from pointsbank.activities.tables import activities, activity_sessions, attendances, papers, sign_ups
from pointsbank.people.volunteers import Volunteer, registered
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.questions import LEDGER, Question
from pointsbank.store.tables import subjects

Found = TypeVar("Found", bound=msgspec.Struct)


def rows_as(connection: Connection, kind: type[Found], table: Table, *where: Any) -> list[Found]:
    """Rows of a table as structs whose fields are columns of it."""
    names = kind.__struct_fields__
    rows = fetched(connection, select(*(table.c[name] for name in names)).where(*where))
    return [kind(**dict(zip(names, row, strict=True))) for row in rows]


def activity_of(connection: Connection, ledger_id: int, activity_id: str) -> Activity | None:
    """An activity by its id."""
    t = activities.c
    found = rows_as(connection, Activity, activities, t.ledger_id == ledger_id, t.activity_id == activity_id)
    return found[0] if found else None


def activities_of(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, Activity]:
    """Activities by their ids."""
    t = activities.c
    found = rows_as(
        connection, Activity, activities, t.ledger_id == ledger_id, is_one_of(connection, t.activity_id, ids)
    )
    return {activity.activity_id: activity for activity in found}


def session_of(connection: Connection, ledger_id: int, session_id: str) -> tuple[Session, Activity] | None:
    """A session with its activity."""
    t = activity_sessions.c
    found = rows_as(
        connection, Session, activity_sessions, t.ledger_id == ledger_id, t.session_id == session_id
    )
    if not found:
        return None
    activity = activity_of(connection, ledger_id, found[0].activity_id)
    return (found[0], activity) if activity is not None else None


def sessions_of(connection: Connection, ledger_id: int, activity_id: str) -> list[Session]:
    """The sessions of an activity in the order of time."""
    t = activity_sessions.c
    found = rows_as(
        connection, Session, activity_sessions, t.ledger_id == ledger_id, t.activity_id == activity_id
    )
    return sorted(found, key=lambda session: (session.starts_at, session.session_id))


def attendance_of(
    connection: Connection, ledger_id: int, session_id: str, person_ids: Iterable[str] | None = None
) -> list[Attendance]:
    """Who attended a session: everybody, or the people asked for; in the order of their ids."""
    t = attendances.c
    where = [t.ledger_id == ledger_id, t.session_id == session_id]
    if person_ids is not None:
        where.append(is_one_of(connection, t.person_id, person_ids))
    return sorted(rows_as(connection, Attendance, attendances, *where), key=lambda a: a.person_id)


def volunteers_by_id(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, Volunteer]:
    """Registered volunteers by their random id."""
    return {id_: Volunteer(id_) for id_ in registered(connection, ledger_id, ids)}


def papers_of(connection: Connection, ledger_id: int, person_id: str) -> list[Paper]:
    """The valid papers of a person."""
    return papers_by_person(connection, ledger_id, [person_id]).get(person_id, [])


def papers_by_person(
    connection: Connection, ledger_id: int, person_ids: Iterable[str]
) -> dict[str, list[Paper]]:
    """The valid papers of people; who has none is not listed."""
    t = papers.c
    query = select(t.person_id, t.kind, t.code, t.valid_from, t.valid_to).where(
        t.ledger_id == ledger_id, is_one_of(connection, t.person_id, person_ids), t.state == "valid"
    )
    found: dict[str, list[Paper]] = {}
    for person, kind, code, first, last in fetched(connection, query):
        paper = Paper(person, kind, code, date.fromisoformat(first), date.fromisoformat(last))
        found.setdefault(person, []).append(paper)
    return found


def sign_up_state(connection: Connection, ledger_id: int, session_id: str, person_id: str) -> str | None:
    """`signed`, `withdrawn`, or None if the person never signed up for the session."""
    t = sign_ups.c
    return connection.execute(
        select(t.state).where(t.ledger_id == ledger_id, t.session_id == session_id, t.person_id == person_id)
    ).scalar_one_or_none()


def places_taken(connection: Connection, ledger_id: int, session_id: str) -> int:
    """How many people have signed up for a session."""
    t = sign_ups.c
    query = select(func.count()).where(
        t.ledger_id == ledger_id, t.session_id == session_id, t.state == "signed"
    )
    return int(connection.execute(query).scalar_one())


_VERSIONS = Question(
    lambda one_of: select(subjects.c.subject, subjects.c.version).where(
        subjects.c.ledger_id == LEDGER, one_of(subjects.c.subject, "names")
    )
)


def versions_of(connection: Connection, ledger_id: int, names: Iterable[str]) -> dict[str, int]:
    """Versions of subjects; one that nothing has touched has version 0."""
    wanted = list(names)
    rows = _VERSIONS.fetched(connection, ledger_id, names=wanted)
    return dict.fromkeys(wanted, 0) | {str(name): int(version) for name, version in rows}
