"""What the activities room keeps: projects, activities, sessions, sign-ups, attendance, and papers of people.

People stand here by their random id only. Rows are written by the ledger's writer; `state` guards their changes.
"""

from sqlalchemy import Index, Text

from pointsbank.store.tables import Big, Int, column, table

projects = table(
    "projects",
    column("project_id", Text),
    column("name", Text),
    column("brand", Text),
    column("sector", Text),
    column("opened_by", Text),
    column("opened_at", Big),
    column("state", Text),
    key=("project_id",),
)
"""The project library (项目库). `brand` are tags, each between blanks. `state`: open, closed."""

activities = table(
    "activities",
    column("activity_id", Text),
    column("project_id", Text),
    column("title", Text),
    column("category", Text),
    column("fund", Text),
    column("campaign", Text),
    column("station", Text),
    column("organiser", Text),
    column("starts_at", Big),
    column("ends_at", Big),
    column("minimum_age", Int),
    column("training", Text),
    column("insured", Int),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("decided_by", Text),
    column("decided_at", Big),
    column("reason", Text),
    column("state", Text),
    key=("activity_id",),
)
"""`state`: proposed, approved, refused. `training` is the paper that it asks for, empty for none; `insured` 1 if it
asks for insurance. Its sessions lie between `starts_at` and `ends_at` (microseconds UTC)."""
Index("activities_project_idx", activities.c.ledger_id, activities.c.project_id, activities.c.activity_id)
Index("activities_state_idx", activities.c.ledger_id, activities.c.state, activities.c.starts_at)

activity_sessions = table(
    "activity_sessions",
    column("session_id", Text),
    column("activity_id", Text),
    column("station", Text),
    column("starts_at", Big),
    column("ends_at", Big),
    column("capacity", Int),
    column("opened_by", Text),
    column("opened_at", Big),
    column("state", Text),
    key=("session_id",),
)
"""`state`: open, cancelled. Planned start and end in microseconds UTC, on whole minutes."""
Index(
    "activity_sessions_activity_idx",
    activity_sessions.c.ledger_id,
    activity_sessions.c.activity_id,
    activity_sessions.c.starts_at,
)

sign_ups = table(
    "sign_ups",
    column("session_id", Text),
    column("person_id", Text),
    column("companion", Text),
    column("signed_by", Text),
    column("signed_at", Big),
    column("state", Text),
    key=("session_id", "person_id"),
)
"""`state`: signed, withdrawn."""
Index("sign_ups_person_idx", sign_ups.c.ledger_id, sign_ups.c.person_id, sign_ups.c.session_id)

attendances = table(
    "attendances",
    column("session_id", Text),
    column("person_id", Text),
    column("in_at", Big),
    column("in_way", Text),
    column("in_by", Text),
    column("in_device", Text),
    column("in_stated_at", Big),
    column("out_at", Big),
    column("out_way", Text),
    column("out_by", Text),
    column("out_device", Text),
    column("out_stated_at", Big),
    column("hour_class", Text),
    column("reason", Text),
    column("round", Int),
    column("state", Text),
    key=("session_id", "person_id"),
)
"""`state`: open (checked in), closed (checked out), submitted (a record was made of it). `round` counts the records
made of it. `…_at` is what counts, `…_stated_at` what the device's clock said, 0 if it said nothing."""
Index("attendances_person_idx", attendances.c.ledger_id, attendances.c.person_id, attendances.c.in_at)

papers = table(
    "papers",
    column("person_id", Text),
    column("kind", Text),
    column("code", Text),
    column("valid_from", Text),
    column("valid_to", Text),
    column("filed_by", Text),
    column("filed_at", Big),
    column("state", Text),
    key=("person_id", "kind", "code"),
)
"""Trainings passed, insurance, a guardian's consent: what a sign-up asks for. `state`: valid, revoked."""

evidence = table(
    "evidence",
    column("session_id", Text),
    column("person_id", Text),
    column("kind", Text),
    column("reference", Text),
    column("filed_by", Text),
    column("filed_at", Big),
    key=("session_id", "person_id"),
)
"""What shows that somebody was there of whom no check-in says so: a sheet, a photograph, an order, by its reference."""
Index("evidence_person_idx", evidence.c.ledger_id, evidence.c.person_id)

refused_attempts = table(
    "refused_attempts",
    column("day", Text),
    column("rule", Text),
    column("actor", Text),
    column("subject", Text),
    column("person_id", Text),
    column("thing", Text),
    column("times", Int),
    column("first_at", Big),
    column("last_at", Big),
    column("state", Text),
    key=("day", "rule", "actor", "subject"),
)
"""Acts that were refused, for the auditor: one line a day, with how often and on what (`thing`) it was tried last.
`state`: noted."""
Index("refused_attempts_last_idx", refused_attempts.c.ledger_id, refused_attempts.c.last_at)
