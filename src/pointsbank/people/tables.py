"""Who may earn and spend. Only what a rule asks is kept here: no name, no phone, no address."""

from sqlalchemy import Index, Text

from pointsbank.store.tables import Big, column, table

volunteers = table(
    "volunteers",
    column("number", Text),
    column("volunteer_id", Text),
    column("born_on", Text),
    column("registered_at", Big),
    column("state", Text),
    key=("number",),
)
"""`number` is the city's volunteer number; accounts are named by `volunteer_id`, a random id."""
Index("volunteers_volunteer_id_key", volunteers.c.ledger_id, volunteers.c.volunteer_id, unique=True)
