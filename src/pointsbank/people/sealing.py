"""Sealing of personal data: AES-256-GCM under one random key a person, itself wrapped by the master key.

Whoever deletes the wrapped key has deleted the person's data, wherever copies of the sealed values lie. Numbers are
found through blind indexes: HMAC-SHA-256 under a separate key for each kind of number.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pointsbank.people.master import MasterKey, MasterKeys
from pointsbank.store.port import StoreError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""96 random bits for each value. A person has a handful of values under a key, far from the 2**32 where chance
repeats would matter; a master key wraps one value a person."""

TAG_BYTES: Final = 16

_FORMAT: Final = b"\x01"

IndexKind = Literal["phone", "id-number", "volunteer-number"]

INDEX_KINDS: Final[tuple[IndexKind, ...]] = get_args(IndexKind)


class SealBroken(StoreError):
    """A sealed value does not open: it was changed, moved to another place, or its key is another."""

    def __init__(self) -> None:
        super().__init__(
            "个人资料无法解密：数据被改动过，或密钥不符。请保持数据库原样，并检查备份。"
            " Sealed personal data do not open: they were changed, or the key is another. Keep the database as it is"
            " and look into the backups."
        )


def new_key() -> bytes:
    """A fresh random data key."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes | AESGCM, value: bytes, about: Iterable[str], nonce: bytes = b"") -> bytes:
    """Encrypt a value. `about` (ledger, person, field, key id) is bound to it: it opens nowhere else.

    Who seals thousands at once brings fresh nonces, drawn together: each call to the system costs microseconds.
    """
    cipher = AESGCM(key) if isinstance(key, bytes) else key
    nonce = nonce or secrets.token_bytes(NONCE_BYTES)
    assert len(nonce) == NONCE_BYTES
    return _FORMAT + nonce + cipher.encrypt(nonce, value, associated_data(about))


def unseal(key: bytes | AESGCM, sealed: bytes, about: Iterable[str]) -> bytes:
    """The value that was sealed. Raises SealBroken, which tells nothing of the value."""
    if sealed[:1] != _FORMAT or len(sealed) < 1 + NONCE_BYTES + TAG_BYTES:
        raise SealBroken
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    cipher = AESGCM(key) if isinstance(key, bytes) else key
    try:
        return cipher.decrypt(nonce, body, associated_data(about))
    except InvalidTag:
        raise SealBroken from None


def wrap(master: MasterKey, key: bytes, about: Iterable[str]) -> bytes:
    """A data key, sealed under a master key, bound to whose it is and to the master key's id."""
    return seal(_wrapping_key(master), key, (*about, master.id))


def unwrap(keys: MasterKeys, master_id: str, wrapped: bytes, about: Iterable[str]) -> bytes:
    """The data key that was wrapped. Raises SealBroken, or MasterKeyError if the master key is not here."""
    master = keys.find(master_id)
    return unseal(_wrapping_key(master), wrapped, (*about, master.id))


class BlindIndexes:
    """Finds numbers without storing them: the same number gives the same digest, and nothing leads back.

    The root is random and wrapped like a person's key. It does not follow from the master key, which may be rotated:
    digests of numbers that are kept nowhere could not be made anew.
    """

    def __init__(self, root: bytes, ledger_id: int) -> None:
        self._ledger = str(ledger_id)
        self._keys = {kind: derive(root, f"blind index {kind}") for kind in INDEX_KINDS}
        self._requests = Mac(derive(root, "request digests"))
        self._own = associated_data((self._ledger,))

    def digest(self, kind: IndexKind, number: str) -> bytes:
        """The digest under which a number in its one written form is found."""
        return hmac.digest(self._keys[kind], associated_data((self._ledger, kind, number)), "sha256")

    def request_digest(self, *parts: str) -> bytes:
        """The hash of a command that carries personal data, for idempotency: it cannot be guessed backwards."""
        return self._requests.digest(self._own + associated_data(parts))


class Mac:
    """HMAC-SHA-256 under one key for many short messages: the key's two blocks are hashed once."""

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def derive(root: bytes, purpose: str) -> bytes:
    """A key for one purpose (HKDF-SHA-256): from one purpose's key no other's can be told."""
    return HKDF(
        algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"pointsbank " + purpose.encode()
    ).derive(root)


def associated_data(parts: Iterable[str]) -> bytes:
    """Parts as bytes, each with its length before it, so that no two lists read the same."""
    joined = bytearray()
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        joined += len(encoded).to_bytes(4, "big")
        joined += encoded
    return bytes(joined)


@lru_cache(maxsize=8)  # derived once, not for every person
def _wrapping_key(master: MasterKey) -> bytes:
    return derive(master.secret, "wrapping of keys")
