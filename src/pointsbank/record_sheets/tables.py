"""The documents of this room: one for each sheet that was issued. Nothing in them says whose name it is.

`sealed` is the sheet's content under the person's key, so that it can be printed again as it was issued, and by nobody
once the person is forgotten.
"""

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text

from pointsbank.store.tables import Big, Int, column, table

record_sheets = table(
    "record_sheets",
    column("sheet_id", Text),
    column("person_id", Text),
    column("served_as", Text),
    column("issuer", Text),
    column("year", Int),
    column("number", Int),
    column("from_day", Text),
    column("to_day", Text),
    column("minutes", Big),
    column("records", Int),
    column("as_of", Big),
    column("token_hash", Text),
    column("salt", LargeBinary),
    column("name_mac", LargeBinary),
    column("sealed", LargeBinary),
    column("expires_on", Text),
    column("issued_by", Text),
    column("issued_at", Big),
    column("replaces", Text),
    column("ended_by", Text),
    column("ended_at", Big),
    column("reason", Text),
    column("state", Text),
    CheckConstraint("state IN ('valid', 'superseded', 'withdrawn')", name="state"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("from_day <= to_day", name="days"),
    key=("sheet_id",),
)
"""`served_as` are the ids under which the person had served, between blanks: several after a merge. `issuer` is a place's
id; `number` counts its sheets of a year without a gap. `as_of` is the entry on which the figures rest; `records` how many
records they are. Of the token only its hash is kept here."""
Index(
    "record_sheets_number_key",
    record_sheets.c.ledger_id,
    record_sheets.c.issuer,
    record_sheets.c.year,
    record_sheets.c.number,
    unique=True,
)
Index("record_sheets_token_key", record_sheets.c.ledger_id, record_sheets.c.token_hash, unique=True)
Index(
    "record_sheets_person_idx", record_sheets.c.ledger_id, record_sheets.c.person_id, record_sheets.c.sheet_id
)
