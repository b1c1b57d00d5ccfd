"""Each posting against the one before it on the same account: versions, running balances, totals, floors.

Postings are walked in posting order, which is every account's version order too. What the walk remembers is
bounded: when it has seen too much it forgets, and takes an account up again from its newest posting before
the chunk. That posting was compared with its own predecessor when it was passed: the chain has no open link.
"""

from __future__ import annotations

from sqlalchemy import Connection

from pointsbank.ledger.invariants import under_floor
from pointsbank.verify.names import AccountFacts, LotFacts
from pointsbank.verify.report import Findings
from pointsbank.verify.source import Rows, fetch

REMEMBERED = 400_000
"""Versions, balances and totals kept at a time: some 60 MB."""

Anchors = tuple[dict[int, int], dict[int, int], dict[tuple[int, str], int]]
"""Version by account, balance by account and lot, total by account and commodity."""


class Fold:
    """Folds postings and compares what each says of both its accounts."""

    def __init__(self, findings: Findings, *, from_the_start: bool, remembered: int = REMEMBERED) -> None:
        self._findings = findings
        self._remembered = remembered
        self._knows_all = from_the_start
        self._versions: dict[int, int] = {}
        self._balances: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        self._alternates: dict[tuple[str, int], int] = {}
        self.new_pairs: list[tuple[int, int]] = []
        """Accounts and lots that postings have moved and whose balance row is still to be looked for."""

    def lacks(self, postings: Rows) -> list[int]:
        """Accounts of these postings whose state must be taken up from the database."""
        if self._knows_all:
            return []
        accounts = {p[2] for p in postings}
        accounts.update(p[3] for p in postings)
        return sorted(accounts - self._versions.keys())

    def take_up(self, anchors: Anchors, lots: dict[int, LotFacts]) -> None:
        """Go on from the state that accounts had before the chunk."""
        versions, balances, totals = anchors
        commodities = {facts.commodity: facts.commodity_number for facts in lots.values()}
        self._versions.update(versions)
        self._balances.update(balances)
        for (account, commodity), total in totals.items():
            if commodity in commodities:
                self._totals[account << 32 | commodities[commodity]] = total

    def feed(self, postings: Rows, accounts: dict[int, AccountFacts], lots: dict[int, LotFacts]) -> None:
        """Compare the postings of a chunk, in posting order, with what came before them."""
        versions, balances, totals, side = self._versions, self._balances, self._totals, self._side
        for number, _, debit, credit, lot, amount, dv, cv, db, cb, dt, ct in postings:
            lot_facts = lots.get(lot)
            if lot_facts is None:
                continue
            commodity = lot_facts.commodity_number
            # The two sides spelled out: a call for each would cost as much as the whole comparison.
            facts = accounts.get(debit)
            if facts is not None:
                change = -amount if facts.credit_normal else amount
                pair, kind = debit << 32 | lot, debit << 32 | commodity
                if (
                    versions.get(debit, 0) + 1 == dv
                    and pair in balances
                    and balances[pair] + change == db
                    and totals.get(kind, 0) + change == dt
                    and db >= facts.lot_floor
                    and dt >= facts.total_floor
                ):
                    versions[debit], balances[pair], totals[kind] = dv, db, dt
                else:
                    side(number, "debit", debit, lot, kind, facts.floor, change, (dv, db, dt))
            facts = accounts.get(credit)
            if facts is not None:
                change = amount if facts.credit_normal else -amount
                pair, kind = credit << 32 | lot, credit << 32 | commodity
                if (
                    versions.get(credit, 0) + 1 == cv
                    and pair in balances
                    and balances[pair] + change == cb
                    and totals.get(kind, 0) + change == ct
                    and cb >= facts.lot_floor
                    and ct >= facts.total_floor
                ):
                    versions[credit], balances[pair], totals[kind] = cv, cb, ct
                else:
                    side(number, "credit", credit, lot, kind, facts.floor, change, (cv, cb, ct))
        if len(versions) + len(balances) + len(totals) > self._remembered:
            self.forget()

    def forget(self) -> None:
        """Let go of all accounts; they are taken up again when they come."""
        for memory in (self._versions, self._balances, self._totals):
            memory.clear()
        self._alternates.clear()
        self._knows_all = False

    def _side(
        self,
        number: int,
        side: str,
        account: int,
        lot: int,
        kind: int,
        floor: int | None,
        change: int,
        recorded: tuple[int, int, int],
    ) -> None:
        """One side, carefully: the first posting of a lot, or something wrong."""
        version, balance, total = recorded
        pair = account << 32 | lot
        if pair not in self._balances:
            self._balances[pair] = 0
            self.new_pairs.append((account, lot))
        self._compare("posting-version", number, side, self._versions, account, 1, version)
        self._compare("posting-balance", number, side, self._balances, pair, change, balance)
        self._compare("posting-total", number, side, self._totals, kind, change, total)
        if under_floor(floor, balance, total):
            self._findings.add(
                "posting-floor", f"postings/{number}/{side}", floor, balance if floor == 0 else total
            )

    def _compare(
        self, code: str, number: int, side: str, memory: dict[int, int], key: int, change: int, recorded: int
    ) -> None:
        """The fold against what is recorded.

        After a difference either may be what the next posting goes on from: one broken figure is one finding.
        """
        expected = memory.get(key, 0) + change
        if expected != recorded:
            alternate = self._alternates.pop((code, key), None)
            if alternate is not None and alternate + change == recorded:
                expected = recorded
            else:
                self._findings.add(code, f"postings/{number}/{side}", expected, recorded)
                self._alternates[code, key] = recorded
        memory[key] = expected


def read_anchors(connection: Connection, ledger_id: int, accounts: list[int], posting: int) -> Anchors:
    """The state of accounts after posting number `posting`: from the newest posting of each of their lots."""
    rows = fetch(connection, _NEWEST, ledger_id, accounts, posting) if accounts else []
    versions: dict[int, int] = {}
    balances: dict[int, int] = {}
    totals: dict[tuple[int, str], int] = {}
    for (
        account,
        lot,
        commodity,
        version,
        balance,
        total,
    ) in rows:  # by account and posting: the newest come last
        versions[account] = version
        balances[account << 32 | lot] = balance
        totals[account, commodity] = total
    return versions, balances, totals


_NEWEST = """
SELECT b.account, b.lot, l.commodity,
  CASE WHEN p.debit_account = b.account THEN p.debit_version ELSE p.credit_version END,
  CASE WHEN p.debit_account = b.account THEN p.debit_balance ELSE p.credit_balance END,
  CASE WHEN p.debit_account = b.account THEN p.debit_total ELSE p.credit_total END
FROM (
  SELECT account, lot, CASE WHEN coalesce(d, 0) > coalesce(c, 0) THEN d ELSE c END AS newest FROM (
    SELECT account, lot,
      (SELECT max(posting) FROM postings WHERE ledger_id = $1 AND debit_account = b.account AND lot = b.lot
        AND posting <= $3) AS d,
      (SELECT max(posting) FROM postings WHERE ledger_id = $1 AND credit_account = b.account AND lot = b.lot
        AND posting <= $3) AS c
    FROM balances b WHERE ledger_id = $1 AND account = ANY($2::integer[])
  ) AS sides
) AS b
JOIN postings p ON p.ledger_id = $1 AND p.posting = b.newest
JOIN lots l ON l.ledger_id = $1 AND l.lot = b.lot
ORDER BY b.account, b.newest
"""
