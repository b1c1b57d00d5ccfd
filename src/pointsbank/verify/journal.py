"""The journal in sequence order: gaps, leaves, keys, times, reversals, movements, documents, counters."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final

from pointsbank.ledger.invariants import amount_in_range, mirrors
from pointsbank.verify.chart import ChartReader
from pointsbank.verify.chunks import Chunk, Place
from pointsbank.verify.encoding import (
    eight_numbers,
    key_digest,
    leaf_hash,
    parse_documents,
    parse_metadata,
    six_numbers,
    sized,
)
from pointsbank.verify.names import AccountFacts, LotFacts, Names
from pointsbank.verify.report import Findings
from pointsbank.verify.source import Row, Rows

EMPTY: Final = sized("")
NOBODY: Final = AccountFacts(sized("?"), "?", False, None, 0, 0)
NO_SUCH_LOT: Final = LotFacts(sized("?") + sized("?"), "?", -1)


class Journal:
    """Checks chunk after chunk; remembers only where it stands, and the last number of each counter."""

    def __init__(self, ledger_id: int, chart: ChartReader | None, findings: Findings, place: Place) -> None:
        self.place = place
        self.counters: dict[str, int] = {}
        self._ledger_id = ledger_id
        self._chart = chart
        self._findings = findings
        self._from_the_start = place.sequence == 0
        self._texts: dict[tuple[str, ...], bytes] = {}
        self._plain_metadata: set[str] = {""}

    def check(self, chunk: Chunk, names: Names) -> None:
        """Check the entries of a chunk with their postings, and move on."""
        if len(self._texts) > 10_000:
            self._texts.clear()
        by_sequence: dict[int, Rows] = {}
        for posting in chunk.postings:
            by_sequence.setdefault(posting[1], []).append(posting)
        self._check_numbers(chunk.postings, chunk.last_posting)
        sequence, posting, recorded_at = self.place
        for entry in chunk.entries:
            if entry[0] != sequence + 1:
                self.missing("entry-gap", "entries", sequence + 1, entry[0] - 1)
            sequence = entry[0]
            if entry[2] < recorded_at:
                self._findings.add("entry-recorded-at", f"entries/{sequence}", f">= {recorded_at}", entry[2])
            recorded_at = entry[2]
            rows = by_sequence.pop(sequence, [])
            if entry[4] != (rows[0][0] if rows else posting + 1) or entry[5] != len(rows):
                self._findings.add(
                    "entry-postings",
                    f"entries/{sequence}",
                    f"{entry[5]} from posting {entry[4]}",
                    f"{len(rows)} from {rows[0][0] if rows else '-'}",
                )
            posting = entry[4] + entry[5] - 1
            try:
                self._check_entry(entry, rows, names)
            except (TypeError, ValueError, AttributeError, struct.error) as error:
                # Only a database without its constraints holds what cannot be encoded.
                self._findings.add(
                    "entry-unreadable", f"entries/{sequence}", "", f"{type(error).__name__}: {error}"
                )
            if entry[3]:
                self._check_reversal(entry, rows, chunk)
        for strays in by_sequence.values():
            for stray in strays:
                self._findings.add("posting-stray", f"postings/{stray[0]}", "", f"entry {stray[1]}")
        for sequence_used_twice in chunk.keys_used_twice:
            self._findings.add("key-duplicate", f"entries/{sequence_used_twice}")
        self.place = Place(sequence, chunk.last_posting, recorded_at)

    def missing(self, code: str, table: str, first: int, last: int) -> None:
        """Name a gap."""
        if last >= first:
            self._findings.add(code, f"{table}/{first}" if first == last else f"{table}/{first}..{last}")

    def _check_numbers(self, postings: Rows, last: int) -> None:
        first = self.place.posting
        if len(postings) == last - first:
            return  # distinct by key, within bounds and as many as there are numbers
        numbers = [first, *(p[0] for p in postings), last + 1]
        for before, after in pairwise(numbers):
            self.missing("posting-gap", "postings", before + 1, after - 1)

    def _check_entry(self, entry: Row, rows: Rows, names: Names) -> None:
        (
            sequence,
            effective_at,
            recorded_at,
            reverses,
            _,
            _,
            kind,
            client,
            key,
            digest,
            request,
            actor,
            place,
            reason,
            metadata,
            documents,
            leaf,
        ) = entry
        add, texts = self._findings.add, self._texts_of
        lines: list[bytes] = []
        accounts, lots = names.accounts, names.lots
        carried: list[str] | None = None
        for number, _, debit, credit, lot, amount, dv, cv, db, cb, dt, ct in rows:
            d, c, of = accounts.get(debit, NOBODY), accounts.get(credit, NOBODY), lots.get(lot, NO_SUCH_LOT)
            lines += (d.encoded, c.encoded, of.encoded, eight_numbers(number, amount, dv, cv, db, cb, dt, ct))
            if not amount_in_range(amount):
                add("posting-amount", f"postings/{number}", "> 0", amount)
            if debit == credit:
                add("posting-accounts", f"postings/{number}", "", debit)
            if d is NOBODY or c is NOBODY:
                add("posting-account", f"postings/{number}", "", debit if d is NOBODY else credit)
            elif of is NO_SUCH_LOT:
                add("posting-lot", f"postings/{number}", "", lot)
            elif not reverses and self._chart is not None:
                document = self._chart.document_for(kind, d.kind, c.kind, of.commodity)
                if document is None or (kind in self._chart.first_only and sequence != 1):
                    add(
                        "posting-movement",
                        f"postings/{number}",
                        "",
                        f"{kind}: {d.kind} -> {c.kind}, {of.commodity}",
                    )
                elif document:
                    if carried is None:
                        carried = [found[0] for found in parse_documents(documents) or ()]
                    if document not in carried:
                        add("entry-document-required", f"entries/{sequence}", document, ", ".join(carried))
        if leaf != leaf_hash(
            six_numbers(self._ledger_id, sequence, effective_at, recorded_at, reverses, len(rows)),
            (
                texts((kind, client)),
                sized(key),
                request,
                texts((actor, place, reason)),
                sized(metadata) if metadata else EMPTY,
                sized(documents) if documents else EMPTY,
            ),
            b"".join(lines),
        ):
            add("entry-leaf", f"entries/{sequence}")
        if digest != key_digest(client, key):
            add("entry-key-digest", f"entries/{sequence}", key_digest(client, key), digest)
        if len(request) != 16:
            add("entry-request", f"entries/{sequence}", 16, len(request))
        if metadata not in self._plain_metadata:
            self._check_metadata(sequence, metadata)
        if documents and parse_documents(documents) is None:
            add("entry-documents", f"entries/{sequence}", "", documents)

    def _texts_of(self, values: tuple[str, ...]) -> bytes:
        """Texts that recur together (actor, place and reason), encoded once."""
        encoded = self._texts.get(values)
        if encoded is None:
            encoded = self._texts[values] = b"".join(map(sized, values))
        return encoded

    def _check_metadata(self, sequence: int, text: str) -> None:
        found = parse_metadata(text)
        if found is None:
            self._findings.add("entry-metadata", f"entries/{sequence}", "", text)
            return
        numbers = [(name[7:], number) for name, number in found.items() if name.startswith("number:")]
        if not numbers and len(self._plain_metadata) < 1000:
            self._plain_metadata.add(text)
        for counter, number in numbers:
            last = self.counters.get(counter, 0 if self._from_the_start else None)
            if last is not None and number != last + 1:
                self._findings.add(
                    "counter-gap", f"entries/{sequence}", f"{counter} {last + 1}", f"{counter} {number}"
                )
            self.counters[counter] = number

    def _check_reversal(self, entry: Row, rows: Rows, chunk: Chunk) -> None:
        sequence, target = entry[0], entry[3]
        place, add = f"entries/{sequence}", self._findings.add
        if not 0 < target < sequence:
            add("reversal-order", place, f"< {sequence}", target)
        if chunk.reversed_twice.get(target, 0) > 1:
            add("reversal-twice", place, 1, chunk.reversed_twice[target])
        if target not in chunk.targets:
            add("reversal-target", place, "", target)
            return
        (_, kind, reverses, _, _), lines = chunk.targets[target]
        if reverses:
            add("reversal-of-reversal", place, "", target)
        if self._chart is not None and kind not in self._chart.reversible:
            add("reversal-kind", place, "", kind)
        if not mirrors(lines, [(p[2], p[3], p[4], p[5]) for p in rows]):
            add("reversal-mirror", place, f"mirror of entry {target}")
