"""Merging: two registrations turn out to be one person. Two members of staff do it, and two may undo it.

The books move by entries that the caller posts; here the old id becomes an alias. Its numbers go on finding the
person, and all its rows stay, so that undoing needs no guessing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.ledger.refusals import Refusal
from pointsbank.people.aliases import survivors
from pointsbank.people.changes import Change
from pointsbank.people.links import lock, outsider
from pointsbank.people.model import USUAL
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import (
    LinkNotAllowed,
    PersonNotActive,
    SecondPersonNeeded,
    UnknownChange,
    UnknownPerson,
)
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import changes, persons

Post = Callable[[str, str, str], Awaitable[Refusal | None]]
"""Moves the points, the merit and the debt in the books: (old id, surviving id, idempotency key). None when done.

It is called again with the same key if an interruption left it unknown whether it was done.
"""


class Merging:
    """Proposes, confirms and undoes merges."""

    def __init__(self, store: PeopleStore, *, delay: int = USUAL.new_means_micros) -> None:
        self.store = store
        self.delay = delay

    async def propose(
        self, old_id: str, into_id: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownPerson | PersonNotActive | SecondPersonNeeded | LinkNotAllowed:
        """Propose that `old_id` and `into_id` are one person, who goes on as `into_id`."""
        if old_id == into_id:
            return LinkNotAllowed("两个编号相同", "the two ids are the same")
        return await self._propose("merge", old_id, into_id, by, frozenset(household), "active")

    async def propose_undoing(
        self, old_id: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownPerson | PersonNotActive | SecondPersonNeeded | LinkNotAllowed:
        """Propose that a merged id is a person of its own again."""
        into_id = (await survivors(self.store, [old_id])).get(old_id, old_id)
        return await self._propose("unmerge", old_id, into_id, by, frozenset(household), "merged")

    async def confirm(
        self, old_id: str, change_id: str, by: str, post: Post, *, household: Collection[str] = ()
    ) -> Change | Refusal:
        """Confirm what another proposed: the books are moved first, then the id becomes an alias, or none again."""
        before = await self.store.read(lambda c: self._confirmed(c, old_id, change_id, by))
        if before is not None:
            return before
        ready = await self.store.read(lambda c: self._ready(c, old_id, change_id, by, frozenset(household)))
        if not isinstance(ready, tuple):
            return ready
        kind, into_id = ready
        refusal = await post(old_id, into_id, f"{kind}:{change_id}")
        if refusal is not None:
            return refusal
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._confirm(c, kind, old_id, into_id, change_id, by, now))

    async def other_of(self, old_id: str, change_id: str) -> str | None:
        """The id with which a proposal is about; None if there is no such proposal."""
        t, vault = changes.c, self.store.vault

        def work(connection: Connection) -> str | None:
            sealed = connection.execute(select(t.payload).where(*self._here(old_id, change_id))).scalar()
            key = vault.keys_of(connection, [old_id]).get(old_id)
            return vault.open(key, f"change {change_id}", sealed) if sealed and key is not None else None

        return await self.store.read(work)

    async def _propose(
        self, kind: str, old_id: str, into_id: str, by: str, household: frozenset[str], state: str
    ) -> Change | UnknownPerson | PersonNotActive | SecondPersonNeeded:
        now, change = self.store.clock.now(), Change(new_id(), old_id, kind, "proposed", by, "", 0)

        def work(connection: Connection) -> Change | UnknownPerson | PersonNotActive | SecondPersonNeeded:
            vault = self.store.vault
            for person_id, wanted in ((old_id, state), (into_id, "active")):
                refused = self._not_in(connection, person_id, wanted)
                if refused is not None:
                    return refused
            concerned = outsider(by, (old_id, into_id), household)
            if concerned is not None:
                return concerned
            key = vault.keys_of(connection, [old_id])[old_id]
            connection.execute(
                insert(changes).values(
                    ledger_id=vault.ledger_id, person_id=old_id, change_id=change.id, kind=kind, state="proposed",
                    proposed_by=by, proposed_at=now, confirmed_by="", confirmed_at=0, effective_at=0,
                    payload=vault.seal(key, f"change {change.id}", into_id),
                )
            )  # fmt: skip
            return change

        return await self.store.write(work)

    def _confirmed(self, connection: Connection, old_id: str, change_id: str, by: str) -> Change | None:
        """What this member of staff confirmed before: the same again changes nothing."""
        t = changes.c
        row = connection.execute(
            select(t.kind, t.proposed_by, t.effective_at).where(
                *self._here(old_id, change_id), t.state == "confirmed", t.confirmed_by == by
            )
        ).one_or_none()
        if row is None:
            return None
        return Change(change_id, old_id, row.kind, "confirmed", row.proposed_by, by, row.effective_at)

    def _here(self, old_id: str, change_id: str) -> tuple[ColumnElement[bool], ...]:
        """A merge or an undoing on file."""
        t = changes.c
        return (
            t.ledger_id == self.store.ledger_id,
            t.person_id == old_id,
            t.change_id == change_id,
            t.kind.in_(("merge", "unmerge")),
        )

    def _ready(
        self, connection: Connection, old_id: str, change_id: str, by: str, household: frozenset[str]
    ) -> tuple[str, str] | UnknownChange | SecondPersonNeeded | UnknownPerson | PersonNotActive:
        t, vault = changes.c, self.store.vault
        row = connection.execute(
            select(t.kind, t.proposed_by, t.payload).where(
                *self._here(old_id, change_id), t.state == "proposed"
            )
        ).one_or_none()
        key = vault.keys_of(connection, [old_id]).get(old_id)
        if row is None or key is None:
            return UnknownChange(change_id)
        into_id = vault.open(key, f"change {change_id}", row.payload)
        refused = outsider(by, (old_id, into_id, row.proposed_by), household)
        if refused is not None:
            return refused
        wanted = "active" if row.kind == "merge" else "merged"
        return (
            self._not_in(connection, old_id, wanted)
            or self._not_in(connection, into_id, "active")
            or (row.kind, into_id)
        )

    def _confirm(
        self, connection: Connection, kind: str, old_id: str, into_id: str, change_id: str, by: str, now: int
    ) -> Change | UnknownChange | UnknownPerson | PersonNotActive:
        t, p, ledger_id = changes.c, persons.c, self.store.ledger_id
        for person_id in sorted(
            (old_id, into_id)
        ):  # in one order, so that two merges never wait for each other
            lock(connection, ledger_id, person_id)
        before, after = ("active", "merged") if kind == "merge" else ("merged", "active")
        refused = self._not_in(connection, old_id, before) or self._not_in(connection, into_id, "active")
        if refused is not None:
            return refused
        here = and_(t.ledger_id == ledger_id, t.person_id == old_id, t.change_id == change_id)
        proposed_by = connection.execute(select(t.proposed_by).where(here, t.state == "proposed")).scalar()
        if proposed_by is None:
            return UnknownChange(change_id)
        connection.execute(
            update(changes)
            .where(here)
            .values(state="confirmed", confirmed_by=by, confirmed_at=now, effective_at=now + self.delay)
        )
        connection.execute(
            update(persons)
            .where(p.ledger_id == ledger_id, p.person_id == old_id)
            .values(
                state=after, merged_into=into_id if kind == "merge" else "", changed_at=now, changed_by=by
            )
        )
        for person_id in (old_id, into_id):
            tell_helpers(connection, self.store.vault, person_id, f"ward-account-{kind}d", now)
            enqueue(connection, self.store.vault, person_id, f"account-{kind}d", now)
        return Change(change_id, old_id, kind, "confirmed", proposed_by, by, now + self.delay)

    def _not_in(
        self, connection: Connection, person_id: str, wanted: str
    ) -> UnknownPerson | PersonNotActive | None:
        p = persons.c
        state = connection.execute(
            select(p.state).where(p.ledger_id == self.store.ledger_id, p.person_id == person_id)
        ).scalar()
        if state is None or state == "closed":
            return UnknownPerson(person_id)
        return None if state == wanted else PersonNotActive(person_id, state)
