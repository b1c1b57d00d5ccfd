"""Logging in as staff: password and code, sessions that can be listed and ended, a fresh code for what matters.

Answers are alike whatever was wrong, and cost as much work. A session is an opaque token of 256 bits of which the
store holds the SHA-256; it changes at log-in and with every fresh code.
"""

from __future__ import annotations

import os
import secrets

import msgspec

from pointsbank.access import log_in_rows as rows
from pointsbank.access import standing, throttle
from pointsbank.access.logins import LoginStore
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

SWEEP_EVERY_SECONDS = 60
"""How often a process looks for what is over at the door; what is over counts for nothing meanwhile."""


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
        *,
        known: frozenset[str] = frozenset(),
    ) -> None:
        self._ledger = ledger
        self._ring = ring
        self._staff = staff
        self._store = store
        self._pepper = pepper
        self._passwords = passwords
        self._rules = rights().log_in
        self._known = known
        self._swept_at = 0
        self.store, self.pepper, self.passwords = store, pepper, passwords

    # credentials

    async def enrol(
        self, login: str, code: str, password: str, address: str, command: Command
    ) -> str | Refusal:
        """Set password and second factor with a code from two administrators.

        Returns the address that an authenticator app reads (otpauth://…), this once. The code is used up.
        """
        why = weakness(password, login, self._rules, self._known)
        if why:
            return WeakPassword(why, self._rules.password_shortest)
        login = login if is_login(login) else ""
        limits = throttle.limits_of(self._pepper, self._rules, f"enrol {login}", address)
        wait, _ = await self._attempt(limits)
        if wait:
            return TooManyAttempts(wait)
        kept, nonce = await self._passwords.hash(password), os.urandom(16)
        account = await self._staff.use_enrolment(login, code, command)
        if isinstance(account, Refusal):
            return UnknownEnrolment()
        await self._store.run(rows.keep, self._ledger.id, account.person, kept, nonce, self._now(), limits)
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
        account = await self._ledger.database.read_one(standing.account_named, self._ledger.id, login)
        person = account.person if account is not None and account.state == "active" else ""
        wait, own = await self._attempt(limits, person)
        if wait:
            return TooManyAttempts(wait)
        is_right = await self._passwords.check(own.password if own else None, password)
        now = self._now()
        secret = self._secret(person, own.nonce if own else b"")
        step = matching_step(secret, code, now, self._rules.code_drift_steps)
        where = self._where(address)
        if own is not None and is_right and step is not None:
            opened, row = _new_session(person, now, self._rules)
            if await self._store.run_one(
                rows.open_session, self._ledger.id, row, own, step, limits, before, where
            ):
                return opened
        await self._store.run_one(rows.note, self._ledger.id, now, person, "refused", "", where)
        return LogInRefused()

    async def open_linked(
        self, person: str, code: str, address: str, before: str = ""
    ) -> OpenedSession | Refusal:
        """Open a session for who came by the city's log-in, which stands in for the password: the code is asked for."""
        limits = throttle.limits_of(self._pepper, self._rules, f"linked {person}", address)
        wait, own = await self._attempt(limits, person)
        if wait:
            return TooManyAttempts(wait)
        account = await self._ledger.database.read_one(standing.account_of, self._ledger.id, person)
        now, where = self._now(), self._where(address)
        step = None
        if own is not None and account is not None and account.state == "active":
            step = matching_step(self._secret(person, own.nonce), code, now, self._rules.code_drift_steps)
        if own is not None and step is not None:
            opened, row = _new_session(person, now, self._rules)
            if await self._store.run_one(
                rows.open_session, self._ledger.id, row, own, step, limits, before, where
            ):
                return opened
        await self._store.run_one(rows.note, self._ledger.id, now, person, "refused", "", where)
        return LogInRefused()

    async def step_up(self, token: str, code: str, address: str) -> OpenedSession | Refusal:
        """Renew a session with a fresh code: for some minutes it may do what matters. The token changes."""
        line = await self._line(token)
        if line is None or await self._behind(line, token) is None:
            return UnknownSession()
        limits = throttle.limits_of(self._pepper, self._rules, f"code {line.person}", address)
        wait, own = await self._attempt(limits, line.person)
        if wait:
            return TooManyAttempts(wait)
        now, where = self._now(), self._where(address)
        secret = self._secret(line.person, own.nonce if own else b"")
        step = matching_step(secret, code, now, self._rules.code_drift_steps)
        renewed = secrets.token_urlsafe(32)
        if own is not None and step is not None:
            tokens = (rows.hash_of(token), rows.hash_of(renewed))
            if await self._store.run(
                rows.renew, self._ledger.id, line, tokens, now, own, step, limits, where
            ):
                return OpenedSession(renewed, line.id, line.person, line.expires_at)
        await self._store.run_one(
            rows.note, self._ledger.id, now, line.person, "code-refused", line.id, where
        )
        return CodeRefused()

    async def change_password(
        self, token: str, current: str, new: str, address: str
    ) -> OpenedSession | Refusal:
        """Replace one's own password; every other session of the person ends, and this one gets a new token."""
        line = await self._line(token)
        if line is None or await self._behind(line, token) is None:
            return UnknownSession()
        account = await self._ledger.database.read_one(standing.account_of, self._ledger.id, line.person)
        why = weakness(new, account.login if account is not None else "", self._rules, self._known)
        if why:
            return WeakPassword(why, self._rules.password_shortest)
        limits = throttle.limits_of(self._pepper, self._rules, f"password {line.person}", address)
        wait, own = await self._attempt(limits, line.person)
        if wait:
            return TooManyAttempts(wait)
        if own is None:
            return UnknownSession()
        where = self._where(address)
        if not await self._passwords.check(own.password, current):
            await self._store.run_one(
                rows.note, self._ledger.id, self._now(), line.person, "password-refused", line.id, where
            )
            return LogInRefused()
        kept, renewed = await self._passwords.hash(new), secrets.token_urlsafe(32)
        tokens = (rows.hash_of(token), rows.hash_of(renewed))
        is_replaced = await self._store.run(
            rows.replace_password,
            self._ledger.id,
            line,
            tokens,
            own.password,
            kept,
            self._now(),
            limits,
            where,
        )
        if not is_replaced:
            return LogInRefused()
        return OpenedSession(renewed, line.id, line.person, line.expires_at)

    async def actor(self, token: str) -> Actor | None:
        """Who is behind a token, with the roles that hold now; None if the session is over or never was."""
        line = await self._line(token)
        return None if line is None else await self._behind(line, token)

    async def _line(self, token: str) -> rows.Line | None:
        return await self._store.run_one(rows.session_of, self._ledger.id, rows.hash_of(token))

    async def _behind(self, line: rows.Line, token: str) -> Actor | None:
        """Who is behind a session that was found by its token."""
        now = self._now()
        own = await self._ring.standing(line.person)
        is_over = now >= line.expires_at or now - line.touched_at >= self._rules.idle_minutes * rows.MINUTE
        if own is None or own.account.state != "active" or line.opened_at <= own.account.sessions_from:
            is_over = True
        if is_over or own is None:
            await self._store.run_one(rows.end, self._ledger.id, line.person, line.id)
            return None
        if now - line.touched_at >= self._rules.touch_seconds * 1_000_000:
            await self._store.run_one(rows.touch, self._ledger.id, rows.hash_of(token), line.touched_at, now)
        fresh = (
            line.stepped_up_at > 0 and now - line.stepped_up_at < self._rules.step_up_minutes * rows.MINUTE
        )
        name = f"person:{line.person}"
        return Actor(
            line.id, name, frozenset(), line.person, "staff", own.grants, session=line.id, is_stepped_up=fresh
        )

    async def attempt_at(self, door: str, address: str) -> TooManyAttempts | None:
        """Count an attempt at another door against the address; why to wait, if it is one too many."""
        wait, _ = await self._attempt(throttle.limits_of(self._pepper, self._rules, f"door {door}", address))
        return TooManyAttempts(wait) if wait else None

    async def list(self, person: str) -> list[SessionLine]:
        """The sessions of a person that could still be used, newest first."""
        now = self._now()
        own = await self._ring.standing(person)
        idle = self._rules.idle_minutes * rows.MINUTE
        lines = await self._store.run_one(rows.sessions_of, self._ledger.id, person)
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
        ended = await self._store.run_one(rows.end, self._ledger.id, person, session)
        if not ended:
            return UnknownSession()
        await self._store.run_one(rows.note, self._ledger.id, self._now(), person, "ended", session, "")
        return None

    def _now(self) -> int:
        return self._ring.clock.now()

    async def _attempt(self, limits: dict[str, int], person: str = "") -> tuple[int, rows.Credentials | None]:
        """Count an attempt; the seconds to wait if it is one too many, and the person's credentials if it is not."""
        now, window = self._now(), self._rules.window_minutes
        if now - self._swept_at >= SWEEP_EVERY_SECONDS * 1_000_000:
            self._swept_at = now
            await self._store.run(rows.sweep, self._ledger.id, now)
        return await self._store.run_one(rows.attempt, self._ledger.id, limits, now, window, person)

    def _secret(self, person: str, nonce: bytes) -> bytes:
        """The secret of a person's codes: derived, so neither store nor backup holds it."""
        ledger = str(self._ledger.id).encode()
        return self._pepper.derive("code", ledger, person.encode(), nonce)[:SECRET_BYTES]

    def _where(self, address: str) -> str:
        return self._pepper.derive("address", address.encode()).hex()[:32]


def _new_session(
    person: str, now: int, rules: LogInRules
) -> tuple[OpenedSession, tuple[str, str, str, int, int]]:
    """A session to open, and its row."""
    token, session = secrets.token_urlsafe(32), new_id()
    until = now + rules.longest_hours * 60 * rows.MINUTE
    return OpenedSession(token, session, person, until), (rows.hash_of(token), session, person, now, until)
