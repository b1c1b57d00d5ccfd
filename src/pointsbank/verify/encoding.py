"""The canonical encoding once more, written from docs/encoding.md and sharing no code with what writes it.

Two implementations that agree are evidence; one that checks itself is none.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterable
from typing import Any

PREFIX = b"\x00pointsbank/entry/1\n"
"""RFC 6962's mark of a leaf, then the version of the encoding."""

six_numbers = struct.Struct("!5qL").pack
eight_numbers = struct.Struct("!8q").pack
_length = struct.Struct("!L").pack

_DOCUMENT = re.compile(r"([^/\n]+)/([^\n]*)/((?:[0-9a-f]{2})*)")


def sized(text: str) -> bytes:
    """A text as its number of UTF-8 bytes in four bytes, then these bytes."""
    utf8 = text.encode("utf-8")
    return _length(len(utf8)) + utf8


def leaf_hash(header: bytes, texts: Iterable[bytes], postings: bytes) -> bytes:
    """SHA-256 over the leaf: mark, version, the six numbers, the entry's texts, its postings."""
    return hashlib.sha256(PREFIX + header + b"".join(texts) + postings).digest()


def key_digest(client: str, key: str) -> bytes:
    """The first half of SHA-256 over client, a zero byte, key."""
    return hashlib.sha256(f"{client}\0{key}".encode()).digest()[:16]


def ledger_number(name: str) -> int:
    """The id of a ledger: the first 31 bits of SHA-256 over a fixed text and its name; never 0."""
    (first,) = struct.unpack_from("!L", hashlib.sha256(f"pointsbank ledger\0{name}".encode()).digest())
    return (first >> 1) or 1


def document_digest(salt: bytes, parts: Iterable[str]) -> bytes:
    """SHA-256 over a document's salt and its parts, each after its length."""
    return hashlib.sha256(salt + b"".join(map(sized, parts))).digest()


_compact = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def parse_metadata(text: str) -> dict[str, Any] | None:
    """The metadata of an entry, or None if its text is not the canonical one."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not found or _compact(found) != text:
        return None
    if not all(type(value) in (int, str) for value in found.values()):
        return None
    return found


def parse_documents(text: str) -> list[tuple[str, str, bytes]] | None:
    """Kind, id and digest of each document of an entry, or None if the text is not the canonical one."""
    if not text:
        return []
    found = []
    for line in text.split("\n"):
        match = _DOCUMENT.fullmatch(line)
        if match is None or not match[3]:
            return None
        found.append((match[1], match[2], bytes.fromhex(match[3])))
    return found
