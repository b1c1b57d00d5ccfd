"""Rows of log-ins: credentials, sessions and what happened at the door, each function in one short transaction."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from sqlalchemy import Connection, delete, select, update

from pointsbank.access import throttle
from pointsbank.access.logins import credentials, events, sessions
from pointsbank.access.rights import rights
from pointsbank.engine.ids import new_id

MINUTE = 60_000_000


class Credentials(msgspec.Struct, frozen=True):
    password: str
    nonce: bytes


class Line(msgspec.Struct, frozen=True):
    id: str
    person: str
    opened_at: int
    touched_at: int
    stepped_up_at: int
    expires_at: int


LINE = (
    sessions.c.session_id,
    sessions.c.person_id,
    sessions.c.opened_at,
    sessions.c.touched_at,
    sessions.c.stepped_up_at,
    sessions.c.expires_at,
)


def hash_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def keep(
    connection: Connection,
    ledger_id: int,
    person: str,
    password: str,
    nonce: bytes,
    now: int,
    limits: dict[str, int],
) -> None:
    """New credentials in place of the old; whoever was logged in with those is so no longer."""
    c = credentials.c
    connection.execute(delete(credentials).where(c.ledger_id == ledger_id, c.person_id == person))
    connection.execute(
        credentials.insert().values(
            ledger_id=ledger_id,
            person_id=person,
            password=password,
            code_nonce=nonce,
            last_step=0,
            changed_at=now,
        )
    )
    connection.execute(
        delete(sessions).where(sessions.c.ledger_id == ledger_id, sessions.c.person_id == person)
    )
    throttle.succeeded(connection, ledger_id, limits)
    note(connection, ledger_id, now, person, "enrolled", "", "")


def credentials_of(connection: Connection, ledger_id: int, person: str) -> Credentials | None:
    c = credentials.c
    row = connection.execute(
        select(c.password, c.code_nonce).where(c.ledger_id == ledger_id, c.person_id == person)
    ).one_or_none()
    return None if row is None else Credentials(row.password, bytes(row.code_nonce))


def open_session(
    connection: Connection,
    ledger_id: int,
    opened: tuple[str, str, str, int, int],
    step: int,
    limits: dict[str, int],
    before: str,
    where: str,
) -> bool:
    """Write a session down, unless the code's step was used: then nothing."""
    token_hash, session, person, now, until = opened
    if not use_step(connection, ledger_id, person, step):
        return False
    s = sessions.c
    connection.execute(
        delete(sessions).where(
            s.ledger_id == ledger_id, s.token_hash.in_([hash_of(before)]) | (s.expires_at <= now)
        )
    )
    connection.execute(
        sessions.insert().values(
            ledger_id=ledger_id,
            token_hash=token_hash,
            session_id=session,
            person_id=person,
            opened_at=now,
            touched_at=now,
            stepped_up_at=now,
            expires_at=until,
        )
    )
    oldest = (
        select(s.token_hash)
        .where(s.ledger_id == ledger_id, s.person_id == person)
        .order_by(s.opened_at.desc(), s.session_id.desc())
        .offset(rights().log_in.most_sessions)
    )
    for over in connection.execute(oldest).scalars().all():
        connection.execute(delete(sessions).where(s.ledger_id == ledger_id, s.token_hash == over))
    throttle.succeeded(connection, ledger_id, limits)
    throttle.sweep(connection, ledger_id, now, rights().log_in.window_minutes)
    old = now - rights().log_in.events_days * 24 * 60 * MINUTE
    connection.execute(delete(events).where(events.c.ledger_id == ledger_id, events.c.at < old))
    note(connection, ledger_id, now, person, "opened", session, where)
    return True


def renew(
    connection: Connection,
    ledger_id: int,
    line: Line,
    tokens: tuple[str, str],
    now: int,
    step: int,
    limits: dict[str, int],
    where: str,
) -> bool:
    """Give a session a new token and a fresh code's leave, unless the code's step was used."""
    if not use_step(connection, ledger_id, line.person, step):
        return False
    s = sessions.c
    renewed = connection.execute(
        update(sessions)
        .where(s.ledger_id == ledger_id, s.token_hash == tokens[0])
        .values(token_hash=tokens[1], touched_at=now, stepped_up_at=now)
    )
    throttle.succeeded(connection, ledger_id, limits)
    note(connection, ledger_id, now, line.person, "stepped-up", line.id, where)
    return renewed.rowcount == 1


def replace_password(
    connection: Connection,
    ledger_id: int,
    line: Line,
    tokens: tuple[str, str],
    before: str,
    kept: str,
    now: int,
    limits: dict[str, int],
    where: str,
) -> None:
    """A new password in place of the one that was checked; this session goes on under a new token, alone."""
    c, s = credentials.c, sessions.c
    connection.execute(
        update(credentials)
        .where(c.ledger_id == ledger_id, c.person_id == line.person, c.password == before)
        .values(password=kept, changed_at=now)
    )
    connection.execute(
        delete(sessions).where(
            s.ledger_id == ledger_id, s.person_id == line.person, s.token_hash != tokens[0]
        )
    )
    connection.execute(
        update(sessions)
        .where(s.ledger_id == ledger_id, s.token_hash == tokens[0])
        .values(token_hash=tokens[1], touched_at=now)
    )
    throttle.succeeded(connection, ledger_id, limits)
    note(connection, ledger_id, now, line.person, "password", line.id, where)


def use_step(connection: Connection, ledger_id: int, person: str, step: int) -> bool:
    """Whether the step of a code is newer than every one used before; it is used now."""
    c = credentials.c
    used = connection.execute(
        update(credentials)
        .where(c.ledger_id == ledger_id, c.person_id == person, c.last_step < step)
        .values(last_step=step)
    )
    return used.rowcount == 1


def session_of(connection: Connection, ledger_id: int, token_hash: str) -> Line | None:
    s = sessions.c
    row = connection.execute(
        select(*LINE).where(s.ledger_id == ledger_id, s.token_hash == token_hash)
    ).one_or_none()
    return None if row is None else Line(*row)


def sessions_of(connection: Connection, ledger_id: int, person: str) -> list[Line]:
    s = sessions.c
    query = select(*LINE).where(s.ledger_id == ledger_id, s.person_id == person)
    return [Line(*row) for row in connection.execute(query.order_by(s.opened_at.desc(), s.session_id))]


def touch(connection: Connection, ledger_id: int, token_hash: str, seen: int, now: int) -> None:
    s = sessions.c
    connection.execute(
        update(sessions)
        .where(s.ledger_id == ledger_id, s.token_hash == token_hash, s.touched_at == seen)
        .values(touched_at=now)
    )


def end(connection: Connection, ledger_id: int, person: str, session: str) -> bool:
    s = sessions.c
    ended = connection.execute(
        delete(sessions).where(s.ledger_id == ledger_id, s.person_id == person, s.session_id == session)
    )
    return ended.rowcount > 0


def note(
    connection: Connection, ledger_id: int, now: int, person: str, what: str, session: str, where: str
) -> None:
    """Write down what happened at the door."""
    connection.execute(
        events.insert().values(
            ledger_id=ledger_id,
            event_id=new_id(),
            at=now,
            person_id=person,
            what=what,
            session_id=session,
            address=where,
        )
    )
