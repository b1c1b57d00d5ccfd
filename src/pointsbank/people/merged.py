"""Ids that were merged: whose accounts and versions stand for them, as the books know it.

The register of people knows the same of names and numbers; here it is known in the commit that moved the points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, Subquery, select

from pointsbank.people.merged_tables import merged_people
from pointsbank.people.volunteers import Volunteer
from pointsbank.store.questions import LEDGER, Question

Key = TypeVar("Key")

_t = merged_people.c

_ANY = Question(lambda one_of: select(_t.merge_id).where(_t.ledger_id == LEDGER).limit(1))
_STEPS = Question(
    lambda one_of: select(_t.old_id, _t.into_id).where(
        _t.ledger_id == LEDGER, one_of(_t.old_id, "ids"), _t.state == "merged"
    )
)
_INTO = Question(
    lambda one_of: select(_t.old_id, _t.into_id).where(
        _t.ledger_id == LEDGER, one_of(_t.into_id, "ids"), _t.state == "merged"
    )
)


def survivors(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, str]:
    """For each id that is merged, the id under which the person goes on. Ids that are not are not listed."""
    if not any_merged(connection, ledger_id):
        return {}
    asked = set(ids)
    steps: dict[str, str] = {}
    wanted = asked
    while wanted:
        found = _steps(connection, ledger_id, wanted)
        steps |= found
        wanted = set(found.values()) - steps.keys()
    return {one: _end(steps, one) for one in asked & steps.keys()}


def groups(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """All ids of the person behind each id that shares the person with others. Ids that are alone are not listed."""
    if not any_merged(connection, ledger_id):
        return {}
    asked = set(ids)
    roots = dict.fromkeys(asked) | survivors(connection, ledger_id, asked)
    root_of = {one: root or one for one, root in roots.items()}
    members: dict[str, set[str]] = {root: {root} for root in root_of.values()}
    reached = {root: root for root in members}
    while reached:
        rows = _INTO.fetched(connection, ledger_id, ids=reached)
        reached = {str(old): reached[str(into)] for old, into in rows}
        for old, root in reached.items():
            members[root].add(old)
    return {one: frozenset(members[root]) for one, root in root_of.items() if len(members[root]) > 1}


def roots(ledger_id: int) -> Subquery:
    """Every merged id (`old_id`) with the id under which the person goes on (`root`): to join where people are added up."""
    t, later, still = merged_people.c, merged_people.alias("later").c, merged_people.alias("still").c
    into = (
        select(t.old_id.label("old_id"), t.into_id.label("root"))
        .where(t.ledger_id == ledger_id, t.state == "merged")
        .cte("merged_into", recursive=True)
    )
    into = into.union_all(
        select(into.c.old_id, later.into_id).where(
            later.ledger_id == ledger_id, later.state == "merged", later.old_id == into.c.root
        )
    )
    goes_on = (
        select(still.old_id)
        .where(still.ledger_id == ledger_id, still.state == "merged", still.old_id == into.c.root)
        .exists()
    )
    return select(into.c.old_id, into.c.root).where(~goes_on).subquery("merged_roots")


def resolved(connection: Connection, ledger_id: int, people: Mapping[Key, Volunteer]) -> dict[Key, Volunteer]:
    """The same people, those who are merged with the accounts and the version of whom they were merged into."""
    into = survivors(connection, ledger_id, {person.id for person in people.values()})
    if not into:
        return dict(people)
    return {
        key: msgspec.structs.replace(person, id=into[person.id]) if person.id in into else person
        for key, person in people.items()
    }


def was_merged(connection: Connection, ledger_id: int, person_id: str) -> bool:
    """Whether this id was ever merged: an entry from before then is taken back by movements, not by its mirror."""
    t = merged_people.c
    query = select(t.merge_id).where(t.ledger_id == ledger_id, t.old_id == person_id).limit(1)
    return connection.execute(query).first() is not None


def any_merged(connection: Connection, ledger_id: int) -> bool:
    """Whether anybody was ever merged: where nobody was, a batch of a thousand asks nothing more."""
    return bool(_ANY.rows(connection, ledger_id))


def _steps(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, str]:
    rows = _STEPS.fetched(connection, ledger_id, ids=ids)
    return {str(old): str(into) for old, into in rows}


def _end(steps: Mapping[str, str], one: str) -> str:
    while one in steps:
        one = steps[one]
    return one
