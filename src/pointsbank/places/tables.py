"""Where service takes place and goods are handed out: centre › sub-centre › station, and the teams."""

from sqlalchemy import Index, Text

from pointsbank.store.tables import column, table

places = table(
    "places",
    column("code", Text),
    column("place_id", Text),
    column("kind", Text),
    column("name", Text),
    column("parent", Text),
    column("state", Text),
    key=("code",),
)
"""`kind` is centre, sub-centre, station or team; `parent` the code above it, empty at the top."""
Index("places_parent_idx", places.c.ledger_id, places.c.parent, places.c.code)
Index("places_kind_idx", places.c.ledger_id, places.c.kind, places.c.code)
Index("places_place_id_key", places.c.ledger_id, places.c.place_id, unique=True)
