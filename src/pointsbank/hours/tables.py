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
    key=("record_id",),
)
"""`state`: refused, pending (on public notice), credited, reversed. `fields` are the 13 as they came in, joined
by U+001F. `start_minute`/`end_minute` are the attendance in the session, local minutes since 1970."""

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
Index("service_records_sequence_idx", service_records.c.ledger_id, service_records.c.sequence)
