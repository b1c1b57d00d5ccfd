"""The documents of the funds room: changes of budgets, each by two people."""

from sqlalchemy import Index, LargeBinary, Text

from pointsbank.store.tables import Big, column, table

budget_changes = table(
    "budget_changes",
    column("change_id", Text),
    column("fund", Text),
    column("points", Big),
    column("document_no", Text),
    column("content", Text),
    column("proposed_by", Text),
    column("proposed_at", Big),
    column("decided_by", Text),
    column("decided_at", Big),
    column("sequence", Big),
    column("salt", LargeBinary),
    column("state", Text),
    key=("change_id",),
)
"""`points` in hundredths, below 0 for a cut; `document_no` is the city's decision. `state`: proposed, approved (by the
entry `sequence`), refused."""
Index(
    "budget_changes_fund_idx", budget_changes.c.ledger_id, budget_changes.c.fund, budget_changes.c.proposed_at
)
Index("budget_changes_sequence_idx", budget_changes.c.ledger_id, budget_changes.c.sequence)
