"""Terminals at which cards and PINs open something."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "terminals",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("terminal_id", TEXT, nullable=False),
        sa.Column("place_id", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("proposed_by", TEXT, nullable=False),
        sa.Column("proposed_at", BIG, nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_until", BIG, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("enrolled_at", BIG, nullable=False),
        sa.Column("revoked_by", TEXT, nullable=False),
        sa.Column("revoked_at", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'confirmed', 'enrolled', 'revoked')", name=op.f("terminals_state_check")
        ),
        sa.CheckConstraint(
            "confirmed_by = '' OR confirmed_by <> proposed_by", name=op.f("terminals_four_eyes_check")
        ),
        sa.CheckConstraint(
            "(state = 'enrolled') <= (length(key_hash) = 32)", name=op.f("terminals_key_hash_check")
        ),
        sa.PrimaryKeyConstraint("ledger_id", "terminal_id", name="terminals_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("terminals_place_idx", "terminals", ["ledger_id", "place_id"])


def downgrade() -> None:
    op.drop_table("terminals")
