"""Accounts and lots by number, as far as the chunk at hand needs them: a bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from pointsbank.verify.chart import is_credit_normal
from pointsbank.verify.encoding import sized
from pointsbank.verify.source import Rows, fetch

REMEMBERED = 100_000
_NO_FLOOR = -(2**63)


class AccountFacts(NamedTuple):
    encoded: bytes
    kind: str
    credit_normal: bool
    floor: int | None
    lot_floor: int
    """What the floor means for the balance of a lot."""
    total_floor: int
    """What the floor means for the sum over the lots."""


class LotFacts(NamedTuple):
    encoded: bytes
    commodity: str
    commodity_number: int


class Names:
    """What account and lot numbers stand for. A number that stands for nothing is not listed."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.accounts: dict[int, AccountFacts] = {}
        self.lots: dict[int, LotFacts] = {}
        self._commodities: dict[str, int] = {}
        self._remembered = remembered

    def load(self, connection: Connection, ledger_id: int, postings: Rows) -> None:
        """Look up what these postings name and is not known yet."""
        accounts, lots = {p[2] for p in postings}, {p[4] for p in postings}
        accounts.update(p[3] for p in postings)
        if len(self.accounts) + len(self.lots) > self._remembered:
            self.accounts.clear()
            self.lots.clear()
        self._load_accounts(connection, ledger_id, accounts - self.accounts.keys())
        self._load_lots(connection, ledger_id, lots - self.lots.keys())

    def _load_accounts(self, connection: Connection, ledger_id: int, wanted: Iterable[int]) -> None:
        rows = (
            fetch(
                connection,
                "SELECT account, path, kind, type, floor FROM accounts"
                " WHERE ledger_id = $1 AND account = ANY($2::integer[])",
                ledger_id,
                list(wanted),
            )
            if wanted
            else []
        )
        for account, path, kind, account_type, floor in rows:
            self.accounts[account] = AccountFacts(
                sized(path),
                kind,
                is_credit_normal(account_type),
                floor,
                0 if floor == 0 else _NO_FLOOR,
                _NO_FLOOR if floor is None else floor,
            )

    def _load_lots(self, connection: Connection, ledger_id: int, wanted: Iterable[int]) -> None:
        rows = (
            fetch(
                connection,
                "SELECT lot, commodity, code FROM lots WHERE ledger_id = $1 AND lot = ANY($2::integer[])",
                ledger_id,
                list(wanted),
            )
            if wanted
            else []
        )
        for lot, commodity, code in rows:
            number = self._commodities.setdefault(commodity, len(self._commodities))
            self.lots[lot] = LotFacts(sized(commodity) + sized(code), commodity, number)
