"""Persons' keys and sealed values over a connection: written, opened, wrapped anew under another master key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, insert, select, update

from pointsbank.engine.ids import new_id
from pointsbank.people.master import MasterKeys
from pointsbank.people.refusals import MasterKeyInUse
from pointsbank.people.sealing import BlindIndexes, derive, new_key, seal, unseal, unwrap, wrap
from pointsbank.people.store_tables import person_keys, sealed_values, store_secrets
from pointsbank.store.questions import LEDGER, Question

T = TypeVar("T")

CHUNK: Final = 500
"""Most values in one list of a statement."""

_ROOT: Final = "index-root"

_k, _v = person_keys.c, sealed_values.c

_KEYS = Question(
    lambda one_of: select(_k.person_id, _k.key_id, _k.master_id, _k.wrapped).where(
        _k.ledger_id == LEDGER, one_of(_k.person_id, "people")
    )
)
_VALUES = Question(
    lambda one_of: select(_v.person_id, _v.field, _v.sealed).where(
        _v.ledger_id == LEDGER, one_of(_v.person_id, "people"), one_of(_v.field, "fields")
    )
)


@dataclass(frozen=True, slots=True)
class PersonKey:
    """One person's key, open."""

    person_id: str
    id: str
    secret: bytes = field(repr=False)
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", AESGCM(self.secret))


class Vault:
    """Seals and opens what belongs to persons of one ledger."""

    def __init__(self, ledger_id: int, keys: MasterKeys, root: bytes) -> None:
        self.ledger_id = ledger_id
        self.keys = keys
        self.indexes = BlindIndexes(root, ledger_id)
        self.nobody = PersonKey("", "ledger", derive(root, f"texts about nobody known, ledger {ledger_id}"))
        """Seals what came in about somebody whom nobody knows: it outlives every person, and stays in no database."""

    def fresh_key(self, person_id: str, now: int) -> tuple[PersonKey, dict[str, Any]]:
        """A new key for a person, and the row that keeps it wrapped."""
        key = PersonKey(person_id, new_id(), new_key())
        master = self.keys.current
        row = {
            "ledger_id": self.ledger_id,
            "person_id": person_id,
            "key_id": key.id,
            "master_id": master.id,
            "wrapped": wrap(master, key.secret, _about_key(self.ledger_id, person_id, key.id)),
            "wrapped_at": now,
        }
        return key, row

    def keys_of(self, connection: Connection, person_ids: Iterable[str]) -> dict[str, PersonKey]:
        """The keys of persons. Who is forgotten has none. Raises MasterKeyError, SealBroken."""
        rows = _KEYS.rows(connection, self.ledger_id, people=set(person_ids))
        return {row[0]: self.key_in(*row) for row in rows}

    def key_in(self, person_id: str, key_id: str, master_id: str, wrapped: bytes) -> PersonKey:
        """The key in a row of keys. Raises MasterKeyError, SealBroken."""
        about = _about_key(self.ledger_id, person_id, key_id)
        return PersonKey(person_id, key_id, unwrap(self.keys, master_id, wrapped, about))

    def seal(self, key: PersonKey, what: str, value: str, nonce: bytes = b"") -> bytes:
        """A value under a person's key, bound to the ledger, the person, the field and the key."""
        return seal(key.cipher, value.encode(errors="surrogatepass"), self._about(key, what), nonce)

    def open(self, key: PersonKey, what: str, sealed: bytes) -> str:
        """The value that was sealed for this person and field. Raises SealBroken."""
        return unseal(key.cipher, sealed, self._about(key, what)).decode(errors="surrogatepass")

    def values_of(
        self, connection: Connection, person_ids: Iterable[str], fields: Collection[str]
    ) -> dict[str, dict[str, str]]:
        """Fields of persons in plain, by person and field; what is not on file is not listed."""
        keys = self.keys_of(connection, person_ids)
        found: dict[str, dict[str, str]] = {person_id: {} for person_id in keys}
        rows = _VALUES.rows(connection, self.ledger_id, people=keys, fields=fields)
        for person_id, what, sealed in rows:
            found[person_id][what] = self.open(keys[person_id], what, sealed)
        return found

    def _about(self, key: PersonKey, what: str) -> tuple[str, ...]:
        return ("value", str(self.ledger_id), key.person_id, what, key.id)


def index_root(connection: Connection, ledger_id: int, keys: MasterKeys) -> bytes | None:
    """The root of the blind indexes, None if the store has none yet. Raises MasterKeyError, SealBroken."""
    t = store_secrets.c
    row = connection.execute(
        select(t.master_id, t.wrapped).where(t.ledger_id == ledger_id, t.name == _ROOT)
    ).one_or_none()
    return None if row is None else unwrap(keys, row[0], row[1], _about_secret(ledger_id, _ROOT))


def make_index_root(connection: Connection, ledger_id: int, keys: MasterKeys, now: int) -> None:
    """Give a new store its root. Raises IntegrityError if another process was first."""
    wrapped = wrap(keys.current, new_key(), _about_secret(ledger_id, _ROOT))
    connection.execute(
        insert(store_secrets).values(
            ledger_id=ledger_id, name=_ROOT, master_id=keys.current.id, wrapped=wrapped, created_at=now
        )
    )


def rewrap(connection: Connection, keys: MasterKeys, now: int, limit: int = CHUNK) -> int:
    """Wrap up to `limit` keys of any ledger anew that are not under the current master key. 0 when all are."""
    current, t = keys.current, person_keys.c
    query = (
        select(t.ledger_id, t.person_id, t.key_id, t.master_id, t.wrapped)
        .where(t.master_id != current.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    for ledger_id, person_id, key_id, master_id, wrapped in rows:
        about = _about_key(ledger_id, person_id, key_id)
        connection.execute(
            update(person_keys)
            .where(t.ledger_id == ledger_id, t.person_id == person_id, t.master_id == master_id)
            .values(
                master_id=current.id,
                wrapped=wrap(current, unwrap(keys, master_id, wrapped, about), about),
                wrapped_at=now,
            )
        )
    return len(rows) or _rewrap_secrets(connection, keys)


def under_other_keys(connection: Connection, master_id: str) -> int:
    """How many keys and secrets of all ledgers are wrapped under another master key than this."""
    return sum(
        connection.execute(
            select(func.count()).select_from(table).where(table.c.master_id != master_id)
        ).scalar_one()
        for table in (person_keys, store_secrets)
    )


def may_retire(connection: Connection, keys: MasterKeys, master_id: str) -> MasterKeyInUse | None:
    """Whether a master key may be thrown away: it does not seal, and nothing of any ledger is under it."""
    if master_id == keys.current.id:
        return MasterKeyInUse(master_id, 0)
    count = sum(
        connection.execute(
            select(func.count()).select_from(table).where(table.c.master_id == master_id)
        ).scalar_one()
        for table in (person_keys, store_secrets)
    )
    return MasterKeyInUse(master_id, count) if count else None


def _rewrap_secrets(connection: Connection, keys: MasterKeys) -> int:
    current, t = keys.current, store_secrets.c
    query = select(t.ledger_id, t.name, t.master_id, t.wrapped).where(t.master_id != current.id)
    rows = connection.execute(query).all()
    for ledger_id, name, master_id, wrapped in rows:
        about = _about_secret(ledger_id, name)
        connection.execute(
            update(store_secrets)
            .where(t.ledger_id == ledger_id, t.name == name)
            .values(
                master_id=current.id,
                wrapped=wrap(current, unwrap(keys, master_id, wrapped, about), about),
            )
        )
    return len(rows)


def chunks(values: Sequence[T]) -> Iterable[Sequence[T]]:
    """Parts of a list that are short enough for one statement."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _about_secret(ledger_id: int, name: str) -> tuple[str, ...]:
    return ("secret", str(ledger_id), name)


def _about_key(ledger_id: int, person_id: str, key_id: str) -> tuple[str, ...]:
    return ("key", str(ledger_id), person_id, key_id)
