"""What a format is: how a book opens, how commodities, accounts, entries and postings are written."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple, Protocol

from pointsbank.export.journal import Account, Entry, Posting
from pointsbank.ledger.model import Commodity

CITY_ZONE: Final = "Asia/Shanghai"


class Book(NamedTuple):
    """What is known before the first line: whose books, up to where, when everything in it is declared."""

    ledger: str
    last_sequence: int
    declared_on: date
    kinds: list[str]


class Page(Protocol):
    """The texts make a file in the order in which they are asked for: an entry, then each of its postings."""

    def __init__(self, book: Book) -> None: ...

    def opening(self) -> str: ...

    def commodity(self, commodity: Commodity) -> str: ...

    def account(self, account: Account) -> str: ...

    def entry(self, entry: Entry) -> str: ...

    def posting(self, entry: Entry, posting: Posting) -> str:
        """Both legs of a posting: the debit, which is positive, and the credit."""
        ...
