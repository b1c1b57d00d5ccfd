"""The documents of recognition: frozen candidate lists, and honours with the decision that granted them."""

from sqlalchemy import CheckConstraint, Index, Text

from pointsbank.store.tables import Big, Int, column, table

award_lists = table(
    "award_lists",
    column("list_id", Text),
    column("scheme", Text),
    column("subject_kind", Text),
    column("year", Int),
    column("wanted", Int),
    column("found", Int),
    column("as_of", Big),
    column("made_by", Text),
    column("made_at", Big),
    CheckConstraint("wanted > 0", name="wanted"),
    key=("list_id",),
)
"""A list that was drawn up once and never changes. `as_of` is the sequence number that its figures rest on."""

award_candidates = table(
    "award_candidates",
    column("list_id", Text),
    column("subject", Text),
    column("rank", Int),
    column("minutes", Big),
    column("level", Text),
    column("tied", Int),
    CheckConstraint("tied IN (0, 1)", name="tied"),
    key=("list_id", "subject"),
)
"""`tied` marks who shares the last place that counts: all of them are on the list, and people decide."""
Index(
    "award_candidates_rank_idx",
    award_candidates.c.ledger_id,
    award_candidates.c.list_id,
    award_candidates.c.rank,
)

honours = table(
    "honours",
    column("honour_id", Text),
    column("subject", Text),
    column("title", Text),
    column("granted_on", Text),
    column("granted_by", Text),
    column("document_no", Text),
    column("state", Text),
    column("revokes", Text),
    column("recorded_by", Text),
    column("recorded_at", Big),
    CheckConstraint("state IN ('valid', 'revoked', 'revocation')", name="state"),
    key=("honour_id",),
)
"""An honour as a decision granted it, or the record that revokes one (`revokes`). `subject` is a person's or group's id."""
Index("honours_subject_idx", honours.c.ledger_id, honours.c.subject, honours.c.granted_on)
Index("honours_document_idx", honours.c.ledger_id, honours.c.document_no)
