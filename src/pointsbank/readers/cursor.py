"""Cursors: where the next page begins, as a text that a client hands back unread.

A cursor names its ledger, account and posting, with four bytes of a digest over them. It holds no secret
and grants nothing: the digest tells a slip of the hand or another account's cursor from a real one, so that
nobody gets a wrong page without a word.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2s
from struct import Struct
from typing import Final

from pointsbank.readers.refusals import CursorInvalid

_BODY: Final = Struct(">Biiq")
_VERSION: Final = 1
_DIGEST: Final = 4
_BEGIN_AGAIN: Final = "从第一页重新开始。Begin at the first page."


def cursor_for(ledger_id: int, account: int, posting: int) -> str:
    """The cursor of the page that begins after (is older than) a posting of an account."""
    body = _BODY.pack(_VERSION, ledger_id, account, posting)
    return urlsafe_b64encode(body + _seal(body)).rstrip(b"=").decode()


def posting_of(cursor: str, ledger_id: int, account: int) -> int | CursorInvalid:
    """The posting that a cursor names, if it is one of this account's cursors."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        return CursorInvalid(f"翻页标记无法识别，请{_BEGIN_AGAIN}")
    body, seal = raw[: _BODY.size], raw[_BODY.size :]
    # decoding passes over some characters, so the text itself is compared too
    if len(raw) != _BODY.size + _DIGEST or seal != _seal(body) or body[0] != _VERSION:
        return CursorInvalid(f"翻页标记无法识别，请{_BEGIN_AGAIN}")
    _, its_ledger, its_account, posting = _BODY.unpack(body)
    if cursor != cursor_for(its_ledger, its_account, posting):
        return CursorInvalid(f"翻页标记无法识别，请{_BEGIN_AGAIN}")
    if (its_ledger, its_account) != (ledger_id, account):
        return CursorInvalid(f"翻页标记属于另一个账户，请{_BEGIN_AGAIN}")
    return int(posting)


def _seal(body: bytes) -> bytes:
    return blake2s(body, digest_size=_DIGEST, person=b"pbcursor").digest()
