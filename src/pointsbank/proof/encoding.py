"""The canonical bytes of a journal entry and its leaf hash, as docs/encoding.md specifies them byte by byte.

Every field is there, every length is written before the bytes, so two different entries never encode alike.
The leaf is the RFC 6962 leaf hash, SHA-256(0x00 || encoding), so a Merkle log can cover the first entry ever written.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

from pointsbank.ledger.books import Accepted, AccountState, LotState
from pointsbank.ledger.model import JournalEntry

VERSION = b"pointsbank/entry/1\n"

_HEADER = Struct(">qqqqqI")
_POSTING = Struct(">qqqqqqqq")
_LENGTH = Struct(">I").pack
_LEAF_OF_VERSION = b"\0" + VERSION
_EMPTY = _LENGTH(0)


def text(value: str) -> bytes:
    """UTF-8 bytes of `value` after their number as four bytes, big-endian."""
    raw = value.encode()
    return _LENGTH(len(raw)) + raw


def _account(account: AccountState) -> bytes:
    account.encoded = text(account.path)
    return account.encoded


def _lot(lot: LotState) -> bytes:
    lot.encoded = text(lot.commodity) + text(lot.code)
    return lot.encoded


_texts: dict[tuple[str, ...], bytes] = {}


def _repeated(*values: str) -> bytes:
    """`text` of values that recur together (a kind and a client), remembered within bounds."""
    encoded = _texts.get(values)
    if encoded is None:
        if len(_texts) > 10_000:
            _texts.clear()
        encoded = _texts[values] = b"".join(map(text, values))
    return encoded


def leaf_of_accepted(ledger_id: int, accepted: Accepted) -> bytes:
    """The leaf hash (32 bytes) of a draft that is about to be written as an entry."""
    draft, effects = accepted.draft, accepted.effects
    key = draft.key.encode()
    parts = [
        _LEAF_OF_VERSION,
        _HEADER.pack(
            ledger_id,
            accepted.sequence,
            draft.effective_at,
            accepted.recorded_at,
            accepted.reverses,
            len(effects),
        ),
        _repeated(draft.kind, draft.client),
        _LENGTH(len(key)),
        key,
        draft.request,
        _repeated(draft.actor, draft.place, draft.reason),
        text(accepted.metadata) if accepted.metadata else _EMPTY,
        text(accepted.documents) if accepted.documents else _EMPTY,
    ]
    for e in effects:
        debit, credit, lot = e.debit, e.credit, e.lot
        parts += (
            debit.encoded or _account(debit),
            credit.encoded or _account(credit),
            lot.encoded or _lot(lot),
            _POSTING.pack(
                e.number,
                e.amount,
                e.debit_version,
                e.credit_version,
                e.debit_balance,
                e.credit_balance,
                e.debit_total,
                e.credit_total,
            ),
        )
    return sha256(b"".join(parts)).digest()


def encode_entry(ledger_id: int, entry: JournalEntry) -> bytes:
    """The canonical bytes of an entry as the journal holds it (without the leading 0x00 of the leaf)."""
    parts = [
        VERSION,
        _HEADER.pack(
            ledger_id,
            entry.sequence,
            entry.effective_at,
            entry.recorded_at,
            entry.reverses,
            len(entry.postings),
        ),
        text(entry.kind),
        text(entry.client),
        text(entry.key),
        entry.request,
        text(entry.actor),
        text(entry.place),
        text(entry.reason),
        text(entry.metadata),
        text(entry.documents),
    ]
    for p in entry.postings:
        parts += (
            text(p.debit),
            text(p.credit),
            text(p.commodity),
            text(p.lot),
            _POSTING.pack(
                p.number,
                p.amount,
                p.debit_version,
                p.credit_version,
                p.debit_balance,
                p.credit_balance,
                p.debit_total,
                p.credit_total,
            ),
        )
    return b"".join(parts)


def leaf_of_entry(ledger_id: int, entry: JournalEntry) -> bytes:
    """The leaf hash (32 bytes) of a recorded entry."""
    return sha256(b"\0" + encode_entry(ledger_id, entry)).digest()
