"""Ids that were merged, as the books know it: written in the commit that moves the points."""

from sqlalchemy import Index, LargeBinary, Text

from pointsbank.store.tables import Big, column, table

merged_people = table(
    "merged_people",
    column("merge_id", Text),
    column("old_id", Text),
    column("into_id", Text),
    column("content", Text),
    column("sequence", Big),
    column("undone_by", Big),
    column("salt", LargeBinary),
    column("merged_at", Big),
    column("state", Text),
    key=("merge_id",),
)
"""Two ids of one person: `old_id` stands for `into_id` while `state` is merged; undone, each is for itself again."""
Index("merged_people_old_idx", merged_people.c.ledger_id, merged_people.c.old_id)
Index("merged_people_into_idx", merged_people.c.ledger_id, merged_people.c.into_id)
Index("merged_people_sequence_idx", merged_people.c.ledger_id, merged_people.c.sequence)
