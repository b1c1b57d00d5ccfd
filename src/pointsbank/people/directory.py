"""The people of an open ledger: volunteers by number, and the seals and hashes for what is written about them.

The ledger's database holds random ids. Whoever brings something in under volunteer numbers asks here first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, and_, insert, select

from pointsbank.engine.commands import Command
from pointsbank.engine.ids import new_id
from pointsbank.engine.registry import Ledger
from pointsbank.engine.writer import Result
from pointsbank.people import identity, registration
from pointsbank.people.access_log import note
from pointsbank.people.aliases import surviving
from pointsbank.people.identity import Malformed
from pointsbank.people.model import NewPerson, Registered
from pointsbank.people.refusals import PersonDataInvalid, PersonExists
from pointsbank.people.registration import Checked
from pointsbank.people.sealing import SealBroken
from pointsbank.people.store import PeopleStore
from pointsbank.people.store_tables import (
    blind_indexes,
    person_keys,
    person_roles,
    persons,
    sealed_values,
)
from pointsbank.people.vault import PersonKey, Vault, chunks
from pointsbank.people.volunteers import PEOPLE, Volunteer
from pointsbank.people.volunteers import registration as registration_draft
from pointsbank.policy.calendar import city_day
from pointsbank.store.questions import LEDGER, Question

NUMBER: Final = "volunteer-number"

MOST_KNOWN: Final = 200_000
"""People whom a load remembers before it begins anew."""

_n, _k, _v, _p = blind_indexes.c, person_keys.c, sealed_values.c, persons.c
_BIRTH = and_(_v.ledger_id == LEDGER, _v.person_id == _k.person_id, _v.field == "birth")

_BY_DIGEST = Question(
    lambda one_of: (
        select(_n.digest, _n.person_id, _p.state, _k.key_id, _k.master_id, _k.wrapped, _v.sealed)
        .join(persons, and_(_p.ledger_id == LEDGER, _p.person_id == _n.person_id))
        .outerjoin(person_keys, and_(_k.ledger_id == LEDGER, _k.person_id == _n.person_id))
        .outerjoin(sealed_values, _BIRTH)
        .where(_n.ledger_id == LEDGER, _n.kind == NUMBER, one_of(_n.digest, "digests"))
    )
)
"""Who holds numbers, with key and birth date in one way to the store and back: a till asks it for each basket."""

_BY_ID = Question(
    lambda one_of: (
        select(_k.person_id, _k.key_id, _k.master_id, _k.wrapped, _v.sealed)
        .outerjoin(sealed_values, _BIRTH)
        .where(_k.ledger_id == LEDGER, one_of(_k.person_id, "people"))
    )
)

_OPEN: WeakKeyDictionary[Ledger, Directory] = WeakKeyDictionary()


def directory_of(ledger: Ledger) -> Directory:
    """The people of a ledger that was opened with them."""
    directory = _OPEN.get(ledger)
    assert directory is not None, "the ledger was opened without its people"
    return directory


@asynccontextmanager
async def with_people(
    ledger: Ledger,
    store: PeopleStore,
    *,
    exact: bool = False,
    remembers: bool = False,
    zone: str = "Asia/Shanghai",
) -> AsyncIterator[Directory]:
    """Open the people store of a ledger, and let the ledger's rooms find people in it.

    `exact` and `remembers` are for loads: see `Directory`. Raises SchemaOutOfDate, MasterKeyError.
    """
    try:
        await store.open()
        directory = _OPEN[ledger] = Directory(store, exact=exact, remembers=remembers, zone=zone)
        yield directory
    finally:
        _OPEN.pop(ledger, None)
        await store.close()


class Directory:
    """Finds people by number, and seals what is written about them.

    With `exact` numbers are what their files say, whatever they look like: a replay's. Elsewhere they have one written
    form. With `remembers` whom it found it knows for as long as it lives: for loads, while nobody's account is closed.
    """

    def __init__(
        self, store: PeopleStore, *, exact: bool = False, remembers: bool = False, zone: str = "Asia/Shanghai"
    ) -> None:
        self.store = store
        self._exact = exact
        self._known: dict[str, Volunteer] | None = {} if remembers else None
        self._zone = zone

    @property
    def remembers(self) -> bool:
        """Whether whom it found it knows without looking again."""
        return self._known is not None

    async def by_number(self, numbers: Iterable[str]) -> dict[str, Volunteer]:
        """People by volunteer number as given; a number that nobody has is not listed.

        Of a merged person it is the one who goes on. Whether they are volunteers of the ledger the ledger says.
        """
        wanted = set(numbers)
        found: dict[str, Volunteer] = {}
        if self._known is not None:
            found = {number: self._known[number] for number in wanted & self._known.keys()}
            wanted -= found.keys()
        by_digest: dict[bytes, list[str]] = {}
        for number in wanted:  # two spellings of one number are one number
            if written := self._written(number):
                by_digest.setdefault(self._digest(written), []).append(number)
        if by_digest:
            people = await self.store.read(lambda c: self._load(c, sorted(by_digest)))
            found |= {number: person for digest, person in people.items() for number in by_digest[digest]}
            if self._known is not None:
                if len(self._known) > MOST_KNOWN:
                    self._known.clear()
                self._known |= found
        return found

    async def by_id(self, person_ids: Iterable[str]) -> dict[str, Volunteer]:
        """People by id, with birth date and key; who is forgotten is not listed."""
        wanted = sorted(set(person_ids))
        return await self.store.read(lambda c: self._people(c, wanted)) if wanted else {}

    async def numbers(self, person_ids: Iterable[str], by: str, reason: str) -> dict[str, str]:
        """Volunteer numbers by person, for what goes out under numbers. One line of the log for all."""
        wanted, now, vault = list(person_ids), self.store.clock.now(), self.store.vault

        def work(connection: Connection) -> dict[str, dict[str, str]]:
            note(connection, vault, at=now, actor=by, action="numbers", field=reason)
            return vault.values_of(connection, wanted, (NUMBER,))

        values = await self.store.write(work)
        return {person: v[NUMBER] for person, v in values.items() if NUMBER in v}

    async def enrol(
        self, ledger: Ledger, people: Sequence[NewPerson], client: str, actor: str
    ) -> list[Result | PersonDataInvalid]:
        """Register people as volunteers: first in the people store, then, by id, in the books.

        Who is on file under the number already keeps the id, so that it may be done again after an interruption.
        """
        ids = await self.register(people, actor or client)
        drafts = [
            registration_draft(id_, Command(client, f"volunteer:{id_}", actor))
            for id_ in ids
            if isinstance(id_, str)
        ]
        results = iter(await ledger.submit(drafts, PEOPLE) if drafts else [])
        return [next(results) if isinstance(id_, str) else id_ for id_ in ids]

    async def register(self, people: Sequence[NewPerson], by: str) -> list[str | PersonDataInvalid]:
        """Put people on file in one transaction; their ids, in the order given."""
        vault, now = self.store.vault, self.store.clock.now()
        today = city_day(now, self._zone)
        on_file = await self.by_number(person.volunteer_number for person in people)
        checked: list[str | Checked | PersonDataInvalid] = [
            known.id
            if (known := on_file.get(person.volunteer_number))
            else self._as_it_stands(person)
            if self._exact
            else registration.checked(person, vault, today)
            for person in people
        ]
        if on_file:  # somebody may be known as staff, or as a guardian
            born = {
                known.id: (known, person.born)
                for person in people
                if (known := on_file.get(person.volunteer_number)) and known.born is None and person.born
            }
            held = sorted({known.id for known in on_file.values()})
            await self.store.write(lambda c: _complete(c, vault, held, born, now))
        new = [one for one in checked if isinstance(one, Checked)]
        keys: dict[str, PersonKey] = {}
        outcomes = iter(
            await self.store.write(lambda c: registration.register(c, vault, new, by, now, keys))
            if new
            else []
        )
        ids = [_id_of(next(outcomes)) if isinstance(one, Checked) else one for one in checked]
        if self._known is not None:
            for person, id_ in zip(people, ids, strict=True):
                if isinstance(id_, str) and id_ in keys:
                    self._known[person.volunteer_number] = Volunteer(id_, person.born, keys[id_])
        return ids

    def request(self, *parts: str) -> bytes:
        """The hash of a command that carries personal data: without the people store nobody can guess it."""
        return self.store.vault.indexes.request_digest(*parts)[:16]

    def seal(self, person: Volunteer | None, what: str, text: str, nonce: bytes = b"") -> bytes:
        """Seal a text about somebody, or about nobody whom we know. `what` names the place where it belongs.

        Who seals many draws their nonces together (`NONCE_BYTES` random bytes, used once).
        """
        vault = self.store.vault
        key = vault.nobody if person is None else person.key
        assert key is not None, "who is written about was looked up in the people store"
        return vault.seal(key, f"text {what}", text, nonce)

    async def open(self, texts: Mapping[str, tuple[str, bytes]]) -> dict[str, str]:
        """Sealed texts by what they are: (person id, empty for nobody, sealed bytes). Of the forgotten none.

        A text that was written before its person was known is under nobody's key. Raises SealBroken.
        """
        vault = self.store.vault

        def work(connection: Connection) -> dict[str, str]:
            keys = vault.keys_of(connection, {person for person, _ in texts.values() if person})
            opened = {}
            for what, (person, sealed) in texts.items():
                key = keys.get(person) if person else vault.nobody
                if key is not None:
                    opened[what] = vault.open(key, f"text {what}", sealed)
            return opened

        return await self.store.read(work)

    def _written(self, number: str) -> str:
        """The one written form of a number; empty if it can be nobody's."""
        if self._exact:
            return number
        written = identity.volunteer_number(number)
        return "" if isinstance(written, Malformed) else written

    def _digest(self, number: str) -> bytes:
        return self.store.vault.indexes.digest(NUMBER, number)

    def _as_it_stands(self, person: NewPerson) -> Checked:
        values = {NUMBER: person.volunteer_number}
        if person.born is not None:
            values["birth"] = person.born.isoformat()
        return Checked(
            person.person_id or new_id(), person.role, values, {NUMBER: self._digest(person.volunteer_number)}
        )

    def _load(self, connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Volunteer]:
        ledger_id = self.store.ledger_id
        found: dict[bytes, Volunteer] = {}
        merged: dict[bytes, str] = {}
        for some in chunks(digests):
            for digest, holder, state, *row in _BY_DIGEST.rows(connection, ledger_id, digests=some):
                if state == "merged":
                    merged[bytes(digest)] = holder
                elif row[0] is not None:
                    found[bytes(digest)] = self._volunteer(holder, *row)
        if merged:
            into = surviving(connection, ledger_id, set(merged.values()))
            people = self._people(connection, into.values())
            found |= {digest: people[id_] for digest, one in merged.items() if (id_ := into[one]) in people}
        return found

    def _people(self, connection: Connection, person_ids: Iterable[str]) -> dict[str, Volunteer]:
        rows = _BY_ID.rows(connection, self.store.ledger_id, people=set(person_ids))
        return {row[0]: self._volunteer(*row) for row in rows}

    def _volunteer(
        self, person_id: str, key_id: str, master_id: str, wrapped: bytes, birth: bytes | None
    ) -> Volunteer:
        vault = self.store.vault
        key = vault.key_in(person_id, key_id, master_id, wrapped)
        born = None if birth is None else date.fromisoformat(vault.open(key, "birth", birth))
        return Volunteer(person_id, born, key)


def _complete(
    connection: Connection,
    vault: Vault,
    person_ids: Sequence[str],
    born: Mapping[str, tuple[Volunteer, date]],
    now: int,
) -> None:
    """Note that people on file are volunteers, and birth dates that were not known; none is changed here."""
    t, ledger_id = person_roles.c, vault.ledger_id
    values = [
        {"ledger_id": ledger_id} | registration.value_row(vault, known.key, "birth", day.isoformat(), now)
        for known, day in born.values()
        if known.key is not None
    ]
    if values:
        connection.execute(insert(sealed_values), values)
    for some in chunks(person_ids):
        here = (t.ledger_id == ledger_id, t.person_id.in_(some), t.role == "volunteer")
        have = set(connection.execute(select(t.person_id).where(*here)).scalars())
        rows = [
            {"ledger_id": ledger_id, "person_id": id_, "role": "volunteer", "since": now}
            for id_ in some
            if id_ not in have
        ]
        if rows:
            connection.execute(insert(person_roles), rows)


def _id_of(outcome: Registered | PersonExists) -> str:
    return outcome.person_id if isinstance(outcome, Registered) else outcome.person


__all__ = ["Directory", "SealBroken", "directory_of", "with_people"]
