"""What no book could hold is refused as malformed, before it can take a whole batch along."""

from __future__ import annotations

import msgspec
import pytest
from tests.ledger.toy import EARLY, SHOP, Desk, draft, issue, move

from pointsbank.ledger.books import Accepted
from pointsbank.ledger.model import (
    MAX_AMOUNT,
    MAX_POSTINGS,
    Attachment,
    Change,
    Commodity,
    Row,
    canonical_documents,
    canonical_metadata,
    number_of,
)
from pointsbank.ledger.refusals import InvalidDraft

PAY = (move("wallet:a", "wallet:b", 1),)


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk()
    desk.accept(issue("1", "wallet:a", 5000, EARLY))
    desk.accept(draft("open", "2", opens=["wallet:b"]))
    return desk


MALFORMED: list[tuple[str, dict[str, object]]] = [
    ("an empty key", {"key": ""}),
    ("a key of 256 characters", {"key": 256 * "k"}),
    ("a key with a control character", {"key": "a\x1fb"}),
    ("a key with half a surrogate pair", {"key": "\ud800"}),
    ("an empty kind", {"kind": ""}),
    ("an empty client", {"client": ""}),
    ("a client with half a surrogate pair", {"client": "\udfff"}),
    ("a NUL in the actor", {"actor": "a\0"}),
    ("a line break in the place", {"place": "a\nb"}),
    ("a separator in the reason", {"reason": "\x1f"}),
    ("a short request digest", {"request": bytes(15)}),
    ("a long request digest", {"request": bytes(17)}),
    ("an effective time beyond all times", {"effective_at": 2**62}),
    ("an effective time before all times", {"effective_at": -(2**62)}),
    ("one movement too many", {"movements": PAY * (MAX_POSTINGS + 1)}),
    ("an amount of nothing", {"movements": (move("wallet:a", "wallet:b", 0),)}),
    ("an amount too large", {"movements": (move("wallet:a", "wallet:b", MAX_AMOUNT + 1),)}),
    ("one account twice", {"movements": (move("wallet:a", "wallet:a", 1),)}),
    ("a fault in the second movement", {"movements": (*PAY, move("wallet:a", "wallet:b", -1))}),
    ("a lot with a control character", {"movements": (move("wallet:a", "wallet:b", 1, "2027\n"),)}),
    ("a lot with a name too long", {"movements": (move("wallet:a", "wallet:b", 1, 256 * "x"),)}),
    ("metadata with a name twice", {"metadata": (("a", 1), ("a", 2))}),
    ("metadata that plays a receipt number", {"metadata": (("number:receipt:T1", 7),)}),
    ("metadata with an empty name", {"metadata": (("", 1),)}),
    ("metadata beyond integers", {"metadata": (("a", 2**63),)}),
    ("metadata with a control character", {"metadata": (("a", "b\0"),)}),
    ("metadata with half a surrogate pair", {"metadata": (("a", "\ud800"),)}),
    ("a document id with a line break", {"documents": (Attachment("receipt", "1\nreceipt/2", bytes(32)),)}),
    ("a document id with a separator", {"documents": (Attachment("receipt", "\x1f", bytes(32)),)}),
    ("a document kind with a slash", {"documents": (Attachment("a/b", "c", bytes(32)),)}),
    ("a commodity with ten decimals", {"commodities": (Commodity("X", 10, has_lots=False),)}),
    ("a commodity without a code", {"commodities": (Commodity("", 0, has_lots=False),)}),
    ("a subject with a NUL", {"touches": ("s\0",)}),
    ("a read subject without a name", {"reads": (("", 0),)}),
    ("a subject too long for an index", {"touches": (256 * "s",)}),
    ("a counter twice", {"counters": ("c", "c")}),
    ("a counter without a name", {"counters": ("",)}),
    ("a row without its state", {"rows": (Row("notes", ("1", "open"), state="closed"),)}),
    ("a row with a NUL", {"rows": (Row("notes", ("1", "a\0b")),)}),
    ("a row with half a surrogate pair", {"rows": (Row("notes", ("1", "\ud800")),)}),
    ("a row with an integer beyond 64 bits", {"rows": (Row("notes", (2**63,)),)}),
    (
        "a row with the number of a counter that is not its own",
        {"rows": (Row("notes", ("1", number_of("c"))),)},
    ),
    ("one document changed twice", {"changes": (Change("n", (1,), "a", "b"), Change("n", (1,), "b", "c"))}),
    ("a change with a NUL", {"changes": (Change("n", (1,), "a", "b", (("x", "\0"),)),)}),
]


@pytest.mark.parametrize("fields", [f for _, f in MALFORMED], ids=[name for name, _ in MALFORMED])
def test_a_malformed_draft_is_refused(desk: Desk, fields: dict[str, object]) -> None:
    malformed = msgspec.structs.replace(draft("pay", "k", *PAY), **fields)
    assert type(desk.judge(malformed, SHOP)) is InvalidDraft


def test_what_people_write_is_well_formed(desk: Desk) -> None:
    verdict = desk.judge(
        draft(
            "pay", "小票-1", *PAY,
            actor="u1", place="0421", metadata=(("policy", "harbin-2026"), ("类别", "养老")),
            documents=(Attachment("receipt", "T1/12", bytes(32)),), touches=("volunteer:1",),
            counters=("receipt:T1",),
            rows=(Row("notes", ("1", "两行\n文字 😀", None, b"\0", -(2**63), number_of("receipt:T1"))),),
        )
    )  # fmt: skip
    assert isinstance(verdict, Accepted)
    assert verdict.metadata == '{"number:receipt:T1":1,"policy":"harbin-2026","类别":"养老"}'
    assert verdict.documents == "receipt/T1/12/" + 64 * "0"


def test_as_many_movements_as_an_entry_takes_are_posted() -> None:
    desk = Desk()
    desk.accept(issue("1", "wallet:a", MAX_POSTINGS, EARLY))
    receipt = desk.accept(draft("pay", "2", *PAY * MAX_POSTINGS, opens=["wallet:b"]))
    assert len(receipt.postings) == MAX_POSTINGS
    assert desk.balance("wallet:a") == 0


def test_canonical_metadata_is_sorted_and_has_no_blanks() -> None:
    assert canonical_metadata((("b", 1), ("a", 'x"y'))) == '{"a":"x\\"y","b":1}'
    assert canonical_metadata({"b": 1, "a": "x"}) == canonical_metadata((("a", "x"), ("b", 1)))
    assert canonical_metadata(()) == ""


def test_canonical_documents_keep_the_order_given() -> None:
    documents = (Attachment("b", "2", b"\x01"), Attachment("a", "1", b"\xff"))
    assert canonical_documents(documents) == "b/2/01\na/1/ff"
