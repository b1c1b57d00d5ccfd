"""Service record sheets."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "record_sheets",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sheet_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("served_as", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("from_day", TEXT, nullable=False),
        sa.Column("to_day", TEXT, nullable=False),
        sa.Column("minutes", BIG, nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("as_of", BIG, nullable=False),
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("name_mac", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_on", TEXT, nullable=False),
        sa.Column("issued_by", TEXT, nullable=False),
        sa.Column("issued_at", BIG, nullable=False),
        sa.Column("replaces", TEXT, nullable=False),
        sa.Column("ended_by", TEXT, nullable=False),
        sa.Column("ended_at", BIG, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.CheckConstraint(
            "state IN ('valid', 'superseded', 'withdrawn')", name=op.f("record_sheets_state_check")
        ),
        sa.CheckConstraint("number > 0", name=op.f("record_sheets_number_check")),
        sa.CheckConstraint("from_day <= to_day", name=op.f("record_sheets_days_check")),
        sa.PrimaryKeyConstraint("ledger_id", "sheet_id", name="record_sheets_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "record_sheets_number_key", "record_sheets", ["ledger_id", "issuer", "year", "number"], unique=True
    )
    op.create_index("record_sheets_token_key", "record_sheets", ["ledger_id", "token_hash"], unique=True)
    op.create_index("record_sheets_person_idx", "record_sheets", ["ledger_id", "person_id", "sheet_id"])


def downgrade() -> None:
    op.drop_table("record_sheets")
