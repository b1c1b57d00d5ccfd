"""For whom a proven phone opens a session: a phone is not a person, a family may share one.

It opens for its one adult holder, who then picks a ward by a recorded link. Of several adults the volunteer number says
which one. Somebody of 14 to 17 is opened for with the number, or where no adult has the phone; a child never.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, select

from pointsbank.people import identity, registration
from pointsbank.people.aliases import surviving
from pointsbank.people.identity import FULL_AGE, GUARDED_AGE, Malformed
from pointsbank.people.sealing import IndexKind
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import persons
from pointsbank.policy.calendar import city_day, completed_years


async def holder_of(
    store: PeopleStore, phone: str, *, volunteer_number: str = "", zone: str = "Asia/Shanghai"
) -> str | None:
    """The id of the person for whom a proven phone opens a session; None if there is none, or several.

    The caller answers None always in the same words: who has a phone is nobody's business.
    """
    today = city_day(store.clock.now(), zone)
    return await store.read(lambda c: _holder_of(c, store, phone, volunteer_number, today))


def _holder_of(
    connection: Connection, store: PeopleStore, phone: str, volunteer_number: str, today: date
) -> str | None:
    ages = _ages(connection, store, _persons(connection, store, "phone", identity.phone(phone)), today)
    # without a birth date on file nobody is taken for a child
    grown = [one for one, age in ages.items() if age is None or age >= FULL_AGE]
    young = [one for one, age in ages.items() if age is not None and GUARDED_AGE <= age < FULL_AGE]
    if volunteer_number:
        number = identity.volunteer_number(volunteer_number)
        named = [
            one
            for one in _persons(connection, store, "volunteer-number", number)
            if one in grown or one in young
        ]
        return named[0] if named else None
    able = grown or young
    return able[0] if len(able) == 1 else None


def _persons(
    connection: Connection, store: PeopleStore, kind: IndexKind, number: str | Malformed
) -> list[str]:
    """The active persons who have a number.

    The phone of a merged registration opens nothing: it may be somebody else's by now.
    """
    if isinstance(number, Malformed):
        return []
    digest = store.vault.indexes.digest(kind, number)
    held = registration.holders(connection, store.vault, [(kind, digest)]).get((kind, digest), [])
    merged = surviving(connection, store.ledger_id, held) if kind == "volunteer-number" else {}
    p = persons.c
    query = select(p.person_id).where(
        p.ledger_id == store.ledger_id,
        p.person_id.in_({merged.get(one, one) for one in held}),
        p.state == "active",
    )
    return sorted(connection.execute(query).scalars())


def _ages(
    connection: Connection, store: PeopleStore, person_ids: list[str], today: date
) -> dict[str, int | None]:
    values = store.vault.values_of(connection, person_ids, ("birth",))
    return {
        one: completed_years(date.fromisoformat(v["birth"]), today) if "birth" in v else None
        for one, v in values.items()
    }
