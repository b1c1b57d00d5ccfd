"""Who may have taken part without signing up: what a sign-up asks is asked again when a record is made.

Whoever signed up was asked then. Whom somebody wrote down afterwards, or brought in by a file, nobody has asked yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.model import Activity, Attendance, Evidence, Paper
from pointsbank.activities.reading import papers_by_person
from pointsbank.activities.rules import Applicant, why_not
from pointsbank.activities.tables import activity_sessions, evidence, sign_ups
from pointsbank.policy.model import Policy
from pointsbank.store.lists import fetched, is_one_of

ASKS_FOR_EVIDENCE: Final = ("came-unregistered", "forgot-check-in")
"""Reasons for typing in times of somebody whom no check-in and no list names (H4)."""


class Fitness(msgspec.Struct, frozen=True):
    """Who had signed up for a session of an activity (`signed`: activity and person), and the papers of people."""

    signed: frozenset[tuple[str, str]]
    papers: Mapping[str, list[Paper]]

    def why_not(self, activity: Activity, person: str, born: date | None, day: date, policy: Policy) -> str:
        """The check of a sign-up that somebody fails who did not sign up; empty if none does."""
        if (activity.activity_id, person) in self.signed:
            return ""
        applicant = Applicant(born, self.papers.get(person, ()), None)  # nobody wrote down who came along
        return why_not(applicant, activity, day, policy)


NOTHING: Final = Fitness(frozenset(), {})


def fitness_of(
    connection: Connection, ledger_id: int, activity_ids: Collection[str], person_ids: Collection[str]
) -> Fitness:
    """What is known of people in activities."""
    if not activity_ids or not person_ids:
        return NOTHING
    session, sign_up = activity_sessions.c, sign_ups.c
    signed = fetched(
        connection,
        select(session.activity_id, sign_up.person_id)
        .select_from(
            sign_ups.join(
                activity_sessions,
                (session.ledger_id == sign_up.ledger_id) & (session.session_id == sign_up.session_id),
            )
        )
        .where(
            sign_up.ledger_id == ledger_id,
            is_one_of(connection, sign_up.person_id, person_ids),
            sign_up.state == "signed",
        ),
    )
    wanted = set(activity_ids)
    return Fitness(
        frozenset((str(a), str(p)) for a, p in signed if a in wanted),
        papers_by_person(connection, ledger_id, person_ids),
    )


def evidence_of(connection: Connection, ledger_id: int, session_id: str) -> dict[str, Evidence]:
    """What was filed for people of a session, by person."""
    t = evidence.c
    rows = fetched(
        connection,
        select(t.person_id, t.kind, t.reference, t.filed_by, t.filed_at).where(
            t.ledger_id == ledger_id, t.session_id == session_id
        ),
    )
    return {row[0]: Evidence(*row[1:]) for row in rows}


def lacks_evidence(attendance: Attendance, filed: Mapping[str, Evidence]) -> bool:
    """Whether times were typed in of somebody of whom nothing shows that they were there."""
    return attendance.reason in ASKS_FOR_EVIDENCE and attendance.person_id not in filed
