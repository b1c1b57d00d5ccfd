"""Rows of log-ins: credentials, sessions and what happened at the door, each function in one short transaction.

Whoever writes several takes credentials first, then throttles, then sessions: so none of them lock each other out.

What every log-in and every request of staff asks is written as SQL: a statement that is put together anew costs more in
Python than in the database. On PostgreSQL an attempt, and a session that opens, are one statement each.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, TextClause, delete, select, text, update

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


_CREDENTIALS = text(
    "SELECT password, code_nonce FROM credentials WHERE ledger_id = :ledger AND person_id = :person"
)
# credentials that were replaced while a password was checked open nothing any more
_USED = (
    "UPDATE credentials SET last_step = :step"
    " WHERE ledger_id = :ledger AND person_id = :person AND last_step < :step"
    " AND password = :password AND code_nonce = :nonce"
)
_USE_STEP = text(_USED)
_LINES = (
    "SELECT session_id, person_id, opened_at, touched_at, stepped_up_at, expires_at FROM sessions"
    " WHERE ledger_id = :ledger AND"
)
_SESSION = text(f"{_LINES} token_hash = :token")
_SESSIONS = text(f"{_LINES} person_id = :person ORDER BY opened_at DESC, session_id")
_END = text(
    "DELETE FROM sessions WHERE ledger_id = :ledger AND person_id = :person AND session_id = :session"
    " RETURNING session_id"
)
_OPEN = text(
    "INSERT INTO sessions"
    " (ledger_id, token_hash, session_id, person_id, opened_at, touched_at, stepped_up_at, expires_at)"
    " VALUES (:ledger, :token, :session, :person, :now, :now, :now, :until)"
)
_LEAVE = text("DELETE FROM sessions WHERE ledger_id = :ledger AND token_hash = :before")
_OLDEST = (
    "SELECT token_hash FROM sessions WHERE ledger_id = :ledger AND person_id = :person AND token_hash <> :before"
    # SQLite knows no OFFSET without a LIMIT
    " ORDER BY opened_at DESC, session_id DESC LIMIT 1000 OFFSET :others"
)
_LEAVE_OLDEST = text(f"DELETE FROM sessions WHERE ledger_id = :ledger AND token_hash IN ({_OLDEST})")
_RENEW = text(
    "UPDATE sessions SET token_hash = :renewed, touched_at = :now, stepped_up_at = :now"
    " WHERE ledger_id = :ledger AND token_hash = :token"
)
_TOUCH = text(
    "UPDATE sessions SET touched_at = :now"
    " WHERE ledger_id = :ledger AND token_hash = :token AND touched_at = :seen"
)
_NOTE = text(
    "INSERT INTO events (ledger_id, event_id, at, person_id, what, session_id, address)"
    " VALUES (:ledger, :event, :now, :person, :what, :session, :address)"
)


@cache
def _attempted(size: int) -> TextClause:
    """An attempt counted against so many subjects, and what it is checked against, in one statement of PostgreSQL."""
    return text(
        f"""WITH {throttle.counted_in_turn(size)}
        SELECT subject, failures, since, password, code_nonce FROM counted
        LEFT JOIN credentials ON ledger_id = :ledger AND person_id = :person"""
    )


@cache
def _opened(size: int) -> TextClause:
    """All that opening a session writes, in one statement of PostgreSQL, and 1; nothing and 0 if the step was used.

    All rests on the step, whose row is taken first, and none sees what the others write. Nor does it see a log-in of the
    same person at the same moment, with another step: until the next one there may be a session more than the most.
    """
    return text(
        f"""WITH used AS ({_USED} RETURNING person_id), opened AS (
            INSERT INTO sessions
            (ledger_id, token_hash, session_id, person_id, opened_at, touched_at, stepped_up_at, expires_at)
            SELECT CAST(:ledger AS integer), :token, :session, person_id, CAST(:now AS bigint), CAST(:now AS bigint),
            CAST(:now AS bigint), CAST(:until AS bigint) FROM used
        ), ended AS (
            DELETE FROM sessions WHERE ledger_id = :ledger AND EXISTS (SELECT 1 FROM used)
            AND (token_hash = :before OR token_hash IN ({_OLDEST}))
        ), noted AS (
            INSERT INTO events (ledger_id, event_id, at, person_id, what, session_id, address)
            SELECT CAST(:ledger AS integer), :event, CAST(:now AS bigint), person_id, :what, :session, :address FROM used
        ), counted AS ({throttle.taken_back(size, only_if="used")})
        SELECT count(*) FROM used"""
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
    throttle.succeeded(connection, ledger_id, limits, now)
    connection.execute(
        delete(sessions).where(sessions.c.ledger_id == ledger_id, sessions.c.person_id == person)
    )
    note(connection, ledger_id, now, person, "enrolled", "", "")


def attempt(
    connection: Connection, ledger_id: int, limits: dict[str, int], now: int, window_minutes: int, person: str
) -> tuple[int, Credentials | None]:
    """Count an attempt of a person; the seconds to wait if it is one too many, else 0 and what to check it against."""
    if connection.dialect.name == "postgresql":
        values = {**throttle.values_of(ledger_id, limits, now, window_minutes), "person": person}
        rows = connection.execute(_attempted(len(limits)), values).all()
        wait = throttle.wait_of(rows, limits, now, window_minutes)
        own = None if wait or rows[0][3] is None else Credentials(rows[0][3], bytes(rows[0][4]))
        return wait, own
    wait = throttle.attempt(connection, ledger_id, limits, now, window_minutes)
    return (wait, None) if wait else (0, credentials_of(connection, ledger_id, person))


def credentials_of(connection: Connection, ledger_id: int, person: str) -> Credentials | None:
    row = connection.execute(_CREDENTIALS, {"ledger": ledger_id, "person": person}).one_or_none()
    return None if row is None else Credentials(row.password, bytes(row.code_nonce))


def open_session(
    connection: Connection,
    ledger_id: int,
    opened: tuple[str, str, str, int, int],
    own: Credentials,
    step: int,
    limits: dict[str, int],
    before: str,
    where: str,
) -> bool:
    """Write a session down, unless the code's step was used or the credentials are others by now: then nothing."""
    token_hash, session, person, now, until = opened
    values = {
        "ledger": ledger_id,
        "person": person,
        "password": own.password,
        "nonce": own.nonce,
        "step": step,
        "token": token_hash,
        "session": session,
        "now": now,
        "until": until,
        "before": hash_of(before) if before else "",
        "others": rights().log_in.most_sessions - 1,
        **{f"subject{number}": name for number, name in enumerate(limits)},
        "event": new_id(),
        "what": "opened",
        "address": where,
    }
    if connection.dialect.name == "postgresql":
        return bool(connection.execute(_opened(len(limits)), values).scalar_one())
    if not use_step(connection, ledger_id, person, own, step):
        return False
    for statement in ((_LEAVE,) if before else ()) + (_LEAVE_OLDEST, _OPEN, _NOTE):
        connection.execute(statement, values)
    throttle.succeeded(connection, ledger_id, limits, now)
    return True


def sweep(connection: Connection, ledger_id: int, now: int) -> None:
    """Forget what is over: windows of failures, sessions past their time, old events."""
    rules = rights().log_in
    throttle.sweep(connection, ledger_id, now, rules.window_minutes)
    s, e = sessions.c, events.c
    over = select(s.token_hash).where(s.ledger_id == ledger_id, s.expires_at <= now)
    free = over.with_for_update(skip_locked=True)
    connection.execute(delete(sessions).where(s.ledger_id == ledger_id, s.token_hash.in_(free)))
    old = now - rules.events_days * 24 * 60 * MINUTE
    connection.execute(delete(events).where(e.ledger_id == ledger_id, e.at < old))


def renew(
    connection: Connection,
    ledger_id: int,
    line: Line,
    tokens: tuple[str, str],
    now: int,
    own: Credentials,
    step: int,
    limits: dict[str, int],
    where: str,
) -> bool:
    """Give a session a new token and a fresh code's leave, unless the step was used or the credentials are others."""
    if not use_step(connection, ledger_id, line.person, own, step):
        return False
    throttle.succeeded(connection, ledger_id, limits, now)
    tokens_then = {"token": tokens[0], "renewed": tokens[1]}
    renewed = connection.execute(_RENEW, {"ledger": ledger_id, "now": now, **tokens_then})
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
) -> bool:
    """A new password in place of the one that was checked; this session goes on under a new token, alone.

    If another was set meanwhile, nothing.
    """
    c, s = credentials.c, sessions.c
    replaced = connection.execute(
        update(credentials)
        .where(c.ledger_id == ledger_id, c.person_id == line.person, c.password == before)
        .values(password=kept, changed_at=now)
    )
    if replaced.rowcount != 1:
        return False
    throttle.succeeded(connection, ledger_id, limits, now)
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
    note(connection, ledger_id, now, line.person, "password", line.id, where)
    return True


def use_step(connection: Connection, ledger_id: int, person: str, own: Credentials, step: int) -> bool:
    """Whether the step of a code is newer than every one used before with these credentials; it is used now."""
    values = {
        "ledger": ledger_id, "person": person, "password": own.password, "nonce": own.nonce, "step": step,
    }  # fmt: skip
    return connection.execute(_USE_STEP, values).rowcount == 1


def session_of(connection: Connection, ledger_id: int, token_hash: str) -> Line | None:
    row = connection.execute(_SESSION, {"ledger": ledger_id, "token": token_hash}).one_or_none()
    return None if row is None else Line(*row)


def sessions_of(connection: Connection, ledger_id: int, person: str) -> list[Line]:
    rows = connection.execute(_SESSIONS, {"ledger": ledger_id, "person": person}).all()
    return [Line(*row) for row in rows]


def touch(connection: Connection, ledger_id: int, token_hash: str, seen: int, now: int) -> None:
    connection.execute(_TOUCH, {"ledger": ledger_id, "token": token_hash, "seen": seen, "now": now})


def end(connection: Connection, ledger_id: int, person: str, session: str) -> bool:
    ended = connection.execute(_END, {"ledger": ledger_id, "person": person, "session": session})
    return bool(ended.all())


def note(
    connection: Connection, ledger_id: int, now: int, person: str, what: str, session: str, where: str
) -> None:
    """Write down what happened at the door."""
    connection.execute(
        _NOTE,
        {
            "ledger": ledger_id,
            "event": new_id(),
            "now": now,
            "person": person,
            "what": what,
            "session": session,
            "address": where,
        },
    )
