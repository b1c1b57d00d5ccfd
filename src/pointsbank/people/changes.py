"""Changes by which somebody could be robbed without a forged hour: a new phone, a correction, the end of a freeze.

One member of staff proposes, another confirms; neither is the person concerned or of the household. The old phone
and the helpers hear of it, and the new means may spend only after a delay.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final, Literal, get_args

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people import identity, registration
from pointsbank.people.aliases import aliases
from pointsbank.people.identity import Malformed
from pointsbank.people.links import lock, outsider
from pointsbank.people.model import USUAL
from pointsbank.people.notices import enqueue, tell_helpers
from pointsbank.people.refusals import (
    PersonDataInvalid,
    PersonExists,
    SecondPersonNeeded,
    UnknownChange,
    UnknownPerson,
)
from pointsbank.people.sealing import IndexKind
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import blind_indexes, changes, persons, sealed_values
from pointsbank.people.vault import PersonKey
from pointsbank.policy.calendar import city_day, local_day

Corrected = Literal["name", "volunteer-number", "birth"]

ChangeKind = Literal["phone", "name", "volunteer-number", "birth", "unfreeze"]

INDEXED: Final[tuple[IndexKind, ...]] = ("phone", "volunteer-number")


class Change(msgspec.Struct, frozen=True):
    """A change that was proposed or confirmed. `effective_at`: from when the new means may spend, 0 before."""

    id: str
    person_id: str
    kind: str
    state: str
    proposed_by: str
    confirmed_by: str
    effective_at: int


class Changes:
    """Takes proposals and confirmations."""

    def __init__(
        self, store: PeopleStore, *, zone: str = "Asia/Shanghai", delay: int = USUAL.new_means_micros
    ) -> None:
        self.store = store
        self.zone = zone
        self.delay = delay

    async def propose_phone(
        self, person_id: str, phone: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownPerson | PersonDataInvalid | SecondPersonNeeded:
        """Propose a new phone for somebody. It is not in use before another member of staff confirms it."""
        written = identity.phone(phone)
        if isinstance(written, Malformed):
            return registration.invalid(written)
        return await self._propose(person_id, "phone", written, by, household)

    async def propose_correction(
        self, person_id: str, field: Corrected, value: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownPerson | PersonDataInvalid | SecondPersonNeeded:
        """Propose to put right what is on file: a name, a volunteer number, a birth date (YYYY-MM-DD)."""
        written = _written(field, value, city_day(self.store.clock.now(), self.zone))
        if isinstance(written, Malformed):
            return registration.invalid(written)
        return await self._propose(person_id, field, written, by, household)

    async def propose_unfreezing(
        self, person_id: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownPerson | SecondPersonNeeded:
        """Propose that a frozen person may act again."""
        return await self._propose(person_id, "unfreeze", "", by, household)

    async def confirm(
        self, person_id: str, change_id: str, by: str, *, household: Collection[str] = ()
    ) -> Change | UnknownChange | SecondPersonNeeded | PersonExists:
        """Confirm what another proposed: it holds at once, and a new phone may spend after the delay."""
        now = self.store.clock.now()
        return await self.store.write(
            lambda c: self._confirm(c, person_id, change_id, by, frozenset(household), now)
        )

    async def spending_from(self, person_id: str) -> int:
        """From which moment (microseconds UTC) somebody's newest means may spend; 0 if nothing was changed."""
        t = changes.c

        def work(connection: Connection) -> int:
            ids = [person_id, *aliases(connection, self.store.ledger_id, person_id)]
            query = select(func.max(t.effective_at)).where(
                t.ledger_id == self.store.ledger_id, t.person_id.in_(ids), t.state == "confirmed"
            )
            return connection.execute(query).scalar() or 0

        return await self.store.read(work)

    async def phone_changed_at(self, person_id: str) -> int:
        """When somebody's newest phone was confirmed (microseconds UTC): what the old one opened is over; 0 if never."""
        t = changes.c
        query = select(func.max(t.confirmed_at)).where(
            t.ledger_id == self.store.ledger_id,
            t.person_id == person_id,
            t.kind == "phone",
            t.state == "confirmed",
        )
        return await self.store.read(lambda c: c.execute(query).scalar() or 0)

    async def _propose(
        self, person_id: str, kind: ChangeKind, payload: str, by: str, household: Collection[str]
    ) -> Change | UnknownPerson | SecondPersonNeeded:
        now, change = self.store.clock.now(), Change(new_id(), person_id, kind, "proposed", by, "", 0)

        def work(connection: Connection) -> Change | UnknownPerson | SecondPersonNeeded:
            vault = self.store.vault
            key = vault.keys_of(connection, [person_id]).get(person_id)
            if key is None:
                return UnknownPerson(person_id)
            refused = outsider(by, (person_id,), household)
            if refused is not None:
                return refused
            connection.execute(
                insert(changes).values(
                    ledger_id=vault.ledger_id, person_id=person_id, change_id=change.id, kind=kind,
                    state="proposed", proposed_by=by, proposed_at=now, confirmed_by="", confirmed_at=0,
                    effective_at=0, payload=vault.seal(key, f"change {change.id}", payload),
                )
            )  # fmt: skip
            return change

        return await self.store.write(work)

    def _confirm(
        self,
        connection: Connection,
        person_id: str,
        change_id: str,
        by: str,
        household: frozenset[str],
        now: int,
    ) -> Change | UnknownChange | SecondPersonNeeded | PersonExists:
        t, vault = changes.c, self.store.vault
        lock(connection, vault.ledger_id, person_id)
        here = and_(t.ledger_id == vault.ledger_id, t.person_id == person_id, t.change_id == change_id)
        row = connection.execute(
            select(t.kind, t.proposed_by, t.payload).where(
                here, t.state == "proposed", t.kind.in_(get_args(ChangeKind))
            )
        ).one_or_none()
        key = vault.keys_of(connection, [person_id]).get(person_id)
        if row is None or key is None:
            return UnknownChange(change_id)
        refused = outsider(by, (person_id, row.proposed_by), household)
        if refused is not None:
            return refused
        value = vault.open(key, f"change {change_id}", row.payload)
        if row.kind == "volunteer-number":
            digest = vault.indexes.digest("volunteer-number", value)
            at = ("volunteer-number", digest)
            holder = registration.holders(connection, vault, [("volunteer-number", digest)]).get(at, [])
            if holder and holder != [person_id]:
                return PersonExists("volunteer-number", holder[0])
        effective_at = now + (self.delay if row.kind == "phone" else 0)
        done = Change(change_id, person_id, row.kind, "confirmed", row.proposed_by, by, effective_at)
        connection.execute(
            update(changes)
            .where(here)
            .values(
                state="confirmed",
                confirmed_by=by,
                confirmed_at=now,
                effective_at=done.effective_at,
                payload=b"",
            )
        )
        if row.kind == "unfreeze":
            p = persons.c
            connection.execute(
                update(persons)
                .where(p.ledger_id == vault.ledger_id, p.person_id == person_id, p.state == "frozen")
                .values(state="active", changed_at=now, changed_by=by)
            )
            enqueue(connection, vault, person_id, "unfrozen", now)
        else:
            # told before the new number stands, so it is the old one that hears of it
            tell_helpers(connection, vault, person_id, f"ward-{row.kind}-changed", now)
            enqueue(connection, vault, person_id, f"{row.kind}-changed", now)
            self._put(connection, key, row.kind, value, now)
        return done

    def _put(self, connection: Connection, key: PersonKey, field: str, value: str, now: int) -> None:
        vault, v, i = self.store.vault, sealed_values.c, blind_indexes.c
        connection.execute(
            delete(sealed_values).where(
                v.ledger_id == vault.ledger_id, v.person_id == key.person_id, v.field == field
            )
        )
        row = registration.value_row(vault, key, field, value, now)
        connection.execute(insert(sealed_values).values(ledger_id=vault.ledger_id, **row))
        for kind in INDEXED:
            if kind == field:
                connection.execute(
                    delete(blind_indexes).where(
                        i.ledger_id == vault.ledger_id, i.person_id == key.person_id, i.kind == kind
                    )
                )
                digest = vault.indexes.digest(kind, value)
                connection.execute(
                    insert(blind_indexes).values(
                        ledger_id=vault.ledger_id, kind=kind, digest=digest, person_id=key.person_id
                    )
                )


def _written(field: Corrected, value: str, today: date) -> str | Malformed:
    if field == "name":
        return identity.name(value)
    if field == "volunteer-number":
        return identity.volunteer_number(value)
    born = local_day(value)
    found = identity.birth_date(born or date.max, today)
    return found if isinstance(found, Malformed) else found.isoformat()
