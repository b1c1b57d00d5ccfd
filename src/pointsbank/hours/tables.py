"""The documents of the hours room: service records, one for each record id, with the verdict that took the id."""

from sqlalchemy import Index, LargeBinary, Text, text

from pointsbank.store.tables import Big, Int, column, table

service_records = table(
    "service_records",
    column("record_id", Text),
    column("volunteer", Text),
    column("fields", Text),
    column("verdict", Text),
    column("state", Text),
    column("day", Text),
    column("start_minute", Big),
    column("end_minute", Big),
    column("minutes", Int),
    column("creditable", Int),
    column("points", Big),
    column("category", Text),
    column("station", Text),
    column("policy", Text),
    column("lot", Text),
    column("available_on", Text),
    column("sequence", Big),
    column("released_by", Big),
    column("salt", LargeBinary),
    column("recorded_at", Big),
    column("fingerprint", LargeBinary),
    column("sealed", LargeBinary),
    key=("record_id",),
)
"""`state`: refused, submitted (waits for a verifier), checked (waits for the second level), pending (on public
notice), objected (frozen by an objection), credited, rejected, withdrawn, reversed. `volunteer` is the person's id, empty if
nobody has the number. `fields` are the 13, joined by U+001F, with ids for people and without free text; empty of a
refused line. What came in stands in `sealed`, under the person's key; `fingerprint` is a keyed hash of it, by which a
repetition is told. `start_minute`/`end_minute` are the attendance in the session, local minutes since 1970."""

Index(
    "service_records_volunteer_idx",
    service_records.c.ledger_id,
    service_records.c.volunteer,
    service_records.c.start_minute,
)
Index(
    "service_records_pending_idx",
    service_records.c.ledger_id,
    service_records.c.available_on,
    service_records.c.record_id,
    postgresql_where=text("state = 'pending'"),
    sqlite_where=text("state = 'pending'"),
)
AWAITING = "state = 'submitted' OR state = 'checked'"
"""Records that wait for a verifier. A question must say it in these words, or the index below is no use to it."""
Index(
    "service_records_awaiting_idx",
    service_records.c.ledger_id,
    service_records.c.station,
    service_records.c.recorded_at,
    service_records.c.record_id,
    postgresql_where=text(AWAITING),
    sqlite_where=text(AWAITING),
)
Index("service_records_sequence_idx", service_records.c.ledger_id, service_records.c.sequence)

record_trails = table(
    "record_trails",
    column("record_id", Text),
    column("person_id", Text),
    column("activity_id", Text),
    column("session_id", Text),
    column("fund", Text),
    column("campaign", Text),
    column("recorder", Text),
    column("stated_by", Text),
    column("submitted_at", Big),
    column("submitted_on", Text),
    column("week", Text),
    column("minutes", Int),
    column("level", Int),
    column("late", Int),
    column("reason", Text),
    column("follows", Text),
    key=("record_id",),
)
"""What a record says besides its fields: whose it is, who recorded it, and how many people must look at it (`level`).

`recorder` acted, `stated_by` is whom the paper names, empty if it names nobody. `follows` is the record that this one
corrects. Never changed; what happens to the record stands in its steps."""
Index(
    "record_trails_activity_idx",
    record_trails.c.ledger_id,
    record_trails.c.activity_id,
    record_trails.c.record_id,
)
Index(
    "record_trails_recorder_idx",
    record_trails.c.ledger_id,
    record_trails.c.recorder,
    record_trails.c.submitted_on,
)
Index("record_trails_person_idx", record_trails.c.ledger_id, record_trails.c.person_id, record_trails.c.week)

record_steps = table(
    "record_steps",
    column("record_id", Text),
    column("number", Int),
    column("step", Text),
    column("person_id", Text),
    column("at", Big),
    column("place", Text),
    column("device", Text),
    column("reason", Text),
    key=("record_id", "number"),
)
"""The life of a record, step by step: what was done, who did it (a person, or `machine:…`), when, where, on what."""
Index("record_steps_person_idx", record_steps.c.ledger_id, record_steps.c.person_id, record_steps.c.at)

objections = table(
    "objections",
    column("record_id", Text),
    column("number", Int),
    column("reason", Text),
    column("objector", Text),
    column("opened_at", Big),
    column("due_on", Text),
    column("decided_by", Text),
    column("decided_at", Big),
    column("decision", Text),
    column("state", Text),
    key=("record_id", "number"),
)
"""`state`: open, escalated (nobody decided in time), upheld, rejected. `due_on` is the last day for the decision."""
Index("objections_due_idx", objections.c.ledger_id, objections.c.state, objections.c.due_on)

unfunded_credits = table(
    "unfunded_credits",
    column("record_id", Text),
    column("fund", Text),
    column("points", Big),
    column("expires_on", Text),
    column("queued", Big),
    column("paid", Big),
    column("state", Text),
    key=("record_id",),
)
"""Points that a fund could not pay when the record was verified: they wait in the order of `queued`, the entry of the
merit. `state`: waiting, paid (by the entry `paid`), dropped (the record was reversed first)."""
Index(
    "unfunded_credits_queue_idx",
    unfunded_credits.c.ledger_id,
    unfunded_credits.c.fund,
    unfunded_credits.c.queued,
)
