"""The keys that sign record sheets (Ed25519): in a file outside the database; the public halves are for everybody.

A key reads `pbs1.<id>.<secret>`; the id is derived from the public key, so that a mistyped key is noticed. The first
key signs; older ones stay in the file, so that what they signed can still be checked.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from pointsbank.settings import Settings, SettingsError
from pointsbank.store.database import Database

_PREFIX: Final = "pbs1"
_HEADING: Final = """\
# Keys that sign the record sheets of pointsbank 记录单签名密钥. The first key signs, the others only prove what they signed.
"""


class SheetKeyError(SettingsError):
    """The key that signs record sheets cannot be used; the message says why, and holds nothing of it."""


class PublicKey(msgspec.Struct, frozen=True):
    """What a signature is checked with: its id, and the key as PEM (SubjectPublicKeyInfo)."""

    id: str
    pem: str


class Signature(msgspec.Struct, frozen=True):
    """A signature of 64 bytes, and the id of the key that made it."""

    key_id: str
    octets: bytes


class Signer:
    """The keys of one city. The first signs."""

    def __init__(self, secrets_of_keys: Sequence[bytes]) -> None:
        self._keys = [Ed25519PrivateKey.from_private_bytes(secret) for secret in secrets_of_keys]

    def __repr__(self) -> str:
        return "Signer(…)"

    def sign(self, content: bytes) -> Signature:
        """The signature of a canonical text. The same text always gets the same one."""
        key = self._keys[0]
        return Signature(key_id(key.public_key()), key.sign(content))

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """What anybody needs to check signatures, the key in use first."""
        return tuple(PublicKey(key_id(key.public_key()), _pem(key.public_key())) for key in self._keys)


def is_signed(content: bytes, signature: bytes, pem: str) -> bool:
    """Whether a signature of a text is good under a public key. Needs nothing of the bank's."""
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def key_path(settings: Settings) -> Path | None:
    """Where the keys lie: in the file that was named, or beside a SQLite file; on PostgreSQL it must be named."""
    if settings.sheet_key:
        return Path(settings.sheet_key)
    database = Database(settings.database)
    if database.dialect == "sqlite":
        return database.path.with_name(database.path.name + ".sheet-key")
    return None


def signer_at(path: Path) -> Signer:
    """The keys in a file that only its owner may read. Raises SheetKeyError."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise SheetKeyError(
                    f"{path.name} 可被他人读取，请执行 chmod 600 / can be read by others; run chmod 600 on it"
                )
            text = file.read().decode("ascii", "replace")
    except FileNotFoundError:
        raise SheetKeyError(
            f"没有签名密钥文件 {path.name}。用 pointsbank sheets make-key 生成。\n"
            f"There is no key file {path.name}. Make one: pointsbank sheets make-key"
        ) from None
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise SheetKeyError(f"{path.name} 中没有签名密钥 / holds no key")
    return Signer([_secret(word, path.name) for word in words])


def make_key(path: Path) -> Signer:
    """A new key in a new file of mode 0600. Raises FileExistsError rather than losing one that is in use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        text = base64.urlsafe_b64encode(secret).decode().rstrip("=")
        file.write(f"{_HEADING}{_PREFIX}.{key_id(public)}.{text}\n")
        file.flush()
        os.fsync(file.fileno())
    return signer_at(path)


def key_id(public: Ed25519PublicKey) -> str:
    """The id of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _pem(public: Ed25519PublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _secret(word: str, source: str) -> bytes:
    prefix, _, rest = word.partition(".")
    claimed, _, text = rest.partition(".")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        secret = b""
    if prefix != _PREFIX or len(secret) != 32:
        raise SheetKeyError(f"{source} 不是签名密钥 / holds no such key")
    if key_id(Ed25519PrivateKey.from_private_bytes(secret).public_key()) != claimed:
        raise SheetKeyError(f"{source} 中的密钥抄写有误 / a key in it was mistyped")
    return secret
