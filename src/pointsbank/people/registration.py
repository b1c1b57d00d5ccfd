"""Registering people: what was typed is checked, one person is one row, likely doubles are pointed out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, insert, select, tuple_

from pointsbank.engine.ids import new_id
from pointsbank.people import identity
from pointsbank.people.access_log import note
from pointsbank.people.identity import Malformed
from pointsbank.people.model import Contents, Hint, NewPerson, Registered
from pointsbank.people.refusals import PersonDataInvalid, PersonExists
from pointsbank.people.sealing import IndexKind
from pointsbank.people.store_tables import blind_indexes, person_keys, person_roles, persons, sealed_values
from pointsbank.people.vault import PersonKey, Vault, chunks

ONE_PERSONS: Final[tuple[IndexKind, ...]] = ("id-number", "volunteer-number")
"""Numbers that one person has, the surest first."""

MOST_HINTS = 20
"""Of a phone that a whole institution gives, the first few holders are compared."""


class Checked(Contents, frozen=True):
    """A new person in written forms. `values` are sealed, `digests` found by; an ID number is not among the values."""

    person_id: str
    role: str
    values: dict[str, str]
    digests: dict[IndexKind, bytes]


def checked(person: NewPerson, vault: Vault, today: date) -> Checked | PersonDataInvalid:
    """A new person's data in their written forms, or the first thing that is wrong with them."""
    values: dict[str, str] = {}
    digests: dict[IndexKind, bytes] = {}
    born = person.born
    if person.name or not person.volunteer_number:
        name = identity.name(person.name)
        if isinstance(name, Malformed):
            return invalid(name)
        values["name"] = name
    if person.phone:
        phone = identity.phone(person.phone)
        if isinstance(phone, Malformed):
            return invalid(phone)
        values["phone"], digests["phone"] = phone, vault.indexes.digest("phone", phone)
    if person.volunteer_number:
        number = identity.volunteer_number(person.volunteer_number)
        if isinstance(number, Malformed):
            return invalid(number)
        values["volunteer-number"] = number
        digests["volunteer-number"] = vault.indexes.digest("volunteer-number", number)
    if person.id_number:
        id_number = identity.id_number(person.id_number, today)
        if isinstance(id_number, Malformed):
            return invalid(id_number)
        if born is not None and born != id_number.born:
            return PersonDataInvalid(
                "birth", "出生日期与身份证号不符", "the birth date is not that of the ID number"
            )
        born = id_number.born
        digests["id-number"] = vault.indexes.digest("id-number", id_number.number)
    if born is not None:
        plausible = identity.birth_date(born, today)
        if isinstance(plausible, Malformed):
            return invalid(plausible)
        values["birth"] = born.isoformat()
    return Checked(person.person_id or new_id(), person.role, values, digests)


def register(
    connection: Connection,
    vault: Vault,
    people: Sequence[Checked],
    by: str,
    now: int,
    made: dict[str, PersonKey] | None = None,
) -> list[Registered | PersonExists]:
    """Put people on file, in order, in one transaction. Who is there already, by ID or volunteer number, is refused.

    `made` takes the new persons' keys, for a load that goes on to write about them.
    """
    taken = _holders(connection, vault, people)
    given = _known_ids(connection, vault, people)
    outcomes: list[Registered | PersonExists] = []
    accepted: list[tuple[Checked, PersonKey]] = []
    key_rows: list[dict[str, Any]] = []
    duplicates: list[tuple[str, str]] = []
    for person in people:
        double = _double(person, taken)
        if double is None and person.person_id in given:
            double = PersonExists("person", person.person_id)
        if double is not None:
            outcomes.append(double)
            duplicates.append((double.person, double.field))
            continue
        key, row = vault.fresh_key(person.person_id, now)
        if made is not None:
            made[person.person_id] = key
        accepted.append((person, key))
        key_rows.append(row)
        given.add(person.person_id)
        outcomes.append(Registered(person.person_id, _hints(connection, vault, person, taken, accepted)))
        for kind, digest in person.digests.items():
            taken.setdefault((kind, digest), []).append(person.person_id)
    if accepted:
        _insert(connection, vault, accepted, key_rows, by, now)
    # that somebody is on file is knowledge about them: it is written down as a search is
    keys = vault.keys_of(connection, {person_id for person_id, _ in duplicates})
    for person_id, field in duplicates:
        note(connection, vault, at=now, actor=by, action="duplicate", person=keys.get(person_id), field=field)
    return outcomes


def invalid(problem: Malformed) -> PersonDataInvalid:
    """A malformed value as a refusal, which does not repeat it."""
    return PersonDataInvalid(problem.field, problem.chinese, problem.english)


def holders(
    connection: Connection, vault: Vault, wanted: Sequence[tuple[IndexKind, bytes]]
) -> dict[tuple[str, bytes], list[str]]:
    """The persons who have these numbers, by kind and digest."""
    t = blind_indexes.c
    found: dict[tuple[str, bytes], list[str]] = {}
    for some in chunks(wanted):
        query = select(t.kind, t.digest, t.person_id).where(
            t.ledger_id == vault.ledger_id, tuple_(t.kind, t.digest).in_(list(some))
        )
        for kind, digest, person_id in connection.execute(query):
            found.setdefault((kind, bytes(digest)), []).append(person_id)
    return found


def _holders(
    connection: Connection, vault: Vault, people: Sequence[Checked]
) -> dict[tuple[str, bytes], list[str]]:
    wanted = {(kind, digest) for person in people for kind, digest in person.digests.items()}
    return holders(connection, vault, sorted(wanted))


def _known_ids(connection: Connection, vault: Vault, people: Sequence[Checked]) -> set[str]:
    known: set[str] = set()
    for some in chunks([person.person_id for person in people]):
        query = select(persons.c.person_id).where(
            persons.c.ledger_id == vault.ledger_id, persons.c.person_id.in_(some)
        )
        known.update(connection.execute(query).scalars())
    return known


def _double(person: Checked, taken: dict[tuple[str, bytes], list[str]]) -> PersonExists | None:
    for kind in ONE_PERSONS:
        if (digest := person.digests.get(kind)) and (holder := taken.get((kind, digest))):
            return PersonExists(kind, holder[0])
    return None


def _hints(
    connection: Connection,
    vault: Vault,
    person: Checked,
    taken: dict[tuple[str, bytes], list[str]],
    accepted: list[tuple[Checked, PersonKey]],
) -> tuple[Hint, ...]:
    """Who shares the phone, and who of them may be the same person. Nothing is merged and nobody refused."""
    if "phone" not in person.digests:
        return ()
    sharing = taken.get(("phone", person.digests["phone"]), [])[:MOST_HINTS]
    if not sharing:
        return ()
    values = {other.person_id: other.values for other, _ in accepted}
    values |= vault.values_of(connection, [p for p in sharing if p not in values], ("name", "birth"))
    return tuple(
        Hint(
            other,
            "same-phone-name-and-birth-year"
            if _looks_the_same(person.values, values.get(other, {}))
            else "shared-phone",
        )
        for other in sharing
    )


def _looks_the_same(one: dict[str, str], other: dict[str, str]) -> bool:
    return (
        one.get("name", "?") == other.get("name") and one.get("birth", "")[:4] == other.get("birth", "")[:4]
    )


def _insert(
    connection: Connection,
    vault: Vault,
    accepted: list[tuple[Checked, PersonKey]],
    key_rows: list[dict[str, Any]],
    by: str,
    now: int,
) -> None:
    ledger = {"ledger_id": vault.ledger_id}
    connection.execute(
        insert(persons),
        [
            ledger
            | {
                "person_id": person.person_id, "state": "active", "merged_into": "", "created_at": now, "created_by": by,
                "changed_at": now, "changed_by": by,
            }
            for person, _ in accepted
        ],
    )  # fmt: skip
    connection.execute(insert(person_keys), key_rows)
    connection.execute(
        insert(person_roles),
        [ledger | {"person_id": p.person_id, "role": p.role, "since": now} for p, _ in accepted],
    )
    connection.execute(
        insert(sealed_values),
        [
            ledger | value_row(vault, key, field, value, now)
            for p, key in accepted
            for field, value in p.values.items()
        ],
    )
    indexes: list[dict[str, Any]] = [
        ledger | {"kind": kind, "digest": digest, "person_id": p.person_id}
        for p, _ in accepted
        for kind, digest in p.digests.items()
    ]
    # in one order, so that two batches with the same numbers never wait for each other
    indexes.sort(key=lambda row: (str(row["kind"]), bytes(row["digest"])))
    if indexes:
        connection.execute(insert(blind_indexes), indexes)


def value_row(vault: Vault, key: PersonKey, field: str, value: str, now: int) -> dict[str, Any]:
    """The row that keeps one sealed value, without its ledger."""
    return {
        "person_id": key.person_id,
        "field": field,
        "key_id": key.id,
        "sealed": vault.seal(key, field, value),
        "changed_at": now,
    }
