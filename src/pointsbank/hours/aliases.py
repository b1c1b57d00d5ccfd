"""Ids that were merged: whose accounts, claims and versions stand for them, as the books know it.

The register of people knows the same of names and numbers; here it is known in the commit that moved the points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, select

from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.hours.case_tables import merged_people
from pointsbank.hours.model import Interval
from pointsbank.hours.trails import Loaded, held_intervals, loaded_records, used_minutes
from pointsbank.people.volunteers import Volunteer
from pointsbank.store.lists import fetched, is_one_of

Key = TypeVar("Key")


def survivors(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, str]:
    """For each id that is merged, the id under which the person goes on. Ids that are not are not listed."""
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
    asked = set(ids)
    roots = dict.fromkeys(asked) | survivors(connection, ledger_id, asked)
    root_of = {one: root or one for one, root in roots.items()}
    members: dict[str, set[str]] = {root: {root} for root in root_of.values()}
    reached = {root: root for root in members}
    while reached:
        t = merged_people.c
        rows = fetched(
            connection,
            select(t.old_id, t.into_id).where(
                t.ledger_id == ledger_id, is_one_of(connection, t.into_id, reached), t.state == "merged"
            ),
        )
        reached = {str(old): reached[str(into)] for old, into in rows}
        for old, root in reached.items():
            members[root].add(old)
    return {one: frozenset(members[root]) for one, root in root_of.items() if len(members[root]) > 1}


def resolved(connection: Connection, ledger_id: int, people: Mapping[Key, Volunteer]) -> dict[Key, Volunteer]:
    """The same people, those who are merged with the accounts and the version of whom they were merged into."""
    into = survivors(connection, ledger_id, {person.id for person in people.values()})
    if not into:
        return dict(people)
    return {
        key: msgspec.structs.replace(person, id=into[person.id]) if person.id in into else person
        for key, person in people.items()
    }


def people_of(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, Volunteer]:
    """Registered volunteers by id, with the accounts that stand for them now."""
    return resolved(connection, ledger_id, volunteers_by_id(connection, ledger_id, ids))


def was_merged(connection: Connection, ledger_id: int, person_id: str) -> bool:
    """Whether this id was ever merged: an entry from before then is taken back by movements, not by its mirror."""
    t = merged_people.c
    query = select(t.merge_id).where(t.ledger_id == ledger_id, t.old_id == person_id).limit(1)
    return connection.execute(query).first() is not None


def claimed_intervals(
    connection: Connection, ledger_id: int, people: Mapping[str, Volunteer], since: int
) -> dict[str, list[Interval]]:
    """Intervals that are held, by every id of `people` and of whom they stand for; ids of one person share one list."""
    shared = groups(connection, ledger_id, people)
    if not shared:
        return held_intervals(connection, ledger_id, people, since)
    everybody = {one for members in shared.values() for one in members} | set(people)
    of_each = held_intervals(connection, ledger_id, volunteers_by_id(connection, ledger_id, everybody), since)
    found: dict[str, list[Interval]] = {}
    for one in people:
        if one in found:
            continue
        members = shared.get(one, frozenset((one,)))
        joined = sorted(interval for member in members for interval in of_each.get(member, ()))
        found |= dict.fromkeys(members, joined)
    return found


def loaded_for(
    connection: Connection, ledger_id: int, ids: list[str], actor: str, since: int, hour_ago: int
) -> Loaded:
    """`loaded_records`, with caps and versions shared by all ids of a person."""
    loaded = loaded_records(connection, ledger_id, ids, actor, since, hour_ago)
    shared = groups(connection, ledger_id, loaded.people)
    if not shared:
        return loaded
    everybody = {one for members in shared.values() for one in members}
    of_each = used_minutes(connection, ledger_id, volunteers_by_id(connection, ledger_id, everybody))
    used = Counter({key: minutes for key, minutes in loaded.used.items() if key[0] not in everybody})
    people = resolved(connection, ledger_id, loaded.people)
    for one, members in shared.items():
        root = people[one].id
        if any(key[0] == root for key in used):  # two ids of one person are in this batch
            continue
        for (member, when), minutes in of_each.items():
            if member in members:
                used[root, when] += minutes
    subjects = {person.subject for person in people.values()} - loaded.versions.keys()
    versions = loaded.versions | versions_of(connection, ledger_id, subjects)
    return msgspec.structs.replace(loaded, people=people, used=used, versions=versions)


def _steps(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, str]:
    t = merged_people.c
    rows = fetched(
        connection,
        select(t.old_id, t.into_id).where(
            t.ledger_id == ledger_id, is_one_of(connection, t.old_id, ids), t.state == "merged"
        ),
    )
    return {str(old): str(into) for old, into in rows}


def _end(steps: Mapping[str, str], one: str) -> str:
    while one in steps:
        one = steps[one]
    return one
