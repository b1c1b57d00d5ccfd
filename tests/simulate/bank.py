"""Between the judge and the program: commands become drafts, and answers are compared."""

from __future__ import annotations

from collections.abc import Sequence

from tests.ledger.toy import draft
from tests.simulate.audit import Books
from tests.simulate.model import BUDGET, Command, Judge, Posted

from pointsbank.engine.writer import Result
from pointsbank.ledger.model import Draft, Movement, OpenAccount, Receipt
from pointsbank.ledger.refusals import Refusal

WALLETS = ("wallet:a", "wallet:b", "wallet:c")
LOTS = ("2026-12-31/f", "2027-12-31/f", "never/f")
ACCOUNTS = ("mint:m", "fund:f", "till:t", *WALLETS)
OPENING = draft(
    "open",
    "open accounts",
    opens=[OpenAccount(path, BUDGET if path == "fund:f" else None) for path in ACCOUNTS],
)


def as_draft(command: Command, judge: Judge) -> Draft:
    """The draft of a command; what it undoes is named by the sequence that the judge has counted."""
    return draft(
        command.kind,
        command.key,
        *(Movement(d, c, commodity, amount, lot) for d, c, commodity, lot, amount in command.moves),
        reverses=judge.sequences.get(command.undoes, 999_999) if command.undoes else 0,
        request=bytes([command.request]) * 16,
    )


def code_and_postings(result: Result) -> tuple[str, tuple[Posted, ...]]:
    if isinstance(result, Refusal):
        return result.code, ()
    postings = tuple((p.debit, p.credit, p.commodity, p.lot, p.amount) for p in result.postings)
    return "replayed" if result.replayed else "accepted", postings


def compare(
    commands: Sequence[Command],
    results: Sequence[Result],
    answers: Sequence[tuple[str, object]],
    judge: Judge,
) -> None:
    """Assert that the bank answered as the judge does, and gave out the sequences that he counted."""
    for command, result, answer in zip(commands, results, answers, strict=True):
        assert code_and_postings(result) == answer, command
        if isinstance(result, Receipt):
            assert (result.key, result.sequence) == (command.key, judge.sequences[command.key])
            assert len(result.leaf) == 32


def same_books(books: Books, judge: Judge) -> None:
    assert books.balances == {key: balance for key, balance in judge.balances.items() if balance}
    assert {key: sequence for (_, key), sequence in books.sequences.items()} == judge.sequences
