"""Consents by purpose and date: given, withdrawn, never overwritten. Withdrawing stops new acts and undoes none.

Under 14 a recorded guardian consents; such a consent ends on the fourteenth birthday and is asked anew.
"""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people.identity import GUARDED_AGE, turns
from pointsbank.people.links import guardians_of
from pointsbank.people.model import ID_NUMBER_PURPOSE, Purpose
from pointsbank.people.refusals import GuardianMustConsent, UnknownConsent, UnknownPerson
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import consents, sealed_values
from pointsbank.people.vault import Vault
from pointsbank.policy.calendar import city_day


class Consent(msgspec.Struct, frozen=True):
    """One consent. Times in microseconds UTC, `withdrawn_at` 0 while it was not withdrawn.

    `given_by` is who consented: the person, or a guardian; `taken_by` the member of staff who took it down.
    """

    id: str
    person_id: str
    purpose: str
    wording: str
    given_at: int
    given_by: str
    taken_by: str
    withdrawn_at: int
    withdrawn_by: str


class Consents:
    """Takes consents down and answers whether one is in force."""

    def __init__(self, store: PeopleStore, *, zone: str = "Asia/Shanghai") -> None:
        self.store = store
        self.zone = zone

    async def give(
        self, person_id: str, purpose: Purpose, *, wording: str, given_by: str, taken_by: str
    ) -> Consent | UnknownPerson | GuardianMustConsent:
        """Take a consent down. `wording` names the text that was agreed to, by its version."""
        now = self.store.clock.now()
        consent = Consent(new_id(), person_id, purpose, wording, now, given_by, taken_by, 0, "")
        return await self.store.write(lambda c: self._give(c, consent))

    async def withdraw(self, person_id: str, consent_id: str, by: str) -> UnknownConsent | None:
        """End a consent from now on. An ID number that was kept for it is deleted in the same moment."""
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._withdraw(c, person_id, consent_id, by, now))

    async def in_force(self, person_id: str, purpose: Purpose, on: date | None = None) -> bool:
        """Whether a consent to this purpose stands on a day of the city (without one: now)."""
        day = on or city_day(self.store.clock.now(), self.zone)
        found = await self.store.read(
            lambda c: purposes_in_force(c, self.store.vault, person_id, day, self.zone)
        )
        return purpose in found

    async def history(self, person_id: str) -> list[Consent]:
        """Every consent that was ever given, oldest first."""
        return await self.store.read(lambda c: history(c, self.store.ledger_id, person_id))

    def _give(
        self, connection: Connection, consent: Consent
    ) -> Consent | UnknownPerson | GuardianMustConsent:
        vault = self.store.vault
        values = vault.values_of(connection, [consent.person_id], ("birth",))
        if consent.person_id not in values:
            return UnknownPerson(consent.person_id)
        day = city_day(consent.given_at, self.zone)
        born = values[consent.person_id].get("birth")
        is_guarded = born is not None and day < turns(date.fromisoformat(born), GUARDED_AGE)
        by_self = consent.given_by == consent.person_id
        if is_guarded or not by_self:
            guardians = guardians_of(connection, vault.ledger_id, consent.person_id, day, consent.given_at)
            if consent.given_by not in guardians:
                return GuardianMustConsent(consent.person_id)
        fields = msgspec.structs.asdict(consent)
        fields["consent_id"] = fields.pop("id")
        connection.execute(insert(consents).values(ledger_id=vault.ledger_id, **fields))
        return consent

    def _withdraw(
        self, connection: Connection, person_id: str, consent_id: str, by: str, now: int
    ) -> UnknownConsent | None:
        t, ledger_id = consents.c, self.store.ledger_id
        purpose = connection.execute(
            select(t.purpose).where(
                t.ledger_id == ledger_id,
                t.person_id == person_id,
                t.consent_id == consent_id,
                t.withdrawn_at == 0,
            )
        ).scalar()
        if purpose is None:
            return UnknownConsent(consent_id)
        connection.execute(
            update(consents)
            .where(t.ledger_id == ledger_id, t.person_id == person_id, t.consent_id == consent_id)
            .values(withdrawn_at=now, withdrawn_by=by)
        )
        day = city_day(now, self.zone)
        still = purposes_in_force(connection, self.store.vault, person_id, day, self.zone)
        if purpose == ID_NUMBER_PURPOSE and purpose not in still:
            v = sealed_values.c
            connection.execute(
                delete(sealed_values).where(
                    v.ledger_id == ledger_id, v.person_id == person_id, v.field == "id-number"
                )
            )
        return None


def purposes_in_force(
    connection: Connection, vault: Vault, person_id: str, day: date, zone: str
) -> list[str]:
    """The purposes to which a person consents on a day; a day on which a consent is withdrawn no longer counts."""
    values = vault.values_of(connection, [person_id], ("birth",)).get(person_id, {})
    born = values.get("birth")
    fourteenth = turns(date.fromisoformat(born), GUARDED_AGE) if born else date.min
    found = set()
    for consent in history(connection, vault.ledger_id, person_id):
        given = city_day(consent.given_at, zone)
        ended = consent.withdrawn_at and city_day(consent.withdrawn_at, zone) <= day
        outgrown = given < fourteenth <= day
        if given <= day and not ended and not outgrown:
            found.add(consent.purpose)
    return sorted(found)


def history(connection: Connection, ledger_id: int, person_id: str) -> list[Consent]:
    """Every consent of a person, oldest first."""
    t = consents.c
    query = (
        select(
            t.consent_id, t.person_id, t.purpose, t.wording, t.given_at, t.given_by, t.taken_by, t.withdrawn_at,
            t.withdrawn_by,
        )
        .where(t.ledger_id == ledger_id, t.person_id == person_id)
        .order_by(t.given_at, t.consent_id)
        .limit(1000)
    )  # fmt: skip
    return [Consent(*tuple(row)) for row in connection.execute(query)]
