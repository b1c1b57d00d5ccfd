"""Refused attempts, for the auditor's lists; points on notice that were taken for other hours."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "refused_attempts",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("thing", TEXT, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", BIG, nullable=False),
        sa.Column("last_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "day", "rule", "actor", "subject", name="refused_attempts_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("refused_attempts_last_idx", "refused_attempts", ["ledger_id", "last_at"])
    op.create_table(
        "withheld_points",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", TEXT, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "line_id", "record_id", name="withheld_points_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("withheld_points_record_idx", "withheld_points", ["ledger_id", "record_id"])


def downgrade() -> None:
    op.drop_table("withheld_points")
    op.drop_table("refused_attempts")
