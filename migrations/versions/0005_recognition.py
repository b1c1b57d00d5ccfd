"""Candidate lists of a year, and honours."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "award_lists",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("list_id", TEXT, nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("subject_kind", TEXT, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("as_of", BIG, nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.Column("made_at", BIG, nullable=False),
        sa.CheckConstraint("wanted > 0", name=op.f("award_lists_wanted_check")),
        sa.PrimaryKeyConstraint("ledger_id", "list_id", name="award_lists_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "award_candidates",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("list_id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("minutes", BIG, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("tied", sa.Integer(), nullable=False),
        sa.CheckConstraint("tied IN (0, 1)", name=op.f("award_candidates_tied_check")),
        sa.PrimaryKeyConstraint("ledger_id", "list_id", "subject", name="award_candidates_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("award_candidates_rank_idx", "award_candidates", ["ledger_id", "list_id", "rank"])
    op.create_table(
        "honours",
        sa.Column("ledger_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("honour_id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("granted_on", TEXT, nullable=False),
        sa.Column("granted_by", TEXT, nullable=False),
        sa.Column("document_no", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("revokes", TEXT, nullable=False),
        sa.Column("recorded_by", TEXT, nullable=False),
        sa.Column("recorded_at", BIG, nullable=False),
        sa.CheckConstraint("state IN ('valid', 'revoked', 'revocation')", name=op.f("honours_state_check")),
        sa.PrimaryKeyConstraint("ledger_id", "honour_id", name="honours_pk"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("honours_subject_idx", "honours", ["ledger_id", "subject", "granted_on"])
    op.create_index("honours_document_idx", "honours", ["ledger_id", "document_no"])


def downgrade() -> None:
    op.drop_table("honours")
    op.drop_table("award_candidates")
    op.drop_table("award_lists")
