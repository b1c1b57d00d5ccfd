"""What came in, line by line, and what became of it: nothing that came in vanishes."""

from sqlalchemy import Index, Text

from pointsbank.store.tables import Big, Int, column, table

intake_lines = table(
    "intake_lines",
    column("source", Text),
    column("line", Int),
    column("id", Text),
    column("verdict", Text),
    column("minutes", Big),
    column("points", Big),
    column("sequence", Big),
    key=("source", "line"),
)
"""One row a line of a file or batch: its verdict, written in the commit of its postings (`sequence`, 0 for none)."""

intake_steps = table(
    "intake_steps",
    column("source", Text),
    column("step", Text),
    column("sequence", Big),
    column("recorded_at", Big),
    key=("source", "step"),
)
"""Steps of a long job that are complete, and the head's sequence at their end."""

Index("intake_lines_id_idx", intake_lines.c.ledger_id, intake_lines.c.id)
