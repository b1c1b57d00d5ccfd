"""The secret outside the database under which passwords, codes and addresses are kept.

Whoever steals the database, or a backup of it, has neither a password to guess at nor anybody's second factor.
"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

from pointsbank.store.database import Database

LENGTH: Final = 32


class PepperError(Exception):
    """The secret cannot be used; the message says why, never what it is."""


class Pepper:
    """32 secret bytes, from which every purpose derives its own."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != LENGTH:
            raise PepperError(f"口令密钥须为 {LENGTH} 字节 / the secret must have {LENGTH} bytes")
        self._secret = secret

    def __repr__(self) -> str:
        return "Pepper(…)"

    def derive(self, purpose: str, *parts: bytes) -> bytes:
        """32 bytes for a purpose and its parts: HMAC-SHA-256 over each part after its length."""
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose.encode(), *parts))
        return hmac.digest(self._secret, message, sha256)


def pepper_path(database: Database, named: str) -> Path | None:
    """Where the secret lies: in the file that was named, or beside a SQLite file; on PostgreSQL it must be named."""
    if named:
        return Path(named)
    if database.dialect == "sqlite":
        return database.path.with_name(database.path.name + ".pepper")
    return None


def read_pepper(path: Path) -> Pepper:
    """The secret in a file that only its owner may read. Raises PepperError, or FileNotFoundError."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise PepperError(
                f"{path.name} 可被他人读取，请执行 chmod 600。/ {path.name} can be read by others; run chmod 600 on it."
            )
        text = file.read(4 * LENGTH).strip()
    try:
        return Pepper(bytes.fromhex(text.decode("ascii")))
    except (UnicodeDecodeError, ValueError) as error:
        raise PepperError(f"{path.name} 不是口令密钥 / {path.name} does not hold such a secret") from error


def make_pepper(path: Path) -> Pepper:
    """A new secret in a new file. Raises FileExistsError rather than losing one that is in use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(LENGTH) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return read_pepper(path)
