"""Reads a whole ledger by plain SQL and checks it against itself: the judge of tests that race or crash.

It shares the hash of the leaf with the program and nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from pointsbank.ledger.model import JournalEntry, Posting
from pointsbank.proof.encoding import leaf_of_entry
from pointsbank.store.database import Database
from pointsbank.store.port import ledger_id_of


class Books:
    """What a ledger holds: receipts' sequences by key, balances by (path, commodity, lot)."""

    def __init__(self) -> None:
        self.sequences: dict[tuple[str, str], int] = {}
        self.document_keys: set[tuple[str, str]] = set()
        self.balances: dict[tuple[str, str, str], int] = {}
        self.entries: dict[int, JournalEntry] = {}
        self.subjects: dict[str, int] = {}
        self.counters: dict[str, int] = {}

    def balance(self, path: str, commodity: str = "POINT") -> int:
        return sum(b for (p, c, _), b in self.balances.items() if (p, c) == (path, commodity))


async def audit(database: Database, ledger: str) -> Books:
    """The books of a ledger, after everything that must hold of them has been asserted."""
    return await database.read(_audit, ledger_id_of(ledger))


def _audit(connection: Connection, ledger_id: int) -> Books:
    def rows(statement: str) -> list[Any]:
        return list(connection.execute(text(statement), {"l": ledger_id}))

    head = rows("SELECT sequence, posting, account, lot, recorded_at, batch FROM heads WHERE ledger_id = :l")[
        0
    ]
    accounts = {
        number: (path, kind in ("liability", "equity", "income"), floor)
        for number, path, kind, floor in rows(
            "SELECT account, path, type, floor FROM accounts WHERE ledger_id = :l"
        )
    }
    lots = {n: (c, code) for n, c, code in rows("SELECT lot, commodity, code FROM lots WHERE ledger_id = :l")}
    assert (len(accounts), len(lots)) == (head.account, head.lot), "numbers of accounts and lots have a gap"
    books = Books()
    folded = _fold(rows, accounts, lots, head, books, ledger_id)
    stored = {
        (accounts[account][0], *lots[lot]): balance
        for account, lot, balance in rows("SELECT account, lot, balance FROM balances WHERE ledger_id = :l")
    }
    assert stored == folded, "balance rows are not the fold of the postings"
    books.balances = {key: balance for key, balance in stored.items() if balance}
    documents = rows("SELECT client, key FROM document_keys WHERE ledger_id = :l")
    books.document_keys = {(client, key) for client, key in documents}
    assert not books.document_keys & books.sequences.keys(), "a key was consumed twice"
    books.subjects = dict(map(tuple, rows("SELECT subject, version FROM subjects WHERE ledger_id = :l")))
    books.counters = dict(map(tuple, rows("SELECT counter, value FROM counters WHERE ledger_id = :l")))
    batches = rows(
        "SELECT batch, last_sequence, recorded_at FROM batches WHERE ledger_id = :l ORDER BY batch"
    )
    assert [b.batch for b in batches] == list(range(1, head.batch + 1)), "batches have a gap"
    assert [b.recorded_at for b in batches] == sorted(b.recorded_at for b in batches), "time ran backwards"
    assert not batches or batches[-1].last_sequence == head.sequence
    return books


def _fold(
    rows: Any, accounts: dict[int, Any], lots: dict[int, Any], head: Any, books: Books, ledger_id: int
) -> dict[Any, int]:
    """Walk the journal in order, checking every running figure; returns the balances that come out."""
    balances: Counter[Any] = Counter()
    totals: Counter[Any] = Counter()
    versions: Counter[int] = Counter()
    postings: dict[int, list[Posting]] = {}
    journal = rows("SELECT * FROM postings WHERE ledger_id = :l ORDER BY posting")
    for number, p in enumerate(journal, 1):
        assert p.posting == number, "postings have a gap"
        commodity, lot = lots[p.lot]
        for side, account, grows in (("debit", p.debit_account, False), ("credit", p.credit_account, True)):
            path, is_credit_normal, floor = accounts[account]
            change = p.amount if is_credit_normal is grows else -p.amount
            balances[path, commodity, lot] += change
            totals[path, commodity] += change
            versions[account] += 1
            running = (
                getattr(p, f"{side}_balance"),
                getattr(p, f"{side}_total"),
                getattr(p, f"{side}_version"),
            )
            assert running == (balances[path, commodity, lot], totals[path, commodity], versions[account])
            if floor is not None:
                assert totals[path, commodity] >= floor, f"{path} fell under its floor"
                assert floor or balances[path, commodity, lot] >= 0, f"{path} fell under 0 in lot {lot}"
        postings.setdefault(p.sequence, []).append(
            Posting(
                p.posting, p.sequence, accounts[p.debit_account][0], accounts[p.credit_account][0],
                commodity, lot,
                p.amount, p.debit_version, p.credit_version, p.debit_balance, p.credit_balance,
                p.debit_total, p.credit_total,
            )
        )  # fmt: skip
    assert len(journal) == head.posting
    _entries(rows, postings, head, books, ledger_id)
    return dict(balances)


def _entries(rows: Any, postings: dict[int, list[Posting]], head: Any, books: Books, ledger_id: int) -> None:
    recorded_at, reversed_entries = 0, set()
    entries = rows("SELECT * FROM entries WHERE ledger_id = :l ORDER BY sequence")
    for sequence, e in enumerate(entries, 1):
        assert e.sequence == sequence, "sequence numbers have a gap"
        entry = JournalEntry(
            e.sequence, e.kind, e.client, e.key, e.request, e.effective_at, e.recorded_at, e.actor, e.place,
            e.reason, e.reverses, e.metadata, e.documents, e.first_posting, tuple(postings[sequence]), e.leaf,
        )  # fmt: skip
        assert leaf_of_entry(ledger_id, entry) == e.leaf, "the leaf is not that of the entry"
        assert (e.first_posting, e.postings) == (entry.postings[0].number, len(entry.postings))
        assert e.recorded_at >= recorded_at, "time ran backwards"
        assert (e.client, e.key) not in books.sequences, "a key was consumed twice"
        if e.reverses:
            assert e.reverses not in reversed_entries, "an entry was reversed twice"
            reversed_entries.add(e.reverses)
        recorded_at = e.recorded_at
        books.sequences[e.client, e.key] = sequence
        books.entries[sequence] = entry
    assert len(entries) == head.sequence == len(postings)
