"""Who belongs to which team, household, village and unit on a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import Connection, Text, and_, bindparam, select

from pointsbank.places.model import Membership
from pointsbank.places.tables import memberships, places
from pointsbank.store.lists import fetched, is_one_of
from pointsbank.store.questions import LEDGER, Question

PAGE = 500


_t, _p = memberships.c, places.c
_DAY = bindparam("day", type_=Text)
_GROUPS = Question(
    lambda one_of: select(_t.person_id, _p.kind, _t.group_id).where(
        _t.ledger_id == LEDGER,
        one_of(_t.person_id, "people"),
        _t.from_day <= _DAY,
        _t.to_day > _DAY,
        and_(_p.ledger_id == LEDGER, _p.place_id == _t.group_id),
    )
)


def groups_of(
    connection: Connection, ledger_id: int, person_ids: Iterable[str], day: date
) -> dict[str, set[tuple[str, str]]]:
    """(kind, group id) of every group to which each person belongs on a day; an empty set for none."""
    found: dict[str, set[tuple[str, str]]] = {person: set() for person in person_ids}
    rows = _GROUPS.fetched(connection, ledger_id, people=found, day=day.isoformat())
    for person, kind, group in rows:
        found[str(person)].add((str(kind), str(group)))
    return found


def members_of(
    connection: Connection, ledger_id: int, group_id: str, day: date, *, after: str = "", limit: int = PAGE
) -> list[Membership]:
    """The members of a group on a day in the order of their ids, a page at a time."""
    t = memberships.c
    rows = connection.execute(
        select(t.group_id, t.person_id, t.from_day, t.to_day, t.role, t.state)
        .where(
            t.ledger_id == ledger_id,
            t.group_id == group_id,
            t.person_id > after,
            t.from_day <= day.isoformat(),
            t.to_day > day.isoformat(),
        )
        .order_by(t.person_id)
        .limit(limit)
    )
    return [membership_of(row) for row in rows]


def memberships_of(connection: Connection, ledger_id: int, person_id: str) -> list[Membership]:
    """All memberships of a person, the oldest first: for export of one's own data, and before forgetting."""
    t = memberships.c
    rows = connection.execute(
        select(t.group_id, t.person_id, t.from_day, t.to_day, t.role, t.state)
        .where(t.ledger_id == ledger_id, t.person_id == person_id)
        .order_by(t.from_day, t.group_id)
    )
    return [membership_of(row) for row in rows]


def group_memberships(
    connection: Connection, ledger_id: int, person_ids: Iterable[str]
) -> dict[str, list[tuple[str, Membership]]]:
    """All memberships of many people with the kind of each group, in one statement: for totals over many days.

    A minute counts for the groups to which its giver belonged on the service date; who adds up a year asks once and
    compares the days himself.
    """
    found: dict[str, list[tuple[str, Membership]]] = {person: [] for person in person_ids}
    t, p = memberships.c, places.c
    rows = fetched(
        connection,
        select(t.group_id, t.person_id, t.from_day, t.to_day, t.role, t.state, p.kind).where(
            t.ledger_id == ledger_id,
            is_one_of(connection, t.person_id, found),
            and_(p.ledger_id == ledger_id, p.place_id == t.group_id),
        ),
    )
    for *values, kind in rows:
        membership = membership_of(values)
        found[membership.person_id].append((str(kind), membership))
    return found


def share_household(connection: Connection, ledger_id: int, person_a: str, person_b: str, day: date) -> bool:
    """Whether two people belong to one household on a day. Nobody shares a household with themselves here."""
    if person_a == person_b:
        return False
    groups = groups_of(connection, ledger_id, (person_a, person_b), day)
    shared = groups[person_a] & groups[person_b]
    return any(kind == "household" for kind, _ in shared)


def membership_of(values: Sequence[object]) -> Membership:
    """A membership from its row without the ledger."""
    group, person, from_day, to_day, role, state = map(str, values)
    return Membership(group, person, date.fromisoformat(from_day), date.fromisoformat(to_day), role, state)
