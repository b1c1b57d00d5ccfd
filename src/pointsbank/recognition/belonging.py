"""For which groups a record counts, where one person has several ids: in each once, under whichever id it was made.

A person may be in any number of teams and units, and in one household at a time. Merged ids may have been in two: then
the household is that of the id under which the person goes on, or else that of the id on the record.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Subquery, case, func, select, union

from pointsbank.hours.tables import service_records
from pointsbank.people.merged import roots
from pointsbank.places.tables import memberships

ONE_AT_A_TIME: Final = "household"
"""The kind of group of which a person has only one."""


def belonging(ledger_id: int) -> CTE:
    """Every membership (`group_id`, `from_day`, `to_day`) once for each `id` of its `person`, who is the id that goes on.

    `rank` is 0 if the membership is that of the person, 1 if that of the id, 2 if that of another id.
    """
    m, merged = memberships.c, roots(ledger_id)
    ids = union(
        select(merged.c.old_id.label("id"), merged.c.root), select(merged.c.root.label("id"), merged.c.root)
    ).cte("merged_ids")
    own, each = ids.alias("own_id"), ids.alias("each_id")
    person = func.coalesce(own.c.root, m.person_id)
    id_ = func.coalesce(each.c.id, m.person_id)
    return (
        select(
            m.group_id,
            m.from_day,
            m.to_day,
            id_.label("id"),
            person.label("person"),
            case((m.person_id == person, 0), (m.person_id == id_, 1), else_=2).label("rank"),
            m.person_id.label("member"),
        )
        .select_from(
            memberships.outerjoin(own, own.c.id == m.person_id).outerjoin(each, each.c.root == own.c.root)
        )
        .where(m.ledger_id == ledger_id)
        .cte("belonging")
    )


def counted(ledger_id: int, member: CTE, kind: str, *conditions: ColumnElement[Any]) -> Subquery:
    """Records (`minutes`) with the `group_id` for which they count and their `person`, each pair once.

    `member` is what `belonging` gives; `conditions` are on the records, on it, and on what they name.
    """
    t = service_records.c
    one = [t.record_id] if kind == ONE_AT_A_TIME else [t.record_id, member.c.group_id]
    place = func.row_number().over(
        partition_by=one, order_by=[member.c.rank, member.c.member, member.c.group_id]
    )
    found = (
        select(member.c.group_id, member.c.person, t.minutes, place.label("place"))
        .select_from(
            service_records.join(
                member,
                (member.c.id == t.volunteer) & (member.c.from_day <= t.day) & (member.c.to_day > t.day),
            )
        )
        .where(t.ledger_id == ledger_id, *conditions)
        .subquery("found")
    )
    return (
        select(found.c.group_id, found.c.person, found.c.minutes)
        .where(found.c.place == 1)
        .subquery("counted")
    )
