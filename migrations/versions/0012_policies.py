"""Policies that two people approve; evidence of attendance that was typed in; indexes that `verify` reads by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

BY_SEQUENCE = ("clawback_lines", "budget_changes", "merged_people", "deliveries", "gifts")
"""What `verify` reads by the entry that carries it, some thousand entries at a time."""


def upgrade() -> None:
    op.create_table(
        "policy_changes",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("versions", TEXT, nullable=False),
        sa.Column("document_no", TEXT, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("decided_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'approved', 'refused')", name=op.f("policy_changes_state_check")
        ),
        sa.CheckConstraint("(state = 'approved') = (number > 0)", name=op.f("policy_changes_number_check")),
        sa.CheckConstraint(
            "decided_by = '' OR decided_by <> proposed_by OR decided_by = 'founding'",
            name=op.f("policy_changes_four_eyes_check"),
        ),
        sa.PrimaryKeyConstraint("ledger_id", "change_id", name="policy_changes_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("policy_changes_number_idx", "policy_changes", ["ledger_id", "number"])
    op.create_table(
        "evidence",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("reference", TEXT, nullable=False),
        sa.Column("filed_by", TEXT, nullable=False),
        sa.Column("filed_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "session_id", "person_id", name="evidence_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("evidence_person_idx", "evidence", ["ledger_id", "person_id"])
    op.create_index("clawback_lines_person_idx", "clawback_lines", ["ledger_id", "person_id"])
    for table in BY_SEQUENCE:
        op.create_index(f"{table}_sequence_idx", table, ["ledger_id", "sequence"])


def downgrade() -> None:
    op.drop_index("clawback_lines_person_idx", "clawback_lines")
    for table in BY_SEQUENCE:
        op.drop_index(f"{table}_sequence_idx", table)
    op.drop_table("evidence")
    op.drop_table("policy_changes")
