"""The people of a ledger: registered, found by whole numbers, shown masked, unmasked with a reason, frozen.

Every verb is told who acts (`by`, a person's id, or the id of a machine source). Whether they may is decided before,
by whoever knows rights; what needs a right beyond that is a parameter here, and no by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from pointsbank.people import consents as consenting
from pointsbank.people import identity, registration
from pointsbank.people.access_log import DAY, admit_search, discard, flags, note, seen
from pointsbank.people.aliases import surviving
from pointsbank.people.identity import Malformed
from pointsbank.people.model import (
    ID_NUMBER_PURPOSE,
    Contents,
    Found,
    NewPerson,
    Profile,
    Registered,
    RiskFlag,
    Role,
    SearchLimits,
    Seen,
)
from pointsbank.people.refusals import (
    ConsentMissing,
    MinorProtected,
    PersonDataInvalid,
    PersonExists,
    PersonNotActive,
    ReasonNeeded,
    SearchLimitReached,
    UnknownPerson,
    UnmaskingNotPermitted,
)
from pointsbank.people.sealing import IndexKind
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import blind_indexes, person_roles, persons, sealed_values
from pointsbank.people.vault import PersonKey, chunks
from pointsbank.policy.calendar import city_day

Shown = Literal["name", "phone", "volunteer-number", "birth", "id-number"]

SHORTEST_KEPT = 183 * DAY
"""The log is kept for six months at least. Source: Cybersecurity Law, article 21."""

PLAIN = ("name", "phone", "volunteer-number", "birth")


class Revealed(Contents, frozen=True):
    """One value in full."""

    person_id: str
    field: str
    value: str


class Registry:
    """The desk of the people store."""

    def __init__(
        self, store: PeopleStore, *, zone: str = "Asia/Shanghai", limits: SearchLimits | None = None
    ) -> None:
        self.store = store
        self.zone = zone
        self.limits = limits or SearchLimits()

    def today(self) -> date:
        """The city's date now."""
        return city_day(self.store.clock.now(), self.zone)

    async def register(self, person: NewPerson, by: str) -> Registered | PersonDataInvalid | PersonExists:
        """Put somebody on file. The same ID or volunteer number is refused; a shared phone is a hint."""
        return (await self.register_all([person], by))[0]

    async def register_all(
        self, people: Sequence[NewPerson], by: str
    ) -> list[Registered | PersonDataInvalid | PersonExists]:
        """Put many people on file in one transaction; each has its own outcome, in the order given."""
        now, today, vault = self.store.clock.now(), self.today(), self.store.vault
        outcomes = [registration.checked(person, vault, today) for person in people]
        sound = [one for one in outcomes if isinstance(one, registration.Checked)]
        if not sound:
            return [one for one in outcomes if isinstance(one, PersonDataInvalid)]
        done = iter(await self.store.write(lambda c: registration.register(c, vault, sound, by, now)))
        return [one if isinstance(one, PersonDataInvalid) else next(done) for one in outcomes]

    async def find(
        self, kind: IndexKind, number: str, by: str, *, serves: bool = False
    ) -> list[Found] | PersonDataInvalid | SearchLimitReached:
        """Who has this whole number. Counted and logged whether somebody is found or not.

        A phone may give several; a volunteer or ID number gives at most one. With `serves`, of a till with a queue
        before it, who is found is a visit, logged like all that is seen, and only misses count.
        """
        written = self._written(kind, number)
        if isinstance(written, Malformed):
            return registration.invalid(written)
        now, digest = self.store.clock.now(), self.store.vault.indexes.digest(kind, written)
        return await self.store.write(lambda c: self._find(c, kind, digest, by, now, serves=serves))

    async def profile(
        self, person_id: str, by: str, *, reason: str = "", may_open_minors: bool = False
    ) -> Profile | UnknownPerson | MinorProtected | ReasonNeeded:
        """A person, masked. Of somebody under 18 it needs a right of its own and a reason. Logged."""
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._profile(c, person_id, by, now, reason, may_open_minors))

    async def masked_names(self, person_ids: Iterable[str]) -> dict[str, str]:
        """Masked names by person, for lists and the counter; who is forgotten is not among them."""
        wanted = list(person_ids)
        values = await self.store.read(lambda c: self.store.vault.values_of(c, wanted, ("name",)))
        return {person: identity.masked_name(v["name"]) for person, v in values.items() if "name" in v}

    async def unmask(
        self,
        person_id: str,
        field: Shown,
        by: str,
        *,
        permitted: bool = False,
        reason: str = "",
        may_open_minors: bool = False,
    ) -> Revealed | UnknownPerson | UnmaskingNotPermitted | ReasonNeeded | MinorProtected | ConsentMissing:
        """One value in full, for who is `permitted` and says why. Logged before it is told."""
        if not permitted:
            return UnmaskingNotPermitted(field)
        if not reason.strip():
            return ReasonNeeded()
        now = self.store.clock.now()
        return await self.store.write(
            lambda c: self._unmask(c, person_id, field, by, now, reason.strip(), may_open_minors)
        )

    async def keep_id_number(
        self, person_id: str, number: str, by: str
    ) -> UnknownPerson | PersonDataInvalid | PersonExists | ConsentMissing | None:
        """Keep somebody's ID number itself, which only a consent to insurance allows."""
        found = identity.id_number(number, self.today())
        if isinstance(found, Malformed):
            return registration.invalid(found)
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._keep_id_number(c, person_id, found.number, by, now))

    async def add_role(self, person_id: str, role: Role) -> UnknownPerson | PersonNotActive | None:
        """Note that somebody on file is also a volunteer, staff, a guardian or a helper. No right follows from it."""
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._add_role(c, person_id, role, now))

    async def freeze(self, person_id: str, by: str) -> UnknownPerson | PersonNotActive | None:
        """Stop everything that this person could do, at once. One member of staff is enough."""
        now = self.store.clock.now()
        return await self.store.write(lambda c: self._freeze(c, person_id, by, now))

    async def state(self, person_id: str) -> str | None:
        """Whether somebody is active, frozen, closing or closed; None if unknown."""
        return await self.store.read(lambda c: self._state(c, person_id))

    async def is_active_staff(self, person_id: str) -> bool:
        """Whether somebody is on file as a member of staff and not frozen or closed."""
        return await self._staff(persons.c.person_id == person_id)

    async def has_staff(self) -> bool:
        """Whether any member of staff is on file."""
        return await self._staff(persons.c.state == "active")

    async def person_ids(self, kind: IndexKind, numbers: Iterable[str]) -> dict[str, list[str]]:
        """Person ids by number as given. For services that bring in files; never behind a search box.

        Of a merged person it is the surviving id. Numbers that nobody has, or that are not well formed, are not listed.
        """
        digests = {
            number: self.store.vault.indexes.digest(kind, written)
            for number in numbers
            if not isinstance(written := self._written(kind, number), Malformed)
        }
        pairs: list[tuple[IndexKind, bytes]] = [(kind, digest) for digest in sorted(set(digests.values()))]

        def work(connection: Connection) -> dict[tuple[str, bytes], list[str]]:
            found = registration.holders(connection, self.store.vault, pairs)
            held = {one for ids in found.values() for one in ids}
            merged = surviving(connection, self.store.ledger_id, held)
            return {at: list(dict.fromkeys(merged.get(one, one) for one in ids)) for at, ids in found.items()}

        found = await self.store.read(work)
        return {number: found[kind, digest] for number, digest in digests.items() if (kind, digest) in found}

    async def volunteer_numbers(self, person_ids: Iterable[str], by: str, reason: str) -> dict[str, str]:
        """Volunteer numbers by person, for reports that go out under numbers. One line of the log for all."""
        wanted, now, vault = list(person_ids), self.store.clock.now(), self.store.vault

        def work(connection: Connection) -> dict[str, dict[str, str]]:
            note(connection, vault, at=now, actor=by, action="numbers", field=reason)
            return vault.values_of(connection, wanted, ("volunteer-number",))

        values = await self.store.write(work)
        return {p: v["volunteer-number"] for p, v in values.items() if "volunteer-number" in v}

    async def birth_dates(self, person_ids: Iterable[str]) -> dict[str, date]:
        """Birth dates by person, for rules of age. They are told to rules, not to people."""
        wanted = list(person_ids)
        values = await self.store.read(lambda c: self.store.vault.values_of(c, wanted, ("birth",)))
        return {p: date.fromisoformat(v["birth"]) for p, v in values.items() if "birth" in v}

    async def who_saw(self, person_id: str, limit: int = 100) -> list[Seen]:
        """Who saw this person, when and why; newest first."""
        return await self.store.read(lambda c: seen(c, self.store.vault, person_id=person_id, limit=limit))

    async def seen_by(self, actor: str, limit: int = 100) -> list[Seen]:
        """What somebody looked at; newest first."""
        return await self.store.read(lambda c: seen(c, self.store.vault, actor=actor, limit=limit))

    async def discard_log(self, before: int) -> int:
        """Delete what the log and the flags hold from before a moment: a policy says how long they are kept."""
        latest = min(before, self.store.clock.now() - SHORTEST_KEPT)
        return await self.store.write(lambda c: discard(c, self.store.ledger_id, latest))

    async def risk_flags(self, since: int = 0, limit: int = 100) -> list[RiskFlag]:
        """What an auditor should look at."""
        return await self.store.read(lambda c: flags(c, self.store.ledger_id, since, limit))

    async def _staff(self, condition: ColumnElement[bool]) -> bool:
        p, r = persons.c, person_roles.c
        same = and_(r.ledger_id == p.ledger_id, r.person_id == p.person_id)
        query = (
            select(p.person_id)
            .select_from(persons.join(person_roles, same))
            .where(p.ledger_id == self.store.ledger_id, p.state == "active", r.role == "staff", condition)
            .limit(1)
        )
        return await self.store.read(lambda c: c.execute(query).first()) is not None

    def _written(self, kind: IndexKind, number: str) -> str | Malformed:
        if kind == "phone":
            return identity.phone(number)
        if kind == "volunteer-number":
            return identity.volunteer_number(number)
        found = identity.id_number(number, self.today())
        return found if isinstance(found, Malformed) else found.number

    def _find(
        self, connection: Connection, kind: IndexKind, digest: bytes, by: str, now: int, *, serves: bool
    ) -> list[Found] | SearchLimitReached:
        vault = self.store.vault
        refused = admit_search(connection, self.store.ledger_id, by, now, self.limits, self.zone)
        if refused is not None:
            return refused
        held = registration.holders(connection, vault, [(kind, digest)]).get((kind, digest), [])
        merged = surviving(connection, vault.ledger_id, held)
        ids = list(dict.fromkeys(merged.get(one, one) for one in held))
        keys = vault.keys_of(connection, ids)
        values = vault.values_of(connection, ids, ("name", "birth"))
        states = self._states(connection, ids)
        # one search is one line for the count; the others of a family are seen in it too
        note(
            connection,
            vault,
            at=now,
            actor=by,
            action="visit" if serves and ids else "find",
            field=kind,
            person=keys.get(ids[0]) if ids else None,
        )
        for person_id in ids[1:]:
            note(connection, vault, at=now, actor=by, action="found", field=kind, person=keys.get(person_id))
        return [
            Found(
                person_id,
                states.get(person_id, ""),
                identity.masked_name(values[person_id].get("name", "")),
                self._band(values[person_id]),
            )
            for person_id in ids
            if person_id in values
        ]

    def _profile(
        self, connection: Connection, person_id: str, by: str, now: int, reason: str, may_open_minors: bool
    ) -> Profile | UnknownPerson | MinorProtected | ReasonNeeded:
        vault = self.store.vault
        state = self._state(connection, person_id)
        key = vault.keys_of(connection, [person_id]).get(person_id)
        if state is None or key is None:
            return UnknownPerson(person_id)
        values = vault.values_of(connection, [person_id], (*PLAIN, "id-number"))[person_id]
        minor = self._is_minor(values)
        if minor and not may_open_minors:
            return MinorProtected(person_id)
        if minor and not reason.strip():
            return ReasonNeeded()
        note(connection, vault, at=now, actor=by, action="profile", person=key, reason=reason.strip())
        t = person_roles.c
        roles = connection.execute(
            select(t.role).where(t.ledger_id == vault.ledger_id, t.person_id == person_id).order_by(t.role)
        ).scalars()
        i = blind_indexes.c
        has_id = connection.execute(
            select(i.kind).where(
                i.ledger_id == vault.ledger_id, i.person_id == person_id, i.kind == "id-number"
            )
        ).first()
        return Profile(
            person_id,
            state,
            tuple(roles),
            identity.masked_name(values.get("name", "")),
            identity.masked_phone(values["phone"]) if "phone" in values else "",
            identity.masked_number(values["volunteer-number"]) if "volunteer-number" in values else "",
            has_id is not None,
            self._band(values),
            minor,
            tuple(consenting.purposes_in_force(connection, vault, person_id, self.today(), self.zone)),
        )

    def _unmask(
        self,
        connection: Connection,
        person_id: str,
        field: Shown,
        by: str,
        now: int,
        reason: str,
        may_open_minors: bool,
    ) -> Revealed | UnknownPerson | MinorProtected | ConsentMissing:
        vault = self.store.vault
        key = vault.keys_of(connection, [person_id]).get(person_id)
        if key is None:
            return UnknownPerson(person_id)
        values = vault.values_of(connection, [person_id], {field, "birth"})[person_id]
        if self._is_minor(values) and not may_open_minors:
            return MinorProtected(person_id)
        if field == "id-number":
            in_force = consenting.purposes_in_force(connection, vault, person_id, self.today(), self.zone)
            if ID_NUMBER_PURPOSE not in in_force:
                return ConsentMissing(ID_NUMBER_PURPOSE)
        note(connection, vault, at=now, actor=by, action="unmask", field=field, person=key, reason=reason)
        return Revealed(person_id, field, values.get(field, ""))

    def _keep_id_number(
        self, connection: Connection, person_id: str, number: str, by: str, now: int
    ) -> UnknownPerson | PersonExists | ConsentMissing | None:
        vault = self.store.vault
        key = vault.keys_of(connection, [person_id]).get(person_id)
        if key is None:
            return UnknownPerson(person_id)
        in_force = consenting.purposes_in_force(connection, vault, person_id, self.today(), self.zone)
        if ID_NUMBER_PURPOSE not in in_force:
            return ConsentMissing(ID_NUMBER_PURPOSE)
        digest = vault.indexes.digest("id-number", number)
        holder = registration.holders(connection, vault, [("id-number", digest)]).get(
            ("id-number", digest), []
        )
        if holder and holder != [person_id]:
            note(connection, vault, at=now, actor=by, action="duplicate", field="id-number", person=key)
            return PersonExists("id-number", holder[0])
        self._put(connection, key, "id-number", number, now)
        if not holder:
            connection.execute(
                delete(blind_indexes).where(
                    blind_indexes.c.ledger_id == vault.ledger_id,
                    blind_indexes.c.person_id == person_id,
                    blind_indexes.c.kind == "id-number",
                )
            )
            connection.execute(
                insert(blind_indexes).values(
                    ledger_id=vault.ledger_id, kind="id-number", digest=digest, person_id=person_id
                )
            )
        return None

    def _put(self, connection: Connection, key: PersonKey, field: str, value: str, now: int) -> None:
        t, vault = sealed_values.c, self.store.vault
        connection.execute(
            delete(sealed_values).where(
                t.ledger_id == vault.ledger_id, t.person_id == key.person_id, t.field == field
            )
        )
        row = registration.value_row(vault, key, field, value, now)
        connection.execute(insert(sealed_values).values(ledger_id=vault.ledger_id, **row))

    def _add_role(
        self, connection: Connection, person_id: str, role: Role, now: int
    ) -> UnknownPerson | PersonNotActive | None:
        state, t = self._state(connection, person_id), person_roles.c
        if state is None or state == "closed":
            return UnknownPerson(person_id)
        if state != "active":
            return PersonNotActive(person_id, state)
        here = (t.ledger_id == self.store.ledger_id, t.person_id == person_id, t.role == role)
        if connection.execute(select(t.role).where(*here)).first() is None:
            connection.execute(
                insert(person_roles).values(
                    ledger_id=self.store.ledger_id, person_id=person_id, role=role, since=now
                )
            )
        return None

    def _freeze(
        self, connection: Connection, person_id: str, by: str, now: int
    ) -> UnknownPerson | PersonNotActive | None:
        t = persons.c
        changed = connection.execute(
            update(persons)
            .where(t.ledger_id == self.store.ledger_id, t.person_id == person_id, t.state == "active")
            .values(state="frozen", changed_at=now, changed_by=by)
        ).rowcount
        if changed:
            return None
        state = self._state(connection, person_id)
        if state is None:
            return UnknownPerson(person_id)
        return None if state == "frozen" else PersonNotActive(person_id, state)

    def _state(self, connection: Connection, person_id: str) -> str | None:
        return self._states(connection, [person_id]).get(person_id)

    def _states(self, connection: Connection, person_ids: Sequence[str]) -> dict[str, str]:
        t = persons.c
        found: dict[str, str] = {}
        for some in chunks(person_ids):
            query = select(t.person_id, t.state).where(
                t.ledger_id == self.store.ledger_id, t.person_id.in_(some)
            )
            found.update((person, state) for person, state in connection.execute(query))
        return found

    def _band(self, values: dict[str, str]) -> str:
        born = values.get("birth")
        return identity.age_band(date.fromisoformat(born), self.today()) if born else ""

    def _is_minor(self, values: dict[str, str]) -> bool:
        born = values.get("birth")
        return born is not None and self.today() < identity.turns(date.fromisoformat(born), identity.FULL_AGE)
