"""Documents against the entries that carry them: hash, figures, state, and each at the other's number.

A document may be forgotten: its salt and content are emptied, and its hash then proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from pointsbank.verify.encoding import document_digest, parse_documents, parse_metadata
from pointsbank.verify.scope import Scope
from pointsbank.verify.source import Row, Rows, fetch

CHUNK = 2000
"""Entries looked at in one transaction."""

SEPARATOR = "\x1f"


class Document(NamedTuple):
    """A sort of document: where it is kept, and what it says of its entry."""

    kind: str
    table: str
    entry: str
    """The kind of entry that posts it."""
    key: str = "reference"
    content: str = "content"
    in_parts: bool = False
    """Whether the content is hashed part by part."""
    figures: tuple[tuple[str, str], ...] = ()
    """Columns with the figures, and the commodity that each must have moved."""
    state: str = "state"
    later_entry: str = ""
    later_sequence: str = "0"
    """A second kind of entry that carries the document, and the column that names it."""
    counter: str = ""
    """Prefix of the counter that numbered it, by terminal."""


DOCUMENTS: Final = (
    Document(
        "service-record",
        "service_records",
        "earn",
        key="record_id",
        content="fields",
        figures=(("minutes", "MINUTE"), ("points", "POINT")),
        later_entry="release",
        later_sequence="released_by",
    ),
    Document("receipt", "receipts", "basket", figures=(("price", "POINT"),), counter="receipt:"),
    Document("return", "returns", "return", figures=(("points", "POINT"),), counter="return:"),
    Document(
        "clawback",
        "clawback_lines",
        "clawback",
        key="line_id",
        figures=(("minutes", "MINUTE"), ("points", "POINT")),
        state="''",
    ),
    Document("budget", "budget_changes", "budget", key="change_id", state="''"),
    Document(
        "merge",
        "merged_people",
        "merge",
        key="merge_id",
        state="''",
        later_entry="unmerge",
        later_sequence="undone_by",
    ),
    Document("gift", "gifts", "gift", key="gift_id", figures=(("points", "POINT"),), state="''"),
    Document("delivery", "deliveries", "receive", in_parts=True, state="''"),
)


class _Page(NamedTuple):
    """One snapshot of some entries with the documents they name, and of the documents that name them."""

    entries: Rows
    moved: dict[tuple[int, str], int]
    found: dict[tuple[str, str], Row]
    naming: list[tuple[str, str, int]]
    reversed: frozenset[int]
    """Which of these entries have been reversed."""


async def check_documents(scope: Scope) -> dict[str, int]:
    """Every document that an entry carries is on file, unchanged, and says what the postings say."""
    kinds = tuple(document for document in DOCUMENTS if document.table in scope.tables)
    if not kinds or "wallet" not in scope.kinds:
        return {}
    count, after = 0, scope.since
    while after < scope.head:
        last = min(after + CHUNK, scope.head)
        page: _Page = await scope.source.read(_read, after, last, kinds)
        carried = set()
        for entry in page.entries:
            for kind, id_, digest in parse_documents(entry[2]) or ():
                carried.add((kind, id_, entry[0]))
                _check(entry, kind, id_, digest, page, kinds, scope)
        for kind, id_, sequence in page.naming:
            if (kind, id_, sequence) not in carried:
                scope.findings.add("document-entry", f"{kind}/{id_}", "", f"entry {sequence}")
        count += len(carried)
        after = last
    return {"documents": count}


def _check(
    entry: Row, kind: str, id_: str, digest: bytes, page: _Page, kinds: Iterable[Document], scope: Scope
) -> None:
    sequence, entry_kind, _, metadata, _, _ = entry
    document = next((d for d in kinds if d.kind == kind), None)
    if document is None:
        return
    place, add = f"{kind}/{id_}", scope.findings.add
    row = page.found.get((kind, id_))
    if row is None:
        add("document-missing", place, f"carried by entry {sequence}")
        return
    _, content, salt, own_sequence, later_sequence, state, number, terminal, *figures = row
    if salt and document_digest(salt, content.split(SEPARATOR) if document.in_parts else [content]) != digest:
        add("document-digest", place)
    if entry_kind == document.later_entry:
        if later_sequence != sequence:
            add("document-entry", place, f"entry {sequence}", f"entry {later_sequence}")
        return
    if own_sequence != sequence or entry_kind != document.entry:
        add(
            "document-entry",
            place,
            f"{document.entry} entry {own_sequence}",
            f"{entry_kind} entry {sequence}",
        )
    moved = {commodity: page.moved.get((sequence, commodity), 0) for _, commodity in document.figures}
    said = {commodity: figure for (_, commodity), figure in zip(document.figures, figures, strict=True)}
    if moved != said:
        add("document-amounts", place, moved, said)
    if state and (state == "reversed") != (sequence in page.reversed):
        add("document-state", place, "reversed" if sequence in page.reversed else "not reversed", state)
    if document.counter:
        expected = (parse_metadata(metadata) or {}).get(f"number:{document.counter}{terminal}")
        if expected != number:
            add("document-amounts", place, f"number {expected}", f"number {number}")


def _read(
    connection: Connection, ledger_id: int, after: int, last: int, kinds: tuple[Document, ...]
) -> _Page:
    entries = fetch(connection, _ENTRIES, ledger_id, after, last)
    first_posting, last_posting = (
        min((e[4] for e in entries), default=0),
        max((e[5] for e in entries), default=-1),
    )
    moved = {
        (sequence, commodity): int(amount)
        for sequence, commodity, amount in fetch(connection, _MOVED, ledger_id, first_posting, last_posting)
    }
    wanted: dict[str, list[str]] = {}
    for entry in entries:
        for kind, id_, _ in parse_documents(entry[2]) or ():
            wanted.setdefault(kind, []).append(id_)
    found: dict[tuple[str, str], Any] = {}
    naming = []
    for document in kinds:
        if document.kind in wanted:
            rows = fetch(connection, _select(document), ledger_id, sorted(set(wanted[document.kind])))
            found |= {(document.kind, row[0]): row for row in rows}
        naming += [
            (document.kind, row[0], row[1])
            for row in fetch(connection, naming_statement(document), ledger_id, after, last)
        ]
    reversed_ = frozenset(row[0] for row in fetch(connection, _REVERSED, ledger_id, after, last))
    return _Page(entries, moved, found, naming, reversed_)


def naming_statement(document: Document) -> str:
    """Documents of a sort that name an entry of some, by number: ledger, after, up to."""
    return (
        f"SELECT {document.key}, sequence FROM {document.table}"
        " WHERE ledger_id = $1 AND sequence > $2 AND sequence <= $3"
    )


def _select(document: Document) -> str:
    number, terminal = ("number", "terminal") if document.counter else ("0", "''")
    columns = [
        document.key,
        document.content,
        "salt",
        "sequence",
        document.later_sequence,
        document.state,
        number,
        terminal,
        *(column for column, _ in document.figures),
    ]
    return (
        f"SELECT {', '.join(columns)} FROM {document.table}"
        f" WHERE ledger_id = $1 AND {document.key} = ANY($2::text[])"
    )


_ENTRIES = """
SELECT sequence, kind, documents, metadata, first_posting, first_posting + postings - 1 FROM entries
WHERE ledger_id = $1 AND sequence > $2 AND sequence <= $3 AND documents <> ''
"""

_REVERSED = """
SELECT reverses FROM entries WHERE ledger_id = $1 AND reverses > 0 AND reverses > $2 AND reverses <= $3
"""

# points that pass through the notice within one entry are counted once
_MOVED = """
SELECT p.sequence, l.commodity, sum(p.amount) FROM postings p
JOIN lots l ON l.ledger_id = $1 AND l.lot = p.lot
JOIN accounts d ON d.ledger_id = $1 AND d.account = p.debit_account
JOIN accounts c ON c.ledger_id = $1 AND c.account = p.credit_account
WHERE p.ledger_id = $1 AND p.posting >= $2 AND p.posting <= $3
  AND NOT (d.kind = 'wallet-pending' AND c.kind = 'wallet') GROUP BY p.sequence, l.commodity
"""
