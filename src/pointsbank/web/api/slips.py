"""Receipts and returns as a till prints them, and which of them a key has made."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, bindparam, select

from pointsbank.intake.lines import filed_id, parts_of
from pointsbank.market.service import Sale
from pointsbank.market.tables import receipt_lines, receipts, returns
from pointsbank.readers.journal import entry_by_key
from pointsbank.store.questions import LEDGER, Question

_t, _ln = receipts.c, receipt_lines.c

_SLIP = Question(
    lambda one_of: select(
        _t.reference, _t.terminal, _t.number, _t.station, _t.volunteer, _t.at, _t.price, _t.state, _t.sequence
    ).where(_t.ledger_id == LEDGER, _t.reference == bindparam("reference"), _t.sequence > 0)
)
_LINES = Question(
    lambda one_of: (
        select(_ln.sku, _ln.pieces, _ln.unit_price)
        .where(_ln.ledger_id == LEDGER, _ln.reference == bindparam("reference"))
        .order_by(_ln.sku)
    )
)


class SoldLine(msgspec.Struct, frozen=True):
    """Pieces of one sort of goods at the price paid for each, in hundredths of a point."""

    sku: str
    pieces: int
    unit_price: int


class ReceiptSlip(msgspec.Struct, frozen=True):
    """A receipt (小票). `reference` names it in the city, `number` is the terminal's own, without gap.

    `volunteer` is the volunteer number, empty of somebody whose account is closed. `price` in hundredths of a point;
    `state` is sold or reversed; `at` is the city's time.
    """

    reference: str
    terminal: str
    number: int
    station: str
    volunteer: str
    at: str
    price: int
    state: str
    sequence: int
    lines: list[SoldLine]


class ReturnSlip(msgspec.Struct, frozen=True):
    """A return (退货单). `points` in hundredths went back into the lots that they came from."""

    reference: str
    receipt: str
    terminal: str
    number: int
    sku: str
    pieces: int
    points: int
    at: str
    state: str
    sequence: int


def receipt_slip(connection: Connection, ledger_id: int, reference: str) -> ReceiptSlip | None:
    """A receipt that was sold, with its lines."""
    rows = _SLIP.rows(connection, ledger_id, reference=reference)
    if not rows:
        return None
    lines = _LINES.rows(connection, ledger_id, reference=reference)
    return ReceiptSlip(*rows[0], [SoldLine(*line) for line in lines])  # type: ignore[call-arg]


def slip_of(sale: Sale) -> ReceiptSlip:
    """The receipt of a sale that was made just now, as `receipt_slip` would find it."""
    basket, receipt = sale.basket, sale.receipt
    assert receipt is not None, "a basket that was refused has no receipt"
    prices = dict(sale.unit_prices)
    return ReceiptSlip(
        filed_id(basket.receipt_no),
        filed_id(basket.terminal),
        sale.number,
        filed_id(basket.station),
        basket.volunteer,
        basket.at,
        sale.judgement.price,
        "sold",
        receipt.sequence,
        [SoldLine(sku, pieces, prices[sku]) for sku, pieces in sorted(sale.judgement.pieces.items())],
    )


def return_slip(connection: Connection, ledger_id: int, reference: str) -> ReturnSlip | None:
    """A return that was taken."""
    t = returns.c
    row = connection.execute(
        select(
            t.reference, t.receipt, t.terminal, t.number, t.sku, t.pieces, t.points, t.at, t.state, t.sequence
        ).where(t.ledger_id == ledger_id, t.reference == reference, t.sequence > 0)
    ).one_or_none()
    return None if row is None else ReturnSlip(*tuple(row))


def made_by_key(
    connection: Connection, ledger_id: int, client: str, key: str, document: str
) -> tuple[str, tuple[str, ...]] | None:
    """Reference and content (without its time) of the receipt or return that a key made; empty if
    something else."""
    entry = entry_by_key(connection, ledger_id, client, key)
    if entry is None:
        return None
    kind, _, rest = entry.documents.partition("/")
    reference = rest.rpartition("/")[0]
    if kind != document:
        return reference, ()
    table = receipts if document == "receipt" else returns
    content = connection.execute(
        select(table.c.content).where(table.c.ledger_id == ledger_id, table.c.reference == reference)
    ).scalar_one()
    return reference, parts_of(content)[1:]
