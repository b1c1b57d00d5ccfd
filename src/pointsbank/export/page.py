"""What a format is: how a book opens, how commodities, accounts and entries are written."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple, Protocol

from pointsbank.export.journal import Account, Entry
from pointsbank.ledger.model import Commodity

CITY_ZONE: Final = "Asia/Shanghai"


class Book(NamedTuple):
    """What is known before the first line: whose books, up to where, when everything in it is declared."""

    ledger: str
    profile: str
    """`live` or `replay`"""
    last_sequence: int
    declared_on: date
    kinds: list[str]


class Page(Protocol):
    """The texts in the order in which they are asked for make a file: an account, then its entries."""

    def __init__(self, book: Book) -> None: ...

    def opening(self) -> str: ...

    def commodity(self, commodity: Commodity) -> str: ...

    def account(self, account: Account) -> str: ...

    def entry(self, entry: Entry) -> str:
        """The entry with both legs of each posting: the debit, which is positive, and the credit."""
        ...
