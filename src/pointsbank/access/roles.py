"""Roles of natural persons, bounded by place and time: proposed by one, confirmed by another, for a third."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
from sqlalchemy import Connection

from pointsbank.access import standing
from pointsbank.access.authorize import Resource
from pointsbank.access.deciding import Deciding, ending_sessions, leaves_too_few, must_be_staff
from pointsbank.access.model import Actor, id_for
from pointsbank.access.refusals import (
    OwnRole,
    RoleDays,
    SecondPersonNeeded,
    UnknownGrant,
    UnknownRole,
    UnknownRolePlace,
)
from pointsbank.access.rights import rights
from pointsbank.access.ring import KeyRing
from pointsbank.access.standing import ADMINISTRATORS, RoleGrant, rights_of
from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import NEVER_EXPIRES, RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal
from pointsbank.policy.book import PolicyBook

Reads = tuple[tuple[str, int], ...]

MINORS_DESK = "minors-desk"
"""The role that opens minors' profiles: a manager proposes it, and it ends by itself."""


class RoleIn(msgspec.Struct, frozen=True):
    """A role to give: to whom, which, at which place and below (empty: the city), on which days, both included."""

    person: str
    role: str
    place: str = ""
    from_day: date | None = None
    to_day: date | None = None


class Granted(msgspec.Struct, frozen=True):
    """A role grant as it stands after a command."""

    grant: RoleGrant
    is_replayed: bool


class RoleDesk(Deciding):
    """The roles of one ledger's staff."""

    def __init__(self, ledger: Ledger, ring: KeyRing, policies: PolicyBook) -> None:
        super().__init__(ledger, ring)
        self._policies = policies

    async def propose(self, actor: Actor, wanted: RoleIn, command: Command) -> Granted | Refusal:
        """Propose a role for somebody else; it holds once another person has confirmed it."""
        grant_id = id_for(command.client, command.key)
        from_day = (wanted.from_day or date.fromisoformat(self.today)).isoformat()
        to_day = wanted.to_day.isoformat() if wanted.to_day else NEVER_EXPIRES
        if wanted.role not in rights().roles:
            return UnknownRole(wanted.role)
        places = await self._places(wanted.place)
        if places is None:
            return UnknownRolePlace(wanted.place)
        if wanted.person == actor.person:
            return OwnRole()
        of_minors = wanted.role == MINORS_DESK
        rules = self._policies.protecting(date.fromisoformat(self.today)).people
        latest = date.fromisoformat(from_day) + timedelta(days=rules.minors_days)

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            if standing.grant_of(connection, ledger_id, grant_id) is not None:
                return None  # a repetition: the writer knows it by its key
            if from_day > to_day or to_day < self.today or (of_minors and to_day >= latest.isoformat()):
                return RoleDays()
            return must_be_staff(connection, ledger_id, wanted.person)

        def draft(reads: Reads) -> Draft:
            about = (wanted.person, wanted.role, wanted.place, from_day, to_day)
            by = (actor.person, RECORDED_AT, "", 0, "", 0, "proposed")
            return self.draft(
                command,
                request_digest("propose-role", wanted.person, wanted.role, wanted.place, from_day, to_day),
                rows=(Row("role_grants", (grant_id, *about, *by)),),
                reads=reads,
            )

        resource = Resource("role", grant_id, places, wanted.person)
        action = "roles:minors" if of_minors else "roles:propose"
        return await self._granted(grant_id, await self.act(actor, action, resource, judge, draft))

    async def confirm(self, actor: Actor, grant_id: str, command: Command) -> Granted | Refusal:
        """Confirm a role that another person has proposed for a third."""
        found = await self.find(grant_id)
        if found is None:
            return UnknownGrant(grant_id)
        if actor.person == found.person:
            return OwnRole()
        if actor.person == found.proposed_by:
            return SecondPersonNeeded()
        places = await self._places(found.place)

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            return must_be_staff(connection, ledger_id, found.person)

        def draft(reads: Reads) -> Draft:
            values = (("confirmed_by", actor.person), ("confirmed_at", RECORDED_AT))
            return self.draft(
                command,
                request_digest("confirm-role", grant_id),
                changes=(Change("role_grants", (grant_id,), "proposed", "active", values),),
                reads=reads,
                touches=_moved(found),
            )

        resource = Resource("role", grant_id, places or (), found.person)
        verdict = await self.act(actor, "roles:confirm", resource, judge, draft)
        self._ring.forget_person(found.person)
        return await self._granted(grant_id, verdict)

    async def revoke(self, actor: Actor, grant_id: str, command: Command) -> Granted | Refusal:
        """Take a role away, or withdraw its proposal, at once; one person is enough.

        The sessions of the person end in the same commit. Two administrators of the city must remain.
        """
        found = await self.find(grant_id)
        if found is None:
            return UnknownGrant(grant_id)
        places = await self._places(found.place)
        was = found.state if found.state != "revoked" else "active"
        is_last = found.state == "active" and (found.role, found.place) == ("administrator", "")

        def judge(connection: Connection, ledger_id: int) -> Refusal | None:
            if is_last:
                return leaves_too_few(connection, ledger_id, found.person, self.today)
            return None

        def draft(reads: Reads) -> Draft:
            values = (("revoked_by", actor.person), ("revoked_at", RECORDED_AT))
            change = Change("role_grants", (grant_id,), was, "revoked", values)
            ends = (ending_sessions(found.person),) if was == "active" else ()
            return self.draft(
                command,
                request_digest("revoke-role", grant_id),
                changes=(change, *ends),
                reads=reads,
                touches=_moved(found),
            )

        resource = Resource("role", grant_id, places or (), found.person)
        verdict = await self.act(actor, "roles:revoke", resource, judge, draft)
        self._ring.forget_person(found.person)
        return await self._granted(grant_id, verdict)

    async def find(self, grant_id: str) -> RoleGrant | None:
        """The role grant with this id, whatever its state."""
        return await self._ledger.database.read(standing.grant_of, self._ledger.id, grant_id)

    async def list(self, *, after: str = "", limit: int = 100, person: str = "") -> list[RoleGrant]:
        """Role grants in the order of their ids, of everybody or of one person."""
        return await self._ledger.database.read(standing.grants_after, self._ledger.id, after, limit, person)

    async def _places(self, place: str) -> tuple[str, ...] | None:
        day = date.fromisoformat(self.today)
        return await self._ledger.database.read(standing.places_above, self._ledger.id, place, day)

    async def _granted(self, grant_id: str, verdict: Receipt | Refusal) -> Granted | Refusal:
        if isinstance(verdict, Refusal):
            return verdict
        found = await self.find(grant_id)
        assert found is not None, "an accepted draft has written it"
        return Granted(found, verdict.replayed)


def _moved(grant: RoleGrant) -> tuple[str, ...]:
    """The subjects that move with a grant: the person's rights, and perhaps the number of administrators."""
    is_administrator = (grant.role, grant.place) == ("administrator", "")
    return (rights_of(grant.person), *([ADMINISTRATORS] if is_administrator else []))
