"""Budgets of funds, hours taken back, merged registrations, samples of closed batches."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "budget_changes",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("fund", TEXT, nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("document_no", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("decided_at", BIG, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "change_id", name="budget_changes_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("budget_changes_fund_idx", "budget_changes", ["ledger_id", "fund", "proposed_at"])
    op.create_table(
        "clawback_cases",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("activity_id", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("document_no", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("decided_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "case_id", name="clawback_cases_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("clawback_cases_activity_idx", "clawback_cases", ["ledger_id", "activity_id", "case_id"])
    op.create_table(
        "clawback_lines",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", TEXT, nullable=False),
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("guilty", sa.Integer(), nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("taken", BIG, nullable=False),
        sa.Column("owed", BIG, nullable=False),
        sa.Column("lost", BIG, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "line_id", name="clawback_lines_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("clawback_lines_case_idx", "clawback_lines", ["ledger_id", "case_id", "record_id"])
    op.create_table(
        "merged_people",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("merge_id", TEXT, nullable=False),
        sa.Column("old_id", TEXT, nullable=False),
        sa.Column("into_id", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("undone_by", BIG, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("merged_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "merge_id", name="merged_people_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("merged_people_old_idx", "merged_people", ["ledger_id", "old_id"])
    op.create_index("merged_people_into_idx", "merged_people", ["ledger_id", "into_id"])
    op.create_table(
        "samples",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sample_id", TEXT, nullable=False),
        sa.Column("recorder", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("seed", TEXT, nullable=False),
        sa.Column("drawn_by", TEXT, nullable=False),
        sa.Column("drawn_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "sample_id", name="samples_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("samples_day_idx", "samples", ["ledger_id", "day", "sample_id"])
    op.create_table(
        "sample_outcomes",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sample_id", TEXT, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("noted_by", TEXT, nullable=False),
        sa.Column("noted_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "sample_id", "record_id", name="sample_outcomes_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("sample_outcomes")
    op.drop_table("samples")
    op.drop_table("merged_people")
    op.drop_table("clawback_lines")
    op.drop_table("clawback_cases")
    op.drop_table("budget_changes")
