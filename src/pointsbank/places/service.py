"""The verbs of places and memberships: open, rename, move, close, merge; join, leave, transfer.

Each is planned on a reading and guarded by the versions of what was read: two changes at a time end as if one had
come after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, or_, select

from pointsbank.engine.commands import Command, request_digest
from pointsbank.engine.registry import Ledger
from pointsbank.ledger.model import Change, Draft, Receipt, Row
from pointsbank.ledger.refusals import KeyConflict, Refusal
from pointsbank.places.atlas import Atlas, Plan, place_subject
from pointsbank.places.joining import plan_membership
from pointsbank.places.loading import atlas_for, earlier_use, member_atlas_for
from pointsbank.places.model import Act, MemberAct
from pointsbank.places.planning import plan
from pointsbank.places.stations import PLACES
from pointsbank.places.tables import place_terms, places
from pointsbank.policy.calendar import city_day
from pointsbank.store.lists import is_one_of
from pointsbank.store.tables import subjects

ATTEMPTS = 10
"""How often a change is planned anew when somebody else was faster."""

CITY_ZONE = "Asia/Shanghai"

SETTLED_AT_A_TIME = 1000

A = TypeVar("A", bound=msgspec.Struct)


class PlacesService:
    """Changes the tree of places and who belongs to its groups."""

    def __init__(self, ledger: Ledger, zone: str = CITY_ZONE) -> None:
        self._ledger = ledger
        self._zone = zone

    def today(self) -> date:
        """The city's date by the ledger's clock."""
        return city_day(self._ledger.writer.clock.now(), self._zone)

    async def change(self, act: Act, command: Command, request: bytes = b"") -> Receipt | Refusal:
        """Carry out a change of the tree. Refusals: those of `places.model`.

        `request` is the digest of the command as it was sent, if that is not the act itself.
        """
        today = self.today()
        return await self._carry_out(act, command, request, atlas_for, lambda atlas: plan(atlas, act, today))

    async def change_membership(
        self, act: MemberAct, command: Command, request: bytes = b"", *, by_two: bool = False
    ) -> Receipt | Refusal:
        """Carry out a change of membership; `request` as in `change`. Refusals: those of `places.model`.

        `by_two`: two members of staff have decided it, as a household needs.
        """
        return await self._carry_out(
            act,
            command,
            request,
            member_atlas_for,
            lambda atlas: plan_membership(atlas, act, by_two=by_two),
        )

    async def _carry_out(
        self,
        act: A,
        command: Command,
        request: bytes,
        load: Callable[[Connection, int, Sequence[A]], Atlas],
        work_out: Callable[[Atlas], Plan | Refusal],
    ) -> Receipt | Refusal:
        request = request or request_of(act)
        refusal: Refusal | None = None
        for _ in range(ATTEMPTS):
            atlas = await self._ledger.database.read(load, self._ledger.id, [act])
            planned = work_out(atlas)
            if isinstance(planned, Refusal):
                return await self._repeated(command, request) or planned
            [result] = await self._ledger.submit([draft_of(planned, command, request)], PLACES)
            if isinstance(result, Receipt) or not result.retry:
                return result
            refusal = result
        assert refusal is not None
        return refusal

    async def _repeated(self, command: Command, request: bytes) -> Receipt | Refusal | None:
        """The answer to a command that was carried out before: what it did is what it would be refused for now."""
        used = await self._ledger.database.read(earlier_use, self._ledger.id, command.client, command.key)
        if used is None:
            return None
        return (
            Receipt(0, used[1], command.key, replayed=True)
            if used[0] == request
            else KeyConflict(command.key)
        )

    async def settle(self, command: Command) -> int:
        """Write what was planned for a day that has come into the rows that know no date; how many it were.

        May run at any time and again: who asks for a day does not wait for it.
        """
        settled = 0
        while due := await self._ledger.database.read(_due, self._ledger.id, self.today()):
            drafts = [
                Draft(
                    kind="settle-place",
                    key=f"{command.key}/{change.key[0]}/{self.today()}",
                    client=command.client,
                    request=request_digest("settle-place", *map(str, change.key)),
                    effective_at=0,
                    actor=command.actor,
                    reads=(read,),
                    changes=(change,),
                )
                for change, read in due
            ]
            results = await self._ledger.submit(drafts, PLACES)
            new = sum(isinstance(result, Receipt) and not result.replayed for result in results)
            settled += new
            if not new:
                break  # somebody else settles them at this moment
        return settled


def draft_of(plan: Plan, command: Command, request: bytes, more_rows: tuple[Row, ...] = ()) -> Draft:
    """A plan as a draft, with rows of the caller's own that ride along."""
    return Draft(
        kind=plan.kind,
        key=command.key,
        client=command.client,
        request=request,
        effective_at=0,
        actor=command.actor,
        place=command.place,
        opens=plan.opens,
        reads=plan.reads,
        touches=plan.touches,
        rows=plan.rows + more_rows,
        changes=plan.changes,
    )


def request_of(act: msgspec.Struct) -> bytes:
    """The digest by which two commands under one key are told apart."""
    return request_digest(str(act.__struct_config__.tag), *map(str, msgspec.structs.astuple(act)))


def _due(connection: Connection, ledger_id: int, today: date) -> list[tuple[Change, tuple[str, int]]]:
    """Places whose row differs from the term of today: the change that mends it, and what it was read from."""
    p, t, s = places.c, place_terms.c, subjects.c
    rows = connection.execute(
        select(p.code, p.place_id, p.state, t.state, t.name, t.parent)
        .where(
            p.ledger_id == ledger_id,
            t.ledger_id == ledger_id,
            t.place_id == p.place_id,
            t.from_day <= today.isoformat(),
            t.to_day > today.isoformat(),
            or_(p.state != t.state, p.name != t.name, p.parent != t.parent),
        )
        .limit(SETTLED_AT_A_TIME)
    ).all()
    sought = [place_subject(row[1]) for row in rows]
    query = select(s.subject, s.version).where(
        s.ledger_id == ledger_id, is_one_of(connection, s.subject, sought)
    )
    versions = {str(row[0]): int(row[1]) for row in connection.execute(query)}
    return [
        (
            Change("places", (code,), old, new, (("name", name), ("parent", parent))),
            (place_subject(id_), versions.get(place_subject(id_), 0)),
        )
        for code, id_, old, new, name, parent in rows
    ]
