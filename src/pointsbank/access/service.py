"""The verbs of access: issue, revoke and list API keys, and recognise one (the key ring).

Keys are written by the ledger's writer like everything else, so a command is idempotent and a revocation
is guarded.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, select

from pointsbank.access.model import (
    ApiKey,
    hash_of,
    id_for,
    key_id_in,
    new_secret,
    parse_token,
    token_of,
)
from pointsbank.access.tables import api_keys
from pointsbank.engine.clock import Clock
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Row as SqlRow

ROOM = frozenset({"access"})

REMEMBERED_SECONDS = 5
"""How long a key is remembered: another process's revocation holds after this time at the latest."""

REMEMBERED_KEYS = 10_000


class IssuedKey(msgspec.Struct, frozen=True):
    """A key on file. `token` is its text, shown this once; None if the command was a repetition."""

    key: ApiKey
    token: str | None


class UnknownKey(Refusal, frozen=True, tag="unknown-api-key"):
    """There is no API key with this id."""

    id: str


class ExpiredAlready(Refusal, frozen=True, tag="expired-already"):
    """The key would have expired before it was made."""


class KeyDesk:
    """Issues, lists and revokes the API keys of one ledger."""

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self._ledger = ledger
        self._ring = ring

    async def issue(
        self, holder: str, label: str, scopes: Iterable[str], expires_at: int, command: Command
    ) -> IssuedKey | Refusal:
        """Make a key that speaks for `holder`. `expires_at` in microseconds UTC, 0 for never.

        The same command again gives the key without its text: that is shown once.
        """
        allowed = " ".join(sorted(scopes))
        key_id, secret = id_for(command.client, command.key), new_secret()
        if expires_at and expires_at <= self._ring.clock.now() and await self.find(key_id) is None:
            return ExpiredAlready()
        row = Row(
            "api_keys",
            (
                key_id,
                holder,
                label,
                allowed,
                hash_of(secret),
                RECORDED_AT,
                command.actor,
                expires_at,
                "active",
                0,
            ),
        )
        request = request_digest("issue-key", holder, label, allowed, str(expires_at))
        draft = self._draft(command, request, rows=(row,))
        verdict = (await self._ledger.submit([draft], ROOM))[0]
        if isinstance(verdict, Refusal):
            return verdict
        issued = await self.find(key_id)
        assert issued is not None
        return IssuedKey(issued, None if verdict.replayed else token_of(key_id, secret))

    async def revoke(self, key_id: str, command: Command) -> Receipt | Refusal:
        """Make a key useless from now on; in this process at once, elsewhere within seconds."""
        found = await self.find(key_id)
        if found is None:
            return UnknownKey(key_id)
        change = Change("api_keys", (key_id,), "active", "revoked", (("revoked_at", RECORDED_AT),))
        draft = self._draft(command, request_digest("revoke-key", key_id), changes=(change,))
        verdict = (await self._ledger.submit([draft], ROOM))[0]
        self._ring.forget(key_id)
        return verdict

    def _draft(
        self, command: Command, request: bytes, rows: tuple[Row, ...] = (), changes: tuple[Change, ...] = ()
    ) -> Draft:
        now = self._ring.clock.now()
        return Draft(
            "access",
            command.key,
            command.client,
            request,
            now,
            actor=command.actor,
            rows=rows,
            changes=changes,
        )

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, whatever its state."""
        return await self._ledger.database.read(_find, self._ledger.id, key_id)

    async def list(self, *, after: str = "", limit: int = 100) -> list[ApiKey]:
        """Keys in the order of their ids, from the one after `after`."""
        return await self._ledger.database.read(_list, self._ledger.id, after, limit)


class KeyRing:
    """Recognises keys by their text. What it has seen it remembers for a few seconds."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.clock = clock
        self._ledger = ledger
        self._seen: dict[str, tuple[ApiKey | None, int]] = {}
        self._texts: dict[str, bytes] = {}

    def remembered(self, token: str) -> ApiKey | None:
        """The good key with this text if it was recognised in the last seconds; without waiting.

        What is compared is a hash of the whole text, remembered when it was recognised: cheaper than the
        check digits, and as blind to the time that a comparison takes.
        """
        key_id = key_id_in(token)
        now = self.clock.now()
        key, until = self._seen.get(key_id, (None, 0))
        if key is None or now >= until or not key.is_good(now):
            return None
        return key if hmac.compare_digest(self._texts.get(key_id, b""), hash_of(token)) else None

    async def recognise(self, token: str) -> ApiKey | None:
        """The good key with this text, or None: unknown, mistyped, expired and revoked look the same."""
        parts = parse_token(token)
        if parts is None:
            return None
        key_id, secret = parts
        key = await self.by_id(key_id)
        if key is None or not key.fits(secret):
            return None
        self._texts[key_id] = hash_of(token)
        return key

    async def by_id(self, key_id: str) -> ApiKey | None:
        """The good key with this id."""
        now = self.clock.now()
        key, until = self._seen.get(key_id, (None, 0))
        if now >= until:
            key = await self._ledger.database.read(_find, self._ledger.id, key_id)
            if len(self._seen) >= REMEMBERED_KEYS:
                self._seen.clear()
                self._texts.clear()
            self._seen[key_id] = (key, now + REMEMBERED_SECONDS * 1_000_000)
        return key if key is not None and key.is_good(now) else None

    def forget(self, key_id: str) -> None:
        """Look the key up again next time."""
        self._seen.pop(key_id, None)
        self._texts.pop(key_id, None)


def _find(connection: Connection, ledger_id: int, key_id: str) -> ApiKey | None:
    row = connection.execute(
        select(api_keys).where(api_keys.c.ledger_id == ledger_id, api_keys.c.key_id == key_id)
    ).one_or_none()
    return None if row is None else _key(row)


def _list(connection: Connection, ledger_id: int, after: str, limit: int) -> list[ApiKey]:
    rows = connection.execute(
        select(api_keys)
        .where(api_keys.c.ledger_id == ledger_id, api_keys.c.key_id > after)
        .order_by(api_keys.c.key_id)
        .limit(limit)
    )
    return [_key(row) for row in rows]


def _key(row: SqlRow[Any]) -> ApiKey:
    return ApiKey(
        row.key_id,
        row.client,
        row.label,
        frozenset(row.scopes.split()),
        bytes(row.secret_hash),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.state,
        row.revoked_at,
    )
