"""The journal for hledger: `hledger check --strict` accepts it; facts are tags, a lot never a cost."""

from __future__ import annotations

from typing import Final

from pointsbank.export.journal import Account, Entry, Posting
from pointsbank.export.names import account_name, commodity_name
from pointsbank.export.page import CITY_ZONE, Book
from pointsbank.export.text import decimal_text, inert
from pointsbank.ledger.chart import AccountType
from pointsbank.ledger.model import NO_LOT, Commodity
from pointsbank.policy.calendar import city_day

TAGS: Final = (
    "type", "path", "name", "sequence", "kind", "key-hash", "leaf", "reverses", "actor", "place", "reason",
    "posting", "lot",
)  # fmt: skip
_TYPE_LETTER: Final[dict[AccountType, str]] = {
    "asset": "A",
    "liability": "L",
    "equity": "E",
    "income": "R",
    "expense": "X",
}


class HledgerPage:
    def __init__(self, book: Book) -> None:
        self.book = book

    def opening(self) -> str:
        book = self.book
        return "".join(
            (
                f"; {book.profile} ledger {inert(book.ledger)} up to entry {book.last_sequence}\n",
                "decimal-mark .\n",
                *(f"tag {tag}\n" for tag in TAGS),
                *(f"payee {inert(kind)}\n" for kind in book.kinds),
            )
        )

    def commodity(self, commodity: Commodity) -> str:
        # a directive wants a decimal mark even where there are no decimals
        sample = f"1000.{'0' * commodity.scale}"
        name = inert(commodity.code, keep=":")
        return f'commodity {sample} "{commodity_name(commodity.code)}"  ; name:{name}\n'

    def account(self, account: Account) -> str:
        letter, path = _TYPE_LETTER[account.type], inert(account.path, keep=":")
        return f"account {account_name(account.type, account.path)}  ; type:{letter}, path:{path}\n"

    def entry(self, entry: Entry) -> str:
        kind = inert(entry.kind)
        hashes = f"key-hash:{entry.key_digest.hex()}, leaf:{entry.leaf.hex()}"
        tags = f"sequence:{entry.sequence}, kind:{kind}, {hashes}"
        if entry.reverses:
            tags += f", reverses:{entry.reverses}"
        for tag, text in (("actor", entry.actor), ("place", entry.place), ("reason", entry.reason)):
            if text:
                tags += f", {tag}:{inert(text)}"
        head = f"{city_day(entry.effective_at, CITY_ZONE)} * ({entry.sequence}) {kind}  ; {tags}"
        return f"\n{head}\n{''.join(map(_legs, entry.postings))}"


def _legs(posting: Posting) -> str:
    lot = posting.lot
    amount, commodity = decimal_text(posting.amount, lot.scale), commodity_name(lot.commodity)
    tags = f"posting:{posting.number}"
    if lot.code != NO_LOT:
        tags += f", lot:{inert(lot.code)}"
    debit, credit = (account_name(side.type, side.path) for side in (posting.debit, posting.credit))
    return f'    {debit}  {amount} "{commodity}"  ; {tags}\n    {credit}  -{amount} "{commodity}"  ; {tags}\n'
