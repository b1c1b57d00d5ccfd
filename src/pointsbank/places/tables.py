"""Where service takes place, who serves together, and how the tree of both changed from day to day."""

from sqlalchemy import CheckConstraint, Index, Text

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
"""Who a place is: its code and its random id never change. `kind` is one of `model.KINDS`.

Name, parent (a code, empty at the top) and state (planned, open, closed) are those of the day on which they were
last written, for look-ups that need no date; what holds on a given day stands in `place_terms`.
"""
Index("places_parent_idx", places.c.ledger_id, places.c.parent, places.c.code)
Index("places_kind_idx", places.c.ledger_id, places.c.kind, places.c.code)
Index("places_place_id_key", places.c.ledger_id, places.c.place_id, unique=True)

place_terms = table(
    "place_terms",
    column("place_id", Text),
    column("from_day", Text),
    column("to_day", Text),
    column("parent", Text),
    column("name", Text),
    column("sector", Text),
    column("state", Text),
    column("successor", Text),
    CheckConstraint("from_day < to_day", name="days"),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    key=("place_id", "from_day"),
)
"""What holds of a place from `from_day` up to and without `to_day` (9999-12-31: until further notice).

The terms of a place follow each other without a gap. `parent` and `successor` are codes, which never change and are
known before the place is.
"""
Index("place_terms_parent_idx", place_terms.c.ledger_id, place_terms.c.parent, place_terms.c.to_day)

memberships = table(
    "memberships",
    column("group_id", Text),
    column("person_id", Text),
    column("from_day", Text),
    column("to_day", Text),
    column("role", Text),
    column("state", Text),
    CheckConstraint("from_day < to_day", name="days"),
    CheckConstraint("role IN ('member', 'head')", name="role"),
    CheckConstraint("state IN ('open', 'ended')", name="state"),
    key=("group_id", "person_id", "from_day"),
)
"""Who belongs to a team, household, village or unit, from a day up to and without another. Ids only, no names."""
Index("memberships_person_idx", memberships.c.ledger_id, memberships.c.person_id, memberships.c.to_day)
