"""What every command has in common: who asks, under which key, and the digest of what was asked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from struct import Struct

import msgspec

from pointsbank.ledger.model import Attachment

_LENGTH = Struct(">I").pack


class Command(msgspec.Struct, frozen=True):
    """Who gives a command, through which client, under which idempotency key, and from where."""

    client: str
    key: str
    actor: str = ""
    place: str = ""


def request_digest(*parts: str) -> bytes:
    """The 16 bytes by which two requests under one key are told apart."""
    return sha256(_canonical(parts)).digest()[:16]


def _canonical(parts: Iterable[str]) -> bytes:
    """Texts, each after its length, so that no two lists of texts run together alike."""
    raws = [part.encode() for part in parts]
    return b"".join([piece for raw in raws for piece in (_LENGTH(len(raw)), raw)])


def new_salt() -> bytes:
    """A salt for a document: its hash in the journal then says nothing to who does not hold the document."""
    return os.urandom(16)


def attach(kind: str, id_: str, salt: bytes, *content: str) -> Attachment:
    """The proof that an entry carries of a document."""
    return Attachment(kind, id_, content_digest(salt, *content))


def content_digest(salt: bytes, *content: str) -> bytes:
    """What proves a document: H(salt || canonical immutable part)."""
    return sha256(salt + _canonical(content)).digest()
