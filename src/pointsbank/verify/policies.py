"""Books of policies: each was proposed by one person and decided by another, is the one that they asked for, and in order.

The text of a policy is not in the database, its digest is; and the journal keeps who asked for what and when: the key
of each request with a digest of what was asked, which nothing changes afterwards. What stands of a book now must be
what its proposer and its decider asked for then. What is not hashed there, such as the list of versions that people
read, proves nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from itertools import pairwise
from typing import Final, NamedTuple

from sqlalchemy import Connection, inspect

from pointsbank.verify.encoding import sized
from pointsbank.verify.merges import merged_groups
from pointsbank.verify.scope import Scope
from pointsbank.verify.source import fetch

TABLES: Final = frozenset(["policy_changes", "staff_accounts", "api_keys", "subjects"])

NOTED: Final = "founding"
"""In place of two people: a book with which the ledger was worked before it had staff."""


class Book(NamedTuple):
    """A book of policies as it stands: proposed, approved (`number` > 0) or refused. Times are microseconds UTC."""

    id: str
    digest: str
    document_no: str
    number: int
    proposed_by: str
    proposed_at: int
    decided_by: str
    decided_at: int
    state: str


class _Found(NamedTuple):
    """One snapshot of all books, and what else bears witness to them."""

    books: list[Book]
    asked: dict[int, set[tuple[str, bytes]]]
    """By time: through which client, and the digest of what was asked."""
    clients: dict[str, set[str]]
    """In whose name a person's requests came, beside the person's own."""
    one_person: dict[str, str]
    """Ids that are merged, by the id under which the person goes on."""
    founded_at: int
    ruling: int
    """How often the ruling book was replaced, as the writer counted it."""


async def check_policies(scope: Scope) -> dict[str, int]:
    """Every book of policies against the requests that the journal keeps. Of a part of the journal nothing is said."""
    if scope.since or not scope.tables >= TABLES:
        return {}
    found: _Found = await scope.source.read(_read, "merged_people" in scope.tables)
    for book in found.books:
        place = f"policy-change/{book.id}"
        for code, expected, said in (
            ("policy-four-eyes", "two people", _not_by_two(book, found)),
            ("policy-request", "what was asked for", _not_asked(book, found)),
            ("policy-times", "in order", _out_of_order(book, found)),
        ):
            if said:
                scope.findings.add(code, place, expected, said)
    approved = sorted((book for book in found.books if book.number), key=lambda book: book.number)
    numbers = [book.number for book in approved]
    if numbers != list(range(1, found.ruling + 1)):
        scope.findings.add("policy-number", "policy-changes", f"1 to {found.ruling}", numbers)
    for earlier, later in pairwise(approved):
        if later.decided_at < earlier.decided_at:
            scope.findings.add(
                "policy-times", f"policy-change/{later.id}", f"after {earlier.decided_at}", later.decided_at
            )
    return {"policy changes": len(found.books)}


def _not_by_two(book: Book, found: _Found) -> str:
    """Why a book was not proposed and decided by two people; empty if it was, or waits for the second."""
    both = (book.proposed_by, book.decided_by)
    if NOTED in both:
        return "" if both == (NOTED, NOTED) and book.state == "approved" else " and ".join(both)
    if book.state == "proposed":
        return "" if book.proposed_by and not book.decided_by else " and ".join(both)
    persons = {found.one_person.get(one, one) for one in both}
    return "" if len(persons) == 2 and "" not in persons else " and ".join(both)


def _not_asked(book: Book, found: _Found) -> str:
    """Which of the requests that made a book what it is was never made so."""
    if book.proposed_by == NOTED:
        return _unless(found, book.proposed_at, {"system"}, "note-policies", book.digest)
    proposing = _unless(
        found,
        book.proposed_at,
        found.clients[book.proposed_by],
        "propose-policies",
        book.digest,
        book.document_no,
    )
    if proposing or book.state == "proposed":
        return proposing
    return _unless(
        found, book.decided_at, found.clients[book.decided_by], "decide-policies", book.id, book.state
    )


def _unless(found: _Found, at: int, clients: set[str], *request: str) -> str:
    """The name of a request, unless it was made at that time through one of these clients."""
    asked = hashlib.sha256(b"".join(map(sized, request))).digest()[:16]
    return "" if any((client, asked) in found.asked.get(at, ()) for client in clients) else request[0]


def _out_of_order(book: Book, found: _Found) -> str:
    """What of a book happened before it could."""
    if book.state == "proposed":
        return f"decided {book.decided_at}" if book.decided_at else ""
    if book.decided_at < book.proposed_at:
        return f"proposed {book.proposed_at}, decided {book.decided_at}"
    # a ledger from before policies were noted begins with a note of its own, though it has staff
    is_late = book.proposed_by == NOTED and book.number > 1 and 0 < found.founded_at < book.decided_at
    return f"noted {book.decided_at}, after the founding" if is_late else ""


def _read(connection: Connection, ledger_id: int, with_merges: bool) -> _Found:
    books = [Book(*row) for row in fetch(connection, _BOOKS, ledger_id)]
    times = sorted({at for book in books for at in (book.proposed_at, book.decided_at)} - {0})
    people = sorted({one for book in books for one in (book.proposed_by, book.decided_by)} - {"", NOTED})
    asked: dict[int, set[tuple[str, bytes]]] = defaultdict(set)
    if times:
        for client, request, at in fetch(connection, _ASKED, ledger_id, times):
            asked[at].add((client, bytes(request)))
    clients = defaultdict[str, set[str]](set, {person: {f"person:{person}"} for person in people})
    for person, client in fetch(connection, _CLIENTS, ledger_id, people):
        clients[person].add(client)
    merged = merged_groups(connection, ledger_id) if with_merges else []
    [[founded_at]] = fetch(connection, _FOUNDED, ledger_id)
    one_person = {one: group[0] for group in merged for one in group}
    return _Found(
        books, asked, clients, one_person, int(founded_at or 0), _replaced(connection, ledger_id, books)
    )


def _replaced(connection: Connection, ledger_id: int, books: list[Book]) -> int:
    """How often the ruling book was replaced. Where the column is gone, which is reported elsewhere, what is on file."""
    if all(column["name"] != "version" for column in inspect(connection).get_columns("subjects")):
        return max((book.number for book in books), default=0)
    rows = fetch(connection, _RULING, ledger_id)
    return rows[0][0] if rows else 0


_BOOKS = """
SELECT change_id, digest, document_no, number, proposed_by, proposed_at, decided_by, decided_at, state
FROM policy_changes WHERE ledger_id = $1 ORDER BY change_id
"""

_ASKED = """
SELECT client, request, recorded_at FROM document_keys
WHERE ledger_id = $1 AND recorded_at = ANY($2::bigint[])
"""

_CLIENTS = """
SELECT person_id, client FROM api_keys WHERE ledger_id = $1 AND person_id = ANY($2::text[])
"""

_FOUNDED = """
SELECT min(created_at) FROM staff_accounts WHERE ledger_id = $1 AND created_by = 'founding'
"""

_RULING = """
SELECT version FROM subjects WHERE ledger_id = $1 AND subject = 'policies'
"""
