"""Who is expected at a session, or has come: for the people who stand at its door."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.model import Activity, Paper, Session
from pointsbank.activities.reading import papers_by_person, session_of
from pointsbank.activities.rules import Applicant, why_not
from pointsbank.activities.tables import attendances, sign_ups
from pointsbank.people.volunteers import Volunteer
from pointsbank.policy.model import Policy

MOST = 1000
"""Most people of one session that are listed."""


class Participant(msgspec.Struct, frozen=True):
    """Somebody of a session; `sign_up` is signed or withdrawn, `attendance` open, closed or submitted, or empty."""

    person_id: str
    companion: str
    sign_up: str
    attendance: str
    papers: list[Paper]


class Expected(msgspec.Struct, frozen=True):
    """A session, and everybody who signed up for it or came."""

    session: Session
    activity: Activity
    people: list[Participant]


def expected_at(connection: Connection, ledger_id: int, session_id: str) -> Expected | None:
    """Everybody of a session, in the order of their ids; None if there is no such session."""
    found = session_of(connection, ledger_id, session_id)
    if found is None:
        return None
    s, a = sign_ups.c, attendances.c
    signed = {
        row.person_id: row
        for row in connection.execute(
            select(s.person_id, s.companion, s.state)
            .where(s.ledger_id == ledger_id, s.session_id == session_id)
            .order_by(s.person_id)
            .limit(MOST)
        )
    }
    came = {
        row.person_id: row.state
        for row in connection.execute(
            select(a.person_id, a.state)
            .where(a.ledger_id == ledger_id, a.session_id == session_id)
            .order_by(a.person_id)
            .limit(MOST)
        )
    }
    ids = sorted({*signed, *came})[:MOST]
    held = papers_by_person(connection, ledger_id, ids)
    people = [
        Participant(
            one,
            signed[one].companion if one in signed else "",
            signed[one].state if one in signed else "",
            came.get(one, ""),
            held.get(one, []),
        )
        for one in ids
    ]
    return Expected(*found, people)


def lacking(
    one: Participant, known: Mapping[str, Volunteer], activity: Activity, day: date, policy: Policy
) -> str:
    """Which check of the session somebody fails on its day, as at the sign-up; empty if none."""
    person, beside = known.get(one.person_id), known.get(one.companion)
    born = person.born if person else None
    applicant = Applicant(
        born, one.papers, beside.born if beside and one.companion != one.person_id else None
    )
    return why_not(applicant, activity, day, policy)
