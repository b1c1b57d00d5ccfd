"""How every verb about staff is decided: by the actor's rights of this moment, judged and written under the writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from pointsbank.access import standing
from pointsbank.access.authorize import Denial, Resource, StepUpRequired, authorize
from pointsbank.access.model import Actor
from pointsbank.access.refusals import LastAdministrators, NotPermitted, StepUpNeeded, UnknownStaff
from pointsbank.access.ring import KeyRing
from pointsbank.access.standing import ADMINISTRATORS, Standing
from pointsbank.engine.commands import Command
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import RECORDED_AT, Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import Refusal, StaleRead
from pointsbank.policy.calendar import city_day

ROOM: Final = frozenset({"access"})

FEWEST_ADMINISTRATORS: Final = 2

Judge = Callable[[Connection, int], Refusal | None]
Drafting = Callable[[tuple[tuple[str, int], ...]], Draft]

_TRIES: Final = 5


class Deciding:
    """What the desks of this room share."""

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self._ledger = ledger
        self._ring = ring
        self._clock = ring.clock

    @property
    def today(self) -> str:
        """The city's date, YYYY-MM-DD."""
        return city_day(self._clock.now(), self._ring.zone).isoformat()

    async def is_founded(self) -> bool:
        """Whether the ledger has had its first administrators."""
        return await self._ledger.database.read(standing.version_of, self._ledger.id, standing.FOUNDING) > 0

    async def act(
        self, actor: Actor, action: str, resource: Resource, judge: Judge, drafting: Drafting
    ) -> Receipt | Refusal:
        """Authorize with the rights of this moment, judge, write; once more if something moved meanwhile.

        The draft reads the version of the actor's rights and the number of administrators: whoever loses a right in
        between has lost it before this act.
        """
        verdict: Receipt | Refusal = NotPermitted(action)
        for _ in range(_TRIES):
            reads, refusal = await self._ledger.database.read(
                _judged, self._ledger.id, actor, self.today, action, resource, judge
            )
            if refusal is not None:
                return refusal
            verdict = (await self._ledger.submit([drafting(reads)], ROOM))[0]
            if not isinstance(verdict, StaleRead):
                break
        return verdict

    async def judge(self, actor: Actor, action: str, resource: Resource) -> Refusal | None:
        """Why the actor may not do this, by the rights of this moment."""
        _, refusal = await self._ledger.database.read(
            _judged, self._ledger.id, actor, self.today, action, resource, lambda connection, ledger_id: None
        )
        return refusal

    def draft(
        self,
        command: Command,
        request: bytes,
        *,
        rows: tuple[Row, ...] = (),
        changes: tuple[Change, ...] = (),
        reads: tuple[tuple[str, int], ...] = (),
        touches: tuple[str, ...] = (),
    ) -> Draft:
        """A document-only draft of this room."""
        return Draft(
            "access",
            command.key,
            command.client,
            request,
            self._clock.now(),
            actor=command.actor,
            rows=rows,
            changes=changes,
            reads=reads,
            touches=touches,
        )


def _judged(
    connection: Connection,
    ledger_id: int,
    actor: Actor,
    day: str,
    action: str,
    resource: Resource,
    judge: Judge,
) -> tuple[tuple[tuple[str, int], ...], Refusal | None]:
    """One snapshot: what the actor may do now, and what the verb has against it."""
    own = standing.standing_of(connection, ledger_id, actor.person, day) if actor.person else None
    denial = authorize(with_rights_of(actor, own), action, resource)
    reads = (
        (standing.rights_of(actor.person), own.version if own is not None else 0),
        (ADMINISTRATORS, standing.version_of(connection, ledger_id, ADMINISTRATORS)),
    )
    return reads, refusal_of(denial, action) or judge(connection, ledger_id)


def with_rights_of(actor: Actor, own: Standing | None) -> Actor | None:
    """The actor with the roles that hold now; nobody if the account is closed or was never there."""
    if own is None or own.account.state != "active":
        return None
    return Actor(
        actor.id,
        actor.client,
        actor.scopes,
        actor.person,
        actor.subject,
        own.grants,
        actor.session,
        actor.is_stepped_up,
        actor.ward,
    )


def refusal_of(denial: Denial | None, action: str) -> Refusal | None:
    """A denial as a refusal."""
    if denial is None:
        return None
    return StepUpNeeded(action) if isinstance(denial, StepUpRequired) else NotPermitted(action)


def must_be_staff(connection: Connection, ledger_id: int, person: str) -> UnknownStaff | None:
    """Refuse unless the person has an open account."""
    account = standing.account_of(connection, ledger_id, person)
    return None if account is not None and account.state == "active" else UnknownStaff(person)


def leaves_too_few(connection: Connection, ledger_id: int, person: str, day: str) -> Refusal | None:
    """Refuse to take the administrator's role from a person if fewer than two of them would be left."""
    others = standing.administrators_on(connection, ledger_id, day)
    is_one_of_them = person in others
    return LastAdministrators() if is_one_of_them and len(others) <= FEWEST_ADMINISTRATORS else None


def ending_sessions(person: str) -> Change:
    """The change that ends every session of a person, in the commit of whatever it goes with."""
    return Change("staff_accounts", (person,), "active", "active", (("sessions_from", RECORDED_AT),))
