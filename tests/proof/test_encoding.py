"""The encoding is what docs/encoding.md says, and both implementations agree on every entry."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsbank.engine.commands import attach, request_digest
from pointsbank.ledger.books import key_digest
from pointsbank.ledger.invariants import expiry_of
from pointsbank.ledger.model import (
    Attachment,
    JournalEntry,
    Posting,
    canonical_documents,
    canonical_metadata,
    lot_expiry,
)
from pointsbank.proof.encoding import encode_entry, leaf_of_entry
from pointsbank.store.port import ledger_id_of
from pointsbank.verify import encoding as second

PAGE = (Path(__file__).parents[2] / "docs" / "encoding.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("## Example")[1]


def stated(what: str) -> str:
    found = re.search(rf"{re.escape(what)}: `([^`]+)`", EXAMPLE)
    assert found is not None, what
    return found[1]


def table() -> list[tuple[str, str, bytes]]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| `([0-9a-f ]+)` \|$", EXAMPLE, re.MULTILINE)
    return [(field, value.strip("`"), bytes.fromhex(hexed)) for field, value, hexed in rows]


def test_the_example_in_the_docs_hashes_to_the_leaf_it_states() -> None:
    raw = b"".join(part for _, _, part in table())
    assert raw[:1] == b"\x00"
    assert hashlib.sha256(raw).hexdigest() == stated("Leaf")
    assert f"({len(raw)} bytes hashed)" in EXAMPLE


def entry_of_the_example() -> JournalEntry:
    cells = {field: value for field, value, _ in table()}
    raw = {field: part for field, _, part in table()}
    number = {name: int(cells[name]) for name in cells if cells[name].isdigit()}
    posting = Posting(
        number["number"], number["sequence"], cells["posting 1: debit path"], cells["credit path"],
        cells["commodity"], cells["lot"], number["amount"], number["debit_version"], number["credit_version"],
        number["debit_balance"], number["credit_balance"], number["debit_total"], number["credit_total"],
    )  # fmt: skip
    return JournalEntry(
        number["sequence"], cells["kind"], cells["client"], cells["key"], raw["request"],
        number["effective_at"], number["recorded_at"], cells["actor"], cells["place"], "", number["reverses"],
        cells["metadata"], cells["documents"], posting.number, (posting,),
    )  # fmt: skip


def test_what_posts_entries_computes_the_example() -> None:
    entry = entry_of_the_example()
    ledger_id = ledger_id_of("city")
    assert ledger_id == int(stated("Ledger id of the name `city`"))
    assert b"\x00" + encode_entry(ledger_id, entry) == b"".join(part for _, _, part in table())
    assert leaf_of_entry(ledger_id, entry).hex() == stated("Leaf")


def test_what_verifies_computes_the_example() -> None:
    assert leaf_by_the_second(ledger_id_of("city"), entry_of_the_example()).hex() == stated("Leaf")


@pytest.mark.parametrize("digest", [key_digest, second.key_digest])
def test_key_digest_is_as_stated(digest) -> None:  # type: ignore[no-untyped-def]
    assert digest("till-3", "B-17").hex() == stated("Key digest of client `till-3` and key `B-17`")


def test_request_digest_is_as_stated() -> None:
    assert request_digest("basket", "B-17").hex() == stated("Request digest of the parts `basket` and `B-17`")


def leaf_by_the_second(ledger_id: int, e: JournalEntry) -> bytes:
    return second.leaf_hash(
        second.six_numbers(ledger_id, e.sequence, e.effective_at, e.recorded_at, e.reverses, len(e.postings)),
        (
            second.sized(e.kind), second.sized(e.client), second.sized(e.key), e.request,
            second.sized(e.actor), second.sized(e.place), second.sized(e.reason), second.sized(e.metadata),
            second.sized(e.documents),
        ),
        b"".join(
            second.sized(p.debit) + second.sized(p.credit) + second.sized(p.commodity) + second.sized(p.lot)
            + second.eight_numbers(p.number, p.amount, p.debit_version, p.credit_version, p.debit_balance,
                                   p.credit_balance, p.debit_total, p.credit_total)
            for p in e.postings
        ),
    )  # fmt: skip


WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=20)
POSTINGS = st.builds(
    Posting, WHOLE, WHOLE, TEXT, TEXT, TEXT, TEXT, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE
)
ENTRIES = st.builds(
    JournalEntry, WHOLE, TEXT, TEXT, TEXT, st.binary(min_size=16, max_size=16), WHOLE, WHOLE, TEXT, TEXT,
    TEXT, WHOLE, TEXT, TEXT, WHOLE, st.lists(POSTINGS, max_size=3).map(tuple),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2**31 - 1), ENTRIES)
def test_both_implementations_agree_on_every_entry(ledger_id: int, entry: JournalEntry) -> None:
    assert leaf_by_the_second(ledger_id, entry) == leaf_of_entry(ledger_id, entry)


@settings(max_examples=150, deadline=None)
@given(st.text(), st.text())
def test_both_implementations_agree_on_keys_and_ledgers(client: str, key: str) -> None:
    assert second.key_digest(client, key) == key_digest(client, key)
    assert second.ledger_number(key) == ledger_id_of(key)


ASCII = st.text(st.characters(max_codepoint=127), max_size=10)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(ASCII, st.integers(-(2**63), 2**63 - 1) | ASCII, max_size=4))
def test_metadata_as_written_is_canonical(metadata: dict[str, int | str]) -> None:
    assert second.parse_metadata(canonical_metadata(metadata)) == metadata


@pytest.mark.parametrize(
    "text",
    ["{}", " ", '{"b":1,"a":2}', '{"a": 1}', '{"a":1,"a":1}', '{"a":1.0}', '{"a":true}', '{"a":null}', "[1]",
     '{"a":1}\n', '{"a":"\\u0061"}', "nonsense"],
)  # fmt: skip
def test_metadata_in_any_other_form_is_not(text: str) -> None:
    assert second.parse_metadata(text) is None


def test_documents_as_written_are_canonical() -> None:
    documents = (attach("receipt", "B/17", b"salt", "a", "b"), Attachment("return", "", bytes(32)))
    assert second.parse_documents(canonical_documents(documents)) == [
        (d.kind, d.id, d.digest) for d in documents
    ]
    assert second.document_digest(b"salt", ["a", "b"]) == documents[0].digest


@pytest.mark.parametrize(
    "text", ["a", "a/b", "a/b/XY", "a/b/abc", "a/b/", "a/b/ab\n", "a/b/ab\n\nc/d/ab", "/b/ab"]
)
def test_documents_in_any_other_form_are_not(text: str) -> None:
    assert second.parse_documents(text) is None


@pytest.mark.parametrize(
    "lot", ["2027-12-31/f", "never/donor", "-", "", "2027-12-31", "2027/12/31", "abcd-ef-gh/x"]
)
def test_both_read_the_same_date_from_a_lots_name(lot: str) -> None:
    assert expiry_of(lot) == lot_expiry(lot)
