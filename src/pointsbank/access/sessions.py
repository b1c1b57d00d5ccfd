"""Signed-in browsers: a cookie holds an opaque token, the database its hash, and no more than that.

A session stands for an API key and ends with it, with log-out, or after two hours.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from sqlalchemy import Connection, select

from pointsbank.access.model import Actor, ApiKey
from pointsbank.access.service import ROOM, KeyRing
from pointsbank.access.tables import sessions
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Row

LIFETIME_SECONDS = 2 * 3600
CLIENT = "pages"


class Sessions:
    """Opens, recognises and ends the sessions of one ledger."""

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self._ledger = ledger
        self._ring = ring

    async def open(self, key: ApiKey) -> str:
        """A new session for the holder of a key: the token for the cookie."""
        token = secrets.token_urlsafe(32)
        now = self._ring.clock.now()
        row = Row("sessions", (_hash(token), key.id, RECORDED_AT, now + LIFETIME_SECONDS * 1_000_000, "open"))
        await self._write(f"open {_hash(token)}", rows=(row,))
        return token

    async def actor(self, token: str) -> Actor | None:
        """Who is behind a token; None if the session has ended or never was."""
        found = await self._ledger.database.read(_find, self._ledger.id, _hash(token), self._ring.clock.now())
        key = await self._ring.by_id(found) if found else None
        return key.actor if key is not None else None

    async def end(self, token: str) -> None:
        """Log out. Ending what has ended changes nothing."""
        await self._write(
            f"end {_hash(token)}", changes=(Change("sessions", (_hash(token),), "open", "ended"),)
        )

    async def _write(self, key: str, rows: tuple[Row, ...] = (), changes: tuple[Change, ...] = ()) -> None:
        request = sha256(key.encode()).digest()[:16]
        now = self._ring.clock.now()
        await self._ledger.submit(
            [Draft("access", key, CLIENT, request, now, rows=rows, changes=changes)], ROOM
        )


def form_token(session_or_visit: str) -> str:
    """The text that a form carries to show that it comes from our page: nobody else can read the cookie."""
    return sha256(b"pointsbank form\0" + session_or_visit.encode()).hexdigest()[:32]


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _find(connection: Connection, ledger_id: int, token_hash: str, now: int) -> str | None:
    found: str | None = connection.execute(
        select(sessions.c.key_id).where(
            sessions.c.ledger_id == ledger_id,
            sessions.c.token_hash == token_hash,
            sessions.c.state == "open",
            sessions.c.expires_at > now,
        )
    ).scalar_one_or_none()
    return found
