"""Baskets that were sold, as returns and reversals find them on file: what they took, and what came back since."""

from __future__ import annotations

from collections import Counter

import msgspec
from sqlalchemy import Connection, select

from pointsbank.intake.lines import filed_id, parts_of
from pointsbank.market.context import Catalogue
from pointsbank.market.model import PaidReceipt, ReturnLine
from pointsbank.market.postings import SoldReceipt, sku_code
from pointsbank.market.tables import receipt_lines, receipts, returns
from pointsbank.people.volunteers import Volunteer
from pointsbank.points.lots import HeldLot, lots_of
from pointsbank.store.lists import is_one_of
from pointsbank.store.tables import entries, postings, subjects


class ReturnsDesk(msgspec.Struct):
    """A `ReturnContext` for one return: the receipt with what it took and what came back, and the wallet."""

    content: tuple[str, ...] | None
    paid: PaidReceipt | None
    sold: SoldReceipt | None
    held: list[HeldLot]

    def return_content_of(self, return_no: str) -> tuple[str, ...] | None:
        return self.content

    def receipt(self, receipt_no: str) -> PaidReceipt | None:
        return self.paid


def load_returns_desk(
    connection: Connection, ledger_id: int, catalogue: Catalogue, line: ReturnLine, *, with_wallet: bool
) -> ReturnsDesk:
    """Everything the rules ask about one return; `with_wallet` also what the volunteer holds."""
    t = returns.c
    content = connection.execute(
        select(t.content).where(t.ledger_id == ledger_id, t.reference == filed_id(line.return_no))
    ).scalar_one_or_none()
    sold, paid = load_sold(connection, ledger_id, catalogue, filed_id(line.receipt_no))
    wallet = sold.volunteer.wallet if sold and with_wallet else ""
    held = lots_of(connection, ledger_id, [wallet]).get(wallet, []) if wallet else []
    return ReturnsDesk(None if content is None else parts_of(content), paid, sold, held)


def load_sold(
    connection: Connection, ledger_id: int, catalogue: Catalogue, reference: str
) -> tuple[SoldReceipt | None, PaidReceipt | None]:
    """A basket that was sold, with its lots and all that came back; None if there is no such basket.

    `reference` is as it is filed.
    """
    t = receipts.c
    receipt = connection.execute(
        select(t.at, t.terminal, t.station, t.volunteer, t.sequence).where(
            t.ledger_id == ledger_id, t.reference == reference, t.state == "sold"
        )
    ).first()
    if receipt is None:
        return None, None
    lines = connection.execute(
        select(receipt_lines.c.sku, receipt_lines.c.pieces, receipt_lines.c.unit_price).where(
            receipt_lines.c.ledger_id == ledger_id, receipt_lines.c.reference == reference
        )
    ).all()
    back = connection.execute(
        select(returns.c.sku, returns.c.pieces, returns.c.sequence).where(
            returns.c.ledger_id == ledger_id, returns.c.receipt == reference, returns.c.state == "taken"
        )
    ).all()
    returned: Counter[str] = Counter()
    for sku, pieces, _ in back:
        returned[sku] += pieces
    moved = _moved(connection, ledger_id, catalogue, [receipt.sequence, *(sequence for *_, sequence in back)])
    taken = moved.get(receipt.sequence, [])
    given: dict[str, Counter[str]] = {}
    for *_, sequence in back:
        for commodity, lot, amount in moved[sequence]:
            given.setdefault(commodity, Counter())[lot] += amount
    version = connection.execute(
        select(subjects.c.version).where(
            subjects.c.ledger_id == ledger_id, subjects.c.subject == f"receipt:{reference}"
        )
    ).scalar_one_or_none()
    sold = SoldReceipt(
        reference,
        receipt.terminal,
        Volunteer(receipt.volunteer),
        catalogue.station(connection, ledger_id, receipt.station),
        version or 0,
        tuple((lot, amount) for commodity, lot, amount in taken if commodity == "POINT"),
        dict(given.get("POINT", {})),
        {
            sku: tuple((lot, amount) for commodity, lot, amount in taken if commodity == sku_code(sku))
            for sku, _, _ in lines
        },
        {sku: dict(given.get(sku_code(sku), {})) for sku, _, _ in lines},
    )
    paid = PaidReceipt(
        receipt.at,
        receipt.volunteer,
        receipt.station,
        {sku: pieces for sku, pieces, _ in lines},
        dict(returned),
        {sku: price for sku, _, price in lines},
    )
    return sold, paid


def _moved(
    connection: Connection, ledger_id: int, catalogue: Catalogue, sequences: list[int]
) -> dict[int, list[tuple[str, str, int]]]:
    """Commodity, lot and amount of each posting of these entries, in the order of posting."""
    e, p = entries.c, postings.c
    spans = connection.execute(
        select(e.first_posting, e.postings).where(
            e.ledger_id == ledger_id, is_one_of(connection, e.sequence, sequences)
        )
    )
    numbers = [first + i for first, count in spans for i in range(count)]
    rows = connection.execute(
        select(p.sequence, p.lot, p.amount)
        .where(p.ledger_id == ledger_id, is_one_of(connection, p.posting, numbers))
        .order_by(p.posting)
    ).all()
    named = catalogue.lots_named(connection, ledger_id, {row.lot for row in rows})
    moved: dict[int, list[tuple[str, str, int]]] = {}
    for sequence, lot, amount in rows:
        commodity, code, _ = named[lot]
        moved.setdefault(sequence, []).append((commodity, code, amount))
    return moved


def basket_on_file(connection: Connection, ledger_id: int, sequence: int) -> tuple[str, int]:
    """Reference and price of the basket that an entry posted."""
    t = receipts.c
    row = connection.execute(
        select(t.reference, t.price).where(t.ledger_id == ledger_id, t.sequence == sequence)
    ).one()
    return row[0], row[1]


def return_on_file(connection: Connection, ledger_id: int, sequence: int) -> tuple[str, int, int]:
    """Reference, pieces and points of the return that an entry posted."""
    t = returns.c
    row = connection.execute(
        select(t.reference, t.pieces, t.points).where(t.ledger_id == ledger_id, t.sequence == sequence)
    ).one()
    return row[0], row[1], row[2]


def document_of_entry(connection: Connection, ledger_id: int, sequence: int) -> tuple[str, str, str] | None:
    """Kind, reference and receipt number of the basket or return that an entry posted."""
    t = receipts.c
    row = connection.execute(
        select(t.reference).where(t.ledger_id == ledger_id, t.sequence == sequence, t.sequence > 0)
    ).first()
    if row is not None:
        return "basket", row[0], row[0]
    r = returns.c
    row = connection.execute(
        select(r.reference, r.receipt).where(r.ledger_id == ledger_id, r.sequence == sequence, r.sequence > 0)
    ).first()
    return None if row is None else ("return", row[0], row[1])
