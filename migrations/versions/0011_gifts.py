"""Points that are given to the household or to the fund."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "gifts",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gift_id", TEXT, nullable=False),
        sa.Column("giver", TEXT, nullable=False),
        sa.Column("taker", TEXT, nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("ready_at", BIG, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("decided_at", BIG, nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", "gift_id", name="gifts_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("gifts_giver_idx", "gifts", ["ledger_id", "giver", "proposed_at"])
    op.create_index("gifts_taker_idx", "gifts", ["ledger_id", "taker"])


def downgrade() -> None:
    op.drop_table("gifts")
