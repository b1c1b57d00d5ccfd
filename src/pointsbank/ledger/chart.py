"""The chart: the kinds of accounts and the only movements that may happen between them.

A chart is a value. `SHIPPED` is the one that the service loads; benchmarks and tests bring their own.
Each movement names the room that may use it and the document that it must carry, so nobody credits a wallet
from nowhere: not an administrator, not a key with every scope.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsbank.ledger.model import Commodity, Side

AccountType = Literal["asset", "liability", "equity", "income", "expense"]
FloorRule = Literal["zero", "none", "budget"]

GENERIC_ROOM = "journal"
"""The room of the generic journal-entry route: it may use the open movements and no others."""

NORMAL_SIDE: dict[str, Side] = {
    "asset": Side.DEBIT,
    "expense": Side.DEBIT,
    "liability": Side.CREDIT,
    "equity": Side.CREDIT,
    "income": Side.CREDIT,
}


class AccountKind(msgspec.Struct, frozen=True):
    """A kind of account. `pattern` is a path with `{}` for each id, such as `volunteer:{}:available`.

    Floor `zero`: no lot may fall under 0. `none`: no floor. `budget`: the account brings its own floor at opening,
    which then holds for the sum over its lots.
    """

    name: str
    pattern: str
    type: AccountType
    floor: FloorRule = "zero"

    @property
    def normal_side(self) -> Side:
        return NORMAL_SIDE[self.type]


class AllowedMovement(msgspec.Struct, frozen=True):
    """From which kind of account (debit) to which (credit), of which commodity, in which kind of entry.

    `commodity` is a code, or a class written `SKU:*`. `document` is the kind of document that the entry must
    carry, empty for none. Only movements marked `open` may be used by the generic journal-entry route; those marked
    `first` only as the first entry of a ledger.
    """

    entry: str
    debit: str
    credit: str
    commodity: str
    room: str
    document: str = ""
    open: bool = False
    first: bool = False


class Chart:
    """Kinds, movements, and who may reverse which kind of entry."""

    def __init__(
        self,
        name: str,
        kinds: tuple[AccountKind, ...],
        movements: tuple[AllowedMovement, ...],
        reversible: dict[str, str],
        commodities: tuple[Commodity, ...] = (),
    ) -> None:
        self.name = name
        self.kinds = {kind.name: kind for kind in kinds}
        self.movements = {(m.entry, m.debit, m.credit, m.commodity): m for m in movements}
        self.reversible = reversible
        self.commodities = commodities
        self._by_shape: dict[tuple[str | None, int], list[tuple[tuple[str | None, ...], AccountKind]]] = {}
        """Shapes and their kinds by first part and number of parts."""
        patterns: set[tuple[str | None, ...]] = set()
        for kind in kinds:
            shape = tuple(None if part == "{}" else part for part in kind.pattern.split(":"))
            if shape in patterns:
                raise ValueError(f"two kinds share the pattern {kind.pattern}")
            patterns.add(shape)
            self._by_shape.setdefault((shape[0], len(shape)), []).append((shape, kind))
        for m in movements:
            if m.open != (m.room == GENERIC_ROOM):
                raise ValueError(
                    f"movement {m.entry}: open movements, and only they, belong to the generic room"
                )
            if m.debit not in self.kinds or m.credit not in self.kinds:
                raise ValueError(f"movement {m.entry} names an unknown kind: {m.debit} -> {m.credit}")

    def kind_of(self, path: str) -> AccountKind | None:
        """The kind of an account by its path, or None if the chart has no such kind."""
        parts = path.split(":")
        for first in (parts[0], None):
            for shape, kind in self._by_shape.get((first, len(parts)), ()):
                if all(
                    want == got or (want is None and _is_word(got))
                    for want, got in zip(shape, parts, strict=True)
                ):
                    return kind
        return None

    def allows(self, entry: str, debit_kind: str, credit_kind: str, commodity: str) -> AllowedMovement | None:
        """The movement of this shape, or None if the chart does not have it."""
        found = self.movements.get((entry, debit_kind, credit_kind, commodity))
        if found is None and ":" in commodity:
            found = self.movements.get((entry, debit_kind, credit_kind, commodity_class(commodity)))
        return found


def commodity_class(commodity: str) -> str:
    """`SKU:*` of `SKU:G001`; a code without a colon is its own class."""
    head, colon, _ = commodity.partition(":")
    return f"{head}:*" if colon else commodity


def _is_word(part: str) -> bool:
    return (
        0 < len(part) <= 64
        and part.isascii()
        and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
    )


POINT = Commodity("POINT", scale=2, has_lots=True)
MINUTE = Commodity("MINUTE", scale=0, has_lots=False)
CNY = Commodity("CNY", scale=2, has_lots=False)

_KINDS = (
    # points
    AccountKind("fund-issued", "fund:{}:issued", "equity", floor="budget"),
    AccountKind("fund-expired", "fund:{}:expired", "income"),
    AccountKind("fund-granted", "fund:{}:granted", "asset", floor="none"),
    AccountKind("fund-loss", "fund:{}:loss", "expense"),
    # issued for hours that do not count, spent, and not got back: who bears it is a debtor or the fund
    AccountKind("fund-uncovered", "fund:{}:uncovered", "equity"),
    AccountKind("recovery", "volunteer:{}:recovery", "asset"),
    AccountKind("wallet-pending", "volunteer:{}:pending", "liability"),
    AccountKind("wallet", "volunteer:{}:available", "liability"),
    AccountKind("station-redeemed", "station:{}:redeemed", "income"),
    # merit: minutes of verified service; spending never touches them
    AccountKind("service-given", "category:{}:given", "expense", floor="none"),
    AccountKind("merit", "volunteer:{}:merit", "equity"),
    # goods
    AccountKind("donor-given", "donor:{}:given", "equity", floor="none"),
    AccountKind("stock", "station:{}:stock", "asset"),
    AccountKind("handed-out", "station:{}:handed-out", "expense"),
    # memorandum accounts (备查账): figures that somebody keeps for the record, outside of every promise
    AccountKind("memo", "memo:{}", "asset", floor="none"),
    AccountKind("books", "books:{}", "asset", floor="none"),
)

_MOVEMENTS = (
    # the ledger is opened, and what it is for is said
    AllowedMovement("open-ledger", "books", "books", "LEDGER", "opening", first=True),
    # an accepted service record: merit always, points if it earns some
    AllowedMovement("earn", "service-given", "merit", "MINUTE", "hours", "service-record"),
    AllowedMovement("earn", "fund-issued", "wallet", "POINT", "hours", "service-record"),
    AllowedMovement("earn", "fund-issued", "wallet-pending", "POINT", "hours", "service-record"),
    # without a notice, in the same entry
    AllowedMovement("earn", "wallet-pending", "wallet", "POINT", "hours", "service-record"),
    # the public notice has ended
    AllowedMovement("release", "wallet-pending", "wallet", "POINT", "hours", "service-record"),
    # the nightly run, and before every spend or return
    AllowedMovement("expire", "wallet", "fund-expired", "POINT", "points"),
    # hours that do not count, after their points were spent: what is there goes back, for the rest stands somebody
    AllowedMovement("clawback", "merit", "service-given", "MINUTE", "hours", "clawback"),
    AllowedMovement("clawback", "wallet-pending", "fund-issued", "POINT", "hours", "clawback"),
    AllowedMovement("clawback", "wallet", "fund-issued", "POINT", "hours", "clawback"),
    AllowedMovement("clawback", "recovery", "fund-uncovered", "POINT", "hours", "clawback"),
    AllowedMovement("clawback", "fund-loss", "fund-uncovered", "POINT", "hours", "clawback"),
    # a debt falls in one way: it is paid, out of points that become available or when an account is closed, and what
    # cannot be paid then is the fund's loss
    AllowedMovement("repay", "wallet", "fund-issued", "POINT", "hours"),
    AllowedMovement("repay", "fund-uncovered", "recovery", "POINT", "hours"),
    AllowedMovement("repay", "fund-loss", "recovery", "POINT", "hours"),
    # two registrations of one person become one, or two again; a debt moves with the person and stays as large
    AllowedMovement("merge", "merit", "merit", "MINUTE", "hours", "merge"),
    AllowedMovement("merge", "wallet-pending", "wallet-pending", "POINT", "hours", "merge"),
    AllowedMovement("merge", "wallet", "wallet", "POINT", "hours", "merge"),
    AllowedMovement("merge", "recovery", "recovery", "POINT", "hours", "merge"),
    AllowedMovement("unmerge", "merit", "merit", "MINUTE", "hours", "merge"),
    AllowedMovement("unmerge", "wallet-pending", "wallet-pending", "POINT", "hours", "merge"),
    AllowedMovement("unmerge", "wallet", "wallet", "POINT", "hours", "merge"),
    AllowedMovement("unmerge", "recovery", "recovery", "POINT", "hours", "merge"),
    # an account is closed: to the fund, or to the household
    AllowedMovement("settle", "wallet", "fund-issued", "POINT", "hours"),
    AllowedMovement("settle", "wallet", "wallet", "POINT", "hours"),
    # somebody gives points away: to the fund they came from, or within the household
    AllowedMovement("gift", "wallet", "fund-issued", "POINT", "hours", "gift"),
    AllowedMovement("gift", "wallet", "wallet", "POINT", "hours", "gift"),
    # a budget is raised or cut: what is granted may be issued
    AllowedMovement("budget", "fund-granted", "fund-issued", "POINT", "funds", "budget"),
    AllowedMovement("budget", "fund-issued", "fund-granted", "POINT", "funds", "budget"),
    # a basket: points and goods in one entry
    AllowedMovement("basket", "wallet", "station-redeemed", "POINT", "market", "receipt"),
    AllowedMovement("basket", "handed-out", "stock", "SKU:*", "market", "receipt"),
    # a return: the same lots come back
    AllowedMovement("return", "station-redeemed", "wallet", "POINT", "market", "return"),
    AllowedMovement("return", "stock", "handed-out", "SKU:*", "market", "return"),
    # goods arrive at a shop
    AllowedMovement("receive", "stock", "donor-given", "SKU:*", "market", "delivery"),
    # memoranda: the only movements open to the generic route
    AllowedMovement("memo", "memo", "memo", "CNY", GENERIC_ROOM, open=True),
)

SHIPPED = Chart(
    "pointsbank/1",
    _KINDS,
    _MOVEMENTS,
    reversible={
        "earn": "hours",
        "release": "hours",
        "basket": "market",
        "return": "market",
        "receive": "market",
        "memo": GENERIC_ROOM,
    },
    commodities=(POINT, MINUTE, CNY),
)
