"""Questions about staff: who has an account, which roles hold today, where a place lies. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from pointsbank.access.model import CITY, Grant
from pointsbank.access.tables import enrolments, role_grants, staff_accounts
from pointsbank.places.tree import ancestors
from pointsbank.store.tables import subjects

ZONE = "Asia/Shanghai"
"""The zone in which a role begins and ends, where no policy says otherwise."""

FOUNDING = "founding"
"""The subject that moves when the ledger gets its first two administrators, and who confirms their roles."""

ADMINISTRATORS = "administrators"
"""The subject that moves with everything that changes how many administrators there are."""

# put together once: what every log-in and every session asks

_ACCOUNTS: Final = select(*list(staff_accounts.c)[1:])
_ACCOUNT_OF: Final = _ACCOUNTS.where(
    staff_accounts.c.ledger_id == bindparam("ledger"), staff_accounts.c.person_id == bindparam("person")
)
_ACCOUNT_NAMED: Final = _ACCOUNTS.where(
    staff_accounts.c.ledger_id == bindparam("ledger"), staff_accounts.c.login == bindparam("login")
)
_GRANTS_ON: Final = select(role_grants.c.role, role_grants.c.place_id).where(
    role_grants.c.ledger_id == bindparam("ledger"),
    role_grants.c.person_id == bindparam("person"),
    role_grants.c.state == "active",
    role_grants.c.from_day <= bindparam("day"),
    role_grants.c.to_day >= bindparam("day"),
)
_VERSION: Final = select(subjects.c.version).where(
    subjects.c.ledger_id == bindparam("ledger"), subjects.c.subject == bindparam("subject")
)


class Account(msgspec.Struct, frozen=True):
    """A member of staff. Times are microseconds UTC; sessions opened up to `sessions_from` are over."""

    person: str
    login: str
    created_by: str
    created_at: int
    sessions_from: int
    state: str


class RoleGrant(msgspec.Struct, frozen=True):
    """A role of a person at a place, from day to day (YYYY-MM-DD, both included)."""

    id: str
    person: str
    role: str
    place: str
    from_day: str
    to_day: str
    proposed_by: str
    proposed_at: int
    confirmed_by: str
    confirmed_at: int
    revoked_by: str
    revoked_at: int
    state: str


class Enrolment(msgspec.Struct, frozen=True):
    """Leave to set credentials once; the hashes of both halves of its code."""

    id: str
    person: str
    reason: str
    proposed_by: str
    proposed_at: int
    first_half: bytes
    confirmed_by: str
    second_half: bytes
    expires_at: int
    state: str


class Standing(msgspec.Struct, frozen=True):
    """A member of staff with the roles that hold on a day, and the version to which that is true."""

    account: Account
    grants: tuple[Grant, ...]
    version: int


def rights_of(person: str) -> str:
    """The subject whose version moves with every change of a person's roles or account."""
    return f"rights:{person}"


def version_of(connection: Connection, ledger_id: int, subject: str) -> int:
    """How often a subject was touched."""
    found = connection.execute(_VERSION, {"ledger": ledger_id, "subject": subject}).scalar_one_or_none()
    return int(found or 0)


def standing_of(connection: Connection, ledger_id: int, person: str, day: str) -> Standing | None:
    """The account and today's roles of a person; None without an account."""
    account = account_of(connection, ledger_id, person)
    if account is None:
        return None
    rows = connection.execute(_GRANTS_ON, {"ledger": ledger_id, "person": person, "day": day})
    grants = () if account.state != "active" else tuple(sorted({Grant(r, p) for r, p in rows}, key=_order))
    return Standing(account, grants, version_of(connection, ledger_id, rights_of(person)))


def account_of(connection: Connection, ledger_id: int, person: str) -> Account | None:
    """The account of a person."""
    row = connection.execute(_ACCOUNT_OF, {"ledger": ledger_id, "person": person}).one_or_none()
    return None if row is None else Account(*row)


def account_named(connection: Connection, ledger_id: int, login: str) -> Account | None:
    """The account with this login name."""
    row = connection.execute(_ACCOUNT_NAMED, {"ledger": ledger_id, "login": login}).one_or_none()
    return None if row is None else Account(*row)


def accounts_after(connection: Connection, ledger_id: int, after: str, limit: int) -> list[Account]:
    """Accounts in the order of their login names."""
    s = staff_accounts.c
    query = _ACCOUNTS.where(s.ledger_id == ledger_id, s.login > after).order_by(s.login).limit(limit)
    return [Account(*row) for row in connection.execute(query)]


def grants_after(
    connection: Connection, ledger_id: int, after: str, limit: int, person: str = ""
) -> list[RoleGrant]:
    """Role grants in the order of their ids, of everybody or of one person."""
    g = role_grants.c
    query = select(*list(g)[1:]).where(g.ledger_id == ledger_id, g.grant_id > after)
    if person:
        query = query.where(g.person_id == person)
    return [RoleGrant(*row) for row in connection.execute(query.order_by(g.grant_id).limit(limit))]


def grant_of(connection: Connection, ledger_id: int, grant_id: str) -> RoleGrant | None:
    """The role grant with this id."""
    g = role_grants.c
    row = connection.execute(
        select(*list(g)[1:]).where(g.ledger_id == ledger_id, g.grant_id == grant_id)
    ).one_or_none()
    return None if row is None else RoleGrant(*row)


def enrolment_of(connection: Connection, ledger_id: int, enrolment_id: str) -> Enrolment | None:
    """The enrolment with this id."""
    e = enrolments.c
    row = connection.execute(
        select(*list(e)[1:]).where(e.ledger_id == ledger_id, e.enrolment_id == enrolment_id)
    ).one_or_none()
    return None if row is None else _enrolment(row)


def open_enrolments(connection: Connection, ledger_id: int, person: str) -> list[Enrolment]:
    """Enrolments of a person that both administrators have given leave to, and that were not used."""
    e = enrolments.c
    rows = connection.execute(
        select(*list(e)[1:]).where(e.ledger_id == ledger_id, e.person_id == person, e.state == "confirmed")
    )
    return [_enrolment(row) for row in rows]


def administrators_on(connection: Connection, ledger_id: int, day: str) -> frozenset[str]:
    """The persons who are administrators of the whole city on a day."""
    g, s = role_grants.c, staff_accounts.c
    rows = connection.execute(
        select(g.person_id)
        .distinct()
        .join(staff_accounts, (s.ledger_id == g.ledger_id) & (s.person_id == g.person_id))
        .where(
            g.ledger_id == ledger_id,
            g.state == "active",
            g.role == "administrator",
            g.place_id == CITY,
            g.from_day <= day,
            g.to_day >= day,
            s.state == "active",
        )
    )
    return frozenset(rows.scalars())


def places_above(connection: Connection, ledger_id: int, place: str, day: date) -> tuple[str, ...] | None:
    """A place and those above it on a day, the city last, as ids; () for the city itself, None if there is none such.

    A closed place keeps the parent under which it closed.
    """
    return () if place == CITY else ancestors(connection, ledger_id, place, day) or None


def _enrolment(row: Iterable[object]) -> Enrolment:
    values = [bytes(v) if isinstance(v, bytes | memoryview) else v for v in row]
    return Enrolment(*values)  # type: ignore[arg-type]


def _order(grant: Grant) -> tuple[str, str]:
    return grant.role, grant.place
