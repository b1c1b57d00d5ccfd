"""Logging in as staff: password and code, sessions that can be listed and ended, a fresh code for what matters.

Answers are alike whatever was wrong, and cost as much work. A session is an opaque token of 256 bits of which the
store holds the SHA-256; it changes at log-in and with every fresh code.
"""

from __future__ import annotations

import os
import secrets
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, delete, select, update

from pointsbank.access import standing, throttle
from pointsbank.access.logins import LoginStore, credentials, events, sessions
from pointsbank.access.model import Actor
from pointsbank.access.passwords import Passwords, weakness
from pointsbank.access.pepper import Pepper
from pointsbank.access.refusals import (
    CodeRefused,
    LogInRefused,
    TooManyAttempts,
    UnknownEnrolment,
    UnknownSession,
    WeakPassword,
)
from pointsbank.access.rights import LogInRules, rights
from pointsbank.access.ring import KeyRing
from pointsbank.access.staff import StaffDesk, is_login
from pointsbank.access.totp import SECRET_BYTES, matching_step, uri_of
from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.refusals import Refusal

ISSUER = "pointsbank"
_MINUTE = 60_000_000


class OpenedSession(msgspec.Struct, frozen=True):
    """A session that was opened or renewed: the token for the cookie, shown to nobody else. Times in microseconds."""

    token: str
    session: str
    person: str
    expires_at: int


class SessionLine(msgspec.Struct, frozen=True):
    """A session in the list of one's own."""

    id: str
    opened_at: int
    touched_at: int
    expires_at: int


class _Credentials(msgspec.Struct, frozen=True):
    password: str
    nonce: bytes


class LogIns:
    """The door for the staff of one ledger. `store` must be open."""

    def __init__(
        self,
        ledger: Ledger,
        ring: KeyRing,
        staff: StaffDesk,
        store: LoginStore,
        pepper: Pepper,
        passwords: Passwords,
    ) -> None:
        self._ledger = ledger
        self._ring = ring
        self._staff = staff
        self._store = store
        self._pepper = pepper
        self._passwords = passwords
        self._rules = rights().log_in
        self.store, self.pepper, self.passwords = store, pepper, passwords

    # credentials

    async def enrol(
        self, login: str, code: str, password: str, address: str, command: Command
    ) -> str | Refusal:
        """Set password and second factor with a code from two administrators.

        Returns the address that an authenticator app reads (otpauth://…), this once. The code is used up.
        """
        why = weakness(password, login, self._rules)
        if why:
            return WeakPassword(why, self._rules.password_shortest)
        login = login if is_login(login) else ""
        limits = throttle.limits_of(self._pepper, self._rules, f"enrol {login}", address)
        wait = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        kept, nonce = await self._passwords.hash(password), os.urandom(16)
        account = await self._staff.use_enrolment(login, code, command)
        if isinstance(account, Refusal):
            return UnknownEnrolment()
        await self._store.run(_keep, self._ledger.id, account.person, kept, nonce, self._now(), limits)
        return uri_of(ISSUER, login, self._secret(account.person, nonce))

    # sessions

    async def log_in(
        self, login: str, password: str, code: str, address: str, before: str = ""
    ) -> OpenedSession | Refusal:
        """Open a session for who knows the password and holds the second factor.

        It begins with a fresh code's leave. `before` is this browser's earlier token: that session ends.
        """
        login = login if is_login(login) else ""
        limits = throttle.limits_of(self._pepper, self._rules, login, address)
        wait = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        account = await self._ledger.database.read(standing.account_named, self._ledger.id, login)
        person = account.person if account is not None and account.state == "active" else ""
        own = await self._store.run(_credentials, self._ledger.id, person)
        is_right = await self._passwords.check(own.password if own else None, password)
        now = self._now()
        secret = self._secret(person, own.nonce if own else b"")
        step = matching_step(secret, code, now, self._rules.code_drift_steps)
        where = self._where(address)
        if own is not None and is_right and step is not None:
            opened, row = _new_session(person, now, self._rules)
            if await self._store.run(_open, self._ledger.id, row, step, limits, before, where):
                return opened
        await self._store.run(_note, self._ledger.id, now, person, "refused", "", where)
        return LogInRefused()

    async def open_linked(
        self, person: str, code: str, address: str, before: str = ""
    ) -> OpenedSession | Refusal:
        """Open a session for who came by the city's log-in, which stands in for the password: the code is asked for."""
        limits = throttle.limits_of(self._pepper, self._rules, f"linked {person}", address)
        wait = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        account = await self._ledger.database.read(standing.account_of, self._ledger.id, person)
        own = await self._store.run(_credentials, self._ledger.id, person)
        now, where = self._now(), self._where(address)
        step = None
        if own is not None and account is not None and account.state == "active":
            step = matching_step(self._secret(person, own.nonce), code, now, self._rules.code_drift_steps)
        if step is not None:
            opened, row = _new_session(person, now, self._rules)
            if await self._store.run(_open, self._ledger.id, row, step, limits, before, where):
                return opened
        await self._store.run(_note, self._ledger.id, now, person, "refused", "", where)
        return LogInRefused()

    async def step_up(self, token: str, code: str, address: str) -> OpenedSession | Refusal:
        """Renew a session with a fresh code: for some minutes it may do what matters. The token changes."""
        line = await self._store.run(_session, self._ledger.id, _hash(token))
        if line is None or await self.actor(token) is None:
            return UnknownSession()
        limits = throttle.limits_of(self._pepper, self._rules, f"code {line.person}", address)
        wait = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        own = await self._store.run(_credentials, self._ledger.id, line.person)
        now, where = self._now(), self._where(address)
        secret = self._secret(line.person, own.nonce if own else b"")
        step = matching_step(secret, code, now, self._rules.code_drift_steps)
        renewed = secrets.token_urlsafe(32)
        if own is not None and step is not None:
            tokens = (_hash(token), _hash(renewed))
            if await self._store.run(_renew, self._ledger.id, line, tokens, now, step, limits, where):
                return OpenedSession(renewed, line.id, line.person, line.expires_at)
        await self._store.run(_note, self._ledger.id, now, line.person, "code-refused", line.id, where)
        return CodeRefused()

    async def change_password(
        self, token: str, current: str, new: str, address: str
    ) -> OpenedSession | Refusal:
        """Replace one's own password; every other session of the person ends, and this one gets a new token."""
        line = await self._store.run(_session, self._ledger.id, _hash(token))
        own = await self._store.run(_credentials, self._ledger.id, line.person if line else "")
        if line is None or own is None or await self.actor(token) is None:
            return UnknownSession()
        account = await self._ledger.database.read(standing.account_of, self._ledger.id, line.person)
        why = weakness(new, account.login if account is not None else "", self._rules)
        if why:
            return WeakPassword(why, self._rules.password_shortest)
        limits = throttle.limits_of(self._pepper, self._rules, f"password {line.person}", address)
        wait = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        where = self._where(address)
        if not await self._passwords.check(own.password, current):
            await self._store.run(
                _note, self._ledger.id, self._now(), line.person, "password-refused", line.id, where
            )
            return LogInRefused()
        kept, renewed = await self._passwords.hash(new), secrets.token_urlsafe(32)
        tokens = (_hash(token), _hash(renewed))
        await self._store.run(
            _replace_password, self._ledger.id, line, tokens, own.password, kept, self._now(), limits, where
        )
        return OpenedSession(renewed, line.id, line.person, line.expires_at)

    async def actor(self, token: str) -> Actor | None:
        """Who is behind a token, with the roles that hold now; None if the session is over or never was."""
        line = await self._store.run(_session, self._ledger.id, _hash(token))
        if line is None:
            return None
        now = self._now()
        own = await self._ring.standing(line.person)
        is_over = now >= line.expires_at or now - line.touched_at >= self._rules.idle_minutes * _MINUTE
        if own is None or own.account.state != "active" or line.opened_at <= own.account.sessions_from:
            is_over = True
        if is_over or own is None:
            await self._store.run(_end, self._ledger.id, line.person, line.id)
            return None
        if now - line.touched_at >= self._rules.touch_seconds * 1_000_000:
            await self._store.run(_touch, self._ledger.id, _hash(token), line.touched_at, now)
        fresh = line.stepped_up_at > 0 and now - line.stepped_up_at < self._rules.step_up_minutes * _MINUTE
        name = f"person:{line.person}"
        return Actor(
            line.id, name, frozenset(), line.person, "staff", own.grants, session=line.id, is_stepped_up=fresh
        )

    async def attempt_at(self, door: str, address: str) -> TooManyAttempts | None:
        """Count an attempt at another door against the address; why to wait, if it is one too many."""
        wait = await self._attempt(throttle.limits_of(self._pepper, self._rules, f"door {door}", address))
        return TooManyAttempts(wait) if wait else None

    async def list(self, person: str) -> list[SessionLine]:
        """The sessions of a person that could still be used, newest first."""
        now = self._now()
        own = await self._ring.standing(person)
        idle = self._rules.idle_minutes * _MINUTE
        lines = await self._store.run(_sessions, self._ledger.id, person)
        return [
            SessionLine(line.id, line.opened_at, line.touched_at, line.expires_at)
            for line in lines
            if now < line.expires_at
            and now - line.touched_at < idle
            and own is not None
            and line.opened_at > own.account.sessions_from
        ]

    async def end(self, person: str, session: str) -> UnknownSession | None:
        """End one of a person's own sessions, from now on."""
        ended = await self._store.run(_end, self._ledger.id, person, session)
        if not ended:
            return UnknownSession()
        await self._store.run(_note, self._ledger.id, self._now(), person, "ended", session, "")
        return None

    def _now(self) -> int:
        return self._ring.clock.now()

    async def _attempt(self, limits: dict[str, int]) -> int:
        window = self._rules.window_minutes
        return await self._store.run(throttle.attempt, self._ledger.id, limits, self._now(), window)

    def _secret(self, person: str, nonce: bytes) -> bytes:
        """The secret of a person's codes: derived, so neither store nor backup holds it."""
        ledger = str(self._ledger.id).encode()
        return self._pepper.derive("code", ledger, person.encode(), nonce)[:SECRET_BYTES]

    def _where(self, address: str) -> str:
        return self._pepper.derive("address", address.encode()).hex()[:32]


class _Line(msgspec.Struct, frozen=True):
    id: str
    person: str
    opened_at: int
    touched_at: int
    stepped_up_at: int
    expires_at: int


_LINE = (
    sessions.c.session_id,
    sessions.c.person_id,
    sessions.c.opened_at,
    sessions.c.touched_at,
    sessions.c.stepped_up_at,
    sessions.c.expires_at,
)


def _new_session(
    person: str, now: int, rules: LogInRules
) -> tuple[OpenedSession, tuple[str, str, str, int, int]]:
    """A session to open, and its row."""
    token, session = secrets.token_urlsafe(32), new_id()
    until = now + rules.longest_hours * 60 * _MINUTE
    return OpenedSession(token, session, person, until), (_hash(token), session, person, now, until)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _keep(
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
    _note(connection, ledger_id, now, person, "enrolled", "", "")


def _credentials(connection: Connection, ledger_id: int, person: str) -> _Credentials | None:
    c = credentials.c
    row = connection.execute(
        select(c.password, c.code_nonce).where(c.ledger_id == ledger_id, c.person_id == person)
    ).one_or_none()
    return None if row is None else _Credentials(row.password, bytes(row.code_nonce))


def _open(
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
    if not _use_step(connection, ledger_id, person, step):
        return False
    s = sessions.c
    connection.execute(
        delete(sessions).where(
            s.ledger_id == ledger_id, s.token_hash.in_([_hash(before)]) | (s.expires_at <= now)
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
    old = now - rights().log_in.events_days * 24 * 60 * _MINUTE
    connection.execute(delete(events).where(events.c.ledger_id == ledger_id, events.c.at < old))
    _note(connection, ledger_id, now, person, "opened", session, where)
    return True


def _renew(
    connection: Connection,
    ledger_id: int,
    line: _Line,
    tokens: tuple[str, str],
    now: int,
    step: int,
    limits: dict[str, int],
    where: str,
) -> bool:
    """Give a session a new token and a fresh code's leave, unless the code's step was used."""
    if not _use_step(connection, ledger_id, line.person, step):
        return False
    s = sessions.c
    renewed = connection.execute(
        update(sessions)
        .where(s.ledger_id == ledger_id, s.token_hash == tokens[0])
        .values(token_hash=tokens[1], touched_at=now, stepped_up_at=now)
    )
    throttle.succeeded(connection, ledger_id, limits)
    _note(connection, ledger_id, now, line.person, "stepped-up", line.id, where)
    return renewed.rowcount == 1


def _replace_password(
    connection: Connection,
    ledger_id: int,
    line: _Line,
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
    _note(connection, ledger_id, now, line.person, "password", line.id, where)


def _use_step(connection: Connection, ledger_id: int, person: str, step: int) -> bool:
    """Whether the step of a code is newer than every one used before; it is used now."""
    c = credentials.c
    used = connection.execute(
        update(credentials)
        .where(c.ledger_id == ledger_id, c.person_id == person, c.last_step < step)
        .values(last_step=step)
    )
    return used.rowcount == 1


def _session(connection: Connection, ledger_id: int, token_hash: str) -> _Line | None:
    s = sessions.c
    row = connection.execute(
        select(*_LINE).where(s.ledger_id == ledger_id, s.token_hash == token_hash)
    ).one_or_none()
    return None if row is None else _Line(*row)


def _sessions(connection: Connection, ledger_id: int, person: str) -> list[_Line]:
    s = sessions.c
    query = select(*_LINE).where(s.ledger_id == ledger_id, s.person_id == person)
    return [_Line(*row) for row in connection.execute(query.order_by(s.opened_at.desc(), s.session_id))]


def _touch(connection: Connection, ledger_id: int, token_hash: str, seen: int, now: int) -> None:
    s = sessions.c
    connection.execute(
        update(sessions)
        .where(s.ledger_id == ledger_id, s.token_hash == token_hash, s.touched_at == seen)
        .values(touched_at=now)
    )


def _end(connection: Connection, ledger_id: int, person: str, session: str) -> bool:
    s = sessions.c
    ended = connection.execute(
        delete(sessions).where(s.ledger_id == ledger_id, s.person_id == person, s.session_id == session)
    )
    return ended.rowcount > 0


def _note(
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
