"""Merged ids in the hours room: one person has one claim on time, one use of the caps, one set of accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from pointsbank.activities.reading import versions_of, volunteers_by_id
from pointsbank.hours.model import Interval
from pointsbank.hours.trails import Loaded, held_intervals, loaded_records, used_minutes
from pointsbank.people.merged import groups, resolved
from pointsbank.people.volunteers import Volunteer


def people_of(connection: Connection, ledger_id: int, ids: Iterable[str]) -> dict[str, Volunteer]:
    """Registered volunteers by id, with the accounts that stand for them now."""
    return resolved(connection, ledger_id, volunteers_by_id(connection, ledger_id, ids))


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
    connection: Connection,
    ledger_id: int,
    ids: list[str],
    actor: str,
    since: int,
    hour_ago: int,
    sums_from: int,
) -> Loaded:
    """`loaded_records`, with caps and versions shared by all ids of a person."""
    loaded = loaded_records(connection, ledger_id, ids, actor, since, hour_ago, sums_from)
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
