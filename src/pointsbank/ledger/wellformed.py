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
    problem = _wrong_names(draft)
    if not problem and (draft.opens or draft.commodities):
        problem = _wrong_openings(books, draft)
    if not problem and (draft.rows or draft.changes):
        problem = _wrong_documents(draft)
    return InvalidDraft(problem) if problem else None


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
    """What is wrong with subjects, counters, metadata and attachments: the last two become text, in which some signs
    have a meaning."""
    names = [subject for subject, _ in draft.reads]
    names += draft.touches
    if draft.counters:
        names += draft.counters
        if len(set(draft.counters)) < len(draft.counters):
            return "a counter advances once in an entry"
    metadata = draft.metadata
    for name, value in metadata:
        if name[:7] == "number:":
            return "metadata names that begin with number: are the ledger's own"
        if not (value.isprintable() if isinstance(value, str) else -_MOST < value < _MOST):
            return "metadata values must be integers of 62 bits or printable text"
        names.append(name)
    if len(metadata) > 1 and len(dict(metadata)) < len(metadata):
        return "metadata names must be different"
    for document in draft.documents:
        if "/" in document.kind:
            return "the kind of a document has no slash"
        names += (document.kind, document.id)
    if not _are_names(names):
        return (
            "subjects, counters, metadata names, kinds and ids of documents must be printable text"
            f" of 1 to {MAX_NAME} characters"
        )
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
    """What is wrong with document rows and changes: what a database could not hold."""
    cells: list[Cell] = []
    for row in draft.rows:
        cells += row.values
        if row.state and row.state not in row.values:
            return f"a row of {row.table} does not hold the state that it names"
    changes = draft.changes
    for change in changes:
        cells += change.key
        cells.append(change.new)
        cells += [cell for _, cell in change.values]
    if len(changes) > 1 and len({(change.table, change.key) for change in changes}) < len(changes):
        return "a document changes its state once in an entry"
    if not _are_storable(cells, draft.counters):
        tables = {row.table for row in draft.rows} | {change.table for change in changes}
        return f"a row or a change of {', '.join(sorted(tables))} has a value that no database holds"
    return ""


def _are_storable(cells: Sequence[Cell], counters: tuple[str, ...]) -> bool:
    text = "".join([cell for cell in cells if type(cell) is str])
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        return False
    for cell in cells:
        kind = type(cell)
        if kind is str:
            continue
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
