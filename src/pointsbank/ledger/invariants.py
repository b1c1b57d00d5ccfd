"""What must always be true of the books, stated once: plain values in, a broken rule out.

`verify` uses the statements row by row on a database; tests use `check_journal`, which folds a whole journal
in memory and is the judge of everything that writes one. Nothing here reads a clock or a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from pointsbank.ledger.model import MAX_AMOUNT, NEVER_EXPIRES, NO_LOT, JournalEntry, Posting, Side

Line = tuple[object, object, object, int]
"""A posting as a reversal sees it: debit account, credit account, lot, amount."""

LotKey = TypeVar("LotKey")


class InvariantBroken(Exception):
    """The books are not what they must be. `rule` names the invariant, `place` where it is broken."""

    def __init__(self, rule: str, place: str) -> None:
        super().__init__(f"{rule}: {place}")
        self.rule = rule
        self.place = place


class OpenedAccount(msgspec.Struct, frozen=True):
    """What a fold needs to know of an account: its normal side and its floor (None for none)."""

    side: Side
    floor: int | None


def moves_by(side: Side, *, debited: bool, amount: int) -> int:
    """By how much a posting moves a balance counted on the account's normal side."""
    return amount if debited == (side is Side.DEBIT) else -amount


def under_floor(floor: int | None, balance: int, total: int) -> bool:
    """Whether an account stands under its floor: 0 holds for each lot, a budget (under 0) for their sum."""
    if floor is None:
        return False
    return balance < 0 if floor == 0 else total < floor


def amount_in_range(amount: int) -> bool:
    """A posting moves more than nothing and less than any city will ever hold."""
    return 0 < amount <= MAX_AMOUNT


def mirrors(original: Sequence[Line], reversal: Sequence[Line]) -> bool:
    """Whether a reversal takes back an entry exactly: the last posting first, sides swapped."""
    mirrored = [(credit, debit, lot, amount) for debit, credit, lot, amount in reversed(original)]
    return mirrored == list(reversal)


def expiry_of(lot: str) -> str:
    """The date that stands in a lot's name, or the end of time for one without a date."""
    return lot[:10] if len(lot) >= 10 and lot[4] == lot[7] == "-" else NEVER_EXPIRES


def lot_fits(has_lots: bool, lot: str) -> bool:
    """A commodity without lots has the one lot `-`."""
    return has_lots or lot == NO_LOT


def balances_even_out(totals: Iterable[tuple[Side, int]]) -> bool:
    """Trial balance of one commodity: debit-normal accounts hold as much as credit-normal ones."""
    return sum(amount if side is Side.DEBIT else -amount for side, amount in totals) == 0


def check_journal(
    entries: Sequence[JournalEntry], accounts: Mapping[str, OpenedAccount]
) -> dict[tuple[str, str, str], int]:
    """Fold a whole journal. Returns the balances by (account, commodity, lot); raises InvariantBroken."""
    fold = _Fold(accounts)
    by_sequence = {entry.sequence: entry for entry in entries}
    reversed_already: set[int] = set()
    recorded_at = 0
    for place, entry in enumerate(entries, 1):
        _require(entry.sequence == place, "sequence numbers have no gap", f"entry {entry.sequence}")
        _require(entry.recorded_at >= recorded_at, "recorded_at never runs backwards", f"entry {place}")
        recorded_at = entry.recorded_at
        _require(bool(entry.postings), "an entry has postings", f"entry {place}")
        for posting in entry.postings:
            _require(posting.sequence == place, "a posting names its entry", f"posting {posting.number}")
            fold.post(posting)
        if entry.reverses:
            _check_reversal(entry, by_sequence.get(entry.reverses), reversed_already)
    return fold.balances


def _check_reversal(entry: JournalEntry, target: JournalEntry | None, reversed_already: set[int]) -> None:
    place = f"entry {entry.sequence}"
    _require(
        target is not None and target.sequence < entry.sequence, "a reversal names an earlier entry", place
    )
    assert target is not None
    _require(target.sequence not in reversed_already, "an entry is reversed once", place)
    _require(not target.reverses, "a reversal is not reversed", place)
    _require(mirrors(_lines(target), _lines(entry)), "a reversal mirrors its entry", place)
    reversed_already.add(target.sequence)


def _lines(entry: JournalEntry) -> list[Line]:
    return [(p.debit, p.credit, (p.commodity, p.lot), p.amount) for p in entry.postings]


class _Fold:
    """Balances, totals and versions as the postings make them, one posting after the other."""

    def __init__(self, accounts: Mapping[str, OpenedAccount]) -> None:
        self.accounts = accounts
        self.number = 0
        self.versions: dict[str, int] = {}
        self.balances: dict[tuple[str, str, str], int] = {}
        self.totals: dict[tuple[str, str], int] = {}

    def post(self, p: Posting) -> None:
        place = f"posting {p.number}"
        self.number += 1
        _require(p.number == self.number, "posting numbers have no gap", place)
        _require(amount_in_range(p.amount), "an amount is above 0", place)
        _require(p.debit != p.credit, "a posting has two accounts", place)
        self._side(p, p.debit, True, (p.debit_version, p.debit_balance, p.debit_total))
        self._side(p, p.credit, False, (p.credit_version, p.credit_balance, p.credit_total))

    def _side(self, p: Posting, path: str, debited: bool, recorded: tuple[int, int, int]) -> None:
        account, place = self.accounts[path], f"posting {p.number}, {path}"
        change = moves_by(account.side, debited=debited, amount=p.amount)
        version = self.versions[path] = self.versions.get(path, 0) + 1
        lot, commodity = (path, p.commodity, p.lot), (path, p.commodity)
        balance = self.balances[lot] = self.balances.get(lot, 0) + change
        total = self.totals[commodity] = self.totals.get(commodity, 0) + change
        _require(recorded == (version, balance, total), "versions and running balances are the fold", place)
        _require(not under_floor(account.floor, balance, total), "no balance under its floor", place)


def _require(holds: bool, rule: str, place: str) -> None:
    if not holds:
        raise InvariantBroken(rule, place)
