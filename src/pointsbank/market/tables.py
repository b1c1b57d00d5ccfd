"""The documents of the market room: receipts of baskets, their lines, and returns."""

from sqlalchemy import Index, LargeBinary, Text

from pointsbank.store.tables import Big, Int, column, table

receipts = table(
    "receipts",
    column("reference", Text),
    column("content", Text),
    column("verdict", Text),
    column("state", Text),
    column("at", Text),
    column("terminal", Text),
    column("number", Int),
    column("station", Text),
    column("volunteer", Text),
    column("price", Big),
    column("policy", Text),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("recorded_at", Big),
    key=("reference",),
)
"""`reference` is the external number (小票号) or the id that we gave; `number` the terminal's own series, without
gap. `volunteer` is the person's id, empty if nobody has the number. `content` of a basket that was sold is what was
asked for, with that id; of a refused one a keyed hash. `state`: sold, reversed, refused; a return leaves it sold."""
Index("receipts_terminal_idx", receipts.c.ledger_id, receipts.c.terminal, receipts.c.number)
Index("receipts_sequence_idx", receipts.c.ledger_id, receipts.c.sequence)
Index("receipts_volunteer_idx", receipts.c.ledger_id, receipts.c.volunteer, receipts.c.at)

receipt_lines = table(
    "receipt_lines",
    column("reference", Text),
    column("sku", Text),
    column("pieces", Int),
    column("unit_price", Big),
    column("volunteer", Text),
    column("month", Text),
    column("state", Text),
    key=("reference", "sku"),
)
"""Pieces by SKU of a basket that was sold; they count for the volunteer's month until the basket is reversed."""
Index(
    "receipt_lines_month_idx",
    receipt_lines.c.ledger_id,
    receipt_lines.c.volunteer,
    receipt_lines.c.month,
    receipt_lines.c.sku,
)

returns = table(
    "returns",
    column("reference", Text),
    column("content", Text),
    column("verdict", Text),
    column("state", Text),
    column("at", Text),
    column("receipt", Text),
    column("terminal", Text),
    column("number", Int),
    column("sku", Text),
    column("pieces", Int),
    column("points", Big),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("recorded_at", Big),
    key=("reference",),
)
"""`reference` is the external number (退货单号) or the id that we gave. `state`: taken, refused, reversed."""
Index("returns_receipt_idx", returns.c.ledger_id, returns.c.receipt, returns.c.reference)
Index("returns_sequence_idx", returns.c.ledger_id, returns.c.sequence)

deliveries = table(
    "deliveries",
    column("reference", Text),
    column("station", Text),
    column("donor", Text),
    column("content", Text),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("recorded_at", Big),
    key=("reference",),
)
"""Goods that came to a shop, by delivery note."""
Index("deliveries_sequence_idx", deliveries.c.ledger_id, deliveries.c.sequence)
