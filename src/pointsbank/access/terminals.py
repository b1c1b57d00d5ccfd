"""Terminals: devices at which card and PIN open something, in front of a member of staff.

One person proposes a terminal for a place, another confirms it and gets a code; the device shows the code once and gets
its key. A terminal by itself may do nothing: it says where a card is read. Revoking one takes one person.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b32encode
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from pointsbank.access import standing
from pointsbank.access.authorize import ANYTHING, Resource
from pointsbank.access.deciding import ROOM, Deciding
from pointsbank.access.model import Actor, id_for
from pointsbank.access.refusals import (
    SecondPersonNeeded,
    TerminalCodeRefused,
    UnknownRolePlace,
    UnknownTerminal,
)
from pointsbank.access.rights import rights
from pointsbank.access.tables import terminals
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.ids import new_id
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.calendar import city_day

Reads = tuple[tuple[str, int], ...]

PREFIX: Final = "pbt_"
_HOUR = 3_600_000_000


class Terminal(msgspec.Struct, frozen=True):
    """A terminal as it is on file. Times are microseconds UTC."""

    id: str
    place: str
    label: str
    proposed_by: str
    confirmed_by: str
    enrolled_at: int
    state: str


class ConfirmedTerminal(msgspec.Struct, frozen=True):
    """A terminal that waits for its device. `code` is shown this once; None if the command was repeated."""

    terminal: Terminal
    code: str | None


class TerminalDesk(Deciding):
    """The terminals of one ledger."""

    async def propose(self, actor: Actor, place: str, label: str, command: Command) -> Terminal | Refusal:
        """Propose a terminal for a place; it opens nothing before another person has confirmed it."""
        terminal_id = id_for(command.client, command.key)
        day = city_day(self._clock.now(), self._ring.zone)
        places = await self._ledger.database.read(standing.places_above, self._ledger.id, place, day)
        if not places:
            return UnknownRolePlace(place)

        def draft(reads: Reads) -> Draft:
            values = (
                terminal_id,
                place,
                label,
                actor.person,
                RECORDED_AT,
                "",
                b"",
                0,
                b"",
                0,
                "",
                0,
                "proposed",
            )
            return self.draft(
                command,
                request_digest("propose-terminal", place, label),
                rows=(Row("terminals", values),),
                reads=reads,
            )

        resource = Resource("terminal", terminal_id, places)
        return await self._after(
            terminal_id, await self.act(actor, "terminals:manage", resource, _nothing_against, draft)
        )

    async def confirm(self, actor: Actor, terminal_id: str, command: Command) -> ConfirmedTerminal | Refusal:
        """Confirm a terminal that another person proposed: gives the code with which its device enrols, once."""
        found = await self.find(terminal_id)
        if found is None:
            return UnknownTerminal()
        if found.proposed_by == actor.person:
            return SecondPersonNeeded()
        code = b32encode(secrets.token_bytes(15)).decode()
        until = self._clock.now() + rights().visit.terminal_code_hours * _HOUR

        def draft(reads: Reads) -> Draft:
            values = (("confirmed_by", actor.person), ("code_hash", _hash(code)), ("code_until", until))
            return self.draft(
                command,
                request_digest("confirm-terminal", terminal_id),
                changes=(Change("terminals", (terminal_id,), "proposed", "confirmed", values),),
                reads=reads,
            )

        resource = await self._resource(found)
        verdict = await self.act(actor, "terminals:confirm", resource, _nothing_against, draft)
        after = await self._after(terminal_id, verdict)
        if isinstance(after, Refusal):
            return after
        is_replayed = isinstance(verdict, Receipt) and verdict.replayed
        return ConfirmedTerminal(after, None if is_replayed else f"{terminal_id}-{code}")

    async def enrol(self, code: str) -> tuple[Terminal, str] | TerminalCodeRefused:
        """A device shows its code, once: the terminal and its key. Whatever is wrong with a code looks alike."""
        terminal_id, _, secret = code.strip().partition("-")
        row = await self._ledger.database.read(_secrets, self._ledger.id, terminal_id)
        if row is None or row[2] != "confirmed" or self._clock.now() >= row[1]:
            return TerminalCodeRefused()
        if not hmac.compare_digest(row[0], _hash(secret.upper())):
            return TerminalCodeRefused()
        key = secrets.token_urlsafe(32)
        values = (("key_hash", _hash(key)), ("enrolled_at", RECORDED_AT), ("code_hash", b""))
        draft = self.draft(
            Command("terminals", f"enrol:{new_id()}", f"terminal:{terminal_id}"),
            request_digest("enrol-terminal", terminal_id),
            changes=(Change("terminals", (terminal_id,), "confirmed", "enrolled", values),),
        )
        verdict = (await self._ledger.submit([draft], ROOM))[0]
        found = await self.find(terminal_id)
        if isinstance(verdict, Refusal) or found is None:
            return TerminalCodeRefused()
        return found, f"{PREFIX}{terminal_id}_{key}"

    async def revoke(self, actor: Actor, terminal_id: str, command: Command) -> Receipt | Refusal:
        """Make a terminal useless from now on; one person is enough."""
        found = await self.find(terminal_id)
        if found is None:
            return UnknownTerminal()

        def draft(reads: Reads) -> Draft:
            values = (
                ("revoked_by", actor.person), ("revoked_at", RECORDED_AT), ("key_hash", b""), ("code_hash", b""),
            )  # fmt: skip
            was = found.state if found.state != "revoked" else "enrolled"
            return self.draft(
                command,
                request_digest("revoke-terminal", terminal_id),
                changes=(Change("terminals", (terminal_id,), was, "revoked", values),),
                reads=reads,
            )

        resource = await self._resource(found)
        return await self.act(actor, "terminals:manage", resource, _nothing_against, draft)

    async def may_restart(self, actor: Actor, terminal_id: str) -> Terminal | Refusal:
        """The terminal, if the actor may start it again."""
        found = await self.find(terminal_id)
        if found is None:
            return UnknownTerminal()
        return await self.judge(actor, "terminals:manage", await self._resource(found)) or found

    async def may_list(self, actor: Actor) -> Refusal | None:
        """Why the actor may not see the terminals of the city."""
        return await self.judge(actor, "terminals:manage", ANYTHING)

    async def recognise(self, key: str) -> Terminal | None:
        """The enrolled terminal with this key; looked up each time, so a revoked one is dead at once."""
        terminal_id, underscore, secret = key.removeprefix(PREFIX).partition("_")
        if not key.startswith(PREFIX) or not underscore or not key.isascii():
            return None
        row = await self._ledger.database.read(_secrets, self._ledger.id, terminal_id)
        if row is None or row[2] != "enrolled" or not hmac.compare_digest(row[3], _hash(secret)):
            return None
        return await self.find(terminal_id)

    async def find(self, terminal_id: str) -> Terminal | None:
        """The terminal with this id, whatever its state."""
        found = await self._ledger.database.read(_terminals, self._ledger.id, terminal_id, "", 1)
        return found[0] if found else None

    async def find_enrolled(self, terminal_id: str) -> Terminal | None:
        """The terminal with this id, unless it was revoked."""
        found = await self.find(terminal_id)
        return found if found is not None and found.state == "enrolled" else None

    async def list(self, *, after: str = "", limit: int = 100) -> list[Terminal]:
        """Terminals in the order of their ids, from the one after `after`."""
        return await self._ledger.database.read(_terminals, self._ledger.id, "", after, limit)

    async def _resource(self, terminal: Terminal) -> Resource:
        day = city_day(self._clock.now(), self._ring.zone)
        places = await self._ledger.database.read(standing.places_above, self._ledger.id, terminal.place, day)
        return Resource("terminal", terminal.id, places or ())

    async def _after(self, terminal_id: str, verdict: Receipt | Refusal) -> Terminal | Refusal:
        if isinstance(verdict, Refusal):
            return verdict
        found = await self.find(terminal_id)
        assert found is not None, "an accepted draft has written it"
        return found


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()


def _nothing_against(connection: Connection, ledger_id: int) -> None:
    """A verb that the writer's guards judge alone."""


def _secrets(
    connection: Connection, ledger_id: int, terminal_id: str
) -> tuple[bytes, int, str, bytes] | None:
    t = terminals.c
    row = connection.execute(
        select(t.code_hash, t.code_until, t.state, t.key_hash).where(
            t.ledger_id == ledger_id, t.terminal_id == terminal_id
        )
    ).one_or_none()
    return None if row is None else (bytes(row[0]), row[1], row[2], bytes(row[3]))


def _terminals(
    connection: Connection, ledger_id: int, terminal_id: str, after: str, limit: int
) -> list[Terminal]:
    t = terminals.c
    query = select(t.terminal_id, t.place_id, t.label, t.proposed_by, t.confirmed_by, t.enrolled_at, t.state)
    query = query.where(t.ledger_id == ledger_id, t.terminal_id > after)
    if terminal_id:
        query = query.where(t.terminal_id == terminal_id)
    return [Terminal(*row) for row in connection.execute(query.order_by(t.terminal_id).limit(limit))]
