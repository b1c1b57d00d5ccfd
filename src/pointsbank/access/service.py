"""The verbs of API keys: issue, confirm, revoke, list.

Keys are written by the ledger's writer like everything else, so a command is idempotent and a revocation
is guarded. Until the ledger has staff a key is the operator's; from then on it belongs to a natural person, whose
roles bound its scopes, or to a machine source, and opens nothing before a second person has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from pointsbank.access.authorize import ANYTHING
from pointsbank.access.deciding import ROOM, Deciding, Drafting
from pointsbank.access.model import Actor, ApiKey, Owner, hash_of, id_for, new_secret, token_of
from pointsbank.access.refusals import NotPermitted, OwnRole, SecondPersonNeeded
from pointsbank.access.rights import rights
from pointsbank.access.ring import REMEMBERED_SECONDS, KeyRing, find_key, keys_after
from pointsbank.access.standing import FOUNDING
from pointsbank.engine.commands import Command, request_digest
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal

__all__ = ["REMEMBERED_SECONDS", "ROOM", "ExpiredAlready", "IssuedKey", "KeyDesk", "KeyRing", "UnknownKey"]

Reads = tuple[tuple[str, int], ...]


class IssuedKey(msgspec.Struct, frozen=True):
    """A key on file. `token` is its text, shown this once; None if the command was a repetition."""

    key: ApiKey
    token: str | None


class UnknownKey(Refusal, frozen=True, tag="unknown-api-key"):
    """There is no API key with this id."""

    id: str


class ExpiredAlready(Refusal, frozen=True, tag="expired-already"):
    """The key would have expired before it was made."""


class KeyDesk(Deciding):
    """Issues, confirms, lists and revokes the API keys of one ledger."""

    async def issue(
        self,
        holder: str,
        label: str,
        scopes: Iterable[str],
        expires_at: int,
        command: Command,
        *,
        actor: Actor | None = None,
        owner: Owner = "machine",
    ) -> IssuedKey | Refusal:
        """Make a key that speaks for `holder`. `expires_at` in microseconds UTC, 0 for never.

        In a ledger with staff `actor` must be a person; the key is the person's own, or a machine's that may not
        do more than the table allows one, and somebody else must confirm it. Before that it is the operator's.
        The same command again gives the key without its text: that is shown once.
        """
        allowed = " ".join(sorted(scopes))
        key_id, secret = id_for(command.client, command.key), new_secret()
        is_new = await self.find(key_id) is None
        if expires_at and expires_at <= self._clock.now() and is_new:
            return ExpiredAlready()
        is_founded = await self.is_founded()
        person = actor.person if actor is not None and owner == "person" else ""
        if is_founded:
            beyond = _beyond_a_machine(allowed.split()) if owner == "machine" else []
            if beyond:
                return NotPermitted(", ".join(beyond))
        else:
            owner = "operator"
        row = (key_id, holder, label, allowed, hash_of(secret), RECORDED_AT, command.actor, expires_at)
        state = "proposed" if is_founded else "active"
        request = request_digest("issue-key", holder, label, allowed, str(expires_at))

        def draft(reads: Reads) -> Draft:
            values = (*row, state, 0, owner, person, "")
            return self.draft(command, request, rows=(Row("api_keys", values),), reads=reads)

        action = "keys:own" if owner == "person" else "keys:manage"
        verdict = await self._as_whoever(actor, action, draft, is_founded)
        if isinstance(verdict, Refusal):
            return verdict
        issued = await self.find(key_id)
        assert issued is not None
        return IssuedKey(issued, None if verdict.replayed else token_of(key_id, secret))

    async def confirm(self, actor: Actor, key_id: str, command: Command) -> ApiKey | Refusal:
        """Confirm a key that another person has made; from now on it opens what it may."""
        found = await self.find(key_id)
        if found is None:
            return UnknownKey(key_id)
        if found.person and found.person == actor.person:
            return OwnRole()
        if found.created_by == actor.name:
            return SecondPersonNeeded()

        def draft(reads: Reads) -> Draft:
            values = (("confirmed_by", actor.person),)
            change = Change("api_keys", (key_id,), "proposed", "active", values)
            return self.draft(command, request_digest("confirm-key", key_id), changes=(change,), reads=reads)

        verdict = await self.act(actor, "keys:confirm", ANYTHING, _nothing_against, draft)
        self._ring.forget(key_id)
        if isinstance(verdict, Refusal):
            return verdict
        confirmed = await self.find(key_id)
        assert confirmed is not None
        return confirmed

    async def revoke(self, key_id: str, command: Command, *, actor: Actor | None = None) -> Receipt | Refusal:
        """Make a key useless from now on; in this process at once, elsewhere within seconds."""
        found = await self.find(key_id)
        if found is None:
            return UnknownKey(key_id)
        was = "proposed" if found.state == "proposed" else "active"

        def draft(reads: Reads) -> Draft:
            change = Change("api_keys", (key_id,), was, "revoked", (("revoked_at", RECORDED_AT),))
            return self.draft(command, request_digest("revoke-key", key_id), changes=(change,), reads=reads)

        verdict = await self._as_whoever(actor, "keys:manage", draft, await self.is_founded())
        self._ring.forget(key_id)
        return verdict

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, whatever its state."""
        return await self._ledger.database.read(find_key, self._ledger.id, key_id)

    async def list(self, *, after: str = "", limit: int = 100) -> list[ApiKey]:
        """Keys in the order of their ids, from the one after `after`."""
        return await self._ledger.database.read(keys_after, self._ledger.id, after, limit)

    async def _as_whoever(
        self, actor: Actor | None, action: str, draft: Drafting, is_founded: bool
    ) -> Receipt | Refusal:
        """As a person with the rights of this moment; by the operator only while the ledger has no staff."""
        if is_founded:
            if actor is None or not actor.person:
                return NotPermitted(action)
            return await self.act(actor, action, ANYTHING, _nothing_against, draft)
        return (await self._ledger.submit([draft(((FOUNDING, 0),))], ROOM))[0]


def _nothing_against(connection: Connection, ledger_id: int) -> None:
    """A verb that the writer's guards judge alone."""


def _beyond_a_machine(scopes: list[str]) -> list[str]:
    """The scopes that the table of rights gives no machine source: to verify, to release, to grant."""
    effects = rights().effects
    return [scope for scope in scopes if ("machine-source", scope) not in effects]
