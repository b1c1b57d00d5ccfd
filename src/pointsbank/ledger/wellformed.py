"""Whether a draft is well formed: what no book could hold is refused before anything else is looked at.

One draft that a database rejects would take its whole batch along, so nothing of the kind gets that far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pointsbank.ledger.books import Books
from pointsbank.ledger.model import MAX_AMOUNT, MAX_NAME, MAX_POSTINGS, NO_LOT, Cell, Draft, Marker, Movement
from pointsbank.ledger.refusals import InvalidDraft

_MOST: Final = 2**62


def malformed(books: Books, draft: Draft) -> InvalidDraft | None:
    """What is wrong with the draft itself, None if it is well formed."""
    if not 0 < len(draft.key) <= MAX_NAME:
        return InvalidDraft(f"the key must have 1 to {MAX_NAME} characters")
    if not (draft.key + draft.kind + draft.client + draft.actor + draft.place + draft.reason).isprintable():
        return InvalidDraft("key, kind, client, actor, place and reason must be printable text")
    if not draft.kind or not draft.client:
        return InvalidDraft("kind and client must not be empty")
    if len(draft.movements) > MAX_POSTINGS:
        return InvalidDraft(f"an entry takes at most {MAX_POSTINGS} movements")
    if len(draft.request) != 16:
        return InvalidDraft("the request digest must have 16 bytes")
    if draft.reverses and draft.movements:
        return InvalidDraft("a reversal mirrors the entry that it names and brings no movements of its own")
    if draft.counters and not draft.posts:
        return InvalidDraft("a counter advances only with postings")
    if not -_MOST < draft.effective_at < _MOST or not 0 <= draft.reverses < _MOST:
        return InvalidDraft("the effective time or the reversed sequence is out of range")
    for m in draft.movements:
        if m.amount <= 0 or m.amount > MAX_AMOUNT:
            return InvalidDraft(f"the amount {m.amount} is not between 1 and {MAX_AMOUNT}")
        if m.debit == m.credit:
            return InvalidDraft("a posting needs two different accounts")
        if m.lot and books.lots.get((m.commodity, m.lot)) is None:
            problem = _wrong_lot(books, draft, m)
            if problem:
                return InvalidDraft(problem)
    if draft.metadata or draft.documents or draft.opens or draft.commodities:
        problem = _wrong_names(draft) or _wrong_openings(books, draft)
        if problem:
            return InvalidDraft(problem)
    if draft.reads or draft.touches or draft.counters or draft.rows or draft.changes:
        problem = _wrong_documents(draft)
        if problem:
            return InvalidDraft(problem)
    return None


def _are_names(texts: Sequence[str]) -> bool:
    return not texts or (
        "" not in texts and "".join(texts).isprintable() and max(map(len, texts)) <= MAX_NAME
    )


def _wrong_lot(books: Books, draft: Draft, movement: Movement) -> str:
    """What is wrong with the lot that a movement names: only a commodity with lots has named ones."""
    if not _are_names((movement.lot,)):
        return "a lot must be printable text"
    declared = {commodity.code: commodity for commodity in draft.commodities}
    commodity = books.commodities.get(movement.commodity) or declared.get(movement.commodity)
    if commodity is not None and not commodity.has_lots and movement.lot != NO_LOT:
        return f"{commodity.code} has no lots"
    return ""


def _wrong_names(draft: Draft) -> str:
    """What is wrong with metadata and attachments: both become text in which some signs have a meaning."""
    names = [name for name, _ in draft.metadata]
    if not _are_names(names) or len(set(names)) < len(names) or "number:" in {name[:7] for name in names}:
        return "metadata names must be printable, different, and none of the ledger's own (number:…)"
    for _, value in draft.metadata:
        if not (value.isprintable() if isinstance(value, str) else -_MOST < value < _MOST):
            return "metadata values must be integers of 62 bits or printable text"
    for document in draft.documents:
        if not _are_names((document.kind, document.id)) or "/" in document.kind:
            return "kind and id of a document must be printable text, the kind without a slash"
    return ""


def _wrong_openings(books: Books, draft: Draft) -> str:
    for commodity in draft.commodities:
        if not _are_names((commodity.code,)) or not 0 <= commodity.scale <= 9:
            return "a commodity needs a printable code and 0 to 9 decimals"
    for opening in draft.opens:
        if books.accounts.get(opening.path) is not None:
            continue
        kind = books.chart.kind_of(opening.path)
        if kind is None:
            return f"the chart has no kind of account for {opening.path}"
        if opening.floor is not None and kind.floor != "budget":
            return f"the floor of {opening.path} is set by the chart"
        if opening.floor is not None and not -MAX_AMOUNT <= opening.floor <= 0:
            return f"the floor of {opening.path} is not between -{MAX_AMOUNT} and 0"
    return ""


def _wrong_documents(draft: Draft) -> str:
    """What is wrong with subjects, counters and document rows: what a database could not hold."""
    if not _are_names([*[subject for subject, _ in draft.reads], *draft.touches, *draft.counters]):
        return "subjects and counters must be printable text"
    if len(set(draft.counters)) < len(draft.counters):
        return "a counter advances once in an entry"
    changes = draft.changes
    if len(changes) > 1 and len({(change.table, change.key) for change in changes}) < len(changes):
        return "a document changes its state once in an entry"
    for row in draft.rows:
        if not _are_storable(row.values, draft.counters):
            return f"a row of {row.table} has a value that no database holds"
        if row.state and row.state not in row.values:
            return f"a row of {row.table} does not hold the state that it names"
    for change in changes:
        if not _are_storable((*change.key, change.new, *[cell for _, cell in change.values]), draft.counters):
            return f"a change of {change.table} has a value that no database holds"
    return ""


def _are_storable(cells: Sequence[Cell], counters: tuple[str, ...]) -> bool:
    text = "".join([cell for cell in cells if type(cell) is str])
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        return False
    for cell in cells:
        kind = type(cell)
        if kind is int:
            if not -(2**63) <= cell < 2**63:  # type: ignore[operator]
                return False
        elif kind is Marker and cell.name == "number" and cell.counter not in counters:  # type: ignore[union-attr]
            return False
    return True


def _is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
