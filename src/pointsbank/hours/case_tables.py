"""Documents of the hours room's cases: hours taken back, samples of closed batches, points given away."""

from sqlalchemy import Index, LargeBinary, Text

from pointsbank.store.tables import Big, Int, column, table

clawback_cases = table(
    "clawback_cases",
    column("case_id", Text),
    column("activity_id", Text),
    column("reason", Text),
    column("document_no", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("decided_by", Text),
    column("decided_at", Big),
    column("state", Text),
    key=("case_id",),
)
"""Hours of an activity that shall not count. `state`: proposed, decided, refused. Two people, of whom each is named."""
Index(
    "clawback_cases_activity_idx",
    clawback_cases.c.ledger_id,
    clawback_cases.c.activity_id,
    clawback_cases.c.case_id,
)

clawback_lines = table(
    "clawback_lines",
    column("line_id", Text),
    column("case_id", Text),
    column("record_id", Text),
    column("person_id", Text),
    column("guilty", Int),
    column("content", Text),
    column("minutes", Int),
    column("points", Big),
    column("taken", Big),
    column("owed", Big),
    column("lost", Big),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("state", Text),
    key=("line_id",),
)
"""A record of a case. `points` = `taken` (was still there) + `owed` (a debt) + `lost` (the fund bears it). `state`:
waiting, done (by the entry `sequence`), dropped (it had ended otherwise before)."""
Index(
    "clawback_lines_case_idx",
    clawback_lines.c.ledger_id,
    clawback_lines.c.case_id,
    clawback_lines.c.record_id,
)
Index("clawback_lines_person_idx", clawback_lines.c.ledger_id, clawback_lines.c.person_id)
Index("clawback_lines_sequence_idx", clawback_lines.c.ledger_id, clawback_lines.c.sequence)

samples = table(
    "samples",
    column("sample_id", Text),
    column("recorder", Text),
    column("day", Text),
    column("lines", Int),
    column("digest", Text),
    column("percent", Int),
    column("seed", Text),
    column("drawn_by", Text),
    column("drawn_at", Big),
    key=("sample_id",),
)
"""What one recorder submitted on one day, `lines` records with the `digest` of their ids, and the seed drawn for it
after that day had ended: there is one seed a batch, and it is never drawn again."""
Index("samples_day_idx", samples.c.ledger_id, samples.c.day, samples.c.sample_id)

sample_outcomes = table(
    "sample_outcomes",
    column("sample_id", Text),
    column("record_id", Text),
    column("outcome", Text),
    column("noted_by", Text),
    column("noted_at", Big),
    key=("sample_id", "record_id"),
)
"""What became of a sampled record: confirmed, wrong-times, not-present, no-evidence."""

withheld_points = table(
    "withheld_points",
    column("line_id", Text),
    column("record_id", Text),
    column("points", Big),
    column("sequence", Big),
    column("state", Text),
    key=("line_id", "record_id"),
)
"""Points of a record on notice that the entry `sequence` took for another record, that of the case's line. `state`:
taken."""
Index("withheld_points_record_idx", withheld_points.c.ledger_id, withheld_points.c.record_id)

gifts = table(
    "gifts",
    column("gift_id", Text),
    column("giver", Text),
    column("taker", Text),
    column("points", Big),
    column("content", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("ready_at", Big),
    column("decided_by", Text),
    column("decided_at", Big),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("state", Text),
    key=("gift_id",),
)
"""Points given to `taker` of the household, or to the fund where that is empty, by two members of staff. `state`:
proposed, given (by the entry `sequence`), called-off."""
Index("gifts_giver_idx", gifts.c.ledger_id, gifts.c.giver, gifts.c.proposed_at)
Index("gifts_taker_idx", gifts.c.ledger_id, gifts.c.taker)
Index("gifts_sequence_idx", gifts.c.ledger_id, gifts.c.sequence)
