"""Who may earn and spend. A random id, and since when: everything personal is in the people store."""

from sqlalchemy import Text

from pointsbank.store.tables import Big, column, table

volunteers = table(
    "volunteers",
    column("volunteer_id", Text),
    column("registered_at", Big),
    column("state", Text),
    key=("volunteer_id",),
)
"""`volunteer_id` is the person's id in the people store, and the name of the person's accounts."""
