"""Nouns of access: the actor, the role, the scopes, the API key and its text form.

An API key reads `pbk_<id>_<secret><check>`: the id (12 characters) names it in logs and lists, the secret
is 32 random bytes, the check (6 characters) tells a mistyped key without a look into the database. All in
base 62.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final, Literal, get_args
from zlib import crc32

import msgspec

Scope = Literal[
    "ledger:read",
    "journal:post",
    "reverse",
    "hours:submit",
    "hours:read",
    "hours:verify",
    "hours:object",
    "hours:decide",
    "cases:read",
    "cases:manage",
    "funds:read",
    "funds:manage",
    "activities:read",
    "activities:plan",
    "activities:approve",
    "attendance:record",
    "market:sell",
    "market:return",
    "market:read",
    "market:receive",
    "hours:release",
    "points:expire",
    "places:read",
    "places:manage",
    "people:read",
    "metrics:read",
    "keys:manage",
    "recognition:read",
    "recognition:decide",
    "sheets:issue",
    "sheets:read",
    "sheets:withdraw",
]
"""What a key may be allowed to do. No scope widens the chart: none credits a wallet by the generic route."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

StaffAction = Literal[
    "sessions:own",
    "password:own",
    "oidc:own",
    "staff:read",
    "staff:manage",
    "roles:propose",
    "roles:confirm",
    "roles:revoke",
    "roles:minors",
    "keys:own",
    "keys:confirm",
    "people:register",
    "people:minors",
    "people:audit",
    "people:unmask",
    "people:freeze",
    "people:propose",
    "people:confirm",
    "people:close",
    "cards:read",
    "terminals:manage",
    "terminals:confirm",
    "policies:read",
    "policies:manage",
]
"""What only a natural person does, logged in. No key has these as a scope, so no source ever gives a right."""

STAFF_ACTIONS: Final[tuple[StaffAction, ...]] = get_args(StaffAction)

SelfAction = Literal[
    "own:balance",
    "own:records",
    "own:object",
    "own:check-in",
    "own:redeem",
    "own:code",
    "own:data",
    "own:consents",
    "own:card",
    "own:session",
    "own:ward",
]
"""What volunteers, guardians and helpers do for themselves or a ward, in a session of their own."""

SELF_ACTIONS: Final[tuple[SelfAction, ...]] = get_args(SelfAction)

Owner = Literal["operator", "machine", "person"]
"""Whose a key is. `operator`: made before the ledger had staff; from the founding on it is a machine's."""

CITY: Final = ""
"""The place of a role that holds in the whole city."""

NEVER: Final = 0
"""`expires_at` of a key that does not expire."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX: Final = "pbk_"
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 43
_CHECK_LENGTH: Final = 6


class Grant(msgspec.Struct, frozen=True):
    """A role that somebody holds today, at a place and below it; the empty place is the whole city."""

    role: str
    place: str = CITY


class Actor(msgspec.Struct, frozen=True):
    """Who acts. `client` is on whose behalf, and owns the idempotency keys.

    `person` is the natural person, empty for a source without one: four eyes compare persons, never accounts
    or keys. `subject` is the row of the table of rights beside the roles: operator, machine-source or staff.
    """

    id: str
    client: str
    scopes: frozenset[str]
    person: str = ""
    subject: str = "operator"
    grants: tuple[Grant, ...] = ()
    session: str = ""
    """the session through which a person acts; empty for a key"""
    is_stepped_up: bool = False
    """whether the person has shown a code within the last minutes"""
    ward: str = ""
    """for whom a guardian or helper acts, by a recorded link"""

    @property
    def name(self) -> str:
        """How the journal names the actor."""
        return f"person:{self.person}" if self.person else f"key:{self.id}"

    @property
    def seen_as(self) -> str:
        """How the log of who saw whom names the actor: the natural person, or the key of nobody."""
        return self.person or self.id

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.grants)


class ApiKey(msgspec.Struct, frozen=True):
    """An API key as it is on file. Times are microseconds UTC; `expires_at` is 0 for never."""

    id: str
    client: str
    label: str
    scopes: frozenset[str]
    secret_hash: bytes
    created_at: int
    created_by: str
    expires_at: int
    state: str
    revoked_at: int
    owner: str = "operator"
    person: str = ""
    confirmed_by: str = ""
    grants: tuple[Grant, ...] = ()
    """the roles of the person whose key it is, on the day on which it was read"""

    def is_good(self, now: int) -> bool:
        """Whether the key opens anything at `now`."""
        return self.state == "active" and (self.expires_at == NEVER or now < self.expires_at)

    def fits(self, secret: str) -> bool:
        """Whether this is the key's secret; takes the same time whether it is or not."""
        return hmac.compare_digest(self.secret_hash, hash_of(secret))

    @property
    def actor(self) -> Actor:
        return Actor(self.id, self.client, self.scopes, self.person, _SUBJECTS[self.owner], self.grants)


_SUBJECTS: Final = {"operator": "operator", "machine": "machine-source", "person": "staff"}


def new_secret() -> str:
    """The secret of a new key: 32 random bytes in base 62."""
    return _base62(int.from_bytes(secrets.token_bytes(32), "big"), _SECRET_LENGTH)


def id_for(client: str, idempotency_key: str) -> str:
    """The id of the key that this command makes: the same command names the same key."""
    digest = sha256(b"pointsbank api key\0" + client.encode() + b"\0" + idempotency_key.encode()).digest()
    return _base62(int.from_bytes(digest[:8], "big"), _ID_LENGTH)


def token_of(key_id: str, secret: str) -> str:
    """The key as its holder gets it, once."""
    return f"{_PREFIX}{key_id}_{secret}{_check(key_id, secret)}"


def parse_token(token: str) -> tuple[str, str] | None:
    """Id and secret of a key's text, or None if it is no key or mistyped."""
    if len(token) != len(_PREFIX) + _ID_LENGTH + 1 + _SECRET_LENGTH + _CHECK_LENGTH or not token.startswith(
        _PREFIX
    ):
        return None
    key_id, underscore, rest = token[len(_PREFIX) :].partition("_")
    secret, check = rest[:_SECRET_LENGTH], rest[_SECRET_LENGTH:]
    if not underscore or len(key_id) != _ID_LENGTH or not token.isascii() or check != _check(key_id, secret):
        return None
    return key_id, secret


def key_id_in(token: str) -> str:
    """The id in a key's text, whatever else is wrong with it."""
    return token[len(_PREFIX) : len(_PREFIX) + _ID_LENGTH]


def hash_of(secret: str) -> bytes:
    """What is kept of a secret. It is 256 random bits, so one plain SHA-256 is enough."""
    return sha256(secret.encode()).digest()


def _check(key_id: str, secret: str) -> str:
    return _base62(crc32(f"{key_id}_{secret}".encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
