"""The journal for beancount: `bean-check` accepts it; facts stand in metadata, a lot never as a cost."""

from __future__ import annotations

from pointsbank.export.journal import Account, Entry, Posting
from pointsbank.export.names import account_name, commodity_name
from pointsbank.export.page import CITY_ZONE, Book
from pointsbank.export.text import decimal_text, inert
from pointsbank.ledger.model import NO_LOT, Commodity
from pointsbank.policy.calendar import city_day


class BeancountPage:
    def __init__(self, book: Book) -> None:
        self.book = book

    def opening(self) -> str:
        title = f"{self.book.profile} ledger {inert(self.book.ledger)} up to entry {self.book.last_sequence}"
        return f'option "title" "{title}"\n'

    def commodity(self, commodity: Commodity) -> str:
        return (
            f"{self.book.declared_on} commodity {commodity_name(commodity.code)}\n"
            f'  name: "{inert(commodity.code, keep=":")}"\n'
        )

    def account(self, account: Account) -> str:
        return (
            f"{self.book.declared_on} open {account_name(account.type, account.path)}\n"
            f'  path: "{inert(account.path, keep=":")}"\n'
        )

    def entry(self, entry: Entry) -> str:
        kind = inert(entry.kind)
        lines = (
            f'\n{city_day(entry.effective_at, CITY_ZONE)} * "{kind}"\n'
            f'  sequence: {entry.sequence}\n  kind: "{kind}"\n'
            f'  key-hash: "{entry.key_digest.hex()}"\n  leaf: "{entry.leaf.hex()}"\n'
        )
        if entry.reverses:
            lines += f"  reverses: {entry.reverses}\n"
        for name, text in (("actor", entry.actor), ("place", entry.place), ("reason", entry.reason)):
            if text:
                lines += f'  {name}: "{inert(text)}"\n'
        return lines + "".join(map(_legs, entry.postings))


def _legs(posting: Posting) -> str:
    lot = posting.lot
    amount, commodity = decimal_text(posting.amount, lot.scale), commodity_name(lot.commodity)
    facts = f"    posting: {posting.number}\n"
    if lot.code != NO_LOT:
        facts += f'    lot: "{inert(lot.code)}"\n'
    debit, credit = (account_name(side.type, side.path) for side in (posting.debit, posting.credit))
    return f"  {debit}  {amount} {commodity}\n{facts}  {credit}  -{amount} {commodity}\n{facts}"
