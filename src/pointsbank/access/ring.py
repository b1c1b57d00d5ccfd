"""The key ring recognises API keys by their text, with the roles of the person whose key it is."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, select

from pointsbank.access import standing
from pointsbank.access.model import ApiKey, hash_of, key_id_in, parse_token
from pointsbank.access.standing import ZONE, Standing
from pointsbank.access.tables import api_keys
from pointsbank.engine.clock import Clock
from pointsbank.engine.registry import Ledger
from pointsbank.policy.calendar import city_day

if TYPE_CHECKING:
    from sqlalchemy import Row as SqlRow

REMEMBERED_SECONDS = 5
"""How long a key or a person's roles are remembered: what another process takes away ends then at the latest."""

REMEMBERED_KEYS = 10_000


class KeyRing:
    """Recognises keys by their text. What it has seen it remembers for a few seconds."""

    def __init__(self, ledger: Ledger, clock: Clock, zone: str = ZONE) -> None:
        self.clock = clock
        self.zone = zone
        self._ledger = ledger
        self._seen: dict[str, tuple[ApiKey | None, int]] = {}
        self._texts: dict[str, bytes] = {}
        self._standings: dict[str, tuple[Standing | None, int]] = {}

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
        """The good key with this id, with the roles that its person holds today."""
        now = self.clock.now()
        key, until = self._seen.get(key_id, (None, 0))
        if now >= until:
            key = await self._ledger.database.read(_recognised, self._ledger.id, key_id, self._day(now))
            if len(self._seen) >= REMEMBERED_KEYS:
                self.forget_all()
            self._seen[key_id] = (key, now + REMEMBERED_SECONDS * 1_000_000)
        return key if key is not None and key.is_good(now) else None

    async def standing(self, person: str) -> Standing | None:
        """The account and today's roles of a member of staff."""
        now = self.clock.now()
        found, until = self._standings.get(person, (None, 0))
        if now >= until:
            found = await self._ledger.database.read(
                standing.standing_of, self._ledger.id, person, self._day(now)
            )
            if len(self._standings) >= REMEMBERED_KEYS:
                self.forget_all()
            self._standings[person] = (found, now + REMEMBERED_SECONDS * 1_000_000)
        return found

    def forget(self, key_id: str) -> None:
        """Look the key up again next time."""
        self._seen.pop(key_id, None)
        self._texts.pop(key_id, None)

    def forget_person(self, person: str) -> None:
        """Look a person's roles up again next time, and those of the person's keys."""
        self._standings.pop(person, None)
        for key_id in [k for k, (key, _) in self._seen.items() if key is None or key.person == person]:
            self.forget(key_id)

    def forget_all(self) -> None:
        """Look everything up again."""
        self._seen.clear()
        self._texts.clear()
        self._standings.clear()

    def _day(self, now: int) -> str:
        return city_day(now, self.zone).isoformat()


def find_key(connection: Connection, ledger_id: int, key_id: str) -> ApiKey | None:
    """The key with this id, as it is on file."""
    row = connection.execute(
        select(api_keys).where(api_keys.c.ledger_id == ledger_id, api_keys.c.key_id == key_id)
    ).one_or_none()
    return None if row is None else _key(row)


def keys_after(connection: Connection, ledger_id: int, after: str, limit: int) -> list[ApiKey]:
    """Keys in the order of their ids."""
    rows = connection.execute(
        select(api_keys)
        .where(api_keys.c.ledger_id == ledger_id, api_keys.c.key_id > after)
        .order_by(api_keys.c.key_id)
        .limit(limit)
    )
    return [_key(row) for row in rows]


def operator_keys(connection: Connection, ledger_id: int) -> Iterable[str]:
    """Ids of the active keys that were made before the ledger had staff."""
    k = api_keys.c
    query = select(k.key_id).where(k.ledger_id == ledger_id, k.state == "active", k.owner == "operator")
    return list(connection.execute(query).scalars())


def _recognised(connection: Connection, ledger_id: int, key_id: str, day: str) -> ApiKey | None:
    key = find_key(connection, ledger_id, key_id)
    if key is None or not key.person:
        return key
    own = standing.standing_of(connection, ledger_id, key.person, day)
    if own is None or own.account.state != "active":
        return None
    return msgspec.structs.replace(key, grants=own.grants)


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
        row.owner,
        row.person_id,
        row.confirmed_by,
    )
